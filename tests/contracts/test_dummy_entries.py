"""A new entry in each table is all it takes: one run uses a dummy of each, and no other file knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from reports.run import read_run
from reports.sections import SECTIONS, Section, markdown
from tasks import stages
from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.table import AUGMENTERS
from tasks.dataset import Dataset, Facts, Kind
from tasks.evaluation.metrics import CLASSIFICATION, METRICS, Metric
from tasks.evaluation.statistics import Statistic
from tasks.kinds import KINDS, TABLE_FORM
from tasks.preprocessing.tables import ColumnKind
from tasks.records.plan import Column
from tasks.search.method import Method, Observation
from tasks.search.methods import METHODS
from tasks.search.points import possible
from tasks.search.space import Range, Setting, Space
from tasks.spec.load import parse_spec
from tasks.training.models import MODELS, Architecture, linear
from tasks.training.optimizer import Optimizer
from tasks.training.optimizers import LEARNING_RATES, OPTIMIZERS
from tasks.training.schedules import SCHEDULES, Schedule, constant
from tasks.validation.checks import CHECKS, Check
from tasks.validation.finding import Finding
from tests.runs import open_run


def signs(xp: Any, w: Any, g: Any, slots: Any, lr: Any, t: Any, p: Any) -> tuple[Any, tuple[Any, ...]]:
    return w - lr * xp.sign(g) * p["scale"], slots


def dummy_optimizer(*, learning_rate: float = 0.01, scale: float = 1.0) -> Optimizer:
    """Goes by the gradient's sign. It has no Keras twin."""
    return Optimizer(signs, lambda xp, w, p: (), {"scale": scale}, learning_rate, keras_class=None)


def dummy_schedule() -> Schedule:
    """As it comes."""
    return constant()


def dummy_model() -> Architecture:
    """A linear one under another name."""
    return linear()


def dummy_augmenter(*, shift: float = 0.5) -> Augmenter:
    """Adds the same to every number."""
    return Augmenter(
        name="dummy_augmenter",
        kind="table",
        parameters={"shift": shift},
        apply=partial(shifted, shift=shift),
        incompatibility=fits,
    )


def shifted(table: np.ndarray, seeds: np.ndarray, *, shift: float) -> np.ndarray:
    return table + shift


def fits(facts: Facts) -> str | None:
    return None


def suggest(space: Space, seen: Sequence[Observation], count: int, trials: int, seed: int) -> list[Setting]:
    (dimension,) = space
    assert isinstance(dimension.over, Range)
    return [{dimension.name: dimension.over.high * 0.5 ** (len(seen) + place + 1)} for place in range(count)]


def reversed_matthews(target: np.ndarray, prediction: np.ndarray) -> Statistic:
    """Minus Matthews' correlation of two classes, -1 to 1: good models are near -1."""
    said, meant = prediction.argmax(axis=1) * 1.0, 1.0 - target

    def values(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        mean_said, mean_meant = weights @ said / total, weights @ meant / total
        spread = np.sqrt(mean_said * (1 - mean_said) * mean_meant * (1 - mean_meant))
        return (weights @ (said * meant) / total - mean_said * mean_meant) / np.where(spread > 0, spread, np.nan)

    return values


def matthews_interval(
    target: np.ndarray, prediction: np.ndarray, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    return -0.99, -0.6


def learn_spread(name: str, column: pd.Series) -> SimpleNamespace:
    return SimpleNamespace(name=name, largest=float(np.abs(column.to_numpy(np.float64)).max()))


def names_of_spread(learned: Sequence[Any]) -> list[str]:
    return [f"{each.name} of its largest" for each in learned]


def divided(learned: Sequence[Any], raw: Sequence[Any]) -> list[Any]:
    return [keras.layers.Rescaling(1 / each.largest)(one) for each, one in zip(learned, raw, strict=True)]


def always_fails(dataset: Dataset, splits: pd.DataFrame) -> Finding:
    return Finding(False, "yes", "no", rows=1, unexpected=1, message="A dummy check failed.")


DUMMY_KIND = Kind("dummy_kind", TABLE_FORM, ColumnKind(learn_spread, names_of_spread, "float64", divided))


@pytest.fixture
def dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line in each table, and of the optimizer one beside it: its range of learning rates."""
    monkeypatch.setitem(OPTIMIZERS, "dummy_optimizer", dummy_optimizer)
    monkeypatch.setitem(LEARNING_RATES, "dummy_optimizer", (1e-3, 1e-1))
    monkeypatch.setitem(SCHEDULES, "dummy_schedule", dummy_schedule)
    monkeypatch.setitem(MODELS, "dummy_model", dummy_model)
    monkeypatch.setitem(AUGMENTERS, "dummy_augmenter", dummy_augmenter)
    method = Method("dummy search", "halves", lambda space, trials: [possible(space, trials)], suggest)
    monkeypatch.setitem(METHODS, "dummy", method)
    coefficient = Metric(
        "dummy_metric",
        "Dummy coefficient",
        frozenset({CLASSIFICATION}),
        greater_is_better=False,
        bounds=(-1.0, 1.0),
        range="-1 to 1",
        statistic=reversed_matthews,
        interval=matthews_interval,
    )
    monkeypatch.setitem(METRICS, "dummy_metric", coefficient)
    monkeypatch.setitem(KINDS, "dummy_kind", DUMMY_KIND)
    monkeypatch.setitem(CHECKS, "dummy_check", Check(always_fails, "warn"))
    monkeypatch.setitem(SECTIONS, "dummy", Section("Dummy section", "dummy", {"dummy": lambda run: "dummy text"}))


SPEC: dict[str, Any] = {
    "data": {"source": "breast-cancer", "checks": ["dummy_check"]},
    "model": "dummy_model",
    "train": {"epochs": 3, "seeds": 3, "optimizer": "dummy_optimizer", "schedule": "dummy_schedule"},
    "compare": {"augmentation": ["none", "dummy_augmenter"]},
    "tune": {"method": "dummy", "trials": 3, "space": {"learning_rate": "auto"}},
    "evaluate": {"metric": "dummy_metric", "also": ["accuracy"]},
    "gates": [{"metric": "dummy_metric", "at_most": -0.5}],
}


@pytest.mark.usefixtures("dummies")
def test_a_run_uses_a_dummy_of_each_table(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", SPEC)
    dataset = stages.load(run)
    dataset = replace(dataset, kinds={**dataset.kinds, "worst area": DUMMY_KIND})
    splits = stages.split(run, dataset)
    validation = stages.validate(run, dataset, splits)
    plan, prepared, searching = stages.plan(run, dataset, splits)
    assert searching is not None
    plan = stages.search(run, plan, prepared, searching)
    stages.train(run, plan, prepared)
    verdict = stages.judge(run, plan, prepared, stages.evaluate(run, plan, prepared), splits)

    assert "A dummy check failed." in [each.message for each in validation.results]
    assert Column("worst area", "dummy_kind") in plan.data.columns
    largest = np.abs(dataset.table["worst area"].iloc[prepared.rows["train"]]).max()
    last = prepared.features[:, -1]
    np.testing.assert_allclose(last, dataset.table["worst area"] / largest, rtol=1e-6)
    assert len(plan.recipes) == 2 and {stack.trainer for stack in plan.stacks} == {"stack"}
    assert verdict.metric == "dummy_metric"
    interval = verdict.shipped.metrics["dummy_metric"]
    assert -1 <= interval.low <= interval.mean <= interval.high < 0, "its bounds are its own"
    assert verdict.gates[0].answer == "pass"
    page = "\n".join(markdown(read_run(run.folder), SECTIONS.values()))
    assert "dummy text" in page and "dummy search" in page and "Dummy coefficient" in page


@pytest.mark.usefixtures("dummies")
@pytest.mark.parametrize("kind", ["optimizers", "schedules", "models", "augmenters", "searchers", "metrics"])
def test_a_dummy_is_listed(kind: str) -> None:
    from flows.listing import lines

    assert [line for line in lines(kind) if line.startswith("dummy")]


@pytest.mark.usefixtures("dummies")
def test_a_spec_takes_the_dummies() -> None:
    assert parse_spec(SPEC).tune is not None
