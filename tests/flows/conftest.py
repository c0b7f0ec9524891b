"""A server behind a password and a process worker, started as the comments of prefect.yaml say."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator

import pytest

from tests.flows.servers import PREFECT, PrefectServer, healthy, processes_with, running, wait_for


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """Runs `prefect server start` as the comments of prefect.yaml say, with a home and a port of its own."""
    home = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    password = f"bakeoff:{secrets.token_hex(8)}"
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_API_AUTH_STRING": password,
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        "BAKEOFF_HOME": str(home),
    }
    start = [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", port]
    with running(start, environment, home / "server.log"):
        wait_for(lambda: healthy(url), seconds=120)
        yield PrefectServer(url, password, home, environment)
    assert not processes_with("PREFECT_HOME", environment["PREFECT_HOME"])


@pytest.fixture(scope="session")
def worker(prefect_server: PrefectServer) -> Iterator[None]:
    """Runs `prefect worker start --pool bakeoff`, on a pool made for it."""
    prefect_server.command("work-pool", "create", "bakeoff", "--type", "process")
    start = [*PREFECT, "worker", "start", "--pool", "bakeoff"]
    with running(start, prefect_server.environment, prefect_server.home / "worker.log"):
        yield
