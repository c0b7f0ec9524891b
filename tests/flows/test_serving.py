"""`make serve` as an operator uses it: runs from the form, a failed gate, a killed run, and a stop of only its own
processes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from playwright.sync_api import expect
from prefect.states import AwaitingRetry

from tasks.run_folder import read_json
from tests.bench.same_run import differences
from tests.flows.browser import new_page, open_form, submit, write
from tests.flows.command import bakeoff
from tests.flows.servers import PROJECT, PrefectServer, processes_with, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")]

CLOSED = "gates=[{metric: accuracy, at_least: 0.999, severity: block}]"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def serve(command: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "BAKEOFF_"))}
    return subprocess.run(
        [sys.executable, "-m", "flows.serve", command],
        cwd=PROJECT,
        env=own | {"BAKEOFF_HOME": str(home)} | variables,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.fixture(scope="module")
def heard() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Listens at an address on this machine; yields the address, and the list of events that are sent there."""
    said: list[dict[str, Any]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Logs nothing, to keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/bakeoff", said
        server.shutdown()


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, heard: tuple[str, list[dict[str, Any]]]
) -> Iterator[PrefectServer]:
    """Serves a home on ports of its own; its events go to the listener."""
    home = tmp_path_factory.mktemp("served") / "home"
    ports = {"PREFECT_SERVER_API_PORT": str(free_port()), "BAKEOFF_REPORTS_PORT": str(free_port())}
    done = serve("start", home, **ports, BAKEOFF_WEBHOOK=heard[0])
    assert done.returncode == 0, done.stdout + done.stderr
    password = (home / "serve" / "password").read_text(encoding="utf-8")
    assert password in done.stdout, "shown at first"
    try:
        yield PrefectServer(f"http://127.0.0.1:{ports['PREFECT_SERVER_API_PORT']}", password, home, {})
    finally:
        assert serve("stop", home).stdout == "stopped: worker, reports, server\n"
    assert not processes_with("BAKEOFF_HOME", str(home)), "nothing is left"
    assert serve("stop", home).stdout == "nothing runs that `make serve` started\n"


def deployment_id(served: PrefectServer, name: str) -> UUID:
    with served.client() as client:
        return client.read_deployment_by_name(f"bakeoff/{name}").id


def test_it_is_found_again_and_its_secrets_are_its_own(served: PrefectServer) -> None:
    again = serve("start", served.home)
    assert again.returncode == 0
    assert served.url in again.stdout
    assert served.password not in again.stdout, "shown once"
    for name in ("password", "token"):
        assert stat.S_IMODE((served.home / "serve" / name).stat().st_mode) == 0o600
    assert deployment_id(served, "bake-off") != deployment_id(served, "nightly")
    other = serve("start", served.home.parent / "other", PREFECT_SERVER_API_PORT=served.url.rpartition(":")[2])
    assert other.returncode == 2
    assert "PREFECT_SERVER_API_PORT: the port is in use" in other.stderr
    wrong = serve("start", served.home, BAKEOFF_WEBHOOK="127.0.0.1:9")
    assert (wrong.returncode, "BAKEOFF_WEBHOOK: is no address" in wrong.stderr) == (2, True)


def test_a_closed_gate_is_seen_and_told_and_the_report_opens_by_its_link(
    served: PrefectServer, heard: tuple[str, list[dict[str, Any]]]
) -> None:
    with new_page() as page:
        called: set[str] = set()
        page.on("request", lambda request: called.add(request.url))
        open_form(page, served, deployment_id(served, "bake-off"))
        page.screenshot(path=served.home / "form.png")
        write(page, "Or a file", "tests/flows/small.yaml")
        page.get_by_role("button", name="Add item").click()
        write(page, "Overrides", CLOSED)
        created = submit(page)
        run = served.finished(lambda run: run.id == created, seconds=120)
        assert run.state is not None
        assert (run.state.type.value, run.state.name) == ("FAILED", "Gate failed")
        assert "it should be at least 0.999" in str(run.state.message)
        assert run.name == "small · 2 recipes x 2 seeds"
        assert {"experiment:small", "gate failed", "outcome:do not ship"} <= set(run.tags)
        artifacts = served.artifacts(run)
        assert {"validation", "training", "verdict", "comparison", "gates", "report"} <= artifacts.keys()

        page.goto(f"{served.url}/runs/flow-run/{created}")
        expect(page.get_by_text("Gate failed", exact=True).first).to_be_visible(timeout=20_000)
        said = served.log(run)  # the page shows only the lines in sight
        assert "Recipes: sgd, adam" in said
        assert "Leader: " in said
        assert f"Report: {artifacts['report'].partition('(')[2].rstrip(')')}" in said
        assert "Traceback" not in said
        assert {url for url in called if not url.startswith((served.url, f"blob:{served.url}"))} == set()
        with served.client() as client:
            (verdict,) = [each.id for each in client.read_artifacts() if each.key == "verdict"]
        page.goto(f"{served.url}/artifacts/artifact/{verdict}")
        page.get_by_role("link", name="Open the report").first.wait_for()
        address = page.get_by_role("link", name="Open the report").first.get_attribute("href")
        page.goto(str(address))
        expect(page.locator("h1")).to_have_text("small")
        page.goto(str(address).partition("/runs/")[0] + "/")
        page.get_by_role("link", name="Report of small").click()
        expect(page.locator("h1")).to_have_text("small")

    def told() -> dict[str, Any] | None:
        return next((each for each in heard[1] if each["event"] == "bakeoff.gate.failed"), None)

    event = wait_for(told, seconds=30)
    assert event["payload"]["flow_run"] == str(created) and event["payload"]["experiment"] == "small"
    assert "it should be at least 0.999" in event["payload"]["sentence"]
    assert {each["event"] for each in heard[1]} == {"bakeoff.run.finished", "bakeoff.gate.failed"}


def test_retry_on_the_page_goes_on_in_the_same_folder(served: PrefectServer) -> None:
    run = next(run for run in served.runs() if run.state_name == "Gate failed")
    folders = sorted(path.name for path in (served.home / "runs").iterdir())
    with new_page() as page:
        open_form(page, served, deployment_id(served, "bake-off"))  # for the password
        page.goto(f"{served.url}/runs/flow-run/{run.id}")
        page.get_by_role("button", name="Retry").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Retry").click()
        again = served.finished(lambda each: each.id == run.id and each.run_count > 1, seconds=120)
    assert again.state_name == "Gate failed"
    assert sorted(path.name for path in (served.home / "runs").iterdir()) == folders
    assert len([tag for tag in again.tags if tag.startswith("folder:")]) == 1


def test_the_worker_outlives_a_deleted_run_and_a_flow_that_is_not_there(served: PrefectServer) -> None:
    with served.client() as client:
        deployed = client.read_deployment(deployment_id(served, "nightly"))
        gone = client.create_deployment(
            flow_id=deployed.flow_id,
            name="gone",
            work_pool_name=deployed.work_pool_name,
            path=deployed.path,
            entrypoint="flows/nowhere.py:bakeoff",
        )
        deleted = client.create_flow_run_from_deployment(deployed.id)
        client.delete_flow_run(deleted.id)
        lost = client.create_flow_run_from_deployment(gone)
    run = served.finished(lambda run: run.id == lost.id, seconds=90)
    assert run.state_name in ("Crashed", "Failed")
    test_a_wrong_spec_is_answered_within_seconds(served)


def test_a_bad_value_is_refused_in_the_form(served: PrefectServer) -> None:
    before = {run.id for run in served.runs() if not run.auto_scheduled}
    with new_page() as page:
        open_form(page, served, deployment_id(served, "bake-off"))
        page.get_by_role("button", name="Add item").click()
        write(page, "Overrides", "epochs 2")
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_text("'epochs 2' does not match").first).to_be_visible()
    assert {run.id for run in served.runs() if not run.auto_scheduled} == before


def test_a_wrong_spec_is_answered_within_seconds(served: PrefectServer) -> None:
    with served.client() as client:
        spec = "data: {source: nowhere.csv}\n"
        started = client.create_flow_run_from_deployment(
            deployment_id(served, "nightly"), parameters={"request": {"spec": spec}}
        )
    run = served.finished(lambda run: run.id == started.id, seconds=90)
    assert run.state is not None
    assert run.state.name == "Wrong input"
    assert str(run.state.message).startswith("spec.yaml:1: data.source: no such file or folder")
    assert run.total_run_time.total_seconds() < 10


def begun(served: PrefectServer, *changes: str) -> UUID:
    """A run of tests/flows/small.yaml that has begun to train."""
    request = {"path": "tests/flows/small.yaml", "set": list(changes)}
    with served.client() as client:
        parameters = {"request": request}
        started = client.create_flow_run_from_deployment(deployment_id(served, "bake-off"), parameters=parameters)

    def training() -> bool | None:
        return next((True for run in served.runs() if run.id == started.id and "recipes" in run.name), None)

    wait_for(training, seconds=90)
    return started.id


def kill(served: PrefectServer, *names: str) -> None:
    """Ends these of the processes that are served, with all that they started, by SIGKILL."""
    noted = read_json(served.home / "serve" / "serve.json")["processes"]
    for process in [psutil.Process(each["pid"]) for each in noted if each["name"] in names]:
        for each in [process, *process.children(recursive=True)]:
            each.kill()


def folder_of(served: PrefectServer, run: UUID) -> Path:
    tags = next(each.tags for each in served.runs() if each.id == run)
    return served.home / "runs" / next(tag.removeprefix("folder:") for tag in tags if tag.startswith("folder:"))


def test_worker_and_run_killed_together_show_as_crashed_and_a_retry_goes_on(
    served: PrefectServer, tmp_path: Path
) -> None:
    changes = ["train.epochs=6000", "train.early_stopping=null"]
    killed = begun(served, *changes)
    kill(served, "worker")
    run = served.finished(lambda run: run.id == killed, seconds=120)
    assert run.state_name == "Crashed"
    assert serve("start", served.home).returncode == 0, "what was killed is started again"
    with served.client() as client:
        client.set_flow_run_state(killed, AwaitingRetry(), force=True)  # as the page's Retry does
    again = served.finished(lambda run: run.id == killed and run.run_count > 1, seconds=180)
    assert again.state_name == "Completed"
    whole = bakeoff("run", "tests/flows/small.yaml", *set_of(changes), "--run-dir", tmp_path / "whole", home=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert differences(tmp_path / "whole", folder_of(served, killed)) == []


def test_server_worker_and_run_killed_together_are_taken_up_by_resume(served: PrefectServer, tmp_path: Path) -> None:
    changes = ["train.epochs=6001", "train.early_stopping=null"]
    folder = folder_of(served, begun(served, *changes))
    kill(served, "worker", "server", "reports")
    resumed = bakeoff("resume", folder, home=served.home)
    assert resumed.returncode == 0, resumed.stderr
    whole = bakeoff("run", "tests/flows/small.yaml", *set_of(changes), "--run-dir", tmp_path / "whole", home=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert differences(tmp_path / "whole", folder) == []
    assert serve("start", served.home).returncode == 0, "what was killed is started again"


def set_of(changes: list[str]) -> list[str]:
    """As the command takes overrides."""
    return [word for change in changes for word in ("--set", change)]
