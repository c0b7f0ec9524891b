"""The command `bakeoff`. Heavy packages are imported only when a command needs them, so that a wrong spec is reported
at once."""

from __future__ import annotations

import gc as collector
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from flows import interruption
from flows.environment import home_folder, quieten
from tasks.errors import BadInput, plain
from tasks.imports import importing
from tasks.run_folder import Stage

if TYPE_CHECKING:
    from tasks.spec.lessons import LessonSpec
    from tasks.spec.models import Spec

app = typer.Typer(
    help="Which training recipe is really better on this data, and is the model good enough to ship?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="A YAML file, or a shipped experiment's name.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the spec, such as train.epochs=5. Repeatable."),
]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The folder of all state (runs, cache). Default: $BAKEOFF_HOME, else ./data."),
]
RunnerOption = Annotated[
    str | None,
    typer.Option(
        "--runner",
        metavar="RUNNER",
        help="Who trains: local, dask (workers of its own on this machine), or dask=ADDRESS (a scheduler that runs; on "
        "another machine tls://HOST:PORT). Default: $BAKEOFF_RUNNER, else local.",
    ),
]

Kind = Literal[
    "runs",
    "experiments",
    "datasets",
    "models",
    "optimizers",
    "schedules",
    "averagings",
    "losses",
    "augmenters",
    "searchers",
    "metrics",
    "lessons",
    "explainers",
    "keys",
]


@app.command()
def run(
    spec: SpecArgument,
    overrides: SetOption = None,
    home: HomeOption = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="The run's folder. Default: a new one under the home folder.")
    ] = None,
    start: Annotated[
        Stage,
        typer.Option(
            "--from",
            help="Go on in --run-dir from this stage; finished stacks are kept. Without --run-dir: a new run, which "
            "from this stage on reuses nothing that earlier runs trained.",
        ),
    ] = "load",
    fail_on_gate: Annotated[
        bool,
        typer.Option("--fail-on-gate", help="Exit with 3 when a gate of severity block fails or is undecided."),
    ] = False,
    runner: RunnerOption = None,
) -> None:
    """Run an experiment from its spec to its report. Prints the report's path last."""
    from flows.disk import check_writable, disk_faults
    from tasks.spec.lessons import LessonSpec
    from tasks.spec.load import at_lines

    checked, text, path = _load(spec, overrides)  # reports mistakes before anything slow starts
    for folder in (_home(home), run_dir or _home(home)):
        check_writable(folder)
    _check_folder(checked, run_dir, start)
    _check_runner(runner)
    with disk_faults(_home(home), run_dir or _home(home)), at_lines(path.name, text):
        if start == "load":
            _check_table(checked, path.parent, _home(home))
        from flows.console import run_with_progress

        run_with_progress(
            experiment=spec,
            overrides=overrides or [],
            home=_home(home),
            run_dir=run_dir,
            start=start,
            fail_on_gate=fail_on_gate,
            lesson=isinstance(checked, LessonSpec),
        )


@app.command()
def resume(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name under runs/.")],
    fail_on_gate: Annotated[bool, typer.Option("--fail-on-gate", help="As for run.")] = False,
    home: HomeOption = None,
    runner: RunnerOption = None,
) -> None:
    """Go on with a run that was killed or stopped. Finished work is not done again; a half-trained stack goes on from
    its last checkpoint, if it has one. Prints the report's path last."""
    from flows.resuming import unfinished

    found = unfinished(name, _home(home))
    run(found.experiment, list(found.overrides), home, found.folder, "train", fail_on_gate, runner)


@app.command()
def check(
    spec: SpecArgument,
    overrides: SetOption = None,
    home: HomeOption = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Also print the spec with every default filled in.")
    ] = False,
) -> None:
    """Check spec, data and plan without training: columns, recipes, trials, stacks, what is skipped, the time."""
    from tasks.spec.lessons import LessonSpec

    with _ready(spec, overrides, _home(home)) as (checked, text, path):
        if isinstance(checked, LessonSpec):
            from flows.lesson import show_lesson_plan

            show_lesson_plan(checked, defaults=defaults)
        else:
            from flows.check import show_check

            show_check(checked, text, overrides or [], path.parent, _home(home), defaults=defaults)


@app.command("lr-range")
def lr_range(spec: SpecArgument, overrides: SetOption = None, home: HomeOption = None) -> None:
    """Find which learning rates are worth searching for each recipe: short trainings, a table, a page with a chart."""
    from tasks.spec.load import on_data

    with _ready(spec, overrides, _home(home)) as (checked, text, path):
        from flows.lr_range import show_ranges

        show_ranges(on_data(checked, path.name), text, overrides or [], path.parent, _home(home))


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A data file, or a folder of images or sounds.")],
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column to predict. Without it, those that it could be are listed."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="SPEC", help="The YAML file to write. Default: FILE's name, in this folder.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a first spec for a data file, with what was found out about each column. Overwrites nothing."""
    from flows.init import write_first_spec

    write_first_spec(file, target, output, _home(home))


@app.command()
def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]) -> None:
    """Render a run's report again. Prints its path."""
    finished = ("verdict.json", "lesson.json")
    if not any(os.path.isfile(run / name) for name in finished):  # noqa: PTH113 - False for an impossible name too
        raise BadInput(
            "this is not the folder of a finished run",
            where=str(run),
            accepted="a folder with verdict.json, or a lesson's with lesson.json",
        )
    from flows.console import render_again
    from flows.disk import disk_faults

    with disk_faults(run):
        render_again(run)


@app.command()
def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, its name under runs/, or latest.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New rows: a table, images, WAV files, .npz.")],
    output: Annotated[Path | None, typer.Option(help="A .csv or .parquet file. Default: CSV, printed.")] = None,
    home: HomeOption = None,
) -> None:
    """Predict the rows of a file or folder with the model that a run shipped, read as its training data were."""
    from flows.disk import disk_faults
    from flows.predicting import predict_file

    with disk_faults(output.absolute().parent if output else _home(home)):
        predict_file(run, file, output, _home(home))


@app.command()
def promote(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, its name under runs/, or latest.")],
    force: Annotated[bool, typer.Option("--force", help="Even if a blocking gate does not pass; needs --why.")] = False,
    why: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the record.")] = None,
    home: HomeOption = None,
) -> None:
    """Make a run's model the champion of its experiment, if its blocking gates pass. Prints the model card's path."""
    from flows.disk import disk_faults
    from flows.promoting import promote_run

    with disk_faults(_home(home)):
        promote_run(run, _home(home), force=force, why=why)


@app.command()
def monitor(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="An experiment that has a champion.")],
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="New rows, written as the training data were.")],
    window: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Look at N rows at a time, in order. Default: the whole file."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Compare new rows with the champion's reference: keep (exit code 0), watch (4) or retrain (5). Prints the page's
    path last."""
    from flows.disk import check_writable, disk_faults
    from flows.monitoring import monitor_file

    check_writable(_home(home))
    with disk_faults(_home(home)):
        monitor_file(experiment, data, window, _home(home))


@app.command()
def diff(
    one: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, its name under runs/, or latest.")],
    other: Annotated[str, typer.Argument(metavar="RUN", help="Another one.")],
    home: HomeOption = None,
) -> None:
    """Show two runs side by side: spec, data, recipes, figures, gates. Also writes a page, and prints its path last."""
    from flows.differing import show_difference
    from flows.disk import disk_faults

    with disk_faults(_home(home)):
        show_difference(one, other, _home(home))


@app.command("list")
def list_(
    kind: Annotated[Kind | None, typer.Argument(metavar="[KIND]", help=", ".join(get_args(Kind)))] = None,
    home: HomeOption = None,
) -> None:
    """List what there is, one line each; runs as a table."""
    from flows.listing import lines, show_runs

    for each in [kind] if kind else get_args(Kind):
        if kind is None:
            typer.echo(f"{each}:")
        if each == "runs":
            show_runs(_home(home))
            continue
        for line in lines(each):
            typer.echo(plain(line) if kind else f"  {plain(line)}")


@app.command()
def gc(
    keep: Annotated[int, typer.Option(min=0, help="So many of the newest runs stay.")] = 20,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without this, it is only shown.")] = False,
    home: HomeOption = None,
) -> None:
    """Show what can go: old runs, data that no kept run uses, leftovers of killed processes. Never champions."""
    from flows.gc import removable, remove
    from reports.index import write_index

    folder = _home(home)
    found = removable(folder, keep)
    for each in found:
        typer.echo(plain(f"{each.size / 1e6:9.1f} MB  {each.path}  ({each.why})"))
    total = (
        f"{len(found)} {'entry' if len(found) == 1 else 'entries'}, {sum(each.size for each in found) / 1e6:,.1f} MB"
    )
    if yes:
        remove(found)
        if folder.is_dir():
            write_index(folder)
    typer.echo(f"{total} removed" if yes else f"{total}; remove them with --yes")


@contextmanager
def _ready(experiment: str, overrides: list[str] | None, home: Path) -> Iterator[tuple[Spec | LessonSpec, str, Path]]:
    """Yields the spec, its text and its file after all quick checks. An error in the block gets the line of the spec
    that it belongs to; a disk error gets a plain message."""
    from flows.disk import check_writable, disk_faults
    from tasks.spec.load import at_lines

    checked, text, path = _load(experiment, overrides)
    check_writable(home)
    with disk_faults(home), at_lines(path.name, text):
        _check_table(checked, path.parent, home)
        yield checked, text, path


def _load(experiment: str, overrides: list[str] | None) -> tuple[Spec | LessonSpec, str, Path]:
    """Returns the spec, checked as far as possible without its data; its text; and its file."""
    with importing():
        from flows.experiments import find
        from tasks.datasets.sources import check_source
        from tasks.planning.searches import check_search
        from tasks.spec.lessons import LessonSpec
        from tasks.spec.load import at_lines, load_experiment

    path = find(experiment)
    spec, text = load_experiment(path, overrides)
    if isinstance(spec, LessonSpec):
        return spec, text, path
    with at_lines(path.name, text):
        check_search(spec)
        check_source(spec.data, path.parent)
    return spec, text, path


def _check_folder(spec: Spec | LessonSpec, run_dir: Path | None, start: Stage) -> None:
    """Checks that a run can begin or go on in the folder that `--run-dir` names. Creates nothing.

    Raises:
        BadInput: it can't, or another process has locked the folder.
    """
    from tasks.run_folder import locked
    from tasks.runs import check_start

    if run_dir and (run_dir / "lock").is_file():
        with locked(run_dir):
            pass
    check_start(spec, run_dir, start)


def _check_table(spec: Spec | LessonSpec, base: Path, home: Path) -> None:
    from tasks.runs import check_table
    from tasks.spec.models import Spec

    if isinstance(spec, Spec):
        check_table(spec, base, home)


def _check_runner(runner: str | None) -> None:
    """Checks the runner, and writes it to the environment, where flows read it."""
    from tasks.distributed.runners import VARIABLE, read_runner

    if runner is not None:
        os.environ[VARIABLE] = runner
    read_runner(os.environ.get(VARIABLE, ""))


def _home(home: Path | None) -> Path:
    """Returns the home folder, and writes it to the environment, where flows read it."""
    if home:
        os.environ["BAKEOFF_HOME"] = str(home)
    return home_folder()


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and exits: 0 done; 1 a bug of Bakeoff; 2 wrong input; 3 a gate; 4, 5 `watch` and `retrain` of
    `monitor`; 130 Ctrl-C; 143 SIGTERM."""
    quieten()
    with interruption.listening():
        code = _exit_code(arguments)
    stopped = interruption.exit_code()
    if stopped is not None:  # it counts more than the command's own exit code
        print("stopped; finished stacks are kept: go on with bakeoff resume RUN", file=sys.stderr)
        code = stopped
    sys.stdout.flush()
    collector.freeze()  # else the interpreter's exit goes through all objects again and again, for 2 to 3 s
    sys.exit(code)


def _exit_code(arguments: list[str] | None) -> Any:
    try:
        _refuse_other_encodings(sys.argv[1:] if arguments is None else arguments)
        app(arguments)  # ends with SystemExit; reports wrong arguments itself
    except BadInput as error:
        print(error.message(), file=sys.stderr)
        return 2
    except MemoryError as error:
        remedy = "use fewer rows (data.rows), Parquet, which is streamed, or a smaller network"
        print(BadInput("the memory is used up", got=str(error) or None, remedy=remedy).message(), file=sys.stderr)
        return 2
    except SystemExit as end:
        return end.code
    except BaseException:
        if interruption.exit_code() is None:
            raise
    return 0


def _refuse_other_encodings(arguments: list[str]) -> None:
    """Raises BadInput if an argument is not valid UTF-8: the files of a run, which are UTF-8, could not record it."""
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            shown = argument.encode("utf-8", "backslashreplace").decode()
            raise BadInput("an argument is not UTF-8", got=shown, remedy="rename the file or folder, or type it anew")
