"""What plan.json holds: everything that will be done, written down before it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tasks.records.decisions import Decides
from tasks.records.documents import OMITTED, Number, RunDocument
from tasks.records.search_plan import SearchPlan
from tasks.records.settings import RecipeSettings
from tasks.records.stacks import PlannedStack

PLAN = "plan.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """One arm of the comparison, every hyperparameter bound.

    Args:
        recipe: Readable: what tells it from the other recipes.
        settings: In the file `params`.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    schedule: str
    variant_id: str
    settings: Annotated[RecipeSettings, Field(alias="params")]


@dataclass(frozen=True)
class PlannedTrial:
    trial_id: str
    recipe_id: str
    variant_id: str
    stage: str
    seed: int
    fold: int | None
    epochs: int


@dataclass(frozen=True)
class Column:
    """An input column; `kind` is its name in the table of kinds."""

    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column of the source, and what it was taken for.

    Args:
        kind: `number`, `category`, `date`, `text`, `target`, `split` (it divides the rows) or `ignore`.
        why: How that was decided.
        missing: Share of the rows without a value, in [0, 1]; None where the column was not looked at.
        missing_texts: Texts that were taken as no value, with their rows; a field that is empty is not among them.
        distinct: Different values; None where the column was not looked at.
        becomes: What the model gets of it, in words.
        note: What is surprising about it, and how to overrule it; None where nothing is.
    """

    name: str
    kind: str
    why: str
    missing: Number | None
    missing_texts: Mapping[str, int]
    distinct: int | None
    becomes: str
    note: str | None

    @property
    def missing_phrase(self) -> str:
        """`12% ('NA' in 12)`; empty where the column was not looked at."""
        if self.missing is None:
            return ""
        said = ", ".join(f"{text!r} in {rows:,}" for text, rows in self.missing_texts.items() if rows)
        return f"{self.missing:.0%}" + (f" ({said})" if said else "")


@dataclass(frozen=True)
class Sound:
    """Of every sound: `rate` samples a second, `seconds` long."""

    rate: int
    seconds: Number


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """The data set.

    Args:
        classes: None for regression.
        positive: The class of interest; None where there is none. `positive_why` says how it was chosen.
        notes: What its reader noticed.
        columns: Of a table, the inputs.
        source_columns: Of a table or of texts, every column of the source.
        kind: Name of the form the inputs have.
        image_shape: Rows, columns and channels of images.
        text: The column of texts.
    """

    name: str
    rows: int
    digest: str
    target: str
    classes: Sequence[str] | None
    positive: str | None = None
    positive_why: str | None = None
    source: str
    licence: str
    notes: Sequence[str]
    columns: Sequence[Column]
    kind: str
    image_shape: Sequence[int] | None = None
    text: str | None = None
    sound: Sound | None = None
    source_columns: Annotated[Sequence[SourceColumn], OMITTED] = ()


@dataclass(frozen=True, kw_only=True)
class DataFacts(DataDescription):
    """The data set, and how its rows are held.

    Args:
        streamed: Whether rows stay on disk.
        shuffle: `whole`, or the blocks that training rows are shuffled by.
        memory_bytes: About what the data take beside the stacks.
    """

    streamed: bool
    shuffle: str
    memory_bytes: int


@dataclass(frozen=True)
class Skipped:
    """A recipe that does not fit the data."""

    recipe: str
    reason: str


@dataclass(frozen=True)
class RangeTestCost:
    """Trials of all range tests, and the seconds expected."""

    trials: int
    seconds: Number


@dataclass(frozen=True, kw_only=True)
class SearchCost:
    """What a search is expected to cost: trials, seconds, and the stacks of its first round.

    Args:
        range_tests: Where its ranges are found by range tests, what these cost; `seconds` holds theirs too.
    """

    trials: int
    seconds: Number
    first_wave: Sequence[PlannedStack]
    range_tests: Annotated[RangeTestCost | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run is expected to cost; `seconds` are those of the whole run, `search` where something is tuned.

    Args:
        memory_bytes: Of the run's process at its peak; None in plans from before it was said.
    """

    trials: int
    steps: int
    seconds: Number
    memory_bytes: Annotated[int | None, OMITTED] = None
    search: Annotated[SearchCost | None, OMITTED] = None


@dataclass(frozen=True)
class Calibration:
    """How many times as long as the model says a machine takes, compiling and stepping."""

    compiling: Number = 1.0
    stepping: Number = 1.0


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What the probe of the machine found.

    Args:
        trials: In its stack.
        compile_seconds: Of one core, tracing included.
        step_seconds: Of one core, for a step of all trials.
        pace: Against what was expected.
    """

    trials: int
    compile_seconds: Number
    step_seconds: Number
    pace: Calibration


@dataclass(frozen=True, kw_only=True)
class Probe:
    """With XLA and without."""

    xla: Probed
    graph: Probed


@dataclass(frozen=True)
class Reach:
    """From when to when rows reach, in words: dates in UTC, or numbers."""

    first: str
    last: str

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


FINAL, FOLD = "final", "fold"
"""Stages of trials: those that are compared and may be shipped; and those of a fold that is held out, which judge."""


@dataclass(frozen=True)
class FoldChoice:
    """What a recipe's search chose in a fold that judges, by rows that the fold learns from alone.

    Args:
        number: Of the setting in the search, from 0.
        values: The setting.
        score: Of the deciding metric on the rows that the search chose by, which it flatters.
    """

    fold: int
    recipe_id: str
    variant_id: str
    number: int
    values: Mapping[str, Any]
    score: Number | None


@dataclass(frozen=True)
class FoldSearches:
    """The searches in folds that judge.

    Args:
        variants: The recipes with what was chosen in some fold, each once.
        choices: What each recipe's search chose in each fold, where a setting ended well.
    """

    variants: list[Recipe]
    choices: list[FoldChoice]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Folds that are held out in turn, where the procedure is judged out of fold.

    Args:
        folds, repeats: As the spec has them. Folds are numbered through, the first repeat's first.
        rows: How many are judged in the first repeat.
        learned_from: The fewest and the most rows that a fold learns from, those that choose included.
        ratio: Judged rows to rows learned from, the mean over folds: 1 / (folds - 1) where all are equally large.
        trials, stacks: Those of the folds. In fold j, the trial that stands for seed s of a run with n has seed
            j * n + s: so initial weights and the order of batches are drawn anew in every fold.
        searched: Where something is tuned; None until that is done. Of its trials, those with the number of a fold
            here were tried on its rows that choose; with `tune.folds`, numbers go on after these folds.
    """

    folds: int
    repeats: int
    rows: int
    learned_from: tuple[int, int]
    ratio: float
    trials: list[PlannedTrial]
    stacks: list[PlannedStack]
    searched: Annotated[FoldSearches | None, OMITTED] = None

    @property
    def count(self) -> int:
        """Folds of all repeats."""
        return self.folds * self.repeats


@dataclass(frozen=True, kw_only=True)
class Plan(RunDocument):
    """plan.json.

    Args:
        spec: As written, with every default.
        metric, also: What is measured of each trial; the first one decides.
        metric_why: Why that one, where it was chosen by the data; None: the spec names it, or it is the usual one.
        confidence: Of all intervals.
        decides: How answers are made of outputs, and what they cost; None: the likeliest class, and nothing.
        ship: `best`: a baseline may be shipped; None: networks only.
        parts: Rows of train, val and test.
        reaches: Of a split by time, from when to when each part reaches.
        trials, stacks: The final trials; empty until a search is done.
        skipped: Recipes that don't fit the data.
        probe: Where the machine was measured.
        search: Where something is tuned.
        held_out: Where the procedure is judged out of fold. Then `parts` has for test the rows that are judged so, and
            all rows are of train or val.
    """

    FILE: ClassVar[str] = PLAN

    experiment: str
    description: str
    spec: dict[str, Any]
    task: str
    metric: str
    also: list[str]
    confidence: float
    data: DataFacts
    parts: Mapping[str, int]
    recipes: list[Recipe]
    trials: list[PlannedTrial]
    stacks: list[PlannedStack]
    skipped: list[Skipped]
    cost: Cost
    probe: Probe | None = None
    search: SearchPlan | None = None
    reaches: Annotated[Mapping[str, Reach] | None, OMITTED] = None
    decides: Annotated[Decides | None, OMITTED] = None
    ship: Annotated[Literal["best"] | None, OMITTED] = None
    metric_why: Annotated[str | None, OMITTED] = None
    held_out: Annotated[HeldOut | None, OMITTED] = None
    schema_version: int = SCHEMA_VERSION

    def following(self, earlier: Plan) -> Plan:
        """This plan with the stacks of an earlier one, where that has the same trials and measures the same.

        Stacks are divided for the machine at hand, and evaluated at steps that may come from its pace; whoever goes on
        with a run keeps the division and the steps it was begun with.
        """
        same = [{each.trial_id for each in plan.all_trials} for plan in (self, earlier)]
        if same[0] != same[1] or self.metrics != earlier.metrics:
            return self
        return replace(self, stacks=earlier.stacks, cost=earlier.cost, probe=earlier.probe, held_out=earlier.held_out)

    @property
    def all_trials(self) -> list[PlannedTrial]:
        """The final ones, and those of folds that are held out."""
        return [*self.trials, *(self.held_out.trials if self.held_out else ())]

    @property
    def all_stacks(self) -> list[PlannedStack]:
        """Of `all_trials`."""
        return [*self.stacks, *(self.held_out.stacks if self.held_out else ())]

    @property
    def reuse(self) -> str:
        """How many of the trials an earlier run trained, in a sentence; empty where none."""
        return reuse_sentence(self.all_stacks)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured of each trial; the first one decides."""
        return (self.metric, *self.also)

    def stack_of(self, trial_id: str) -> PlannedStack:
        """The stack of a final trial."""
        return next(each for each in self.stacks if trial_id in each.trials)

    @property
    def variants(self) -> list[Recipe]:
        """The recipes, and what searches made of them in folds that are held out."""
        searched = self.held_out.searched if self.held_out else None
        return [*self.recipes, *(searched.variants if searched else ())]

    def variant(self, variant_id: str) -> Recipe:
        """The recipe with its values bound."""
        return next(each for each in self.variants if each.variant_id == variant_id)


def reuse_sentence(stacks: Iterable[PlannedStack]) -> str:
    """`12 of 15 trials are reused (trained by RUN), 3 are trained`; empty where none is reused."""
    listed = list(stacks)
    reused = sum(stack.size for stack in listed if stack.reused)
    if not reused:
        return ""
    runs = sorted({run for stack in listed if stack.reused for run in stack.reused.split(", ")})
    by = f"{runs[0]}" if len(runs) == 1 else f"{len(runs)} earlier runs"
    total = sum(stack.size for stack in listed)
    left = "none is" if reused == total else f"{total - reused:,} {'is' if total - reused == 1 else 'are'}"
    return f"{reused:,} of {total:,} trials {'is' if reused == 1 else 'are'} reused (trained by {by}), {left} trained"


def counts_alike(recipe: Recipe) -> bool:
    """Whether its classes count alike in training, whatever their rows."""
    return recipe.settings.imbalance != "none"


def weighted_recipes(recipes: Iterable[Recipe]) -> dict[str, str]:
    """By `recipe_id`, how the classes were made to count alike in training, where they were: `class_weight` or
    `resample`."""
    return {recipe.recipe_id: recipe.settings.imbalance for recipe in recipes if counts_alike(recipe)}
