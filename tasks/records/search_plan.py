"""The part of plan.json on a hyperparameter search: what is searched, and with which budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from tasks.records.documents import OMITTED, Number
from tasks.records.settings import RecipeSettings
from tasks.records.stacks import PlannedStack


@dataclass(frozen=True, kw_only=True)
class SearchedRange:
    """A dimension over a range, as in `tasks.search.space`; before a range test, the optimizer's own range."""

    name: str
    low: Number
    high: Number
    log: bool = False
    integer: bool = False
    step: Number | None = None
    when: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    owned: bool = False
    tested: Annotated[bool | None, OMITTED] = None


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
    """How many settings are trained to this rung, and up to the end of which epoch."""

    settings: int
    epochs: int


@dataclass(frozen=True, kw_only=True)
class PlannedSearch:
    """The search of one recipe.

    Args:
        params: The recipe's settings as compared, before the search chose any.
        trials: The number of settings that are tried; with rungs, the number that begin.
        epochs: Epochs that one seed and fold spend on all of them.
        rungs: Where settings leave the search; empty: nowhere.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    params: RecipeSettings
    method: str
    trials: int
    epochs: int
    rungs: Sequence[PlannedRung]
    space: Sequence[SearchedDimension]


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """The result of a learning-rate range test of one recipe (rule and source: `tasks.search.range_test`).

    Args:
        epochs: Epochs of each trial. There is one trial for each rate and seed.
        rates: The rates that were tried, in rising order.
        losses: For each rate, the validation loss after these epochs, mean over seeds; None where a trial diverged.
        best: The rate of the least loss; None where no rate lowered the loss.
        low, high: The suggested range; where no rate lowered the loss, the optimizer's own range.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    epochs: int
    seeds: int
    rates: Sequence[Number]
    losses: Sequence[Number | None]
    best: Number | None
    low: Number
    high: Number


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """plan.json's `search`.

    Args:
        method: The methods' names, with commas between them.
        folds: None: settings are scored on the validation part.
        metric: The metric that scores settings.
        cost: `seconds` where settings are judged by time too.
        stacks: The stacks that were trained; empty until the search is done.
        range_tests: Where learning rates are searched in the range that a test finds; None until the tests are done.
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
    range_tests: Annotated[Sequence[RangeTest] | None, OMITTED] = None

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1."""
        return 1 if self.greater_is_better else -1
