"""The main flow: the stages in order, one Prefect task each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from flows.environment import home_folder, load_tensorflow, quieten
from flows.experiments import find
from tasks import runs, steps
from tasks.errors import BadInput, Blocked
from tasks.records.verdict import Verdict
from tasks.run_folder import STAGES, Stage, locked, make_folder
from tasks.spec.load import load_spec


class RunRequest(BaseModel):
    """What to run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str = Field(
        "digits",
        title="Experiment",
        min_length=1,
        description="A shipped experiment's name, or the path of a YAML file.",
    )
    set: list[Annotated[str, Field(pattern=r"^[^=\s]+=")]] = Field(
        [], title="Overrides", description="Each as path=value, such as train.epochs=5."
    )
    fail_on_gate: bool = Field(
        False,
        title="Fail on a gate",
        description="End as failed when a gate of severity block fails or is undecided.",
    )
    run_dir: str = Field("", title="Run folder", description="Empty: a new one under the home folder.")
    start_from: Stage = Field("load", title="From stage", description="Go on in the given run folder from this stage.")


class GateFailed(Exception):
    """A blocking gate failed or is undecided, or nothing can be shipped, and the request asked to fail then."""

    def __init__(self, folder: Path, sentences: str) -> None:
        super().__init__(sentences)
        self.folder = folder


@flow(name="bakeoff", persist_result=False)
def bakeoff(request: RunRequest) -> str:
    """Runs an experiment from its spec to its report; returns the run's folder."""
    quieten()
    path = find(request.experiment)
    spec, text = load_spec(path, request.set)
    home = home_folder()
    named = Path(request.run_dir) if request.run_dir else None
    runs.check_start(spec, named, request.start_from)  # before a folder is made for nothing
    folder = make_folder(named) if named else runs.new_folder(home, spec.name)
    with locked(folder), _nothing_left(folder, new=not named), _reported(folder):
        run = runs.open_run(
            spec,
            text,
            request.set,
            path.parent,
            home,
            folder,
            experiment=request.experiment,
            start=request.start_from,
        )
        if (hear := steps.listener.get()) is not None:
            hear("load", f"note: the run's folder is {folder}", None)
            if run.start != request.start_from:
                hear("load", "note: the run was ended before it had a plan, so it begins at the beginning", None)
        if run.start != "report":
            _through_to_verdict(run, skip_validation=STAGES.index(run.start) > STAGES.index("validate"))
        steps.report(run)
    if request.fail_on_gate:
        refuse_closed_gates(folder)
    return str(folder)


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    """Writes a report of a run that ends with an error too, as far as it got."""
    try:
        yield
    except Exception as error:
        if _is_kept(folder, error):
            from reports.render import render

            with suppress(Exception):  # the error itself is what the user must see
                report = render(folder).path
                if isinstance(error, Blocked):
                    error.report = report
        raise


def _is_kept(folder: Path, error: Exception) -> bool:
    """Whether a new run's folder stays: not where a mistake in the input ended the run before it had a plan. What a
    check of the data blocked stays, since validation.json says why."""
    return not isinstance(error, BadInput) or isinstance(error, Blocked) or (folder / "plan.json").exists()


@contextmanager
def _nothing_left(folder: Path, *, new: bool) -> Iterator[None]:
    """Removes a new run's folder where it is not kept."""
    try:
        yield
    except BadInput as error:
        if new and not _is_kept(folder, error):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _through_to_verdict(run: runs.Run, *, skip_validation: bool) -> None:
    load_tensorflow()
    dataset = steps.load(run)
    splits = steps.split(run, dataset)
    if not skip_validation:
        steps.validate(run, dataset, splits)
    plan, prepared, searched = steps.plan(run, dataset, splits)
    if searched:
        plan = steps.search(run, plan, prepared, searched)
    del searched  # whose folds take memory
    steps.train(run, plan, prepared)
    if run.spec.train.stabilise:
        steps.stabilise(run, plan, prepared)
    tables = steps.evaluate(run, plan, prepared)
    steps.judge(run, plan, prepared, tables, splits)


def refuse_closed_gates(folder: Path) -> None:
    """Ends a run whose blocking gates do not all pass, or which has blocking gates and nothing to ship.

    Raises:
        GateFailed: a gate of severity `block` fails or is undecided, or no recipe learned.
    """
    verdict = Verdict.read(folder)
    blocking = [gate for gate in verdict.gates if gate.severity == "block"]
    closed = [gate.sentence for gate in blocking if gate.answer != "pass"]
    if blocking and not closed and verdict.shipped is None:
        closed = [verdict.sentence]
    if closed:
        raise GateFailed(folder, " ".join(closed))
