"""The stacked trainer: many trials as one compiled program.

When small networks are compared with a loop of `Model.fit`, most of the time goes not into arithmetic but into what is
around it: a Python call, a graph launch and a handful of tiny kernels for each step of each trial. Here the trials of a
stack take each step together, and the steps of a chunk run in one loop inside one compiled function. From the outside
in:

1. *The plan* divides trials of one architecture, batch size and budget into stacks (`tasks.planning.cost_model`), and
   says for each whether XLA compiles it. Two stacks on two cores run side by side, since one seldom fills more than one
   core.
2. *Axes.* A stack is a rectangle of `S` replicas times `R` recipes (`rectangle`). A replica is a seed; in
   cross-validation it is a seed in one of the folds, whose rows are its own. Each weight of the Keras model that
   defines the network becomes an array with these two axes (`stacked_networks`, `networks`). Trials of one replica
   share initial weights, batches and dropout's random numbers: that pairs their comparison, and lets the first layer
   multiply a batch by the kernels of all recipes in one matrix product. Convolutions lay the channels of all trials
   side by side and run in groups.
3. *The program* (`program`) depends on shapes and on update rules only. Hyperparameters (`hyperparameters`) are inputs,
   one value a trial: learning rates (`[steps, S, R]`, so every schedule is the same program), the optimizers' numbers,
   penalties, dropout rates, clipping, label smoothing. Nothing is compiled again for another value, and stacks of equal
   structure share a program. Widths are inputs as well: narrower networks are padded to the widest one's shapes.
4. *Optimizers differ inside a stack.* Recipes with the same update rule (`optimizers`) lie side by side. Each rule
   keeps its recipes' weights and moments to itself, in flat blocks (`packing`), so that an update is one loop along
   memory; the layers see the blocks joined, or in parts where joining would copy much.
5. *Rows are arguments* (`chunks`), a chunk of steps at a time, through memory that is allocated once: from an array,
   from Parquet on disk, or augmented on the way (`feed`). A captured constant would be folded by the compiler for
   minutes, and fresh memory for each chunk would take longer than the training. An epoch's last batch may be partial:
   missing rows are masked. Rows that are only scored pass in slices of their own (`scoring`).
6. *After each evaluation* Python looks at the losses: early stopping, plateaus, targets and divergence act through
   `watch`, as Keras's callbacks would. A trial that stopped or diverged keeps running, but its results are ignored: no
   operation crosses trials, so its numbers change no other trial. When at least half of the recipes have stopped and
   enough steps are left, the stack goes on in a smaller program without them.

A trial's results depend on its neighbours only through the rounding of products of another shape; with the same plan,
they are the same bit for bit. In float32, alone and without XLA they are those of Keras bit for bit
(`tests/contracts/test_optimizers.py` says what is compared, and how closely).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tasks.training.averages import Averages, EpochEnds
from tasks.training.axes import chosen, spread
from tasks.training.branch import Branch
from tasks.training.chunks import Chunks
from tasks.training.compiled import Compiled, program_for
from tasks.training.networks import initial
from tasks.training.program import Engine, Slots
from tasks.training.record import Record
from tasks.training.rectangle import Rectangle
from tasks.training.replicas import Data
from tasks.training.saved import Checkpoint, read_arrays, write_arrays
from tasks.training.scoring import Slices
from tasks.training.signals import StackSignals, recorded_at
from tasks.training.stacked_layers import Tensor
from tasks.training.trial import Arrays, ArraysByFold, Outcome, Progress, Trial

_COMPACTION_PAYS = {True: 100_000, False: 10_000}
"""How many steps of stopped trials must be left before a stack is compiled again without them (by whether XLA compiles
it). It is a count and not a measured time, so that a run can be repeated bit for bit."""


def train_stack(
    trials: Sequence[Trial],
    arrays: Arrays | ArraysByFold,
    *,
    xla: bool = True,
    dtype: str = "float32",
    signals: bool = False,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    branches: Sequence[Branch] = (),
) -> list[Outcome]:
    """Trains trials of one architecture, batch size, accumulation and epoch budget together.

    Args:
        trials: A full rectangle: every seed (and fold) with every variant, in any order; evaluated at the same steps.
            Their architectures are equal but for `Architecture.hidden`.
        arrays: What they learn from. Those of different folds have equally many rows, of equal shape.
        xla: Compile with XLA, or run the same graph without.
        dtype: float32 or float64.
        signals: Whether the outcomes have the signals of each layer (`signals`).
        progress: Called with the steps done, after each evaluation.
        checkpoint: Where the state is written while they train, and loaded from if it exists; None: nowhere.
        branches: Trials of shorter budgets that go on from the state of these.

    Returns:
        The outcomes in the order of `trials`.
    """
    budgets = [branch.trials[0].epochs for branch in branches]
    stack = Stack(trials, arrays, xla=xla, dtype=dtype, signals=signals, checkpoint=checkpoint, budgets=budgets)
    for branch in sorted(branches, key=lambda each: each.step):
        stack.train_until(branch.step, progress)
        stack.leave(branch)
    stack.train_until(stack.total_steps, progress)
    return stack.outcomes()


@dataclass
class State:
    """What training changes, for the trials that are in the program.

    Args:
        step: Steps taken.
        weights, slots: The present ones.
        kept: The weights that each trial would keep if it ended now.
        lost: Each trial's losses summed over the rows since the last evaluation, `[S, R]`; 0 right after it.
        rows: The number of these rows.
    """

    step: int
    weights: list[Tensor]
    slots: Slots
    kept: list[Tensor]
    lost: np.ndarray | float = 0.0
    rows: int = 0


class Following(Engine, Protocol):
    """An engine with a state of its own: tensors, in lists and tuples."""

    state: Any


Follow = Callable[[Rectangle, Compiled, list[Tensor]], Following]
"""Makes a stack's engine from its trials, its program and their initial weights."""


class Stack:
    """Trials that train together, in one go or with pauses at evaluations.

    A search by successive halving pauses the stack at each rung, asks for `kept_values`, and drops the losers; the
    others go on as if no trial had left. Learning-rate schedules span the whole budget, wherever the stack pauses. A
    stack can be saved between any two chunks of steps, and another process can go on with it bit for bit.

    Args:
        trials, arrays, xla, dtype, signals, checkpoint: As for `train_stack`.
        follow: Makes an engine that runs the chunks and scores instead of the program alone. The stack is then not
            compiled again when trials stop.
        budgets: Epochs of the trials that go on from its state. Signals are recorded for them, too.

    Attributes:
        trials: As given.
        rectangle: The trials that are still in the program.
        steps_per_epoch: Steps of an epoch.
        total_steps: Steps of the whole budget.
        interval: Steps from one evaluation to the next.
        networks: The networks of all trials.
        state: What training changes.
        engine: Runs the chunks and scores.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        arrays: Arrays | ArraysByFold,
        *,
        xla: bool = True,
        dtype: str = "float32",
        signals: bool = False,
        follow: Follow | None = None,
        checkpoint: Checkpoint | None = None,
        budgets: Sequence[int] = (),
    ) -> None:
        import tensorflow as tf

        self.trials, self._xla, self._dtype, self._checkpoint = list(trials), xla, dtype, checkpoint
        self.rectangle = Rectangle.of(self.trials)
        self._data = Data.of(self.rectangle, arrays)
        first, shared = self.trials[0], self._data.any
        self.steps_per_epoch = shared.steps_per_epoch(first.batch_size)
        self.total_steps = first.epochs * self.steps_per_epoch
        self._ends = [self.total_steps, *(epochs * self.steps_per_epoch for epochs in budgets)]
        self.interval = first.evaluate_every or self.steps_per_epoch
        rows = dict(zip(self.rectangle.folds, (arrays.train for arrays in self._data.by_replica), strict=True))
        self.networks, first_weights = initial(self.rectangle, shared.train.shape, shared.outputs, rows)
        self._compiled = self._compile()
        weights = self.networks.joined(self.rectangle, first_weights, tf.as_dtype(dtype))
        slots = self._compiled.program.first_slots(weights, self._compiled.inputs)
        self.state = State(0, weights, slots, list(weights))
        self._following = follow(self.rectangle, self._compiled, weights) if follow else None
        self.engine: Engine = self._following or self._compiled.program
        feeds = [arrays.train for arrays in self._data.by_replica]
        self._chunks = Chunks(feeds, self.rectangle.seeds, first.batch_size, self.interval, np.dtype(dtype))
        self._averages = Averages(self._chunks, self.rectangle, first.batch_size, self.steps_per_epoch)
        self._slices = self._memory()
        self._record = Record(self.trials, self.steps_per_epoch)
        self._initial = list(weights)
        self._signals = StackSignals(feeds, self.rectangle.seeds, np.dtype(dtype)) if signals else None
        if self._signals:
            seen = self._signals.at_start(self._compiled.program, self._compiled.inputs, weights)
            self._record.add_signals(self.rectangle, 0, seen)
        if checkpoint and checkpoint.path.exists():
            with suppress(ValueError):  # the file is another stack's, and will be replaced
                self.load(checkpoint.path)

    def _compile(self) -> Compiled:
        """The program for the rectangle as it is."""
        return program_for(
            self.rectangle,
            self.networks,
            classes=self._data.any.classes,
            class_weights=[arrays.class_weights for arrays in self._data.by_replica],
            xla=self._xla,
            dtype=self._dtype,
        )

    def _memory(self) -> Slices:
        """The memory for slices of the rows that are scored."""
        shared = self._data.any
        largest = max(map(len, [shared.val_inputs, *shared.to_score.values()]))
        dtypes = (shared.train.dtype, shared.train.target_dtype)
        views = len(self._data.views)
        return Slices(self.rectangle, self.networks, views, shared.train.shape, dtypes, largest, np.dtype(self._dtype))

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.state.step

    # -- from pause to pause --

    def train_until(self, step: int, progress: Progress | None = None) -> None:
        """Trains up to a step, or until no trial runs any more.

        Args:
            step: One after which trials are evaluated: a multiple of `interval`, or `total_steps`. Nothing happens
                where it has been reached.
            progress: Called with the steps done, after each evaluation.

        Raises:
            ValueError: no trial is evaluated after that step.
        """
        if step != self.total_steps and not (step % self.interval == 0 < step < self.total_steps):
            raise ValueError(f"trials are evaluated every {self.interval} of {self.total_steps} steps, not at {step}")
        self._record.start_clock()
        while self.step < step and self._record.running(self.rectangle):
            self._train_and_evaluate(min((self.step // self.interval + 1) * self.interval, self.total_steps))
            if progress:
                progress(self.step, self.total_steps)
            replicas, recipes = self.rectangle.shape
            running = self._record.running(self.rectangle)
            ahead = (recipes - len(running)) * replicas * (self.total_steps - self.step)
            if self._few(running) and ahead >= _COMPACTION_PAYS[self._xla]:
                self._compact(running)
            if running and self.step < self.total_steps:
                self._save_if_due()
        self._record.charge(self.rectangle)

    def kept_values(self, trial_id: str, epoch: int) -> dict[str, float]:
        """A trial's values by their names in the curves, at the evaluation whose weights it keeps at the end of an
        epoch. With early stopping that restores the best weights, this may be an earlier evaluation. Empty where the
        trial has diverged by then."""
        return self._record.kept_values(trial_id, epoch * self.steps_per_epoch)

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Ends trials that still run: they are `pruned`, with the weights kept so far.

        Where at least half of the recipes then have no running trial, the stack goes on in a smaller program.

        Args:
            reasons: Why each is ended, by trial id.
        """
        self._record.start_clock()
        self._record.prune(reasons)
        running = self._record.running(self.rectangle)
        if self._few(running) and self.step < self.total_steps:
            self._compact(running)
        self._record.charge(self.rectangle)

    def outcomes(self) -> list[Outcome]:
        """Returns the outcomes so far, in the order of the trials given; final for those that no longer run."""
        self._record.start_clock()
        self._hand_out(range(len(self.rectangle.columns)))
        self._record.charge(self.rectangle)
        self._record.keep_signals(lambda step: recorded_at(step, self.interval, self.total_steps))
        return self._record.outcomes

    def checkpoint(self) -> None:
        """Saves the stack to its checkpoint, if it has one. On a full disk nothing is saved, and the run goes on."""
        if self._checkpoint:
            self._checkpoint.write(self.save)

    def save(self, path: Path) -> None:
        """Writes all that `load` needs to go on, as `.npz`."""
        self._write(path, self._identity(self.trials, self._checkpoint), {each.trial_id: each for each in self.trials})

    def leave(self, branch: Branch) -> None:
        """Leaves the state to trials of a shorter budget, which find it as if they had saved it. Nothing is left where
        it is past their branch; they train from the beginning then, as they do where the disk is full."""
        if self.step > branch.step:
            return
        of = {mine.trial_id: theirs for mine, theirs in zip(self.trials, branch.trials, strict=True)}
        identity = self._identity(branch.trials, branch.checkpoint)
        branch.checkpoint.write(lambda path: self._write(path, identity, of))

    def _write(self, path: Path, identity: list[Any], of: Mapping[str, Trial]) -> None:
        """Args:
        identity: Of the stack that takes it up.
        of: By own trial, the trial whose state it is there.
        """
        import tensorflow as tf

        self._record.charge(self.rectangle)
        state = {
            "of": identity,
            "step": self.step,
            "lost": np.asarray(self.state.lost).tolist(),
            "rows": self.state.rows,
            "columns": [[of[trial.trial_id].trial_id for trial in column] for column in self.rectangle.columns],
            **self._record.state(),
        }
        trained, ends = self.state, self._averages.ends.held
        beside = tf.nest.flatten(self._following.state) if self._following else []
        write_arrays(path, state, trained.weights, trained.kept, trained.slots, self._record.outcomes, ends, beside)

    def load(self, path: Path) -> None:
        """Restores a stack of the same trials that was saved.

        Raises:
            ValueError: it was a stack of other trials, compiled or rounded in another way, or the file is not whole.
        """
        import tensorflow as tf

        state, arrays = read_arrays(path)
        if state["of"] != self._identity(self.trials, self._checkpoint):
            raise ValueError(f"{path} holds a stack of other trials, compiled or rounded in another way")
        by_id = {trial.trial_id: trial for trial in self.trials}
        places = {column[0].trial_id: place for place, column in enumerate(self.rectangle.columns)}
        there = [places[ids[0]] for ids in state["columns"]]
        axis = self._compiled.program.axis
        self._initial = [chosen(each, axis(index), there) for index, each in enumerate(self._initial)]
        columns = tuple(tuple(by_id[each] for each in column) for column in state["columns"])
        self.rectangle = Rectangle(self.rectangle.replicas, columns)
        self._compiled = self._compile()
        if self._following:
            self._following.state = tf.nest.pack_sequence_as(self._following.state, arrays.listed("beside"))
        else:
            self.engine = self._compiled.program
        weights, kept, lost = arrays.listed("weights"), arrays.listed("kept"), np.array(state["lost"])
        self.state = State(state["step"], weights, arrays.slots(state["slots"]), kept, lost, state["rows"])
        self._averages.ends = EpochEnds.of(self.rectangle)
        self._averages.ends.held = [[tf.constant(weight) for weight in end] for end in arrays.ends()]
        self._record.resume(state)
        arrays.fill(self._record.outcomes)

    def _identity(self, trials: Sequence[Trial], checkpoint: Checkpoint | None) -> list[Any]:
        """What a saved stack of these trials and the stack that loads it must have in common."""
        ids, steps = [trial.trial_id for trial in trials], trials[0].epochs * self.steps_per_epoch
        key = checkpoint.key if checkpoint else ""
        return [ids, steps, self.interval, self._xla, self._dtype, self._signals is not None, key]

    def _save_if_due(self) -> None:
        if self._checkpoint and self._checkpoint.due:
            self.checkpoint()

    # -- from evaluation to evaluation --

    def _train_and_evaluate(self, stop: int) -> None:
        """Trains up to step `stop`, validates, and lets each trial's watch decide."""
        rates = self._record.rates(self.rectangle, self.step, stop)
        looks = self._signals is not None and any(recorded_at(stop, self.interval, end) for end in self._ends)
        before = self.state.weights
        since = max(stop - self.trials[0].accumulation, self.step)  # apart, to see the last update
        for until in [since, stop] if looks else [stop]:
            before = self.state.weights
            done = len(rates) - (stop - self.step)
            self._train(until, rates[done:])
        losses, rows = self.state.lost, self.state.rows
        self.state.lost, self.state.rows = 0.0, 0
        evaluated = self._averages.evaluated(self._compiled, self.rectangle, stop, self.state.weights, self.state.slots)
        values = {"train_loss": losses / rows, **self._validate(evaluated), "learning_rate": rates[-1]}
        if looks:
            self._look(stop, before, values["val_loss"])
        keep = self._record.after_evaluation(self.rectangle, stop, values)
        self.state.kept = self._keep(keep, evaluated)

    def _look(self, step: int, before: list[Tensor], val_loss: np.ndarray) -> None:
        """Records the signals after a step, from the weights before it and each trial's validation loss, `[S, R]`."""
        assert self._signals is not None
        compiled, weights = self._compiled, self.state.weights
        seen = self._signals.at_evaluation(compiled.program, compiled.inputs, weights, self._initial, before, val_loss)
        self._record.add_signals(self.rectangle, step, seen)

    def _train(self, stop: int, rates: np.ndarray) -> None:
        """Trains from the present step to `stop`, chunk by chunk.

        Args:
            rates: Learning rates `[steps, S, R]`.
        """
        import tensorflow as tf

        state, dtype = self.state, tf.as_dtype(self._dtype)
        first = state.step
        while state.step < stop:
            chunk = self._chunks.fill(state.step, stop)
            taken = rates[state.step - first : state.step - first + chunk.steps]
            inputs = self._compiled.inputs
            if self._compiled.program.averages:
                retained = self._record.retained(self.rectangle, state.step, state.step + chunk.steps)
                inputs = {**inputs, "retained": tf.constant(self._padded(retained), dtype)}
            state.weights, state.slots, losses = self.engine.chunk(
                state.weights,
                state.slots,
                inputs,
                chunk.x,
                chunk.y,
                tf.constant(self._padded(taken), dtype),
                tf.constant(chunk.steps),
                tf.constant(state.step),
                tf.constant(chunk.rows),
            )
            state.lost = state.lost + losses.numpy().astype(np.float64)
            state.rows += chunk.rows
            state.step += chunk.steps
            self._averages.after_chunk(self._compiled.program, state.step, state.weights)
            if state.step < stop:
                self._save_if_due()

    def _padded(self, of_steps: np.ndarray) -> np.ndarray:
        """Pads numbers `[steps, S, R]` with zeros to the steps of a chunk."""
        missing = self._chunks.steps - len(of_steps)
        return np.concatenate([of_steps, np.zeros([missing, *of_steps.shape[1:]])])

    def _validate(self, weights: list[Tensor]) -> dict[str, np.ndarray]:
        """Validation loss (with penalties, as Keras) and accuracy or RMSE with these weights, `[S, R]` each."""
        views = [(view.val_inputs, view.val_targets) for view in self._data.views]
        sums = self._slices.validate(self.engine, weights, self._compiled.inputs, views)
        rows = len(self._data.any.val_targets)
        mean = sums.losses / rows
        if self._data.any.classes is None:
            scales = np.array([arrays.target_scale for arrays in self._data.by_replica])
            return {"val_loss": mean + sums.penalties, "val_rmse": np.sqrt(mean) * scales[:, None]}
        return {"val_loss": mean + sums.penalties, "val_accuracy": sums.hits / rows}

    def _keep(self, keep: np.ndarray, evaluated: list[Tensor]) -> list[Tensor]:
        """Returns the kept weights, replaced by the evaluated ones where `keep` `[S, R]` is true."""
        import tensorflow as tf

        if keep.all():
            return list(evaluated)
        if not keep.any():
            return self.state.kept
        whose, axis = tf.constant(keep), self._compiled.program.axis
        return [
            tf.where(spread(whose, new, axis(index)), new, old)
            for index, (new, old) in enumerate(zip(evaluated, self.state.kept, strict=True))
        ]

    def _few(self, running: Sequence[int]) -> bool:
        """Whether at most half of the recipes run, so that a smaller program may do."""
        return 0 < len(running) <= len(self.rectangle.columns) / 2 and self._following is None

    def _compact(self, running: Sequence[int]) -> None:
        """Goes on with the recipes that still train, in a smaller program, once the others' outcomes are complete."""
        self._hand_out([r for r in range(len(self.rectangle.columns)) if r not in running])
        self._record.charge(self.rectangle)
        program, state = self._compiled.program, self.state
        weights, kept, self._initial = (
            [chosen(each, program.axis(index), running) for index, each in enumerate(arrays)]
            for arrays in (state.weights, state.kept, self._initial)
        )
        slots: Slots = []
        for rule, blocks in zip(program.rules, state.slots, strict=True):
            left = [r - rule.start for r in running if rule.start <= r < rule.stop]
            if left:
                slots.append(
                    [
                        tuple(chosen(slot, axis, left) for slot in block)
                        for block, axis in zip(blocks, program.block_axes, strict=True)
                    ]
                )
        self.rectangle = self.rectangle.of_recipes(running)
        self._averages.ends = self._averages.ends.of_recipes(program, self.rectangle, running)
        self._compiled = self._compile()
        if program.averages and not self._compiled.program.averages:  # no trial that is left has one
            slots = [[block[:-1] for block in blocks] for blocks in slots]
        self.state = State(state.step, weights, slots, kept)
        self.engine = self._compiled.program

    def _hand_out(self, columns: Sequence[int]) -> None:
        """Completes the outcomes of these columns."""
        views, program, kept = self._data.views, self._compiled.program, self.state.kept
        outputs = {
            name: self._slices.outputs(program, kept, [view.to_score[name] for view in views])
            for name in self._data.any.to_score
        }
        weights = [weight.numpy() for weight in kept]
        for s, r, trial in self.rectangle.cells():
            outcome = self._record.outcome(trial)
            if r in columns and outcome.status != "diverged":
                outcome.weights = self.networks.of_trial(weights, s, r, trial)
                outcome.outputs = {name: np.ascontiguousarray(values[s, r]) for name, values in outputs.items()}
