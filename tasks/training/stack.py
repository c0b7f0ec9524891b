"""The stacked trainer: many trials as one compiled program.

What costs time when small networks are compared with a loop of `Model.fit` is not arithmetic but everything around it:
a Python call, a graph launch and a handful of tiny kernels for each step of each trial. Here the trials of a stack take
each step together, and the steps of a chunk run in one loop inside one compiled function. From the outside in:

1. *The plan* divides trials of one architecture, batch size and budget into stacks (`tasks.planning.cost_model`), and
   says for each whether XLA compiles it. Two stacks on two cores run side by side, since one seldom fills more than one
   core.
2. *Axes.* A stack is a rectangle of `S` seeds times `R` recipes. Each weight of the Keras model that defines the
   network becomes an array with these two axes (`stacked_layers`). Trials of one seed share initial weights, batches
   and dropout's random numbers: that pairs their comparison, and lets the first layer multiply a batch by the kernels
   of all recipes in one matrix product. Convolutions lay the channels of all trials side by side and run in groups.
   In cross-validation `S` counts *lanes*: each seed once for each fold, whose rows are its own.
3. *The program* (`program`) depends on shapes and on update rules only. Hyperparameters are inputs, one value a trial:
   learning rates (`[steps, S, R]`, so every schedule is the same program), the optimizers' numbers, penalties, dropout
   rates, clipping, label smoothing. Nothing is compiled anew for another value, and stacks of equal structure share a
   program. Widths are inputs as well: narrower networks are padded to the widest one's shapes (`stacked_layers`).
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

import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.run_folder import write_bytes
from tasks.training.feed import Buffer, Order
from tasks.training.models import Architecture, Penalties
from tasks.training.program import (
    Structure,
    hyperparameters,
    per_trial,
    program_of,
    rules_of,
    spread,
    trainable_shapes,
)
from tasks.training.stacked_layers import Tensor, describe, joinable, widest
from tasks.training.trial import (
    Arrays,
    ArraysByFold,
    Outcome,
    Progress,
    Rows,
    Trial,
    Watch,
    by_fold,
    kept_step,
    learning_rates,
    slices,
)

if TYPE_CHECKING:
    import keras

Widths = tuple[int, ...]
"""Units of the hidden Dense layers."""

CHUNK_BYTES = 24 * 2**20
"""Of training inputs that are in the program's hands at a time."""

EVALUATION_ROWS = 2048
"""At most, in one slice of rows that are only scored."""

EVALUATION_BYTES = 32 * 2**20
"""About what a slice's activations may take."""

_COMPACTION_PAYS = {True: 100_000, False: 10_000}
"""Steps of stopped trials that must be ahead before a stack is compiled anew without them (by whether XLA does it). A
count and not a measured time, so that a run can be repeated bit for bit."""


_RECORDED = ("status", "reason", "curves", "epochs", "steps", "best_step", "seconds")
"""Of an outcome, what is no array."""


def train_stack(
    trials: Sequence[Trial],
    arrays: Arrays | ArraysByFold,
    *,
    xla: bool = True,
    dtype: str = "float32",
    progress: Progress | None = None,
) -> list[Outcome]:
    """Trains trials of one architecture, batch size and epoch budget together.

    Args:
        trials: A full rectangle: every seed (and fold) with every variant, in any order; evaluated at the same steps.
            Their architectures are equal but for `Architecture.hidden`.
        arrays: What they learn from. Those of different folds have equally many rows, of equal shape.
        xla: Compile with XLA, or run the same graph without.
        dtype: float32 or float64.
        progress: Told of steps done, between evaluations.

    Returns:
        The outcomes in the order of `trials`.
    """
    stack = Stack(trials, arrays, xla=xla, dtype=dtype)
    stack.train_until(stack.total_steps, progress)
    return stack.outcomes()


class Stack:
    """Trials that train together, in one go or with pauses at evaluations.

    A search by successive halving pauses it at each rung, asks for `last` values, and drops the losers; the others go
    on as if nobody had left. Learning rates follow the whole budget whenever it pauses. A paused stack can be saved,
    and taken up by another process bit for bit.

    Args:
        trials, arrays, xla, dtype: As for `train_stack`.

    Attributes:
        step: Steps taken.
        total_steps: Of the whole budget.
        interval: Steps from one evaluation to the next.
        runs: What takes its chunks and scores: the program, or what does more than it (`hypergradient`).
    """

    def __init__(
        self, trials: Sequence[Trial], arrays: Arrays | ArraysByFold, *, xla: bool = True, dtype: str = "float32"
    ) -> None:
        import tensorflow as tf

        self.trials, self.xla, self.dtype = list(trials), xla, tf.as_dtype(dtype)
        lanes, self.columns = _rectangle(self.trials)
        self.seeds = [seed for seed, _ in lanes]
        own = by_fold(arrays, self.trials)
        _check_alike(list(own.values()))
        self.lanes = [own[fold] for _, fold in lanes]
        self.arrays = self.lanes[0]  # for what they have in common
        self.views = self.lanes if len(own) > 1 else self.lanes[:1]  # of rows that all see, one lane is scored
        first = self.trials[0]
        self.batch_size = first.batch_size
        self.steps_per_epoch = self.arrays.steps_per_epoch(self.batch_size)
        self.total_steps = first.epochs * self.steps_per_epoch
        self.interval = first.evaluate_every or self.steps_per_epoch
        dropout = max(trial.penalties.dropout for trial in self.trials)
        template = type(first.penalties)(dropout=dropout)
        models = {
            architecture.hidden: self._models(architecture, template) for architecture in _architectures(self.columns)
        }
        self._join({hidden: own[0] for hidden, own in models.items()})
        self._take_program()
        self.weights = self._first_weights(models)
        self.slots = self.program.first_slots(self.weights, self.inputs)
        self.kept = list(self.weights)
        self.train_buffers, self.score_buffers = self._training_buffers(), self._scoring_buffers()
        self.step = 0
        self.orders: list[Order] | None = None  # of the epoch that `step` is in, once it is known
        self.watches = {trial.trial_id: Watch(Outcome(trial)) for trial in self.trials}
        self.rates = {trial.trial_id: learning_rates(trial, self.steps_per_epoch) for trial in self.trials}
        self.since = time.monotonic()

    def _join(self, models: Mapping[Widths, keras.Model]) -> None:
        """Takes the widest network for all, and the shapes of each trial's own weights."""
        reason = joinable(list(models.values()))
        if reason is not None:
            raise ValueError(f"the networks of a stack must be joinable: {reason}")
        self.model = widest(list(models.values()))
        self.shapes = {hidden: [weight.shape for weight in model.weights] for hidden, model in models.items()}
        self.trainable_shapes = {hidden: trainable_shapes(model) for hidden, model in models.items()}
        self.widths = tuple(map(max, zip(*models, strict=True)))

    def _models(self, architecture: Architecture, penalties: Penalties) -> list[keras.Model]:
        """One for each lane; folds of one seed begin alike."""
        shape, outputs = self.arrays.train.shape, self.arrays.outputs
        built = {
            seed: architecture.build(shape, outputs, penalties=penalties, seed=seed)
            for seed in dict.fromkeys(self.seeds)
        }
        return [built[seed] for seed in self.seeds]

    def _take_program(self) -> None:
        """The program for the columns as they are, and its inputs."""
        import tensorflow as tf

        rules = rules_of([column[0] for column in self.columns])
        values = hyperparameters(self.columns, rules, [each.class_weights for each in self.lanes])
        widths = [column[0].architecture.hidden for column in self.columns]
        padded = any(each != self.widths for each in widths)
        searching = padded and any(rule.searches for rule in rules)
        structure = Structure(
            layers=describe(self.model),
            classes=self.arrays.classes,
            seeds=len(self.seeds),
            folds=self._folds(),
            recipes=len(self.columns),
            rules=rules,
            inputs=(*values, *(["widths"] if padded else [])),
            batch_size=self.batch_size,
            xla=self.xla,
            dtype=self.dtype.name,
            own_shapes=tuple(self.trainable_shapes[each] for each in widths) if searching else (),
        )
        self.program = program_of(self.model, structure)
        self.runs: Any = self.program
        self.inputs = {name: tf.constant(value, self.dtype) for name, value in values.items()}
        self.inputs["seeds"] = tf.constant(self.seeds, tf.int32)
        if padded:
            self.inputs["widths"] = tf.constant(widths, tf.int32)

    def _folds(self) -> int:
        """How many lanes that follow each other are of one seed; 1 where seeds differ in that."""
        counts = {self.seeds.count(seed) for seed in self.seeds}
        return counts.pop() if len(counts) == 1 else 1

    def _first_weights(self, models: Mapping[Widths, Sequence[keras.Model]]) -> list[Tensor]:
        """Each trial's initial weights in the leading corner, zeros around them.

        Args:
            models: Of each width, one model a seed.
        """
        import tensorflow as tf

        columns = {
            hidden: [r for r, column in enumerate(self.columns) if column[0].architecture.hidden == hidden]
            for hidden in models
        }
        weights = []
        for index, form in sorted(self.program.forms.items()):
            shape = form.stored(np.empty(self.model.weights[index].shape)).shape
            stacked = np.zeros([len(self.seeds), len(self.columns), *shape], self.dtype.name)
            for hidden, own in models.items():
                for s, model in enumerate(own):
                    weight = form.stored(model.weights[index].numpy())
                    stacked[s][columns[hidden], *_corner(weight.shape)] = weight
            weights.append(tf.constant(np.moveaxis(stacked, 1, form.axis), self.dtype))
        return weights

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
        feed, lanes = self.arrays.train, len(self.views)
        numbers = sum(int(np.prod(layer.output.shape[1:])) for layer in self.model.layers)
        numbers *= len(self.columns) * len(self.seeds)
        if lanes > 1:  # one lane's inputs are few beside all trials' activations
            numbers += lanes * int(np.prod(feed.shape))
        fit = EVALUATION_BYTES // (numbers * self.dtype.size)
        rows = min(int(np.clip(fit, 32, EVALUATION_ROWS)), max(map(len, parts)))
        return (
            Buffer((lanes, rows, *feed.shape), self._input_dtype(feed.dtype)),
            Buffer((lanes, rows), self._input_dtype(feed.target_dtype)),
        )

    def _input_dtype(self, dtype: np.dtype) -> np.dtype:
        """Inputs are of the stack's dtype; whole numbers (tokens, classes) stay what they are."""
        return dtype if np.issubdtype(dtype, np.integer) else np.dtype(self.dtype.name)

    # -- from pause to pause --

    def train_until(self, step: int, progress: Progress | None = None) -> None:
        """Trains up to a step, or until no trial runs any more.

        Args:
            step: One after which trials are evaluated: a multiple of `interval`, or `total_steps`. Nothing happens
                where it has been reached.
            progress: Told of steps done, after each evaluation.

        Raises:
            ValueError: no trial is evaluated after that step.
        """
        if step != self.total_steps and not (step % self.interval == 0 < step < self.total_steps):
            raise ValueError(f"trials are evaluated every {self.interval} of {self.total_steps} steps, not at {step}")
        self.since = time.monotonic()
        while self.step < step and self._running():
            self._train_and_evaluate(min(self.step + self.interval, self.total_steps))
            if progress:
                progress(self.step, self.total_steps)
            running = self._running()
            stopped = (len(self.columns) - len(running)) * len(self.seeds)
            ahead = stopped * (self.total_steps - self.step)
            fewer = 0 < len(running) <= len(self.columns) / 2 and self.runs is self.program
            if fewer and ahead >= _COMPACTION_PAYS[self.xla]:
                self._compact(running)
        self._charge()

    def kept_values(self, trial_id: str, epoch: int) -> dict[str, float]:
        """A trial's values by their names in the curves, at the evaluation whose weights it keeps at the end of an
        epoch: with early stopping that restores the best ones not the last. Empty where it has diverged by then."""
        outcome = self.watches[trial_id].outcome
        until = epoch * self.steps_per_epoch
        if outcome.status == "diverged" and outcome.steps <= until:
            return {}
        losses = [(step, value) for _, step, name, value in outcome.curves if name == "val_loss" and step <= until]
        kept = kept_step(outcome.trial.stopping, losses)
        return {name: value for _, step, name, value in outcome.curves if step == kept}

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Ends trials that still run: they are `pruned`, with the weights kept so far.

        Where at least half of the columns have nobody running then, the stack goes on in a smaller program.

        Args:
            reasons: By trial, why.
        """
        self.since = time.monotonic()
        for trial_id, reason in reasons.items():
            self.watches[trial_id].prune(reason)
        running = self._running()
        if 0 < len(running) <= len(self.columns) / 2 and self.step < self.total_steps:
            self._compact(running)
        self._charge()

    def outcomes(self) -> list[Outcome]:
        """What became of the trials so far, in the order given; final for those that no longer run."""
        self.since = time.monotonic()
        self._hand_out(range(len(self.columns)))
        self._charge()
        return [self._watch(trial).outcome for trial in self.trials]

    def save(self, path: Path) -> None:
        """Writes all that `load` needs to go on, as `.npz`."""
        outcomes = [self._watch(trial).outcome for trial in self.trials]
        state = {
            "of": self._identity(),
            "step": self.step,
            "columns": [[trial.trial_id for trial in column] for column in self.columns],
            "slots": [[len(block) for block in blocks] for blocks in self.slots],
            "watches": [self._watch(trial).state() for trial in self.trials],
            "outcomes": [{name: getattr(outcome, name) for name in _RECORDED} for outcome in outcomes],
        }
        arrays = {"state": np.frombuffer(json.dumps(state).encode(), np.uint8)}
        for name, weights in (("weights", self.weights), ("kept", self.kept)):
            arrays |= {f"{name}/{index}": weight.numpy() for index, weight in enumerate(weights)}
        for number, blocks in enumerate(self.slots):
            for place, block in enumerate(blocks):
                arrays |= {f"slots/{number}/{place}/{index}": slot.numpy() for index, slot in enumerate(block)}
        for number, outcome in enumerate(outcomes):
            arrays |= {f"own/{number}/{index}": weight for index, weight in enumerate(outcome.weights or [])}
            arrays |= {f"outputs/{number}/{name}": values for name, values in outcome.outputs.items()}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        write_bytes(path, content.getvalue())

    def load(self, path: Path) -> None:
        """Takes up where a stack of the same trials was saved.

        Raises:
            ValueError: it was a stack of other trials, or compiled or rounded in another way.
        """
        import tensorflow as tf

        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        state = json.loads(arrays["state"].tobytes())
        if state["of"] != self._identity():
            raise ValueError(f"{path} holds a stack of other trials, compiled or rounded in another way")
        by_id = {trial.trial_id: trial for trial in self.trials}
        self.columns = [[by_id[each] for each in column] for column in state["columns"]]
        self._take_program()
        self.step, self.orders = state["step"], None
        self.weights, self.kept = (
            [tf.constant(arrays[f"{name}/{index}"]) for index in range(len(self.weights))]
            for name in ("weights", "kept")
        )
        self.slots = [
            [
                tuple(tf.constant(arrays[f"slots/{number}/{place}/{index}"]) for index in range(count))
                for place, count in enumerate(counts)
            ]
            for number, counts in enumerate(state["slots"])
        ]
        for number, trial in enumerate(self.trials):
            watch = self._watch(trial)
            watch.resume(state["watches"][number])
            vars(watch.outcome).update(state["outcomes"][number])
            watch.outcome.curves = [(epoch, at, name, value) for epoch, at, name, value in watch.outcome.curves]
            own = [name for name in arrays if name.startswith(f"own/{number}/")]
            watch.outcome.weights = [arrays[f"own/{number}/{index}"] for index in range(len(own))] or None
            outputs = f"outputs/{number}/"
            watch.outcome.outputs = {
                name.removeprefix(outputs): array for name, array in arrays.items() if name.startswith(outputs)
            }

    def _identity(self) -> list[Any]:
        """What a saved stack and the one that takes it up must agree in."""
        return [[trial.trial_id for trial in self.trials], self.total_steps, self.interval, self.xla, self.dtype.name]

    def _running(self) -> list[int]:
        """The columns of which some trial runs."""
        return [r for r, column in enumerate(self.columns) if any(self._watch(each).running for each in column)]

    def _charge(self) -> None:
        """Charges the time since the last call to all trials that are there."""
        now = time.monotonic()
        for column in self.columns:
            for trial in column:
                self._watch(trial).outcome.seconds += (now - self.since) / (len(self.columns) * len(self.seeds))
        self.since = now

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
        self._charge()
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

        feeds, (x, y) = [each.train for each in self.lanes], self.train_buffers
        first, total, rows = self.step, np.zeros([len(self.seeds), len(self.columns)]), 0
        while self.step < stop:
            epoch, done = divmod(self.step, self.steps_per_epoch)
            if done == 0 or self.orders is None:
                self.orders = [feed.order(seed, epoch) for feed, seed in zip(feeds, self.seeds, strict=True)]
            steps = min(self.chunk_steps, self.steps_per_epoch - done, stop - self.step)
            wanted = slice(done * self.batch_size, (done + steps) * self.batch_size)
            for lane, (feed, seed, order) in enumerate(zip(feeds, self.seeds, self.orders, strict=True)):
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

        losses, hits = np.zeros([2, len(self.seeds), len(self.columns)])
        x, y = self.score_buffers
        validated = len(self.arrays.val_targets)
        for part in slices(validated, x.array.shape[1]):
            rows = part.stop - part.start
            for lane, view in enumerate(self.views):
                x.array[lane, :rows], y.array[lane, :rows] = view.val_inputs[part], view.val_targets[part]
            loss, hit, penalty = self.runs.score(self.weights, self.inputs, x.tensor, y.tensor, tf.constant(rows))
            losses += loss.numpy()
            hits += hit.numpy()
        mean, penalties = losses / validated, penalty.numpy()
        if self.arrays.classes is None:
            scales = np.array([each.target_scale for each in self.lanes])
            return {"val_loss": mean + penalties, "val_rmse": np.sqrt(mean) * scales[:, None]}
        return {"val_loss": mean + penalties, "val_accuracy": hits / validated}

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
        """Completes the outcomes of these columns."""
        outputs = {
            name: self._scored(self.kept, [view.to_score[name] for view in self.views]) for name in self.arrays.to_score
        }
        arrays = [weight.numpy() for weight in self.kept]
        for r in columns:
            for s, trial in enumerate(self.columns[r]):
                outcome = self._watch(trial).outcome
                if outcome.status != "diverged":
                    own = self.shapes[trial.architecture.hidden]
                    outcome.weights = [
                        np.ascontiguousarray(
                            form.restored(np.take(arrays[index][s], r, axis=form.axis - 1))[_corner(own[index])]
                        )
                        for index, form in sorted(self.program.forms.items())
                    ]
                    outcome.outputs = {name: np.ascontiguousarray(values[s, r]) for name, values in outputs.items()}

    def _scored(self, weights: list, views: Sequence[Rows]) -> np.ndarray:
        """Outputs `[S, R, rows, outputs]`, float32, of the rows that each lane sees, or all."""
        buffer, _ = self.score_buffers
        parts = []
        for part in slices(len(views[0]), buffer.array.shape[1]):
            rows = part.stop - part.start
            for lane, x in enumerate(views):
                buffer.array[lane, :rows] = x[part]
            parts.append(self.program.outputs(weights, buffer.tensor).numpy()[:, :, :rows].astype("float32"))
        return np.concatenate(parts, axis=2)


def _architectures(columns: Sequence[Sequence[Trial]]) -> list[Architecture]:
    """One of each width."""
    return list({column[0].architecture.hidden: column[0].architecture for column in columns}.values())


def _corner(shape: Sequence[int]) -> tuple[slice, ...]:
    """The leading part of a weight, of another trial's shape or its own."""
    return tuple(slice(0, size) for size in shape)


def _check_alike(folds: Sequence[Arrays]) -> None:
    """Whether folds can share a program.

    Raises:
        ValueError: they differ in how many rows they train on or score, or in what a row is.
    """

    def facts(one: Arrays) -> tuple:
        train = one.train
        scored = {name: len(rows) for name, rows in one.to_score.items()}
        return train.rows, train.shape, train.dtype, train.target_dtype, one.classes, len(one.val_targets), scored

    if any(facts(each) != facts(folds[0]) for each in folds[1:]):
        raise ValueError("the folds of a stack must have equally many rows in each part, of one shape")


Lane = tuple[int, int | None]
"""Seed and fold."""


def _rectangle(trials: Sequence[Trial]) -> tuple[list[Lane], list[list[Trial]]]:
    """The lanes, and for each variant its trials in the lanes' order; variants of one update rule side by side.

    Raises:
        ValueError: some variant lacks some lane, or batch sizes, budgets or the steps of evaluations differ.
    """
    if len({(trial.batch_size, trial.epochs, trial.evaluate_every) for trial in trials}) != 1:
        raise ValueError("the trials of a stack must have one batch size, one epoch budget and one evaluate_every")
    by_variant: dict[str, dict[Lane, Trial]] = {}
    for trial in trials:
        by_variant.setdefault(trial.variant_id, {})[trial.seed, trial.fold] = trial
    lanes = sorted(
        {(trial.seed, trial.fold) for trial in trials}, key=lambda lane: (lane[0], -1 if lane[1] is None else lane[1])
    )
    if any(own.keys() != set(lanes) for own in by_variant.values()) or len(by_variant) * len(lanes) != len(trials):
        raise ValueError("the trials of a stack must be every variant under every seed and fold, once")
    columns = [[own[lane] for lane in lanes] for own in by_variant.values()]
    return lanes, sorted(columns, key=lambda column: column[0].optimizer.update.__name__)
