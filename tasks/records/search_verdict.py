"""What verdict.json holds of a hyperparameter search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.records.documents import Number


@dataclass(frozen=True, kw_only=True)
class BestSetting:
    """One of a recipe's settings that ended; its fields are those of `evaluation.tried.Tried`."""

    number: int
    variant_id: str
    values: Mapping[str, Any]
    score: float | None
    spread: float | None
    seconds: Number


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A best value at the edge of what was searched.

    Args:
        side: `low` or `high`.
        end: Where the range ends on that side.
        owned: Whether the range is the optimizer's own.
        matters: False where the dimension's importance is known and small: then chance put the best value there.
        sentence, remedy: What to say of it, and what to do.
    """

    name: str
    value: Any
    side: str
    end: float
    owned: bool
    matters: bool
    sentence: str
    remedy: str


@dataclass(frozen=True)
class BestByBudget:
    """A curve over the number of settings.

    Args:
        kind: `expected` where the order means nothing, `running` where it does.
        settings: `[points]`, from 1, rising.
        best: `[points]`, in the metric's own unit; None before the first setting that ended.
        low, high: `[points]`, the bounds of the band; None where there is none.
    """

    kind: str
    settings: Sequence[int]
    best: Sequence[float | None]
    low: Sequence[float] | None
    high: Sequence[float] | None


@dataclass(frozen=True)
class Importance:
    """Of one dimension.

    Args:
        name: The dimension's.
        share: Of the variance of the scores, by its main effect, in `[0, 1]`. What all shares leave is interaction.
        settings: How many it was found from: for a dimension that is not always active, those where it is.
    """

    name: str
    share: float
    settings: int


@dataclass(frozen=True)
class Sensitivity:
    """Of one recipe to its learning rate.

    Args:
        low, high: The range searched.
        share: Of that range on a logarithmic scale, in `[0, 1]`: where settings score within the tolerance.
        decades: The same as a width: 1 = a factor of ten.
        good_low, good_high: The lowest and the highest learning rate within the tolerance.
    """

    low: float
    high: float
    share: float
    decades: float
    good_low: float
    good_high: float


@dataclass(frozen=True, kw_only=True)
class SearchedRecipe:
    """One recipe's search, judged.

    Args:
        settings, diverged, pruned: How many were tried, and what became of some.
        epochs, seconds: Of all of them, over seeds and folds.
        best, top: The best setting and the ten best; None and empty where none ended.
        edges: The best values at an edge of their range.
        curve: The best score by the number of settings; None where none ended.
        importance: Of each dimension; None where it can't be told.
        learning_rate: None where it was not searched, or can't be told.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    method: str
    settings: int
    diverged: int
    pruned: int
    epochs: Number
    seconds: Number
    best: BestSetting | None
    top: Sequence[BestSetting]
    edges: Sequence[Edge]
    curve: BestByBudget | None
    importance: Sequence[Importance] | None
    learning_rate: Sensitivity | None


@dataclass(frozen=True, kw_only=True)
class Containment:
    """An optimizer that contains another, which its search should therefore not fall behind.

    Args:
        exact: Whether it contains all that the other can do, or comes close.
        why: Which values make them equal.
        difference: Of their best scores, positive = `outer` better.
        noise: What chance allows; None where it is not known.
        too_small: Whether the difference says that the search was too small; `sentence` says so then.
    """

    outer_id: str
    outer: str
    inner_id: str
    inner: str
    exact: bool
    why: str
    difference: float
    noise: float | None
    too_small: bool
    sentence: str | None


@dataclass(frozen=True, kw_only=True)
class SearchVerdict:
    """verdict.json's `search`.

    Args:
        metric: What settings were scored by.
        runs: Seeds times folds of each setting.
        tolerance: How far below its best a recipe is still good enough, in the metric's unit; None where none ended.
        pareto: Variants that no other setting beats in both score and seconds, the fastest first; None where cost was
            not asked.
        warnings: A full sentence for each thing that weakens the comparison.
    """

    metric: str
    greater_is_better: bool
    runs: int
    tolerance: float | None
    recipes: Sequence[SearchedRecipe]
    containments: Sequence[Containment]
    pareto: Sequence[str] | None
    warnings: Sequence[str]

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1."""
        return 1 if self.greater_is_better else -1
