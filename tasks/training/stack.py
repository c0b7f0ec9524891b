"""The stacked trainer: many trials as one compiled program.

What costs time when small networks are compared with a loop of `Model.fit` is not arithmetic but everything around it:
a Python call, a graph launch and a handful of tiny kernels for each step of each trial. Here the trials of a stack take
each step together, and the steps of a chunk run in one `tf.while_loop` inside one XLA program:

- *Axes.* A stack is a rectangle of `S` seeds times `R` recipes. Each weight becomes an array with these two axes
  (`stacked_layers`). Trials of one seed share initial weights, batches and dropout's random numbers, which makes their
  comparison paired, and lets the first layer multiply a batch by the kernels of all recipes at once.
- *Hyperparameters are inputs*, one value a trial: learning rates (`[steps, S, R]`, so every schedule is the
  same program), the optimizers' numbers, penalties, dropout rates, clipping, label smoothing. Nothing is recompiled
  for another value.
- *Optimizers differ inside a stack.* Recipes are ordered so that those with the same update rule lie side by side; a
  step slices the gradients by rule, updates each slice with its rule, and puts the weights together again.
- *Data are arguments*, a chunk of permuted rows at a time (a captured constant would be folded by the compiler for
  minutes). The last batch of an epoch may be partial: its missing rows are masked.
- *Between epochs* Python looks at the losses: early stopping, plateaus and divergence act through `EpochWatch`. A
  stopped or diverged trial's lane runs on, unseen: no operation crosses trials, so its numbers touch nobody else's.
  When half of the recipes have stopped and enough is ahead, the stack is compiled anew without them.

Results do not depend on a trial's neighbours but for the rounding of products of another shape.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from tasks.training.optimizers import Slots, Update, rounded
from tasks.training.stacked_layers import Context, StackedLayer, Tensor, forward, layout, recipe_axes
from tasks.training.trial import (
    Arrays,
    EpochWatch,
    Outcome,
    Progress,
    Trial,
    batch_order,
    learning_rates,
    slices,
)

CHUNK_BYTES = 128 * 2**20
"""The most memory that one chunk of permuted inputs may take."""

EVALUATION_ROWS = 2048

_COMPACTION_PAYS = {True: 100_000, False: 10_000}
"""Steps of stopped trials that must be ahead before a stack is compiled anew without them (by whether XLA does it). A
count and not a measured time, so that a run can be repeated bit for bit."""


@dataclass(frozen=True)
class _Rule:
    """The recipes `start:stop` follow one update rule."""

    update: Update
    slots: Slots
    names: tuple[str, ...]
    searches: bool
    start: int
    stop: int


def train_stack(
    trials: Sequence[Trial],
    arrays: Arrays,
    *,
    xla: bool = True,
    dtype: str = "float32",
    progress: Progress | None = None,
) -> list[Outcome]:
    """Trains trials of one architecture, batch size and epoch budget together.

    Args:
        trials: A full rectangle: every seed with every variant, in any order.
        arrays: What they learn from.
        xla: Compile with XLA, or run the same graph without.
        dtype: float32 or float64.
        progress: Told of steps done, between epochs.

    Returns:
        The outcomes in the order of `trials`.
    """
    return _Stack(trials, arrays, xla, dtype).train(progress)


class _Stack:
    """One stack's arrays and compiled functions, alive while it trains."""

    def __init__(self, trials: Sequence[Trial], arrays: Arrays, xla: bool, dtype: str) -> None:
        import tensorflow as tf

        self.trials, self.arrays, self.dtype = list(trials), arrays, tf.as_dtype(dtype)
        self.seeds, self.columns = _rectangle(self.trials)
        first = self.trials[0]
        self.batch_size, self.epochs = first.batch_size, first.epochs
        self.steps_per_epoch = arrays.steps_per_epoch(self.batch_size)
        shape = arrays.train_inputs.shape[1:]
        dropout = max(trial.penalties.dropout for trial in self.trials)
        template = type(first.penalties)(dropout=dropout)
        models = [first.architecture.build(shape, arrays.outputs, penalties=template, seed=seed) for seed in self.seeds]
        self.layers: list[StackedLayer] = layout(models[0])
        self.axes = recipe_axes(self.layers)
        self.trainable = [index for one in self.layers for index in one.trainable]
        self.kernels = [
            one.trainable[0] for one in self.layers if one.trainable and one.layer.weights[0].name == "kernel"
        ]
        self.weights = [
            self._stacked([model.weights[index].numpy() for model in models], self.axes[index])
            for index in range(len(models[0].weights))
        ]
        self.rules = _rules([row[0] for row in self.columns])
        self.inputs = self._inputs()
        self.slots = self._first_slots()
        self.xla = xla
        self._compile()

    def _compile(self) -> None:
        import tensorflow as tf

        self._chunk = tf.function(self._chunk_steps, jit_compile=self.xla, autograph=False)
        self._score = tf.function(self._score_rows, jit_compile=self.xla, autograph=False)
        self._outputs = tf.function(self._output_rows, jit_compile=self.xla, autograph=False)

    # -- what is fixed for the stack's life --

    def _per_trial(self, value: Any) -> np.ndarray:
        """`value(trial)` of each trial as an array `[S, R]`."""
        return np.array([[value(column[s]) for column in self.columns] for s in range(len(self.seeds))])

    def _stacked(self, per_seed: list[np.ndarray], recipe_axis: int) -> Tensor:
        import tensorflow as tf

        stacked = np.expand_dims(np.stack(per_seed), recipe_axis)
        return tf.constant(np.repeat(stacked, len(self.columns), recipe_axis), self.dtype)

    def _inputs(self) -> dict[str, Tensor]:
        """The per-trial numbers that the compiled step takes, `[S, R]` each; only what some trial uses is there."""
        import tensorflow as tf

        wanted = {
            "l1": self._per_trial(lambda trial: rounded(trial.penalties.l1)),
            "l2": self._per_trial(lambda trial: rounded(trial.penalties.l2)),
            "dropout": self._per_trial(lambda trial: trial.penalties.dropout),
            "weight_decay": self._per_trial(lambda trial: rounded(trial.weight_decay)),
            "label_smoothing": self._per_trial(lambda trial: trial.label_smoothing),
            "clip_value": self._per_trial(lambda trial: trial.clip.value or 0.0),
            "clip_norm": self._per_trial(lambda trial: trial.clip.norm or 0.0),
            "clip_global_norm": self._per_trial(lambda trial: trial.clip.global_norm or 0.0),
        }
        inputs = {name: value for name, value in wanted.items() if value.any()}
        for number, rule in enumerate(self.rules):
            for name in rule.names:
                inputs[f"{number}.{name}"] = self._per_trial(
                    lambda trial, name=name: trial.optimizer.inputs.get(name, 0.0)
                )[:, rule.start : rule.stop]
        return {name: tf.constant(value, self.dtype) for name, value in inputs.items()}

    def _rule_inputs(self, number: int, weight: Tensor, axis: int) -> dict[str, Tensor]:
        return {name: _spread(self.inputs[f"{number}.{name}"], weight, axis) for name in self.rules[number].names}

    def _first_slots(self) -> list[list[tuple[Tensor, ...]]]:
        """For each rule, for each trainable weight, the rule's state for its part of the weight."""
        import tensorflow as tf

        return [
            [
                rule.slots(tf, part, self._rule_inputs(number, part, self.axes[index]))
                for index in self.trainable
                for part in [_columns(self.weights[index], self.axes[index], rule.start, rule.stop)]
            ]
            for number, rule in enumerate(self.rules)
        ]

    # -- the compiled functions --

    def _chunk_steps(
        self,
        weights: list,
        slots: list,
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
            weights, slots, loss = self._step(weights, slots, batch_x, batch_y, mask, rates[i], first + i)
            return i + 1, weights, slots, total + loss * tf.cast(present, self.dtype)

        total = tf.zeros([len(self.seeds), len(self.columns)], self.dtype)
        state = (tf.constant(0), weights, slots, total)
        _, weights, slots, total = tf.while_loop(lambda i, *_: i < steps, body, state)
        return weights, slots, total

    def _step(
        self, weights: list, slots: list, x: Tensor, y: Tensor, mask: Tensor, rate: Tensor, step: Tensor
    ) -> tuple[list, list, Tensor]:
        import tensorflow as tf

        def uniforms(shape: list[int], layer: int) -> Tensor:
            # Keyed by seed, layer and step alone. philox, since the default generator differs under XLA.
            keys = [tf.stack([seed * 1000 + layer, step]) for seed in self.seeds]
            return tf.stack([tf.random.stateless_uniform(shape, key, dtype=self.dtype, alg="philox") for key in keys])

        context = Context(True, mask, self.inputs.get("dropout"), uniforms)
        trained = [weights[index] for index in self.trainable]
        with tf.GradientTape() as tape:
            tape.watch(trained)
            outputs, state = forward(self.layers, weights, x, context)
            losses = self._losses(outputs, y, self.inputs.get("label_smoothing")) * mask
            loss = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(mask) + self._penalty(weights)
            total = tf.reduce_sum(loss)
        gradients = self._clipped(tape.gradient(total, trained))
        for rule in self.rules:
            if rule.searches:
                gradients = self._proposed(rule, gradients, weights, x, y, context, rate, step, loss)

        new = list(weights)
        for index, value in state.items():
            new[index] = value
        new_slots: list[list[tuple[Tensor, ...]]] = [[] for _ in self.rules]
        count = tf.cast(step + 1, self.dtype)
        for place, (index, gradient) in enumerate(zip(self.trainable, gradients, strict=True)):
            axis, weight = self.axes[index], weights[index]
            if "weight_decay" in self.inputs:
                weight -= weight * _spread(self.inputs["weight_decay"], weight, axis) * _spread(rate, weight, axis)
            parts = []
            for number, rule in enumerate(self.rules):
                part = _columns(weight, axis, rule.start, rule.stop)
                part, own = rule.update(
                    tf,
                    part,
                    _columns(gradient, axis, rule.start, rule.stop),
                    slots[number][place],
                    _spread(rate[:, rule.start : rule.stop], part, axis),
                    count,
                    self._rule_inputs(number, part, axis),
                )
                parts.append(part)
                new_slots[number].append(own)
            new[index] = parts[0] if len(parts) == 1 else tf.concat(parts, axis)
        return new, new_slots, loss

    def _proposed(
        self,
        rule: _Rule,
        gradients: list,
        weights: list,
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
            tried[index] = _columns(weights[index], self.axes[index], rule.start, rule.stop)
        for place, index in enumerate(self.trainable):
            axis, shape = self.axes[index], list(tried[index].shape)
            keys = [tf.stack([seed * 1000 + 500 + place, step]) for seed in self.seeds]
            lone = [*shape[1:axis], *shape[axis + 1 :]]  # one direction a seed, shared by its trials
            drawn = [tf.random.stateless_normal(lone, key, dtype=self.dtype, alg="philox") for key in keys]
            direction = tf.expand_dims(tf.stack(drawn), axis)
            directions.append(direction)
            tried[index] += direction * _spread(rate[:, part], tried[index], axis)
        dropout, smoothing = (self.inputs.get(name) for name in ("dropout", "label_smoothing"))
        own = replace(context, dropout=None if dropout is None else dropout[:, part])
        outputs, _ = forward(self.layers, tried, x, own)
        losses = self._losses(outputs, y, None if smoothing is None else smoothing[:, part]) * context.mask
        there = tf.reduce_sum(losses, axis=2) / tf.reduce_sum(context.mask) + self._penalty(tried, part)
        better = tf.cast(there < loss[:, part], self.dtype)
        proposals = []
        for index, gradient, direction in zip(self.trainable, gradients, directions, strict=True):
            axis = self.axes[index]
            before = _columns(gradient, axis, 0, rule.start)
            after = _columns(gradient, axis, rule.stop, len(self.columns))
            taken = -direction * _spread(better, tried[index], axis)
            proposals.append(tf.concat([before, taken, after], axis))
        return proposals

    def _losses(self, outputs: Tensor, y: Tensor, smoothing: Tensor | None) -> Tensor:
        """Each row's loss, `[S, R, B]`: cross-entropy from logits, with labels smoothed by `[S, R]` or not, or the
        squared error of the standardised target."""
        import tensorflow as tf

        if self.arrays.classes is None:
            return tf.square(outputs[..., 0] - tf.cast(y, self.dtype)[:, None, :])
        labels = tf.broadcast_to(y[:, None, :], outputs.shape[:3])
        if smoothing is None:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
        smoothing = smoothing[:, :, None, None]
        hot = tf.one_hot(labels, self.arrays.classes, dtype=self.dtype)
        return tf.nn.softmax_cross_entropy_with_logits(hot * (1 - smoothing) + smoothing / self.arrays.classes, outputs)

    def _penalty(self, weights: list, part: slice = slice(None)) -> Tensor:
        """l1 * sum |w| + l2 * sum w^2 over the kernels, `[S, R]`; `weights` are those of the columns `part`."""
        import tensorflow as tf

        penalty = tf.zeros([len(self.seeds), len(self.columns[part])], self.dtype)
        for index in self.kernels if {"l1", "l2"} & self.inputs.keys() else []:
            if "l1" in self.inputs:
                penalty += self.inputs["l1"][:, part] * _sum_per_trial(tf.abs(weights[index]), self.axes[index])
            if "l2" in self.inputs:
                penalty += self.inputs["l2"][:, part] * _sum_per_trial(tf.square(weights[index]), self.axes[index])
        return penalty

    def _clipped(self, gradients: list) -> list:
        """Each trial's gradients clipped in its own way; a trial without a limit keeps its gradients bit for bit."""
        import tensorflow as tf

        axes = [self.axes[index] for index in self.trainable]
        if "clip_value" in self.inputs:
            limits = [_spread(self.inputs["clip_value"], g, axis) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [tf.where(c > 0, tf.clip_by_value(g, -c, c), g) for g, c in zip(gradients, limits, strict=True)]
        if "clip_norm" in self.inputs:
            limit = self.inputs["clip_norm"]
            norms = [tf.sqrt(_sum_per_trial(tf.square(g), axis)) for g, axis in zip(gradients, axes, strict=True)]
            gradients = [
                tf.where(_spread(limit, g, axis) > 0, g * _spread(limit / tf.maximum(n, limit), g, axis), g)
                for g, n, axis in zip(gradients, norms, axes, strict=True)
            ]
        if "clip_global_norm" in self.inputs:
            limit = self.inputs["clip_global_norm"]
            squares = [_sum_per_trial(tf.square(g), axis) for g, axis in zip(gradients, axes, strict=True)]
            norm = tf.sqrt(tf.add_n(squares))
            scale = limit / tf.maximum(norm, limit)
            gradients = [
                tf.where(_spread(limit, g, axis) > 0, g * _spread(scale, g, axis), g)
                for g, axis in zip(gradients, axes, strict=True)
            ]
        return gradients

    def _score_rows(self, weights: list, x: Tensor, y: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Summed loss and summed hits `[S, R]` of one slice of rows, padded; hits are 0 for regression."""
        import tensorflow as tf

        mask = tf.cast(tf.range(x.shape[1]) < rows, self.dtype)
        outputs, _ = forward(self.layers, weights, x, Context(training=False))
        losses = tf.reduce_sum(self._losses(outputs, y, None) * mask, axis=2)
        if self.arrays.classes is None:
            return losses, tf.zeros_like(losses)
        hits = tf.cast(tf.argmax(outputs, axis=-1, output_type=y.dtype) == y[:, None, :], self.dtype)
        return losses, tf.reduce_sum(hits * mask, axis=2)

    def _output_rows(self, weights: list, x: Tensor) -> Tensor:
        outputs, _ = forward(self.layers, weights, x, Context(training=False))
        return outputs

    # -- the loop over epochs --

    def train(self, progress: Progress | None) -> list[Outcome]:
        outcomes = {trial.trial_id: Outcome(trial) for trial in self.trials}
        self.watches = {name: EpochWatch(outcome) for name, outcome in outcomes.items()}
        self.rates = {trial.trial_id: learning_rates(trial, self.steps_per_epoch) for trial in self.trials}
        self.kept = list(self.weights)
        self.since = time.monotonic()
        total = self.epochs * self.steps_per_epoch
        for epoch in range(1, self.epochs + 1):
            self._epoch(epoch)
            step = epoch * self.steps_per_epoch
            if progress:
                progress(step, total)
            running = [r for r, column in enumerate(self.columns) if any(self._watch(each).running for each in column)]
            if not running:
                break
            stopped = (len(self.columns) - len(running)) * len(self.seeds)
            if len(running) <= len(self.columns) / 2 and stopped * (total - step) >= _COMPACTION_PAYS[self.xla]:
                self._compact(running)
        self._hand_out(range(len(self.columns)))
        return [outcomes[trial.trial_id] for trial in self.trials]

    def _watch(self, trial: Trial) -> EpochWatch:
        return self.watches[trial.trial_id]

    def _epoch(self, epoch: int) -> None:
        """Trains one epoch (from 1), validates, and lets each trial's watch decide."""
        step = epoch * self.steps_per_epoch
        span = slice(step - self.steps_per_epoch, step)
        rates = self._per_trial(lambda trial: self.rates[trial.trial_id][span])  # [S, R, steps]
        factors = self._per_trial(lambda trial: self._watch(trial).factor)
        epoch_rates = np.moveaxis(rates * factors[:, :, None], 2, 0)
        train_loss = self._train_epoch(epoch, span.start, epoch_rates)
        values = {"train_loss": train_loss, **self._validate(), "learning_rate": epoch_rates[-1]}
        keep = np.zeros([len(self.seeds), len(self.columns)], bool)
        for r, column in enumerate(self.columns):
            for s, trial in enumerate(column):
                own = {name: float(value[s, r]) for name, value in values.items()}
                keep[s, r] = self._watch(trial).after_epoch(epoch, step, own)
        self.kept = self._keep(keep)

    def _compact(self, running: list[int]) -> None:
        """Goes on with the columns that still train, in a smaller program; the others' outcomes are complete."""
        import tensorflow as tf

        self._hand_out([r for r in range(len(self.columns)) if r not in running])

        def chosen(array: Tensor, axis: int, columns: list[int]) -> Tensor:
            return tf.gather(array, columns, axis=axis)

        self.weights = [chosen(each, self.axes[index], running) for index, each in enumerate(self.weights)]
        self.kept = [chosen(each, self.axes[index], running) for index, each in enumerate(self.kept)]
        slots = []
        for number, rule in enumerate(self.rules):
            own = [r - rule.start for r in running if rule.start <= r < rule.stop]
            if own:
                slots.append(
                    [
                        tuple(chosen(slot, self.axes[index], own) for slot in each)
                        for index, each in zip(self.trainable, self.slots[number], strict=True)
                    ]
                )
        self.slots = slots
        self.columns = [self.columns[r] for r in running]
        self.rules = _rules([column[0] for column in self.columns])
        self.inputs = self._inputs()
        self._compile()

    def _train_epoch(self, epoch: int, step: int, rates: np.ndarray) -> np.ndarray:
        """One epoch; returns the mean training loss of each trial, `[S, R]`."""
        import tensorflow as tf

        x, y = self.arrays.train_inputs, self.arrays.train_targets
        orders = [batch_order(seed, epoch - 1, len(y)) for seed in self.seeds]
        chunk = self._chunk_steps_that_fit()
        total = np.zeros([len(self.seeds), len(self.columns)])
        for start in range(0, self.steps_per_epoch, chunk):
            steps = min(chunk, self.steps_per_epoch - start)
            wanted = slice(start * self.batch_size, (start + chunk) * self.batch_size)
            picked = [order[wanted] for order in orders]
            self.weights, self.slots, losses = self._chunk(
                self.weights,
                self.slots,
                self._inputs_of(_padded(np.stack([x[rows] for rows in picked]), chunk * self.batch_size)),
                tf.constant(_padded(np.stack([y[rows] for rows in picked]), chunk * self.batch_size)),
                tf.constant(_padded(rates[None, start : start + chunk], chunk)[0], self.dtype),
                tf.constant(steps),
                tf.constant(step + start),
                tf.constant(len(picked[0])),
            )
            total += losses.numpy()
        return total / len(y)

    def _inputs_of(self, rows: np.ndarray) -> Tensor:
        """Network inputs in the stack's dtype; whole numbers (tokens) stay what they are."""
        import tensorflow as tf

        return tf.constant(rows, tf.int32 if np.issubdtype(rows.dtype, np.integer) else self.dtype)

    def _chunk_steps_that_fit(self) -> int:
        row_bytes = int(np.prod(self.arrays.train_inputs.shape[1:])) * self.dtype.size * len(self.seeds)
        return max(1, min(self.steps_per_epoch, CHUNK_BYTES // max(row_bytes * self.batch_size, 1)))

    def _validate(self) -> dict[str, np.ndarray]:
        """Validation loss (with penalties, as Keras) and accuracy or RMSE, `[S, R]` each."""
        import tensorflow as tf

        x, y = self.arrays.val_inputs, self.arrays.val_targets
        size = min(len(y), EVALUATION_ROWS)
        losses, hits = np.zeros([2, len(self.seeds), len(self.columns)])
        for part in slices(len(y), size):
            rows_x = self._inputs_of(_padded(x[None, part], size))
            loss, hit = self._score(
                self.weights,
                rows_x,
                tf.constant(_padded(y[None, part], size)),
                tf.constant(part.stop - part.start),
            )
            losses += loss.numpy()
            hits += hit.numpy()
        mean = losses / len(y)
        penalty = self._penalty(self.weights).numpy()
        if self.arrays.classes is None:
            return {"val_loss": mean + penalty, "val_rmse": np.sqrt(mean) * self.arrays.target_scale}
        return {"val_loss": mean + penalty, "val_accuracy": hits / len(y)}

    def _keep(self, keep: np.ndarray) -> list:
        """The kept weights, with this epoch's where `keep` `[S, R]`."""
        import tensorflow as tf

        if keep.all():
            return list(self.weights)
        if not keep.any():
            return self.kept
        chosen = tf.constant(keep)
        return [
            tf.where(_spread(chosen, new, self.axes[index]), new, old)
            for index, (new, old) in enumerate(zip(self.weights, self.kept, strict=True))
        ]

    def _hand_out(self, columns: Sequence[int]) -> None:
        """Completes the outcomes of these columns, and charges the time since the last call to all that were there."""
        outputs = {name: self._scored(self.kept, x) for name, x in self.arrays.to_score.items()}
        arrays = [weight.numpy() for weight in self.kept]
        now = time.monotonic()
        for column in self.columns:
            for trial in column:
                self._watch(trial).outcome.seconds += (now - self.since) / (len(self.columns) * len(self.seeds))
        self.since = now
        for r in columns:
            for s, trial in enumerate(self.columns[r]):
                outcome = self._watch(trial).outcome
                if outcome.status == "ok":
                    outcome.weights = [
                        np.take(array[s], r, axis=self.axes[index] - 1) for index, array in enumerate(arrays)
                    ]
                    outcome.outputs = {name: np.ascontiguousarray(values[s, r]) for name, values in outputs.items()}

    def _scored(self, weights: list, x: np.ndarray) -> np.ndarray:
        """Outputs `[S, R, rows, outputs]`, float32."""

        size = min(len(x), EVALUATION_ROWS)
        parts = []
        for part in slices(len(x), size):
            outputs = self._outputs(weights, self._inputs_of(_padded(x[None, part], size)))
            parts.append(outputs.numpy()[:, :, : part.stop - part.start].astype("float32"))
        return np.concatenate(parts, axis=2)


def _rectangle(trials: Sequence[Trial]) -> tuple[list[int], list[list[Trial]]]:
    """The seeds, and for each variant its trials in the seeds' order; variants of one update rule side by side.

    Raises:
        ValueError: some variant lacks some seed, or shapes, batch sizes or budgets differ.
    """
    if len({(trial.batch_size, trial.epochs) for trial in trials}) != 1:
        raise ValueError("the trials of a stack must have one batch size and one epoch budget")
    seeds = sorted({trial.seed for trial in trials})
    by_variant: dict[str, dict[int, Trial]] = {}
    for trial in trials:
        by_variant.setdefault(trial.variant_id, {})[trial.seed] = trial
    if any(sorted(own) != seeds for own in by_variant.values()) or len(by_variant) * len(seeds) != len(trials):
        raise ValueError("the trials of a stack must be every variant under every seed, once")
    columns = [[own[seed] for seed in seeds] for own in by_variant.values()]
    return seeds, sorted(columns, key=lambda column: column[0].optimizer.update.__name__)


def _rules(recipes: Sequence[Trial]) -> list[_Rule]:
    rules, start = [], 0
    for _, group in groupby(recipes, key=lambda trial: trial.optimizer.update.__name__):
        members = [trial.optimizer for trial in group]
        stop = start + len(members)
        rules.append(
            _Rule(members[0].update, members[0].slots, tuple(members[0].inputs), members[0].searches, start, stop)
        )
        start = stop
    return rules


def _columns(array: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The recipes `start:stop` of a stacked array."""
    return array[(slice(None),) * axis + (slice(start, stop),)]


def _spread(values: Tensor, like: Tensor, axis: int) -> Tensor:
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


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    """`[lanes, n, ...]` with zeros up to `rows` rows, so that compiled shapes stay the same."""
    missing = rows - array.shape[1]
    if not missing:
        return array
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)])
