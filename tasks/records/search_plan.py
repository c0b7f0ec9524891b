"""What plan.json holds of a hyperparameter search: what is searched, and with which budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.records.documents import Number
from tasks.records.stacks import PlannedStack


@dataclass(frozen=True, kw_only=True)
class SearchedRange:
    """A dimension over a range, as `tasks.search.space` has it."""

    name: str
    low: Number
    high: Number
    log: bool = False
    integer: bool = False
    step: Number | None = None
    when: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    owned: bool = False


@dataclass(frozen=True, kw_only=True)
class SearchedChoices:
    """A dimension over choices."""

    name: str
    choices: Sequence[Any]
    when: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    owned: bool = False


SearchedDimension = SearchedRange | SearchedChoices


@dataclass(frozen=True)
class PlannedRung:
    """How many settings go on, and to the end of which epoch."""

    settings: int
    epochs: int


@dataclass(frozen=True, kw_only=True)
class PlannedSearch:
    """The search of one recipe.

    Args:
        params: The recipe's settings as compared, before anything was chosen.
        trials: Settings that are tried: with rungs, that begin.
        epochs: That one seed and fold spend on all of them.
        rungs: Where settings are left out; empty: nowhere.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    params: Mapping[str, Any]
    method: str
    trials: int
    epochs: int
    rungs: Sequence[PlannedRung]
    space: Sequence[SearchedDimension]


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """plan.json's `search`.

    Args:
        method: The methods' names, with commas between them.
        folds: None: settings are scored on the validation part.
        metric: What settings are scored by.
        cost: `seconds` where settings are judged by time too.
        stacks: Those that were trained; empty until the search is done.
    """

    method: str
    trials: int
    seeds: int
    folds: int | None
    metric: str
    greater_is_better: bool
    cost: str | None
    recipes: Sequence[PlannedSearch]
    stacks: Sequence[PlannedStack]

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1."""
        return 1 if self.greater_is_better else -1
