"""The command: exit codes, output on stdout and stderr, and files left behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path
from typing import Any, get_args

import pytest

from flows.cli import Kind, main
from flows.experiments import shipped
from tasks.augmentation.mixup import MIXERS
from tasks.augmentation.table import AUGMENTERS
from tasks.datasets.catalogue import CATALOGUE
from tasks.datasets.sources import small_table
from tasks.evaluation.metrics import METRICS
from tasks.explanations.explainers import EXPLAINERS
from tasks.lessons.table import LESSONS
from tasks.run_folder import locked, read_json
from tasks.run_state import state_of
from tasks.search.methods import METHODS
from tasks.spec.data import Data
from tasks.spec.reference import every_key
from tasks.training.averaging import AVERAGINGS
from tasks.training.losses import LOSSES
from tasks.training.models import MODELS
from tasks.training.optimizers import MISSING, OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tests.flows.command import BAKEOFF, PROJECT, SMALL, bakeoff, start
from tests.verdicts import verdict_of

BAD_SPECS = PROJECT / "tests" / "bad_specs"
BLOCKING = "data.checks=[{expect_column_values_to_be_between: {column: alcohol, min_value: 100}, severity: block}]"


def exit_code(*arguments: object) -> int:
    """Runs the command in this process and returns its exit code."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


# --- wrong specs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_spec_ends_with_2_and_its_message(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = BAD_SPECS / "spec-unknown-key"
    assert exit_code(command, case / "spec.yaml") == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (case / "message.txt").read_text(encoding="utf-8")
    assert not home.exists()


ANSWERED = """
import json, sys
from flows.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
heavy = {"tensorflow", "keras", "prefect", "great_expectations", "sklearn", "altair"} & set(sys.modules)
print(json.dumps([code, sorted(heavy)]))
"""


def answered(*arguments: object) -> list[Any]:
    """Runs the command; returns its exit code, and the heavy modules that were imported. `tests.bench.startup` measures
    the seconds."""
    command = [sys.executable, "-c", ANSWERED, *map(str, arguments)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)
    answer: list[Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    "case", ["spec-unknown-key", "optimizer-unknown", "comparison-too-large", "learning-rate-twice", "several-at-once"]
)
def test_a_wrong_spec_is_answered_before_anything_heavy_is_loaded(command: str, case: str) -> None:
    assert answered(command, BAD_SPECS / case / "spec.yaml") == [2, []]


FAULTY_TABLES = ["ragged-row", "unknown-target", "constant-target", "class-of-one-row"]


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("case", FAULTY_TABLES)
def test_a_mistake_in_a_small_table_is_answered_before_anything_heavy_is_loaded(
    command: str, case: str, home: Path
) -> None:
    assert answered(command, BAD_SPECS / case / "spec.yaml", "--home", home) == [2, []]
    assert not home.exists()


def test_a_larger_table_waits_for_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data(source="a.csv")
    (tmp_path / "a.csv").write_text("a,b\n1\n")
    assert small_table(data, tmp_path)
    monkeypatch.setattr("tasks.datasets.sources._SMALL", 5)
    assert not small_table(data, tmp_path)
    assert not small_table(Data(source="titanic"), tmp_path)


def test_a_folder_to_go_on_in_is_looked_for_at_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flows.console.run_with_progress", lambda **_: pytest.fail("begun"))
    assert exit_code("run", SMALL, "--run-dir", "new", "--from", "search") == 2
    assert not home.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_override_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("check", SMALL, "--set", "train.epochs") == 2
    assert "--set train.epochs: an override has the form path=value" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "digits", "--bogus"],
        ["run", "digits", "--from", "bogus"],
        ["run"],
        ["run", "digits", "wine"],
        ["check", "digits", "--from", "train"],
        ["list", "bogus"],
        ["bogus"],
        ["report"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments) == 2
    assert "Usage" in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", [[], ["init"], ["run"], ["check"], ["report"], ["list"]])
def test_help_ends_with_0(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*command, "--help") == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize("folder", [".", "nowhere", "file", "a" * 300])
def test_only_a_finished_run_has_a_report(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert exit_code("report", tmp_path / folder) == 2
    assert "not the folder of a finished run" in capsys.readouterr().err


def test_a_home_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert exit_code("check", SMALL, "--home", tmp_path / "file") == 2
    assert f"{tmp_path / 'file'}: the folder can't be made" in capsys.readouterr().err


@pytest.mark.parametrize("said", ["option", "environment"])
def test_a_wrong_runner_is_named_before_anything_is_made(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKEOFF_RUNNER", "local" if said == "option" else "spark")
    runner = ["--runner", "spark"] if said == "option" else []
    assert exit_code("run", SMALL, "--home", tmp_path / "home", *runner) == 2
    assert "--runner: there is no such runner\n  got:      spark\n" in capsys.readouterr().err
    assert not (tmp_path / "home" / "runs").exists()


@pytest.fixture(autouse=True)
def same_home_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restores BAKEOFF_HOME afterwards: `--home` changes the environment, which all tests share."""
    monkeypatch.setenv("BAKEOFF_HOME", "nowhere")


# --- list ----------------------------------------------------------------------------------------------------

LISTED: dict[str, Iterable[str]] = {
    "experiments": shipped(),
    "datasets": CATALOGUE,
    "models": MODELS,
    "optimizers": [*OPTIMIZERS, *MISSING],
    "schedules": SCHEDULES,
    "averagings": AVERAGINGS,
    "losses": LOSSES,
    "augmenters": {**AUGMENTERS, **MIXERS},
    "searchers": METHODS,
    "metrics": METRICS,
    "lessons": LESSONS,
    "keys": [key.path for key in every_key()],
    "explainers": EXPLAINERS,
}


@pytest.mark.parametrize("kind", LISTED)
def test_list_says_one_line_about_each(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("list", kind) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(LISTED[kind])
    assert all(len(line.split()) > 3 for line in lines)


def test_list_alone_lists_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert {*LISTED, "runs"} == set(get_args(Kind))
    assert exit_code("list") == 0
    headings = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert headings == [f"{kind}:" for kind in get_args(Kind)]


def test_list_runs_tells_finished_from_unfinished(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("list", "runs", "--home", home) == 0
    assert capsys.readouterr().out == ""
    (home / "runs" / "1-done").mkdir(parents=True)
    verdict_of(sentence="adam wins.").write(home / "runs" / "1-done")
    (home / "runs" / "2-begun").mkdir()
    (home / "runs" / "3-foreign").mkdir()
    (home / "runs" / "3-foreign" / "verdict.json").write_text('{"sentence": "adam wins."}')
    assert exit_code("list", "runs", "--home", home) == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if "-" in line]
    assert said == [
        "1-done Nothing to ship none accuracy – none",
        "2-begun not finished",
        "3-foreign its verdict can't be read",
    ]


# --- check ---------------------------------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files in this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def nothing_left(home: Path, temporary: Path) -> Iterator[None]:
    yield
    assert [*home.rglob("*"), *temporary.rglob("*")] == []


@pytest.mark.usefixtures("nothing_left")
def test_check_shows_spec_data_and_plan_and_leaves_nothing_behind(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare = "compare={optimizer: [sgd, adamw], regularisation: [{}, {weight_decay: 0.1}]}"
    assert exit_code("check", SMALL, "--home", home, "--set", compare, "--set", "train.epochs=7", "--defaults") == 0
    output = capsys.readouterr().out
    for said in (
        "epochs: 7",
        "label_smoothing: 0.0",
        "178 rows, 13 columns, classification of cultivar",
        "parts: train ",
        "recipes 3, decided by accuracy",
        "  sgd · weight decay 0.1",
        "skipped       adamw · weight decay 0.1: adamw brings its own weight decay: set it there",
        "trials 6 in ",
        " trials x 28 steps, 139 weights each, filled to 100%, 114 rows an epoch, evaluated every 4 steps, at most ",
        "reused: nothing",
        "estimated training time: about ",
    ):
        assert said in output


@pytest.mark.usefixtures("nothing_left")
def test_check_says_which_model_is_taken_where_the_spec_names_none(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("check", SMALL, "--home", home, "--set", "model=null") == 0
    assert "model mlp: hidden [100], activation relu" in capsys.readouterr().out


@pytest.mark.usefixtures("nothing_left")
def test_check_shows_how_rows_are_augmented(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies = "compare.augmentation=[none, gaussian_noise, {steps: [gaussian_noise], times: 2}, flip]"
    assert exit_code("check", SMALL, "--home", home, "--set", policies) == 0
    output = capsys.readouterr().out
    for said in (
        "augmentation none",
        "gaussian_noise, 2 copies",
        "flip: flip is for images, and these data are a table",
        " 114 rows an epoch, ",
        " 342 rows an epoch, ",
    ):
        assert said in output


@pytest.mark.usefixtures("nothing_left")
def test_check_of_blocked_data_shows_what_failed_and_nothing_else(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("check", SMALL, "--home", home, "--set", BLOCKING) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert_readable_table(output.err)


def assert_readable_table(errors: str) -> None:
    """Checks the table: failed checks that block or warn, the number that passed, then the message; within a screen's
    width and height."""
    lines = errors.splitlines()
    table = errors[errors.index("Data validation") :]
    assert "blocks" in table
    assert "alcohol" in table
    assert "│ passed" not in table
    assert max(map(len, lines)) <= 120 or "got:" in max(lines, key=len)
    assert len(lines) < 50
    assert "checks passed" in table
    assert "the data failed validation: nothing was trained" in table


# --- runs ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished run, in a home of its own, that other tests start from."""
    folder = tmp_path_factory.mktemp("home") / "run"
    assert bakeoff("run", SMALL, "--run-dir", folder, home=folder.parent).returncode == 0
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("threshold", "severity", "flag", "code"),
    [
        (0.999, "block", True, 3),
        (0.999, "block", False, 0),
        (0.999, "warn", True, 0),
    ],
)
def test_a_gate_decides_the_exit_code_when_asked_to(
    finished: Path, copied: Path, threshold: float, severity: str, flag: bool, code: int
) -> None:
    gate = ["--set", f"gates=[{{metric: accuracy, at_least: {threshold}, severity: {severity}}}]"]
    flags = ["--fail-on-gate"] if flag else []
    done = bakeoff("run", SMALL, "--run-dir", copied, "--from", "judge", *gate, *flags, home=finished.parent)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == str(copied / "report.html"), "the report is there either way"
    (judged,) = read_json(copied / "verdict.json")["gates"]
    assert (judged["at_least"], judged["severity"]) == (threshold, severity)
    assert ("gate: " in done.stderr) == (code == 3)


@pytest.mark.slow
def test_a_report_is_rendered_again(copied: Path, finished: Path) -> None:
    (copied / "report.html").unlink()
    done = bakeoff("report", copied, home=finished.parent)
    assert (done.returncode, done.stdout) == (0, f"{copied / 'report.html'}\n")
    assert "<html" in (copied / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_folder_that_holds_something_is_refused(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("precious")
    done = bakeoff("run", SMALL, "--run-dir", tmp_path, home=finished.parent)
    assert done.returncode == 2
    assert f"{tmp_path}: the run folder is not empty\n  got:      thesis.doc" in done.stderr
    assert (tmp_path / "thesis.doc").read_text() == "precious"


@pytest.mark.slow
def test_a_run_in_progress_is_refused_to_others(copied: Path, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.name != "lock"}
    with locked(copied):
        done = bakeoff("run", SMALL, "--run-dir", copied, "--from", "train", home=finished.parent)
    assert done.returncode == 2
    assert f"{copied}: the run is locked by another process" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.name != "lock"} == before


@pytest.mark.slow
def test_blocked_data_end_the_run_before_any_training(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = bakeoff("run", SMALL, "--run-dir", run, "--set", BLOCKING, home=finished.parent)
    assert done.returncode == 2
    assert done.stdout == ""
    assert_readable_table(done.stderr)
    assert read_json(run / "validation.json")["outcome"] == "blocked"
    assert read_json(run / "stages.json")["stages"]["validate"]["status"] == "failed"
    assert not (run / "plan.json").exists()
    assert list((run / "checkpoints").iterdir()) == list((run / "model").iterdir()) == []
    assert f"report: {run}/report.html" in done.stderr
    page = unescape((run / "report.html").read_text(encoding="utf-8"))
    assert "the data failed their checks" in page and "Data: wine." in page
    assert state_of(run).ended == "blocked"

    again = bakeoff("run", SMALL, "--run-dir", run, "--from", "train", "--set", BLOCKING, home=finished.parent)
    assert again.returncode == 2, "nor can training be begun past it"


UNEVEN = ["--set", "train={seeds: 2}", "--set", "compare={epochs: [1, 1000]}"]
"""Options that give one short stack, and another that takes many times as long."""


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stopped_run_keeps_its_finished_stacks_and_goes_on(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    home = tmp_path / "home"  # a new one: another may hold these trials already trained
    run = tmp_path / "run"
    process = start("run", SMALL, "--run-dir", run, *UNEVEN, home=home)
    stacks = wait_for_first_stack(run, process)
    time.sleep(1)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert (sent != signal.SIGKILL) == ("stopped; finished stacks are kept" in errors)
    assert [path.name for path in (run / "checkpoints").glob("[!.]*/")] == [stacks[0].name]
    assert not (run / "verdict.json").exists()

    kept = (stacks[0] / "weights.npz").stat().st_mtime_ns
    done = bakeoff("resume", run, home=home)
    assert done.returncode == 0, done.stderr
    assert (stacks[0] / "weights.npz").stat().st_mtime_ns == kept
    assert done.stdout.splitlines()[-1] == str(run / "report.html")


def wait_for_first_stack(run: Path, process: subprocess.Popen[str]) -> list[Path]:
    deadline = time.monotonic() + 180
    while not (found := list((run / "checkpoints").glob("[!.]*/"))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_the_command_is_installed(finished: Path) -> None:
    """The script of `[project.scripts]` does the same as the call that the tests use."""
    installed = Path(sys.executable).parent / "bakeoff"
    done = subprocess.run([installed, "list", "models"], capture_output=True, text=True, timeout=60, check=True)
    called = subprocess.run(
        [*BAKEOFF, "list", "models"], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == called.stdout != ""
