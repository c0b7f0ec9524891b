"""The stages of a run in order, as plain functions over a run folder. Each is one Prefect task (see `steps`).

load -> split -> validate -> plan -> search (where something is tuned) -> train -> evaluate -> judge -> report
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from reports.render import Rendered, render
from tasks.augmentation.imbalance import resampled_rows
from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.errors import BadInput, Blocked
from tasks.execution.baselines import train_baselines
from tasks.execution.previews import write_previews
from tasks.execution.recording import collect, kept_weights
from tasks.execution.runner import StackProgress
from tasks.execution.runner import train as train_trials
from tasks.execution.tuning import Tuning
from tasks.execution.winner import winner_spec
from tasks.inputs.prepared import Prepared, prepare, prepare_folds
from tasks.planning.plan import Plan, lay_out
from tasks.planning.recipes import Recipe, identifier
from tasks.planning.searches import searches_of
from tasks.planning.stacks import Ground, Rows
from tasks.planning.trials import bind_trial
from tasks.records import SETTINGS, SPLITS
from tasks.run_folder import Stage, Stages, read_json, sweep, write_json, write_text
from tasks.spec.models import Spec, as_written

Bytes = Callable[[int, int | None], None]


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
    """

    spec: Spec
    text: str
    overrides: tuple[str, ...]
    base: Path
    home: Path
    folder: Path
    start: Stage
    stages: Stages = field(compare=False)


def new_folder(home: Path, name: str) -> Path:
    """Makes `runs/DATE-TIME-NAME` under the home folder; two runs of one second get two folders."""
    runs = home / "runs"
    runs.mkdir(parents=True, exist_ok=True)
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
) -> Run:
    """Sets up a run folder, or takes an earlier one up again from stage `start` on: finished stacks are kept. A run
    that was ended before it had a plan begins at the beginning, whatever `start` says. Only for who holds the lock.

    Raises:
        BadInput: the folder holds something and `start` is the first stage, or it holds no run of this experiment to go
            on from.
    """
    start = first_stage(spec, folder, start)
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    record = Stages(folder)
    for name in ("model", "previews", "checkpoints"):
        (folder / name).mkdir(exist_ok=True)
    write_text(folder / "spec.yaml", text)
    write_json(folder / "environment.json", environment(experiment, overrides))
    return Run(spec, text, tuple(overrides), base, home, folder, start, record)


def check_start(spec: Spec, folder: Path | None, start: Stage) -> None:
    """Whether a run can begin at `start` in `folder` (None: a new one), which may be missing. Makes nothing.

    Raises:
        BadInput: as `open_run`, or there is no folder to go on in.
    """
    if folder is not None:
        first_stage(spec, folder, start)
    elif start != "load":
        raise BadInput("there is no run folder to go on in", where="--from", remedy="name it with --run-dir")


def first_stage(spec: Spec, folder: Path, start: Stage) -> Stage:
    """The stage that a run in `folder` begins at where `start` is asked for; the folder may be missing.

    Raises:
        BadInput: as `open_run`.
    """
    held = [path.name for path in folder.iterdir() if path.name != "lock"] if folder.is_dir() else []
    begun = (folder / "stages.json").exists() and not (folder / "plan.json").exists()
    if begun:  # and ended by a mistake in its input, or killed
        return "load"
    if start == "load" and held:
        raise BadInput(
            "the run folder is not empty",
            where=str(folder),
            got=", ".join(sorted(held)[:5]),
            remedy="choose another folder, or go on from a stage with --from",
        )
    if start != "load" and not (folder / "plan.json").exists():
        raise BadInput(
            "there is no run to go on from",
            where=str(folder),
            remedy="give the run's folder with --run-dir, or drop --from",
        )
    if start != "load":
        _refuse_another(spec, read_json(folder / "plan.json")["spec"], folder, start)
    return start


def _refuse_another(spec: Spec, earlier: dict[str, Any], folder: Path, start: Stage) -> None:
    """What was trained must be what the spec says; only how it is judged may change, and not behind the report."""
    now = as_written(spec)
    may_change = set() if start == "report" else {"description", "evaluate", "gates"}
    other = sorted(key for key in now.keys() | earlier.keys() if now.get(key) != earlier.get(key))
    if set(other) - may_change:
        raise BadInput(
            "the folder holds a run of another spec",
            where=str(folder),
            got=f"other values under {', '.join(other)}",
            remedy="give the same spec and --set values, or start in another folder",
        )


def environment(experiment: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What a reader needs to run it again: versions, platform, code revision."""
    names = (
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
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": versions,
        "command": shlex.join(
            ["bakeoff", "run", experiment, *(word for each in overrides for word in ("--set", each))]
        ),
        "overrides": list(overrides),
        "git": _revision(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _revision() -> dict[str, Any] | None:
    """This project's own commit, where it runs from a checkout."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def load(run: Run, progress: Bytes | None = None) -> Dataset:
    from tasks.datasets.load import load_dataset

    return load_dataset(run.spec.data, home=run.home, progress=progress, base=run.base)


def split(run: Run, dataset: Dataset) -> pd.DataFrame:
    from tasks.datasets.splits import fold_rows, split_rows

    tune = run.spec.tune
    splits = SPLITS.frame(split_rows(dataset, run.spec.data.split))
    if tune and tune.folds:
        splits = fold_rows(dataset, splits, tune.folds, run.spec.data.split)
    SPLITS.write(splits, run.folder)
    return splits


def validate(run: Run, dataset: Dataset, splits: pd.DataFrame) -> dict[str, Any]:
    """Writes validation.json.

    Raises:
        Blocked: a check of severity `block` failed.
    """
    from tasks.validation.validate import outcome_table
    from tasks.validation.validate import validate as run_checks

    validation = run_checks(dataset, splits, run.spec.data.checks)
    write_json(run.folder / "validation.json", validation)
    if validation["outcome"] == "blocked":
        failed = [
            result["message"]
            for result in validation["results"]
            if not result["success"] and result["severity"] == "block"
        ]
        blocked = Blocked(
            "the data failed validation: nothing was trained",
            where="data",
            got="; ".join(failed),
            remedy="mend the data, or set the check's severity to warn under data.checks",
        )
        blocked.table = tuple(outcome_table(validation["results"]))
        raise blocked
    return validation


@dataclass(frozen=True)
class Searching:
    """A search that is planned.

    Args:
        by_fold: What its trials learn from: the folds, or the run's own parts under None.
    """

    tuning: Tuning
    by_fold: dict[int | None, Prepared]


def plan(run: Run, dataset: Dataset, splits: pd.DataFrame) -> tuple[Plan, Prepared, Searching | None]:
    """Writes plan.json, before anything is trained. A run that is gone on with keeps its stacks. Where something is
    tuned, the plan is complete when the search is done; the last of the result is then what `search` takes."""
    prepared = prepare(dataset, splits)
    laid_out = _laid_out(run, prepared)
    path = run.folder / "plan.json"
    searched = plan_search(run, laid_out, prepared, splits) if laid_out.search else None
    if searched is None:
        laid_out = laid_out.following(read_json(path)) if path.exists() else laid_out
        write_json(path, laid_out.as_json())
    elif path.exists():
        laid_out = replace(laid_out, cost=read_json(path)["cost"])
    else:
        laid_out = replace(laid_out, cost=_with_search(laid_out.cost, searched.tuning))
        write_json(path, laid_out.as_json())
    return laid_out, prepared, searched


def _laid_out(
    run: Run, prepared: Prepared, chosen: Sequence[Recipe] | None = None, probe: dict[str, Any] | None = None
) -> Plan:
    parts = {part: len(prepared.rows[part]) for part in (TRAIN, VAL, TEST)}
    features, resampled = prepared.features.shape[1:], _resampled(prepared)
    return lay_out(run.spec, prepared.dataset, parts, features, resampled=resampled, chosen=chosen, probe=probe)


def _resampled(prepared: Prepared) -> int | None:
    dataset = prepared.dataset
    return resampled_rows(dataset.target[prepared.rows[TRAIN]]) if dataset.classes else None


def _with_search(cost: dict[str, Any], tuning: Tuning) -> dict[str, Any]:
    """The expected cost of a plan, its search included."""
    wave, seconds = tuning.first_wave()
    return cost | {
        "seconds": round(cost["seconds"] + seconds, 1),
        "search": {
            "trials": tuning.trials,
            "seconds": round(seconds, 1),
            "first_wave": [asdict(stack) for stack in wave.stacks],
        },
    }


def plan_search(run: Run, laid_out: Plan, prepared: Prepared, splits: pd.DataFrame) -> Searching:
    """Prepares the search of a plan. Nothing is trained or written."""
    tune, dataset = run.spec.tune, prepared.dataset
    assert tune is not None
    by_fold: dict[int | None, Prepared] = {None: prepared}
    if tune.folds:
        by_fold = prepare_folds(dataset, splits, forward=run.spec.data.split.time is not None)
    rows = {
        fold: Rows.of(
            dataset,
            {part: len(positions) for part, positions in own.rows.items()},
            own.features.shape[1:],
            _resampled(own),
        )
        for fold, own in by_fold.items()
    }
    ground = Ground(dataset, rows, (laid_out.metric, *laid_out.also))
    searches = searches_of(run.spec, laid_out.recipes)
    # The first of three folds is not the first of five.
    key = identifier({"data": ground.key(run.spec), "folds": tune.folds}) if tune.folds else ground.key(run.spec)
    return Searching(Tuning(laid_out, searches, ground, key, tune, run.folder), by_fold)


def search(
    run: Run, laid_out: Plan, prepared: Prepared, searched: Searching, progress: StackProgress | None = None
) -> Plan:
    """Finds the best setting of each recipe and completes plan.json with it; writes table `settings`."""

    def train(wave: Plan, report: StackProgress | None) -> None:
        train_trials(wave, searched.by_fold, run.folder, run.home, report)

    found = searched.tuning.search(train, progress)
    SETTINGS.write(found.settings, run.folder)
    path = run.folder / "plan.json"
    earlier = read_json(path)
    complete = _laid_out(run, prepared, found.recipes, earlier["probe"]).following(earlier)
    assert complete.search is not None
    complete = replace(
        complete,
        search=complete.search | {"stacks": found.stacks},
        cost=complete.cost | {"search": laid_out.cost["search"]},
    )
    write_json(path, complete.as_json())
    return complete


def train(run: Run, laid_out: Plan, prepared: Prepared, progress: StackProgress | None = None) -> None:
    """Writes `previews/` too: what augmentation makes of some training rows."""
    write_previews(laid_out, prepared, run.folder / "previews")
    train_trials(laid_out, prepared, run.folder, run.home, progress)


def evaluate(run: Run, laid_out: Plan, prepared: Prepared) -> dict[str, pd.DataFrame]:
    """Trains the baselines and writes the run's tables."""
    train_baselines(laid_out, prepared, run.folder)
    return collect(laid_out, run.folder)


def judge(
    run: Run, laid_out: Plan, prepared: Prepared, tables: dict[str, pd.DataFrame], splits: pd.DataFrame
) -> dict[str, Any]:
    """Writes verdict.json and, where a model can be shipped, `model/`.

    Its `test_evaluations` says how often the test part was looked at in this folder. To see the same verdict again, as
    who goes on with a killed run may, is no further look: nothing was learned from it.
    """
    from tasks.evaluation.baselines import constant_loss
    from tasks.evaluation.verdict import judge as decide

    path = run.folder / "verdict.json"
    earlier = read_json(path) if path.exists() else None
    looks = earlier["test_evaluations"] if earlier else 1
    dataset, rows = prepared.dataset, prepared.rows
    verdict = decide(
        json.loads(json.dumps(laid_out.as_json())),
        tables["trials"],
        tables["metrics"],
        tables["predictions"],
        splits,
        constant_loss=constant_loss(dataset.target[rows[TRAIN]], dataset.target[rows[VAL]], dataset.classes),
        test_evaluations=looks,
    )
    if laid_out.search:
        from tasks.evaluation.search import judge_search

        found = judge_search(laid_out.search, SETTINGS.read(run.folder))
        verdict = verdict | {"search": found, "warnings": [*verdict["warnings"], *found["warnings"]]}
    if verdict["shipped"]:
        leader = next(recipe for recipe in laid_out.recipes if recipe.recipe_id == verdict["leader"])
        write_text(run.folder / "winner.yaml", winner_spec(run.spec, leader, run.base))
        _ship(run, laid_out, prepared, verdict["shipped"]["trial_id"])
    if earlier and json.loads(json.dumps(verdict)) != earlier:
        verdict = verdict | {"test_evaluations": looks + 1}
    write_json(path, verdict)
    return verdict


def _ship(run: Run, laid_out: Plan, prepared: Prepared, trial_id: str) -> None:
    from tasks.training.export import export_model

    planned = next(trial for trial in laid_out.trials if trial.trial_id == trial_id)
    trial = bind_trial(planned, laid_out.variant(planned.variant_id))
    dataset = prepared.dataset
    outputs = len(dataset.classes) if dataset.classes else 1
    network = trial.architecture.build(prepared.features.shape[1:], outputs, penalties=trial.penalties, seed=trial.seed)
    network.set_weights(kept_weights(laid_out, run.folder, trial_id))
    export_model(
        prepared.preprocessor,
        network,
        run.folder / "model",
        columns=list(dataset.raw.columns) if isinstance(dataset.raw, pd.DataFrame) else [],
        target_name=dataset.target_name,
        classes=dataset.classes,
        target_scale=prepared.target_scale,
        rate=dataset.rate,
    )


def report(run: Run) -> Rendered:
    """Writes report.html."""
    return render(run.folder)
