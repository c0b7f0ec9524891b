"""The weights that a stack's trials are evaluated with: the weights after the last step, or averages of weights.

The program computes averages over steps, and keeps them in the optimizers' state. This module computes averages over
the ends of the latest epochs. Batch normalisation's moving statistics belong to the trained weights, not to their
average, so they are computed again for the average, over training rows (Izmailov et al. 2018, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from tasks.training.averaging import STATISTICS_ROWS
from tasks.training.axes import batch, chosen, columns, spread
from tasks.training.chunks import Chunks
from tasks.training.compiled import Compiled
from tasks.training.program import PROGRAMS_KEPT, Inputs, Program, Slots
from tasks.training.rectangle import Rectangle
from tasks.training.stacked_layers import Context, Tensor
from tasks.training.stacked_networks import forward


@dataclass
class EpochEnds:
    """The weights of some recipes at the ends of the latest epochs.

    Args:
        last: How many ends are averaged, by the recipe's place.
        held: For each end, oldest first, the trainable weights of those recipes, in the order of `Program.trainable`.
    """

    last: dict[int, int]
    held: list[list[Tensor]] = field(default_factory=list)

    @classmethod
    def of(cls, rectangle: Rectangle) -> EpochEnds:
        return cls({r: trial.averaging.last for r, trial in enumerate(rectangle.recipes) if trial.averaging.last})

    def add(self, program: Program, weights: list[Tensor]) -> None:
        """Takes the weights at the end of an epoch."""
        if self.last:
            self.held.append([chosen(weights[index], program.axis(index), [*self.last]) for index in program.trainable])
            del self.held[: -max(self.last.values())]

    def averaged(self, program: Program, weights: list[Tensor]) -> list[Tensor]:
        """Returns the weights, with the weights of these recipes replaced by averages."""
        import tensorflow as tf

        if not self.held:
            return weights
        result = list(weights)
        for number, index in enumerate(program.trainable):
            axis = program.axis(index)
            parts = [columns(weights[index], axis, r, r + 1) for r in range(program.shape[1])]
            for place, (r, last) in enumerate(self.last.items()):
                ends = [columns(end[number], axis, place, place + 1) for end in self.held[-last:]]
                parts[r] = tf.add_n(ends) / len(ends)
            result[index] = tf.concat(parts, axis)
        return result

    def of_recipes(self, program: Program, rectangle: Rectangle, places: Sequence[int]) -> EpochEnds:
        """Returns the ends of the recipes at these places. `rectangle` has only these recipes already."""
        there = [place for place, r in enumerate(self.last) if r in places]
        ends = EpochEnds.of(rectangle)
        if ends.last:
            axes = [program.axis(index) for index in program.trainable]
            ends.held = [
                [chosen(weight, axis, there) for weight, axis in zip(end, axes, strict=True)] for end in self.held
            ]
        return ends


class Averages:
    """The weights that evaluations of a stack use.

    Args:
        chunks: Memory that training rows pass through; between two chunks of training it is free.

    Attributes:
        ends: Weights of the trials that average ends of epochs.
    """

    def __init__(self, chunks: Chunks, rectangle: Rectangle, batch_size: int, steps_per_epoch: int) -> None:
        self._chunks, self._steps_per_epoch = chunks, steps_per_epoch
        self._steps = min(-(-STATISTICS_ROWS // batch_size), steps_per_epoch)
        self.ends = EpochEnds.of(rectangle)

    def after_chunk(self, program: Program, step: int, weights: list[Tensor]) -> None:
        """Notes the weights after `step` steps, where an epoch ends there."""
        if step % self._steps_per_epoch == 0:
            self.ends.add(program, weights)

    def evaluated(
        self, compiled: Compiled, rectangle: Rectangle, step: int, weights: list[Tensor], slots: Slots
    ) -> list[Tensor]:
        """Returns the weights that trials are evaluated with after `step` steps."""
        import tensorflow as tf

        program = compiled.program
        averaged = self.ends.averaged(program, program.evaluated(weights, slots))
        if averaged is weights or not program.statistics:
            return averaged
        recipes = rectangle.recipes
        others = [each.averaging.averages or each.optimizer.evaluated is not None for each in recipes]
        averages = np.array([others] * program.shape[0])
        averages, averaged = tf.constant(averages), list(averaged)
        for index, value in zip(program.statistics, self._statistics(compiled, step, averaged), strict=True):
            axis = program.axis(index)
            averaged[index] = tf.where(spread(averages, value, axis), value, averaged[index])
        return averaged

    def _statistics(self, compiled: Compiled, step: int, weights: list[Tensor]) -> list[Tensor]:
        """Batch normalisation's statistics under these weights: means over batches, weighted by their rows. The batches
        are the first ones of the epoch that the last step was in."""
        import tensorflow as tf

        start = (step - 1) // self._steps_per_epoch * self._steps_per_epoch
        stop, position, rows = start + self._steps, start, 0
        totals: list[Tensor] = []
        while position < stop:
            chunk = self._chunks.fill(position, stop)
            sums = statistics_of(compiled.program).sums(
                weights, compiled.inputs, chunk.x, tf.constant(chunk.steps), tf.constant(chunk.rows)
            )
            totals = [total + each for total, each in zip(totals, sums, strict=True)] if totals else list(sums)
            totals[0].numpy()  # waits for the result: the next chunk overwrites the memory of the rows
            position, rows = position + chunk.steps, rows + chunk.rows
        return [total / rows for total in totals]


class Statistics:
    """The compiled function `sums`, as `sums_of_batches` describes it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.sums = program.compiled(self.sums_of_batches)

    def sums_of_batches(self, weights: list, inputs: Inputs, x: Tensor, steps: Tensor, rows: Tensor) -> list:
        """Sums, over batches, of each batch's statistics times its rows, under these weights: the statistics that batch
        normalisation averages, in the order of `Program.statistics`. Without dropout, as in evaluations.

        Args:
            x, steps, rows: As for `Program.chunk_steps`.
        """
        import tensorflow as tf

        program = self.program
        shares = program.statistics  # a moving average that was 0 moves by this share of a batch's statistics
        blank = [tf.zeros_like(each) if index in shares else each for index, each in enumerate(weights)]

        def body(i: Tensor, sums: list) -> tuple:
            start = i * program.batch_size
            present = tf.minimum(rows - start, program.batch_size)
            mask = tf.cast(tf.range(program.batch_size) < present, program.dtype)
            context = Context(True, mask, grouped=program.grouped, widths=inputs.get("widths"))
            _, state = forward(program.layers, blank, batch(x, start, program.batch_size), context)
            counted = tf.cast(present, program.dtype)
            return i + 1, [
                total + counted * state[index] / shares[index] for index, total in zip(shares, sums, strict=True)
            ]

        sums = [tf.zeros_like(weights[index]) for index in shares]
        return tf.while_loop(lambda i, *_: i < steps, body, (tf.constant(0), sums))[1]


@lru_cache(maxsize=PROGRAMS_KEPT)
def statistics_of(program: Program) -> Statistics:
    """Returns the statistics of a program; one object for each program, so that it is compiled once."""
    return Statistics(program)
