"""Trains the trials of a job: decides which stacks to train and in which order, and has an executor train them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.execution.archive import Archive
from tasks.execution.board import Board, StackProgress
from tasks.execution.executors import LOCAL, Crew, Executor
from tasks.execution.recording import PreparedByFold, record
from tasks.execution.rungs import Climb, Contest, Values, run_bracket
from tasks.execution.trainer import Work
from tasks.inputs.prepared import Prepared
from tasks.planning.jobs import Job
from tasks.planning.trials import training_of
from tasks.records.stacks import PlannedStack
from tasks.training.trial import MEASURED


def train(
    job: Job,
    prepared: Prepared | PreparedByFold,
    run: Path,
    home: Path,
    progress: StackProgress | None = None,
    archive: Archive | None = None,
    executor: Executor = LOCAL,
) -> None:
    """Trains every stack that is not recorded yet: stacks side by side, then the brackets of successive halving, then
    trials that need `Model.fit`. The records of reused stacks are made from stored results.

    After Ctrl-C, stacks in training end at their next evaluation. Finished stacks stay, and so do the checkpoints of
    the others: when the same job runs again, it goes on from there.

    Args:
        prepared: The data that the trials learn from; by fold, for trials in folds.
        run: The run's folder.
        home: Where augmented copies are kept for other runs.
        archive: Where trained trials are kept for other runs; None: nowhere.
        executor: What trains the stacks.
    """
    by_fold: PreparedByFold = {None: prepared} if isinstance(prepared, Prepared) else prepared
    work = Work(job, by_fold, run, home, archive)
    waiting = [stack for stack in job.stacks if not work.recorded(stack) and not _reused(stack, work)]
    board = Board(job, waiting, progress)
    if waiting:
        brackets = _brackets(work, waiting)
        needed = [stack for stack in job.stacks if stack in waiting or any(stack in each for each in brackets)]
        with executor.crew(work, needed, board) as crew:
            _train(work, waiting, brackets, crew)
    board.show()
    for stack in job.stacks:
        work.paused(stack).unlink(missing_ok=True)


def _reused(stack: PlannedStack, work: Work) -> bool:
    """Records a stack from stored results, where it can be reused. Returns whether it was recorded."""
    found = work.archive.outcomes(stack, work.job) if work.archive and stack.reused else None
    if found is not None:
        record(work.run, stack, found[0], work.job, work.prepared, found[1])
    return found is not None


def _train(work: Work, waiting: Sequence[PlannedStack], brackets: Sequence[Sequence[PlannedStack]], crew: Crew) -> None:
    """Trains stacks, the longest first, so that a long one does not run alone at the end; then stacks of shorter
    budgets that go on from others; then the brackets of successive halving; then the trials that Keras trains."""
    plain = [stack for stack in waiting if stack.stacked and training_of(stack) != "rungs"]
    plain.sort(key=lambda each: -each.steps_taken)
    ahead = {stack.stack_id for stack in plain}
    crew([work.asked(stack) for stack in plain if stack.after not in ahead])
    crew([work.asked(stack) for stack in plain if stack.after in ahead])
    for together in brackets:

        def climb_all(way: Climb, stacks: Sequence[PlannedStack] = together) -> Values:
            values: dict[str, dict[str, float]] = {}
            for done in crew([work.asked(stack, way) for stack in stacks]):
                values |= {trial: dict(of_trial) for trial, of_trial in done.values.items()}
            return values

        run_bracket([each for stack in together for each in stack.trials], _contests(work.job, together), climb_all)
    crew([work.asked(stack) for stack in waiting if not stack.stacked])


def _brackets(work: Work, waiting: Sequence[PlannedStack]) -> list[list[PlannedStack]]:
    """The stacks of successive halving. Stacks with the same number of epochs form a bracket and train together. A
    stack that was recorded before takes part from its checkpoint, since rungs compare it with the others."""
    epochs = {trial.trial_id: trial.epochs for trial in work.job.trials}
    halving = [stack for stack in work.job.stacks if training_of(stack) == "rungs"]
    found = [
        [stack for stack in halving if epochs[stack.trials[0]] == budget]
        for budget in sorted({epochs[stack.trials[0]] for stack in halving})
    ]
    return [together for together in found if any(stack in waiting for stack in together)]


def _contests(job: Job, planned: Sequence[PlannedStack]) -> list[Contest]:
    """One contest for each recipe that has trials in these stacks, with its settings in the order of the search."""
    there = {each for stack in planned for each in stack.trials}
    decides, *_ = job.metrics
    measured = decides if decides in MEASURED else "loss"
    contests = []
    for search in job.searches:
        trials: dict[str, list[str]] = {}
        for trial in job.trials:
            if trial.trial_id in there and search.tries(trial):
                trials.setdefault(trial.variant_id, []).append(trial.trial_id)
        if trials:
            contests.append(Contest(search.rungs, trials, measured))
    return contests
