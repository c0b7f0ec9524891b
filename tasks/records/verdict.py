"""verdict.json: which recipe won, by how much, whether that can be told, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tasks.records.diagnosis import DiagnosedRecipe
from tasks.records.documents import OMITTED, RunDocument
from tasks.records.estimate import Estimate
from tasks.records.footprint import Footprints
from tasks.records.out_of_fold import OutOfFold
from tasks.records.search_verdict import SearchVerdict
from tasks.records.slices import FairnessPrice, JudgedSlicing

VERDICT = "verdict.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class JudgedRecipe:
    """One recipe's final trials.

    Args:
        seeds: Number of trials that ended well.
        status: `ok`, or `diverged` where no trial ended well.
        metrics: Metrics on the judged part, over seeds.
        val: The deciding metric on the validation part.
        learned: Whether it is better than the best constant prediction.
        note: A remark on it, or None.
        seconds: Training time of all its trials.
        rank: From 1, by the validation part.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    schedule: str
    seeds: int
    status: str
    metrics: Mapping[str, Estimate]
    val: Mapping[str, Estimate]
    learned: bool
    note: str | None
    seconds: float
    rank: int


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The leader compared with another recipe, paired by seed. The fields are those of
    `evaluation.comparison.Comparison`."""

    recipe_id: str
    recipe: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    effect_size: float | None
    smallest_difference: float | None
    answer: str

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.difference, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class AugmentationEffect(PairedDifference):
    """A recipe with augmentation compared with its twin without; `pairs` is the number of seeds under which both ended
    well."""

    against_id: str
    against: str
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A simple model's metrics on the judged part, with intervals over its rows."""

    name: str
    trial_id: str
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class BaselineDifference:
    """How much better the leading network is than a baseline; `answer` is `better`, `worse` or `can't tell`."""

    name: str
    difference: float | None
    low: float | None
    high: float | None
    answer: str

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.difference, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """The trial that is shipped, with its metrics on the judged part and their bootstrap intervals over rows.

    Args:
        baseline: The baseline's name, where a baseline is shipped.
    """

    trial_id: str
    baseline: Annotated[str | None, OMITTED] = None
    recipe_id: str
    seed: int
    metrics: Mapping[str, Estimate]


def of_gate(by: Sequence[str] | None, slice: Mapping[str, str] | None) -> str:
    """What a gate's metric refers to, to follow its title: the columns that it compares by, or the slice that it is
    measured in.

    >>> of_gate(["sex", "race"], None), of_gate(None, {"sex": "F"}), of_gate(None, None)
    (' by sex and race', ' where sex is F', '')
    """
    if slice:
        return " where " + " and ".join(f"{column} is {value}" for column, value in slice.items())
    return f" by {' and '.join(by)}" if by else ""


def of_batch(batch: int) -> str:
    """What a latency refers to, to follow its title.

    >>> of_batch(1), of_batch(1024)
    (' of one row', ' of 1,024 rows')
    """
    return " of one row" if batch == 1 else f" of {batch:,} rows"


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """The result of a gate.

    Args:
        at_least, at_most: The threshold; the other one is None.
        severity: `warn` or `block`.
        estimate, low, high: The shipped model's value with its interval; None where there is none.
        answer: `pass`, `fail` or `undecided`.
        reason: Why there is no interval; None where there is one.
        by: The columns of the slices that a fairness difference is between.
        slice: The slice that it is measured on, as column to value; None: all rows.
        batch: For a latency, the number of rows in a call.
    """

    metric: str
    batch: Annotated[int | None, OMITTED] = None
    by: Annotated[Sequence[str] | None, OMITTED] = None
    slice: Annotated[Mapping[str, str] | None, OMITTED] = None
    at_least: Annotated[float | None, OMITTED] = None
    at_most: Annotated[float | None, OMITTED] = None
    severity: str
    estimate: float | None
    low: float | None
    high: float | None
    answer: str
    reason: Annotated[str | None, OMITTED] = None
    sentence: str

    @property
    def of(self) -> str:
        """The text after the metric's title: ` by sex`, ` where sex is F`, or ` of 64 rows`."""
        if self.batch:
            return of_batch(self.batch)
        return of_gate(self.by, self.slice)

    @property
    def bound(self) -> str:
        """The kind of threshold: `at_least` or `at_most`."""
        return "at_most" if self.at_least is None else "at_least"

    @property
    def threshold(self) -> float:
        found = self.at_most if self.at_least is None else self.at_least
        assert found is not None
        return found


@dataclass(frozen=True, kw_only=True)
class PointCost:
    """The cost of a case on the judged part, under one way to decide.

    Args:
        name: The way to decide, in words.
        threshold: The least probability at which the positive class is predicted; None: no threshold is used.
        cost: Without an interval where the threshold was chosen on the same rows.
    """

    name: str
    threshold: float | None
    cost: Estimate


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """The cost of a case at a threshold, on the judged part."""

    threshold: float
    cost: Estimate


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """The threshold: the least probability at which the positive class, of two, is predicted.

    Args:
        threshold: The shipped model's threshold.
        low, high: Its range over resamples of the validation rows and over seeds; None where the spec gives the
            threshold.
        how: How it was chosen, in words; None: it is one half, where the likelier class is predicted.
        positives: Number of validation rows of the positive class, where a threshold was chosen.
        costs: Costs of the shipped model and others, where answers have a cost; the shipped model at its threshold
            first.
        curve: Costs of the shipped model over thresholds.
    """

    threshold: float
    low: Annotated[float | None, OMITTED] = None
    high: Annotated[float | None, OMITTED] = None
    how: Annotated[str | None, OMITTED] = None
    positives: Annotated[int | None, OMITTED] = None
    costs: Annotated[Sequence[PointCost] | None, OMITTED] = None
    curve: Annotated[Sequence[CurvePoint] | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class PositiveClass:
    """The class that recall, precision, F1 and the areas under curves refer to.

    Args:
        name: Called `class` in the document.
        why: How it was chosen, and how to choose another.
        rows: Number of rows of the judged part that are of this class.
        of: Number of rows of the judged part.
    """

    name: Annotated[str, Field(alias="class")]
    why: str | None
    rows: int
    of: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether to ship.

    Args:
        answer: `ship`; `no`, where a gate does not pass; `nothing`, where no model can be shipped; `open`, where no
            gate says how good is good enough.
        sentence: The decision in a few words, without a full stop.
        reason: Why, in a clause without a full stop.
    """

    answer: Literal["ship", "no", "nothing", "open"]
    sentence: str
    reason: str


RuleName = Literal["data", "model", "gates", "comparison"]


@dataclass(frozen=True, kw_only=True)
class DecisionRule:
    """One of the rules that make the decision, in their order.

    Args:
        name: `data`: a blocking check stops the run; `model`: without a model that learned, nothing is shipped;
            `gates`: without gates it is open whether to ship, and a gate that does not pass forbids it; `comparison`:
            how the models that pass all this compare.
        said: Its result, as a sentence without a full stop.
        decided: Whether it is the rule that decided; later rules are not used.
    """

    name: RuleName
    said: str
    decided: bool


@dataclass(frozen=True, kw_only=True)
class AgainstChampion:
    """The shipped model compared with the champion of its experiment, on test rows that are new to both.

    Args:
        run: The run whose model the champion is.
        promoted: When the champion was promoted, in UTC.
        rows: Number of test rows that both were compared on; 0 where they were not compared.
        of: Number of all test rows.
        challenger, champion: The deciding metric on these rows.
        difference: Positive = the shipped model is better; paired, over rows.
        answer: `replace` the champion, `keep` it, or `can't tell`, which keeps it too.
        sentence: The answer with its reason.
    """

    run: str
    promoted: str
    rows: int
    of: int
    challenger: Annotated[Estimate | None, OMITTED] = None
    champion: Annotated[Estimate | None, OMITTED] = None
    difference: Annotated[Estimate | None, OMITTED] = None
    answer: Literal["replace", "keep", "can't tell"]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """The effect of calibrating the shipped model's probabilities, on the judged part.

    Args:
        method: `temperature` or `isotonic`.
        temperature: The divisor of the logits; absent for other methods.
        before, after: By metric (`brier_score`, `calibration_error`), over rows.
        gain: By how much the Brier score became smaller, paired over rows; positive = better.
        sentence: The same in words.
    """

    method: str
    temperature: Annotated[float | None, OMITTED] = None
    before: Mapping[str, Estimate]
    after: Mapping[str, Estimate]
    gain: Estimate
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict(RunDocument):
    """verdict.json.

    Args:
        metric: The metric that decides.
        confidence: The confidence of all intervals.
        part: The part of the data that the figures are of.
        positive: None for regression, and where none of several classes is of special interest.
        titles: By metric, its title in this run: `Recall of fraud`.
        winner, leader: `recipe_id`; None where there is none.
        tied: `recipe_id` of the recipes that the leader can't be told from.
        decision: Whether to ship. Unless it is open, the first of `next` says the same.
        rules: The rules that made the decision, in their order.
        sentence: The comparison in words.
        recipes: By rank.
        comparisons: The leader compared with each other recipe that learned; if none learned, with each that ended
            well.
        augmentation: Each recipe with augmentation compared with its twin.
        baselines, against_baselines: The simple models, and the leader's lead over each.
        shipped: None where no model can be shipped.
        operating_point: With two classes.
        test_evaluations: How often the test part was looked at in this folder.
        warnings, next: Full sentences.
        slices: Of the shipped model, in the order of `evaluate.slices`.
        diagnoses: What went wrong in training, by recipe. Recipes without a diagnosis are left out.
        fairness_prices: For each fairness gate, where answers have a cost.
        search: Where something was tuned.
        champion: Where the experiment has a champion and a model was shipped.
        footprints: Parameters, bytes and latency, where a model was measured.
        recalibration: Where probabilities are calibrated and a model was shipped.
        out_of_fold: Where the procedure is judged out of fold. Then `part` names the rows held out in turn, the figures
            of recipes and baselines are means over folds, and those of `shipped` and its gates are the procedure's.
    """

    FILE: ClassVar[str] = VERDICT

    schema_version: int = SCHEMA_VERSION
    metric: str
    greater_is_better: bool
    confidence: float
    part: str
    positive: PositiveClass | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    winner: str | None
    leader: str | None
    tied: Sequence[str]
    decision: Decision
    sentence: str
    recipes: Sequence[JudgedRecipe]
    comparisons: Sequence[PairedDifference]
    augmentation: Sequence[AugmentationEffect]
    baselines: Sequence[Baseline]
    against_baselines: Sequence[BaselineDifference]
    shipped: Shipped | None
    gates: Sequence[GateResult]
    operating_point: OperatingPoint | None
    test_evaluations: int
    warnings: Sequence[str]
    next: Sequence[str]
    rules: Annotated[Sequence[DecisionRule] | None, OMITTED] = None
    slices: Annotated[Sequence[JudgedSlicing] | None, OMITTED] = None
    diagnoses: Sequence[DiagnosedRecipe] = ()
    fairness_prices: Annotated[Sequence[FairnessPrice] | None, OMITTED] = None
    search: Annotated[SearchVerdict | None, OMITTED] = None
    champion: Annotated[AgainstChampion | None, OMITTED] = None
    footprints: Annotated[Footprints | None, OMITTED] = None
    recalibration: Annotated[Recalibration | None, OMITTED] = None
    out_of_fold: Annotated[OutOfFold | None, OMITTED] = None

    @property
    def where(self) -> str:
        """On which rows figures were measured: `on the test part`, or `out of fold`."""
        return "out of fold" if self.out_of_fold else f"on the {self.part} part"

    @property
    def closed(self) -> list[str]:
        """Sentences of the blocking gates that do not pass."""
        return [gate.sentence for gate in self.gates if gate.severity == "block" and gate.answer != "pass"]

    @property
    def saved(self) -> str | None:
        """Name of the saved model; None where there is none."""
        if self.shipped is None:
            return None
        return self.shipped.baseline or f"{self.name_of(self.shipped.recipe_id)}, seed {self.shipped.seed}"

    def name_of(self, recipe_id: str) -> str:
        """A recipe's readable name."""
        return next((each.recipe for each in self.recipes if each.recipe_id == recipe_id), recipe_id)
