"""Runs whose stacks are trained by a scheduler and two workers: their results equal those of one process."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from distributed import Client, Security

from flows.environment import for_workers
from tasks.distributed.executor import DaskExecutor
from tasks.distributed.runners import DaskRunner
from tasks.errors import BadInput
from tests.bench.same_run import differences
from tests.dask_processes import Processes, begun, dask_processes, held, trains, until
from tests.flows.command import bakeoff, start
from tests.runs import Planned, planned

pytestmark = pytest.mark.slow

PLAIN: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": {"kind": "mlp", "hidden": [8]},
    "train": {"epochs": 4, "seeds": 2, "optimizer": "momentum"},
    "compare": {"batch_size": [16, 32]},
}
TUNED: dict[str, Any] = {
    **PLAIN,
    "train": {"epochs": 9, "seeds": 2, "optimizer": "momentum"},
    "compare": {"method": ["successive-halving", "gradient"]},
    "tune": {"trials": 6, "folds": 2, "space": {"learning_rate": "auto", "momentum": {"low": 0.5, "high": 0.99}}},
}
LONG: dict[str, Any] = {
    **PLAIN,
    "train": {"epochs": 800, "seeds": 2, "optimizer": "momentum"},
    "compare": {"batch_size": [8, 10, 12]},
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A scheduler and two workers."""
    with dask_processes(tmp_path_factory.mktemp("dask"), 2) as processes:
        yield processes


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends that the machine has two cores, so that one process and two workers have the same plan on every
    machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})


def by_dask(address: str | None, folder: Path, spec: dict[str, Any]) -> Planned:
    """Returns a run whose stacks are trained through a scheduler."""
    return planned(folder, spec, executor=DaskExecutor(DaskRunner(address), folder, folder, for_workers()))


def to_its_tables(run: Planned) -> Path:
    """Searches, trains and evaluates; returns the run's folder."""
    if run.run.spec.tune:
        run = run.searched()
    run.tables()
    run.run.executor.close()
    return run.folder


@pytest.mark.parametrize("spec", [PLAIN, TUNED], ids=["plain", "tuned"])
def test_two_workers_give_what_one_process_gives(spec: dict[str, Any], two: Processes, tmp_path: Path) -> None:
    with Client(two.address, set_as_default=False) as client:
        before = len(begun(client))
        ours = to_its_tables(by_dask(two.address, tmp_path / "ours", spec))
        assert len(begun(client)) > before + 1
        until(lambda: held(client) == 0)
    theirs = to_its_tables(planned(tmp_path / "theirs", spec))
    assert differences(theirs, ours) == []
    assert not [*(ours / "checkpoints").glob("job-*"), *(ours / "checkpoints").glob("paused-*")]


def test_the_stack_of_a_killed_worker_is_trained_elsewhere_and_only_it(tmp_path: Path) -> None:
    with dask_processes(tmp_path / "dask", 2) as processes, Client(processes.address, set_as_default=False) as client:
        run = by_dask(processes.address, tmp_path / "ours", LONG)
        stacks = {stack.stack_id for stack in run.plan.stacks}
        assert len(stacks) == 3
        in_hand, killed = threading.Event(), list[str]()

        def kill() -> None:
            in_hand.wait()
            pid, stack = next(iter(trains(client).items()))
            os.kill(pid, signal.SIGKILL)
            killed.append(stack)

        def hear(what: str, done: int, total: int) -> None:
            if done:
                in_hand.set()

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        run.train(hear)
        killer.join(timeout=60)
        ours = to_its_tables(run)
        given_out = [stack for stack, _ in begun(client)]
        assert killed and {stack: given_out.count(stack) for stack in stacks} == {
            stack: 2 if stack == killed[0] else 1 for stack in stacks
        }
        until(lambda: held(client) == 0)
    assert differences(to_its_tables(planned(tmp_path / "theirs", LONG)), ours) == []


def test_a_scheduler_that_goes_is_named_and_the_run_goes_on_without_it(tmp_path: Path) -> None:
    with dask_processes(tmp_path / "dask", 1) as processes:
        run = by_dask(processes.address, tmp_path / "ours", LONG)

        def hear(what: str, done: int, total: int) -> None:
            if done:
                processes.started[0].kill()

        with pytest.raises(BadInput, match="the scheduler is gone"):
            run.train(hear)
        run.run.executor.close()
    assert not [*(tmp_path / "ours" / "checkpoints").glob("job-*")]
    again = planned(tmp_path / "ours", LONG, start="train")
    assert [stack.stack_id for stack in again.plan.stacks] == [stack.stack_id for stack in run.plan.stacks]
    again.tables()


def test_workers_that_cannot_train_for_the_run_are_named(tmp_path: Path) -> None:
    block = tmp_path / "block.py"
    block.write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'tasks':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}')\n"
        "sys.meta_path.insert(0, Blocked())\n",
        encoding="utf-8",
    )
    with dask_processes(tmp_path / "dask", 0) as processes:
        processes.worker("--preload", str(block))
        with pytest.raises(BadInput) as refused:
            by_dask(processes.address, tmp_path / "ours", PLAIN).train()
    assert "a worker does not have the project" in refused.value.message()
    assert not [*(tmp_path / "ours" / "checkpoints").iterdir()]


# --- the command ---------------------------------------------------------------------------------------------


def written(folder: Path, spec: dict[str, Any]) -> Path:
    path = folder / "spec.yaml"
    path.write_text(json.dumps(spec), encoding="utf-8")  # which is YAML too
    return path


def test_ctrl_c_ends_the_workers_too_and_the_run_goes_on_without_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = start("run", written(tmp_path, LONG), "--runner", "dask", home=home)
    try:
        job = until(lambda: next(home.glob("runs/*/checkpoints/job-*.json"), None))
        children = psutil.Process(process.pid).children(recursive=True)
        assert sum("multiprocessing-fork" in " ".join(each.cmdline()) for each in children) >= 1
        heard_by = [
            each.laddr.ip
            for one in (psutil.Process(process.pid), *children)
            for each in one.net_connections()
            if each.status == psutil.CONN_LISTEN
        ]
        assert set(heard_by) == {"127.0.0.1"}
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, output + errors
    assert "Traceback" not in errors and "distributed." not in errors
    _, left = psutil.wait_procs(children, timeout=30)  # the last of them may end a moment after the command does
    assert not left
    assert not job.exists()
    ended = bakeoff("resume", job.parent.parent.name, home=home)
    assert ended.returncode == 0, ended.stderr


def test_a_run_goes_through_a_scheduler_that_speaks_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, files = Security.temporary(), {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    for name, text in (("ca", made.tls_ca_file), ("cert", made.tls_client_cert), ("key", made.tls_client_key)):
        files[name].write_text(text)
    spec = written(tmp_path, {**PLAIN, "name": "remote"})
    with dask_processes(tmp_path / "dask", 2, [*files.values()]) as processes:
        assert processes.address.startswith("tls://")
        refused = bakeoff("run", spec, "--runner", f"dask={processes.address}", home=tmp_path / "home")
        assert refused.returncode == 2 and "there is no certificate" in refused.stderr
        for name, file in (("CA_FILE", "ca"), ("CLIENT__CERT", "cert"), ("CLIENT__KEY", "key")):
            monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", str(files[file]))
        ended = bakeoff("run", spec, "--runner", f"dask={processes.address}", home=tmp_path / "home")
    assert ended.returncode == 0, ended.stderr
    assert "distributed." not in ended.stderr
    trained = pd.read_parquet(next((tmp_path / "home" / "runs").iterdir()) / "trials.parquet")
    assert (trained.loc[trained["stage"] == "final", "status"] == "ok").all()
