"""The verdict of a run: the winner, its lead, whether the lead is significant, and what to do next.

Recipes are ranked, and the leader and the shipped model are chosen, on the validation part. The test part is only used
for measurements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import TEST, VAL
from tasks.evaluation import advice
from tasks.evaluation.advice import Findings
from tasks.evaluation.augmentation import effects
from tasks.evaluation.baselines import CONSTANT_ANSWERS, Constant
from tasks.evaluation.comparison import BETTER, CANNOT_TELL, WORSE, Comparison, compare_with_each
from tasks.evaluation.decisions import LIKELIEST, Deciding, recorded_thresholds
from tasks.evaluation.diagnoses import diagnosed
from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.fairness_price import fairness_prices
from tasks.evaluation.fold_rows import FoldAnswers
from tasks.evaluation.fold_scores import FoldScores
from tasks.evaluation.footprint import BATCHES, FOOTPRINT, Measure, footprints
from tasks.evaluation.intervals import RESAMPLES, Interval, finite
from tasks.evaluation.judged_rows import Classes, JudgedRows
from tasks.evaluation.learning import IDLE, STILL, Moved, learning, seen
from tasks.evaluation.metrics import METRICS, Metric
from tasks.evaluation.operating import operating_point
from tasks.evaluation.recipe_results import RecipeResult, ranked, read_results
from tasks.evaluation.rules import rules
from tasks.evaluation.slices import Slicing, judge_slicing
from tasks.records.estimate import Estimate
from tasks.records.plan import Plan, Recipe, weighted_recipes
from tasks.records.slices import JudgedSlicing
from tasks.records.validation import ColumnStrength
from tasks.records.verdict import (
    AugmentationEffect,
    Baseline,
    BaselineDifference,
    JudgedRecipe,
    OperatingPoint,
    PairedDifference,
    Shipped,
    Verdict,
)

Json = dict[str, Any]


def judge(
    plan: Plan,
    tables: Mapping[str, pd.DataFrame],
    splits: pd.DataFrame,
    *,
    constant: Constant,
    moved: Moved,
    strengths: Sequence[ColumnStrength] = (),
    test_evaluations: int = 1,
    resamples: int = RESAMPLES,
    deciding: Deciding = LIKELIEST,
    slicings: Sequence[Slicing] = (),
    measure: Measure | None = None,
    fold_answers: FoldAnswers | None = None,
) -> Verdict:
    """Computes the verdict of a run. Its hyperparameter search is evaluated in `tasks.evaluation.search`.

    The winner is the leader if it is better than each other recipe that learned. It is None where another recipe can't
    be told apart from the leader or beats it on the test part, where the leader did not learn, and where there is only
    one recipe, so that nothing was compared.

    Args:
        plan: plan.json.
        tables: `trials`: stages `final` and `baseline`. `metrics`: for each final trial that ended well, every metric
            of the plan on `val` and `test`, and `loss` on `val` (the loss function of the best epoch, without
            penalties). `predictions`: those of each baseline, and of the trial of each recipe that would be shipped.
            `curves`.
        splits: Table `splits`; where `group` is set, intervals account for the groups of the test rows.
        constant: Scores, on the validation part, of an answer that ignores the inputs.
        moved: Distance of a trial's weights from the initial ones; called for leaders and for recipes that did not
            learn.
        strengths: Strong rules of one or two columns, from validation.json.
        test_evaluations: How often the test part was evaluated, for the record.
        resamples: Number of bootstrap resamples for differences over test rows.
        deciding: Turns predictions into answers with costs.
        slicings: Divisions of the rows into slices, to evaluate each slice.
        measure: Measures a model's footprint (size, latency); None: footprints are not measured.
        fold_answers: Answers of the folds' trials; needed where the evaluation is out of fold and there are slices.

    Raises:
        ValueError: two models predict different rows, or a class is missing from them.
    """
    metric, weighted = METRICS[plan.metric], weighted_recipes(plan.recipes)
    results = read_results(plan.recipes, tables["trials"], tables["metrics"])
    costs = plan.decides.costs if plan.decides else None
    classes, confidence = Classes.of(plan.data, costs.currency if costs else None), plan.confidence

    thresholds = recorded_thresholds(tables["metrics"])

    def rows(part: str, wanted: Collection[str]) -> JudgedRows:
        predictions = tables["predictions"]
        return JudgedRows.read(predictions, splits, part, wanted, classes, confidence, deciding, thresholds)

    def val(wanted: Collection[str]) -> JudgedRows:
        predicted = tables["predictions"]  # with many trials, not all predictions are kept
        return rows(VAL, set(wanted) & set(predicted.loc[predicted["part"] == VAL, "trial_id"]))

    candidates = {result.id: result.best_trial(metric) for result in results if result.by_seed(VAL, metric.name)}
    learned = learning(
        results, constant, weighted, val, confidence, deciding.prior, calibrated=deciding.how.calibrate is not None
    )
    results = _ranked(results, metric, learned, candidates, moved)
    baselines = _baselines(tables["trials"])
    test = replace(rows(TEST, [*candidates.values(), *baselines.values()]), slicings=slicings, measure=measure)
    if plan.held_out:
        scores = FoldScores.read(plan, tables["trials"], tables["metrics"], candidates, baselines)
        test = replace(test, folds=scores)
        if fold_answers:
            test = replace(test, in_folds=fold_answers.in_folds(scores, test, deciding, thresholds))
    idle = [result for result in results if learned.get(result.id) == IDLE and result.id in candidates]
    chosen = _chosen_baseline(plan, metric, results, candidates, baselines, learned, tables["metrics"])
    judged = _judged(plan, results, candidates, baselines, test, learned, weighted, constant, resamples, chosen)
    diagnoses = diagnosed(plan, tables, constant, candidates)
    findings = replace(
        judged.findings,
        diagnosed={each.recipe_id: each.found[0] for each in diagnoses},
        seen=seen(idle, candidates, tables["curves"], moved),
        enough=_enough(strengths, baselines, test),
    )
    judged = replace(judged, findings=findings)
    verdict = replace(_verdict(plan, judged, test_evaluations), diagnoses=diagnoses)
    if verdict.shipped and measure:
        verdict = _with_footprints(plan, verdict, candidates, measure)
    if verdict.shipped and slicings:
        verdict = replace(
            verdict, slices=_slices(test.of_procedure, verdict.shipped.trial_id, metric, costs is not None)
        )
    if len(classes.names) != 2 or verdict.shipped is None:
        return verdict
    leader, shipped = judged.findings.leader, verdict.shipped
    seeds = [shipped.trial_id] if shipped.baseline or leader is None else list(leader.ended.values())
    point = operating_point(shipped.trial_id, verdict.saved or "", val(seeds), test, deciding, thresholds, baselines)
    verdict = replace(verdict, operating_point=point)
    if costs is None or not slicings or plan.held_out:
        return verdict
    own = replace(val([shipped.trial_id]), slicings=slicings)
    return _with_prices(plan, verdict, shipped.trial_id, own, test, deciding, thresholds, resamples)


def _with_prices(
    plan: Plan,
    verdict: Verdict,
    shipped: str,
    own: JudgedRows,
    test: JudgedRows,
    deciding: Deciding,
    thresholds: Mapping[str, float],
    resamples: int,
) -> Verdict:
    """Adds the price of meeting the fairness gates with another threshold, where the model has a threshold.

    Args:
        shipped: The shipped trial; `own` are the validation rows with its answers.
    """
    if not own.answers or shipped not in thresholds:
        return verdict
    prices = fairness_prices(plan.spec["gates"], shipped, own, test, deciding, thresholds[shipped], resamples)
    return replace(verdict, fairness_prices=prices or None)


def _with_footprints(plan: Plan, verdict: Verdict, candidates: Mapping[str, str], measure: Measure) -> Verdict:
    """Adds the footprints: of each recipe where architectures differ, and of the shipped model there or where a gate
    needs it."""
    assert verdict.shipped is not None
    models = [recipe.settings.part("model") for recipe in plan.recipes]
    differ = any(model != models[0] for model in models)
    if not differ and not any(gate.metric in FOOTPRINT for gate in verdict.gates):
        return verdict
    measured = measure(candidates.values(), BATCHES) if differ else {}
    shipped = measure([verdict.shipped.trial_id], BATCHES if differ else ())
    of_recipe = {recipe: measured[trial] for recipe, trial in candidates.items() if trial in measured}
    found = footprints(verdict, of_recipe, shipped.get(verdict.shipped.trial_id))
    following = [*verdict.next, *([found.smaller] if found.smaller else [])]
    return replace(verdict, footprints=found, next=following)


def _slices(test: JudgedRows, trial: str, metric: Metric, costs: bool) -> list[JudgedSlicing]:
    return [judge_slicing(each, test, trial, metric, costs) for each in test.slicings]


def _ranked(
    results: Sequence[RecipeResult],
    metric: Metric,
    learned: dict[str, str],
    candidates: Mapping[str, str],
    moved: Moved,
) -> list[RecipeResult]:
    """Ranks the recipes, the leader first. A leader whose weights did not move scores well by luck, not by learning: it
    is set to `idle` in `learned`, and the next recipe leads."""
    while True:
        order = ranked(results, metric, [recipe for recipe, found in learned.items() if found == IDLE])
        leader = order[0].id if order else ""
        if leader not in candidates or learned[leader] == IDLE or moved(candidates[leader]) >= STILL:
            return order
        learned[leader] = IDLE


_HIGH, _ABOUT = 0.9, 0.02
"""Shares of guessing's errors: a rule of a few columns that removes this much is suspicious, and this difference from
the best baseline counts as equal."""


def _enough(
    strengths: Sequence[ColumnStrength], baselines: Mapping[str, str], test: JudgedRows
) -> tuple[str, float, float] | None:
    """The first of the strong rules that removes about as many of guessing's errors as the best baseline: the rule in
    words, the share that it removes, and the share that the baseline removes. None where there is no such rule."""
    best = max((test.strength(trial) for trial in baselines.values()), default=np.nan)
    for each in strengths if np.isfinite(best) else ():
        if each.share >= max(_HIGH, best - _ABOUT):
            return each.phrase, each.share, best
    return None


def _baselines(trials: pd.DataFrame) -> dict[str, str]:
    """Name of each baseline to its `trial_id`."""
    ended = trials[(trials["stage"] == "baseline") & (trials["status"] == "ok")]
    return dict(zip(ended["recipe"], ended["trial_id"], strict=True))


def _chosen_baseline(
    plan: Plan,
    metric: Metric,
    results: Sequence[RecipeResult],
    candidates: Mapping[str, str],
    baselines: Mapping[str, str],
    learned: Mapping[str, str],
    metrics: pd.DataFrame,
) -> str | None:
    """The baseline to ship, where the spec allows one: the best on the validation part, if it is better there than the
    constant answer and than the network that would be shipped. It is chosen there and measured on other rows."""
    if plan.ship != "best":
        return None
    own = metrics[(metrics["part"] == VAL) & (metrics["metric"] == metric.name)]
    values = own.set_index("trial_id")["value"].astype(float) * metric.sign
    found = {name: values[trial] for name, trial in baselines.items() if np.isfinite(values[trial])}
    leader = results[0].id if results else ""
    beaten = [found.pop(name) for name in CONSTANT_ANSWERS if name in found]
    if leader in candidates and learned[leader] != IDLE:
        beaten.append(values[candidates[leader]])
    best = max(found, key=lambda name: found[name], default=None)
    return best if best and found[best] > max(beaten, default=-np.inf) else None


@dataclass(frozen=True)
class _Judged:
    """Everything that the verdict is written from.

    Args:
        findings: Input of the sentences.
        effects: Effects of augmentation: the augmented recipe, its twin, their comparison.
        candidates: `recipe_id` to the trial that would be shipped.
        baselines: Name to `trial_id`.
        test: The test rows with the answers of the candidates and the baselines.
        reported: Names of the metrics, the deciding one first.
        titled: The same names, and those of the gates' metrics.
    """

    findings: Findings
    effects: Sequence[tuple[RecipeResult, RecipeResult, Comparison]]
    candidates: Mapping[str, str]
    baselines: Mapping[str, str]
    test: JudgedRows
    reported: Sequence[str]
    titled: Sequence[str]


def _judged(
    plan: Plan,
    results: Sequence[RecipeResult],
    candidates: Mapping[str, str],
    baselines: Mapping[str, str],
    test: JudgedRows,
    learned: Mapping[str, str],
    weighted: Mapping[str, str],
    constant: Constant,
    resamples: int,
    chosen: str | None,
) -> _Judged:
    metric, gated = METRICS[plan.metric], plan.spec["gates"]
    leader = results[0] if results and results[0].id in candidates else None
    leading = candidates[leader.id] if leader else None
    rivals = _rivals(results, learned) if leader else []
    resolution = 1 / plan.parts[TEST] if metric.share else 0.0
    comparisons = _compare(leader, rivals, metric, test, resolution) if leader else {}
    tied = [recipe for recipe, found in comparisons.items() if found.answer == CANNOT_TELL]
    reported = list(dict.fromkeys([metric.name, *plan.also]))
    findings = Findings(
        metric=metric,
        title=test.classes.titled(metric),
        confidence=plan.confidence,
        constant=constant,
        results=results,
        leader=leader,
        winner=_winner(results, leader, comparisons, learned),
        comparisons=comparisons,
        learning=learned,
        weighted=weighted,
        reading=_estimate(leader, candidates, test, metric) if leader else None,
        against=test.differences(leading, baselines, metric, resamples) if leading else {},
        gates=test.of_procedure.gates(baselines[chosen] if chosen else leading, gated),
        of_baselines={name: test.gates(trial, gated) for name, trial in baselines.items()},
        of_tied={recipe: test.gates(candidates[recipe], gated) for recipe in tied if recipe in candidates},
        test_rows=plan.parts[TEST],
        majority_share=test.majority_share(),
        majority=test.majority(),
        at_real_shares=test.prior is not None,
        same_answer=1 / len(test.classes.names) if plan.metric_why and test.classes.names else None,
        ships=chosen,
        held_out=plan.held_out,
    )
    augmentation = effects(
        _as_compared(plan), results, metric, confidence=plan.confidence, resolution=resolution, folds=test.folds
    )
    titled = list(dict.fromkeys([*reported, *(gate["metric"] for gate in gated if gate["metric"] in METRICS)]))
    return _Judged(findings, augmentation, candidates, baselines, test, reported, titled)


def _verdict(plan: Plan, judged: _Judged, test_evaluations: int) -> Verdict:
    findings, test, folds = judged.findings, judged.test, judged.test.folds
    leader, results = findings.leader, findings.results
    return Verdict(
        metric=findings.metric.name,
        greater_is_better=findings.metric.greater_is_better,
        confidence=findings.confidence,
        part=TEST,
        positive=test.positive(),
        titles={name: test.classes.titled(METRICS[name]) for name in judged.titled}
        | {
            gate.metric: (FAIRNESS | FOOTPRINT)[gate.metric]
            for gate in findings.gates
            if gate.metric in FAIRNESS | FOOTPRINT
        },
        winner=findings.winner.id if findings.winner else None,
        leader=leader.id if leader else None,
        tied=[recipe for recipe, found in findings.comparisons.items() if found.answer == CANNOT_TELL],
        decision=advice.decision(findings),
        sentence=advice.sentence(findings),
        recipes=[_recipe(result, rank, judged) for rank, result in enumerate(results, start=1)],
        comparisons=[
            PairedDifference(**_compared(result, findings.comparisons[result.id]))
            for result in results
            if result.id in findings.comparisons
        ],
        augmentation=[_effect(*each) for each in judged.effects],
        baselines=[
            Baseline(name=name, trial_id=trial, metrics=test.intervals(trial, judged.reported))
            for name, trial in judged.baselines.items()
        ],
        against_baselines=[_against(name, interval) for name, interval in findings.against.items()],
        shipped=_shipped(judged),
        gates=findings.gates,
        # With two classes the likelier one is predicted: that is a threshold of one half.
        operating_point=OperatingPoint(threshold=0.5) if len(plan.data.classes or ()) == 2 else None,
        test_evaluations=test_evaluations,
        warnings=advice.warnings(findings),
        next=advice.next_steps(findings),
        rules=rules(findings),
        out_of_fold=folds.judged(judged.titled, findings.metric, findings.confidence, leader) if folds else None,
    )


def _as_compared(plan: Plan) -> list[Recipe]:
    """The recipes with the parameters that the spec compares, without the values that a search chose for each."""
    params = {each.recipe_id: each.params for each in plan.search.recipes} if plan.search else {}
    return [replace(recipe, settings=params.get(recipe.recipe_id, recipe.settings)) for recipe in plan.recipes]


def _rivals(results: Sequence[RecipeResult], learned: Mapping[str, str]) -> list[RecipeResult]:
    """The recipes that the leader is compared with: those that learned. Others can't be shipped, and would only reduce
    the power of the test. Where only the leader learned, they are compared all the same, since its lead may be luck."""
    ended = [result for result in results[1:] if result.ended]
    return [result for result in ended if learned[result.id] != IDLE] or ended


def _compare(
    leader: RecipeResult, rivals: Sequence[RecipeResult], metric: Metric, test: JudgedRows, resolution: float
) -> dict[str, Comparison]:
    """Compares the leader with each rival, paired by seed on the test part, or by fold."""
    confidence = test.confidence
    if test.folds is not None:
        return compare_with_each(
            test.folds.by_fold(leader.id, metric),
            {result.id: test.folds.by_fold(result.id, metric) for result in rivals},
            sign=metric.sign,
            confidence=confidence,
            shared=test.folds.held_out.ratio,
        )
    return compare_with_each(
        leader.by_seed(TEST, metric.name),
        {result.id: result.by_seed(TEST, metric.name) for result in rivals},
        sign=metric.sign,
        confidence=confidence,
        resolution=resolution,
    )


def _winner(
    results: Sequence[RecipeResult],
    leader: RecipeResult | None,
    comparisons: Mapping[str, Comparison],
    learned: Mapping[str, str],
) -> RecipeResult | None:
    """The leader, if it learned, has rivals and is better than each; else None."""
    if leader is None or learned[leader.id] == IDLE or len(results) == 1:
        return None
    return leader if all(found.answer == BETTER for found in comparisons.values()) else None


def _estimate(result: RecipeResult, candidates: Mapping[str, str], test: JudgedRows, metric: Metric) -> Estimate:
    """The mean over seeds on the test part, with its interval over rows and seeds together; or over folds."""
    if test.folds is not None:
        return test.folds.interval(result.id, metric, test.confidence).estimate()
    rows = test.interval(candidates[result.id], metric) if result.id in candidates else None
    return result.interval(TEST, metric.name, test.confidence, rows)


def _recipe(result: RecipeResult, rank: int, judged: _Judged) -> JudgedRecipe:
    findings = judged.findings
    return JudgedRecipe(
        recipe_id=result.id,
        recipe=result.name,
        optimizer=result.optimizer,
        schedule=result.schedule,
        seeds=len(result.ended),
        status="ok" if result.ended else "diverged",
        metrics={name: _estimate(result, judged.candidates, judged.test, METRICS[name]) for name in judged.reported},
        val={findings.metric.name: result.interval(VAL, findings.metric.name, findings.confidence)},
        learned=findings.learned(result),
        note=advice.note(result, findings),
        seconds=result.seconds,
        rank=rank,
    )


def _compared(result: RecipeResult, found: Comparison) -> Json:
    """The fields that every comparison has."""
    return {
        "recipe_id": result.id,
        "recipe": result.name,
        "difference": finite(found.difference),
        "low": finite(found.low),
        "high": finite(found.high),
        "p": finite(found.p),
        "p_holm": finite(found.p_holm),
        "effect_size": finite(found.effect_size),
        "smallest_difference": finite(found.smallest_difference),
        "answer": found.answer,
    }


def _effect(augmented: RecipeResult, against: RecipeResult, found: Comparison) -> AugmentationEffect:
    return AugmentationEffect(
        **_compared(augmented, found), against_id=against.id, against=against.name, pairs=found.pairs
    )


def _against(name: str, difference: Interval) -> BaselineDifference:
    estimate = difference.estimate()
    return BaselineDifference(
        name=name,
        difference=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        answer=side_of_zero(difference),
    )


def _shipped(judged: _Judged) -> Shipped | None:
    """The model to ship: the chosen baseline, else the leader's seed that is best on the validation part, if the leader
    learned; else None."""
    baseline, leader = judged.findings.ships, judged.findings.leader
    if baseline:
        trial = judged.baselines[baseline]
        metrics = judged.test.of_procedure.intervals(trial, judged.titled)
        return Shipped(trial_id=trial, baseline=baseline, recipe_id=trial, seed=0, metrics=metrics)
    if leader is None or not judged.findings.learned(leader):
        return None
    trial = judged.candidates[leader.id]
    seed = next(seed for seed, own in leader.ended.items() if own == trial)
    metrics = judged.test.of_procedure.intervals(trial, judged.titled)
    return Shipped(trial_id=trial, recipe_id=leader.id, seed=seed, metrics=metrics)


def side_of_zero(difference: Interval) -> str:
    """`better` if the whole interval is above 0, `worse` if it is below, else `can't tell`."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return CANNOT_TELL
    return BETTER if difference.low > 0 else WORSE
