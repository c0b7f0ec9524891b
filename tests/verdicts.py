"""Builds verdicts without a run."""

from __future__ import annotations

from typing import Any

from tasks.records.out_of_fold import OutOfFold
from tasks.records.verdict import Decision, GateResult, Verdict


def verdict_of(**changes: Any) -> Verdict:
    """Returns the verdict of a run without a finished recipe, with `changes`."""
    nothing: dict[str, Any] = {
        "metric": "accuracy",
        "greater_is_better": True,
        "confidence": 0.95,
        "part": "test",
        "winner": None,
        "leader": None,
        "shipped": None,
        "operating_point": None,
        "test_evaluations": 1,
        "decision": Decision(answer="nothing", sentence="Nothing to ship", reason="no recipe finished"),
        "sentence": "Every recipe diverged: there is no model to judge.",
    }
    lists = ("tied", "recipes", "comparisons", "augmentation", "baselines", "against_baselines", "gates", "warnings")
    later = ("next", "diagnoses")
    return Verdict(**nothing | {name: [] for name in (*lists, *later)} | changes)


def out_of_fold(verdict: Verdict, **changes: Any) -> OutOfFold:
    """Returns an out-of-fold result of two folds with two repeats, with `changes`."""
    first = verdict.recipes[0]
    judged: dict[str, Any] = {
        "folds": 2,
        "repeats": 2,
        "rows": 200,
        "learned_from": (99, 101),
        "metrics": {verdict.metric: first.metrics[verdict.metric]},
        "spread": 0.02,
        "scores": [0.8, 0.82, 0.78, None],
        "chosen": {first.recipe: 3},
    }
    return OutOfFold(**judged | changes)


def gate_of(answer: str, severity: str) -> GateResult:
    return GateResult(
        metric="accuracy",
        at_least=0.9,
        severity=severity,
        estimate=None,
        low=None,
        high=None,
        answer=answer,
        sentence=f"{answer} {severity}.",
    )
