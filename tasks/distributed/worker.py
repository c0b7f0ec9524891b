"""What a worker does. It gets plain data, and finds the rest in the run's folder, which it shares with the process that
runs the experiment. It writes its results there.

Schedulers and workers import this module to understand their tasks, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.execution.trainer import Work

_LOADING = threading.Lock()
"""So that threads of one worker prepare the same rows once."""
_KERAS = threading.Lock()
"""Held while Keras trains, since Keras has one state for all threads."""
_SECONDS_BETWEEN_NOTES = 1.0

SHARED = "shared"
"""A file below `checkpoints/` of a run's folder. A worker that can read it shares the folder."""


def topic_of(order_file: str) -> str:
    """The name of the topic on which workers report how far the stacks of an order are: events `(stack, share)`."""
    return f"bakeoff-{Path(order_file).stem}"


def introduce(run: str, home: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """Returns what must match before a worker trains for a run: code, libraries, and a token of the run's folder.

    Args:
        run, home: The run's folder, and the home folder.
        settings: Environment variables that the worker takes over, unless it has set its own.
    """
    _settle(home, settings)
    from tasks.execution.deciding import code_digest, versions

    shared = Path(run) / "checkpoints" / SHARED
    written = shared.with_name(f"{SHARED}-{os.uname().nodename}-{os.getpid()}")
    token = ""
    try:
        token = shared.read_text(encoding="ascii")
        written.touch()
        written.unlink()
    except OSError as error:
        return {"trouble": f"{error.strerror}: {error.filename}", "code": code_digest(), "versions": dict(versions())}
    return {"token": token, "code": code_digest(), "versions": dict(versions())}


def run_stack(order: Mapping[str, Any]) -> dict[str, Any]:
    """Trains a stack as ordered, and writes its records, or its state at a rung, to the run's folder. A second call
    changes nothing.

    Args:
        order: From the executor: `run`, `home`, `base` (folders), `file` (the job's, below the run's `checkpoints/`),
            `anew` (for the `Archive`; None: there is none), `settings` and `job`, a `StackJob` as plain values.

    Returns:
        `Done.plain`.

    Raises:
        BadInput: this worker has other code, libraries or rows.
    """
    _settle(order["home"], order["settings"])
    from tasks.execution.board import Board
    from tasks.execution.stack_jobs import StackJob
    from tasks.execution.trainer import StackTrainer
    from tasks.inputs.augmented import makers
    from tasks.records.documents import document_of

    job = document_of(order["job"], StackJob)
    with _LOADING:
        work = _work(order["run"], order["home"], order["base"], order["file"], order["anew"])
    stack = work.stack(job.stack_id)
    _refuse_another(work.asked(stack).key, job.key)
    told = _Telling(Path(order["run"]) / "checkpoints" / order["file"])
    board = Board(work.job, [stack], told=told.note)
    with makers(1, 1) as making:
        trainer = StackTrainer(work, [stack], board, making, holds=False)
        with nullcontext() if stack.stacked else _KERAS:
            return trainer.do(job).plain()


def _settle(home: str, settings: Mapping[str, str]) -> None:
    """Sets this process up, before TensorFlow is loaded: environment variables, and an XLA cache of its own, even where
    it inherited another process's."""
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    from tasks.training.compilations import open_cache

    open_cache(Path(home))


def _refuse_another(here: str, there: str) -> None:
    if here != there:
        from tasks.errors import BadInput

        raise BadInput(
            "a worker would train something else than it was asked for",
            where="--runner",
            got="other code, libraries or rows than in the process that runs the experiment",
            remedy="give all workers the same version of the project and its lock file, the same data, and the same "
            "kind of processor",
        )


@lru_cache(maxsize=1)
def _work(run: str, home: str, base: str, file: str, anew: bool | None) -> Work:
    """A job with what its trials learn from, which is prepared again from the data."""
    from tasks.execution.archive import Archive
    from tasks.execution.trainer import Work
    from tasks.planning.jobs import Job
    from tasks.records.documents import read_document

    folder = Path(run)
    job = read_document(folder / "checkpoints" / file, Job)
    prepared = _prepared(run, home, base, searching=job.trials[0].stage == "search")
    archive = None if anew is None else Archive.of(Path(home), prepared, folder, anew=anew)
    return Work(job, prepared, folder, Path(home), archive)


@lru_cache(maxsize=1)
def _prepared(run: str, home: str, base: str, *, searching: bool) -> Any:
    """What the trials of a run learn from, by fold."""
    from tasks.datasets.load import load_dataset
    from tasks.execution.nested import searched_rows
    from tasks.preparation import prepared_for_training, with_positive
    from tasks.records.plan import Plan
    from tasks.records.tables import SPLITS
    from tasks.spec.load import parse_spec
    from tasks.spec.models import implied_task

    spec = parse_spec(dict(Plan.read(Path(run)).spec))
    dataset = load_dataset(spec.data, home=Path(home), base=Path(base), implied_task=implied_task(spec))
    splits = SPLITS.read(Path(run))
    prepared = prepared_for_training(spec, with_positive(dataset, splits), splits)
    if not searching or spec.tune is None:
        return prepared.by_fold
    by_fold, _ = searched_rows(prepared, splits, spec.data.split, spec.tune.folds)
    return by_fold


class _Telling:
    """Reports from time to time how far a stack is. Ends the stack once nobody waits for it any more: then the job's
    file is gone.

    Args:
        file: The job's file.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._last = file, 0.0

    def note(self, stack_id: str, share: float) -> None:
        from tasks.execution.board import Stopped

        if time.monotonic() - self._last < _SECONDS_BETWEEN_NOTES:
            return
        self._last = time.monotonic()
        if not self._file.exists():
            raise Stopped
        from distributed import get_worker

        get_worker().log_event(topic_of(self._file.name), (stack_id, share))
