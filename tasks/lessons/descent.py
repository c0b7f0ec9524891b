"""Runs the trainer's own update rules on functions of a few weights, many runs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tasks.training.matrices import RMS, orthogonalised
from tasks.training.optimizer import Optimizer

Gradient = Callable[[np.ndarray], np.ndarray]
"""Maps weights `[runs, weights]` to the gradient, of the same shape."""


def steps_of(
    optimizer: Optimizer,
    gradient: Gradient,
    start: np.ndarray,
    learning_rate: np.ndarray | float,
    inputs: Mapping[str, np.ndarray] | None = None,
) -> Iterator[np.ndarray]:
    """Yields, without end, the weights that the optimizer would evaluate after each step: float64 `[runs, weights]`.
    For an optimizer with a rule for hidden layers, the weights are the kernel of a hidden layer with one unit.

    Args:
        start: Weights before the first step.
        learning_rate: One for all runs, or `[runs, 1]`.
        inputs: Hyperparameters that replace the optimizer's own, each `[runs, 1]`, without the rounding that Keras
            applies.
    """
    weights = np.array(start, np.float64)
    lanes = np.ones((len(weights), 1))
    given: dict[str, Any] = {**{name: value * lanes for name, value in optimizer.inputs.items()}, **(inputs or {})}
    if optimizer.decays:
        given |= {"weight_decay": optimizer.weight_decay * lanes}
    slots = optimizer.slots(np, weights, given)
    rate = learning_rate * lanes
    step = 0
    while True:
        step += 1
        slope = gradient(weights)
        if optimizer.sharp:
            slope = gradient(weights + given["rho"] * slope / np.linalg.norm(slope, axis=1, keepdims=True).clip(1e-15))
        if optimizer.summed:
            totals = tuple(each.sum(axis=1, keepdims=True) for each in optimizer.summed(weights, slope, slots))
            given = {**given, "totals": totals, "learning_rate": rate}
        if optimizer.orthogonal:
            wanted = optimizer.orthogonal(slope, slots, given)[:, None]
            made = RMS * np.sqrt(weights.shape[1]) * orthogonalised(wanted).numpy()[:, 0]
            given = {**given, "orthogonal": made, "hidden": np.array(True)}
        decayed = weights * (1 - rate * (0.0 if optimizer.decays else optimizer.weight_decay))
        if optimizer.factored:
            given = {**given, "square_means": (np.square(slope),) * 3}
        if optimizer.by_array:
            made = optimizer.by_array(np, decayed, slope, slots, float(step), given)
            sums = tuple(each.sum(axis=1, keepdims=True) for each in made)
            given = {**given, "array_sums": sums, "array_size": float(weights.shape[1])}
        weights, slots = optimizer.update(np, decayed, slope, slots, rate, float(step), given)
        if optimizer.cautious:
            down = (weights - decayed) * slope < 0
            longer = weights.shape[1] / (down.sum(axis=1, keepdims=True) + 1)
            weights = decayed + (weights - decayed) * down * longer
        yield optimizer.evaluated(slots) if optimizer.evaluated else weights
