"""The compiled part of a stack: training steps, validation and outputs as functions of arrays.

A `Program` depends on the shapes of a stack and on its update rules, not on its data, seeds or hyperparameters, which
are arguments. So stacks of equal structure share one, and its compilation (`compiled.program_for`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from tasks.training.axes import batch, columns, spread, sum_per_trial
from tasks.training.cautious import cautious
from tasks.training.clipping import NAMES, clipped
from tasks.training.directions import Directions
from tasks.training.hyperparameters import Rule
from tasks.training.loss import Loss
from tasks.training.matrices import Matrices, hidden_kernels
from tasks.training.naming import NamedFunction
from tasks.training.networks import trainable_shapes
from tasks.training.noise import ETA, STREAM, deviation
from tasks.training.packing import Packing
from tasks.training.stacked_layers import Context, StackedLayer, Tensor, groups_work
from tasks.training.stacked_networks import forms, forward, layout
from tasks.training.structure import Structure
from tasks.training.views import Views

if TYPE_CHECKING:
    import keras

Inputs = Mapping[str, Tensor]
Blocks = list[list[Tensor]]
"""For each rule, its recipes' trainable weights in blocks (`packing`)."""
Slots = list[list[tuple[Tensor, ...]]]
"""Likewise the optimizers' state."""

PROGRAMS_KEPT = 8
"""Compiled programs that a process keeps for stacks to come; each takes some megabytes."""


@dataclass(frozen=True)
class Step:
    """The arguments of one step besides weights and slots: a batch `x`, `y` with a mask of the rows that exist, the
    learning rates `[S, R]`, the steps taken before, the hyperparameters, the array namespace of the updates; and where
    steps update averages, the share of the old average that is kept, `[S, R]`."""

    x: Tensor
    y: Tensor
    mask: Tensor
    rate: Tensor
    number: Tensor
    inputs: Inputs
    namespace: Any
    retained: Tensor | None = None


class Engine(Protocol):
    """Runs a stack's chunks of steps and scores its rows: a `Program`, or an object that does more beside that."""

    def chunk(self, *arguments: Any) -> tuple[list, Slots, Tensor]:
        """As `Program.chunk_steps`."""
        ...

    def score(self, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        """As `Program.score_rows`."""
        ...


class Program:
    """The compiled functions of one structure: `chunk`, `score` and `outputs`, as `chunk_steps`, `score_rows` and
    `output_rows` describe them."""

    def __init__(self, model: keras.Model, structure: Structure) -> None:
        import tensorflow as tf

        self.rules, self.batch_size, self.averages = structure.rules, structure.batch_size, structure.averages
        self.accumulation = structure.accumulation
        self.shape, self.folds = (structure.replicas, structure.recipes), structure.folds
        self.dtype = tf.as_dtype(structure.dtype)
        self.layers: list[StackedLayer] = layout(model)
        self.forms = forms(self.layers)
        self.trainable = [index for one in self.layers for index in one.trainable]
        self.state = [index for one in self.layers for index in one.state]
        normalising = [one for one in self.layers if hasattr(one.layer, "moving_mean")]
        self.statistics = {index: 1 - one.layer.momentum for one in normalising for index in one.state}
        axes = [self.axis(index) for index in self.trainable]
        self.packing = Packing(trainable_shapes(model), axes)
        narrow = [Packing(shapes, axes) for shapes in structure.narrow_shapes]
        self.views = Views(self.packing, Matrices(self.packing, hidden_kernels(self.layers)))
        self.directions = Directions(self.packing, narrow, self.dtype)
        self.block_axes = [self.packing.axis(block) for block in self.packing.blocks]
        self.in_parts = [
            len(block) == 1 and self.forms[self.trainable[block[0]]].in_parts for block in self.packing.blocks
        ]
        kernels = [one.trainable[0] for one in self.layers if one.trainable and one.layer.weights[0].name == "kernel"]
        kernel_axes = [self.axis(index) for index in kernels]
        self.loss = Loss(structure.classes, self.shape, self.dtype, kernels, kernel_axes)
        self.grouped = not structure.xla and groups_work(structure.dtype)
        self.options = {"jit_compile": structure.xla, "autograph": False}
        self.name = structure.name
        self.chunk = self.compiled(self.chunk_steps)
        self.score = self.compiled(self.score_rows)
        self.outputs = self.compiled(self.output_rows)

    def compiled(self, body: Callable[..., Any]) -> NamedFunction:
        """A function of the program's tensors, compiled as the program is."""
        return NamedFunction(body, self.name, self.options)

    def first_slots(self, weights: list, inputs: Inputs) -> Slots:
        """The first slots of each rule and each block of its recipes' weights: the rule's own state; then, where
        gradients are accumulated over several steps, their sum so far; last the average, if any."""
        import tensorflow as tf

        sums = self.accumulation > 1
        return [
            [
                (
                    *rule.slots(tf, block, self._rule_inputs(inputs, number, block, axis)),
                    *([tf.zeros_like(block)] * sums),
                    *([block] * self.averages),
                )
                for block, axis in zip(blocks, self.block_axes, strict=True)
            ]
            for number, (rule, blocks) in enumerate(zip(self.rules, self.divided(weights), strict=True))
        ]

    def axis(self, index: int) -> int:
        """Where the recipes' axis is in a weight."""
        return self.forms[index].axis

    def chunk_steps(
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
            weights, slots: The present ones.
            inputs: The hyperparameters (see `hyperparameters`); `seeds`, int32 `[S]`; where hidden layers are padded,
                `widths`, int32 `[R, hidden layers]`; and where steps update averages, `retained`, the share of the old
                average that each step keeps, `[chunk steps, S, R]`.
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
            step, present = self.numbered(i, x, y, rates[i], first, rows, inputs, tf)
            blocks, others, slots, loss = self.step(blocks, others, slots, step)
            return i + 1, blocks, others, slots, total + loss * present

        total = tf.zeros(self.shape, self.dtype)
        state = (tf.constant(0), self.divided(weights), [weights[index] for index in self.state], slots, total)
        _, blocks, others, slots, total = tf.while_loop(lambda i, *_: i < steps, body, state)
        return self.whole(blocks, others), slots, total

    def score_rows(
        self, weights: list, inputs: Inputs, x: Tensor, y: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Summed loss and summed hits of one slice of rows, padded, and the penalties; `[S, R]` each. Hits are 0 for
        regression.

        Args:
            x: `[S or 1, slice rows, ...]`; 1 where all replicas see the same rows.
            y: `[S or 1, slice rows]`.
            rows: How many of them exist.
        """
        import tensorflow as tf

        mask = tf.cast(tf.range(x.shape[1]) < rows, self.dtype)
        outputs = self.output_rows(weights, x)
        losses = tf.reduce_sum(self.loss.of_rows(outputs, y) * mask, axis=2)
        if self.loss.classes is None:
            return losses, tf.zeros_like(losses), self.loss.penalty(weights, inputs)
        hits = tf.cast(tf.argmax(outputs, axis=-1, output_type=y.dtype) == y[:, None, :], self.dtype)
        return losses, tf.reduce_sum(hits * mask, axis=2), self.loss.penalty(weights, inputs)

    def output_rows(self, weights: list, x: Tensor) -> Tensor:
        """The networks' outputs for rows `[S or 1, rows, ...]`: `[S, R, rows, outputs]`."""
        outputs, _ = forward(self.layers, weights, x, Context(training=False, grouped=self.grouped))
        return outputs

    def evaluated(self, weights: list, slots: Slots) -> list:
        """The weights that trials are evaluated with: an average, the optimizer's choice, or the trained weights."""
        if not self.averages and all(rule.evaluated is None for rule in self.rules):
            return weights
        chosen: Blocks = []
        for rule, blocks, of_blocks in zip(self.rules, self.divided(weights), slots, strict=True):
            if self.averages:
                chosen.append([block_slots[-1] for block_slots in of_blocks])
            else:
                own = [self._divided_slots(each)[0] for each in of_blocks]
                chosen.append([rule.evaluated(each) for each in own] if rule.evaluated else blocks)
        return self.whole(chosen, [weights[index] for index in self.state])

    # -- one step, and how weights lie in it --

    def numbered(
        self, i: Tensor, x: Tensor, y: Tensor, rate: Tensor, first: Tensor, rows: Tensor, inputs: Inputs, namespace: Any
    ) -> tuple[Step, Tensor]:
        """Step `i` of a chunk, and how many of its rows exist."""
        import tensorflow as tf

        start = i * self.batch_size
        batch_x = batch(x, start, self.batch_size)
        batch_y = batch(y, start, self.batch_size)
        present = tf.minimum(rows - start, self.batch_size)
        mask = tf.cast(tf.range(self.batch_size) < present, self.dtype)
        retained = inputs["retained"][i] if self.averages else None
        step = Step(batch_x, batch_y, mask, rate, first + i, inputs, namespace, retained)
        return step, tf.cast(present, self.dtype)

    def divided(self, weights: list) -> Blocks:
        """The trainable weights packed for updates, and divided by rule."""
        packed = self.packing.pack([weights[index] for index in self.trainable])
        return [
            [columns(block, axis, rule.start, rule.stop) for block, axis in zip(packed, self.block_axes, strict=True)]
            for rule in self.rules
        ]

    def whole(self, blocks: Blocks, others: list) -> list:
        """All weights from the blocks of all rules and the untrained weights."""
        import tensorflow as tf

        joined = [
            tf.concat(parts, axis) for parts, axis in zip(zip(*blocks, strict=True), self.block_axes, strict=True)
        ]
        return self._weights(joined, others)

    def step(self, blocks: Blocks, others: list, slots: Slots, step: Step) -> tuple[Blocks, list, Slots, Tensor]:
        """Takes one training step; also returns each trial's loss before it, `[S, R]`."""
        context = self._context(step)
        gradients, state, loss = self._gradients(blocks, others, step, context)
        new_blocks: Blocks = []
        new_slots: Slots = []
        for number, rule in enumerate(self.rules):
            if rule.searches:
                directions = self._proposed(rule, blocks[number], others, step, context, loss)
            else:
                directions = [
                    gradient[number] if isinstance(gradient, tuple) else columns(gradient, axis, rule.start, rule.stop)
                    for gradient, axis in zip(gradients, self.block_axes, strict=True)
                ]
            if rule.sharp:
                directions = self._uphill(number, blocks[number], directions, others, step, context)
            own, sums, averages = zip(*map(self._divided_slots, slots[number]), strict=True)
            if self.accumulation > 1:
                moved, kept = self._accumulated(number, blocks[number], directions, own, sums, step)
            else:
                moved, kept = self._moved(number, blocks[number], directions, own, step), [()] * len(own)
            averaged = self._averaged(rule, moved, averages, step) if self.averages else [()] * len(own)
            moved = [
                (block, (*slots, *sums, *average))
                for (block, slots), sums, average in zip(moved, kept, averaged, strict=True)
            ]
            new_blocks.append([block for block, _ in moved])
            new_slots.append([block_slots for _, block_slots in moved])
        return new_blocks, [state[index] for index in self.state], new_slots, loss

    def _divided_slots(self, slots: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], ...]:
        """Divides a block's slots: the rule's state, the sum of gradients so far, the average. The last two may be
        empty."""
        average = len(slots) - self.averages
        sums = average - (self.accumulation > 1)
        return slots[:sums], slots[sums:average], slots[average:]

    def _accumulated(
        self,
        number: int,
        blocks: list[Tensor],
        gradients: list[Tensor],
        slots: Sequence[tuple[Tensor, ...]],
        sums: Sequence[tuple[Tensor, ...]],
        step: Step,
    ) -> tuple[list, list]:
        """As `_moved`, by the clipped mean of the gradients since the last update; until there are enough gradients,
        nothing moves. Also returns the sum of gradients of each block after the step, in a tuple."""
        import tensorflow as tf

        rule = self.rules[number]
        summed = [gradient + total for gradient, (total,) in zip(gradients, sums, strict=True)]

        def update() -> tuple[list, list]:
            means = [each / self.accumulation for each in summed]
            means = clipped(means, self.packing, self._limits(rule, step.inputs))
            moved = self._moved(number, blocks, means, slots, step)
            return moved, [(tf.zeros_like(each),) for each in summed]

        def wait() -> tuple[list, list]:
            return list(zip(blocks, map(tuple, slots), strict=True)), [(each,) for each in summed]

        due = tf.equal((step.number + 1) % self.accumulation, 0)
        return tf.cond(due, update, wait)

    def _limits(self, rule: Rule, inputs: Inputs) -> Inputs:
        """The clipping limits of a rule's recipes."""
        return {name: inputs[name][:, rule.start : rule.stop] for name in NAMES if name in inputs}

    def _context(self, step: Step) -> Context:
        import tensorflow as tf

        replicas, _ = self.shape

        def uniforms(shape: list[int], layer: int) -> Tensor:
            # Keyed by seed, layer and step alone. philox, since the default generator differs under XLA.
            keys = [
                tf.stack([step.inputs["seeds"][s] * 1000 + layer, step.number]) for s in range(0, replicas, self.folds)
            ]
            drawn = [tf.random.stateless_uniform(shape, key, dtype=self.dtype, alg="philox") for key in keys]
            return tf.repeat(tf.stack(drawn), self.folds, axis=0) if self.folds > 1 else tf.stack(drawn)

        return Context(True, step.mask, step.inputs.get("dropout"), uniforms, self.grouped, step.inputs.get("widths"))

    def _gradients(self, blocks: Blocks, others: list, step: Step, context: Context) -> tuple[list, dict, Tensor]:
        """Gradients of the joined blocks, clipped where each step makes an update, the new state by weight, and each
        trial's loss."""
        import tensorflow as tf

        joined = self._joined(blocks)
        with tf.GradientTape() as tape:
            tape.watch(joined)
            weights = self._weights(joined, others)
            outputs, state = forward(self.layers, weights, step.x, context)
            losses = self.loss.of_training_rows(outputs, step.y, step.inputs) * step.mask
            loss = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(step.mask) + self.loss.penalty(weights, step.inputs)
            total = tf.reduce_sum(loss)
        gradients = tape.gradient(total, joined)
        return gradients if self.accumulation > 1 else clipped(gradients, self.packing, step.inputs), state, loss

    def _moved(
        self, number: int, blocks: list[Tensor], directions: list, slots: Sequence[tuple[Tensor, ...]], step: Step
    ) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
        """Each block of a rule after its update, with its state."""
        import tensorflow as tf

        rule, inputs, namespace = self.rules[number], step.inputs, step.namespace
        updates = step.number if self.accumulation == 1 else step.number // self.accumulation
        count, rate = tf.cast(updates + 1, self.dtype), step.rate[:, rule.start : rule.stop]
        if ETA in inputs and not rule.searches:
            directions = self._noisy(rule, directions, updates, inputs)
        rates = [spread(rate, block, axis) for block, axis in zip(blocks, self.block_axes, strict=True)]
        if f"{number}.weight_decay" in inputs and not rule.decays:
            decay = inputs[f"{number}.weight_decay"]
            blocks = [
                block - block * spread(decay, block, axis) * block_rate
                for block, axis, block_rate in zip(blocks, self.block_axes, rates, strict=True)
            ]
        seen = [
            self._rule_inputs(inputs, number, block, axis) for block, axis in zip(blocks, self.block_axes, strict=True)
        ]
        self.views.add(rule, blocks, directions, slots, seen, inputs, namespace, count)
        moved = [
            rule.update(namespace, block, direction, block_slots, block_rate, count, block_inputs)
            for block, direction, block_slots, block_rate, block_inputs in zip(
                blocks, directions, slots, rates, seen, strict=True
            )
        ]
        if rule.cautious:
            return cautious(self.packing, blocks, moved, directions, inputs["sizes"][rule.start : rule.stop])
        return moved

    def _noisy(self, rule: Rule, gradients: list[Tensor], updates: Tensor, inputs: Inputs) -> list[Tensor]:
        """Adds noise to a rule's gradients; `updates` is the number of updates before this one."""
        import tensorflow as tf

        seeds, replicas = inputs["seeds"], self.shape[0]
        drawn = self.directions.drawn(rule.start, rule.stop, seeds, updates, replicas, STREAM)
        wide = deviation(inputs, slice(rule.start, rule.stop), tf.cast(updates + 1, self.dtype))
        return [
            gradient + noise * spread(wide, gradient, axis)
            for gradient, noise, axis in zip(gradients, drawn, self.block_axes, strict=True)
        ]

    def _averaged(self, rule: Rule, moved: list, averages: Sequence[tuple[Tensor]], step: Step) -> list[tuple]:
        """The average of each block after the update that `_moved` returned, in a tuple."""
        assert step.retained is not None
        retained, result = step.retained[:, rule.start : rule.stop], []
        for (block, slots), axis, (average,) in zip(moved, self.block_axes, averages, strict=True):
            kept, new = spread(retained, block, axis), block if rule.evaluated is None else rule.evaluated(slots)
            result.append((kept * average + (1 - kept) * new,))
        return result

    def _rule_inputs(self, inputs: Inputs, number: int, block: Tensor, axis: int) -> dict[str, Tensor]:
        return {name: spread(inputs[f"{number}.{name}"], block, axis) for name in self.rules[number].names}

    def _proposed(
        self, rule: Rule, blocks: list, others: list, step: Step, context: Context, loss: Tensor
    ) -> list[Tensor]:
        """Proposes a step for the blocks of a searching rule: minus a random direction, or zero where the batch's loss
        is not lower one learning rate along it."""
        import tensorflow as tf

        inputs, part = step.inputs, slice(rule.start, rule.stop)
        directions = self.directions.drawn(rule.start, rule.stop, inputs["seeds"], step.number, self.shape[0])
        tried = [
            block + direction * spread(step.rate[:, part], block, axis)
            for block, direction, axis in zip(blocks, directions, self.block_axes, strict=True)
        ]
        there = self._loss_of(rule, tried, others, step, context)
        better = tf.cast(there < loss[:, part], self.dtype)
        return [
            -direction * spread(better, block, axis)
            for block, axis, direction in zip(blocks, self.block_axes, directions, strict=True)
        ]

    def _uphill(
        self, number: int, blocks: list, gradients: list[Tensor], others: list, step: Step, context: Context
    ) -> list[Tensor]:
        """The clipped gradient at a point `rho` up the slope, for the blocks of a sharp rule."""
        import tensorflow as tf

        rule, rho = self.rules[number], step.inputs[f"{number}.rho"]
        squares = [
            sum_per_trial(tf.square(gradient), axis) for gradient, axis in zip(gradients, self.block_axes, strict=True)
        ]
        share = rho * tf.math.rsqrt(tf.maximum(tf.add_n(squares), 1e-30))
        above = [
            block + gradient * spread(share, block, axis)
            for block, gradient, axis in zip(blocks, gradients, self.block_axes, strict=True)
        ]
        with tf.GradientTape() as tape:
            tape.watch(above)
            total = tf.reduce_sum(self._loss_of(rule, above, others, step, context))
        gradients = tape.gradient(total, above)
        return gradients if self.accumulation > 1 else clipped(gradients, self.packing, self._limits(rule, step.inputs))

    def _loss_of(self, rule: Rule, blocks: list, others: list, step: Step, context: Context) -> Tensor:
        """The batch's loss of a rule's recipes with these blocks, `[S, recipes of the rule]`."""
        import tensorflow as tf

        inputs, part = step.inputs, slice(rule.start, rule.stop)
        weights = self._weights(blocks, [columns(each, 1, rule.start, rule.stop) for each in others])
        dropout, widths = inputs.get("dropout"), inputs.get("widths")
        context = replace(
            context,
            dropout=None if dropout is None else dropout[:, part],
            widths=None if widths is None else widths[part],
        )
        outputs, _ = forward(self.layers, weights, step.x, context)
        losses = self.loss.of_training_rows(outputs, step.y, inputs, part) * step.mask
        return tf.reduce_sum(losses, axis=2) / tf.reduce_sum(step.mask) + self.loss.penalty(weights, inputs, part)

    def _joined(self, blocks: Blocks) -> list[Tensor | tuple[Tensor, ...]]:
        """Joins each block over all recipes, but for blocks that the layers take in parts."""
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
