"""Signals of each layer, measured beside the losses, for the diagnosis of training that goes wrong.

They are measured once before the first step and at evaluations, at about `RECORDED` of them spread over the budget.
They are always measured on the first `ROWS` rows of the trial's first epoch, with the network as it is used after
training: without dropout, with the moving statistics of batch normalisation. So both trainers see the same.

| name | of a layer |
|---|---|
| `grad_norm` | Euclidean norm of the training loss's gradient, without penalties, before clipping |
| `weight_norm`, `weight_distance` | norm of its trainable weights, and norm of their change since the start |
| `update_ratio` | norm of the last step's update over the norm of the weights before it |
| `activation_std` | standard deviation of its outputs, after its activation function |
| `dead_units` | of a ReLU layer, the share of units (channels) that are 0 for every row |
| `saturation` | of tanh and sigmoid, the share of values in the outer fortieths of their range |
| `non_finite` | 1 where some value of the layer is not finite, in the first such layer |

The first four are recorded for the whole network too. So are `loss_gap` (the validation loss minus the loss of these
rows) and, before the first step, `input_rms` (the largest root mean square of an input). Measuring changes nothing in
the training. Penalties are left out of the gradient: theirs reaches every layer alike, so it would hide a vanishing
gradient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.training.axes import sum_per_trial
from tasks.training.chunks import input_dtype
from tasks.training.feed import Feed
from tasks.training.loss import OTHERS
from tasks.training.program import Inputs, Program
from tasks.training.scoring import EVALUATION_BYTES
from tasks.training.stacked_layers import Context, Tensor, groups_work
from tasks.training.stacked_networks import forward
from tasks.training.trial import slices

if TYPE_CHECKING:
    import keras

ROWS = 256
"""The most rows that signals are measured on."""

RECORDED = 50
"""About how many evaluations have signals; a limit, so that tables stay small."""

_END = 0.95
"""A tanh is saturated where its absolute value is above this; a sigmoid a is taken as `2 a - 1`."""


@dataclass(frozen=True)
class Signal:
    """One signal of all trials of a stack.

    Args:
        layer: None: of the whole network.
        values: `[S, R]`.
    """

    layer: str | None
    name: str
    values: np.ndarray


def recorded_at(step: int, interval: int, total: int) -> bool:
    """Whether the evaluation after a step has signals: the first, the last, and some spread evenly between."""
    number, evaluations = -(-step // interval), -(-total // interval)
    return number in (1, evaluations) or number % -(-evaluations // RECORDED) == 0


def layer_names(layers: Sequence[keras.Layer]) -> dict[int, str]:
    """Names of the layers with weights, by position: the kind and a number from 1; the last one is `output`."""
    with_weights = [position for position, layer in enumerate(layers) if layer.trainable_weights]
    counts: dict[str, int] = {}
    names = {}
    for position in with_weights:
        kind = re.sub(r"_\d+$", "", layers[position].name)
        counts[kind] = counts.get(kind, 0) + 1
        names[position] = f"{kind}_{counts[kind]}"
    return names | ({with_weights[-1]: "output"} if with_weights else {})


def activations_of(layers: Sequence[keras.Layer]) -> Iterator[tuple[int, str, str]]:
    """Position, name of the layer with weights that it belongs to, and function of every activation to look at."""
    names, owner = layer_names(layers), None
    for position, layer in enumerate(layers):
        if position in names and hasattr(layer, "kernel"):
            owner = names[position]
        function = getattr(getattr(layer, "activation", None), "__name__", "linear")
        last = position == len(layers) - 1
        if owner and (function != "linear" or last or type(layer).__name__ == "Activation"):
            yield position, owner, function


def sample(feeds: Sequence[Feed], seeds: Sequence[int], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """The rows to look at: inputs `[S, rows, ...]` and targets `[S, rows]`, of each replica's feed and seed."""
    first, rows = feeds[0], min(ROWS, feeds[0].rows)
    x = np.zeros([len(feeds), rows, *first.shape], input_dtype(first.dtype, dtype))
    y = np.zeros([len(feeds), rows], input_dtype(first.target_dtype, dtype))
    for s, (feed, seed) in enumerate(zip(feeds, seeds, strict=True)):
        feed.fill(seed, 0, np.asarray(feed.order(seed, 0)[:rows]), x[s], y[s])
    return x, y


class Activations:
    """Collects statistics of one layer's outputs over slices of rows.

    Args:
        function: Name of the activation function.
        widths: How many of its units each recipe has, int `[R]`; None: all.
    """

    def __init__(self, function: str, widths: np.ndarray | None = None) -> None:
        self._function, self._widths = function, widths
        self._count, self._mean, self._squares = 0.0, np.zeros([1, 1]), np.zeros([1, 1])
        self._alive = np.zeros([1, 1, 1], bool)
        self._ends = np.zeros([1, 1])

    def add(self, values: Tensor) -> None:
        """Args:
        values: `[S, R, n, units]`.
        """
        import tensorflow as tf

        rows, units = values.shape[2:]
        widths = np.full(values.shape[1], units) if self._widths is None else self._widths
        there = tf.constant(np.arange(units) < widths[:, None])[None, :, None]  # [1, R, 1, units]
        exists = tf.cast(there, values.dtype)
        count = (rows * widths).astype(np.float64)
        mean = tf.reduce_sum(values * exists, [2, 3]) / tf.cast(count, values.dtype)
        away = (values - mean[:, :, None, None]) * exists
        squares = tf.reduce_sum(tf.square(away), [2, 3]).numpy().astype(np.float64)
        # Combines the moments of the parts (Chan et al. 1983). They may be NaN where trials diverge.
        with np.errstate(over="ignore", invalid="ignore"):
            both, delta = self._count + count, mean.numpy().astype(np.float64) - self._mean
            self._squares = self._squares + squares + delta**2 * self._count * count / both
            self._mean, self._count = self._mean + delta * count / both, both
        if self._function == "relu":
            self._alive = self._alive | tf.reduce_any(values != 0, 2).numpy()
        if self._function in ("tanh", "sigmoid"):
            ends = tf.abs(values if self._function == "tanh" else 2 * values - 1) > _END
            self._ends = self._ends + tf.reduce_sum(tf.cast(ends, values.dtype) * exists, [2, 3]).numpy()

    def signals(self, layer: str) -> list[Signal]:
        found = [Signal(layer, "activation_std", np.sqrt(self._squares / self._count))]
        if self._function == "relu":
            units = self._alive.shape[2]
            widths = np.full(self._alive.shape[1], units) if self._widths is None else self._widths
            dead = ~self._alive & (np.arange(units) < widths[:, None])
            found.append(Signal(layer, "dead_units", dead.sum(2) / widths))
        if self._function in ("tanh", "sigmoid"):
            found.append(Signal(layer, "saturation", self._ends / self._count))
        return found


Norms = Mapping[str, np.ndarray]
"""By layer, the squared norm of its weights (or of their gradients or updates), `[S, R]`."""


def of_weights(norms: Norms, distances: Norms, gradients: Norms, updates: Norms | None, before: Norms) -> list[Signal]:
    """The signals of weights by layer and of the whole network, from squared norms: of the weights, of their change
    since the start, of gradients, of the last update (None before the first) and of the weights before it."""
    found = []
    named = {"weight_norm": norms, "weight_distance": distances, "grad_norm": gradients}
    for name, squares in named.items():
        found += [Signal(layer, name, np.sqrt(values)) for layer, values in squares.items()]
        found.append(Signal(None, name, np.sqrt(sum(squares.values()))))
    if updates is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            found += [Signal(each, "update_ratio", np.sqrt(updates[each] / before[each])) for each in updates]
            whole = np.sqrt(sum(updates.values()) / sum(before.values()))
        found.append(Signal(None, "update_ratio", whole))
    return found


def first_non_finite(signals: Sequence[Signal], layers: Sequence[str]) -> list[Signal]:
    """Finds, for each trial with values that are not finite, the first layer (from the input) that has one."""
    shape = signals[0].values.shape
    broken = {layer: np.zeros(shape, bool) for layer in layers}
    for each in signals:
        if each.layer in broken and each.name in ("activation_std", "weight_norm"):
            broken[each.layer] |= ~np.isfinite(each.values)
    found, earlier = [], np.zeros(shape, bool)
    for layer in layers:
        first = broken[layer] & ~earlier
        if first.any():
            found.append(Signal(layer, "non_finite", np.where(first, 1.0, np.nan)))
        earlier |= first
    return found


def of_inputs(x: np.ndarray, recipes: int) -> list[Signal]:
    """`input_rms` of rows `[S, rows, ...]`; empty for tokens."""
    if np.issubdtype(x.dtype, np.integer):
        return []
    largest = np.sqrt(np.square(x, dtype=np.float64).mean(1)).reshape(len(x), -1).max(1)
    return [Signal(None, "input_rms", np.repeat(largest[:, None], recipes, 1))]


class StackSignals:
    """Measures the signals of a stack.

    Args:
        feeds, seeds: One for each replica.
        dtype: A NumPy dtype.
    """

    def __init__(self, feeds: Sequence[Feed], seeds: Sequence[int], dtype: np.dtype) -> None:
        self._rows, self._targets = sample(feeds, seeds, dtype)
        self._dtype = dtype

    def at_start(self, program: Program, inputs: Inputs, weights: list[Tensor]) -> list[Signal]:
        """Before the first step."""
        found, _ = self._take(program, inputs, weights, weights, None)
        return [*of_inputs(self._rows, program.shape[1]), *found]

    def at_evaluation(
        self,
        program: Program,
        inputs: Inputs,
        weights: list[Tensor],
        initial: list[Tensor],
        before: list[Tensor],
        val_loss: np.ndarray,
    ) -> list[Signal]:
        """Args:
        weights, initial, before: The weights now, at the start, and before the last step.
        val_loss: `[S, R]`.
        """
        found, loss = self._take(program, inputs, weights, initial, before)
        with np.errstate(invalid="ignore"):
            return [*found, Signal(None, "loss_gap", val_loss - loss)]

    def _take(
        self, program: Program, inputs: Inputs, weights: list[Tensor], initial: list[Tensor], before: list | None
    ) -> tuple[list[Signal], np.ndarray]:
        """The signals, and the loss of the rows, `[S, R]`."""
        names = layer_names([one.layer for one in program.layers])
        gradients, activations, loss = self._pass(program, inputs, weights)

        def norms(of: Sequence[Tensor], but: Sequence[Tensor] | None = None) -> dict[str, np.ndarray]:
            return {
                name: np.sum(
                    [
                        _squares(of[index] if but is None else of[index] - but[index], program.axis(index))
                        for index in program.layers[position].trainable
                    ],
                    axis=0,
                )
                for position, name in names.items()
            }

        by_index = dict(zip(program.trainable, gradients, strict=True))
        own = [by_index.get(index, weight) for index, weight in enumerate(weights)]
        updates = None if before is None else norms(weights, before)
        found = of_weights(
            norms(weights), norms(weights, initial), norms(own), updates, norms(before) if before is not None else {}
        )
        for layer, one in activations.items():
            found += one.signals(layer)
        return [*found, *first_non_finite(found, list(names.values()))], loss

    def _pass(
        self, program: Program, inputs: Inputs, weights: list[Tensor]
    ) -> tuple[list[Tensor], dict[str, Activations], np.ndarray]:
        """Gradients of the mean loss without penalties, by trainable weight; activations by layer; the whole loss.

        It is not compiled: it is called some fifty times at most, and compiling it would cost more.
        """
        import tensorflow as tf

        layers = [one.layer for one in program.layers]
        looked_at = list(activations_of(layers))
        widths = inputs["widths"].numpy() if "widths" in inputs else None
        after = {one.index: one.after for one in program.layers}
        counted: dict[str, Activations] = {}
        for position, owner, function in looked_at:
            dense = after[position]
            own = None if widths is None or dense is None or owner == "output" else widths[:, dense]
            counted[owner] = Activations(function, own)
        context = Context(False, grouped=groups_work(self._dtype.name), widths=inputs.get("widths"))
        trainable = [weights[index] for index in program.trainable]
        measured = {name: value for name, value in inputs.items() if name not in OTHERS}
        gradients: list[Tensor] = []
        rows, total = self._rows.shape[1], np.zeros(program.shape)
        numbers = sum(int(np.prod(layer.output.shape[1:])) for layer in layers) * program.shape[0] * program.shape[1]
        for part in slices(rows, int(np.clip(EVALUATION_BYTES // (numbers * self._dtype.itemsize), 16, rows))):
            outputs: dict[int, Tensor] = {}
            with tf.GradientTape() as tape:
                tape.watch(trainable)
                given, _ = forward(program.layers, weights, tf.constant(self._rows[:, part]), context, outputs)
                losses = program.loss.of_training_rows(given, tf.constant(self._targets[:, part]), inputs)
                loss = tf.reduce_sum(losses, axis=2) / rows
                summed = tf.reduce_sum(loss)
            if len(measured) < len(inputs):  # `loss_gap` is of the cross-entropy, as in validation
                losses = program.loss.of_training_rows(given, tf.constant(self._targets[:, part]), measured)
                loss = tf.reduce_sum(losses, axis=2) / rows
            found = tape.gradient(summed, trainable, unconnected_gradients="zero")
            found = [tf.convert_to_tensor(each) for each in found]
            gradients = [one + other for one, other in zip(gradients, found, strict=True)] if gradients else found
            total = total + loss.numpy()
            for position, owner, _ in looked_at:
                counted[owner].add(_by_trial(outputs[position]))
        return gradients, counted, total + program.loss.penalty(weights, inputs).numpy()


def _squares(weight: Tensor, axis: int) -> np.ndarray:
    import tensorflow as tf

    return sum_per_trial(tf.square(weight), axis).numpy().astype(np.float64)


def _by_trial(values: Tensor) -> Tensor:
    """A layer's outputs as `[S, R, n, units]`: each position of an image or a sequence counts as a row."""
    import tensorflow as tf

    rank = len(values.shape)
    if rank == 4:
        return values
    values = tf.transpose(values, [rank - 3, rank - 2, *range(rank - 3), rank - 1])
    return tf.reshape(values, [*values.shape[:2], -1, values.shape[-1]])
