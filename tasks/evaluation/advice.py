"""Says what the numbers mean, in sentences for a reader who never opens the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.dataset import TEST
from tasks.evaluation.baselines import Constant
from tasks.evaluation.comparison import BETTER, CANNOT_TELL, WORSE, Comparison, seeds_needed
from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.footprint import FOOTPRINT
from tasks.evaluation.gates import FAIL, PASS, UNDECIDED, limit, rows_needed
from tasks.evaluation.intervals import Interval
from tasks.evaluation.learning import IDLE, OVERCONFIDENT, SHIFTED, Seen
from tasks.evaluation.metrics import IMBALANCED, METRICS, Metric
from tasks.evaluation.recipe_results import RecipeResult
from tasks.evaluation.remedies import for_idle
from tasks.evaluation.rounding import fixed, interval, places, rounded, signed_interval
from tasks.evaluation.wording import inside, listing, number, opening, percent
from tasks.records.diagnosis import Diagnosis
from tasks.records.estimate import Estimate
from tasks.records.plan import HeldOut
from tasks.records.verdict import Decision, GateResult

FEW_TEST_ROWS = 200
ENOUGH_SEEDS = 5


@dataclass(frozen=True)
class Findings:
    """Everything that the evaluation found: the input of all sentences here.

    Args:
        metric: The deciding metric.
        title: The metric's title, with the class that it is about.
        confidence: Confidence level of the intervals, in (0, 1).
        constant: Scores, on the validation part, of an answer that ignores the inputs.
        results: One per recipe, ordered by rank.
        leader: The first of `results`; None where no recipe has a value of the metric on the validation part.
        winner: The leader if it is better than every other recipe, else None.
        comparisons: `recipe_id` to the leader's comparison with it.
        learning: `recipe_id` of each recipe that ended, to the answer of `learning.learning`.
        weighted: `recipe_id` to how training gave the classes equal weight; only recipes that did.
        reading: The leader's mean on the test part, with its interval over rows and seeds.
        against: Name of each baseline to the leader's difference from it; positive = the network is better.
        gates: Gate results of the model that would be shipped.
        of_baselines: Name of each baseline to its gate results.
        of_tied: `recipe_id` of each recipe that can't be told apart from the leader, to its gate results.
        test_rows: Number of rows of the test part.
        majority_share: Share of the most frequent class in the test part; None for regression.
        majority: Name of that class.
        at_real_shares: Whether classes are weighted by the shares that the spec gives, not by their shares of the rows.
        same_answer: Value of the deciding metric for always predicting `majority`, where the metric was chosen because
            classes are unbalanced; None: the spec names the metric.
        seen: `recipe_id` of each recipe that did not learn, to what its training showed.
        diagnosed: `recipe_id` to its most certain diagnosis, where there is one.
        enough: A rule on one or two columns that does as well as the best baseline, then the shares of guessing's
            errors that the rule and that baseline remove; None where there is no such rule.
        ships: The baseline that is shipped instead of a network; None: no baseline is.
        held_out: The folds whose held-out rows are used for the evaluation, where there is no test part.
    """

    metric: Metric
    title: str
    confidence: float
    constant: Constant
    results: Sequence[RecipeResult]
    leader: RecipeResult | None
    winner: RecipeResult | None
    comparisons: Mapping[str, Comparison]
    learning: Mapping[str, str]
    weighted: Mapping[str, str]
    reading: Estimate | None
    against: Mapping[str, Interval]
    gates: Sequence[GateResult]
    of_baselines: Mapping[str, Sequence[GateResult]]
    of_tied: Mapping[str, Sequence[GateResult]]
    test_rows: int
    majority_share: float | None
    seen: Mapping[str, Seen] = field(default_factory=dict)
    diagnosed: Mapping[str, Diagnosis] = field(default_factory=dict)
    enough: tuple[str, float, float] | None = None
    majority: str | None = None
    at_real_shares: bool = False
    same_answer: float | None = None
    ships: str | None = None
    held_out: HeldOut | None = None

    @property
    def where(self) -> str:
        """Where the figures were measured, in words."""
        return "out of fold" if self.held_out else "on the test part"

    @property
    def rows(self) -> str:
        """The rows that the figures were measured on, in words."""
        return "judged rows" if self.held_out else "test rows"

    @property
    def seeds(self) -> int:
        return max((result.seeds for result in self.results), default=0)

    def answered(self, answer: str) -> list[RecipeResult]:
        """The recipes whose comparison with the leader has this `answer`."""
        return [
            result
            for result in self.results
            if result.id in self.comparisons and self.comparisons[result.id].answer == answer
        ]

    @property
    def diverged(self) -> list[RecipeResult]:
        return [result for result in self.results if not result.ended]

    def of(self, learning: str) -> list[RecipeResult]:
        """The recipes that ended and whose entry in `learning` is this one."""
        return [result for result in self.results if self.learning.get(result.id) == learning]

    def learned(self, result: RecipeResult) -> bool:
        return self.learning.get(result.id, IDLE) != IDLE

    @property
    def nothing_learned(self) -> bool:
        """Whether no recipe learned. It is enough to look at the leader, since recipes that learned rank first."""
        return self.leader is not None and not self.learned(self.leader)

    @property
    def better_baselines(self) -> list[str]:
        """The baselines that were shown to be better than the leader."""
        return [name for name, d in self.against.items() if d.high is not None and d.high < 0]

    @property
    def level_baselines(self) -> list[str]:
        """The baselines that can't be told apart from the leader."""
        return [
            name
            for name, d in self.against.items()
            if d.low is not None and d.high is not None and d.low <= 0 <= d.high
        ]


def sentence(found: Findings) -> str:
    """The verdict in one to three sentences; where baselines are better than the network, the last one names them."""
    better = found.better_baselines
    return " ".join([_comparison(found), *([f"{opening(listing(better))} did better."] if better else [])])


def _comparison(found: Findings) -> str:
    if found.nothing_learned:
        return f"{_who_did_not_learn(found, 'No recipe')}: nothing to ship. {_reading(found)}"
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
    left_out = any(result.id not in found.comparisons for result in found.of(IDLE))
    which = " that learned" if left_out else ""
    if found.winner:
        each = f"each of the {len(better)} other recipes{which}"
        only = f"{better[0].name}, the only other recipe{which}" if which else better[0].name
        beaten = only if len(better) == 1 else each
        return f"{name} is better than {beaten}. {_reading(found)}"
    of = len(found.comparisons)
    ahead = f"is better than {len(better)} of {of} other recipes{which}" if better else "leads on the validation part"
    clauses = [f"{name} {ahead}"]
    if tied:
        clauses.append(f"it can't be told from {listing([result.name for result in tied])}")
    if worse:
        clauses.append(f"{found.where} it is worse than {listing([result.name for result in worse])}")
    return f"{'; '.join(clauses)}. {_reading(found)}"


def _who_did_not_learn(found: Findings, none: str) -> str:
    """`adam did not learn`, or where there are several recipes `no recipe learned`."""
    return f"{found.results[0].name} did not learn" if len(found.results) == 1 else f"{none} learned"


def _reading(found: Findings) -> str:
    """The leader's figure, with a note that choosing the best of several makes it too good."""
    assert found.leader is not None and found.reading is not None
    seeds, candidates = len(found.leader.ended), 1 + len(found.comparisons)
    over = "one seed" if seeds == 1 else f"mean of {seeds} seeds"
    if found.held_out:
        over = f"mean of {found.held_out.count} folds"
    chosen = f", chosen as the best of {candidates}, so a little flattering" if candidates > 1 else ""
    if found.reading.low is None or found.reading.high is None:
        return f"{found.title}: {rounded(found.leader.mean(TEST, found.metric.name))} ({over}{chosen})."
    return f"{found.title}: {interval(found.reading)} ({over}{chosen})."


def note(result: RecipeResult, found: Findings) -> str | None:
    """What a reader should notice about one recipe; None where there is nothing."""
    if not result.ended:
        return f"diverged in {_of_seeds(result)}"
    notes = []
    constant = "the class shares" if found.majority_share is not None else "the mean"
    own, level = number(result.loss), number(found.constant.loss)
    above = "not " if not result.loss < found.constant.loss else ""
    beside = f"{above}below {level}, that" if own != level else "that"
    losses = f"its validation loss {own} is {beside} of always predicting {constant}"
    learning = found.learning[result.id]
    if learning == OVERCONFIDENT:
        notes.append(f"overconfident: {losses}, though it tells the classes apart")
    elif learning == SHIFTED:
        notes.append(f"shifted probabilities: {losses}, since {_counted_alike(found.weighted[result.id])}")
    elif learning == IDLE:
        luck = "" if above or own == level else ", by luck of the initial weights"
        notes.append(f"did not learn: {losses}{luck}{_seen(found.seen.get(result.id))}")
    if result.lost:
        notes.append(f"diverged in {_of_seeds(result)}")
    return "; ".join(notes) or None


def _counted_alike(imbalance: str) -> str:
    by = {"class_weight": "the class weights", "resample": "the resampling"}[imbalance]
    return f"{by} made all classes count alike"


def _seen(seen: Seen | None) -> str:
    if seen is None:
        return ""
    epochs = "1 epoch" if seen.epochs == 1 else f"{seen.epochs} epochs"
    return (
        f"; in {epochs} its training loss went from {number(seen.first)} to {number(seen.last)}, and the weights moved "
        f"by {percent(seen.moved)} of their length"
    )


def _of_seeds(result: RecipeResult) -> str:
    if result.seeds == 1:
        return "its only seed"
    return f"all {result.seeds} seeds" if result.lost == result.seeds else f"{result.lost} of {result.seeds} seeds"


def warnings(found: Findings) -> list[str]:
    """What a reader must know before believing the verdict."""
    said, title = _of_accuracy(found), inside(found.title)
    if found.enough:
        rule, own, best = found.enough
        said.append(
            f"To know {rule} is enough: it removes {percent(own)} of the errors of guessing, the best baseline "
            f"{percent(best)}. Find out whether that is known before the prediction is needed."
        )
    untold: dict[str, list[str]] = {}
    for name, difference in found.against.items():
        if difference.low is None or difference.high is None:
            untold.setdefault(f" ({difference.reason})" if difference.reason else "", []).append(name)
        elif difference.low <= 0:
            clearly = "" if difference.high < 0 else " clearly"
            said.append(
                f"The network does not{clearly} beat {name}: its lead in {title} is "
                f"{signed_interval(difference.estimate())}."
            )
    for why, baselines in untold.items():
        names = listing(baselines)
        said.append(f"Whether the network beats {names} can't be told: the difference in {title} has no interval{why}.")
    if idle := found.of(IDLE):
        names = listing([result.name for result in idle], most=5)
        said.append(f"{len(idle)} of {_recipes(found)} did not learn: {names}.")
    if sure := found.of(OVERCONFIDENT):
        names = listing([result.name for result in sure], most=5)
        said.append(f"{len(sure)} of {_recipes(found)} give overconfident probabilities: {names}.")
    if shifted := found.of(SHIFTED):
        names = listing([result.name for result in shifted], most=5)
        how = _counted_alike(found.weighted[shifted[0].id])
        said.append(f"The probabilities of {names} are too high for rare classes: {how}.")
    if found.diverged:
        names = listing([result.name for result in found.diverged], most=5)
        said.append(f"{len(found.diverged)} of {_recipes(found)} diverged in every seed: {names}.")
    if found.leader and found.leader.lost:
        lost = _of_seeds(found.leader)
        said.append(f"The leader, {found.leader.name}, diverged in {lost}; its figures leave those out.")
    if found.seeds == 1 and not found.held_out:
        said.append("One seed only: the luck of the initial weights can't be told from a better recipe.")
    if found.test_rows < FEW_TEST_ROWS and not found.held_out:
        said.append(f"The test part has only {found.test_rows} rows, so its figures are rough.")
    return said


def _of_accuracy(found: Findings) -> list[str]:
    """Warns, where nearly all rows are of one class, that accuracy says little, since always predicting that class is
    right nearly as often."""
    share, same = found.majority_share or 0.0, found.same_answer
    if share <= IMBALANCED or (same is None and found.metric.name != "accuracy"):
        return []
    rows, leader = f"the {found.rows}", found.leader
    of = "cases, at the real shares" if found.at_real_shares else rows
    said = f"Always predicting {found.majority} is right in {share:.1%} of {of}"
    if leader and np.isfinite(own := leader.mean(TEST, "accuracy")):
        points = f"{100 * abs(own - share):.1f} points {'more' if own > share else 'fewer'}"
        said += f"; {leader.name} is right in {own:.1%}, {'no more' if abs(own - share) < 0.0005 else points}"
    if same is None:
        return [f"{said}. So accuracy says little: let balanced_accuracy, pr_auc or a cost decide."]
    digits = places([found.reading, Estimate(same)])
    gets = f", and {leader.name} {fixed(leader.mean(TEST, found.metric.name), digits)}" if leader else ""
    said = f"{said}. So {inside(found.title)} decides, not accuracy (evaluate.metric overrules)"
    return [f"{said}: always predicting {found.majority} gets {fixed(same, digits)} there{gets}."]


def _recipes(found: Findings) -> str:
    return f"{len(found.results)} recipes" if len(found.results) > 1 else "1 recipe"


def next_steps(found: Findings) -> list[str]:
    """What to do next, the most important first."""
    return [*_ship(found), *_instead(found), *_simpler(found), *_tell_apart(found), *_repair(found)]


def decision(found: Findings) -> Decision:
    """Whether to ship: the first line of the report."""
    if found.ships:
        return _of_model(found, found.ships)
    if found.leader is None:
        ended = any(result.ended for result in found.results)
        reason = f"{inside(found.title)} is undefined on the validation part" if ended else "every recipe diverged"
        return Decision(answer="nothing", sentence="Nothing to ship", reason=reason)
    if found.nothing_learned:
        passes = ", whatever its gates say" if any(gate.answer == PASS for gate in found.gates) else ""
        reason = f"{_who_did_not_learn(found, 'no recipe')}{passes}"
        return Decision(answer="nothing", sentence="Nothing to ship", reason=reason)
    return _of_model(found, found.leader.name)


def _of_model(found: Findings, name: str) -> Decision:
    """Whether to ship a model, by its gates."""
    if not found.gates:
        reason = "the spec has no gate, which would say how good is good enough"
        leads = f"{name} {'is the best' if found.ships else 'leads'} on the validation part"
        return Decision(answer="open", sentence=f"{leads}; whether to ship it is open", reason=reason)
    failed, undecided = ([gate for gate in found.gates if gate.answer == answer] for answer in (FAIL, UNDECIDED))
    if failed:
        reason = f"{_named(failed)} {_verb(failed, 'fails', 'fail')}"
        return Decision(answer="no", sentence=f"Do not ship {name}", reason=reason)
    if undecided:
        rows = "" if found.held_out else rows_needed(undecided, found.test_rows, found.confidence)
        reason = f"{_named(undecided)} {_verb(undecided, 'is', 'are')} undecided{rows}"
        return Decision(answer="no", sentence=f"Do not ship {name} on this evidence", reason=reason)
    passed = f"passes {'its gate' if len(found.gates) == 1 else 'every gate'}"
    if found.ships:
        rivals = "it is better than every network on the validation part, where it was chosen"
        if found.leader is None or found.nothing_learned:
            rivals = "no recipe learned"
        return Decision(answer="ship", sentence=f"Ship {name}", reason=f"it {passed}, and {rivals}")
    better = [name for name in found.better_baselines if _standing(found.of_baselines[name]) == PASS]
    if better:
        does, which = ("does", "which is") if len(better) == 1 else ("do", "which are")
        reason = f"{name} {passed}, and so {does} {listing(better)}, {which} better"
        return Decision(answer="ship", sentence=f"Ship {listing(better, last='or')} rather than {name}", reason=reason)
    return Decision(answer="ship", sentence=f"Ship {name}", reason=f"it {passed}")


def _ship(found: Findings) -> list[str]:
    """The decision as the first step, or what is missing to take one."""
    made = decision(found)
    if made.answer == "open":
        return ["Write a gate (gates: in the spec) that says how good is good enough to ship."]
    said = "Do not ship" if made.answer == "nothing" else made.sentence
    return [f"{said}: {made.reason}."]


def _standing(gates: Sequence[GateResult]) -> str:
    """The answer of all gates together: `fail` if any fails, else undecided if any is, else `pass`."""
    answers = {gate.answer for gate in gates}
    return FAIL if FAIL in answers else UNDECIDED if UNDECIDED in answers else PASS


def _named(gates: Sequence[GateResult]) -> str:
    return listing([_gate(gate) for gate in gates])


def _instead(found: Findings) -> list[str]:
    """Recipes that pass all gates where the leader does not, and that can't be told apart from the leader."""
    if found.ships or found.leader is None or not found.gates or _standing(found.gates) == PASS:
        return []
    passing = [
        result
        for result in found.results
        if result.id in found.of_tied and found.learned(result) and _standing(found.of_tied[result.id]) == PASS
    ]
    if not passing:
        return []
    gates = "the gate" if len(found.gates) == 1 else "every gate"
    names, one = listing([result.name for result in passing]), len(passing) == 1
    return [
        f"Look at {names}: {'it' if one else 'they'} can't be told from {found.leader.name}, and "
        f"{'passes' if one else 'pass'} {gates}. Judge {'it' if one else 'them'} on new rows first, since passing is "
        f"why {'it was' if one else 'they were'} picked."
    ]


def _gate(gate: GateResult) -> str:
    title = (FAIRNESS | FOOTPRINT).get(gate.metric) or METRICS[gate.metric].title
    return f"the gate {inside(title)}{gate.of} {limit(gate.metric, gate.bound, gate.threshold)}"


def _verb(of: Sequence[Any], one: str, many: str) -> str:
    return one if len(of) == 1 else many


def _simpler(found: Findings) -> list[str]:
    """Baselines that could be used instead of the network. A baseline that fails a gate is advised against."""
    if found.ships:
        return []
    better, level = found.better_baselines, found.level_baselines
    if found.nothing_learned or any(_standing(found.of_baselines[name]) == PASS for name in better):
        level = []  # the constant answer and its equals are no alternative, nor is an equal where a better one passes
    steps = []
    decide = "it passes" if any(gate.metric in FOOTPRINT for gate in found.gates) else f"more {found.rows} decide"
    for standing, still in ((PASS, ""), (UNDECIDED, f", if {decide} its gates")):
        if names := [name for name in better if _standing(found.of_baselines[name]) == standing]:
            steps.append(f"Use {listing(names, last='or')} instead{still}: better {found.where} than the network.")
        if names := [name for name in level if _standing(found.of_baselines[name]) == standing]:
            steps.append(
                f"Consider {listing(names, last='or')} instead{still}: no worse, as far as the {found.rows} tell."
            )
    for name in better:
        failed = [gate for gate in found.of_baselines[name] if gate.answer == FAIL]
        if failed:
            steps.append(
                f"Do not take {name}, though it is better in {inside(found.title)}: {_named(failed)} "
                f"{_verb(failed, 'fails', 'fail')} there."
            )
    return steps


def _tell_apart(found: Findings) -> list[str]:
    tied = found.answered(CANNOT_TELL)
    if found.leader is None or found.nothing_learned or not tied:
        return []
    if found.held_out:
        return [_more_rows(found, tied[0])]
    if found.seeds == 1:
        return [f"Train with at least {ENOUGH_SEEDS} seeds: with one, no recipe can be told from another."]
    rival = tied[0]
    comparison = found.comparisons[rival.id]
    if not comparison.difference or comparison.spread is None:
        return [f"{found.leader.name} and {rival.name} show no difference: take the one that is cheaper to train."]
    measured = Estimate(abs(comparison.difference), comparison.low, comparison.high)
    difference = f"a difference of {fixed(measured.mean, places([measured]))} in {inside(found.title)}"
    seeds = seeds_needed(comparison.difference, comparison.spread, (1 - found.confidence) / comparison.family)
    pair = f"{found.leader.name} from {rival.name}"
    if seeds is None:
        return [f"Do not try to tell {pair}: {difference} would take more than 1,000 seeds. Take the cheaper one."]
    pairs = [each.seconds / each.seeds for each in (found.leader, rival) if each.seeds]
    more = number(float(f"{(seeds - comparison.pairs) * sum(pairs):.2g}"))
    price = f", which takes about {more} s more of training for the two" if seeds > comparison.pairs else ""
    return [f"To tell {pair}, train with about {seeds} seeds (now {comparison.pairs}){price}, if {difference} matters."]


def _more_rows(found: Findings, rival: RecipeResult) -> str:
    """How to tell apart two recipes that the folds can't: with more rows. Scores of folds share most of their training
    rows, so more seeds or repeats help little."""
    assert found.leader is not None
    comparison = found.comparisons[rival.id]
    pair = f"{found.leader.name} from {rival.name}"
    if not comparison.difference or comparison.smallest_difference is None:
        return f"{found.leader.name} and {rival.name} show no difference: take the one that is cheaper to train."
    least = Estimate(comparison.smallest_difference, comparison.low, comparison.high)
    return (
        f"Take the cheaper one of {found.leader.name} and {rival.name}, or collect rows: these tell {pair} only where "
        f"they differ by about {fixed(least.mean, places([least]))} in {inside(found.title)}; more seeds or repeats "
        "would hardly help."
    )


def _repair(found: Findings) -> list[str]:
    steps = []
    unsteady = [result for result in found.results if result.lost]
    if unsteady:
        names = listing([result.name for result in unsteady])
        steps.append(
            f"Lower the learning rate of {names}, or clip the gradients: {_verb(unsteady, 'it', 'they')} diverged."
        )
    steps += for_idle(found.of(IDLE), found.seen, found.diagnosed, found.constant)
    if sure := found.of(OVERCONFIDENT):
        names = listing([result.name for result in sure])
        steps.append(
            f"Before using the probabilities of {names}, which are overconfident since training went on after the "
            "validation loss was lowest or its steps were too large: calibrate them (evaluate.calibrate: temperature), "
            "set label_smoothing, let log_loss decide (evaluate.metric), or lower the learning rate."
        )
    if shifted := found.of(SHIFTED):
        names = listing([result.name for result in shifted])
        steps.append(
            f"Use {names} to rank rows or to choose a class, not for probabilities: "
            f"{_counted_alike(found.weighted[shifted[0].id])}. For probabilities, calibrate them "
            "(evaluate.calibrate: isotonic), or train with imbalance: none."
        )
    if found.nothing_learned:
        steps.append("Check the inputs: not even the leader predicts better than a constant.")
    return steps
