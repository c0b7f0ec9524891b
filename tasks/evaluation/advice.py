"""What the numbers mean, in sentences for a reader who never opens the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.dataset import TEST
from tasks.evaluation.comparison import BETTER, CANNOT_TELL, WORSE, Comparison, seeds_needed
from tasks.evaluation.gates import FAIL, UNDECIDED, rows_to_decide
from tasks.evaluation.intervals import Interval
from tasks.evaluation.metrics import METRICS, Metric
from tasks.evaluation.recipe_results import RecipeResult
from tasks.evaluation.wording import inside, listing, number
from tasks.records.verdict import GateResult

FEW_TEST_ROWS = 200
IMBALANCED = 0.8
ENOUGH_SEEDS = 5


@dataclass(frozen=True)
class Findings:
    """Everything the judge found out.

    Args:
        metric: The one that decides.
        title: Of that metric, with the class that it speaks of.
        confidence: Of the intervals.
        constant_loss: The best constant prediction's validation loss.
        results: By rank.
        leader: The first of `results`; None where none has the metric on the validation part.
        winner: The leader, where it is better than every other.
        comparisons: `recipe_id` to the leader's comparison with it.
        against: Baseline to the shipped model's difference from it; positive = the network is better.
        gates: As they stand in verdict.json.
        test_rows: Of the test part.
        majority_share: Of the most frequent class in the test part; None for regression.
    """

    metric: Metric
    title: str
    confidence: float
    constant_loss: float
    results: Sequence[RecipeResult]
    leader: RecipeResult | None
    winner: RecipeResult | None
    comparisons: Mapping[str, Comparison]
    against: Mapping[str, Interval]
    gates: Sequence[GateResult]
    test_rows: int
    majority_share: float | None

    @property
    def seeds(self) -> int:
        return max((result.seeds for result in self.results), default=0)

    def answered(self, answer: str) -> list[RecipeResult]:
        """The recipes the leader's comparison with which came out as `answer`."""
        return [
            result
            for result in self.results
            if result.id in self.comparisons and self.comparisons[result.id].answer == answer
        ]

    @property
    def diverged(self) -> list[RecipeResult]:
        return [result for result in self.results if not result.ended]

    @property
    def idle(self) -> list[RecipeResult]:
        """The recipes that ended without having learned."""
        return [result for result in self.results if result.ended and not self.learned(result)]

    @property
    def overconfident(self) -> list[RecipeResult]:
        """The recipes that tell the classes apart, but with such sureness that their loss is no lower than a constant
        answer's."""
        return [
            result
            for result in self.results
            if result.ended and not result.loss < self.constant_loss and self._tells_apart(result)
        ]

    def learned(self, result: RecipeResult) -> bool:
        """Whether its validation loss is below that of the best constant prediction, or its classes are better than
        chance all the same."""
        return bool(result.loss < self.constant_loss) or self._tells_apart(result)

    def _tells_apart(self, result: RecipeResult) -> bool:
        """Whether all of an interval of a metric lies above what a model without knowledge gets."""
        for metric in METRICS.values():
            chance = self.majority_share if metric.chance == "majority" else metric.chance
            low = result.interval(TEST, metric.name, self.confidence).low
            if chance is not None and low is not None and low > chance:
                return True
        return False

    @property
    def better_baselines(self) -> list[str]:
        """Those shown to be better than the shipped model."""
        return [name for name, d in self.against.items() if d.high is not None and d.high < 0]


def sentence(found: Findings) -> str:
    """The verdict in one to three sentences; it says so where a baseline is better than the network."""
    better = found.better_baselines
    return " ".join([_comparison(found), *([f"{listing(better).capitalize()} did better."] if better else [])])


def _comparison(found: Findings) -> str:
    if found.leader is None and any(result.ended for result in found.results):
        return f"{found.title} is undefined on the validation part, so no recipe can lead."
    if found.leader is None:
        return "Every recipe diverged: there is no model to judge."
    name = found.leader.name
    if len(found.results) == 1:
        return f"{name} is the only recipe, so nothing was compared. {_reading(found)}"
    if not found.comparisons:
        return f"{name} wins: every other recipe diverged. {_reading(found)}"
    better, tied, worse = (found.answered(answer) for answer in (BETTER, CANNOT_TELL, WORSE))
    if found.winner:
        beaten = better[0].name if len(better) == 1 else f"each of the {len(better)} other recipes"
        return f"{name} is better than {beaten}. {_reading(found)}"
    of = len(found.comparisons)
    clauses = [f"{name} is better than {len(better)} of {of} recipes" if better else f"{name} leads"]
    if tied:
        clauses.append(f"it can't be told from {listing([result.name for result in tied])}")
    if worse:
        clauses.append(f"on the test part it is worse than {listing([result.name for result in worse])}")
    return f"{'; '.join(clauses)}. {_reading(found)}"


def _reading(found: Findings) -> str:
    assert found.leader is not None
    measured = found.leader.interval(TEST, found.metric.name, found.confidence)
    seeds = len(found.leader.ended)
    over = "one seed" if seeds == 1 else f"{seeds} seeds"
    if measured.low is None or measured.high is None or measured.mean is None:
        return f"{found.title}: {number(found.leader.mean(TEST, found.metric.name))} ({over})."
    low, high = number(measured.low), number(measured.high)
    return f"{found.title}: {number(measured.mean)} ({low} to {high}) over {over}."


def note(result: RecipeResult, found: Findings) -> str | None:
    """What is remarkable about one recipe; None where nothing is."""
    if not result.ended:
        return f"diverged in {_of_seeds(result)}"
    notes = []
    constant = "the class shares" if found.majority_share is not None else "the mean"
    losses = (
        f"its validation loss {number(result.loss)} is not below {number(found.constant_loss)}, "
        f"that of always predicting {constant}"
    )
    if result in found.overconfident:
        notes.append(f"overconfident: {losses}, though it tells the classes apart")
    elif not found.learned(result):
        notes.append(f"did not learn: {losses}")
    if result.lost:
        notes.append(f"diverged in {_of_seeds(result)}")
    return "; ".join(notes) or None


def _of_seeds(result: RecipeResult) -> str:
    if result.seeds == 1:
        return "its only seed"
    return f"all {result.seeds} seeds" if result.lost == result.seeds else f"{result.lost} of {result.seeds} seeds"


def warnings(found: Findings) -> list[str]:
    """What a reader must know before believing the verdict."""
    said, title = [], inside(found.title)
    for name, difference in found.against.items():
        if difference.low is None or difference.high is None:
            said.append(f"Whether the network beats {name} can't be told: their difference in {title} has no interval.")
        elif difference.low <= 0:
            clearly = "" if difference.high < 0 else " clearly"
            said.append(
                f"The network does not{clearly} beat {name}: it is {_ahead(difference.mean)} in {title} "
                f"({number(difference.low)} to {number(difference.high)})."
            )
    if found.idle:
        names = listing([result.name for result in found.idle], most=5)
        said.append(f"{len(found.idle)} of {_recipes(found)} did not learn: {names}.")
    if found.overconfident:
        names = listing([result.name for result in found.overconfident], most=5)
        said.append(f"{len(found.overconfident)} of {_recipes(found)} give overconfident probabilities: {names}.")
    if found.diverged:
        names = listing([result.name for result in found.diverged], most=5)
        said.append(f"{len(found.diverged)} of {_recipes(found)} diverged in every seed: {names}.")
    if found.leader and found.leader.lost:
        lost = _of_seeds(found.leader)
        said.append(f"The leader, {found.leader.name}, diverged in {lost}; its figures leave those out.")
    if found.seeds == 1:
        said.append("One seed only: the luck of the initial weights can't be told from a better recipe.")
    if found.test_rows < FEW_TEST_ROWS:
        said.append(f"The test part has only {found.test_rows} rows, so its figures are rough.")
    majority = found.majority_share or 0.0
    if found.metric.chance == "majority" and majority > IMBALANCED:
        said.append(
            f"{majority:.0%} of the test rows are of one class: {title} says little. Let f1, pr_auc or log_loss decide."
        )
    return said


def _ahead(difference: float) -> str:
    if difference == 0:
        return "level"
    return f"{'ahead' if difference > 0 else 'behind'} by {number(abs(difference))}"


def _recipes(found: Findings) -> str:
    return f"{len(found.results)} recipes" if len(found.results) > 1 else "1 recipe"


def next_steps(found: Findings) -> list[str]:
    """What to do next, the most important first."""
    return [*_ship(found), *_simpler(found), *_tell_apart(found), *_repair(found)]


def _ship(found: Findings) -> list[str]:
    if found.leader is None:
        return []
    if not found.gates:
        return ["Write a gate (gates: in the spec) that says how good is good enough to ship."]
    failed, undecided = ([gate for gate in found.gates if gate.answer == answer] for answer in (FAIL, UNDECIDED))
    if failed:
        return [f"Do not ship: {listing([_gate(gate) for gate in failed])} {_verb(failed, 'fails', 'fail')}."]
    if undecided:
        return [_undecided(found, undecided)]
    passed = f"passes {'its gate' if len(found.gates) == 1 else 'every gate'}"
    better = found.better_baselines
    if better:
        return [f"{found.leader.name} {passed}, but {listing(better)} {_verb(better, 'is', 'are')} better."]
    return [f"Ship {found.leader.name}: it {passed}."]


def _gate(gate: GateResult) -> str:
    return f"the gate {gate.metric} {gate.bound} {gate.threshold:,.12g}"


def _verb(of: Sequence[Any], one: str, many: str) -> str:
    return one if len(of) == 1 else many


def _undecided(found: Findings, undecided: Sequence[GateResult]) -> str:
    named = listing([_gate(gate) for gate in undecided])
    said = f"Do not ship on this evidence: {named} {_verb(undecided, 'is', 'are')} undecided."
    needed = []
    for gate in undecided:
        if gate.estimate is not None:
            interval = Interval(gate.estimate, gate.low, gate.high)
            needed.append(rows_to_decide(interval, gate.threshold, found.test_rows, found.confidence))
    rows = [n for n in needed if n is not None]
    if len(rows) < len(undecided):
        return said
    needed_rows, now = number(_rounded(max(rows))), number(found.test_rows)
    return f"{said} About {needed_rows} test rows (now {now}) would decide it."


def _rounded(count: int) -> int:
    """Two significant digits: an estimate should look like one."""
    return int(float(f"{count:.2g}"))


def _simpler(found: Findings) -> list[str]:
    level = [
        name for name, d in found.against.items() if d.low is not None and d.high is not None and d.low <= 0 <= d.high
    ]
    steps = []
    if found.better_baselines:
        better = listing(found.better_baselines, last="or")
        steps.append(f"Use {better} instead: better on the test part than the network.")
    if level:
        steps.append(f"Consider {listing(level, last='or')} instead: no worse, as far as the test rows tell.")
    return steps


def _tell_apart(found: Findings) -> list[str]:
    tied = found.answered(CANNOT_TELL)
    if found.leader is None or not tied:
        return []
    if found.seeds == 1:
        return [f"Train with at least {ENOUGH_SEEDS} seeds: with one, no recipe can be told from another."]
    rival = tied[0]
    comparison = found.comparisons[rival.id]
    if not comparison.difference or comparison.spread is None:
        return [f"{found.leader.name} and {rival.name} show no difference: take the one that is cheaper to train."]
    difference = f"a difference of {number(abs(comparison.difference))} in {inside(found.title)}"
    seeds = seeds_needed(comparison.difference, comparison.spread, (1 - found.confidence) / comparison.family)
    pair = f"{found.leader.name} from {rival.name}"
    if seeds is None:
        return [f"Do not try to tell {pair}: {difference} would take more than 1,000 seeds. Take the cheaper one."]
    return [f"To tell {pair}, train with about {seeds} seeds (now {comparison.pairs}), if {difference} matters."]


def _repair(found: Findings) -> list[str]:
    steps = []
    unsteady = [result for result in found.results if result.lost]
    if unsteady:
        names = listing([result.name for result in unsteady])
        steps.append(
            f"Lower the learning rate of {names}, or clip the gradients: {_verb(unsteady, 'it', 'they')} diverged."
        )
    if found.idle:
        names = listing([result.name for result in found.idle])
        steps.append(
            f"Raise the learning rate of {names}, or train longer: {_verb(found.idle, 'it', 'they')} did not learn."
        )
    if sure := found.overconfident:
        names = listing([result.name for result in sure])
        steps.append(
            f"Before using the probabilities of {names}, which are overconfident, set label_smoothing, let log_loss "
            "decide (evaluate.metric), or lower the learning rate."
        )
    if found.leader in found.idle:
        steps.append("Check the inputs: not even the leader predicts better than a constant.")
    return steps
