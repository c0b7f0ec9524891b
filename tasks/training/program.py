"""The compiled part of a stack: training steps, validation and outputs as functions of arrays.

A `Program` depends on the shapes of a stack and on its update rules, not on its data, seeds or hyperparameters, which
are arguments. So stacks of equal structure share one, and its compilation (`program_of`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.training.optimizers import Slots, Update, rounded
from tasks.training.stacked_layers import Context, StackedLayer, Tensor, forward, layout, recipe_axes
from tasks.training.trial import Trial

if TYPE_CHECKING:
    import keras

Inputs = dict[str, Tensor]

PROGRAMS_KEPT = 8
"""Compiled programs that a process keeps for stacks to come; each takes some megabytes."""


@dataclass(frozen=True)
class Rule:
    """The recipes `start:stop` follow one update rule."""

    update: Update
    slots: Slots
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
    """The per-trial numbers that a step takes, `[S, R]` each (`[S, recipes of the rule]` for `NUMBER.NAME`); only what
    some trial uses is there."""
    wanted = {
        "l1": per_trial(columns, lambda trial: rounded(trial.penalties.l1)),
        "l2": per_trial(columns, lambda trial: rounded(trial.penalties.l2)),
        "dropout": per_trial(columns, lambda trial: trial.penalties.dropout),
        "weight_decay": per_trial(columns, lambda trial: rounded(trial.weight_decay)),
        "label_smoothing": per_trial(columns, lambda trial: trial.label_smoothing),
        "clip_value": per_trial(columns, lambda trial: trial.clip.value or 0.0),
        "clip_norm": per_trial(columns, lambda trial: trial.clip.norm or 0.0),
        "clip_global_norm": per_trial(columns, lambda trial: trial.clip.global_norm or 0.0),
    }
    inputs = {name: value for name, value in wanted.items() if value.any()}
    for number, rule in enumerate(rules):
        own = columns[rule.start : rule.stop]
        for name in rule.names:
            inputs[f"{number}.{name}"] = per_trial(own, lambda trial, name=name: trial.optimizer.inputs[name])
    return inputs


def per_trial(columns: Sequence[Sequence[Trial]], value: Callable[[Trial], Any]) -> np.ndarray:
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


class Program:
    """The compiled functions of one structure: `chunk`, `score` and `outputs`, as `_chunk_steps`, `_score_rows` and
    `_output_rows` describe them."""

    def __init__(self, model: keras.Model, structure: Structure) -> None:
        import tensorflow as tf

        self.classes, self.rules, self.batch_size = structure.classes, structure.rules, structure.batch_size
        self.seeds, self.recipes, self.dtype = structure.seeds, structure.recipes, tf.as_dtype(structure.dtype)
        self.layers: list[StackedLayer] = layout(model)
        self.axes = recipe_axes(self.layers)
        self.trainable = [index for one in self.layers for index in one.trainable]
        self.kernels = [
            one.trainable[0] for one in self.layers if one.trainable and one.layer.weights[0].name == "kernel"
        ]
        options = {"jit_compile": structure.xla, "autograph": False}
        self.chunk = tf.function(self._chunk_steps, **options)
        self.score = tf.function(self._score_rows, **options)
        self.outputs = tf.function(self._output_rows, **options)

    def first_slots(self, weights: list, inputs: Inputs) -> list[list[tuple[Tensor, ...]]]:
        """For each rule, for each trainable weight, the rule's state for its part of the weight."""
        import tensorflow as tf

        return [
            [
                rule.slots(tf, part, self._rule_inputs(inputs, number, part, self.axes[index]))
                for index in self.trainable
                for part in [columns(weights[index], self.axes[index], rule.start, rule.stop)]
            ]
            for number, rule in enumerate(self.rules)
        ]

    def _rule_inputs(self, inputs: Inputs, number: int, weight: Tensor, axis: int) -> Inputs:
        return {name: spread(inputs[f"{number}.{name}"], weight, axis) for name in self.rules[number].names}

    def _chunk_steps(
        self,
        weights: list,
        slots: list,
        inputs: Inputs,
        x: Tensor,
        y: Tensor,
        rates: Tensor,
        steps: Tensor,
        first: Tensor,
        rows: Tensor,
    ) -> tuple[list, list, Tensor]:
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

        def body(i: Tensor, weights: list, slots: list, total: Tensor) -> tuple:
            start = i * self.batch_size
            batch_x = _batch(x, start, self.batch_size)
            batch_y = _batch(y, start, self.batch_size)
            present = tf.minimum(rows - start, self.batch_size)
            mask = tf.cast(tf.range(self.batch_size) < present, self.dtype)
            weights, slots, loss = self._step(weights, slots, inputs, batch_x, batch_y, mask, rates[i], first + i)
            return i + 1, weights, slots, total + loss * tf.cast(present, self.dtype)

        total = tf.zeros([self.seeds, self.recipes], self.dtype)
        state = (tf.constant(0), weights, slots, total)
        _, weights, slots, total = tf.while_loop(lambda i, *_: i < steps, body, state)
        return weights, slots, total

    def _step(
        self, weights: list, slots: list, inputs: Inputs, x: Tensor, y: Tensor, mask: Tensor, rate: Tensor, step: Tensor
    ) -> tuple[list, list, Tensor]:
        import tensorflow as tf

        def uniforms(shape: list[int], layer: int) -> Tensor:
            # Keyed by seed, layer and step alone. philox, since the default generator differs under XLA.
            keys = [tf.stack([inputs["seeds"][s] * 1000 + layer, step]) for s in range(self.seeds)]
            return tf.stack([tf.random.stateless_uniform(shape, key, dtype=self.dtype, alg="philox") for key in keys])

        context = Context(True, mask, inputs.get("dropout"), uniforms)
        trained = [weights[index] for index in self.trainable]
        with tf.GradientTape() as tape:
            tape.watch(trained)
            outputs, state = forward(self.layers, weights, x, context)
            losses = self._losses(outputs, y, inputs.get("label_smoothing")) * mask
            loss = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(mask) + self._penalty(weights, inputs)
            total = tf.reduce_sum(loss)
        gradients = self._clipped(tape.gradient(total, trained), inputs)
        for rule in self.rules:
            if rule.searches:
                gradients = self._proposed(rule, gradients, weights, inputs, x, y, context, rate, step, loss)

        new = list(weights)
        for index, value in state.items():
            new[index] = value
        new_slots: list[list[tuple[Tensor, ...]]] = [[] for _ in self.rules]
        count = tf.cast(step + 1, self.dtype)
        for place, (index, gradient) in enumerate(zip(self.trainable, gradients, strict=True)):
            axis, weight = self.axes[index], weights[index]
            if "weight_decay" in inputs:
                weight -= weight * spread(inputs["weight_decay"], weight, axis) * spread(rate, weight, axis)
            parts = []
            for number, rule in enumerate(self.rules):
                part = columns(weight, axis, rule.start, rule.stop)
                part, own = rule.update(
                    tf,
                    part,
                    columns(gradient, axis, rule.start, rule.stop),
                    slots[number][place],
                    spread(rate[:, rule.start : rule.stop], part, axis),
                    count,
                    self._rule_inputs(inputs, number, part, axis),
                )
                parts.append(part)
                new_slots[number].append(own)
            new[index] = parts[0] if len(parts) == 1 else tf.concat(parts, axis)
        return new, new_slots, loss

    def _proposed(
        self,
        rule: Rule,
        gradients: list,
        weights: list,
        inputs: Inputs,
        x: Tensor,
        y: Tensor,
        context: Context,
        rate: Tensor,
        step: Tensor,
        loss: Tensor,
    ) -> list:
        """Gradients in which the columns of a searching rule hold minus a random direction, or zero where the batch's
        loss is not lower one learning rate along it."""
        import tensorflow as tf

        part = slice(rule.start, rule.stop)
        tried, directions = list(weights), []
        for index in range(len(weights)):
            tried[index] = columns(weights[index], self.axes[index], rule.start, rule.stop)
        for place, index in enumerate(self.trainable):
            axis, shape = self.axes[index], list(tried[index].shape)
            keys = [tf.stack([inputs["seeds"][s] * 1000 + 500 + place, step]) for s in range(self.seeds)]
            lone = [*shape[1:axis], *shape[axis + 1 :]]  # one direction a seed, shared by its trials
            drawn = [tf.random.stateless_normal(lone, key, dtype=self.dtype, alg="philox") for key in keys]
            direction = tf.expand_dims(tf.stack(drawn), axis)
            directions.append(direction)
            tried[index] += direction * spread(rate[:, part], tried[index], axis)
        dropout, smoothing = (inputs.get(name) for name in ("dropout", "label_smoothing"))
        own = replace(context, dropout=None if dropout is None else dropout[:, part])
        outputs, _ = forward(self.layers, tried, x, own)
        losses = self._losses(outputs, y, None if smoothing is None else smoothing[:, part]) * context.mask
        there = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(context.mask) + self._penalty(tried, inputs, part)
        better = tf.cast(there < loss[:, part], self.dtype)
        proposals = []
        for index, gradient, direction in zip(self.trainable, gradients, directions, strict=True):
            axis = self.axes[index]
            before = columns(gradient, axis, 0, rule.start)
            after = columns(gradient, axis, rule.stop, self.recipes)
            taken = -direction * spread(better, tried[index], axis)
            proposals.append(tf.concat([before, taken, after], axis))
        return proposals

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
                penalty += inputs["l1"][:, part] * _sum_per_trial(tf.abs(weights[index]), self.axes[index])
            if "l2" in inputs:
                penalty += inputs["l2"][:, part] * _sum_per_trial(tf.square(weights[index]), self.axes[index])
        return penalty

    def _clipped(self, gradients: list, inputs: Inputs) -> list:
        """Each trial's gradients clipped in its own way; a trial without a limit keeps its gradients bit for bit."""
        import tensorflow as tf

        axes = [self.axes[index] for index in self.trainable]
        if "clip_value" in inputs:
            limits = [spread(inputs["clip_value"], g, axis) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [tf.where(c > 0, tf.clip_by_value(g, -c, c), g) for g, c in zip(gradients, limits, strict=True)]
        if "clip_norm" in inputs:
            limit = inputs["clip_norm"]
            norms = [tf.sqrt(_sum_per_trial(tf.square(g), axis)) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [
                tf.where(spread(limit, g, axis) > 0, g * spread(limit / tf.maximum(n, limit), g, axis), g)
                for g, n, axis in zip(gradients, norms, axes, strict=True)
            ]
        if "clip_global_norm" in inputs:
            limit = inputs["clip_global_norm"]
            squares = [_sum_per_trial(tf.square(g), axis) for g, axis in zip(gradients, axes, strict=True)]
            norm = tf.sqrt(tf.add_n(squares))
            scale = limit / tf.maximum(norm, limit)
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
