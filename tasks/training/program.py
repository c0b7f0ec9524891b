"""The compiled part of a stack: training steps, validation and outputs as functions of arrays.

A `Program` depends on the shapes of a stack and on its update rules, not on its data, seeds or hyperparameters, which
are arguments. So stacks of equal structure share one, and its compilation (`program_of`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tasks.training.optimizers import Slots as FirstSlots
from tasks.training.optimizers import Update, rounded
from tasks.training.stacked_layers import Context, StackedLayer, Tensor, forms, forward, layout
from tasks.training.trial import Trial

if TYPE_CHECKING:
    import keras

T = TypeVar("T")

Inputs = dict[str, Tensor]
Parts = list[list[Tensor]]
"""For each rule, for each trainable weight, the part that belongs to the rule's recipes."""
Slots = list[list[tuple[Tensor, ...]]]
"""Likewise the optimizers' state."""

PROGRAMS_KEPT = 8
"""Compiled programs that a process keeps for stacks to come; each takes some megabytes."""


@dataclass(frozen=True)
class Rule:
    """The recipes `start:stop` follow one update rule."""

    update: Update
    slots: FirstSlots
    names: tuple[str, ...]
    searches: bool
    start: int
    stop: int


@dataclass(frozen=True)
class Structure:
    """What is compiled in: stacks that agree in it run one program.

    Args:
        layers: The network, as `stacked_layers.describe` puts it.
        classes: None for regression.
        seeds, recipes: The stack's rectangle.
        inputs: Names of the hyperparameters that are there; one that no trial uses is left out of the program.
    """

    layers: str
    classes: int | None
    seeds: int
    recipes: int
    rules: tuple[Rule, ...]
    inputs: tuple[str, ...]
    batch_size: int
    xla: bool
    dtype: str


def hyperparameters(columns: Sequence[Sequence[Trial]], rules: Sequence[Rule]) -> dict[str, np.ndarray]:
    """The per-trial numbers that a step takes: `NAME`, `[S, R]`, or `NUMBER.NAME`, `[S, recipes of the rule]`. What no
    trial uses is not there."""
    for_all: dict[str, Callable[[Trial], Any]] = {
        "l1": lambda trial: rounded(trial.penalties.l1),
        "l2": lambda trial: rounded(trial.penalties.l2),
        "dropout": lambda trial: trial.penalties.dropout,
        "label_smoothing": lambda trial: trial.label_smoothing,
    }
    for_rule: dict[str, Callable[[Trial], Any]] = {
        "weight_decay": lambda trial: rounded(trial.weight_decay),
        "clip_value": lambda trial: trial.clip.value or 0.0,
        "clip_norm": lambda trial: trial.clip.norm or 0.0,
        "clip_global_norm": lambda trial: trial.clip.global_norm or 0.0,
    }
    inputs = {name: per_trial(columns, value) for name, value in for_all.items()}
    for number, rule in enumerate(rules):
        own = columns[rule.start : rule.stop]
        inputs |= {f"{number}.{name}": per_trial(own, value) for name, value in for_rule.items()}
    inputs = {name: value for name, value in inputs.items() if value.any()}
    for number, rule in enumerate(rules):
        bound = [[trial.optimizer.inputs for trial in column] for column in columns[rule.start : rule.stop]]
        for name in rule.names:  # also where all are 0
            inputs[f"{number}.{name}"] = per_trial(bound, itemgetter(name))
    return inputs


def per_trial(columns: Sequence[Sequence[T]], value: Callable[[T], Any]) -> np.ndarray:
    """`value(trial)` of each trial as an array `[S, R, ...]`."""
    return np.array([[value(column[s]) for column in columns] for s in range(len(columns[0]))])


def program_of(model: keras.Model, structure: Structure) -> Program:
    """The program for a structure, of whose network `model` is one instance: an earlier stack's where there is one."""
    with _PROGRAMS_LOCK:
        if structure not in _PROGRAMS:
            if len(_PROGRAMS) >= PROGRAMS_KEPT:
                _PROGRAMS.pop(next(iter(_PROGRAMS)))
            _PROGRAMS[structure] = Program(model, structure)
        return _PROGRAMS[structure]


@dataclass(frozen=True)
class _Step:
    """What one step takes besides weights and slots: a batch `x`, `y` with a mask of the rows that exist, the learning
    rates `[S, R]`, the steps taken before, the hyperparameters."""

    x: Tensor
    y: Tensor
    mask: Tensor
    rate: Tensor
    number: Tensor
    inputs: Inputs


class Program:
    """The compiled functions of one structure: `chunk`, `score` and `outputs`, as `_chunk_steps`, `_score_rows` and
    `_output_rows` describe them."""

    def __init__(self, model: keras.Model, structure: Structure) -> None:
        import tensorflow as tf

        self.classes, self.rules, self.batch_size = structure.classes, structure.rules, structure.batch_size
        self.seeds, self.recipes, self.dtype = structure.seeds, structure.recipes, tf.as_dtype(structure.dtype)
        self.layers: list[StackedLayer] = layout(model)
        self.forms = forms(self.layers)
        self.trainable = [index for one in self.layers for index in one.trainable]
        self.state = [index for one in self.layers for index in one.state]
        self.kernels = [
            one.trainable[0] for one in self.layers if one.trainable and one.layer.weights[0].name == "kernel"
        ]
        options = {"jit_compile": structure.xla, "autograph": False}
        self.chunk = tf.function(self._chunk_steps, **options)
        self.score = tf.function(self._score_rows, **options)
        self.outputs = tf.function(self._output_rows, **options)

    def first_slots(self, weights: list, inputs: Inputs) -> Slots:
        """For each rule, for each trainable weight, the rule's state for its part of the weight."""
        import tensorflow as tf

        return [
            [
                rule.slots(tf, part, self._rule_inputs(inputs, number, part, self.axis(index)))
                for index, part in zip(self.trainable, own, strict=True)
            ]
            for number, (rule, own) in enumerate(zip(self.rules, self._apart(weights), strict=True))
        ]

    def axis(self, index: int) -> int:
        """Where the recipes' axis is in a weight and in its slots."""
        return self.forms[index].axis

    def _rule_inputs(self, inputs: Inputs, number: int, part: Tensor, axis: int) -> Inputs:
        return {name: spread(inputs[f"{number}.{name}"], part, axis) for name in self.rules[number].names}

    def _apart(self, weights: list) -> Parts:
        """The trainable weights divided by rule. Those whose recipes come first are made flat, `[S, recipes, numbers]`:
        an update is then one loop over memory, whatever the weight's shape."""
        import tensorflow as tf

        def part(index: int, rule: Rule) -> Tensor:
            own = columns(weights[index], self.axis(index), rule.start, rule.stop)
            return tf.reshape(own, [*own.shape[:2], -1]) if self.axis(index) == 1 else own

        return [[part(index, rule) for index in self.trainable] for rule in self.rules]

    def _together(self, parts: Parts, others: list, like: list) -> list:
        """All weights again, in the order of the model: the trainable ones from their parts, shaped as `like` but for
        the number of recipes. What is taken in parts stays so."""
        import tensorflow as tf

        weights: list = [None] * (len(self.trainable) + len(others))
        for place, index in enumerate(self.trainable):
            own = [self._shaped(part[place], index, like) for part in parts]
            in_parts = self.forms[index].in_parts
            weights[index] = tuple(own) if in_parts else own[0] if len(own) == 1 else tf.concat(own, self.axis(index))
        for index, value in zip(self.state, others, strict=True):
            weights[index] = value
        return weights

    def _shaped(self, part: Tensor, index: int, like: list) -> Tensor:
        import tensorflow as tf

        return tf.reshape(part, [*part.shape[:2], *like[index].shape[2:]]) if self.axis(index) == 1 else part

    def _chunk_steps(
        self,
        weights: list,
        slots: Slots,
        inputs: Inputs,
        x: Tensor,
        y: Tensor,
        rates: Tensor,
        steps: Tensor,
        first: Tensor,
        rows: Tensor,
    ) -> tuple[list, Slots, Tensor]:
        """`steps` training steps over a chunk of permuted rows.

        Args:
            weights, slots: As they stand.
            inputs: The hyperparameters (see `hyperparameters`) and `seeds`, int32 `[S]`.
            x: `[S, chunk rows, ...]`, padded to a fixed size.
            y: `[S, chunk rows]`.
            rates: Learning rates `[chunk steps, S, R]`, padded likewise.
            steps: How many of the chunk's steps to take.
            first: Steps taken before, for the optimizers' bias correction and dropout.
            rows: How many of the chunk's rows exist.

        Returns:
            Weights, slots, and the sum over rows of each trial's loss, `[S, R]`.
        """
        import tensorflow as tf

        def body(i: Tensor, parts: Parts, others: list, slots: Slots, total: Tensor) -> tuple:
            start = i * self.batch_size
            batch_x = _batch(x, start, self.batch_size)
            batch_y = _batch(y, start, self.batch_size)
            present = tf.minimum(rows - start, self.batch_size)
            mask = tf.cast(tf.range(self.batch_size) < present, self.dtype)
            step = _Step(batch_x, batch_y, mask, rates[i], first + i, inputs)
            parts, others, slots, loss = self._step(parts, others, slots, step, weights)
            return i + 1, parts, others, slots, total + loss * tf.cast(present, self.dtype)

        total = tf.zeros([self.seeds, self.recipes], self.dtype)
        state = (tf.constant(0), self._apart(weights), [weights[index] for index in self.state], slots, total)
        _, parts, others, slots, total = tf.while_loop(lambda i, *_: i < steps, body, state)
        ended = self._together(parts, others, weights)
        for index in self.trainable:
            if isinstance(ended[index], tuple):
                ended[index] = tf.concat(ended[index], self.axis(index))
        return ended, slots, total

    def _step(
        self, parts: Parts, others: list, slots: Slots, step: _Step, like: list
    ) -> tuple[Parts, list, Slots, Tensor]:
        """One training step; also each trial's loss before it, `[S, R]`."""
        import tensorflow as tf

        inputs = step.inputs

        def uniforms(shape: list[int], layer: int) -> Tensor:
            # Keyed by seed, layer and step alone. philox, since the default generator differs under XLA.
            keys = [tf.stack([inputs["seeds"][s] * 1000 + layer, step.number]) for s in range(self.seeds)]
            return tf.stack([tf.random.stateless_uniform(shape, key, dtype=self.dtype, alg="philox") for key in keys])

        context = Context(True, step.mask, inputs.get("dropout"), uniforms)
        with tf.GradientTape() as tape:
            tape.watch(parts)
            weights = self._together(parts, others, like)
            outputs, state = forward(self.layers, weights, step.x, context)
            losses = self._losses(outputs, step.y, inputs.get("label_smoothing")) * step.mask
            loss = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(step.mask) + self._penalty(weights, inputs)
            total = tf.reduce_sum(loss)
        gradients = tape.gradient(total, parts)

        count = tf.cast(step.number + 1, self.dtype)
        new_parts: Parts = []
        new_slots: Slots = []
        for number, rule in enumerate(self.rules):
            rate = step.rate[:, rule.start : rule.stop]
            if rule.searches:
                own_gradients = self._proposed(rule, parts[number], others, step, context, loss, like)
            else:
                own_gradients = self._clipped(gradients[number], inputs, number)
            moved = []
            for index, part, gradient, own in zip(
                self.trainable, parts[number], own_gradients, slots[number], strict=True
            ):
                axis = self.axis(index)
                own_rate = spread(rate, part, axis)
                if f"{number}.weight_decay" in inputs:
                    part -= part * spread(inputs[f"{number}.weight_decay"], part, axis) * own_rate
                own_inputs = self._rule_inputs(inputs, number, part, axis)
                moved.append(rule.update(tf, part, gradient, own, own_rate, count, own_inputs))
            new_parts.append([part for part, _ in moved])
            new_slots.append([own for _, own in moved])
        return new_parts, [state[index] for index in self.state], new_slots, loss

    def _proposed(
        self, rule: Rule, parts: list, others: list, step: _Step, context: Context, loss: Tensor, like: list
    ) -> list:
        """For the parts of a searching rule, minus a random direction, or zero where the batch's loss is not lower one
        learning rate along it."""
        import tensorflow as tf

        inputs, own = step.inputs, slice(rule.start, rule.stop)
        tried, directions = [], []
        for place, (index, part) in enumerate(zip(self.trainable, parts, strict=True)):
            axis, shape = self.axis(index), list(part.shape)
            keys = [tf.stack([inputs["seeds"][s] * 1000 + 500 + place, step.number]) for s in range(self.seeds)]
            lone = [*shape[1:axis], *shape[axis + 1 :]]  # one direction a seed, shared by its trials
            drawn = [tf.random.stateless_normal(lone, key, dtype=self.dtype, alg="philox") for key in keys]
            directions.append(tf.expand_dims(tf.stack(drawn), axis))
            tried.append(part + directions[-1] * spread(step.rate[:, own], part, axis))
        weights = self._together([tried], [columns(each, 1, rule.start, rule.stop) for each in others], like)
        dropout, smoothing = (inputs.get(name) for name in ("dropout", "label_smoothing"))
        context = replace(context, dropout=None if dropout is None else dropout[:, own])
        outputs, _ = forward(self.layers, weights, step.x, context)
        losses = self._losses(outputs, step.y, None if smoothing is None else smoothing[:, own]) * step.mask
        there = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(step.mask) + self._penalty(weights, inputs, own)
        better = tf.cast(there < loss[:, own], self.dtype)
        return [
            -direction * spread(better, part, self.axis(index))
            for index, part, direction in zip(self.trainable, parts, directions, strict=True)
        ]

    def _losses(self, outputs: Tensor, y: Tensor, smoothing: Tensor | None) -> Tensor:
        """Each row's loss, `[S, R, B]`: cross-entropy from logits, with labels smoothed by `[S, R]` or not, or the
        squared error of the standardised target."""
        import tensorflow as tf

        if self.classes is None:
            return tf.square(outputs[..., 0] - tf.cast(y, self.dtype)[:, None, :])
        labels = tf.broadcast_to(y[:, None, :], outputs.shape[:3])
        if smoothing is None:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
        smoothing = smoothing[:, :, None, None]
        hot = tf.one_hot(labels, self.classes, dtype=self.dtype)
        return tf.nn.softmax_cross_entropy_with_logits(hot * (1 - smoothing) + smoothing / self.classes, outputs)

    def _penalty(self, weights: list, inputs: Inputs, part: slice = slice(None)) -> Tensor:
        """l1 * sum |w| + l2 * sum w^2 over the kernels, `[S, R]`; `weights` are those of the columns `part`."""
        import tensorflow as tf

        penalty = tf.zeros([self.seeds, len(range(self.recipes)[part])], self.dtype)
        for index in self.kernels if {"l1", "l2"} & inputs.keys() else []:
            if "l1" in inputs:
                penalty += inputs["l1"][:, part] * self._summed(tf.abs, weights[index], index)
            if "l2" in inputs:
                penalty += inputs["l2"][:, part] * self._summed(tf.square, weights[index], index)
        return penalty

    def _summed(self, function: Callable[[Tensor], Tensor], weight: Tensor, index: int) -> Tensor:
        """The sum of a function over each trial's weight, `[S, R]`."""
        import tensorflow as tf

        parts = weight if isinstance(weight, tuple) else (weight,)
        return tf.concat([_sum_per_trial(function(part), self.axis(index)) for part in parts], 1)

    def _clipped(self, gradients: list, inputs: Inputs, number: int) -> list:
        """The gradients of a rule's trials, each clipped in its own way; one without a limit keeps its bits."""
        import tensorflow as tf

        axes = [self.axis(index) for index in self.trainable]
        if (limit := inputs.get(f"{number}.clip_value")) is not None:
            limits = [spread(limit, g, axis) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [tf.where(c > 0, tf.clip_by_value(g, -c, c), g) for g, c in zip(gradients, limits, strict=True)]
        if (limit := inputs.get(f"{number}.clip_norm")) is not None:
            norms = [tf.sqrt(_sum_per_trial(tf.square(g), axis)) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [
                tf.where(spread(limit, g, axis) > 0, g * spread(limit / tf.maximum(n, limit), g, axis), g)
                for g, n, axis in zip(gradients, norms, axes, strict=True)
            ]
        if (limit := inputs.get(f"{number}.clip_global_norm")) is not None:
            squares = [_sum_per_trial(tf.square(g), axis) for g, axis in zip(gradients, axes, strict=True)]
            scale = limit / tf.maximum(tf.sqrt(tf.add_n(squares)), limit)
            gradients = [
                tf.where(spread(limit, g, axis) > 0, g * spread(scale, g, axis), g)
                for g, axis in zip(gradients, axes, strict=True)
            ]
        return gradients

    def _score_rows(
        self, weights: list, inputs: Inputs, x: Tensor, y: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Summed loss and summed hits of one slice of rows, padded, and the penalties; `[S, R]` each. Hits are 0 for
        regression."""
        import tensorflow as tf

        mask = tf.cast(tf.range(x.shape[1]) < rows, self.dtype)
        outputs, _ = forward(self.layers, weights, x, Context(training=False))
        losses = tf.reduce_sum(self._losses(outputs, y, None) * mask, axis=2)
        if self.classes is None:
            return losses, tf.zeros_like(losses), self._penalty(weights, inputs)
        hits = tf.cast(tf.argmax(outputs, axis=-1, output_type=y.dtype) == y[:, None, :], self.dtype)
        return losses, tf.reduce_sum(hits * mask, axis=2), self._penalty(weights, inputs)

    def _output_rows(self, weights: list, x: Tensor) -> Tensor:
        outputs, _ = forward(self.layers, weights, x, Context(training=False))
        return outputs


_PROGRAMS: dict[Structure, Program] = {}
_PROGRAMS_LOCK = threading.Lock()


def rules_of(recipes: Sequence[Trial]) -> tuple[Rule, ...]:
    """The update rules of recipes of which those with one rule lie side by side."""
    rules: list[Rule] = []
    start = 0
    for _, group in groupby(recipes, key=lambda trial: trial.optimizer.update.__name__):
        members = [trial.optimizer for trial in group]
        stop = start + len(members)
        rules.append(
            Rule(members[0].update, members[0].slots, tuple(members[0].inputs), members[0].searches, start, stop)
        )
        start = stop
    return tuple(rules)


def columns(array: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The recipes `start:stop` of a stacked array."""
    return array[(slice(None),) * axis + (slice(start, stop),)]


def spread(values: Tensor, like: Tensor, axis: int) -> Tensor:
    """Per-trial values `[S, R]` shaped to broadcast against a stacked array whose `R` is at `axis`."""
    shape = [1] * len(like.shape)
    shape[0], shape[axis] = values.shape[0], values.shape[1]
    import tensorflow as tf

    return tf.reshape(values, shape)


def _sum_per_trial(array: Tensor, axis: int) -> Tensor:
    """Sums over all axes but `S` (0) and `R` (`axis`): `[S, R]`."""
    import tensorflow as tf

    return tf.reduce_sum(array, [other for other in range(len(array.shape)) if other not in (0, axis)])


def _batch(array: Tensor, start: Tensor, size: int) -> Tensor:
    """Rows `start:start + size` of `[S, rows, ...]`, of static size."""
    import tensorflow as tf

    rank = len(array.shape)
    begin = tf.stack([0, start, *[0] * (rank - 2)])
    return tf.slice(array, begin, [array.shape[0], size, *array.shape[2:]])
