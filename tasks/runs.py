"""Sets up a run: its folder, the stage that it begins at, and the record of the machine and the code."""

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
    from tasks.execution.executors import LOCAL  # imported late: errors in a spec are reported before this takes time

    return LOCAL


@dataclass(frozen=True)
class Run:
    """The settings that every stage of one run knows.

    Args:
        spec: The experiment.
        text: The spec as written; overrides are kept apart.
        overrides: `path=value`, as given.
        base: The folder that relative data paths start from.
        home: The home folder, with `runs/` and `cache/`.
        folder: The run's own folder.
        start: The stage that the run begins at.
        anew: From this stage on, trials of earlier runs are not reused; None: all trained trials are reused.
        executor: What trains the stacks.
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
    """The settings that the stages of a lesson know. The fields are those of `Run`."""

    spec: LessonSpec
    home: Path
    folder: Path
    start: Stage
    stages: Stages = field(compare=False)


def new_folder(home: Path, name: str) -> Path:
    """Makes `runs/DATE-TIME-NAME` under the home folder. Two runs in the same second get two folders."""
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
    """Sets up a run folder, or goes on with an earlier run from stage `start`; finished stacks are kept. A run that
    ended before it had a plan begins at the first stage, whatever `start` says. Only the process that holds the lock
    may call this.

    Raises:
        BadInput: the folder is not empty and `start` is the first stage; or it holds no run of this experiment to go on
            from.
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
    """As `open_run`, for a lesson: its stages are train and report."""
    start = first_stage(spec, folder, start)
    return LessonRun(spec, home, folder, start, _begun(folder, text, overrides, experiment))


def _begun(folder: Path, text: str, overrides: Sequence[str], experiment: str) -> Stages:
    """Makes the folder and writes the files that every run has from its beginning."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    record = Stages(folder)
    write_text(folder / "spec.yaml", text)
    environment(experiment, overrides).write(folder)
    return record


def close_run(folder: Path) -> None:
    """Writes into environment.json when the run ended, in any way. A killed run has no such entry."""
    replace(Environment.read(folder), ended=_now()).write(folder)


def check_start(spec: Spec | LessonSpec, folder: Path | None, start: Stage) -> None:
    """Checks that a run can begin at `start` in `folder` (None: a new one), which need not exist. Makes nothing.

    Raises:
        BadInput: as `open_run`.
    """
    if folder is not None:
        first_stage(spec, folder, start)


def first_stage(spec: Spec | LessonSpec, folder: Path, start: Stage) -> Stage:
    """The stage at which a run in `folder` begins if `start` is asked for; the folder need not exist.

    Raises:
        BadInput: as `open_run`.
    """
    held = [path.name for path in folder.iterdir() if path.name != "lock"] if folder.is_dir() else []
    kind: type[Lesson | Plan] = Lesson if isinstance(spec, LessonSpec) else Plan
    begun = (folder / StageRecords.FILE).exists() and not any((folder / each.FILE).exists() for each in (Plan, Lesson))
    if begun:  # and it ended by an error in its input, or was killed
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
    """Raises BadInput where the spec differs from that of the trained run. Only entries on judging may differ, and none
    of them once only the report is left."""
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
    """The environment of a run that begins now in this process."""
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
    """The commit of this project, where it runs from a checkout; else None."""
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
    """Reads the table, if it is a small file, and splits its rows, as the run will do again. This reports a mistake at
    once, before TensorFlow and Prefect start, which takes longer.

    Raises:
        BadInput: as in the stages load and split, and for metrics that don't fit the task.
    """
    if not small_table(spec.data, base):
        return
    dataset = load_dataset(spec.data, home=home, base=base, implied_task=implied_task(spec))
    measured(spec, dataset.task)
    divided_rows(spec, dataset)
