"""Every schedule of the table, and the numbers of the Keras schedule of its kind."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.spec.entries import schema_of
from tasks.training.schedules import SCHEDULES

STEPS, PER_EPOCH, RATE = 120, 12, 0.02


@pytest.mark.parametrize("name", SCHEDULES)
class TestEverySchedule:
    def test_is_finite_and_never_negative(self, name: str) -> None:
        rates = SCHEDULES[name]().learning_rates(RATE, STEPS, PER_EPOCH)
        assert rates.shape == (STEPS,) and rates.dtype == np.float64
        assert np.isfinite(rates).all() and (rates >= 0).all() and rates.max() <= RATE * (1 + 1e-12)

    def test_warms_up_linearly_from_zero_and_then_is_itself(self, name: str) -> None:
        warm = SCHEDULES[name](warmup=0.25).learning_rates(RATE, STEPS, PER_EPOCH)
        np.testing.assert_allclose(warm[:30], RATE * np.arange(30) / 30)
        np.testing.assert_allclose(warm[30:], SCHEDULES[name]().learning_rates(RATE, 90, PER_EPOCH))

    def test_scales_with_the_learning_rate(self, name: str) -> None:
        one = SCHEDULES[name]().learning_rates(1.0, STEPS, PER_EPOCH)
        np.testing.assert_allclose(SCHEDULES[name]().learning_rates(RATE, STEPS, PER_EPOCH), RATE * one)

    @pytest.mark.parametrize("steps", [1, 2, 3])
    def test_runs_of_a_few_steps_work(self, name: str, steps: int) -> None:
        assert np.isfinite(SCHEDULES[name](warmup=0.5).learning_rates(RATE, steps, 1)).all()

    def test_has_a_warmup_parameter(self, name: str) -> None:
        assert "warmup" in schema_of(SCHEDULES[name]).model_fields


def keras_twins():
    from keras.optimizers import schedules as keras

    return {
        "time_based": ({}, keras.InverseTimeDecay(RATE, PER_EPOCH, 0.1)),
        "step": ({}, keras.ExponentialDecay(RATE, STEPS // 3, 0.5, staircase=True)),
        "exponential": ({"decay_rate": 0.8, "decay_steps": 7}, keras.ExponentialDecay(RATE, 7, 0.8)),
        "polynomial": (
            {"power": 2.0, "alpha": 0.1, "decay_steps": 80},
            keras.PolynomialDecay(RATE, 80, end_learning_rate=0.1 * RATE, power=2.0),
        ),
        "cosine": ({"alpha": 0.05}, keras.CosineDecay(RATE, STEPS, alpha=0.05)),
        "cosine_restarts": (
            {"first_decay_steps": 17, "t_mul": 1.5, "m_mul": 0.9, "alpha": 0.01},
            keras.CosineDecayRestarts(RATE, 17, t_mul=1.5, m_mul=0.9, alpha=0.01),
        ),
    }


@pytest.mark.parametrize("name", ["time_based", "step", "exponential", "polynomial", "cosine", "cosine_restarts"])
def test_gives_the_numbers_of_keras(name: str) -> None:
    parameters, twin = keras_twins()[name]
    expected = [float(twin(step)) for step in range(STEPS)]
    ours = SCHEDULES[name](**parameters).learning_rates(RATE, STEPS, PER_EPOCH)
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=1e-9)  # Keras computes them in float32


def test_warm_cosine_is_keras_cosine_with_warmup() -> None:
    from keras.optimizers.schedules import CosineDecay

    twin = CosineDecay(0.0, 90, warmup_target=RATE, warmup_steps=30)
    ours = SCHEDULES["cosine"](warmup=0.25).learning_rates(RATE, STEPS, PER_EPOCH)
    np.testing.assert_allclose(ours, [float(twin(step)) for step in range(STEPS)], rtol=2e-5, atol=1e-9)


def test_one_cycle_starts_low_peaks_and_ends_lowest() -> None:
    rates = SCHEDULES["one_cycle"](peak=0.25, start=0.1, end=0.01).learning_rates(RATE, 400, PER_EPOCH)
    assert rates[0] == pytest.approx(0.1 * RATE)
    assert int(rates.argmax()) == 100 and rates.max() == pytest.approx(RATE)
    assert rates[-1] == pytest.approx(0.01 * RATE, rel=1e-2)
    assert (np.diff(rates[:101]) > 0).all() and (np.diff(rates[100:]) < 0).all()


def test_restarts_without_growth_repeat() -> None:
    rates = SCHEDULES["cosine_restarts"](first_decay_steps=10, t_mul=1.0).learning_rates(RATE, 40, PER_EPOCH)
    np.testing.assert_allclose(rates.reshape(4, 10), np.tile(rates[:10], (4, 1)))


def test_a_straight_line_to_zero_is_polynomial_of_power_one() -> None:
    ours, theirs = (
        SCHEDULES[name]().learning_rates(RATE, STEPS, PER_EPOCH) for name in ("linear_to_zero", "polynomial")
    )
    np.testing.assert_allclose(ours, theirs)


def test_rex_is_the_formula_of_its_paper() -> None:
    t = np.arange(STEPS) / STEPS
    ours = SCHEDULES["rex"]().learning_rates(RATE, STEPS, PER_EPOCH)
    np.testing.assert_allclose(ours, RATE * (1 - t) / (0.5 + 0.5 * (1 - t)))


@pytest.mark.parametrize("shape", ["linear", "1-sqrt"])
def test_wsd_stays_and_then_cools_down_to_zero(shape: str) -> None:
    """Of 120 steps 20 warm up, and a fifth of the other 100 cool down: the steps from 100 on."""
    rates = SCHEDULES["wsd"](cooldown=0.2, shape=shape, warmup=1 / 6).learning_rates(RATE, STEPS, PER_EPOCH)
    np.testing.assert_allclose(rates[20:100], RATE)
    t = np.arange(20) / 20
    np.testing.assert_allclose(rates[100:], RATE * (1 - (t if shape == "linear" else np.sqrt(t))), atol=1e-12)


def test_wsd_without_a_cooldown_is_constant() -> None:
    rates = SCHEDULES["wsd"](cooldown=0.0).learning_rates(RATE, STEPS, PER_EPOCH)
    np.testing.assert_array_equal(rates, np.full(STEPS, RATE))
