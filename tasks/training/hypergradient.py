"""Hypergradients: derivatives of the validation loss after training by the learning rate, l2, momentum and the like.

Forward mode (Franceschi et al. 2017, "Forward and Reverse Gradient-Based Hyperparameter Optimization", section 3.2).
With `s` the weights and the optimizer's state, and one hyperparameter `h`, a training step `s' = f(s, h)` moves the
derivative `Z = ds/dh` as `Z' = A Z + B`, where `A = df/ds` and `B = df/dh`. That is the tangent of the step itself: it
is taken by forward-mode differentiation of the step that `program` takes, backward pass and update rule included, so it
holds for every optimizer, schedule, penalty and clipping there is. Memory does not grow with the number of steps, as it
would in reverse mode (Maclaurin et al. 2015).

Each column of a stack follows one direction: a variant has one column for each hyperparameter, all with equal weights.
The steps that are differentiated are those of `train_stack`, so the outcomes are those of `train_stack` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tasks.training.compiled import Compiled
from tasks.training.program import Inputs, Program, Slots
from tasks.training.rectangle import Rectangle, per_trial
from tasks.training.saved import Checkpoint
from tasks.training.stack import Stack
from tasks.training.stacked_layers import Tensor
from tasks.training.tangents import FORWARD_MODE, tangents_of
from tasks.training.trial import Arrays, ArraysByFold, Outcome, Progress, Trial, by_fold

if TYPE_CHECKING:
    import keras

LEARNING_RATE = "learning_rate"
REGULARISATION = ("l1", "l2", "weight_decay")
EXACT, ONE_MINUS = "exact_", "one_minus_"
"""Prefixes of inputs that optimizers compute from a parameter: the parameter without rounding, and 1 minus it."""


def compiles(model: keras.Model) -> bool:
    """Whether XLA can compile a model's hypergradients: it has no second derivative of two-dimensional max pooling."""
    from keras import layers

    return not any(isinstance(layer, layers.MaxPooling2D) for layer in model.layers)


def values(trial: Trial) -> dict[str, float]:
    """The hyperparameters by which a trial's validation loss can be differentiated, with their values.

    These are the learning rate, the optimizer's parameters (momentum, beta_1, epsilon ...), and those of
    `REGULARISATION` that are not zero: a program leaves out what no trial uses. Dropout is not among them, since its
    mask jumps with its rate; nor is label smoothing, since the gradient of TensorFlow's cross-entropy has no derivative
    by its labels.
    """
    regularisation = (trial.penalties.l1, trial.penalties.l2, trial.weight_decay)
    return {
        LEARNING_RATE: trial.learning_rate,
        **{name: value for name, value in zip(REGULARISATION, regularisation, strict=True) if value},
        **{name: value for name, value in trial.optimizer.inputs.items() if not name.startswith((EXACT, ONE_MINUS))},
    }


def hypergradients(
    trials: Sequence[Trial],
    arrays: Arrays | ArraysByFold,
    names: Sequence[str],
    *,
    xla: bool = True,
    dtype: str = "float32",
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[tuple[Outcome, dict[str, float]]]:
    """Trains trials as `train_stack` does, and differentiates their validation loss after the last step.

    All steps are taken: early stopping and targets are off, since the step where they stop is not a smooth function.

    Args:
        trials: A full rectangle as in `train_stack`, of optimizers that take gradients.
        names: Hyperparameters. A trial has derivatives by those of them that `values` lists for it.
        xla: Compile with XLA where it `compiles`.
        checkpoint: As for `train_stack`.

    Returns:
        In the order of `trials`, the outcome (weights are those of the last step), and by name the derivative of the
        mean loss of the validation rows, without penalties, by the hyperparameter itself (not its logarithm); NaN where
        the trial diverged. To differentiate a sum over seeds or folds, add up the derivatives.

    Raises:
        ValueError: a trial takes no gradients, or is evaluated with other weights than those after its steps.
    """
    _refuse(trials)
    columns = _followed(trials, names)
    first = next(iter(by_fold(arrays, trials).values()))
    model = trials[0].architecture.build(first.train.shape, first.outputs)
    followed = {column.trial_id: name for (_, name), column in columns.items()}

    def follow(rectangle: Rectangle, compiled: Compiled, weights: list[Tensor]) -> _Tangents:
        return _Tangents(rectangle, compiled, weights, followed)

    stack = Stack(
        list(columns.values()),
        arrays,
        xla=xla and compiles(model),
        dtype=dtype,
        follow=follow,
        checkpoint=checkpoint,
    )
    stack.train_until(stack.total_steps, progress)
    outcomes = dict(zip(columns, stack.outcomes(), strict=True))
    assert isinstance(stack.engine, _Tangents)
    gradients = stack.engine.gradients()
    result = []
    for trial in trials:
        by_name = {name: outcome for (owner, name), outcome in outcomes.items() if owner == trial.trial_id}
        outcome = replace(
            next(iter(by_name.values())), trial=trial, seconds=sum(outcome.seconds for outcome in by_name.values())
        )
        found = {name: gradients[columns[trial.trial_id, name].trial_id] for name in by_name if name}
        result.append((outcome, found if outcome.status == "ok" else dict.fromkeys(found, np.nan)))
    return result


def _refuse(trials: Sequence[Trial]) -> None:
    if searching := [trial.trial_id for trial in trials if trial.optimizer.searches]:
        raise ValueError(f"no hypergradients of trials that take no gradients: {', '.join(searching)}")
    if apart := [each.trial_id for each in trials if each.averaging.averages or each.optimizer.evaluated is not None]:
        raise ValueError(f"no hypergradients of trials that evaluate an average: {', '.join(apart)}")


def _followed(trials: Sequence[Trial], names: Sequence[str]) -> dict[tuple[str, str], Trial]:
    """Returns, by trial and hyperparameter, the column that follows it. A trial with none of them has one under ""."""
    return {
        (trial.trial_id, name): replace(
            trial,
            trial_id=f"{trial.trial_id} {name}",
            variant_id=f"{trial.variant_id} {name}",
            stopping=None,
            target=None,
        )
        for trial in trials
        for name in [name for name in names if name in values(trial)] or [""]
    }


class _Tangents:
    """An engine that runs a stack's chunks and scores, and carries the tangents of its weights and slots along.

    Args:
        weights: The initial weights.
        followed: By trial, the hyperparameter that it follows; "" for none.

    Attributes:
        state: The tangents of the weights, and of the slots.
    """

    def __init__(
        self, rectangle: Rectangle, compiled: Compiled, weights: list[Tensor], followed: dict[str, str]
    ) -> None:
        import tensorflow as tf

        self._rectangle, self._program = rectangle, compiled.program
        self._tangents = tangents_of(compiled.program)
        inputs, dtype = compiled.inputs, compiled.program.dtype
        names = per_trial(rectangle.columns, lambda trial: followed[trial.trial_id])
        rates = per_trial(rectangle.columns, lambda trial: trial.learning_rate)
        self._along = {
            name: tf.constant(move, dtype) for name, move in _moves(compiled.program, set(inputs), names).items()
        }
        self._along_rate = tf.constant(np.where(names == LEARNING_RATE, 1 / rates, 0.0), dtype)
        moved = [inputs[name] for name in self._along]
        along = list(self._along.values())
        with FORWARD_MODE, tf.autodiff.ForwardAccumulator(moved, along) as forward_mode:
            slots = compiled.program.first_slots(weights, inputs)
        zero = tf.UnconnectedGradients.ZERO
        along_slots = tf.nest.map_structure(lambda slot: forward_mode.jvp(slot, unconnected_gradients=zero), slots)
        self.state: tuple[list, Slots] = ([tf.zeros_like(weight) for weight in weights], along_slots)

    def chunk(
        self, weights: list, slots: Slots, inputs: Inputs, x: Tensor, y: Tensor, rates: Tensor, *rest: Tensor
    ) -> tuple[list, Slots, Tensor]:
        """As `Program.chunk`."""
        self._along_loss, self._scored = np.zeros(rates.shape[1:]), 0
        weights, slots, self.state, losses = self._tangents.chunk(
            weights, slots, self.state, inputs, self._along, x, y, rates, rates * self._along_rate, *rest
        )
        return weights, slots, losses

    def score(self, weights: list, inputs: Inputs, x: Tensor, y: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `Program.score`."""
        self._along_loss += self._tangents.score(weights, self.state[0], x, y, rows).numpy()
        self._scored += int(rows)
        return self._program.score(weights, inputs, x, y, rows)

    def gradients(self) -> dict[str, float]:
        """By trial, the derivative of the mean loss of the rows that were scored last, along its direction."""
        mean = self._along_loss / self._scored
        return {trial.trial_id: float(mean[s, r]) for s, r, trial in self._rectangle.cells()}


def _moves(program: Program, inputs: set[str], names: np.ndarray) -> dict[str, np.ndarray]:
    """Derivatives of a program's inputs by the hyperparameter that each trial follows, one number a trial.

    Inputs that an optimizer computes from its parameters move with them: `one_minus_beta_1` moves opposite to beta_1.

    Args:
        names: The hyperparameter of each trial, `[S, R]`.
    """
    moves = {name: (names == name).astype(float) for name in REGULARISATION if name in inputs}
    for number, rule in enumerate(program.rules):
        followed = names[:, rule.start : rule.stop]
        for name in (*rule.names, "weight_decay"):
            if f"{number}.{name}" in inputs:
                sign = -1.0 if name.startswith(ONE_MINUS) else 1.0
                moves[f"{number}.{name}"] = sign * (followed == name.removeprefix(ONE_MINUS).removeprefix(EXACT))
    return {name: move for name, move in moves.items() if move.any()}
