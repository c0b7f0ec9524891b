"""The verdict of a run: what won, by how much, whether that can be told, and what to do next.

Recipes are ranked, the leader and the shipped model chosen, on the validation part. The test part only
measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import TEST, VAL
from tasks.evaluation import advice, gates
from tasks.evaluation.advice import Findings
from tasks.evaluation.augmentation import effects
from tasks.evaluation.clusters import groups_of
from tasks.evaluation.comparison import BETTER, CANNOT_TELL, WORSE, Comparison, compare_with_each
from tasks.evaluation.intervals import RESAMPLES, Interval, difference_interval, finite, resample
from tasks.evaluation.metrics import METRICS, Metric
from tasks.evaluation.recipe_results import RecipeResult, ranked, read_results
from tasks.records.plan import DataFacts, Plan, Recipe
from tasks.records.verdict import (
    AugmentationEffect,
    Baseline,
    BaselineDifference,
    Estimate,
    GateResult,
    JudgedRecipe,
    OperatingPoint,
    PairedDifference,
    PositiveClass,
    Shipped,
    Verdict,
)

Json = dict[str, Any]


def judge(
    plan: Plan,
    trials: pd.DataFrame,
    metrics: pd.DataFrame,
    predictions: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    constant_loss: float,
    test_evaluations: int = 1,
    resamples: int = RESAMPLES,
) -> Verdict:
    """The verdict of a run; of its search, `tasks.evaluation.search` judges.

    The winner is the leader if it is better than each other recipe that ended. It is None where a recipe
    can't be told from the leader or beats it on the test part, and where there is only one recipe: then
    nothing was compared.

    Args:
        plan: plan.json.
        trials: Table `trials`: stages `final` and `baseline`.
        metrics: Table `metrics`: for each final trial that ended well every metric of the plan on `val` and
            `test`, and `loss` on `val`: the best epoch's loss function, without penalties.
        predictions: Table `predictions`: the `test` rows of the shipped trial and of each baseline, of every
            class.
        splits: Table `splits`; where `group` is set, the groups of the test rows are counted.
        constant_loss: What the best constant prediction scores on the validation part, in the unit of `loss`:
            the cross-entropy (nats) of the training part's class shares, or the mean squared error of its
            mean.
        test_evaluations: How often the test part was evaluated, for the record.
        resamples: Of the bootstrap of differences over test rows.

    Raises:
        ValueError: the predictions of two models are not of the same rows, or a class is missing from them.
    """
    results = ranked(read_results(plan.recipes, trials, metrics), METRICS[plan.metric])
    judged = _judged(plan, results, trials, predictions, splits, constant_loss=constant_loss, resamples=resamples)
    return _verdict(plan, judged, test_evaluations)


@dataclass(frozen=True)
class _Judged:
    """What the verdict is written from.

    Args:
        findings: What the sentences are made of.
        effects: Of augmentation: the augmented recipe, its twin, their comparison.
        baselines: Name to `trial_id`.
        shipped: `trial_id`; None where no recipe leads.
        test: The test rows of the shipped model and the baselines.
        reported: Names of the metrics, the deciding one first.
        titled: The same, and those of the gates.
    """

    findings: Findings
    effects: Sequence[tuple[RecipeResult, RecipeResult, Comparison]]
    baselines: Mapping[str, str]
    shipped: str | None
    test: OnTest
    reported: Sequence[str]
    titled: Sequence[str]


def _judged(
    plan: Plan,
    results: Sequence[RecipeResult],
    trials: pd.DataFrame,
    predictions: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    constant_loss: float,
    resamples: int,
) -> _Judged:
    metric, confidence, classes = METRICS[plan.metric], plan.confidence, plan.data.classes
    leader = results[0] if results and results[0].by_seed(VAL, metric.name) else None
    rivals = [result for result in results[1:] if result.ended] if leader else []
    resolution = 1 / plan.parts[TEST] if metric.share else 0.0
    comparisons = _compare(leader, rivals, metric, confidence, resolution) if leader else {}
    shipped = leader.best_trial(metric) if leader else None
    ended = trials[(trials["stage"] == "baseline") & (trials["status"] == "ok")]
    baselines = dict(zip(ended["recipe"], ended["trial_id"], strict=True))
    reported = list(dict.fromkeys([metric.name, *plan.also]))
    gated = plan.spec["gates"]
    wanted = [*baselines.values(), *([shipped] if shipped else [])]
    test = OnTest.read(predictions, splits, wanted, metric, Classes.of(plan.data), confidence, resamples)
    findings = Findings(
        metric=metric,
        title=test.classes.titled(metric),
        confidence=confidence,
        constant_loss=constant_loss,
        results=results,
        leader=leader,
        winner=_winner(results, leader, comparisons),
        comparisons=comparisons,
        against={name: test.difference(shipped, trial, metric) for name, trial in baselines.items()} if shipped else {},
        gates=_gates(gated, shipped, test),
        test_rows=plan.parts[TEST],
        majority_share=test.majority_share() if classes else None,
    )
    augmentation = effects(_as_compared(plan), results, metric, confidence=confidence, resolution=resolution)
    titled = list(dict.fromkeys([*reported, *(gate["metric"] for gate in gated)]))
    return _Judged(findings, augmentation, baselines, shipped, test, reported, titled)


def _gates(gated: Sequence[Json], shipped: str | None, test: OnTest) -> list[GateResult]:
    """Without a model to ship, a gate is undecided: a blocking one must not open because nothing was left to judge."""
    nothing = Interval(np.nan, None, None)
    return [
        gates.judge_gate(
            gate,
            test.interval(shipped, METRICS[gate["metric"]]) if shipped else nothing,
            test.classes.titled(METRICS[gate["metric"]]),
            test.basis(shipped, METRICS[gate["metric"]]) if shipped else "",
        )
        for gate in gated
    ]


def _verdict(plan: Plan, judged: _Judged, test_evaluations: int) -> Verdict:
    findings, test = judged.findings, judged.test
    leader, results = findings.leader, findings.results
    return Verdict(
        metric=findings.metric.name,
        greater_is_better=findings.metric.greater_is_better,
        confidence=findings.confidence,
        part=TEST,
        positive=test.positive(),
        titles={name: test.classes.titled(METRICS[name]) for name in judged.titled},
        winner=findings.winner.id if findings.winner else None,
        leader=leader.id if leader else None,
        tied=[recipe for recipe, found in findings.comparisons.items() if found.answer == CANNOT_TELL],
        sentence=advice.sentence(findings),
        recipes=[_recipe(result, rank, findings, judged.reported) for rank, result in enumerate(results, start=1)],
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
        shipped=_shipped(leader, judged.shipped, test, judged.titled) if leader and judged.shipped else None,
        gates=findings.gates,
        # Two classes: the predicted one is the likelier one, which is a threshold of one half.
        operating_point=OperatingPoint(0.5) if len(plan.data.classes or ()) == 2 else None,
        test_evaluations=test_evaluations,
        warnings=advice.warnings(findings),
        next=advice.next_steps(findings),
    )


def _as_compared(plan: Plan) -> list[Recipe]:
    """The recipes with the parameters that they were compared in, without what a search chose for each."""
    params = {each.recipe_id: dict(each.params) for each in plan.search.recipes} if plan.search else {}
    return [replace(recipe, settings=params.get(recipe.recipe_id, recipe.settings)) for recipe in plan.recipes]


@dataclass(frozen=True)
class Classes:
    """The classes of the target, and which one is of interest.

    Args:
        names: In order; empty for regression.
        positive: Position of the class of interest, or None.
        why: How it was chosen.
    """

    names: tuple[str, ...]
    positive: int | None
    why: str | None

    @classmethod
    def of(cls, data: DataFacts) -> Classes:
        """From plan.json's `data`; of a run from before it could be named, the last of two classes."""
        names = tuple(data.classes or ())
        positive = data.positive
        if positive is None:
            return cls(names, len(names) - 1 if len(names) == 2 else None, None)
        return cls(names, names.index(positive), data.positive_why)

    @property
    def name(self) -> str | None:
        return None if self.positive is None else self.names[self.positive]

    def titled(self, metric: Metric) -> str:
        return metric.titled(self.name, len(self.names))


@dataclass(frozen=True)
class OnTest:
    """The test rows: every model's metrics, and the deciding one in the same resamples.

    Args:
        target: `[rows]`, class index or value.
        groups: `[rows]` or None.
        classes: Of the target.
        confidence: Of the intervals.
        predictions: `trial_id` to `[rows, classes]` or `[rows]`.
        drawn: `trial_id` to the bootstrap values `[resamples]` of the deciding metric.
    """

    target: np.ndarray
    groups: np.ndarray | None
    classes: Classes
    confidence: float
    predictions: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]

    @classmethod
    def read(
        cls,
        predictions: pd.DataFrame,
        splits: pd.DataFrame,
        wanted: Sequence[str],
        metric: Metric,
        classes: Classes,
        confidence: float,
        resamples: int,
    ) -> OnTest:
        """Of the trials in `wanted`, with `metric` drawn."""
        if not wanted:
            return cls(np.empty(0), None, classes, confidence, {}, {})
        on_test = predictions[(predictions["part"] == TEST) & predictions["trial_id"].isin(wanted)]
        on_test = on_test.sort_values(["trial_id", "row", "class_index"])
        width = len(classes.names) or 1
        frames = {str(trial): frame for trial, frame in on_test.groupby("trial_id")}
        if frames.keys() != set(wanted):
            raise ValueError(f"no test predictions of {', '.join(sorted(set(wanted) - frames.keys()))}")
        first = next(iter(frames.values()))
        rows = first["row"].to_numpy()[::width]
        target = first["target"].to_numpy(dtype=np.float64)[::width]
        values = {}
        for trial, frame in frames.items():
            if not np.array_equal(frame["row"].to_numpy(), np.repeat(rows, width)):
                raise ValueError(f"trial {trial} does not predict each test row once, or another one's rows")
            value = frame["value"].to_numpy(dtype=np.float64, na_value=np.nan)
            values[trial] = value.reshape(-1, width) if classes.names else value
        statistics = {trial: metric.resampled(target, values[trial], classes.positive) for trial in wanted}
        groups = groups_of(splits, TEST, rows)
        drawn = resample(statistics, len(target), groups=groups, resamples=resamples)
        return cls(target, groups, classes, confidence, values, drawn)

    def interval(self, trial: str, metric: Metric) -> Interval:
        """Over the test rows."""
        return metric.over_rows(
            self.target, self.predictions[trial], self.confidence, self.groups, self.classes.positive
        )

    def intervals(self, trial: str, names: Sequence[str]) -> dict[str, Estimate]:
        return {name: self.interval(trial, METRICS[name]).estimate() for name in names}

    def difference(self, trial: str, other: str, metric: Metric) -> Interval:
        """How much better `trial` is than `other` on the same rows by the deciding metric; positive = better."""
        positive = self.classes.positive
        one, two = (metric.function(self.target, self.predictions[name], positive) for name in (trial, other))
        drawn = self.drawn[trial], self.drawn[other]
        return difference_interval(metric, (one, two), drawn, self.confidence)

    def positive(self) -> PositiveClass | None:
        """The class of interest as in verdict.json, with how many test rows are of it."""
        name = self.classes.name
        if name is None:
            return None
        rows = int((self.target == self.classes.positive).sum())
        return PositiveClass(name=name, why=self.classes.why, rows=rows, of=len(self.target))

    def basis(self, trial: str, metric: Metric) -> str:
        """The rows that a metric of one class rests on: `on 11 rows of fraud, 3 rows predicted so`."""
        positive = self.classes.positive
        if not metric.of_class or positive is None:
            return ""
        actual = int((self.target == positive).sum())
        predicted = int((self.predictions[trial].argmax(axis=1) == positive).sum())
        return f"on {_rows(actual)} of {self.classes.name}, {_rows(predicted)} predicted so"

    def majority_share(self) -> float | None:
        """Share of the most frequent class; None without rows."""
        return (
            float(np.unique(self.target, return_counts=True)[1].max() / len(self.target)) if len(self.target) else None
        )


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _compare(
    leader: RecipeResult, rivals: Sequence[RecipeResult], metric: Metric, confidence: float, resolution: float
) -> dict[str, Comparison]:
    return compare_with_each(
        leader.by_seed(TEST, metric.name),
        {result.id: result.by_seed(TEST, metric.name) for result in rivals},
        sign=metric.sign,
        confidence=confidence,
        resolution=resolution,
    )


def _winner(
    results: Sequence[RecipeResult], leader: RecipeResult | None, comparisons: Mapping[str, Comparison]
) -> RecipeResult | None:
    """The leader, if it had rivals and is better than each that ended."""
    return (
        leader
        if leader and len(results) > 1 and all(found.answer == BETTER for found in comparisons.values())
        else None
    )


def _recipe(result: RecipeResult, rank: int, findings: Findings, reported: Sequence[str]) -> JudgedRecipe:
    return JudgedRecipe(
        recipe_id=result.id,
        recipe=result.name,
        optimizer=result.optimizer,
        schedule=result.schedule,
        seeds=len(result.ended),
        status="ok" if result.ended else "diverged",
        metrics={name: result.interval(TEST, name, findings.confidence) for name in reported},
        val={findings.metric.name: result.interval(VAL, findings.metric.name, findings.confidence)},
        learned=findings.learned(result),
        note=advice.note(result, findings),
        seconds=result.seconds,
        rank=rank,
    )


def _compared(result: RecipeResult, found: Comparison) -> Json:
    """What every comparison says, by field."""
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


def _shipped(leader: RecipeResult, trial: str, test: OnTest, names: Sequence[str]) -> Shipped:
    seed = next(seed for seed, own in leader.ended.items() if own == trial)
    return Shipped(trial_id=trial, recipe_id=leader.id, seed=seed, metrics=test.intervals(trial, names))


def side_of_zero(difference: Interval) -> str:
    """`better` if the whole interval is above 0, `worse` if it is below, else `can't tell`."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return CANNOT_TELL
    return BETTER if difference.low > 0 else WORSE
