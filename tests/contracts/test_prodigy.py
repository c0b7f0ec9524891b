"""Prodigy against algorithm 4 of Mishchenko & Defazio (2023), all weights of a trial together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.training.models import MODELS, Penalties
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Trial, learning_rates
from tests.contracts import one_batch
from tests.contracts.softmax_regression import L2, softmax_regression
from tests.small_trials import curve

STEPS, DECAY = 200, 0.01


def paper(factors: np.ndarray, d: float = 1e-6, b_1: float = 0.9, b_2: float = 0.999) -> tuple[list[float], float]:
    """The loss of every step, and the last d."""
    gradient, weights = softmax_regression()
    cut, shape = weights[0].size, weights[0].shape
    x = np.concatenate([each.ravel() for each in weights])
    x_0, m, v, s, r, losses = x, 0 * x, 0 * x, 0 * x, 0.0, []
    root = np.sqrt(b_2)
    for factor in factors:
        loss, found = gradient([x[:cut].reshape(shape), x[cut:]])
        g = np.concatenate([each.ravel() for each in found])
        losses.append(loss)
        m = b_1 * m + (1 - b_1) * d * g
        v = b_2 * v + (1 - b_2) * d**2 * g**2
        r = root * r + (1 - root) * factor * d**2 * (g @ (x_0 - x))
        s = root * s + (1 - root) * factor * d**2 * g
        x = x - factor * d * (DECAY * x + m / (np.sqrt(v) + d * 1e-8))
        d = max(d, r / np.abs(s).sum() if s.any() else 0.0)
    return losses, d


def trial(schedule: str) -> Trial:
    found = one_batch.trial_of("prodigy", steps=STEPS, architecture=MODELS["linear"](), weight_decay=DECAY)
    return replace(found, penalties=Penalties(l2=L2), schedule=SCHEDULES[schedule](warmup=0.1), variant_id=schedule)


def test_it_is_the_rule_of_its_paper_under_schedules_that_start_at_zero() -> None:
    trials = [replace(trial(name), trial_id=name) for name in ("constant", "cosine")]
    others = [one_batch.trial_of("sgd_hd", steps=STEPS, architecture=MODELS["linear"]())]
    outcomes = train_stack([*trials, *others], one_batch.arrays_of(), dtype="float64")
    for each, outcome in zip(trials, outcomes, strict=False):
        losses, d = paper(learning_rates(each, 1))
        np.testing.assert_allclose(curve(outcome, "train_loss"), losses, rtol=1e-8)
        assert d > 1e-3 and losses[-1] < 0.8 * losses[0]
