"""What verdict.json holds: who won, by how much, whether that can be told, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tasks.records.diagnosis import DiagnosedRecipe
from tasks.records.documents import OMITTED, RunDocument
from tasks.records.footprint import Footprints
from tasks.records.search_verdict import SearchVerdict

VERDICT = "verdict.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, in its own unit; what is not known is None. One seed has no interval."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def flipped(self) -> Estimate:
        """The same difference seen from the other side."""
        # 0 - x: minus 0.0 would be written as -0.0.
        mean, low, high = (None if end is None else 0 - end for end in (self.mean, self.low, self.high))
        return Estimate(mean, high, low)


@dataclass(frozen=True, kw_only=True)
class JudgedRecipe:
    """One recipe's final trials.

    Args:
        seeds: Trials that ended well.
        status: `ok`, or `diverged` where none did.
        metrics: On the judged part, over seeds.
        val: The deciding metric on the validation part.
        learned: Whether it is better than the best constant prediction.
        note: What there is to say about it.
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
    """The leader against another recipe, paired by seed, in the numbers of `evaluation.comparison.Comparison`."""

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
    """A recipe with augmentation against its twin without; `pairs` counts the seeds that both ended."""

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
    """The trial that is shipped, its metrics on the judged part under the bootstrap over rows.

    Args:
        baseline: Its name, where it is none of the networks.
    """

    trial_id: str
    baseline: Annotated[str | None, OMITTED] = None
    recipe_id: str
    seed: int
    metrics: Mapping[str, Estimate]


def of_gate(by: Sequence[str] | None, slice: Mapping[str, str] | None) -> str:
    """What a gate's metric is of, after its title: by which columns it compares, or in which slice it is measured.

    >>> of_gate(["sex", "race"], None), of_gate(None, {"sex": "F"}), of_gate(None, None)
    (' by sex and race', ' where sex is F', '')
    """
    if slice:
        return " where " + " and ".join(f"{column} is {value}" for column, value in slice.items())
    return f" by {' and '.join(by)}" if by else ""


def of_batch(batch: int) -> str:
    """What a latency is of, after its title.

    >>> of_batch(1), of_batch(1024)
    (' of one row', ' of 1,024 rows')
    """
    return " of one row" if batch == 1 else f" of {batch:,} rows"


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """A gate, answered.

    Args:
        at_least, at_most: The threshold; the other one is None.
        severity: `warn` or `block`.
        estimate, low, high: Of the shipped model; None where there is none.
        answer: `pass`, `fail` or `undecided`.
        reason: Why there is no interval; None where there is one.
        by: The columns of the slices that a fairness difference is between.
        slice: By column the value of the slice that it is of; None: it is of all rows.
        batch: Of a latency, rows in a call.
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
        """After the metric's title: ` by sex`, ` where sex is F`, or ` of 64 rows`."""
        if self.batch:
            return of_batch(self.batch)
        return of_gate(self.by, self.slice)

    @property
    def bound(self) -> str:
        """Which side passes: `at_least` or `at_most`."""
        return "at_most" if self.at_least is None else "at_least"

    @property
    def threshold(self) -> float:
        found = self.at_most if self.at_least is None else self.at_least
        assert found is not None
        return found


@dataclass(frozen=True, kw_only=True)
class PointCost:
    """What a case costs on the judged part, in a way to decide.

    Args:
        name: Which way, in words.
        threshold: From which probability on the positive class is predicted; None: it is not asked.
        cost: Without an interval where the rows themselves chose the threshold.
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
    """From which probability on the positive class of two is predicted.

    Args:
        threshold: Of the shipped model.
        low, high: How far it moves over resamples of the validation rows and over seeds; None where it is given.
        how: How it was chosen, in words; None: it is one half, where the likelier class is predicted.
        positives: Validation rows of the positive class, where one was chosen.
        costs: Of the shipped model and others, where answers have a cost; the shipped model at its threshold first.
        curve: Of the shipped model over thresholds.
    """

    threshold: float
    low: Annotated[float | None, OMITTED] = None
    high: Annotated[float | None, OMITTED] = None
    how: Annotated[str | None, OMITTED] = None
    positives: Annotated[int | None, OMITTED] = None
    costs: Annotated[Sequence[PointCost] | None, OMITTED] = None
    curve: Annotated[Sequence[CurvePoint] | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class JudgedSlice:
    """One slice. Intervals hold one by one, not for all slices together.

    Args:
        name: For a reader.
        values: Of each column, as a gate says them.
        rows: Of the judged part.
        few: Whether they are too few to tell.
        positives: Rows of the positive class; of two classes, as are the rates.
        metric: The deciding one.
        selection: Share of rows predicted positive.
        true_positive, false_positive: The same of the rows that are positive, and that are not.
        residual: Of a value the mean of predicted minus actual.
        cost: Of a case, where answers have one.
    """

    name: str
    values: Sequence[str]
    rows: int
    few: bool
    positives: Annotated[int | None, OMITTED] = None
    metric: Estimate
    selection: Annotated[Estimate | None, OMITTED] = None
    true_positive: Annotated[Estimate | None, OMITTED] = None
    false_positive: Annotated[Estimate | None, OMITTED] = None
    residual: Annotated[Estimate | None, OMITTED] = None
    cost: Annotated[Estimate | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class SliceDifference:
    """A fairness difference: the largest between two slices, with bounds that hold for all slices together.

    Args:
        metric: Its name in a gate.
        lies: Between which slices, in which rate.
    """

    metric: str
    title: str
    difference: Estimate
    lies: str


@dataclass(frozen=True, kw_only=True)
class WorstSlice:
    """The slice that the deciding metric is worst in.

    Args:
        metric: With an interval that is corrected for looking at all slices.
        others: Of all other rows, likewise.
        slices: So many were looked at.
        worse: Whether it is told from the others.
        sentence: The same in words.
    """

    name: str
    metric: Estimate
    others: Estimate
    slices: int
    worse: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class JudgedSlicing:
    """The judged rows divided by some columns.

    Args:
        nothing: Why there is nothing to compare; None: there is.
        differences: Of two classes.
        worst: None where fewer than two slices can be told of.
    """

    columns: Sequence[str]
    slices: Sequence[JudgedSlice]
    nothing: Annotated[str | None, OMITTED] = None
    differences: Sequence[SliceDifference]
    worst: Annotated[WorstSlice | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class FairnessPrice:
    """What a case costs more where a fairness gate is met by another threshold, one for all slices.

    Args:
        metric, by, at_most: Of the gate.
        threshold: The one of least cost on the validation part that meets the gate's difference as estimated there;
            None: none does.
        chosen_cost, least_cost: Of a case there: with that threshold, and with the best of all.
        more: On the judged part, what a case costs more than with the shipped model's threshold, paired by row.
        difference: The fairness difference on the judged part with that threshold, as estimated.
    """

    metric: str
    by: Sequence[str]
    at_most: float
    threshold: float | None = None
    chosen_cost: float | None = None
    least_cost: float | None = None
    more: Estimate | None = None
    difference: float | None = None


@dataclass(frozen=True, kw_only=True)
class PositiveClass:
    """The class that recall, precision, F1 and the areas under curves speak of.

    Args:
        name: In the document it is called `class`.
        why: How it was chosen, and how to choose another.
        rows: Of the judged part that are of it.
        of: Rows of the judged part.
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
    """One of the rules by which a decision is made, in their order.

    Args:
        name: `data`: a check that blocks stops the run; `model`: without a model that learned nothing is shipped;
            `gates`: without gates it is open whether to ship, and one that does not pass forbids it; `comparison`: what
            of all that passes.
        said: What it said, as a sentence without a full stop.
        decided: Whether it is the one that decided; no later one is asked.
    """

    name: RuleName
    said: str
    decided: bool


@dataclass(frozen=True, kw_only=True)
class AgainstChampion:
    """The shipped model against the champion of its experiment, on test rows that are new to both.

    Args:
        run: Which run's model the champion is.
        promoted: When it became that, in UTC.
        rows: Test rows that both were compared on; 0 where they were not compared.
        of: Test rows in all.
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
class ChosenSetting:
    """A setting that a recipe's searches chose.

    Args:
        folds: In how many of the folds.
        whole: Whether the search on all rows, which what is shipped comes from, chose it too.
    """

    values: Mapping[str, Any]
    folds: int
    whole: bool


@dataclass(frozen=True, kw_only=True)
class ChosenSettings:
    """What a recipe's searches chose, one in each fold, on the rows left to it.

    Args:
        settings: The most frequent first.
        folds: In which a setting ended well.
        chosen_by: The best setting's score in a fold, the mean over folds: on the rows that chose it.
    """

    recipe_id: str
    recipe: str
    settings: Sequence[ChosenSetting]
    folds: int
    chosen_by: float | None


@dataclass(frozen=True, kw_only=True)
class VarianceShares:
    """What makes one recipe's score in a fold differ.

    Args:
        folds, seeds: How many scores that was found from.
        split: Standard deviation by another split into rows that are learned from and held out.
        seed: By another seed: initial weights, order of batches, and whatever else training draws.
        share: Of the split in the variance of both, in [0, 1].
    """

    recipe: str
    folds: int
    seeds: int
    split: float
    seed: float
    share: Estimate


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """The whole procedure, done anew without each fold, on the rows of that fold.

    Args:
        folds, repeats: As the spec has them.
        rows: Judged in each repeat.
        learned_from: The fewest and the most rows that a fold learned from: the figures are those of a procedure that
            has so many.
        metrics: The mean over folds, with the corrected resampled t interval (Nadeau and Bengio 2003).
        spread: Standard deviation of the deciding metric between folds.
        scores: The deciding metric in each fold, the first repeat's first; None where it is undefined.
        chosen: By name of a recipe, or of a baseline that may be shipped, in how many folds it was chosen.
        searched: Where something is tuned, what the searches chose, by recipe.
        variance: Of the leading recipe's scores, where it was trained under several seeds.
    """

    folds: int
    repeats: int
    rows: int
    learned_from: tuple[int, int]
    metrics: Mapping[str, Estimate]
    spread: float | None
    scores: Sequence[float | None]
    chosen: Mapping[str, int]
    searched: Annotated[Sequence[ChosenSettings] | None, OMITTED] = None
    variance: Annotated[VarianceShares | None, OMITTED] = None

    @property
    def way(self) -> str:
        """`5 folds, 10 times`."""
        return f"{self.folds} folds" + (f", {self.repeats} times" if self.repeats > 1 else "")

    @property
    def learned(self) -> str:
        """How many rows a fold learned from: `800`, or `200 to 800`."""
        fewest, most = self.learned_from
        return f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"

    @property
    def sentence(self) -> str:
        """What the figures are of."""
        searching, own = ("searching, ", ", with a search of its own") if self.searched else ("", "")
        return (
            f"There is no test part: in {self.way}, {self.rows:,} rows were held out in turn, and everything was done "
            f"anew without them (preparing, {searching}training, choosing recipe, seed and threshold). So the figures "
            f"are of that procedure on {self.learned} rows. What is shipped is the same procedure on all rows{own}; a "
            "part of them chose and did not train."
        )


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """What calibrating the shipped model's probabilities did, on the judged part.

    Args:
        method: `temperature` or `isotonic`.
        temperature: What logits are divided by; absent for other methods.
        before, after: By metric (`brier_score`, `calibration_error`), over rows.
        gain: How much smaller the Brier score became, paired over rows; positive = better.
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
        metric: The one that decides.
        confidence: Of all intervals.
        part: Which the figures are of.
        positive: None for regression, and where all of several classes count alike.
        titles: By metric, what it is called here: `Recall of fraud`.
        winner, leader: `recipe_id`; None where there is none.
        tied: `recipe_id` of those that the leader can't be told from.
        decision: Whether to ship. Unless it is open, the first of `next` says the same.
        rules: By which it was made, in their order.
        sentence: The comparison in words.
        recipes: By rank.
        comparisons: The leader against each other recipe that learned; where none did, that ended.
        augmentation: Each recipe with augmentation against its twin.
        baselines, against_baselines: The simple models, and the leader's lead over each.
        shipped: None where no model can be shipped.
        operating_point: With two classes.
        test_evaluations: How often the test part was looked at in this folder.
        warnings, next: Full sentences.
        slices: Of the shipped model, in the order of `evaluate.slices`.
        diagnoses: What went wrong in training, by recipe; those in which nothing did are left out.
        fairness_prices: Of each fairness gate, where answers have a cost.
        search: Where something was tuned.
        champion: Where the experiment has one and a model was shipped.
        footprints: Parameters, bytes and latency, where a model was measured.
        recalibration: Where probabilities are calibrated and a model was shipped.
        out_of_fold: Where the procedure is judged so. Then `part` names the rows held out in turn, the figures of
            recipes and baselines are means over folds, and those of `shipped` and its gates are the procedure's.
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
        """Where figures were measured: `on the test part`, or `out of fold`."""
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
