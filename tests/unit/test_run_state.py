"""What became of a run, told from its folder alone."""

from __future__ import annotations

import html
import multiprocessing
from pathlib import Path

import pytest

from reports.render import render
from tasks.records.stage_records import Stages
from tasks.records.validation import CheckResult, Validation
from tasks.run_folder import locked, write_text
from tasks.run_state import RunState, state_of


def ended(folder: Path, error: BaseException | None = None, stage: str = "train") -> RunState:
    """The state of a run whose last stage ended with this error; None: it was done."""
    stages = Stages(folder)
    with stages.running("load"):
        pass
    try:
        with stages.running(stage):
            if error:
                raise error
    except BaseException as raised:
        assert raised is error
    return state_of(folder)


def test_a_run_that_ended_says_how(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abcde"]
    for folder in folders:
        folder.mkdir()
    assert state_of(folders[0]).ended == "unknown"
    assert ended(folders[0], stage="report").ended == "finished"
    assert ended(folders[1], RuntimeError("no memory")).phrase == "failed in train: no memory"
    assert ended(folders[2], KeyboardInterrupt()).phrase == "stopped in train"
    assert ended(folders[3]).phrase == "killed in train"  # between two stages
    sentence = "fee gives paid away."
    leak = CheckResult("target_leak", "fee", "comparison", "block", False, "", "", 9, 1, sentence, None)
    Validation(schema_version=1, outcome="blocked", seconds=0.1, results=[leak]).write(folders[4])
    assert ended(folders[4], ValueError("blocked"), "validate").phrase == "blocked by its data: fee gives paid away."


def hold(folder: Path, begun: multiprocessing.synchronize.Event, end: multiprocessing.synchronize.Event) -> None:
    with locked(folder), Stages(folder).running("train"):
        begun.set()
        end.wait(60)


def test_a_run_at_work_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    begun, end = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, begun, end))
    process.start()
    assert begun.wait(60)
    assert state_of(tmp_path).phrase == "running in train"
    process.kill()
    process.join()
    assert state_of(tmp_path).phrase == "killed in train"
    with locked(tmp_path):
        assert state_of(tmp_path).ended == "killed"  # who holds the lock asks of the run before


@pytest.mark.parametrize("spec", ["name: early", "name: [", ""])
def test_a_run_without_a_plan_has_a_page(spec: str, tmp_path: Path) -> None:
    folder = tmp_path / "run <script>"
    folder.mkdir()
    write_text(folder / "spec.yaml", spec)
    ended(folder, RuntimeError("no <b>memory</b>"), "load")
    page = render(folder).path.read_text(encoding="utf-8")
    assert "The run failed" in page and "no <b>memory</b>" in html.unescape(page) and "<b>memory" not in page
    assert "<script>alert" not in page and "run <script>" not in page
