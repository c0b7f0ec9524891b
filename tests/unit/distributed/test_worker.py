"""What a worker does with an order, in this process and without Dask."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import distributed
import pytest

from tasks.distributed import executor, worker
from tasks.distributed.executor import _trouble
from tasks.distributed.worker import introduce, run_stack, topic_of
from tasks.errors import BadInput
from tasks.execution.archive import Archive
from tasks.execution.board import Stopped
from tasks.execution.deciding import code_digest, versions
from tasks.execution.trainer import Work
from tasks.planning.jobs import Job
from tasks.records.documents import as_json, document_of, write_document
from tasks.training import compilations
from tests.bench.same_run import differences
from tests.runs import Planned, planned

SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": {"kind": "mlp", "hidden": [4]},
    "train": {"epochs": 2, "seeds": 2, "optimizer": "momentum"},
    "compare": {"batch_size": [16, 32]},
}


class FakeWorker:
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def log_event(self, topic: str, event: Any) -> None:
        self.events.append((topic, event))


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is no worker's: it opens no cache of compiled programs."""
    monkeypatch.setattr(compilations, "open_cache", lambda home: None)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the worker tells of."""
    found = FakeWorker()
    monkeypatch.setattr(distributed, "get_worker", lambda: found)
    return found.events


@pytest.fixture
def run(tmp_path: Path) -> Planned:
    return planned(tmp_path / "run", SPEC)


def orders(run: Planned) -> list[dict[str, Any]]:
    """One for each stack of a plan, through JSON as over a wire."""
    folder = run.folder
    archive = Archive.of(folder, run.prepared.by_fold, folder)
    work = Work(Job.of(run.plan), run.prepared.by_fold, folder, folder, archive)
    file = write_document(folder / "checkpoints" / "job-1.json", work.job)
    common = {"run": str(folder), "home": str(folder), "base": str(folder), "file": file.name, "anew": False}
    plain = [{**common, "settings": {}, "job": as_json(work.asked(stack))} for stack in work.job.stacks]
    return json.loads(json.dumps(plain))


@pytest.mark.slow
def test_an_order_is_all_that_a_worker_needs(run: Planned, heard: list[tuple[str, Any]], tmp_path: Path) -> None:
    ordered = orders(run)
    for order in ordered:
        done = run_stack(order)
        assert done == {"stack_id": order["job"]["stack_id"], "values": {}}
    assert {topic for topic, _ in heard} == {topic_of("job-1.json")}
    before = {path: path.stat().st_mtime_ns for folder in run.stacks() for path in folder.iterdir()}
    assert len(run.stacks()) == len(ordered) == 2
    for order in ordered:  # which changes nothing
        run_stack(order)
    assert before == {path: path.stat().st_mtime_ns for folder in run.stacks() for path in folder.iterdir()}
    run.tables()
    local = planned(tmp_path / "local", SPEC)
    local.tables()
    assert differences(local.folder, run.folder) == []


def test_an_order_of_other_rows_is_refused(run: Planned, heard: list[tuple[str, Any]]) -> None:
    order = orders(run)[0]
    order["job"]["key"] = "0" * 64
    with pytest.raises(BadInput, match="something else than it was asked for"):
        run_stack(order)
    assert run.stacks() == []


def test_a_stack_that_nobody_waits_for_ends(
    run: Planned, heard: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_SECONDS_BETWEEN_NOTES", 0.0)
    order = orders(run)[0]
    worker._work(*(order[name] for name in ("run", "home", "base", "file", "anew")))
    (run.folder / "checkpoints" / "job-1.json").unlink()
    with pytest.raises(Stopped):
        run_stack(order)
    assert run.stacks() == []


def test_a_job_is_the_same_through_its_file(run: Planned) -> None:
    job = Job.of(run.plan)
    assert as_json(document_of(as_json(job), Job)) == as_json(job)


@pytest.mark.parametrize(
    ("workers", "cores", "sharing"),
    [
        ({"tcp://127.0.0.1:1": 1, "tcp://127.0.0.1:2": 1}, 2, 2),
        ({"tls://one:1": 1, "tls://two:1": 1, "tls://two:2": 4}, 6, 5),
        ({f"tls://[fd00::{number:x}]:1": 1 for number in range(200)}, 200, 1),
    ],
)
def test_workers_of_one_host_share_its_memory(workers: dict[str, int], cores: int, sharing: int) -> None:
    machine = executor._machine_of(workers)
    assert (machine.cores, machine.sharing) == (cores, sharing)


# --- introductions -------------------------------------------------------------------------------------------


def test_a_worker_that_shares_the_folder_says_its_token(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "shared").write_text("token")
    said = introduce(str(tmp_path), str(tmp_path), {})
    assert _trouble("tcp://w:1", said, tmp_path, "token") is None
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["shared"]


def test_settings_stand_behind_the_workers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"KERAS_BACKEND": "tensorflow"})
    introduce(str(tmp_path), str(tmp_path), {"KERAS_BACKEND": "jax", "BAKEOFF_DATA": "there"})
    assert os.environ == {"KERAS_BACKEND": "tensorflow", "BAKEOFF_DATA": "there"}


@pytest.mark.parametrize("how", ["missing", "another", "other code", "other library", "no project", "broken"])
def test_what_a_worker_lacks_is_said(how: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    said: Any = {"token": "token", "code": code_digest(), "versions": dict(versions())}
    if how == "missing":
        shutil.rmtree(tmp_path / "checkpoints")
        said = introduce(str(tmp_path), str(tmp_path), {})
    elif how == "another":
        said["token"] = "another"
    elif how == "other code":
        said["code"] = "f" * 64
    elif how == "other library":
        said["versions"]["keras"] = "2.0"
    elif how == "no project":
        said = Exception("ModuleNotFoundError(\"No module named 'tasks'\")")
    else:
        said = ValueError("broken")
    message = executor._trouble("tcp://w:1", said, tmp_path, "token").message()
    expected = {
        "missing": "a worker does not share the run's folder",
        "another": "another folder of the same name",
        "other code": "got:      code ffffffffffff",
        "other library": "got:      keras 2.0",
        "no project": "a worker does not have the project",
        "broken": "ValueError: broken",
    }
    assert message.startswith("tcp://w:1: ") and expected[how] in message
