"""Trains the trials of a job, stack by stack, as many at a time as there are cores, and records each as it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from tasks.augmentation.policy import policy_of
from tasks.dataset import TEST, VAL
from tasks.execution.archive import Archive
from tasks.execution.deciding import stack_key
from tasks.execution.recording import PreparedByFold, Searched, record
from tasks.execution.rungs import Contest, run_bracket
from tasks.inputs.augmented import Makers, augmented, makers
from tasks.inputs.prepared import Prepared
from tasks.memory import memory_bytes
from tasks.planning.cost_model import cores
from tasks.planning.jobs import Job
from tasks.planning.trials import bind_trial, training_of
from tasks.records.plan import FINAL, FOLD
from tasks.records.stacks import PlannedStack
from tasks.records.weights import folder_of
from tasks.training.fit import train_fit
from tasks.training.hypergradient import hypergradients
from tasks.training.saved import Checkpoint
from tasks.training.stack import Stack, train_stack
from tasks.training.trial import MEASURED, Arrays, Outcome, Progress, Trial

StackProgress = Callable[[str, int, int], None]
"""Told (what is being done, training steps done, steps in all) over the whole job, steps counted per trial."""


def train(
    job: Job,
    prepared: Prepared | PreparedByFold,
    run: Path,
    home: Path,
    progress: StackProgress | None = None,
    archive: Archive | None = None,
) -> None:
    """Trains every stack that is not recorded yet: stacks side by side, one a core, then trials that need `Model.fit`.
    Of those that are reused the records are made of what lies trained.

    After Ctrl-C, stacks in flight end with their next evaluation. Finished ones stay, and of the others what their
    checkpoints hold: the same job, taken up again, goes on from there.

    Args:
        prepared: What the trials learn from; of trials in folds, by fold.
        run: The run's folder.
        home: Where augmented copies are kept for other runs.
        archive: Where trained trials are kept for other runs; None: nowhere.
    """
    waiting = [stack for stack in job.stacks if not folder_of(run, stack.stack_id).exists()]
    by_fold: PreparedByFold = {None: prepared} if isinstance(prepared, Prepared) else prepared
    if archive:
        waiting = [stack for stack in waiting if not _reused(stack, job, by_fold, run, archive)]
    with makers(cores(), _processes(by_fold, waiting)) as making:
        _Training(job, by_fold, run, home, waiting, making, progress, archive).train()
    for stack in job.stacks:
        _checkpoint_file(run, stack).unlink(missing_ok=True)


def _reused(stack: PlannedStack, job: Job, prepared: PreparedByFold, run: Path, archive: Archive) -> bool:
    """Whether the stack is recorded by what lies trained."""
    found = archive.outcomes(stack, job) if stack.reused else None
    if found is not None:
        record(run, stack, found[0], job, prepared, found[1])
    return found is not None


def _checkpoint_file(run: Path, stack: PlannedStack) -> Path:
    """Where a stack's state lies while it trains."""
    return run / "checkpoints" / f"paused-{stack.stack_id}.npz"


_PROCESSES_PAY = 10.0
"""Seconds of augmentation from which on processes are started, where they can pay at all."""


def _processes(prepared: PreparedByFold, waiting: Sequence[PlannedStack]) -> int:
    """How many processes make augmented rows; 1: only this one."""
    pays = sum(stack.augmentation_seconds for stack in waiting) > _PROCESSES_PAY
    return cores() if pays and all(each.dataset.form.processes_pay for each in prepared.values()) else 1


def _beside(stacks: Sequence[PlannedStack]) -> int:
    """How many stacks are trained side by side: as many as there are cores, fewer where the largest would not fit in
    memory so often."""
    largest = max((stack.memory_bytes for stack in stacks), default=1)
    return max(1, min(cores(), memory_bytes() // largest))


class _Training:
    """The training of a job's waiting stacks."""

    def __init__(
        self,
        job: Job,
        prepared: PreparedByFold,
        run: Path,
        home: Path,
        waiting: Sequence[PlannedStack],
        making: Makers,
        progress: StackProgress | None,
        archive: Archive | None,
    ) -> None:
        self._job, self._prepared, self._run, self._home, self._archive = job, prepared, run, home, archive
        self._waiting, self._making, self._progress = waiting, making, progress
        self._planned = {trial.trial_id: trial for trial in job.trials}
        self._board = _Board(job, waiting)
        needed = [stack for stack in job.stacks if stack in waiting or (waiting and training_of(stack) == "rungs")]
        learned = dict.fromkeys((fold, self._rows(stack)) for stack in needed for fold in self._folds(stack))
        self._limited = {(fold, rows): prepared[fold].limited(rows) for fold, rows in learned}
        self._arrays = {each: self._learned_from(each[0], limited) for each, limited in self._limited.items()}

    def _learned_from(self, fold: int | None, prepared: Prepared) -> Arrays:
        """What trials of a fold, or of none, learn from, with the rows that are scored once they are trained."""
        stages = {trial.stage for trial in self._job.trials if trial.fold == fold}
        arrays = prepared.arrays(self._writing)
        if FINAL in stages:
            return arrays
        parts = (VAL, TEST) if FOLD in stages else (VAL,)  # a search is decided by the validation part alone
        return replace(arrays, to_score=prepared.inputs(parts))

    def _folds(self, stack: PlannedStack) -> list[int | None]:
        return list(dict.fromkeys(self._planned[each].fold for each in stack.trials))

    def _rows(self, stack: PlannedStack) -> int | None:
        """The training rows that its trials are limited to, the same for all of them; None: they are not."""
        return self._job.variant(self._planned[stack.trials[0]].variant_id).settings.rows

    def _writing(self, done: int, rows: int) -> None:
        if self._progress:
            self._progress(f"preprocessed {done:,} of {rows:,} rows to disk", 0, 1)

    def train(self) -> None:
        """Trains stacks, the longest first, so that no core waits for a late one; then the brackets of successive
        halving; then, one by one, what Keras trains, since Keras has one state for all threads."""
        plain = [stack for stack in self._waiting if stack.stacked and training_of(stack) != "rungs"]
        self._side_by_side(self._one, sorted(plain, key=lambda each: -each.steps * each.size))
        self._run_brackets()
        try:
            for stack in self._waiting:
                if not stack.stacked:
                    self._board.show(self._progress)
                    self._one(stack)
        except BaseException:
            self._board.stop()  # which ends the making of copies, too
            raise
        self._board.show(self._progress)

    def _side_by_side(self, work: Callable[[PlannedStack], None], stacks: Sequence[PlannedStack]) -> None:
        board = self._board
        with ThreadPoolExecutor(_beside(stacks)) as pool:
            futures = [pool.submit(work, each) for each in stacks]
            try:
                while wait(futures, timeout=0.2).not_done and not any(
                    each.done() and each.exception() for each in futures
                ):
                    board.show(self._progress)
                for future in futures:
                    if future.done():
                        future.result()
            except BaseException:
                board.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _ready(self, stack: PlannedStack) -> tuple[list[Trial], dict[int | None, Arrays]]:
        """A stack's trials, and what they learn from by fold: as it is, or augmented."""
        job, planned, board = self._job, self._planned, self._board
        trials = [
            bind_trial(
                planned[each],
                job.variant(planned[each].variant_id),
                stack.evaluate_every,
                lengths=self._prepared[planned[each].fold].lengths,
            )
            for each in stack.trials
        ]

        def copied(done: int, total: int) -> None:
            board.note(stack, 0.0)
            board.doing = f"augmented {done:,} of {total:,} copies"

        settings, rows = job.variant(trials[0].variant_id).settings, self._rows(stack)
        arrays = {
            fold: augmented(
                self._limited[fold, rows],
                self._arrays[fold, rows],
                policy_of(settings.augmentation),
                sorted({trial.seed for trial in trials if trial.fold == fold}),
                resampled=settings.imbalance == "resample",
                home=self._home,
                makers=self._making,
                progress=copied,
            )
            for fold in self._folds(stack)
        }
        board.doing = ""
        return trials, arrays

    def _one(self, stack: PlannedStack) -> None:
        """Trains a stack to its end and records it."""
        trials, arrays = self._ready(stack)

        def note(step: int, steps: int) -> None:
            self._board.note(stack, step / steps)

        searched, checkpoint = Searched(), self._checkpoint(stack)
        if training_of(stack) == "gradients":
            follow = self._followed(stack)
            found = hypergradients(trials, arrays, follow, xla=stack.xla, progress=note, checkpoint=checkpoint)
            outcomes = [outcome for outcome, _ in found]
            searched = Searched(gradients={outcome.trial.trial_id: gradients for outcome, gradients in found})
        elif stack.stacked:
            looks = self._looks(stack)
            outcomes = train_stack(trials, arrays, xla=stack.xla, signals=looks, progress=note, checkpoint=checkpoint)
        else:
            outcomes = train_fit(trials, arrays, signals=self._looks(stack), progress=note)
        self._record(stack, outcomes, searched)
        checkpoint.path.unlink(missing_ok=True)
        self._board.note(stack, 1.0)

    def _checkpoint(self, stack: PlannedStack) -> Checkpoint:
        data = {fold: prepared.digest for fold, prepared in self._prepared.items()}
        return Checkpoint(_checkpoint_file(self._run, stack), stack_key(stack, self._job, data))

    def _record(self, stack: PlannedStack, outcomes: Sequence[Outcome], searched: Searched) -> None:
        record(self._run, stack, outcomes, self._job, self._prepared, searched)
        if self._archive:
            self._archive.keep(stack, outcomes, self._job, searched)

    def _looks(self, stack: PlannedStack) -> bool:
        """Whether a diagnosis will be made of a stack's trials: of those that a search tries, or that judge, no signals
        are kept."""
        return all(self._planned[each].stage not in ("search", FOLD) for each in stack.trials)

    # -- for searches --

    def _followed(self, stack: PlannedStack) -> list[str]:
        """The hyperparameters that are searched: the validation loss of a stack's trials is differentiated by them."""
        recipes = {self._planned[each].recipe_id for each in stack.trials}
        names = [
            dimension.name.rpartition(".")[2]
            for search in self._job.searches
            if search.recipe.recipe_id in recipes
            for dimension in search.space
        ]
        return list(dict.fromkeys(names))

    def _run_brackets(self) -> None:
        """Trains the stacks of successive halving. Those of one epoch budget form a bracket and train together. A
        stack that was recorded before is taken up from its checkpoint, since rungs compare it with the others."""
        halving = [stack for stack in self._job.stacks if training_of(stack) == "rungs"]
        for epochs in sorted({self._planned[stack.trials[0]].epochs for stack in halving}):
            together = [stack for stack in halving if self._planned[stack.trials[0]].epochs == epochs]
            if any(stack in self._waiting for stack in together):
                self._run_bracket(together)

    def _run_bracket(self, planned: Sequence[PlannedStack]) -> None:
        stacks: dict[str, Stack] = {}
        for stack in planned:
            trials, arrays = self._ready(stack)
            stacks[stack.stack_id] = Stack(trials, arrays, xla=stack.xla, checkpoint=self._checkpoint(stack))

        def together(work: Callable[[str, Progress], None]) -> None:
            def one(stack: PlannedStack) -> None:
                work(stack.stack_id, lambda step, steps: self._board.note(stack, step / steps))

            self._side_by_side(one, planned)

        rungs = run_bracket(stacks, self._contests(planned), together)
        for stack in planned:
            if stack in self._waiting:
                self._record(stack, stacks[stack.stack_id].outcomes(), Searched(rungs=rungs))
            self._board.note(stack, 1.0)

    def _contests(self, planned: Sequence[PlannedStack]) -> list[Contest]:
        """One for each recipe that has trials in these stacks, with its settings in the order of the search."""
        there = {each for stack in planned for each in stack.trials}
        decides, *_ = self._job.metrics
        measured = decides if decides in MEASURED else "loss"
        contests = []
        for search in self._job.searches:
            trials: dict[str, list[str]] = {}
            for trial in self._job.trials:
                if trial.trial_id in there and search.tries(trial):
                    trials.setdefault(trial.variant_id, []).append(trial.trial_id)
            if trials:
                contests.append(Contest(search.rungs, trials, measured))
        return contests


class _Stopped(Exception):
    """Ends a stack after an evaluation, because the run ends."""


class _Board:
    """The progress of each stack. Threads that train write it; the main thread shows it.

    Attributes:
        doing: Work that precedes the training of a stack, in words; empty while there is none.
    """

    def __init__(self, job: Job, waiting: Sequence[PlannedStack]) -> None:
        self._steps = {stack.stack_id: stack.steps * stack.size for stack in job.stacks}
        self._shares = dict.fromkeys(self._steps, 1.0) | {stack.stack_id: 0.0 for stack in waiting}
        self._stopping = False
        self.doing = ""

    def note(self, stack: PlannedStack, share: float) -> None:
        if self._stopping:
            raise _Stopped
        self._shares[stack.stack_id] = share

    def stop(self) -> None:
        self._stopping = True

    def show(self, progress: StackProgress | None) -> None:
        if progress:
            done = sum(round(self._steps[name] * share) for name, share in self._shares.items())
            finished = sum(share == 1.0 for share in self._shares.values())
            said = self.doing or f"{finished} of {len(self._shares)} stacks trained"
            progress(said, done, sum(self._steps.values()))
