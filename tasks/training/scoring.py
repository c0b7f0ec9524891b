"""Scores rows with the weights of all trials of a stack at once, slice by slice.

Training rows pass through `chunks`; the rows that a stack is validated and measured on pass through this module. The
same compiled functions score them while a stack trains, and later with the weights that its trials kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.training.chunks import input_dtype
from tasks.training.compiled import program_for
from tasks.training.feed import Buffer
from tasks.training.networks import Networks, built
from tasks.training.program import Engine, Inputs, Program
from tasks.training.rectangle import Rectangle
from tasks.training.stacked_layers import Tensor
from tasks.training.trial import InputRows, Trial, slices

EVALUATION_ROWS = 2048
"""The most rows in one slice of rows that are only scored."""

EVALUATION_BYTES = 32 * 2**20
"""About how many bytes a slice's activations may take."""


@dataclass(frozen=True)
class Sums:
    """Sums over validation rows, for each trial: `[S, R]` each.

    Args:
        losses: Without penalties.
        hits: Rows whose likeliest class is the right one; 0 for regression.
        penalties: Those of the weights, not summed over rows.
    """

    losses: np.ndarray
    hits: np.ndarray
    penalties: np.ndarray


class Slices:
    """Memory that slices of rows pass through.

    Args:
        rectangle, networks: Those of the stack.
        views: How many different sets of rows the replicas see: 1 where all see the same rows, else one a replica.
        shape: Of one row's inputs.
        dtypes: Of inputs and targets.
        largest: Rows of the largest part.
        dtype: The stack's, a NumPy dtype.
    """

    def __init__(
        self,
        rectangle: Rectangle,
        networks: Networks,
        views: int,
        shape: tuple[int, ...],
        dtypes: tuple[np.dtype, np.dtype],
        largest: int,
        dtype: np.dtype,
    ) -> None:
        numbers = networks.activations() * rectangle.size
        if views > 1:  # one replica's inputs are few beside all trials' activations
            numbers += views * int(np.prod(shape))
        rows = min(int(np.clip(EVALUATION_BYTES // (numbers * dtype.itemsize), 32, EVALUATION_ROWS)), largest)
        self._x = Buffer((views, rows, *shape), input_dtype(dtypes[0], dtype))
        self._y = Buffer((views, rows), input_dtype(dtypes[1], dtype))

    def validate(
        self,
        engine: Engine,
        weights: list[Tensor],
        inputs: Inputs,
        views: Sequence[tuple[InputRows, np.ndarray]],
    ) -> Sums:
        """Scores validation rows.

        Args:
            views: Inputs and targets of the rows that all replicas see, or that each sees.
        """
        import tensorflow as tf

        losses, hits = np.zeros([2, 1, 1])
        x, y = self._x, self._y
        for part in slices(len(views[0][1]), x.array.shape[1]):
            rows = part.stop - part.start
            for view, (view_inputs, targets) in enumerate(views):
                x.array[view, :rows], y.array[view, :rows] = view_inputs[part], targets[part]
            loss, hit, penalty = engine.score(weights, inputs, x.tensor, y.tensor, tf.constant(rows))
            losses, hits = losses + loss.numpy(), hits + hit.numpy()  # in float64
        return Sums(losses, hits, penalty.numpy())

    def outputs(self, program: Program, weights: list[Tensor], views: Sequence[InputRows]) -> np.ndarray:
        """The networks' outputs for rows: `[S, R, rows, outputs]`, float32.

        Args:
            views: Inputs of the rows that all replicas see, or that each sees.
        """
        parts = []
        for part in slices(len(views[0]), self._x.array.shape[1]):
            rows = part.stop - part.start
            for view, inputs in enumerate(views):
                self._x.array[view, :rows] = inputs[part]
            parts.append(program.outputs(weights, self._x.tensor).numpy()[:, :, :rows].astype("float32"))
        return np.concatenate(parts, axis=2)


def stacked_outputs(
    trials: Sequence[Trial],
    weights: Mapping[str, Sequence[np.ndarray]],
    parts: Mapping[str, InputRows],
    *,
    classes: int | None,
    largest: int,
    xla: bool = True,
) -> dict[str, dict[str, np.ndarray]]:
    """Computes the outputs of a stack's trials with the weights that they kept, in the same way as during training.

    Args:
        trials: As for `train_stack`, without folds.
        weights: By trial, in the order of its Keras model's `weights`. Trials that are left out are not scored.
        parts: Inputs by name.
        classes: None for regression.
        largest: Rows of the largest part that was scored while they were trained; it gives slices of the same size.
        xla: Whether XLA compiled the stack when it was trained.

    Returns:
        By trial and part: float32 `[rows, outputs]`, logits or standardised values.
    """
    import tensorflow as tf

    rectangle, dtype = Rectangle.of(trials), np.dtype(np.float32)
    rows = next(iter(parts.values()))
    shape = tuple(rows.shape[1:])
    networks = Networks.of({width: model for width, (model,) in built(rectangle, shape, classes or 1, [0]).items()})
    program = program_for(
        rectangle,
        networks,
        classes=classes,
        class_weights=[np.ones(classes) if classes else None] * len(rectangle.replicas),
        xla=xla,
        dtype=dtype.name,
    ).program
    target_dtype = np.dtype(np.int64 if classes else np.float32)
    memory = Slices(rectangle, networks, 1, shape, (np.dtype(rows.dtype), target_dtype), largest, dtype)
    joined = networks.joined(rectangle, lambda trial: weights.get(trial.trial_id, ()), tf.as_dtype(dtype))
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in weights}
    for part, inputs in parts.items():
        outputs = memory.outputs(program, joined, [inputs])
        for s, r, trial in rectangle.cells():
            if trial.trial_id in found:
                found[trial.trial_id][part] = np.ascontiguousarray(outputs[s, r])
    return found
