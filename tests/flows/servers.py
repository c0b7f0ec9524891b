"""Runs Prefect as users do: its command, its processes, and the server's answers about runs."""

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
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun

PROJECT = Path(__file__).resolve().parents[2]
PREFECT = [sys.executable, "-m", "prefect"]
T = TypeVar("T")


@dataclass(frozen=True)
class PrefectServer:
    """A running server, used as a user would use it.

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
        """Runs `prefect ARGUMENTS` from the project's root; returns its output."""
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
        """Deploys `nightly` of `prefect.yaml` with another cron, for `digits` unchanged; returns the deployment's
        id."""
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
        """Waits for a run for which `which` is true to end, in whatever state, and returns it."""

        def ended() -> FlowRun | None:
            return next((run for run in self.runs() if which(run) and run.state and run.state.is_final()), None)

        return wait_for(ended, seconds)

    def log(self, run: FlowRun) -> str:
        """Returns the lines of the run's log."""
        of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        with self.client() as client:
            return "\n".join(line.message for line in client.read_logs(log_filter=of_run))

    def artifacts(self, run: FlowRun) -> dict[str, str]:
        """Returns the contents of the run's artifacts by key."""
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        with self.client() as client:
            return {str(artifact.key): str(artifact.data) for artifact in client.read_artifacts(artifact_filter=of_run)}


def wait_for(look: Callable[[], T | None], seconds: float) -> T:
    """Calls `look` twice a second until it returns something other than None, and returns that; fails after
    `seconds`."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"nothing within {seconds:g} s"
        time.sleep(0.5)
    return found


@contextmanager
def running(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process, which is interrupted (SIGINT) at the end, as with Ctrl-C, and must then stop by itself."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            # If the tests run in a shell's background, SIGINT is ignored, and child processes would inherit that.
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
    """Returns every process of this user that was started with this environment variable, whatever its parent is
    now."""
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
