"""Trains stacks on the workers of a Dask scheduler: each stack is one task, and its results are files in the run's
folder.

Prefect's task runner for Dask is not used. It makes a Prefect task of each stack, which takes 90 to 110 ms and a
Prefect server that every worker reaches, and it keeps results as pickles; and our stages do not know Prefect. What Dask
itself does is enough: it notices that a worker died and gives its task to another one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks.distributed.runners import DaskRunner
from tasks.distributed.worker import SHARED, introduce, run_stack, topic_of
from tasks.errors import BadInput, Several
from tasks.execution.board import Board
from tasks.execution.deciding import code_digest, versions
from tasks.execution.executors import Crew, beside_each_other
from tasks.execution.stack_jobs import Done, StackJob
from tasks.execution.trainer import Work
from tasks.planning.stacks import Machine
from tasks.records.documents import as_json, write_document
from tasks.records.stacks import PlannedStack
from tasks.run_folder import write_text

_PROCESS_BYTES = 10**9
"""Bytes of memory that a process with TensorFlow takes before it trains."""
_SECONDS_FOR_WORKERS = 60.0
"""How long a scheduler may be without workers, at the beginning and while stacks wait."""
_SECONDS_BETWEEN_LOOKS = 0.3
_WHERE = "--runner"


class DaskExecutor:
    """Trains on Dask workers. Each worker needs the same version of the project, and the same folders under the same
    paths: the run's, the home folder, and the data's.

    Args:
        runner: Which scheduler.
        home: The home folder.
        base: The folder that relative data paths start from.
        settings: Environment variables that workers take over, unless they have set their own.
    """

    def __init__(self, runner: DaskRunner, home: Path, base: Path, settings: Mapping[str, str]) -> None:
        self._runner, self._home, self._base, self._settings = runner, home, base, settings
        self._client: Any = None
        self._cluster: Any = None

    def machine(self) -> Machine:
        """The machine to plan for: the threads of the scheduler's present workers. With a scheduler that is started for
        the run, it is this machine.

        Raises:
            BadInput: there are none.
        """
        if self._runner.address is None:
            return Machine()
        return _machine_of(_wait_for_workers(self._connected(())))

    @contextmanager
    def crew(self, work: Work, stacks: Sequence[PlannedStack], board: Board) -> Iterator[Crew]:
        """As `tasks.execution.executors.Executor`: the scheduler's present workers, and those that come later.

        Raises:
            BadInput: there is no worker, or one can't train for this run.
        """
        client = self._connected(stacks)
        self._check_workers(client, work.run)
        for prepared in work.prepared.values():
            if prepared.dataset.streamed is not None:
                prepared.arrays(board.writing)  # written once here, so that not every worker writes it
        file = write_document(_file_of(work), work.job)
        orders = _Orders(client, self._order(work, file), board)
        client.subscribe_topic(topic_of(file.name), orders.hear)
        try:
            yield orders.do
        finally:
            file.unlink(missing_ok=True)  # this ends the stacks that still train
            with suppress(Exception):
                client.unsubscribe_topic(topic_of(file.name))

    def close(self) -> None:
        """Leaves the scheduler, or ends it where it was started for the run."""
        client, cluster, self._client, self._cluster = self._client, self._cluster, None, None
        if client is not None:
            with suppress(Exception):
                client.close()
        if cluster is not None:
            with suppress(Exception):
                cluster.close()

    def _order(self, work: Work, file: Path) -> dict[str, Any]:
        return {
            "run": str(work.run.resolve()),
            "home": str(self._home.resolve()),
            "base": str(self._base.resolve()),
            "file": file.name,
            "anew": work.archive.anew if work.archive else None,
            "settings": dict(self._settings),
        }

    def _connected(self, stacks: Sequence[PlannedStack]) -> Any:
        if self._client is None:
            from distributed import Client

            logging.getLogger("distributed").setLevel(logging.CRITICAL)  # we report what matters
            if self._runner.address is None:
                self._cluster = _own_cluster(stacks)
            try:
                self._client = Client(self._cluster or self._runner.address, timeout=20, set_as_default=False)
            except (OSError, ValueError) as error:
                raise BadInput(
                    "can't connect to the scheduler",
                    where=_WHERE,
                    got=f"{self._runner.address}: {error}",
                    remedy="check that it runs, has the same version of Dask, and accepts your certificate",
                ) from None
        return self._client

    def _check_workers(self, client: Any, run: Path) -> None:
        """Raises BadInput where there is no worker, or one that can't train for this run."""
        _wait_for_workers(client)
        shared, token = run / "checkpoints" / SHARED, secrets.token_hex(16)
        write_text(shared, token)
        try:
            found = client.run(
                introduce, str(run.resolve()), str(self._home.resolve()), dict(self._settings), on_error="return"
            )
        finally:
            shared.unlink(missing_ok=True)
        wrong = [error for name, said in sorted(found.items()) if (error := _trouble(name, said, run, token))]
        if len(wrong) > 1:
            raise Several(wrong)
        if wrong:
            raise wrong[0]


def _machine_of(threads: Mapping[str, int]) -> Machine:
    """The machine that trials are laid out for, from each worker's threads by address. Workers of one host share its
    memory."""
    by_host: dict[str, int] = {}
    for worker, count in threads.items():
        host = str(urlsplit(worker).hostname)
        by_host[host] = by_host.get(host, 0) + count
    return Machine(cores=sum(by_host.values()), together=max(by_host.values()))


def _file_of(work: Work) -> Path:
    text = json.dumps(as_json(work.job), sort_keys=True)
    return work.run / "checkpoints" / f"job-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _own_cluster(stacks: Sequence[PlannedStack]) -> Any:
    """Starts as many workers as stacks are trained side by side, each a process with one thread. They use TLS, so that
    no other user of the machine can give them work."""
    import dask
    from distributed import LocalCluster, Security

    no_pages: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with dask.config.set(no_pages):
        return LocalCluster(
            n_workers=beside_each_other(stacks, _PROCESS_BYTES),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            security=Security.temporary(),
            dashboard_address="127.0.0.1:0",  # without it Dask also listens to other machines
            worker_dashboard_address="127.0.0.1:0",
            memory_limit=None,  # the plan counts memory; Dask would kill a worker that grows
            silence_logs=logging.CRITICAL,
        )


def _wait_for_workers(client: Any) -> Mapping[str, int]:
    """Waits until there is a worker; returns the threads of each."""
    since = time.monotonic()
    while not (threads := _threads(client)):
        if time.monotonic() - since > _SECONDS_FOR_WORKERS:
            raise BadInput(
                "the scheduler has no workers",
                where=_WHERE,
                got=f"none within {_SECONDS_FOR_WORKERS:.0f} s",
                remedy="start some on machines that share the run's folder: `dask worker ADDRESS --nthreads 1`; "
                "finished stacks are kept: bakeoff resume RUN",
            )
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return threads


def _threads(client: Any) -> Mapping[str, int]:
    """The threads of each worker.

    Raises:
        BadInput: the scheduler is gone.
    """
    try:
        threads: Mapping[str, int] = client.nthreads()
    except (OSError, TimeoutError) as error:
        raise _gone(error) from None
    return threads


def _gone(error: Exception) -> BadInput:
    return BadInput(
        "the scheduler is gone",
        where=_WHERE,
        got=str(error).splitlines()[0] if str(error) else type(error).__name__,
        remedy="start it again; finished stacks are kept: bakeoff resume RUN",
    )


def _trouble(worker: str, said: Any, run: Path, token: str) -> BadInput | None:
    """Why a worker can't train for a run, from what it answered to `introduce`; None where it can."""
    if isinstance(said, BaseException) and "No module named" in str(said):  # Dask wraps what it could not load
        return BadInput(
            "a worker does not have the project",
            where=worker,
            got=str(said),
            remedy="start it in an environment with the project in it, such as .venv/bin/dask worker",
        )
    if isinstance(said, BaseException):
        return BadInput("a worker can't be used", where=worker, got=f"{type(said).__name__}: {said}")
    if said.get("token") != token:
        return BadInput(
            "a worker does not share the run's folder",
            where=worker,
            got=said.get("trouble") or "another folder of the same name",
            accepted=f"{run.resolve()}, to read and to write",
            remedy="mount it there, or choose a home folder that all machines share with --home",
        )
    others = {**versions(), "code": code_digest()}
    theirs = {**said["versions"], "code": said["code"]}
    differing = sorted(name for name in others.keys() | theirs.keys() if others.get(name) != theirs.get(name))
    if differing:
        return BadInput(
            "a worker has other code or libraries than this process",
            where=worker,
            got=", ".join(f"{name} {str(theirs.get(name))[:12]}" for name in differing),
            accepted=", ".join(f"{name} {str(others.get(name))[:12]}" for name in differing),
            remedy="install the same version of the project there, from its lock file",
        )
    return None


class _Orders:
    """Gives jobs out, as many at a time as the workers have threads. So the longest jobs begin first, and a worker that
    comes late gets its share.

    Args:
        order: What all jobs have in common.
    """

    def __init__(self, client: Any, order: Mapping[str, Any], board: Board) -> None:
        self._client, self._order, self._board = client, order, board
        self._session = f"{order['file']}-{os.getpid()}-{secrets.token_hex(4)}"
        self._number = 0

    def hear(self, event: tuple[float, tuple[str, float]]) -> None:
        """Notes the progress of a stack that a worker reports."""
        _, (stack_id, share) = event
        self._board.note(stack_id, share)

    def do(self, jobs: Sequence[StackJob]) -> list[Done]:
        """As `tasks.execution.executors.Crew`."""
        waiting, flying, done = deque(jobs), dict[Any, StackJob](), list[Done]()
        try:
            while waiting or flying:
                self._give_out(waiting, flying)
                for future in self._ended(flying):
                    job = flying.pop(future)
                    done.append(Done(**_result(future, job)))
                    future.release()
                    if job.recorded:
                        self._board.note(job.stack_id, 1.0)
                self._board.show()
        except BaseException:
            with suppress(Exception):
                self._client.cancel(list(flying), force=True)
            raise
        finally:
            for future in flying:
                future.release()
        return done

    def _give_out(self, waiting: deque[StackJob], flying: dict[Any, StackJob]) -> None:
        threads = sum(_wait_for_workers(self._client).values())
        while waiting and len(flying) < threads:
            job = waiting.popleft()
            self._number += 1
            future = self._client.submit(
                run_stack,
                {**self._order, "job": as_json(job)},
                key=f"stack-{job.stack_id}-{self._session}-{self._number}",
                pure=False,
            )
            flying[future] = job

    def _ended(self, flying: Mapping[Any, StackJob]) -> list[Any]:
        """Waits a moment; returns those of the jobs given out that are done."""
        from distributed import wait

        with suppress(TimeoutError), self._client.as_current():
            wait(list(flying), timeout=_SECONDS_BETWEEN_LOOKS, return_when="FIRST_COMPLETED")
        return [future for future in flying if future.done()]


def _result(future: Any, job: StackJob) -> dict[str, Any]:
    """Returns what a worker gave back.

    Raises:
        BadInput: no worker could do the job, or the scheduler is gone.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        plain: dict[str, Any] = future.result()
    except KilledWorker as error:
        raise BadInput(
            "every worker that trained this stack died",
            where=f"stack {job.stack_id}",
            got=str(error).splitlines()[0],
            remedy="workers with more memory (bakeoff check says how much it may take); finished stacks are kept: "
            "bakeoff resume RUN",
        ) from None
    except FutureCancelledError as error:
        raise _gone(error) from None
    return plain
