"""The metrics against scikit-learn, and where they are undefined."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference

from tasks.errors import BadInput
from tasks.evaluation.calibration import calibration_error
from tasks.evaluation.metrics import METRICS, check_metric, default_metrics

PER_CLASS = {
    "precision": reference.precision_score,
    "recall": reference.recall_score,
    "f1": reference.f1_score,
}


def _probabilities(rng: np.random.Generator, rows: int, classes: int, ties: bool) -> np.ndarray:
    odds = rng.integers(1, 4, size=(rows, classes)) if ties else rng.exponential(size=(rows, classes))
    return odds / odds.sum(axis=1, keepdims=True)


def _expected(name: str, target: np.ndarray, prediction: np.ndarray) -> float:
    """scikit-learn's value; rankings a column at a time, as its multi-class forms refuse absent classes."""
    classes = prediction.shape[1]
    label = prediction.argmax(axis=1)
    if name == "accuracy":
        return reference.accuracy_score(target, label)
    if name == "log_loss":
        return reference.log_loss(target, prediction, labels=range(classes))
    if name == "balanced_accuracy":
        return reference.balanced_accuracy_score(target, label)
    if name == "mcc":
        return reference.matthews_corrcoef(target, label)
    if name == "brier_score":
        probability = prediction[:, 1] if classes == 2 else prediction
        return reference.brier_score_loss(target, probability, labels=range(classes))
    if name == "calibration_error":  # scikit-learn has none
        hit = target == 1 if classes == 2 else target == label
        return calibration_error(prediction[:, 1] if classes == 2 else prediction.max(axis=1), hit)
    if name in PER_CLASS:
        average = {"average": "binary", "pos_label": 1} if classes == 2 else {"average": "macro"}
        return PER_CLASS[name](target, label, zero_division=0, **average)
    score = {"roc_auc": reference.roc_auc_score, "pr_auc": reference.average_precision_score}[name]
    scored = [1] if classes == 2 else [k for k in range(classes) if 0 < (target == k).sum() < len(target)]
    return float(np.mean([score(target == k, prediction[:, k]) for k in scored]))


@pytest.mark.parametrize(
    "name", [name for name, m in METRICS.items() if "classification" in m.tasks and m.reads != "cost"]
)
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_classification_as_scikit_learn(name: str, classes: int, ties: bool):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        prediction = _probabilities(rng, 80, classes, ties)
        target = rng.integers(classes, size=80)
        assert METRICS[name].function(target, prediction) == pytest.approx(
            _expected(name, target, prediction), rel=1e-12
        )


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        "precision",
        "recall",
        "f1",
        "balanced_accuracy",
        "mcc",
        "roc_auc",
        "pr_auc",
        "log_loss",
        "brier_score",
    ],
)
def test_absent_classes_as_scikit_learn(name: str):
    """Class 1 is never the target, class 3 neither target nor predicted."""
    rng = np.random.default_rng(0)
    prediction = _probabilities(rng, 50, 4, ties=False) * [1, 1, 1, 1e-6]
    prediction /= prediction.sum(axis=1, keepdims=True)
    target = rng.choice([0, 2], size=50)
    assert METRICS[name].function(target, prediction) == pytest.approx(_expected(name, target, prediction), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rmse", reference.root_mean_squared_error),
        ("mae", reference.mean_absolute_error),
        ("r2", reference.r2_score),
        ("mape", reference.mean_absolute_percentage_error),
        ("median_ae", reference.median_absolute_error),
    ],
)
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_regression_as_scikit_learn(name: str, expected, offset: float):
    rng = np.random.default_rng(0)
    target = rng.normal(size=100) + offset
    prediction = target + rng.normal(size=100)
    assert METRICS[name].function(target, prediction) == pytest.approx(expected(target, prediction), rel=1e-9)


def test_nothing_predicted_positive_has_precision_0():
    target, prediction = np.array([0, 1, 1]), np.tile([0.9, 0.1], (3, 1))
    assert [METRICS[name].function(target, prediction) for name in PER_CLASS] == [0.0, 0.0, 0.0]


def test_a_positive_class_that_never_occurs_is_undefined():
    target, prediction = np.array([0, 0, 0]), np.tile([0.9, 0.1], (3, 1))
    for name in (*PER_CLASS, "roc_auc", "pr_auc"):
        assert np.isnan(METRICS[name].function(target, prediction)), name


def test_one_class_has_no_roc_curve_but_all_positives_have_precision_1():
    target, prediction = np.array([1, 1]), np.array([[0.5, 0.5], [0.2, 0.8]])
    assert np.isnan(METRICS["roc_auc"].function(target, prediction))
    assert METRICS["pr_auc"].function(target, prediction) == 1.0


def test_equal_probabilities_are_chance():
    target, prediction = np.array([0, 0, 1, 0]), np.full((4, 2), 0.5)
    assert METRICS["roc_auc"].function(target, prediction) == 0.5
    assert METRICS["pr_auc"].function(target, prediction) == 0.25


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9])
def test_r2_of_a_constant_target_is_undefined(constant: float):
    target = np.full(7, constant)
    assert np.isnan(METRICS["r2"].function(target, target + 1))


def test_a_certain_mistake_has_a_finite_log_loss():
    assert METRICS["log_loss"].function(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(36.04, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(
    target=arrays(np.int64, 12, elements=st.integers(0, 1)),
    positive=arrays(np.float64, 12, elements=st.integers(0, 8).map(lambda k: k / 8)),
)
def test_roc_auc_reverses_with_the_order(target: np.ndarray, positive: np.ndarray):
    def area(probability: np.ndarray) -> float:
        return METRICS["roc_auc"].function(target, np.column_stack([1 - probability, probability]))

    if 0 < target.sum() < len(target):
        assert area(positive) + area(1 - positive) == pytest.approx(1.0)
        assert area(positive) == pytest.approx(area(positive**2))  # only the order counts
    else:
        assert np.isnan(area(positive))


def test_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in METRICS.values():
            if "classification" in metric.tasks:
                metric.function(np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
            else:
                metric.function(np.array([1.0, 1.0]), np.array([1.0, 1.0]))


def test_a_metric_of_the_other_task_is_refused():
    with pytest.raises(BadInput) as raised:
        check_metric("roc_auc", "regression", where="evaluate.metric")
    assert raised.value.message() == (
        "evaluate.metric: roc_auc is for classification, this is regression\n"
        "  got:      roc_auc\n"
        "  accepted: one of rmse, mae, mape, median_ae, r2, cost_per_case\n"
        "  remedy:   choose another metric; or, where the target can be either, data.task: classification"
    )


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean accuracy"):
        check_metric("acuracy", "classification")


def test_a_target_of_0_has_no_percentage():
    target, prediction = np.array([0.0, *range(1, 40)]), np.arange(40) + 1.0
    found = METRICS["mape"].over_rows(target, prediction, 0.95)
    assert np.isnan(found.mean) and found.low is None
    assert found.reason == "1 test row has a target of 0, where a percentage error is undefined"


def test_a_small_target_has_a_percentage_too():
    target = np.linspace(0.1, 0.9, 40)
    assert METRICS["mape"].over_rows(target, 1.1 * target, 0.95).mean == pytest.approx(0.1)


def test_always_the_commonest_class_is_worth_nothing():
    target, prediction = (np.arange(100) < 99).astype(np.int64), np.tile([0.1, 0.9], (100, 1))
    assert METRICS["accuracy"].function(target, prediction) == 0.99
    assert METRICS["balanced_accuracy"].function(target, prediction) == 0.5
    assert METRICS["mcc"].function(target, prediction) == 0.0


def test_defaults():
    assert default_metrics("classification") == ("accuracy", "log_loss")
    assert default_metrics("regression") == ("rmse",)


def test_import_is_light():
    """The spec imports the table of metrics, and a wrong spec must answer at once."""
    heavy = "{'sklearn', 'scipy', 'pandas', 'tensorflow'}"
    code = f"import sys, tasks.evaluation.metrics; sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("value", [0.1, 1e15 / 3, -7e8 / 9])
def test_r2_of_a_constant_target_is_undefined_whatever_rounding_leaves(value: float):
    target = np.full(30, value)
    assert np.isnan(METRICS["r2"].function(target, target * (1 + 1e-3)))


@given(st.integers(2, 4), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_one_class_is_judged_against_the_rest_as_scikit_learn_does(classes: int, positive: int, seed: int):
    """Whichever class is positive, and however many there are; also where probabilities are tied."""
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    positive %= classes
    prediction = rng.integers(1, 5, (40, classes)) * 1.0
    prediction /= prediction.sum(axis=1, keepdims=True)
    target = rng.integers(0, classes, 40)
    actual, predicted = target == positive, prediction.argmax(axis=1) == positive
    found = {name: METRICS[name].function(target, prediction, positive) for name in (*PER_CLASS, "pr_auc", "roc_auc")}
    assert found["recall"] == pytest.approx(metrics.recall_score(actual, predicted, zero_division=0))
    assert found["precision"] == pytest.approx(metrics.precision_score(actual, predicted, zero_division=0))
    assert found["f1"] == pytest.approx(metrics.f1_score(actual, predicted, zero_division=0))
    if actual.any():
        assert found["pr_auc"] == pytest.approx(metrics.average_precision_score(actual, prediction[:, positive]))
    if actual.any() and not actual.all():
        assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(actual, prediction[:, positive]))


@pytest.mark.parametrize(
    ("name", "positive", "classes", "title"),
    [
        ("recall", "fraud", 2, "Recall of fraud"),
        ("recall", None, 3, "Macro recall"),
        ("f1", "b", 3, "F1 of b"),
        ("roc_auc", None, 3, "Macro ROC AUC"),
        ("accuracy", "fraud", 2, "Accuracy"),
        ("rmse", None, 0, "RMSE"),
    ],
)
def test_a_title_names_the_class_that_is_spoken_of(name: str, positive: str | None, classes: int, title: str):
    assert METRICS[name].titled(positive, classes) == title
