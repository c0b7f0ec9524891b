"""The hyperparameters that differ from trial to trial within a stack, as arrays that its program takes.

A program is compiled for its update rules and the names of its inputs. The values of the inputs differ by trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from tasks.training.noise import ETA, GAMMA
from tasks.training.optimizer import ByArray, Evaluated, Orthogonal, Slots, Summed, Update, rounded
from tasks.training.rectangle import Rectangle, per_trial
from tasks.training.trial import Trial


@dataclass(frozen=True)
class Rule:
    """The recipes `start:stop` follow one update rule."""

    update: Update
    slots: Slots
    names: tuple[str, ...]
    searches: bool
    summed: Summed | None
    decays: bool
    evaluated: Evaluated | None
    orthogonal: Orthogonal | None
    cautious: bool
    by_array: ByArray | None
    factored: bool
    sharp: bool
    start: int
    stop: int


def rules_of(recipes: Sequence[Trial]) -> tuple[Rule, ...]:
    """The update rules of recipes. Recipes of one rule must be neighbours."""
    rules: list[Rule] = []
    start = 0
    for _, group in groupby(recipes, key=lambda trial: trial.optimizer.update.__name__):
        members = [trial.optimizer for trial in group]
        stop = start + len(members)
        first = members[0]
        beside = {"learning_rate": first.summed is not None, "weight_decay": first.decays}
        names = (*first.inputs, *(name for name, wanted in beside.items() if wanted))
        rules.append(
            Rule(
                update=first.update,
                slots=first.slots,
                names=names,
                searches=first.searches,
                summed=first.summed,
                decays=first.decays,
                evaluated=first.evaluated,
                orthogonal=first.orthogonal,
                cautious=first.cautious,
                by_array=first.by_array,
                factored=first.factored,
                sharp=first.sharp,
                start=start,
                stop=stop,
            )
        )
        start = stop
    return tuple(rules)


def hyperparameters(
    rectangle: Rectangle, rules: Sequence[Rule], class_weights: Sequence[np.ndarray | None]
) -> dict[str, np.ndarray]:
    """The numbers of each trial that a training step takes. What no trial uses is left out.

    Args:
        class_weights: For each replica, `[classes]`; None for regression.

    Returns:
        By name: `NAME`, `[S, R]`, for the network; `NUMBER.NAME`, `[S, recipes of the rule]`, for an update rule; and
        `class_weights`, `[S, R, classes]`.
    """
    columns = rectangle.columns
    values: dict[str, Callable[[Trial], Any]] = {
        "l1": lambda trial: rounded(trial.penalties.l1),
        "l2": lambda trial: rounded(trial.penalties.l2),
        "dropout": lambda trial: trial.penalties.dropout,
        "label_smoothing": lambda trial: trial.label_smoothing,
        "focal": lambda trial: trial.focal,
        "squared_error": lambda trial: float(trial.squared_error),
        ETA: lambda trial: trial.noise.eta,
        GAMMA: lambda trial: trial.noise.gamma if trial.noise.eta else 0.0,
        "clip_value": lambda trial: trial.clip.value or 0.0,
        "clip_norm": lambda trial: trial.clip.norm or 0.0,
        "clip_global_norm": lambda trial: trial.clip.global_norm or 0.0,
    }
    inputs = {name: array for name, value in values.items() if (array := per_trial(columns, value)).any()}
    if any(trial.class_weights for column in columns for trial in column):
        inputs["class_weights"] = np.array(
            [
                [weights if column[s].class_weights else np.ones_like(weights) for column in columns]
                for s, weights in enumerate(class_weights)
            ]
        )
    for number, rule in enumerate(rules):
        followers = columns[rule.start : rule.stop]
        decay = per_trial(followers, lambda trial: rounded(trial.weight_decay))
        if decay.any() and not rule.decays:
            inputs[f"{number}.weight_decay"] = decay
        bound = [
            [
                {
                    **trial.optimizer.inputs,
                    "learning_rate": trial.learning_rate,
                    "weight_decay": trial.weight_decay,
                }
                for trial in column
            ]
            for column in followers
        ]
        for name in rule.names:
            inputs[f"{number}.{name}"] = per_trial(bound, itemgetter(name))
    return inputs
