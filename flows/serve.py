"""`make serve`, `make stop`: a Prefect server, a pool with a worker, and the reports, on this machine only.

    python -m flows.serve start | stop

Its files lie in `serve/` of the home folder: the password and the token (mode 0600), the list of its processes, and the
logs. The server's database is `prefect/`, where `bakeoff run` writes too. A later start finds all of it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from flows import processes, report_server
from flows.environment import home_folder, quieten
from flows.processes import Started
from tasks.errors import BadInput
from tasks.run_folder import make_folder, read_json, write_json
from tasks.steps import REPORTS

PROJECT = Path(__file__).resolve().parent.parent
POOL = "bakeoff"
UI_PORT = "PREFECT_SERVER_API_PORT"
REPORTS_PORT = "BAKEOFF_REPORTS_PORT"
_DEFAULT_PORTS = {UI_PORT: 4200, REPORTS_PORT: 4280}
_START_SECONDS = 180.0


@dataclass(frozen=True)
class Serving:
    """What is served, and where.

    Args:
        home: The folder of all state, absolute.
        ui_port, reports_port: On 127.0.0.1.
        password: `bakeoff:...`; the user types the whole of it into the UI's field.
        token: The first part of every address of the reports.
        fresh: Whether the password was made just now.
    """

    home: Path
    ui_port: int
    reports_port: int
    password: str
    token: str
    fresh: bool = False

    @property
    def ui(self) -> str:
        return f"http://{report_server.HOST}:{self.ui_port}"

    @property
    def reports(self) -> str:
        return f"http://{report_server.HOST}:{self.reports_port}/{self.token}"

    @property
    def folder(self) -> Path:
        return self.home / "serve"

    def environment(self) -> dict[str, str]:
        """Returns the environment of the server, the worker and its runs. Prefect settings of the user do not reach
        them."""
        from flows.automations import HEARTBEAT_SECONDS

        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return own | {
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": f"{self.ui}/api",
            "PREFECT_API_AUTH_STRING": self.password,
            "PREFECT_SERVER_API_AUTH_STRING": self.password,
            "PREFECT_SERVER_API_HOST": report_server.HOST,
            UI_PORT: str(self.ui_port),  # the UI calls this port, whatever --port says
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_V2_ENABLED": "false",  # V2 calls out to the network
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
            "DO_NOT_TRACK": "1",
            "BAKEOFF_HOME": str(self.home),
            REPORTS: self.reports,
        }


def start() -> Serving:
    """Starts the server, the reports and the worker. If all of them run already on the same ports, leaves them running;
    else restarts all. Ports stay as the last time, unless others are asked for; password and token always stay.

    Raises:
        BadInput: a port is in use, the server or the worker does not start, or BAKEOFF_WEBHOOK is no address.
    """
    from flows.automations import WEBHOOK, checked

    with _alone() as folder:
        checked(os.environ.get(WEBHOOK, ""))
        serving, running = _configured(folder), _running(folder)
        if len(running) == len(_COMMANDS) and _same_ports(folder, serving):
            if WEBHOOK in os.environ:
                _automate(serving)
            return serving
        for each in reversed(running):
            processes.stop(each)
        for variable, port in ((UI_PORT, serving.ui_port), (REPORTS_PORT, serving.reports_port)):
            _refuse_used(variable, port)
        started: list[Started] = []
        try:
            for name in _COMMANDS:
                started.append(_launch(name, serving))
                _note(folder, serving, started)
                if name == "server":
                    _set_up(serving, started[0])
        except BaseException:
            for each in reversed(started):
                processes.stop(each)
            raise
        return serving


def stop() -> list[str]:
    """Stops what `start` started, the worker first, and nothing else. Returns the names of those that still ran."""
    with _alone() as folder:
        return [each.name for each in reversed(_running(folder)) if processes.stop(each)]


_COMMANDS: dict[str, list[str]] = {
    "server": ["-m", "prefect", "server", "start"],
    "reports": ["-m", "flows.report_server"],
    "worker": ["-m", "prefect", "worker", "start", "--pool", POOL, "--name", "bakeoff"],
}


def _launch(name: str, serving: Serving) -> Started:
    environment, command = serving.environment(), [sys.executable, *_COMMANDS[name]]
    if name == "reports":
        environment[report_server.TOKEN] = serving.token
        command.append(str(serving.reports_port))
    return processes.start(name, command, environment, PROJECT, serving.folder / f"{name}.log")


def _set_up(serving: Serving, server: Started) -> None:
    """Waits for the server, then creates the pool, the deployments of prefect.yaml, and the automations."""
    deadline = time.monotonic() + _START_SECONDS
    while not _healthy(serving.ui):
        if server.found() is None or time.monotonic() > deadline:
            raise BadInput("Prefect's server does not start", where=str(serving.folder / "server.log"))
        time.sleep(0.3)
    _prefect(serving, "work-pool", "create", POOL, "--type", "process", "--overwrite")
    _prefect(serving, "--no-prompt", "deploy", "--all")
    _automate(serving)


def _automate(serving: Serving) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.automations"],
        cwd=PROJECT,
        env=serving.environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BadInput("Prefect refused the automations", got=done.stderr.strip()[-300:])


def _prefect(serving: Serving, *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=serving.environment(), capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise BadInput(f"`prefect {' '.join(arguments)}` failed", got=said)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health").is_success
    except httpx.TransportError:
        return False


@contextmanager
def _alone() -> Iterator[Path]:
    """Yields the folder `serve/`, locked so that only this process uses it."""
    home = make_folder(home_folder()).resolve()
    folder = make_folder(home / "serve")
    folder.chmod(0o700)
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _configured(folder: Path) -> Serving:
    last = _last(folder)
    password, fresh = _secret(folder / "password", f"bakeoff:{secrets.token_urlsafe(16)}")
    token, _ = _secret(folder / "token", secrets.token_urlsafe(24))
    ui, reports = (_port(name, last.get(name)) for name in (UI_PORT, REPORTS_PORT))
    return Serving(folder.parent, ui, reports, password, token, fresh)


def _secret(path: Path, new: str) -> tuple[str, bool]:
    """Returns a secret and whether it is new: the text of the file, or `new`, which a missing file gets (mode 0600)."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(new)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip(), False
    return new, True


def _port(variable: str, last: Any) -> int:
    text = os.environ.get(variable) or str(last or _DEFAULT_PORTS[variable])
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise BadInput("is no port", where=variable, got=text, accepted="1 to 65535")
    return int(text)


def _refuse_used(variable: str, port: int) -> None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((report_server.HOST, port))
        except OSError as error:
            raise BadInput(
                "the port is in use",
                where=variable,
                got=f"{port}: {error.strerror}",
                remedy=f"choose another: {variable}={port + 100} make serve",
            ) from None


def _last(folder: Path) -> dict[str, Any]:
    path = folder / "serve.json"
    return read_json(path) if path.is_file() else {}


def _running(folder: Path) -> list[Started]:
    noted = [Started(**each) for each in _last(folder).get("processes", [])]
    return [each for each in noted if each.found()]


def _same_ports(folder: Path, serving: Serving) -> bool:
    last = _last(folder)
    return (last.get(UI_PORT), last.get(REPORTS_PORT)) == (serving.ui_port, serving.reports_port)


def _note(folder: Path, serving: Serving, started: list[Started]) -> None:
    ports = {UI_PORT: serving.ui_port, REPORTS_PORT: serving.reports_port}
    write_json(folder / "serve.json", {**ports, "processes": [each.as_json() for each in started]})


def _said(serving: Serving) -> str:
    key = serving.folder / "password"
    shown = f"{serving.password}   (shown this once; it stands in {key})" if serving.fresh else f"stands in {key}"
    return (
        f"Prefect   {serving.ui}\n"
        f"password  {shown}\n"
        "          Type the whole of it, with the part before the colon, into the one field.\n"
        f"Reports   {serving.reports}/\n"
        "          Who has this address can read every report: it holds a secret.\n"
        "Stop both with `make stop`."
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs `start` or `stop`. Returns the exit code: 0 done; 2 the request can't be met."""
    quieten()
    asked = sys.argv[1:] if arguments is None else arguments
    try:
        if asked == ["start"]:
            print(_said(start()))
        elif asked == ["stop"]:
            stopped = stop()
            print(f"stopped: {', '.join(stopped)}" if stopped else "nothing runs that `make serve` started")
        else:
            raise BadInput(
                "is no command", where="python -m flows.serve", got=" ".join(asked), accepted="start or stop"
            )
    except BadInput as error:
        print(error.message(), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
