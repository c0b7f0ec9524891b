"""The set-up of a run: its folder, where it may begin, what is on record about the machine and the code."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.datasets.division import divided_rows
from tasks.datasets.load import load_dataset
from tasks.datasets.sources import small_table
from tasks.errors import BadInput
from tasks.memory import memory_bytes
from tasks.planning.plan import measured
from tasks.records.environment import Environment, Revision
from tasks.records.lesson import Lesson
from tasks.records.plan import Plan
from tasks.records.stage_records import StageRecords, Stages
from tasks.run_folder import Stage, private_folder, sweep, write_text
from tasks.spec.lessons import LessonSpec
from tasks.spec.load import parse_spec
from tasks.spec.models import Spec, as_written, implied_task

if TYPE_CHECKING:
    from tasks.execution.executors import Executor


def _local() -> Executor:
    from tasks.execution.executors import LOCAL  # late: what is wrong with a spec is answered before

    return LOCAL


@dataclass(frozen=True)
class Run:
    """What every stage of one run knows.

    Args:
        spec: The experiment.
        text: The spec as written, with overrides beside it.
        overrides: `path=value`, as given.
        base: The folder that relative data paths start from.
        home: Holds `runs/`, `cache/`.
        folder: The run's own.
        start: The stage that it begins at.
        anew: The stage from which on nothing is reused of what earlier runs trained; None: all that lies trained is.
        executor: Who trains.
    """

    spec: Spec
    text: str
    overrides: tuple[str, ...]
    base: Path
    home: Path
    folder: Path
    start: Stage
    stages: Stages = field(compare=False)
    anew: Stage | None = None
    executor: Executor = field(default_factory=_local, compare=False)


@dataclass(frozen=True)
class LessonRun:
    """What the stages of a lesson know. The fields are those of `Run`."""

    spec: LessonSpec
    home: Path
    folder: Path
    start: Stage
    stages: Stages = field(compare=False)


def new_folder(home: Path, name: str) -> Path:
    """Makes `runs/DATE-TIME-NAME` under the home folder; two runs of one second get two folders."""
    runs = private_folder(home / "runs")
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    for number in range(1, 1000):
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise BadInput("no free name for the run's folder", where=str(runs), got=stem)


def open_run(
    spec: Spec,
    text: str,
    overrides: Sequence[str],
    base: Path,
    home: Path,
    folder: Path,
    *,
    experiment: str = "SPEC",
    start: Stage = "load",
    anew: Stage | None = None,
    executor: Executor | None = None,
) -> Run:
    """Sets up a run folder, or takes an earlier one up again from stage `start` on: finished stacks are kept. A run
    that was ended before it had a plan begins at the beginning, whatever `start` says. Only for who holds the lock.

    Raises:
        BadInput: the folder holds something and `start` is the first stage, or it holds no run of this experiment to go
            on from.
    """
    start = first_stage(spec, folder, start)
    record = _begun(folder, text, overrides, experiment)
    for name in ("model", "previews", "checkpoints"):
        (folder / name).mkdir(exist_ok=True)
    return Run(spec, text, tuple(overrides), base, home, folder, start, record, anew, executor or _local())


def open_lesson(
    spec: LessonSpec,
    text: str,
    overrides: Sequence[str],
    home: Path,
    folder: Path,
    *,
    experiment: str = "SPEC",
    start: Stage = "load",
) -> LessonRun:
    """As `open_run`, of a lesson: its stages are train and report."""
    start = first_stage(spec, folder, start)
    return LessonRun(spec, home, folder, start, _begun(folder, text, overrides, experiment))


def _begun(folder: Path, text: str, overrides: Sequence[str], experiment: str) -> Stages:
    """The folder with what every run has from its beginning."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    record = Stages(folder)
    write_text(folder / "spec.yaml", text)
    environment(experiment, overrides).write(folder)
    return record


def close_run(folder: Path) -> None:
    """Notes in environment.json when the run ended, however it ended. Of a killed run it does not say."""
    replace(Environment.read(folder), ended=_now()).write(folder)


def check_start(spec: Spec | LessonSpec, folder: Path | None, start: Stage) -> None:
    """Whether a run can begin at `start` in `folder` (None: a new one), which may be missing. Makes nothing.

    Raises:
        BadInput: as `open_run`.
    """
    if folder is not None:
        first_stage(spec, folder, start)


def first_stage(spec: Spec | LessonSpec, folder: Path, start: Stage) -> Stage:
    """The stage that a run in `folder` begins at where `start` is asked for; the folder may be missing.

    Raises:
        BadInput: as `open_run`.
    """
    held = [path.name for path in folder.iterdir() if path.name != "lock"] if folder.is_dir() else []
    kind: type[Lesson | Plan] = Lesson if isinstance(spec, LessonSpec) else Plan
    begun = (folder / StageRecords.FILE).exists() and not any((folder / each.FILE).exists() for each in (Plan, Lesson))
    if begun:  # and ended by a mistake in its input, or killed
        return "load"
    if start == "load" and held:
        raise BadInput(
            "the run folder is not empty",
            where=str(folder),
            got=", ".join(sorted(held)[:5]),
            remedy="choose another folder, or go on from a stage with --from",
        )
    if start != "load" and not (folder / kind.FILE).exists():
        raise BadInput(
            "there is no run to go on from",
            where=str(folder),
            remedy="give the run's folder with --run-dir, or drop --from",
        )
    if start != "load":
        now = spec.model_dump(mode="json") if isinstance(spec, LessonSpec) else as_written(spec)
        _refuse_another(now, kind.read(folder).spec, folder, start)
    return start


def _refuse_another(now: dict[str, Any], earlier: Mapping[str, Any], folder: Path, start: Stage) -> None:
    """What was trained must be what the spec says; only how it is judged may change, and not behind the report."""
    with suppress(BadInput):  # an earlier version's spec lacks keys that have a default now
        earlier = as_written(parse_spec(dict(earlier)))
    may_change = set() if start == "report" else {"description", "evaluate", "gates", "report"}
    other = sorted(key for key in now.keys() | earlier.keys() if now.get(key) != earlier.get(key))
    if set(other) - may_change:
        raise BadInput(
            "the folder holds a run of another spec",
            where=str(folder),
            got=f"other values under {', '.join(other)}",
            remedy="give the same spec and --set values, or start in another folder",
        )


def environment(experiment: str, overrides: Sequence[str] = ()) -> Environment:
    """That of a run which begins now in this process."""
    names = (
        "bakeoff",
        "tensorflow-cpu",
        "tensorflow",
        "keras",
        "numpy",
        "pandas",
        "scikit-learn",
        "great-expectations",
        "prefect",
    )
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpus=os.cpu_count(),
        memory_bytes=memory_bytes(),
        versions=versions,
        command=shlex.join(["bakeoff", "run", experiment, *(word for each in overrides for word in ("--set", each))]),
        overrides=list(overrides),
        git=_revision(),
        started=_now(),
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _revision() -> Revision | None:
    """This project's own commit, where it runs from a checkout."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        return Revision(git("rev-parse", "HEAD"), bool(git("status", "--porcelain")))
    except (OSError, subprocess.SubprocessError):
        return None


def check_table(spec: Spec, base: Path, home: Path) -> None:
    """Reads the table, where it is a small file, and divides its rows, as the run will again: that takes less time than
    the start of TensorFlow and Prefect, which a mistake would else wait for.

    Raises:
        BadInput: as the stages load and split, and for metrics that don't fit the task.
    """
    if not small_table(spec.data, base):
        return
    dataset = load_dataset(spec.data, home=home, base=base, implied_task=implied_task(spec))
    measured(spec, dataset.task)
    divided_rows(spec, dataset)
