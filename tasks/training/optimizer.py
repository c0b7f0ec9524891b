"""The interface between optimizers and trainers, and the initial states that most optimizers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = Any
"""numpy.ndarray or tensorflow.Tensor, of the stack's dtype."""

Update = Callable[..., tuple[Array, tuple[Array, ...]]]
"""`(xp, weight, gradient, slots, learning_rate, step, p) -> (weight, slots)`: `step` counts from 1, in the stack's
dtype; `learning_rate` and every entry of `p` broadcast against the weight."""

Slots = Callable[..., tuple[Array, ...]]
"""`(xp, weight, p) -> slots`: the optimizer's state for one weight before the first step."""

Orthogonal = Callable[[Array, tuple[Array, ...], Mapping[str, Array]], Array]
"""`(gradient, slots, p) -> array` of the weight's shape."""

Evaluated = Callable[[tuple[Array, ...]], Array]
"""`slots -> weights`."""

Summed = Callable[[Array, Array, tuple[Array, ...]], tuple[Array, ...]]
"""`(weight, gradient, slots) -> arrays` of the weight's shape, one for each sum."""

ByArray = Callable[..., tuple[Array, ...]]
"""`(xp, weight, gradient, slots, step, p) -> arrays` of the weight's shape, one for each sum."""


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with its hyperparameters bound.

    Args:
        update: One step for one weight. Trials with the same `update` share its program, whatever their `inputs`.
        slots: The state it starts from.
        inputs: The numbers that `update` gets as `p`.
        learning_rate: The default or the author's.
        keras_class: Name of its twin in `keras.optimizers`, or None.
        keras_arguments: The twin's arguments but for the learning rate.
        weight_decay: Decoupled weight decay of its own (AdamW), or 0.
        searches: True where the update gets no gradient. It gets minus a random direction instead, where the batch's
            loss is lower along that direction, else zero.
        summed: Makes the arrays whose sums over all weights of a trial the update needs. It gets the sums as
            `p["totals"]`, and the trial's learning rate before any schedule as `p["learning_rate"]`.
        by_array: Makes the arrays whose sums over each weight array (a kernel, a bias) the update needs. It gets the
            sums as `p["array_sums"]`, and how many numbers the array has as `p["array_size"]`.
        factored: Whether it gets, as `p["square_means"]`, the mean squares of the gradient by row, by column and of the
            whole matrix; for a bias, the square itself three times.
        decays: True where the update itself takes the decoupled weight decay, as `p["weight_decay"]`; else it acts
            before the update.
        orthogonal: Makes the array that becomes orthogonal, where a weight is the kernel of a hidden layer. The update
            gets the result, scaled (`matrices`), as `p["orthogonal"]`, and the mask of such weights, bool, as
            `p["hidden"]`.
        cautious: Whether only the parts of its steps that go down the present gradient are taken (`cautious`).
        sharp: Whether its gradient is taken at a point `p["rho"]` up the slope from the weights (`sam`).
        evaluated: Makes the weights that are evaluated and kept, where gradients are taken at other weights.
    """

    update: Update
    slots: Slots
    inputs: Mapping[str, float]
    learning_rate: float
    keras_class: str | None
    keras_arguments: Mapping[str, Any] = field(default_factory=dict)
    weight_decay: float = 0.0
    searches: bool = False
    summed: Summed | None = None
    decays: bool = False
    evaluated: Evaluated | None = None
    orthogonal: Orthogonal | None = None
    cautious: bool = False
    by_array: ByArray | None = None
    factored: bool = False
    sharp: bool = False

    @property
    def state_arrays(self) -> int:
        """Arrays of a weight's shape that its state holds."""
        weight = np.zeros([2, 3])
        found = self.slots(np, weight, {"weight_decay": self.weight_decay, **self.inputs})
        return sum(slot.shape == weight.shape for slot in found)


def rounded(value: float) -> float:
    """`value` rounded to float32, as `keras.ops.cast` does to a Python float whatever the target dtype."""
    return float(np.float32(value))


def no_slots(xp: Any, w: Array, p: Mapping[str, Array]) -> tuple[Array, ...]:
    """No state."""
    return ()


def one_slot(xp: Any, w: Array, p: Mapping[str, Array]) -> tuple[Array, ...]:
    """One array of the weight's shape, zero."""
    return (xp.zeros_like(w),)


def two_slots(xp: Any, w: Array, p: Mapping[str, Array]) -> tuple[Array, ...]:
    """Two such arrays."""
    return (xp.zeros_like(w), xp.zeros_like(w))


def three_slots(xp: Any, w: Array, p: Mapping[str, Array]) -> tuple[Array, ...]:
    """Three such arrays."""
    return (xp.zeros_like(w), xp.zeros_like(w), xp.zeros_like(w))


def four_slots(xp: Any, w: Array, p: Mapping[str, Array]) -> tuple[Array, ...]:
    """Four such arrays."""
    return (xp.zeros_like(w), xp.zeros_like(w), xp.zeros_like(w), xp.zeros_like(w))
