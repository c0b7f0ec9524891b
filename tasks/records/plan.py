"""plan.json: everything that a run will do, written before it is done."""

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
        recipe: Readable name, which says how it differs from the other recipes.
        settings: Called `params` in the file.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    schedule: str
    variant_id: str
    settings: Annotated[RecipeSettings, Field(alias="params")]


@dataclass(frozen=True)
class PlannedTrial:
    """A trial of a plan.

    Args:
        stage: As in the table `trials`.
        initial: The seed of its initial weights, where that is not `seed`.
    """

    trial_id: str
    recipe_id: str
    variant_id: str
    stage: str
    seed: int
    fold: int | None
    epochs: int
    initial: Annotated[int | None, OMITTED] = None


@dataclass(frozen=True)
class Column:
    """An input column; `kind` is its name in the table of kinds."""

    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column of the source, and how it is interpreted.

    Args:
        kind: `number`, `category`, `date`, `text`, `target`, `split` (it divides the rows) or `ignore`.
        why: How that was decided.
        missing: Share of the rows without a value, in [0, 1]; None where the column was not looked at.
        missing_texts: Texts that count as missing, with their number of rows; an empty field is not listed.
        distinct: Number of different values; None where the column was not looked at.
        becomes: What the model receives of it, in words.
        note: What is surprising about it, and how to change the decision; None where nothing is surprising.
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
    """The format of all sounds: `rate` samples per second, `seconds` long."""

    rate: int
    seconds: Number


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """The data set.

    Args:
        classes: None for regression.
        positive: The class of interest; None where there is none. `positive_why` says how it was chosen.
        notes: Notes from reading the data.
        columns: For a table, the inputs.
        source_columns: For a table or texts, every column of the source.
        kind: Name of the form of the inputs.
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
    """The data set, and how its rows are stored.

    Args:
        streamed: Whether rows stay on disk.
        shuffle: `whole`, or the blocks that training rows are shuffled by.
        memory_bytes: About how much memory the data take, without the stacks.
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
    """The number of trials of all range tests, and the expected seconds."""

    trials: int
    seconds: Number


@dataclass(frozen=True, kw_only=True)
class SearchCost:
    """The expected cost of a search: trials, seconds, and the stacks of its first round.

    Args:
        range_tests: The cost of the range tests, where they find its ranges; it is included in `seconds`.
    """

    trials: int
    seconds: Number
    first_wave: Sequence[PlannedStack]
    range_tests: Annotated[RangeTestCost | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The expected cost of a run: `seconds` are those of the whole run; `search` is set where something is tuned.

    Args:
        memory_bytes: The peak memory of the run's process; None in plans of versions before it was recorded.
    """

    trials: int
    steps: int
    seconds: Number
    memory_bytes: Annotated[int | None, OMITTED] = None
    search: Annotated[SearchCost | None, OMITTED] = None


@dataclass(frozen=True)
class Calibration:
    """How many times as long as in the cost model a machine takes, for compiling and for stepping."""

    compiling: Number = 1.0
    stepping: Number = 1.0


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The results of one probe of the machine.

    Args:
        trials: The number of trials in its stack.
        compile_seconds: On one core, tracing included.
        step_seconds: On one core, for a step of all trials.
        pace: The times relative to those expected.
    """

    trials: int
    compile_seconds: Number
    step_seconds: Number
    pace: Calibration


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The results of the probe with XLA and without."""

    xla: Probed
    graph: Probed


@dataclass(frozen=True)
class Reach:
    """The first and the last time of rows, in words: dates in UTC, or numbers."""

    first: str
    last: str

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


FINAL, FOLD, MIXED = "final", "fold", "mixed"
"""Stages of trials. `final`: compared, and may be shipped. `fold`: trained without a fold that is held out, to judge.
`mixed`: like `fold`, from the initial weights of the fold's second seed and on the batches of its first."""
WITHOUT_A_FOLD = (FOLD, MIXED)


@dataclass(frozen=True)
class FoldChoice:
    """The setting that a recipe's search chose in a fold that judges, using only rows that the fold learns from.

    Args:
        number: The number of the setting in the search, from 0.
        values: The setting.
        score: The deciding metric on the rows that chose the setting, so it is too good on average.
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
        variants: The recipes with the settings chosen in some fold, each once.
        choices: The choice of each recipe's search in each fold, where a setting ended well.
    """

    variants: list[Recipe]
    choices: list[FoldChoice]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Folds that are held out in turn, where the procedure is judged out of fold.

    Args:
        folds, repeats: As in the spec. Folds are numbered consecutively, the first repeat's first.
        rows: The number of rows judged in the first repeat.
        learned_from: The fewest and the most rows that a fold learns from, including its validation rows.
        ratio: Judged rows divided by rows learned from, mean over folds: 1 / (folds - 1) where all folds are equally
            large.
        trials, stacks: The trials and stacks of the folds. In fold j, the trial that stands for seed s of a run with n
            seeds has seed j * n + s, so initial weights and the order of batches are drawn again in every fold. Trials
            of the stage `mixed` are among them where the spec asks for `evaluate.seed_sources`.
        searched: The searches in the folds, where something is tuned; None until they are done. Their trials with the
            number of a fold here were tried on that fold's validation rows; with `tune.folds`, fold numbers continue
            after these folds.
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
        spec: The spec as written, with every default.
        metric, also: The metrics of each trial; the first one decides.
        metric_why: Why the deciding metric was chosen, if the data decided; None: the spec names it, or it is the usual
            one.
        confidence: The confidence of all intervals.
        decides: How answers are made from outputs, and what they cost; None: the likeliest class, without costs.
        ship: `best`: a baseline may be shipped; None: networks only.
        parts: Number of rows of train, val and test.
        reaches: For a split by time, the first and last time of each part.
        trials, stacks: The final trials and their stacks; empty until a search is done.
        skipped: Recipes that don't fit the data.
        probe: Where the machine was measured.
        search: Where something is tuned.
        held_out: Where the procedure is judged out of fold. Then the `test` of `parts` counts the rows judged in this
            way, and all rows are in train or val.
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
        """This plan, but with the stacks of an earlier plan, if that has the same trials and metrics.

        The division into stacks depends on the machine, and steps of evaluation may depend on its speed. So a run that
        goes on keeps the division and the steps that it began with.
        """
        same = [{each.trial_id for each in plan.all_trials} for plan in (self, earlier)]
        if same[0] != same[1] or self.metrics != earlier.metrics:
            return self
        return replace(self, stacks=earlier.stacks, cost=earlier.cost, probe=earlier.probe, held_out=earlier.held_out)

    @property
    def all_trials(self) -> list[PlannedTrial]:
        """The final trials, and the trials of folds that are held out."""
        return [*self.trials, *(self.held_out.trials if self.held_out else ())]

    @property
    def all_stacks(self) -> list[PlannedStack]:
        """The stacks of `all_trials`."""
        return [*self.stacks, *(self.held_out.stacks if self.held_out else ())]

    @property
    def reuse(self) -> str:
        """How many of the trials were trained by an earlier run, in a sentence; empty where none were."""
        return reuse_sentence(self.all_stacks)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of each trial; the first one decides."""
        return (self.metric, *self.also)

    def stack_of(self, trial_id: str) -> PlannedStack:
        """The stack of a final trial."""
        return next(each for each in self.stacks if trial_id in each.trials)

    @property
    def variants(self) -> list[Recipe]:
        """The recipes, and their variants from searches in folds that are held out."""
        searched = self.held_out.searched if self.held_out else None
        return [*self.recipes, *(searched.variants if searched else ())]

    def variant(self, variant_id: str) -> Recipe:
        """The recipe with this `variant_id`."""
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
    """Whether the classes count alike in the recipe's training, however many rows each class has."""
    return recipe.settings.imbalance != "none"


def weighted_recipes(recipes: Iterable[Recipe]) -> dict[str, str]:
    """By `recipe_id`, how classes are made to count alike in training: `class_weight` or `resample`. Recipes where they
    do not are left out."""
    return {recipe.recipe_id: recipe.settings.imbalance for recipe in recipes if counts_alike(recipe)}
