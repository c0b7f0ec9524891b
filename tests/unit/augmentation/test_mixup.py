"""mixup: its distribution, and the identities that let a trainer do without soft labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tasks.augmentation.mixup import cutmix, drawn_targets, mixup
from tasks.augmentation.seeds import example_seeds

N = 4000
SEEDS = example_seeds(0, 0, np.arange(N))
GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(N, 3)).astype(np.float32)
TARGETS = GENERATOR.integers(0, 4, N)


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 5.0])
def test_weights_are_beta_distributed(alpha: float) -> None:
    weight = mixup(alpha=alpha).mix(INPUTS, TARGETS, SEEDS).weight
    assert weight.dtype == np.float32 and weight.min() >= 0 and weight.max() <= 1
    assert stats.kstest(weight, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(3,), (4, 4, 2)])
def test_inputs_are_the_weighted_mean_of_the_pair(shape: tuple[int, ...]) -> None:
    inputs = np.arange(N, dtype=np.float32).reshape(-1, *[1] * len(shape)) * np.ones((1, *shape), np.float32)
    mixed = mixup().mix(inputs, np.arange(N), SEEDS)
    expected = mixed.weight * mixed.target_a + (1 - mixed.weight) * mixed.target_b
    assert mixed.inputs.dtype == np.float32 and mixed.inputs.shape == inputs.shape
    np.testing.assert_allclose(mixed.inputs.reshape(N, -1)[:, 0], expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(mixed.target_a, np.arange(N))
    assert stats.kstest(mixed.target_b / N, "uniform").pvalue > 1e-3


def test_a_rectangle_of_the_partner_is_put_in_and_its_share_is_that_of_its_target() -> None:
    images = np.arange(N, dtype=np.float32)[:, None, None, None] * np.ones((1, 48, 60, 1), np.float32)
    mixed = cutmix().mix(images, np.arange(N), SEEDS)
    assert mixed.inputs.dtype == np.float32
    others = (mixed.inputs != images).all(axis=3)
    strangers = mixed.target_b != np.arange(N)
    np.testing.assert_allclose(1 - others.mean(axis=(1, 2))[strangers], mixed.weight[strangers], atol=1e-6)
    np.testing.assert_array_equal(
        mixed.inputs[others][:, 0], np.broadcast_to(mixed.target_b[:, None, None], others.shape)[others]
    )
    for image in others[:200]:
        rows, columns = image.any(axis=1), image.any(axis=0)
        np.testing.assert_array_equal(image, rows[:, None] & columns)
        assert np.abs(np.diff(rows.astype(int))).sum() <= 2 and np.abs(np.diff(columns.astype(int))).sum() <= 2
    # Of a side s of the image, s - s^2 / 4 lies within in the mean; s^2 is uniform.
    assert mixed.weight.mean() == pytest.approx(1 - (1 / 2 - 1 / 5 + 1 / 48), abs=0.02)


def test_a_pair_hangs_on_its_own_seed() -> None:
    whole = mixup().mix(INPUTS, TARGETS, SEEDS)
    again = SEEDS.copy()
    again[1:] += np.uint64(1)
    other = mixup().mix(INPUTS, TARGETS, again)
    np.testing.assert_array_equal(other.inputs[0], whole.inputs[0])
    assert not np.array_equal(other.inputs[1:], whole.inputs[1:])


def test_two_weighted_losses_are_the_loss_of_the_soft_target() -> None:
    mixed = mixup(alpha=1.0).mix(INPUTS, TARGETS, SEEDS)
    logits = GENERATOR.normal(size=(N, 4))
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    weight = mixed.weight.astype(np.float64)
    soft = weight[:, None] * np.eye(4)[mixed.target_a] + (1 - weight)[:, None] * np.eye(4)[mixed.target_b]
    two = -weight * log_p[np.arange(N), mixed.target_a] - (1 - weight) * log_p[np.arange(N), mixed.target_b]
    np.testing.assert_allclose(two, -(soft * log_p).sum(axis=1))


def test_a_drawn_target_is_the_soft_one_in_the_mean() -> None:
    mixed = mixup(alpha=1.0).mix(INPUTS, np.arange(N), SEEDS)
    own = drawn_targets(mixed, SEEDS) == mixed.target_a
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (mixed.weight >= low) & (mixed.weight < low + 0.25)
        assert own[inside].mean() == pytest.approx(mixed.weight[inside].mean(), abs=0.05)
