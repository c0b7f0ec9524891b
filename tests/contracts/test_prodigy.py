"""Prodigy against algorithm 4 of Mishchenko & Defazio (2023), all weights of a trial together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.training.models import MODELS, Penalties
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Trial, learning_rates
from tests.contracts import one_batch
from tests.contracts.array_rules import prodigy
from tests.contracts.softmax_regression import L2, softmax_regression
from tests.small_trials import curve

STEPS, DECAY = 200, 0.01


def trial(schedule: str) -> Trial:
    found = one_batch.trial_of("prodigy", steps=STEPS, architecture=MODELS["linear"](), weight_decay=DECAY)
    return replace(found, penalties=Penalties(l2=L2), schedule=SCHEDULES[schedule](warmup=0.1), variant_id=schedule)


def test_it_is_the_rule_of_its_paper_under_schedules_that_start_at_zero() -> None:
    trials = [replace(trial(name), trial_id=name) for name in ("constant", "cosine")]
    others = [one_batch.trial_of("sgd_hd", steps=STEPS, architecture=MODELS["linear"]())]
    outcomes = train_stack([*trials, *others], one_batch.arrays_of(), dtype="float64")
    for each, outcome in zip(trials, outcomes, strict=False):
        losses = [loss for loss, _ in prodigy(*softmax_regression(), learning_rates(each, 1), decay=DECAY)]
        np.testing.assert_allclose(curve(outcome, "train_loss"), losses, rtol=1e-8)
        assert losses[-1] < 0.8 * losses[0], "its rate must have grown from 1e-6"
