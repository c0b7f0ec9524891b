"""Trains the stacks of a job in this process, one at a time or side by side, and records them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.augmentation.policy import policy_of
from tasks.dataset import TEST, VAL
from tasks.execution.archive import Archive
from tasks.execution.board import Board
from tasks.execution.deciding import stack_key
from tasks.execution.recording import PreparedByFold, Searched, record
from tasks.execution.rungs import Climb, Values, climb
from tasks.execution.stack_jobs import Done, StackJob
from tasks.inputs.augmented import Makers, augmented
from tasks.inputs.prepared import Prepared
from tasks.planning.jobs import Job
from tasks.planning.trials import bind_trial, training_of
from tasks.records.plan import FINAL, WITHOUT_A_FOLD
from tasks.records.stacks import PlannedStack
from tasks.records.weights import folder_of
from tasks.training.branch import Branch
from tasks.training.fit import train_fit
from tasks.training.hypergradient import hypergradients
from tasks.training.saved import Checkpoint
from tasks.training.stack import Stack, train_stack
from tasks.training.trial import Arrays, Outcome, Trial


@dataclass(frozen=True)
class Work:
    """A job, with everything that its training needs.

    Args:
        prepared: The data that its trials learn from, by fold.
        run: The run's folder.
        home: Where augmented copies are kept for other runs.
        archive: Where trained trials are kept for other runs; None: nowhere.
    """

    job: Job
    prepared: PreparedByFold
    run: Path
    home: Path
    archive: Archive | None

    def stack(self, stack_id: str) -> PlannedStack:
        return next(each for each in self.job.stacks if each.stack_id == stack_id)

    def recorded(self, stack: PlannedStack) -> bool:
        """Whether the stack's records exist."""
        return folder_of(self.run, stack.stack_id).exists()

    def asked(self, stack: PlannedStack, way: Climb | None = None) -> StackJob:
        """The job for one stack: to train to its end, or to the next rung (`way`)."""
        data = {fold: prepared.digest for fold, prepared in self.prepared.items()}
        return StackJob(stack.stack_id, stack_key(stack, self.job, data), way)

    def paused(self, stack: PlannedStack) -> Path:
        """Path of the file with a stack's state while it trains."""
        return self.run / "checkpoints" / f"paused-{stack.stack_id}.npz"


class StackTrainer:
    """Trains the stacks of a job in one process.

    Args:
        stacks: The stacks that may be asked for.
        making: Makes augmented rows.
        holds: Whether a stack that pauses at a rung stays in memory until it goes on. This saves compiling it again
            when the same process goes on with it.
    """

    def __init__(
        self, work: Work, stacks: Sequence[PlannedStack], board: Board, making: Makers, *, holds: bool
    ) -> None:
        self._work, self._board, self._making, self._holds = work, board, making, holds
        self._planned = {trial.trial_id: trial for trial in work.job.trials}
        self._held: dict[str, Stack] = {}
        learned = dict.fromkeys((fold, self._rows(stack)) for stack in stacks for fold in self._folds(stack))
        self._limited = {(fold, rows): work.prepared[fold].limited(rows) for fold, rows in learned}
        self._arrays = {each: self._learned_from(each[0], limited) for each, limited in self._limited.items()}

    def do(self, asked: StackJob) -> Done:
        """Trains a stack as asked, and records it when it reaches its end. A recorded stack is not trained again; but
        at a rung its values are read from its checkpoint."""
        stack = self._work.stack(asked.stack_id)
        values: Values = {}
        if asked.climb is not None:
            values = self._climb(stack, asked, asked.climb)
        elif not self._work.recorded(stack):
            self._whole(stack, asked)
        if asked.recorded:
            self._board.note(stack.stack_id, 1.0)
        return Done(stack.stack_id, values)

    def _whole(self, stack: PlannedStack, asked: StackJob) -> None:
        """Trains a stack to its end."""
        trials, arrays = self._ready(stack)

        def note(step: int, steps: int) -> None:
            self._board.note(stack.stack_id, step / steps)

        searched, checkpoint = Searched(), Checkpoint(self._work.paused(stack), asked.key)
        if training_of(stack) == "gradients":
            follow = self._followed(stack)
            found = hypergradients(trials, arrays, follow, xla=stack.xla, progress=note, checkpoint=checkpoint)
            outcomes = [outcome for outcome, _ in found]
            searched = Searched(gradients={outcome.trial.trial_id: gradients for outcome, gradients in found})
        elif stack.stacked:
            looks = self._looks(stack)
            outcomes = train_stack(
                trials,
                arrays,
                xla=stack.xla,
                signals=looks,
                progress=note,
                checkpoint=checkpoint,
                branches=self._branches(stack),
            )
        else:
            outcomes = train_fit(trials, arrays, signals=self._looks(stack), progress=note, checkpoint=checkpoint)
        self._record(stack, outcomes, searched)
        checkpoint.path.unlink(missing_ok=True)

    def _branches(self, stack: PlannedStack) -> list[Branch]:
        """Where stacks of shorter budgets go on from a stack."""
        work = self._work
        return [
            Branch(self._trials(other), other.shared or 0, Checkpoint(work.paused(other), work.asked(other).key))
            for other in work.job.stacks
            if other.after == stack.stack_id and not work.recorded(other)
        ]

    def _climb(self, stack: PlannedStack, asked: StackJob, way: Climb) -> Values:
        """Trains a stack to its next rung. The checkpoint stays until the job ends, since rungs compare the stack with
        others."""
        paused = self._held.pop(stack.stack_id, None)
        if paused is None:
            trials, arrays = self._ready(stack)
            checkpoint = Checkpoint(self._work.paused(stack), asked.key)
            paused = Stack(trials, arrays, xla=stack.xla, checkpoint=checkpoint)
        values = climb(paused, way, lambda step, steps: self._board.note(stack.stack_id, step / steps))
        if way.reached is None:
            if self._holds:
                self._held[stack.stack_id] = paused
        elif not self._work.recorded(stack):
            self._record(stack, paused.outcomes(), Searched(rungs=way.reached))
        return values

    def _record(self, stack: PlannedStack, outcomes: Sequence[Outcome], searched: Searched) -> None:
        work = self._work
        record(work.run, stack, outcomes, work.job, work.prepared, searched)
        if work.archive:
            work.archive.keep(stack, outcomes, work.job, searched)

    # -- the trials of a stack, and the data that they learn from --

    def _learned_from(self, fold: int | None, prepared: Prepared) -> Arrays:
        """The data that trials of a fold, or of no fold, learn from, with the rows that are scored after training."""
        stages = {trial.stage for trial in self._work.job.trials if trial.fold == fold}
        arrays = prepared.arrays(self._board.writing)
        if FINAL in stages:
            return arrays
        judging = stages.intersection(WITHOUT_A_FOLD)  # a search is decided by the validation part alone
        parts = (VAL, TEST) if judging else (VAL,)
        return replace(arrays, to_score=prepared.inputs(parts))

    def _folds(self, stack: PlannedStack) -> list[int | None]:
        return list(dict.fromkeys(self._planned[each].fold for each in stack.trials))

    def _rows(self, stack: PlannedStack) -> int | None:
        """The number of training rows that all its trials are limited to; None: no limit."""
        return self._work.job.variant(self._planned[stack.trials[0]].variant_id).settings.rows

    def _trials(self, stack: PlannedStack) -> list[Trial]:
        job, planned = self._work.job, self._planned
        return [
            bind_trial(
                planned[each],
                job.variant(planned[each].variant_id),
                stack.evaluate_every,
                lengths=self._work.prepared[planned[each].fold].lengths,
            )
            for each in stack.trials
        ]

    def _ready(self, stack: PlannedStack) -> tuple[list[Trial], dict[int | None, Arrays]]:
        """A stack's trials, and what they learn from by fold: as it is, or augmented."""
        job, board, trials = self._work.job, self._board, self._trials(stack)

        def copied(done: int, total: int) -> None:
            board.note(stack.stack_id, 0.0)
            board.doing = f"augmented {done:,} of {total:,} copies"

        settings, rows = job.variant(trials[0].variant_id).settings, self._rows(stack)
        arrays = {
            fold: augmented(
                self._limited[fold, rows],
                self._arrays[fold, rows],
                policy_of(settings.augmentation),
                sorted({trial.seed for trial in trials if trial.fold == fold}),
                resampled=settings.imbalance == "resample",
                home=self._work.home,
                makers=self._making,
                progress=copied,
            )
            for fold in self._folds(stack)
        }
        board.doing = ""
        return trials, arrays

    def _looks(self, stack: PlannedStack) -> bool:
        """Whether signals are kept for a diagnosis of the stack's trials. None are kept for trials that a search tries,
        or that judge a fold."""
        return all(self._planned[each].stage not in ("search", *WITHOUT_A_FOLD) for each in stack.trials)

    def _followed(self, stack: PlannedStack) -> list[str]:
        """The hyperparameters that are searched. The validation loss of a stack's trials is differentiated with respect
        to them."""
        recipes = {self._planned[each].recipe_id for each in stack.trials}
        names = [
            dimension.name.rpartition(".")[2]
            for search in self._work.job.searches
            if search.recipe.recipe_id in recipes
            for dimension in search.space
        ]
        return list(dict.fromkeys(names))
