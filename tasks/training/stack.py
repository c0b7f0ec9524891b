"""The stacked trainer: many trials as one compiled program.

What costs time when small networks are compared with a loop of `Model.fit` is not arithmetic but everything around it:
a Python call, a graph launch and a handful of tiny kernels for each step of each trial. Here the trials of a stack take
each step together, and the steps of a chunk run in one loop inside one compiled function. From the outside in:

1. *The plan* divides trials of one architecture, batch size and budget into stacks (`tasks.stacking`), and says for
   each whether XLA compiles it. Two stacks on two cores run side by side, since one seldom fills more than one core.
2. *Axes.* A stack is a rectangle of `S` seeds times `R` recipes. Each weight of the Keras model that defines the
   network becomes an array with these two axes (`stacked_layers`). Trials of one seed share initial weights, batches
   and dropout's random numbers: that pairs their comparison, and lets the first layer multiply a batch by the kernels
   of all recipes in one matrix product. Convolutions lay the channels of all trials side by side and run in groups.
3. *The program* (`program`) depends on shapes and on update rules only. Hyperparameters are inputs, one value a trial:
   learning rates (`[steps, S, R]`, so every schedule is the same program), the optimizers' numbers, penalties, dropout
   rates, clipping, label smoothing. Nothing is compiled anew for another value, and stacks of equal structure share a
   program.
4. *Optimizers differ inside a stack.* Recipes with the same update rule (`optimizers`) lie side by side. Each rule
   keeps its recipes' weights and moments to itself, in flat blocks (`packing`), so that an update is one loop along
   memory; the layers see the blocks joined, or in parts where joining would copy much.
5. *Rows are arguments* (`feed`), a chunk at a time, through memory that is allocated once: from an array, from Parquet
   on disk, or augmented on the way. A captured constant would be folded by the compiler for minutes, and fresh memory
   for each chunk would take longer than the training. An epoch's last batch may be partial: missing rows are masked.
6. *Between evaluations* Python looks at the losses: early stopping, plateaus, targets and divergence act through
   `Watch`, as Keras's callbacks would. A stopped or diverged trial's lane runs on, unseen: no operation crosses trials,
   so its numbers touch nobody else's. When half of the recipes have stopped and enough is ahead, the stack goes on in a
   smaller program without them.

A trial's results do not depend on its neighbours but for the rounding of products of another shape; given the plan,
they are the same bit for bit. In float32, alone and without XLA they are those of Keras bit for bit
(`tests/contracts/test_optimizers.py` says what is held, and how tightly).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.training.feed import Buffer
from tasks.training.program import Structure, hyperparameters, per_trial, program_of, rules_of, spread
from tasks.training.stacked_layers import Tensor, describe
from tasks.training.trial import Arrays, Outcome, Progress, Rows, Trial, Watch, learning_rates, slices

CHUNK_BYTES = 24 * 2**20
"""Of training inputs that are in the program's hands at a time."""

EVALUATION_ROWS = 2048
"""At most, in one slice of rows that are only scored."""

EVALUATION_BYTES = 32 * 2**20
"""About what a slice's activations may take."""

_COMPACTION_PAYS = {True: 100_000, False: 10_000}
"""Steps of stopped trials that must be ahead before a stack is compiled anew without them (by whether XLA does it). A
count and not a measured time, so that a run can be repeated bit for bit."""


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
        trials: A full rectangle: every seed with every variant, in any order; evaluated at the same steps.
        arrays: What they learn from.
        xla: Compile with XLA, or run the same graph without.
        dtype: float32 or float64.
        progress: Told of steps done, between evaluations.

    Returns:
        The outcomes in the order of `trials`.
    """
    return Stack(trials, arrays, xla, dtype).train(progress)


class Stack:
    """One stack's arrays, alive while it trains; arguments as `train_stack`.

    `runs` takes its chunks and scores: the program, or what does more than it (`hypergradient`).
    """

    def __init__(self, trials: Sequence[Trial], arrays: Arrays, xla: bool, dtype: str) -> None:
        import tensorflow as tf

        self.trials, self.arrays, self.xla, self.dtype = list(trials), arrays, xla, tf.as_dtype(dtype)
        self.seeds, self.columns = _rectangle(self.trials)
        first = self.trials[0]
        self.batch_size = first.batch_size
        self.steps_per_epoch = arrays.steps_per_epoch(self.batch_size)
        self.total_steps = first.epochs * self.steps_per_epoch
        self.interval = first.evaluate_every or self.steps_per_epoch
        dropout = max(trial.penalties.dropout for trial in self.trials)
        template = type(first.penalties)(dropout=dropout)
        build = first.architecture.build
        models = [build(arrays.train.shape, arrays.outputs, penalties=template, seed=seed) for seed in self.seeds]
        self.model = models[0]
        self._take_program()
        self.weights = [
            self._stacked([form.stored(model.weights[index].numpy()) for model in models], form.axis)
            for index, form in sorted(self.program.forms.items())
        ]
        self.slots = self.program.first_slots(self.weights, self.inputs)
        self.train_buffers, self.score_buffers = self._training_buffers(), self._scoring_buffers()
        self.step = 0

    def _take_program(self) -> None:
        """The program for the columns as they are, and its inputs."""
        import tensorflow as tf

        rules = rules_of([column[0] for column in self.columns])
        values = hyperparameters(self.columns, rules, self.arrays.class_weights)
        structure = Structure(
            layers=describe(self.model),
            classes=self.arrays.classes,
            seeds=len(self.seeds),
            recipes=len(self.columns),
            rules=rules,
            inputs=tuple(values),
            batch_size=self.batch_size,
            xla=self.xla,
            dtype=self.dtype.name,
        )
        self.program = program_of(self.model, structure)
        self.runs: Any = self.program
        self.inputs = {name: tf.constant(value, self.dtype) for name, value in values.items()}
        self.inputs["seeds"] = tf.constant(self.seeds, tf.int32)

    def _stacked(self, per_seed: list[np.ndarray], recipe_axis: int) -> Tensor:
        import tensorflow as tf

        stacked = np.expand_dims(np.stack(per_seed), recipe_axis)
        return tf.constant(np.repeat(stacked, len(self.columns), recipe_axis), self.dtype)

    def _training_buffers(self) -> tuple[Buffer, Buffer]:
        """For a chunk of training rows: as many steps as its memory allows, or fewer where that leaves less over."""
        feed = self.arrays.train
        span = min(self.interval, self.steps_per_epoch)
        row_bytes = int(np.prod(feed.shape)) * self.dtype.size * len(self.seeds)
        most = max(1, min(span, CHUNK_BYTES // max(row_bytes * self.batch_size, 1)))
        self.chunk_steps = -(-span // -(-span // most))
        rows = self.chunk_steps * self.batch_size
        return (
            Buffer((len(self.seeds), rows, *feed.shape), self._input_dtype(feed.dtype)),
            Buffer((len(self.seeds), rows), self._input_dtype(feed.target_dtype)),
        )

    def _scoring_buffers(self) -> tuple[Buffer, Buffer]:
        """For a slice of rows that are scored, of any part of the data, all trials at once."""
        parts = [self.arrays.val_inputs, *self.arrays.to_score.values()]
        numbers = sum(int(np.prod(layer.output.shape[1:])) for layer in self.model.layers)
        fit = EVALUATION_BYTES // (numbers * self.dtype.size * len(self.columns) * len(self.seeds))
        rows = min(int(np.clip(fit, 32, EVALUATION_ROWS)), max(map(len, parts)))
        feed = self.arrays.train
        return (
            Buffer((1, rows, *feed.shape), self._input_dtype(feed.dtype)),
            Buffer((1, rows), self._input_dtype(feed.target_dtype)),
        )

    def _input_dtype(self, dtype: np.dtype) -> np.dtype:
        """Inputs are of the stack's dtype; whole numbers (tokens, classes) stay what they are."""
        return dtype if np.issubdtype(dtype, np.integer) else np.dtype(self.dtype.name)

    # -- the loop over evaluations --

    def train(self, progress: Progress | None) -> list[Outcome]:
        outcomes = {trial.trial_id: Outcome(trial) for trial in self.trials}
        self.watches = {name: Watch(outcome) for name, outcome in outcomes.items()}
        self.rates = {trial.trial_id: learning_rates(trial, self.steps_per_epoch) for trial in self.trials}
        self.kept = list(self.weights)
        self.since = time.monotonic()
        while self.step < self.total_steps:
            self._train_and_evaluate(min(self.step + self.interval, self.total_steps))
            if progress:
                progress(self.step, self.total_steps)
            running = [r for r, column in enumerate(self.columns) if any(self._watch(each).running for each in column)]
            if not running:
                break
            stopped = (len(self.columns) - len(running)) * len(self.seeds)
            ahead = stopped * (self.total_steps - self.step)
            fewer = len(running) <= len(self.columns) / 2 and self.runs is self.program
            if fewer and ahead >= _COMPACTION_PAYS[self.xla]:
                self._compact(running)
        self._hand_out(range(len(self.columns)))
        return [outcomes[trial.trial_id] for trial in self.trials]

    def _watch(self, trial: Trial) -> Watch:
        return self.watches[trial.trial_id]

    def _train_and_evaluate(self, stop: int) -> None:
        """Trains up to step `stop`, validates, and lets each trial's watch decide."""
        span = slice(self.step, stop)
        rates = per_trial(self.columns, lambda trial: self.rates[trial.trial_id][span])  # [S, R, steps]
        factors = per_trial(self.columns, lambda trial: self._watch(trial).factor)
        step_rates = np.moveaxis(rates * factors[:, :, None], 2, 0)
        train_loss = self._train(stop, step_rates)
        values = {"train_loss": train_loss, **self._validate(), "learning_rate": step_rates[-1]}
        epoch = -(-stop // self.steps_per_epoch)
        keep = np.zeros([len(self.seeds), len(self.columns)], bool)
        for r, column in enumerate(self.columns):
            for s, trial in enumerate(column):
                own = {name: float(value[s, r]) for name, value in values.items()}
                keep[s, r] = self._watch(trial).after_evaluation(epoch, stop, own)
        self.kept = self._keep(keep)

    def _compact(self, running: list[int]) -> None:
        """Goes on with the columns that still train, in a smaller program; the others' outcomes are complete."""
        import tensorflow as tf

        self._hand_out([r for r in range(len(self.columns)) if r not in running])
        axis = self.program.axis

        def chosen(array: Tensor, axis: int, columns: list[int]) -> Tensor:
            return tf.gather(array, columns, axis=axis)

        self.weights = [chosen(each, axis(index), running) for index, each in enumerate(self.weights)]
        self.kept = [chosen(each, axis(index), running) for index, each in enumerate(self.kept)]
        slots = []
        for rule, blocks in zip(self.program.rules, self.slots, strict=True):
            own = [r - rule.start for r in running if rule.start <= r < rule.stop]
            if own:
                slots.append(
                    [
                        tuple(chosen(slot, slot_axis, own) for slot in block)
                        for block, slot_axis in zip(blocks, self.program.block_axes, strict=True)
                    ]
                )
        self.slots = slots
        self.columns = [self.columns[r] for r in running]
        self._take_program()

    def _train(self, stop: int, rates: np.ndarray) -> np.ndarray:
        """Steps from where it stands to `stop`, chunk by chunk; returns each trial's mean loss over the rows, `[S, R]`.

        Args:
            rates: Learning rates `[steps, S, R]`.
        """
        import tensorflow as tf

        feed, (x, y) = self.arrays.train, self.train_buffers
        first, total, rows = self.step, np.zeros([len(self.seeds), len(self.columns)]), 0
        while self.step < stop:
            epoch, done = divmod(self.step, self.steps_per_epoch)
            if done == 0:
                self.orders = [feed.order(seed, epoch) for seed in self.seeds]
            steps = min(self.chunk_steps, self.steps_per_epoch - done, stop - self.step)
            wanted = slice(done * self.batch_size, (done + steps) * self.batch_size)
            for lane, (seed, order) in enumerate(zip(self.seeds, self.orders, strict=True)):
                picked = order[wanted]
                feed.fill(seed, epoch, picked, x.array[lane, : len(picked)], y.array[lane, : len(picked)])
                x.array[lane, len(picked) : steps * self.batch_size] = 0  # an epoch's last batch may be partial
            own = rates[self.step - first : self.step - first + steps]
            padded = np.concatenate([own, np.zeros([self.chunk_steps - steps, *own.shape[1:]])])
            self.weights, self.slots, losses = self.runs.chunk(
                self.weights,
                self.slots,
                self.inputs,
                x.tensor,
                y.tensor,
                tf.constant(padded, self.dtype),
                tf.constant(steps),
                tf.constant(self.step),
                tf.constant(len(picked)),
            )
            total += losses.numpy()
            rows += len(picked)
            self.step += steps
        return total / rows

    def _validate(self) -> dict[str, np.ndarray]:
        """Validation loss (with penalties, as Keras) and accuracy or RMSE, `[S, R]` each."""
        import tensorflow as tf

        inputs, targets = self.arrays.val_inputs, self.arrays.val_targets
        losses, hits = np.zeros([2, len(self.seeds), len(self.columns)])
        x, y = self.score_buffers
        for part in slices(len(targets), x.array.shape[1]):
            rows = part.stop - part.start
            x.array[0, :rows], y.array[0, :rows] = inputs[part], targets[part]
            loss, hit, penalty = self.runs.score(self.weights, self.inputs, x.tensor, y.tensor, tf.constant(rows))
            losses += loss.numpy()
            hits += hit.numpy()
        mean, penalties = losses / len(targets), penalty.numpy()
        if self.arrays.classes is None:
            return {"val_loss": mean + penalties, "val_rmse": np.sqrt(mean) * self.arrays.target_scale}
        return {"val_loss": mean + penalties, "val_accuracy": hits / len(targets)}

    def _keep(self, keep: np.ndarray) -> list:
        """The kept weights, with those just evaluated where `keep` `[S, R]`."""
        import tensorflow as tf

        if keep.all():
            return list(self.weights)
        if not keep.any():
            return self.kept
        chosen = tf.constant(keep)
        return [
            tf.where(spread(chosen, new, self.program.axis(index)), new, old)
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
                        form.restored(np.take(arrays[index][s], r, axis=form.axis - 1))
                        for index, form in sorted(self.program.forms.items())
                    ]
                    outcome.outputs = {name: np.ascontiguousarray(values[s, r]) for name, values in outputs.items()}

    def _scored(self, weights: list, x: Rows) -> np.ndarray:
        """Outputs `[S, R, rows, outputs]`, float32."""

        buffer, _ = self.score_buffers
        parts = []
        for part in slices(len(x), buffer.array.shape[1]):
            rows = part.stop - part.start
            buffer.array[0, :rows] = x[part]
            parts.append(self.program.outputs(weights, buffer.tensor).numpy()[:, :, :rows].astype("float32"))
        return np.concatenate(parts, axis=2)


def _rectangle(trials: Sequence[Trial]) -> tuple[list[int], list[list[Trial]]]:
    """The seeds, and for each variant its trials in the seeds' order; variants of one update rule side by side.

    Raises:
        ValueError: some variant lacks some seed, or batch sizes, budgets or the steps of evaluations differ.
    """
    if len({(trial.batch_size, trial.epochs, trial.evaluate_every) for trial in trials}) != 1:
        raise ValueError("the trials of a stack must have one batch size, one epoch budget and one evaluate_every")
    seeds = sorted({trial.seed for trial in trials})
    by_variant: dict[str, dict[int, Trial]] = {}
    for trial in trials:
        by_variant.setdefault(trial.variant_id, {})[trial.seed] = trial
    if any(sorted(own) != seeds for own in by_variant.values()) or len(by_variant) * len(seeds) != len(trials):
        raise ValueError("the trials of a stack must be every variant under every seed, once")
    columns = [[own[seed] for seed in seeds] for own in by_variant.values()]
    return seeds, sorted(columns, key=lambda column: column[0].optimizer.update.__name__)
