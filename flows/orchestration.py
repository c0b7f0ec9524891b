"""The Prefect API a run talks to: the user's server where one is set, else our own inside this process.

Without a server, Prefect itself starts a child process, which outlives a parent killed with -9. Here the same
application runs in a thread of the run itself, so that no process can be left over. Its records stay in the
home folder: `PREFECT_HOME=data/prefect prefect server start` shows them in Prefect's UI.

Measured on 2 cores: 2.5 s from the process's start until the API answers (of that 2.2 s imports), 6.5-8 s on a
fresh home, whose database has to be created; Prefect's child process needs 12 s and 17-19 s.
"""

from __future__ import annotations

import asyncio
import contextvars
import fcntl
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tasks.errors import BadInput
from tasks.imports import importing
from tasks.run_folder import make_folder

if TYPE_CHECKING:
    import uvicorn

START_SECONDS = 180.0


@contextmanager
def api(home: Path) -> Iterator[Callable[[], None]]:
    """Makes Prefect's API available to the flows called in this block.

    A server named by `PREFECT_API_URL` (environment or profile) is used as it is. Otherwise a private one
    starts in a thread and ends with the block: on 127.0.0.1 behind a random password, without UI, analytics
    or log lines, its database under `home/prefect`. Several processes may share one home.

    Args:
        home: The folder of all state.

    Yields:
        A function that waits until the API answers. Call it before the first flow; until then there is
        time for imports and for reading data.

    Raises:
        BadInput: (from the function) the user's server does not answer.
        RuntimeError: (from the function) our own did not start within `START_SECONDS`.
    """
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if url:
        yield lambda: _check(url)
    else:
        with _private_server(home.resolve() / "prefect") as wait:
            yield wait


def _check(url: str) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem:
        raise BadInput(
            "the Prefect server does not answer",
            where="PREFECT_API_URL",
            got=f"{url} ({problem})",
            remedy="start it with `prefect server start`, or unset PREFECT_API_URL to run without a server",
        )


@contextmanager
def _private_server(folder: Path) -> Iterator[Callable[[], None]]:
    with importing():
        import uvicorn
        from prefect.events.worker import EventsWorker
        from prefect.logging.configuration import setup_logging
        from prefect.server.api.server import create_app
        from prefect.server.database.dependencies import temporary_database_config
        from prefect.settings import temporary_settings

    make_folder(folder)
    with socket.socket() as listener, (folder / "lock").open("a", encoding="utf-8") as lock:
        listener.bind(("127.0.0.1", 0))
        settings = _settings(folder, port=listener.getsockname()[1])
        try:
            with (
                # Quiet unless the user asks for more: the command itself reports progress and errors.
                temporary_settings(settings, set_defaults={"logging.level": "CRITICAL"}),
                temporary_database_config(None),  # else a process keeps the first home's database for ever
            ):
                app = create_app(ephemeral=True, ignore_cache=True)  # sets the levels of Prefect's loggers too
                server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
                ready = threading.Event()
                thread = threading.Thread(
                    # Settings live in a context variable, which a thread does not inherit by itself.
                    target=contextvars.copy_context().run,
                    args=(_serve, server, listener, lock, ready),
                    daemon=True,
                )
                thread.start()
                try:
                    yield lambda: _wait(ready, thread)
                finally:
                    # Sends the run's last events while the server listens. Hides the warning about their number.
                    logging.getLogger(EventsWorker.__name__).setLevel(logging.ERROR)
                    EventsWorker.drain_all(timeout=10)
                    server.should_exit = True
                    thread.join(timeout=10)
        finally:
            setup_logging()


def _settings(folder: Path, port: int) -> dict[Any, Any]:
    """Returns Prefect's settings for a private server and its clients, which are one process."""
    password = f"bakeoff:{secrets.token_urlsafe(16)}"  # else any user of this machine could talk to the port
    return {
        "home": folder,
        "api.url": f"http://127.0.0.1:{port}/api",
        "api.auth_string": password,
        "server.api.auth_string": password,
        "server.database.connection_url": f"sqlite+aiosqlite:///{folder}/prefect.db",
        # Its event recorder logs as errors what it retries a moment later (another run has locked the database).
        "server.logging_level": "CRITICAL",
        "server.ui.enabled": False,
        "server.analytics_enabled": False,
        "server.register_blocks_on_start": False,  # they are for the UI's forms, and take a second to write
        "server.memoize_block_auto_registration": False,
        # Services that watch deployments, automations and events: a run needs none of them.
        "server.services.event_persister.enabled": False,
        "server.services.event_logger.enabled": False,
        "server.services.triggers.enabled": False,
        "logging.to_api.enabled": False,
        # Nobody listens to heartbeats here, and the thread that sends them delays each flow's end by a second.
        "flows.heartbeat_frequency": None,
    }


def _serve(server: uvicorn.Server, listener: socket.socket, lock: IO[str], ready: threading.Event) -> None:
    """Serves until `server.should_exit`. The first process of a home creates its database; the others wait for it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)
        alone = False

    async def serve() -> None:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            if alone:
                await _close_dead_runs()
                fcntl.flock(lock, fcntl.LOCK_SH)
            ready.set()
        await serving

    asyncio.run(serve())


def _wait(ready: threading.Event, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready.wait(0.1):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("Prefect's API did not start in this process")


async def _close_dead_runs() -> None:
    """Marks flow runs whose process was killed as crashed: else they would be shown as running for ever.

    Call it only while no other process uses the database. Runs of deployments are left alone, since they belong to a
    server's workers.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    unfinished = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    ours = FlowRunFilter(
        state=FlowRunFilterState(type=unfinished), deployment_id=FlowRunFilterDeploymentId(is_null_=True)
    )
    async with get_client() as client:
        for run in await client.read_flow_runs(flow_run_filter=ours):
            await client.set_flow_run_state(run.id, Crashed(message="Its process was killed."), force=True)
