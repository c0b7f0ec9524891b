"""Schedule-Free SGD and AdamW against algorithm 1 of Defazio et al. (2024), written as the paper has it."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.training.averaging import AVERAGINGS
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Trial, learning_rates
from tests.contracts import array_rules, one_batch
from tests.contracts.softmax_regression import L2, softmax_regression
from tests.small_trials import arrays_of, assert_same, curve, trial_of

STEPS = 100
RATES = {"schedule_free_sgd": 0.5, "schedule_free_adamw": 0.02}


def paper(trial: Trial) -> tuple[list[float], np.ndarray]:
    """The loss at y of every step, and x after the last one."""
    gradient, start = softmax_regression()
    given = trial.optimizer.inputs
    constants = {"beta_1": given.get("beta_1", given.get("momentum")), "decay": trial.weight_decay}
    constants |= {name: given[name] for name in ("beta_2", "epsilon") if name in given}
    walk = list(array_rules.schedule_free(gradient, start, learning_rates(trial, 1), **constants))
    return [loss for loss, _ in walk], np.concatenate([each.ravel() for each in walk[-1][1]])


def schedule_free(name: str, **changes) -> Trial:
    return one_batch.trial_of(
        name,
        steps=STEPS,
        architecture=MODELS["linear"](),
        learning_rate=RATES[name],
        penalties=Penalties(l2=L2),
        **changes,
    )


@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_each_is_the_rule_of_its_paper_in_one_stack(warmup: float) -> None:
    schedule = SCHEDULES["constant"](warmup=warmup)
    trials = [schedule_free(name, schedule=schedule, weight_decay=0.1) for name in RATES]
    others = [one_batch.trial_of("adam", steps=STEPS, architecture=MODELS["linear"](), penalties=Penalties(l2=L2))]
    for trial, outcome in zip(
        trials, train_stack(trials + others, one_batch.arrays_of(), dtype="float64"), strict=False
    ):
        losses, x = paper(trial)
        np.testing.assert_allclose(curve(outcome, "train_loss"), losses, rtol=1e-9, err_msg=trial.trial_id)
        kept = np.concatenate([each.ravel() for each in outcome.weights])
        np.testing.assert_allclose(kept, x, rtol=1e-9, atol=1e-12, err_msg=trial.trial_id)
        assert losses[-1] < 0.8 * losses[0]


def test_decay_reaches_all_three_sequences_where_there_is_no_gradient() -> None:
    """400 steps of no gradient at rate and decay 0.1 and 0.01: z falls as the paper has it, and x with it. In Keras
    3.15.1 z stays at 1."""
    optimizer = OPTIMIZERS["schedule_free_adamw"]()
    p = {**{name: np.array(value) for name, value in optimizer.inputs.items()}, "weight_decay": np.array(0.01)}
    y = np.ones(1)
    slots = optimizer.slots(np, y, p)
    x, z, squares = 1.0, 1.0, 0.0
    for step in range(1, 401):
        rate = 0.1 * np.sqrt(1 - 0.999**step)
        z -= rate * 0.01 * (0.1 * z + 0.9 * x)
        squares += rate**2
        x += rate**2 / squares * (z - x)
        y, slots = optimizer.update(np, y, np.zeros(1), slots, np.array(0.1), float(step), p)
    assert z < x < 1
    np.testing.assert_allclose([slots[0][0], slots[1][0]], [x, z], rtol=1e-9)


@pytest.mark.parametrize("name", RATES)
def test_it_does_not_depend_on_its_stack_nor_on_an_average_beside_it(name: str) -> None:
    normalised = MODELS["mlp"](hidden=[9, 5], batch_normalisation=True)
    free = trial_of(name, architecture=normalised)
    averaged = trial_of("adam", architecture=normalised, averaging=AVERAGINGS["ema"](decay=0.9))
    how = {"xla": False, "dtype": "float64"}
    (alone,) = train_stack([free], arrays_of(), **how)
    for others in ([], [averaged], [trial_of("sgd", architecture=normalised)]):
        together = train_stack([free, *others], arrays_of(), **how)
        assert_same(together[0], alone, 1e-9)
