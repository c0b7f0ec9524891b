"""Derivatives of a stack's training by its hyperparameters, in forward mode: compiled beside a `Program`."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from tasks.training.program import PROGRAMS_KEPT, Inputs, Program, Slots
from tasks.training.stacked_layers import Tensor

FORWARD_MODE = threading.RLock()
"""Held while forward mode is traced. TensorFlow keeps what it traced for all threads in one table without a lock, and
two stacks at a time would end with "OrderedDict mutated during iteration"."""


class TangentProgram:
    """The compiled functions `chunk` and `score`, as `chunk_steps` and `score_rows` describe them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.chunk = program.compiled(self.chunk_steps)
        self.score = program.compiled(self.score_rows)

    def chunk_steps(
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
        """As `Program.chunk_steps`. It also carries along each trial's derivative of weights and slots in the trial's
        own direction of hyperparameters (Franceschi et al. 2017, section 3.2: `Z = A Z + B` is the tangent of a step).

        Args:
            tangents: The present tangents of weights and slots.
            directions: Directions of the inputs by name; an input that is left out does not move.
            rate_directions: Directions of the learning rates, `[chunk steps, S, R]`.

        Returns:
            Weights, slots, their tangents, and the sum over rows of each trial's loss.
        """
        import tensorflow as tf

        _differentiate_updates_of_slices()
        program, zero, nest = self.program, tf.UnconnectedGradients.ZERO, tf.nest
        moved = {name: inputs[name] for name in directions}

        def body(i: Tensor, state: tuple, tangent: tuple, total: Tensor) -> tuple:
            rate = rates[i]
            primals = nest.flatten((state, rate, moved))
            along = nest.flatten((tangent, rate_directions[i], directions))
            step, present = program.numbered(i, x, y, rate, first, rows, inputs, _Smooth())
            with tf.autodiff.ForwardAccumulator(primals, along) as forward_mode:
                blocks, others, slots, loss = program.step(state[0], state[1], state[2], step)
            state = (blocks, others, slots)
            tangent = nest.map_structure(lambda value: forward_mode.jvp(value, unconnected_gradients=zero), state)
            return i + 1, state, tangent, total + loss * present

        def divided(weights: list, slots: Slots) -> tuple:
            return program.divided(weights), [weights[index] for index in program.state], slots

        total = tf.zeros(program.shape, program.dtype)
        start = (tf.constant(0), divided(weights, slots), divided(*tangents), total)
        with FORWARD_MODE:
            _, (blocks, others, slots), tangent, total = tf.while_loop(lambda i, *_: i < steps, body, start)
        along_weights = program.whole(tangent[0], tangent[1])
        return program.whole(blocks, others), slots, (along_weights, tangent[2]), total

    def score_rows(self, weights: list, tangents: list, x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The derivative of one slice's summed loss, without penalties, along the weights' tangents; `[S, R]`."""
        import tensorflow as tf

        with FORWARD_MODE, tf.autodiff.ForwardAccumulator(weights, tangents) as forward_mode:
            losses, *_ = self.program.score_rows(weights, {}, x, y, rows)
        return forward_mode.jvp(losses, unconnected_gradients=tf.UnconnectedGradients.ZERO)


@lru_cache(maxsize=PROGRAMS_KEPT)
def tangents_of(program: Program) -> TangentProgram:
    """Returns the tangent program of a program; one object for each, so that it is compiled once."""
    return TangentProgram(program)


@cache
def _differentiate_updates_of_slices() -> None:
    """Registers a gradient of `XlaDynamicUpdateSlice`, which TensorFlow lacks. Under XLA the gradient of a slice is
    that operation, and forward mode takes gradients of gradients."""
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
