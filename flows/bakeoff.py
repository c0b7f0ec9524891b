"""The main flow: the stages in order, one Prefect task each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.at_once import at_most, taking_turns
from flows.environment import for_workers, home_folder, load_tensorflow, quieten
from flows.request import Requested, RunRequest, check, read
from flows.run_page import GATE_FAILED, WRONG_INPUT, GateFailed, RunPage, first_name, full_name
from reports.kernel import Kernel
from reports.render import ready, wants_kernel
from tasks import runs, steps
from tasks.distributed.runners import VARIABLE, DaskRunner, read_runner
from tasks.errors import BadInput, Blocked
from tasks.execution.executors import LOCAL, Executor
from tasks.records.lesson import Lesson
from tasks.records.verdict import Verdict
from tasks.run_folder import STAGES, Stage, locked, make_folder, private_folder
from tasks.spec.lessons import LessonSpec
from tasks.training.compilations import keep_compiled


@flow(name="bakeoff", flow_run_name=first_name, persist_result=False)
def bakeoff(request: RunRequest) -> str | State[str]:
    """Runs an experiment from its spec to its report; returns the run's folder.

    A mistake that a user can mend ends the flow run as failed: the state's name says so, and our message stands in
    place of a traceback. A Python caller of the flow gets the error itself.
    """
    page = RunPage()
    try:
        return execute(request, page)
    except GateFailed as error:
        return Failed(name=GATE_FAILED, message=str(error), data=error)
    except BadInput as error:
        page.refused(error)
        return Failed(name=WRONG_INPUT, message=error.message(), data=error)


def execute(request: RunRequest, page: RunPage) -> str:
    """Does the work of the flow `bakeoff`, and shows it on `page`.

    Raises:
        BadInput: the request, the spec or the data is wrong. A new run without a plan is removed, unless a check of the
            data blocked it.
        GateFailed: `fail_on_gate` is set; as in `refuse_closed_gates`.
    """
    quieten()
    home = home_folder()
    at_most()  # reports a wrong value before a folder is made
    runner = read_runner(os.environ.get(VARIABLE, ""))
    requested = read(request)
    if page.deployed:  # on a terminal the command has checked it already
        check(requested, home)
    named, start = _place(request, page, home)
    anew = start if named is None and start != "load" else None
    start = start if named else "load"
    runs.check_start(requested.spec, named, start)  # before a folder is made for nothing
    private_folder(home / "cache")
    folder = make_folder(named) if named else runs.new_folder(home, requested.spec.name)
    try:
        with (
            locked(folder),
            _nothing_left(folder, new=not named),
            _reported(folder),
            _heard(page),
        ):
            _run(request, requested, page, home, folder, start, anew, runner)
    finally:
        _rewrite_index(home, page)
    if isinstance(requested.spec, LessonSpec):
        page.taught(Lesson.read(folder), steps.address(folder / "report.html", home))
        return str(folder)
    verdict = Verdict.read(folder)
    page.judged(requested.spec.name, verdict, folder, steps.address(folder / "report.html", home))
    if request.fail_on_gate:
        try:
            refuse_closed_gates(folder)
        except GateFailed as error:
            page.gate_failed(requested.spec.name, verdict, folder, str(error))
            raise
    return str(folder)


def _rewrite_index(home: Path, page: RunPage) -> None:
    """Writes the index of runs. It is a convenience, so an error in writing it does not end the run."""
    from reports.index import write_index

    try:
        write_index(home)
    except Exception as error:
        page.log(f"The index of runs could not be written: {error}")


def _place(request: RunRequest, page: RunPage, home: Path) -> tuple[Path | None, Stage]:
    """Returns the folder to run in (None: a new one) and the stage to begin at. A retry goes on in the folder of the
    earlier attempt.

    Raises:
        BadInput: a worker is asked to write outside of `runs/`.
    """
    inside = (home / "runs").resolve()
    if request.run_dir:
        named = Path(request.run_dir)
        if page.deployed and named.resolve().parent != inside:
            raise BadInput("is no run's folder", where="Run folder", got=request.run_dir, accepted=f"one in {inside}")
        return named, request.start_from
    earlier = inside / page.earlier_folder if page.earlier_folder else None
    if earlier and earlier.resolve().parent == inside and (earlier / "stages.json").is_file():
        return earlier, "train" if request.start_from == "load" else request.start_from
    return None, request.start_from


def _run(
    request: RunRequest,
    requested: Requested,
    page: RunPage,
    home: Path,
    folder: Path,
    start: Stage,
    anew: Stage | None,
    runner: DaskRunner | None,
) -> None:
    """Runs the stages.

    Args:
        anew: As in `Run`.
        runner: The Dask workers that train; None: this process trains.
    """
    if isinstance(requested.spec, LessonSpec):
        _teach(request, requested.spec, requested, page, home, folder, start)
        return
    run = runs.open_run(
        requested.spec,
        requested.text,
        request.overrides,
        requested.base,
        home,
        folder,
        experiment=requested.said,
        start=start,
        anew=anew,
        executor=_executor(runner, requested.base, home),
    )
    page.begins(run.spec.name, folder)
    if (hear := steps.listener.get()) is not None:
        hear("load", f"note: the run's folder is {folder}", None)
        if anew:
            hear("load", f"note: {_ANEW.format(stage=anew)}", None)
        if run.start != start:
            hear("load", "note: the run was ended before it had a plan, so it begins at the beginning", None)
    try:
        with ExitStack() as report:
            made_ready = None
            if run.start != "report":
                report.enter_context(taking_turns(home, _Waiting()))
                skip_validation = STAGES.index(run.start) > STAGES.index("validate")
                made_ready = _through_to_verdict(run, page, report, skip_validation=skip_validation)
            steps.report(run, made_ready)
    finally:
        keep_compiled()
        runs.close_run(folder)


class _Waiting:
    """Shows why a run waits: once as a line, and on a terminal for as long as the run waits."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, why: str) -> None:
        hear = steps.listener.get()
        if hear is not None:
            hear("load", why if self._said else f"note: {why}", None)
            self._said = True


def _executor(runner: DaskRunner | None, base: Path, home: Path) -> Executor:
    if runner is None:
        return LOCAL
    from tasks.distributed.executor import DaskExecutor

    return DaskExecutor(runner, home, base, for_workers())


_ANEW = (
    "from stage {stage} on nothing is reused of what earlier runs trained (to go on with a run, name it with --run-dir)"
)


def _teach(
    request: RunRequest,
    spec: LessonSpec,
    requested: Requested,
    page: RunPage,
    home: Path,
    folder: Path,
    start: Stage,
) -> None:
    """Runs a lesson, as `_run` runs an experiment."""
    run = runs.open_lesson(
        spec, requested.text, request.overrides, home, folder, experiment=requested.said, start=start
    )
    page.begins(spec.name, folder)
    if (hear := steps.listener.get()) is not None:
        hear("train", f"note: the run's folder is {folder}", None)
    try:
        if run.start != "report":
            steps.teach(run)
        steps.report(run)
    finally:
        runs.close_run(folder)


@contextmanager
def _heard(page: RunPage) -> Iterator[None]:
    """Writes the run's progress to the flow's log if no terminal shows it."""
    if steps.listener.get() is not None:
        yield
        return
    token = steps.listener.set(page.hear)
    try:
        yield
    finally:
        steps.listener.reset(token)


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    """If the block ends with an error, writes a report of what the run has reached, and raises the error again."""
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
    """Says whether a new run's folder stays. It does not if wrong input ended the run before it had a plan. A run that
    a check of the data blocked stays, since its validation.json says why."""
    return not isinstance(error, BadInput) or isinstance(error, Blocked) or (folder / "plan.json").exists()


@contextmanager
def _nothing_left(folder: Path, *, new: bool) -> Iterator[None]:
    """Removes a new run's folder after wrong input, unless `_is_kept` says that it stays."""
    try:
        yield
    except BadInput as error:
        if new and not _is_kept(folder, error):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _through_to_verdict(run: runs.Run, page: RunPage, report: ExitStack, *, skip_validation: bool) -> Kernel | None:
    """Runs all stages but the report. Returns the report's kernel, which starts before training so that it is ready in
    time, and ends with `report`; None if the report needs no kernel of ours. Closes the executor when all is trained.
    """
    load_tensorflow(run.home)
    dataset = steps.load(run)
    splits = steps.split(run, dataset)
    if not skip_validation:
        steps.validate(run, dataset, splits)
    report.callback(run.executor.close)  # however the run ends
    plan, prepared, searched = steps.plan(run, dataset, splits)
    page.rename(full_name(run.spec.name, len(plan.recipes), run.spec.train.seeds))
    page.log(f"Recipes: {', '.join(recipe.recipe for recipe in plan.recipes)}")
    made_ready = report.enter_context(ready(run.folder)) if wants_kernel() else None
    if searched:
        plan = steps.search(run, plan, prepared, searched)
        keep_compiled()
    del searched  # its folds take memory
    steps.train(run, plan, prepared)
    keep_compiled()
    if run.spec.train.stabilise:
        steps.stabilise(run, plan, prepared)
    run.executor.close()
    tables = steps.evaluate(run, plan, prepared)
    steps.judge(run, plan, prepared, tables, splits)
    return made_ready


def refuse_closed_gates(folder: Path) -> None:
    """Ends a run whose blocking gates do not all pass, or which has blocking gates and nothing to ship.

    Raises:
        GateFailed: a gate of severity `block` fails or is undecided, or no recipe learned.
    """
    verdict = Verdict.read(folder)
    closed = verdict.closed
    if any(gate.severity == "block" for gate in verdict.gates) and not closed and verdict.shipped is None:
        closed = [verdict.sentence]
    if closed:
        raise GateFailed(folder, " ".join(closed))
