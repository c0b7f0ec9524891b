"""SGD-HD and Adam-HD against plain loops of Baydin et al. (2018), algorithms 4 and 5, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tests.contracts.array_rules import Rule, adam_hd, sgd_hd
from tests.contracts.one_batch import arrays_of, losses_of, trial_of
from tests.contracts.softmax_regression import L2, softmax_regression

STEPS, RATE = 100, 0.05


PAPER: dict[str, tuple[Rule, float]] = {"sgd_hd": (sgd_hd, 0.05), "adam_hd": (adam_hd, 1e-4)}


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_is_the_algorithm_of_the_paper(schedule: str) -> None:
    gradient, start = softmax_regression()
    rates = SCHEDULES[schedule]().learning_rates(RATE, STEPS, 1)
    trials = [
        trial_of(
            name,
            steps=STEPS,
            parameters={"hyper_rate": beta},
            architecture=MODELS["linear"](),
            learning_rate=RATE,
            penalties=Penalties(l2=L2),
            schedule=SCHEDULES[schedule](),
        )
        for name, (_, beta) in PAPER.items()
    ]
    for (algorithm, beta), ours in zip(PAPER.values(), losses_of(trials, arrays_of(), dtype="float64"), strict=True):
        expected, fixed = (
            [loss for loss, _ in algorithm(gradient, start, rates, learning_rate=RATE, beta=each)]
            for each in (beta, 0.0)
        )
        np.testing.assert_allclose(ours, expected, rtol=1e-9)
        assert np.abs(np.array(expected) - fixed).max() > 1e-3, "the learning rate must have moved"


def test_without_a_hyper_rate_it_is_the_plain_optimizer() -> None:
    arrays = arrays_of()
    for online, plain in (("sgd_hd", "sgd"), ("adam_hd", "adam")):
        ours, theirs = (
            losses_of([each], arrays, xla=False)[0]
            for each in (trial_of(online, steps=50, parameters={"hyper_rate": 0.0}), trial_of(plain, steps=50))
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_the_sum_is_over_all_weights_of_a_trial_and_of_no_other() -> None:
    """A network with more than one block, alone and beside others of its rule."""
    arrays, wide = arrays_of(), {"architecture": MODELS["mlp"](hidden=[70, 70]), "parameters": {"hyper_rate": 0.01}}
    (alone,) = losses_of([trial_of("sgd_hd", steps=20, **wide)], arrays, dtype="float64", xla=False)
    near = trial_of("sgd_hd", steps=20, learning_rate=0.1, **wide)
    together = losses_of([near, trial_of("sgd_hd", steps=20, **wide)], arrays, dtype="float64", xla=False)
    np.testing.assert_allclose(together[1], alone, rtol=1e-9)
    assert OPTIMIZERS["sgd_hd"]().summed is not None
