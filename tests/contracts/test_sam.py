"""SAM against algorithm 1 of Foret et al. (2021)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.stack import train_stack
from tasks.training.trial import Clip
from tests.contracts import one_batch
from tests.contracts.array_rules import sam
from tests.contracts.paper_rules import momentum
from tests.contracts.softmax_regression import L2, softmax_regression
from tests.small_trials import curve

STEPS, RATE, LIMIT = 60, 0.1, 0.2


def paper(rho: float, limit: float = np.inf) -> list[float]:
    """The loss of every step, with momentum; the gradient is clipped to a norm."""
    walk = sam(*softmax_regression(), [RATE] * STEPS, rho=rho, rule=momentum, limit=limit)
    return [loss for loss, _ in walk]


def test_it_is_the_rule_of_its_paper() -> None:
    base = one_batch.trial_of("sam", steps=STEPS, architecture=MODELS["linear"](), penalties=Penalties(l2=L2))
    trials = []
    for rho, clip in ((0.05, Clip()), (0.5, Clip()), (0.5, Clip(global_norm=LIMIT))):
        optimizer = OPTIMIZERS["sam"](of="momentum", rho=rho)
        optimizer = replace(optimizer, inputs={**optimizer.inputs, "momentum": 0.9})  # as the paper, not rounded
        name = f"{rho} {clip.global_norm}"
        trials.append(
            replace(
                base, trial_id=name, variant_id=name, optimizer=optimizer, learning_rate=RATE, weight_decay=0, clip=clip
            )
        )
    outcomes = train_stack(trials, one_batch.arrays_of(), dtype="float64")
    expected = [paper(0.05), paper(0.5), paper(0.5, LIMIT)]
    for outcome, losses in zip(outcomes, expected, strict=True):
        np.testing.assert_allclose(curve(outcome, "train_loss"), losses, rtol=1e-9)
