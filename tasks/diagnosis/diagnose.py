"""All diagnoses, and the one call that runs each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tasks.diagnosis import fit, layers, pace
from tasks.diagnosis.case import Case, Facts
from tasks.records.diagnosis import Diagnosis

__all__ = ["DIAGNOSES", "Diagnosis", "Facts", "diagnose"]


@dataclass(frozen=True)
class Kind:
    """A diagnosis: its title, and the function that finds it in a case and returns None where it does not hold."""

    title: str
    function: Callable[[Case], Diagnosis | None]


DIAGNOSES: Mapping[str, Kind] = {
    "diverged": Kind("Diverged", pace.diverged),
    "learning_rate_too_high": Kind("Learning rate too high", pace.learning_rate_too_high),
    "learning_rate_too_low": Kind("Learning rate too low", pace.learning_rate_too_low),
    "exploding_gradients": Kind("Exploding gradients", layers.exploding_gradients),
    "vanishing_gradients": Kind("Vanishing gradients", layers.vanishing_gradients),
    "dying_relu": Kind("Dying ReLU", layers.dying_relu),
    "poor_initialisation": Kind("Poor initialisation", layers.poor_initialisation),
    "unscaled_inputs": Kind("Unscaled inputs", layers.unscaled_inputs),
    "wrong_labels": Kind("Labels that look wrong", fit.wrong_labels),
    "fluctuating_validation_loss": Kind("Fluctuating validation loss", fit.fluctuating_validation_loss),
    "overfitting": Kind("Overfitting", fit.overfitting),
    "underfitting": Kind("Underfitting", fit.underfitting),
    "plateau": Kind("Plateau", pace.plateau),
    "unstable_under_seeds": Kind("Unstable under seeds", fit.unstable_under_seeds),
}


EXPLAINS = {
    "unscaled_inputs": ("poor_initialisation", "exploding_gradients"),
    "poor_initialisation": ("dying_relu", "learning_rate_too_low", "vanishing_gradients"),
    "dying_relu": ("vanishing_gradients", "learning_rate_too_low"),  # a dead unit passes no gradient on
}
"""The diagnoses that follow from a cause, and so are left out beside it."""


def diagnose(curves: pd.DataFrame, trials: pd.DataFrame, facts: Facts) -> list[Diagnosis]:
    """Finds what went wrong in the training of one recipe, the surest first; an empty list where nothing did.

    Args:
        curves: Rows of table `curves` of its final trials (other trials' rows are left out).
        trials: Its final trials: rows of table `trials`, of which `trial_id`, `seed`, `status` and `steps` are read.
        facts: What its plan and the run's data say of it.
    """
    return found_in(Case.of(curves, trials, facts))


def found_in(case: Case) -> list[Diagnosis]:
    """As `diagnose`, for a case that was read already."""
    found = [each for each in (kind.function(case) for kind in DIAGNOSES.values()) if each is not None]
    known = [
        replace(each, evidence={name: value for name, value in each.evidence.items() if np.isfinite(value)})
        for each in found
        if np.isfinite(each.figure)
    ]
    explained = {each for one in known for each in EXPLAINS.get(one.kind, ())}
    known = [each for each in known if each.kind not in explained]
    return sorted(known, key=lambda each: -each.confidence)
