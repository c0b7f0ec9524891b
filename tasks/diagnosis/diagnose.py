"""All diagnoses, and the one call that asks each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from tasks.diagnosis.case import Case, Facts
from tasks.records.diagnosis import Diagnosis

__all__ = ["DIAGNOSES", "Diagnosis", "Facts", "diagnose"]


@dataclass(frozen=True)
class Kind:
    """A diagnosis: what it is called, and what tells it from a case; None: it does not hold."""

    title: str
    function: Callable[[Case], Diagnosis | None]


def _not_yet(case: Case) -> Diagnosis | None:
    return None


DIAGNOSES: Mapping[str, Kind] = {
    "diverged": Kind("Diverged", _not_yet),
    "learning_rate_too_high": Kind("Learning rate too high", _not_yet),
    "learning_rate_too_low": Kind("Learning rate too low", _not_yet),
    "exploding_gradients": Kind("Exploding gradients", _not_yet),
    "vanishing_gradients": Kind("Vanishing gradients", _not_yet),
    "dying_relu": Kind("Dying ReLU", _not_yet),
    "poor_initialisation": Kind("Poor initialisation", _not_yet),
    "unscaled_inputs": Kind("Unscaled inputs", _not_yet),
    "wrong_labels": Kind("Labels that look wrong", _not_yet),
    "fluctuating_validation_loss": Kind("Fluctuating validation loss", _not_yet),
    "overfitting": Kind("Overfitting", _not_yet),
    "underfitting": Kind("Underfitting", _not_yet),
    "plateau": Kind("Plateau", _not_yet),
    "unstable_under_seeds": Kind("Unstable under seeds", _not_yet),
}


def diagnose(curves: pd.DataFrame, trials: pd.DataFrame, facts: Facts) -> list[Diagnosis]:
    """What went wrong in the training of one recipe, the surest first; nothing where nothing did.

    Args:
        curves: Rows of table `curves` of its final trials (other trials' rows are left out).
        trials: Its final trials: rows of table `trials`, of which `trial_id`, `seed`, `status` and `steps` are read.
        facts: What its plan and the run's data say of it.
    """
    case = Case.of(curves, trials, facts)
    found = [kind.function(case) for kind in DIAGNOSES.values()]
    return sorted((each for each in found if each is not None), key=lambda each: -each.confidence)
