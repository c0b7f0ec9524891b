"""What calibrates probabilities: the temperature, the joined steps; no validation row judges itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.isotonic import IsotonicRegression

from tasks.calibrator import Calibrator
from tasks.evaluation.recalibration import CALIBRATIONS, fitted, isotonic, temperature
from tests.bench.calibration import drawn


def too_sure(rows: int, classes: int, times: float) -> tuple[np.ndarray, np.ndarray]:
    return drawn(np.random.default_rng(0), rows, classes, times)


@pytest.mark.parametrize("times", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_is_by_what_logits_are_too_large(classes: int, times: float) -> None:
    assert temperature(*too_sure(20_000, classes, times)).temperature == pytest.approx(times, rel=0.05)


def test_the_temperature_is_that_of_least_log_loss() -> None:
    probability, target = too_sure(300, 3, 2.0)

    def loss(value: float) -> float:
        calibrated = Calibrator(temperature=value)(probability)
        return -float(np.log(calibrated[np.arange(len(target)), target]).mean())

    found = temperature(probability, target).temperature
    assert found is not None
    assert loss(found) <= min(loss(found * 1.01), loss(found / 1.01), loss(1.0))


def test_isotonic_regression_is_scikit_learns_at_the_centres_of_its_steps() -> None:
    probability, target = too_sure(500, 2, 2.0)
    own = isotonic(probability, target)
    theirs = IsotonicRegression().fit_transform(probability[:, 1], target == 1)
    assert own.knots is not None
    given_, answered = (np.array(each) for each in own.knots[1])
    levels = np.unique(theirs.round(12))
    np.testing.assert_allclose(answered, np.clip(levels, 1 / 502, 501 / 502), atol=1e-9)
    for level, centre in zip(levels, given_, strict=True):
        assert centre == pytest.approx(probability[np.isclose(theirs, level, atol=1e-12), 1].mean())
    calibrated = own(probability)
    order = np.argsort(probability[:, 1])
    assert (np.diff(calibrated[order, 1]) >= 0).all()
    np.testing.assert_allclose(own(1 - probability[:, ::-1]), calibrated, atol=1e-12)  # both classes say the same


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_a_validation_row_is_calibrated_by_the_others(method: str) -> None:
    probability, target = too_sure(40, 2, 3.0)
    _, before = fitted(method, probability, target)
    for row in range(10):
        other = target.copy()
        other[row] = 1 - other[row]
        _, after = fitted(method, probability, other)
        assert after[row] == pytest.approx(before[row], abs=1e-12)


@pytest.mark.parametrize("method", CALIBRATIONS)
@given(
    values=arrays(np.float64, (12, 3), elements=st.floats(0, 1)),
    target=arrays(np.int64, 12, elements=st.integers(0, 2)),
)
def test_probabilities_stay_probabilities(method: str, values: np.ndarray, target: np.ndarray) -> None:
    probability = (values + 1e-6) / (values + 1e-6).sum(axis=1, keepdims=True)
    whole, calibrated = fitted(method, probability, target)
    for found in (
        whole(probability),
        calibrated,
        Calibrator.of_json(json.loads(json.dumps(whole.as_json())))(probability),
    ):
        assert np.isfinite(found).all() and (found >= 0).all()
        np.testing.assert_allclose(found.sum(axis=1), 1)
