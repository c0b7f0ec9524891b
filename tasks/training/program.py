"""The compiled part of a stack: training steps, validation and outputs as functions of arrays.

A `Program` depends on the shapes of a stack and on its update rules, not on its data, seeds or hyperparameters, which
are arguments. So stacks of equal structure share one, and its compilation (`program_of`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tasks.training.optimizers import Slots as FirstSlots
from tasks.training.optimizers import Summed, Update, rounded
from tasks.training.packing import Packing
from tasks.training.stacked_layers import Context, StackedLayer, Tensor, forms, forward, groups_work, layout
from tasks.training.trial import Trial

if TYPE_CHECKING:
    import keras

T = TypeVar("T")

Inputs = dict[str, Tensor]
Shapes = tuple[tuple[int, ...], ...]
Blocks = list[list[Tensor]]
"""For each rule, its recipes' trainable weights in blocks (`packing`)."""
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
    summed: Summed | None
    start: int
    stop: int


@dataclass(frozen=True)
class Structure:
    """What is compiled in: stacks that agree in it run one program.

    Args:
        layers: The network, as `stacked_layers.describe` puts it.
        classes: None for regression.
        seeds, recipes: The stack's rectangle; a seed counts once for each of its folds.
        folds: How many lanes that follow each other are of one seed, and so share random numbers.
        inputs: Names of the hyperparameters that are there; one that no trial uses is left out of the program.
        own_shapes: Where hidden layers are padded and some rule searches: of each recipe, `trainable_shapes` of its own
            network, for which its directions are drawn. Else empty: widths are inputs.
    """

    layers: str
    classes: int | None
    seeds: int
    folds: int
    recipes: int
    rules: tuple[Rule, ...]
    inputs: tuple[str, ...]
    batch_size: int
    xla: bool
    dtype: str
    own_shapes: tuple[Shapes, ...] = ()


def hyperparameters(
    columns: Sequence[Sequence[Trial]], rules: Sequence[Rule], class_weights: Sequence[np.ndarray | None]
) -> dict[str, np.ndarray]:
    """The per-trial numbers that a step takes: `NAME`, `[S, R]`, or `NUMBER.NAME`, `[S, recipes of the rule]`, and
    `class_weights`, `[S, R, classes]`, from those of each lane. A regularisation that no trial uses is not there, nor
    are weights."""
    values: dict[str, Callable[[Trial], Any]] = {
        "l1": lambda trial: rounded(trial.penalties.l1),
        "l2": lambda trial: rounded(trial.penalties.l2),
        "dropout": lambda trial: trial.penalties.dropout,
        "label_smoothing": lambda trial: trial.label_smoothing,
        "clip_value": lambda trial: trial.clip.value or 0.0,
        "clip_norm": lambda trial: trial.clip.norm or 0.0,
        "clip_global_norm": lambda trial: trial.clip.global_norm or 0.0,
    }
    inputs = {name: array for name, value in values.items() if (array := per_trial(columns, value)).any()}
    if any(trial.class_weights for column in columns for trial in column):
        inputs["class_weights"] = np.array(
            [
                [own if column[lane].class_weights else np.ones_like(own) for column in columns]
                for lane, own in enumerate(class_weights)
            ]
        )
    for number, rule in enumerate(rules):
        own = columns[rule.start : rule.stop]
        decay = per_trial(own, lambda trial: rounded(trial.weight_decay))
        if decay.any():
            inputs[f"{number}.weight_decay"] = decay
        bound = [
            [{**trial.optimizer.inputs, "learning_rate": trial.learning_rate} for trial in column] for column in own
        ]
        for name in rule.names:
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
    rates `[S, R]`, the steps taken before, the hyperparameters, the array namespace of the updates."""

    x: Tensor
    y: Tensor
    mask: Tensor
    rate: Tensor
    number: Tensor
    inputs: Inputs
    namespace: Any


class Program:
    """The compiled functions of one structure: `chunk`, `score` and `outputs`, as `_chunk_steps`, `_score_rows` and
    `_output_rows` describe them; with tangents (`hypergradient`) `chunk_tangents` and `score_tangents`."""

    def __init__(self, model: keras.Model, structure: Structure) -> None:
        import tensorflow as tf

        self.classes, self.rules, self.batch_size = structure.classes, structure.rules, structure.batch_size
        self.seeds, self.recipes, self.dtype = structure.seeds, structure.recipes, tf.as_dtype(structure.dtype)
        self.folds = structure.folds
        self.layers: list[StackedLayer] = layout(model)
        self.forms = forms(self.layers)
        self.trainable = [index for one in self.layers for index in one.trainable]
        self.state = [index for one in self.layers for index in one.state]
        self.axes = [self.axis(index) for index in self.trainable]
        self.packing = Packing(trainable_shapes(model), self.axes)
        self.own_packings = [Packing(shapes, self.axes) for shapes in structure.own_shapes]
        self.block_axes = [self.packing.axis(block) for block in self.packing.blocks]
        self.in_parts = [
            len(block) == 1 and self.forms[self.trainable[block[0]]].in_parts for block in self.packing.blocks
        ]
        self.kernels = [
            one.trainable[0] for one in self.layers if one.trainable and one.layer.weights[0].name == "kernel"
        ]
        self.grouped = not structure.xla and groups_work(structure.dtype)
        options = {"jit_compile": structure.xla, "autograph": False}
        self.chunk = tf.function(self._chunk_steps, **options)
        self.score = tf.function(self._score_rows, **options)
        self.outputs = tf.function(self._output_rows, **options)
        self.chunk_tangents = tf.function(self._chunk_tangents, **options)
        self.score_tangents = tf.function(self._score_tangents, **options)

    def first_slots(self, weights: list, inputs: Inputs) -> Slots:
        """For each rule, for each block of its recipes' weights, the rule's state."""
        import tensorflow as tf

        return [
            [
                rule.slots(tf, block, self._rule_inputs(inputs, number, block, axis))
                for block, axis in zip(own, self.block_axes, strict=True)
            ]
            for number, (rule, own) in enumerate(zip(self.rules, self._divided(weights), strict=True))
        ]

    def axis(self, index: int) -> int:
        """Where the recipes' axis is in a weight."""
        return self.forms[index].axis

    def _rule_inputs(self, inputs: Inputs, number: int, block: Tensor, axis: int) -> Inputs:
        return {name: spread(inputs[f"{number}.{name}"], block, axis) for name in self.rules[number].names}

    def _divided(self, weights: list) -> Blocks:
        """The trainable weights packed for updates, and divided by rule."""
        packed = self.packing.pack([weights[index] for index in self.trainable])
        return [
            [columns(block, axis, rule.start, rule.stop) for block, axis in zip(packed, self.block_axes, strict=True)]
            for rule in self.rules
        ]

    def _joined(self, blocks: Blocks) -> list[Tensor | tuple[Tensor, ...]]:
        """Each block of all recipes. What the layers take in parts is not joined."""
        import tensorflow as tf

        return [
            tuple(parts) if in_parts else parts[0] if len(parts) == 1 else tf.concat(parts, axis)
            for *parts, in_parts, axis in zip(*blocks, self.in_parts, self.block_axes, strict=True)
        ]

    def _weights(self, joined: list, state: list) -> list:
        """All weights in the order of the model, from the blocks of the trainable ones and the others."""
        weights: list = [None] * (len(self.trainable) + len(state))
        for index, value in zip(self.trainable, self.packing.unpack(joined), strict=True):
            weights[index] = value
        for index, value in zip(self.state, state, strict=True):
            weights[index] = value
        return weights

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
            inputs: The hyperparameters (see `hyperparameters`), `seeds`, int32 `[S]`, and where hidden layers are
                padded `widths`, int32 `[R, hidden layers]`.
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

        def body(i: Tensor, blocks: Blocks, others: list, slots: Slots, total: Tensor) -> tuple:
            step, present = self._numbered(i, x, y, rates[i], first, rows, inputs, tf)
            blocks, others, slots, loss = self._step(blocks, others, slots, step)
            return i + 1, blocks, others, slots, total + loss * present

        total = tf.zeros([self.seeds, self.recipes], self.dtype)
        state = (tf.constant(0), self._divided(weights), [weights[index] for index in self.state], slots, total)
        _, blocks, others, slots, total = tf.while_loop(lambda i, *_: i < steps, body, state)
        return self._whole(blocks, others), slots, total

    def _chunk_tangents(
        self,
        weights: list,
        slots: Slots,
        tangents: tuple[list, Slots],
        inputs: Inputs,
        directions: Inputs,
        x: Tensor,
        y: Tensor,
        rates: Tensor,
        rate_directions: Tensor,
        steps: Tensor,
        first: Tensor,
        rows: Tensor,
    ) -> tuple[list, Slots, tuple[list, Slots], Tensor]:
        """As `_chunk_steps`, and each trial's derivative of weights and slots along a direction of its own through its
        hyperparameters (Franceschi et al. 2017, section 3.2: `Z = A Z + B` is the tangent of a step).

        Args:
            tangents: Of weights and slots as they stand.
            directions: Of the inputs by name; one that is not there does not move.
            rate_directions: Of the learning rates, `[chunk steps, S, R]`.

        Returns:
            Weights, slots, their tangents, and the sum over rows of each trial's loss.
        """
        import tensorflow as tf

        _differentiate_updates_of_slices()
        zero, nest = tf.UnconnectedGradients.ZERO, tf.nest
        moved = {name: inputs[name] for name in directions}

        def body(i: Tensor, state: tuple, tangent: tuple, total: Tensor) -> tuple:
            rate = rates[i]
            primals = nest.flatten((state, rate, moved))
            along = nest.flatten((tangent, rate_directions[i], directions))
            step, present = self._numbered(i, x, y, rate, first, rows, inputs, _Smooth())
            with tf.autodiff.ForwardAccumulator(primals, along) as forward_mode:
                blocks, others, slots, loss = self._step(state[0], state[1], state[2], step)
            state = (blocks, others, slots)
            tangent = nest.map_structure(lambda value: forward_mode.jvp(value, unconnected_gradients=zero), state)
            return i + 1, state, tangent, total + loss * present

        def divided(weights: list, slots: Slots) -> tuple:
            return self._divided(weights), [weights[index] for index in self.state], slots

        total = tf.zeros([self.seeds, self.recipes], self.dtype)
        start = (tf.constant(0), divided(weights, slots), divided(*tangents), total)
        _, (blocks, others, slots), tangent, total = tf.while_loop(lambda i, *_: i < steps, body, start)
        along_weights = self._whole(tangent[0], tangent[1])
        return self._whole(blocks, others), slots, (along_weights, tangent[2]), total

    def _numbered(
        self, i: Tensor, x: Tensor, y: Tensor, rate: Tensor, first: Tensor, rows: Tensor, inputs: Inputs, namespace: Any
    ) -> tuple[_Step, Tensor]:
        """Step `i` of a chunk, and how many of its rows exist."""
        import tensorflow as tf

        start = i * self.batch_size
        batch_x = _batch(x, start, self.batch_size)
        batch_y = _batch(y, start, self.batch_size)
        present = tf.minimum(rows - start, self.batch_size)
        mask = tf.cast(tf.range(self.batch_size) < present, self.dtype)
        return _Step(batch_x, batch_y, mask, rate, first + i, inputs, namespace), tf.cast(present, self.dtype)

    def _whole(self, blocks: Blocks, others: list) -> list:
        """All weights from the blocks of all rules and the untrained weights."""
        import tensorflow as tf

        joined = [
            tf.concat(parts, axis) for parts, axis in zip(zip(*blocks, strict=True), self.block_axes, strict=True)
        ]
        return self._weights(joined, others)

    def _step(self, blocks: Blocks, others: list, slots: Slots, step: _Step) -> tuple[Blocks, list, Slots, Tensor]:
        """One training step; also each trial's loss before it, `[S, R]`."""
        import tensorflow as tf

        inputs = step.inputs

        def uniforms(shape: list[int], layer: int) -> Tensor:
            # Keyed by seed, layer and step alone. philox, since the default generator differs under XLA.
            lanes = range(0, self.seeds, self.folds)
            keys = [tf.stack([inputs["seeds"][s] * 1000 + layer, step.number]) for s in lanes]
            drawn = [tf.random.stateless_uniform(shape, key, dtype=self.dtype, alg="philox") for key in keys]
            return tf.repeat(tf.stack(drawn), self.folds, axis=0) if self.folds > 1 else tf.stack(drawn)

        context = Context(True, step.mask, inputs.get("dropout"), uniforms, self.grouped, inputs.get("widths"))
        joined = self._joined(blocks)
        with tf.GradientTape() as tape:
            tape.watch(joined)
            weights = self._weights(joined, others)
            outputs, state = forward(self.layers, weights, step.x, context)
            losses = self._training_losses(outputs, step) * step.mask
            loss = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(step.mask) + self._penalty(weights, inputs)
            total = tf.reduce_sum(loss)
        gradients = self._clipped(tape.gradient(total, joined), inputs)

        count = tf.cast(step.number + 1, self.dtype)
        new_blocks: Blocks = []
        new_slots: Slots = []
        for number, rule in enumerate(self.rules):
            rate = step.rate[:, rule.start : rule.stop]
            if rule.searches:
                directions = self._proposed(rule, blocks[number], others, step, context, loss)
            else:
                directions = [
                    gradient[number] if isinstance(gradient, tuple) else columns(gradient, axis, rule.start, rule.stop)
                    for gradient, axis in zip(gradients, self.block_axes, strict=True)
                ]
            total = None if rule.summed is None else self._total(rule.summed, directions, slots[number])
            moved = []
            for block, axis, direction, own in zip(
                blocks[number], self.block_axes, directions, slots[number], strict=True
            ):
                own_rate = spread(rate, block, axis)
                own_inputs = self._rule_inputs(inputs, number, block, axis)
                if total is not None:
                    own_inputs["total"] = spread(total, block, axis)
                if f"{number}.weight_decay" in inputs:
                    block -= block * spread(inputs[f"{number}.weight_decay"], block, axis) * own_rate
                moved.append(rule.update(step.namespace, block, direction, own, own_rate, count, own_inputs))
            new_blocks.append([block for block, _ in moved])
            new_slots.append([own for _, own in moved])
        return new_blocks, [state[index] for index in self.state], new_slots, loss

    def _total(self, summed: Summed, gradients: list, slots: list[tuple[Tensor, ...]]) -> Tensor:
        """What a rule sums over all weights of each of its trials, `[S, recipes of the rule]`."""
        import tensorflow as tf

        blocks = zip(gradients, slots, self.block_axes, strict=True)
        return tf.add_n([_sum_per_trial(summed(gradient, own), axis) for gradient, own, axis in blocks])

    def _proposed(
        self, rule: Rule, blocks: list, others: list, step: _Step, context: Context, loss: Tensor
    ) -> list[Tensor]:
        """For the blocks of a searching rule, minus a random direction, or zero where the batch's loss is not lower one
        learning rate along it."""
        import tensorflow as tf

        inputs, own = step.inputs, slice(rule.start, rule.stop)
        directions = self._directions(rule, step)
        tried = [
            block + direction * spread(step.rate[:, own], block, axis)
            for block, direction, axis in zip(blocks, directions, self.block_axes, strict=True)
        ]
        state = [columns(each, 1, rule.start, rule.stop) for each in others]
        weights = self._weights(tried, state)
        dropout, widths = inputs.get("dropout"), inputs.get("widths")
        context = replace(
            context,
            dropout=None if dropout is None else dropout[:, own],
            widths=None if widths is None else widths[own],
        )
        outputs, _ = forward(self.layers, weights, step.x, context)
        losses = self._training_losses(outputs, step, own) * step.mask
        there = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(step.mask) + self._penalty(weights, inputs, own)
        better = tf.cast(there < loss[:, own], self.dtype)
        return [
            -direction * spread(better, block, axis)
            for block, axis, direction in zip(blocks, self.block_axes, directions, strict=True)
        ]

    def _directions(self, rule: Rule, step: _Step) -> list[Tensor]:
        """Of each block a normal direction, one a seed, shared by its trials (`R` is 1). Where hidden layers are
        padded, one for each network's own weights, and zero elsewhere."""
        import tensorflow as tf

        if not self.own_packings:
            return self._drawn(self.packing, step)
        packings = self.own_packings[rule.start : rule.stop]
        drawn: list[tuple[Packing, list[Tensor]]] = []
        for packing in packings:
            if all(packing != other for other, _ in drawn):
                weights = packing.unpack(self._drawn(packing, step))
                drawn.append((packing, [self._padded(each, place) for place, each in enumerate(weights)]))
        of_each = [next(padded for other, padded in drawn if other == packing) for packing in packings]
        return self.packing.pack([tf.concat(each, axis) for *each, axis in zip(*of_each, self.axes, strict=True)])

    def _drawn(self, packing: Packing, step: _Step) -> list[Tensor]:
        import tensorflow as tf

        directions = []
        for place, block in enumerate(packing.blocks):
            axis, shapes = packing.axis(block), [packing.shapes[each] for each in block]
            shape = shapes[0] if axis == 2 else (sum(map(math.prod, shapes)),)
            keys = [tf.stack([step.inputs["seeds"][s] * 1000 + 500 + place, step.number]) for s in range(self.seeds)]
            drawn = [tf.random.stateless_normal(shape, key, dtype=self.dtype, alg="philox") for key in keys]
            directions.append(tf.expand_dims(tf.stack(drawn), axis))
        return directions

    def _padded(self, weight: Tensor, place: int) -> Tensor:
        """A trainable weight `[S, 1, ...]` of a narrower network, with zeros up to the shape it has in this one."""
        import tensorflow as tf

        wide = list(self.packing.shapes[place])
        wide.insert(self.axes[place] - 1, 1)
        missing = [most - own for most, own in zip(wide, weight.shape[1:], strict=True)]
        return tf.pad(weight, [[0, 0], *([0, each] for each in missing)])

    def _training_losses(self, outputs: Tensor, step: _Step, part: slice = slice(None)) -> Tensor:
        """Each row's loss as it is trained on, `[S, R, B]`, smoothed and weighted; `outputs` are those of the columns
        `part`."""
        import tensorflow as tf

        smoothing, weights = (step.inputs.get(name) for name in ("label_smoothing", "class_weights"))
        losses = self._losses(outputs, step.y, None if smoothing is None else smoothing[:, part])
        return losses if weights is None else losses * tf.gather(weights[:, part], step.y, axis=2, batch_dims=1)

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

    def _clipped(self, packed: list, inputs: Inputs) -> list:
        """Each trial's gradients clipped in its own way; a trial without a limit keeps its gradients bit for bit."""
        import tensorflow as tf

        if not {"clip_value", "clip_norm", "clip_global_norm"} & inputs.keys():
            return packed
        whole = [
            tf.concat(each, axis) if isinstance(each, tuple) else each
            for each, axis in zip(packed, self.block_axes, strict=True)
        ]
        gradients, axes = self.packing.unpack(whole), [self.axis(index) for index in self.trainable]
        if (limit := inputs.get("clip_value")) is not None:
            limits = [spread(limit, g, axis) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [tf.where(c > 0, tf.clip_by_value(g, -c, c), g) for g, c in zip(gradients, limits, strict=True)]
        if (limit := inputs.get("clip_norm")) is not None:
            norms = [tf.sqrt(_sum_per_trial(tf.square(g), axis)) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [
                tf.where(spread(limit, g, axis) > 0, g * spread(limit / tf.maximum(n, limit), g, axis), g)
                for g, n, axis in zip(gradients, norms, axes, strict=True)
            ]
        if (limit := inputs.get("clip_global_norm")) is not None:
            squares = [_sum_per_trial(tf.square(g), axis) for g, axis in zip(gradients, axes, strict=True)]
            scale = limit / tf.maximum(tf.sqrt(tf.add_n(squares)), limit)
            gradients = [
                tf.where(spread(limit, g, axis) > 0, g * spread(scale, g, axis), g)
                for g, axis in zip(gradients, axes, strict=True)
            ]
        clipped = zip(self.packing.pack(gradients), packed, self.block_axes, strict=True)
        return [
            tuple(tf.split(block, [part.shape[axis] for part in like], axis)) if isinstance(like, tuple) else block
            for block, like, axis in clipped
        ]

    def _score_rows(
        self, weights: list, inputs: Inputs, x: Tensor, y: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Summed loss and summed hits of one slice of rows, padded, and the penalties; `[S, R]` each. Hits are 0 for
        regression."""
        import tensorflow as tf

        mask = tf.cast(tf.range(x.shape[1]) < rows, self.dtype)
        outputs, _ = forward(self.layers, weights, x, Context(training=False, grouped=self.grouped))
        losses = tf.reduce_sum(self._losses(outputs, y, None) * mask, axis=2)
        if self.classes is None:
            return losses, tf.zeros_like(losses), self._penalty(weights, inputs)
        hits = tf.cast(tf.argmax(outputs, axis=-1, output_type=y.dtype) == y[:, None, :], self.dtype)
        return losses, tf.reduce_sum(hits * mask, axis=2), self._penalty(weights, inputs)

    def _score_tangents(self, weights: list, tangents: list, x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The derivative of one slice's summed loss, without penalties, along the weights' tangents; `[S, R]`."""
        import tensorflow as tf

        with tf.autodiff.ForwardAccumulator(weights, tangents) as forward_mode:
            losses, *_ = self._score_rows(weights, {}, x, y, rows)
        return forward_mode.jvp(losses, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _output_rows(self, weights: list, x: Tensor) -> Tensor:
        outputs, _ = forward(self.layers, weights, x, Context(training=False, grouped=self.grouped))
        return outputs


_PROGRAMS: dict[Structure, Program] = {}
_PROGRAMS_LOCK = threading.Lock()


def trainable_shapes(model: keras.Model) -> Shapes:
    """Of each trainable weight as one trial has it in a stack, in the order of the layers."""
    layers = layout(model)
    stored = forms(layers)
    return tuple(
        stored[index].stored(np.empty(model.weights[index].shape)).shape for one in layers for index in one.trainable
    )


def rules_of(recipes: Sequence[Trial]) -> tuple[Rule, ...]:
    """The update rules of recipes of which those with one rule lie side by side."""
    rules: list[Rule] = []
    start = 0
    for _, group in groupby(recipes, key=lambda trial: trial.optimizer.update.__name__):
        members = [trial.optimizer for trial in group]
        stop = start + len(members)
        one = members[0]
        names = (*one.inputs, *(["learning_rate"] if one.summed else []))
        rules.append(Rule(one.update, one.slots, names, one.searches, one.summed, start, stop))
        start = stop
    return tuple(rules)


@cache
def _differentiate_updates_of_slices() -> None:
    """Gives `XlaDynamicUpdateSlice` the gradient that TensorFlow lacks: under XLA the gradient of a slice is one, and
    forward mode takes gradients of gradients."""
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops

    def gradient(operation: tf.Operation, above: Tensor) -> tuple:
        _, update, start = operation.inputs
        hole = gen_xla_ops.xla_dynamic_update_slice(above, tf.zeros_like(update), start)
        return hole, tf.slice(above, start, update.shape), None

    with suppress(KeyError):  # a later TensorFlow may have it
        tf.RegisterGradient("XlaDynamicUpdateSlice")(gradient)


class _Smooth:
    """TensorFlow as an update sees it in forward mode: its square root has the derivative 0 at 0.

    Adam takes the root of its second moment, which is 0 where no gradient ever came (a pixel that is always blank, a
    unit that never fires). Nothing moves there, but 0 / 0 would turn the whole derivative into NaN.
    """

    def __getattr__(self, name: str) -> Any:
        import tensorflow as tf

        return getattr(tf, name)

    def sqrt(self, x: Tensor) -> Tensor:
        import tensorflow as tf

        zero = x == 0
        return tf.where(zero, tf.zeros_like(x), tf.sqrt(tf.where(zero, tf.ones_like(x), x)))


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
