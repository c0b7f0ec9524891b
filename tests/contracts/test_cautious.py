"""Cautious AdamW and momentum against algorithm 1 of Liang et al. (2024), each weight array by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.stack import train_stack
from tests.contracts import one_batch, paper_rules
from tests.contracts.array_rules import cautious
from tests.contracts.softmax_regression import L2, softmax_regression
from tests.small_trials import arrays_of, assert_same, curve, trial_of

STEPS, RATE, DECAY = 100, 0.02, 0.1
RULES = {"adamw": lambda gradients: paper_rules.adam(gradients, epsilon=1e-16), "momentum": paper_rules.momentum}


def paper(of: str) -> list[float]:
    """The loss of every step."""
    walk = cautious(*softmax_regression(), [RATE] * STEPS, decay=DECAY, rule=RULES[of])
    return [loss for loss, _ in walk]


@pytest.mark.parametrize("of", RULES)
def test_it_is_the_rule_of_its_paper(of: str) -> None:
    optimizer = OPTIMIZERS["cautious"](of=of)
    if of == "adamw":  # Keras's epsilon has no place in the paper's order of operations
        optimizer = replace(optimizer, inputs={**optimizer.inputs, "epsilon": 1e-16, "beta_1": 0.9, "beta_2": 0.999})
    else:
        optimizer = replace(optimizer, inputs={"momentum": 0.9})
    trial = one_batch.trial_of("cautious", steps=STEPS, architecture=MODELS["linear"](), penalties=Penalties(l2=L2))
    trial = replace(trial, optimizer=optimizer, learning_rate=RATE, weight_decay=DECAY)
    (outcome,) = train_stack([trial], one_batch.arrays_of(), dtype="float64")
    np.testing.assert_allclose(curve(outcome, "train_loss"), paper(of), rtol=1e-9)


def test_it_does_not_depend_on_its_stack_nor_on_padding() -> None:
    wide, narrow = (MODELS["mlp"](hidden=hidden) for hidden in ([16, 8], [5, 8]))
    trials = [
        trial_of("cautious", label="-wide", architecture=wide),
        trial_of("cautious", label="-narrow", architecture=narrow),
        trial_of("adamw", architecture=wide),
    ]
    how = {"xla": False, "dtype": "float64"}
    for trial, together in zip(trials, train_stack(trials, arrays_of(), **how), strict=True):
        (alone,) = train_stack([trial], arrays_of(), **how)
        assert_same(together, alone, 1e-9)
