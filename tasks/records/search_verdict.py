"""The part of verdict.json on a hyperparameter search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.records.documents import Number


@dataclass(frozen=True, kw_only=True)
class BestSetting:
    """One of a recipe's settings that ended well; its fields are those of `evaluation.tried.Tried`."""

    number: int
    variant_id: str
    values: Mapping[str, Any]
    score: float | None
    spread: float | None
    seconds: Number


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A best value at the edge of the searched range.

    Args:
        side: `low` or `high`.
        end: The end of the range on that side.
        owned: Whether the range is the optimizer's own.
        matters: False where the dimension's importance is known and small: then the best value is there by chance.
        sentence, remedy: The finding in words, and what to do.
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
        kind: `expected` where the order of settings has no meaning, `running` where it has one.
        settings: `[points]`, from 1, rising.
        best: `[points]`, in the metric's own unit; None before the first setting that ended well.
        low, high: `[points]`, the bounds of the band; None where there is none.
    """

    kind: str
    settings: Sequence[int]
    best: Sequence[float | None]
    low: Sequence[float] | None
    high: Sequence[float] | None


@dataclass(frozen=True)
class Importance:
    """The importance of one dimension.

    Args:
        name: The dimension's name.
        share: Share of the variance of the scores that its main effect explains, in `[0, 1]`. The rest, after all
            shares, is interaction.
        settings: The number of settings that it was computed from: for a dimension that is not always active, those
            where it is.
    """

    name: str
    share: float
    settings: int


@dataclass(frozen=True)
class Sensitivity:
    """The sensitivity of one recipe to its learning rate.

    Args:
        low, high: The searched range.
        share: Share of that range, on a logarithmic scale, in which settings score within the tolerance, in `[0, 1]`.
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
    """The judgement of one recipe's search.

    Args:
        settings, diverged, pruned: How many settings were tried, diverged, and left at a rung.
        epochs, seconds: Sums over all settings, seeds and folds.
        best, top: The best setting and the ten best; None and empty where none ended well.
        edges: The best values at an edge of their range.
        curve: The best score by the number of settings; None where none ended well.
        importance: The importance of each dimension; None where it is not known.
        learning_rate: None where it was not searched, or its sensitivity is not known.
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
    """An optimizer that contains another as a special case, so its search should not do worse.

    Args:
        exact: Whether it can do exactly what the other can; else it only comes close.
        why: Which values make them equal.
        difference: Difference of their best scores, positive = `outer` better.
        noise: The difference that may be due to chance; None where it is not known.
        too_small: Whether the difference shows that the search was too small; then `sentence` says so.
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
        metric: The metric that scored settings.
        runs: Seeds times folds of each setting.
        tolerance: How far below its best a recipe is still good enough, in the metric's unit; None where no setting
            ended well.
        pareto: Variants that no other setting beats in both score and seconds, the fastest first; None where the search
            was not asked to judge by time.
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
