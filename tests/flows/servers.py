"""Prefect as users run it: its command, its processes, and what the server says of its runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import httpx
import psutil
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import FlowRun

PROJECT = Path(__file__).resolve().parents[2]
PREFECT = [sys.executable, "-m", "prefect"]
T = TypeVar("T")


@dataclass(frozen=True)
class PrefectServer:
    """A running server, spoken to as a user would.

    Args:
        url: The address of its UI.
        password: Its auth string.
        home: The folder where its worker's runs keep their state (BAKEOFF_HOME).
        environment: The variables with which the `prefect` command reaches it.
    """

    url: str
    password: str
    home: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> str:
        """Runs `prefect ARGUMENTS` from the project's root; gives what it prints."""
        done = subprocess.run(
            [*PREFECT, *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self, cron: str) -> UUID:
        """Deploys `nightly` of `prefect.yaml` with another cron, for `digits` as it is; gives the deployment's id."""
        project = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
        (deployment,) = [each for each in project["deployments"] if each["name"] == "nightly"]
        project["deployments"] = [deployment]
        deployment["parameters"] = {"request": {"experiment": "digits"}}
        deployment["schedules"][0]["cron"] = cron
        changed = self.home / "prefect.yaml"
        changed.write_text(yaml.safe_dump(project), encoding="utf-8")
        self.command("--no-prompt", "deploy", "--all", "--prefect-file", str(changed))
        with self.client() as client:
            return client.read_deployment_by_name(f"bakeoff/{deployment['name']}").id

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(f"{self.url}/api", auth_string=self.password)

    def runs(self) -> list[FlowRun]:
        with self.client() as client:
            return client.read_flow_runs()

    def finished(self, which: Callable[[FlowRun], bool], seconds: float) -> FlowRun:
        """The first run of `which` that has ended, however it ended."""

        def ended() -> FlowRun | None:
            return next((run for run in self.runs() if which(run) and run.state and run.state.is_final()), None)

        return wait_for(ended, seconds)

    def artifacts(self, run: FlowRun) -> dict[str, str]:
        """The run's artifacts: key to contents."""
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        with self.client() as client:
            return {str(artifact.key): str(artifact.data) for artifact in client.read_artifacts(artifact_filter=of_run)}


def wait_for(look: Callable[[], T | None], seconds: float) -> T:
    """What `look` finds, asked twice a second; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"nothing within {seconds:g} s"
        time.sleep(0.5)
    return found


@contextmanager
def running(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is interrupted (SIGINT) at the end, as with Ctrl-C, and must then stop by itself."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Where the tests themselves run in a shell's background, SIGINT would be ignored from here on down.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()


def processes_with(variable: str, value: str) -> list[psutil.Process]:
    """Every process of this user that was started with this environment variable, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def healthy(url: str) -> bool | None:
    try:
        return httpx.get(f"{url}/api/health").is_success or None
    except httpx.TransportError:
        return None
