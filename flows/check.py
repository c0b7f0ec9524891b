"""What `bakeoff check` shows: the spec with every default, the data, the plan and what it will cost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from flows.console import Bar, marked, show_validation
from flows.environment import load_tensorflow
from tasks.errors import Blocked, plain
from tasks.evaluation.wording import written
from tasks.memory import gigabytes
from tasks.records.plan import DataDescription, Plan, SearchCost, SourceColumn, reuse_sentence
from tasks.records.search_plan import SearchedChoices, SearchedDimension, SearchPlan
from tasks.records.stacks import PlannedStack
from tasks.records.validation import Validation
from tasks.run_folder import make_folder
from tasks.spec.models import Spec

_SHOWN = 20
"""Most stacks that are listed."""
_CLASSES = 8
"""Most classes that are named."""


def show_check(
    spec: Spec, text: str, overrides: Sequence[str], base: Path, home: Path, *, defaults: bool = False
) -> None:
    """Shows data and plan without training. Leaves nothing behind but downloaded data.

    Args:
        defaults: Also prints the spec with every default filled in.

    Raises:
        BadInput: the spec or the data is wrong, or blocked by validation.
    """
    from tasks import runs, stages
    from tasks.planning.plan import described

    dataset = None
    try:
        with scratch_folder(home) as folder, Bar(Console(stderr=True)) as bar:
            bar.hear("load", "reading the data", None)
            load_tensorflow()
            run = runs.open_run(spec, text, overrides, base, home, folder)
            dataset = stages.load(
                run, lambda done, total: bar.hear("load", f"{done / 1e6:.1f} MB", done / (total or done))
            )
            bar.hear("load", "done", 1.0)
            bar.hear("validate", "checking the data", None)
            splits = stages.split(run, dataset)
            validation = stages.validate(run, dataset, splits)
            bar.hear("validate", "done", 1.0)
            bar.hear("plan", "planning", None)
            plan, *_ = stages.plan(run, dataset, splits)
            bar.hear("plan", "done", 1.0)
    except Blocked as error:
        if dataset is not None:
            console, data = Console(stderr=True, highlight=False, soft_wrap=True), described(dataset)
            surprises = [column for column in data.source_columns if column.note]
            _show_data(console, replace(data, source_columns=surprises), dataset.task)
        if error.table:
            show_validation(error.table)
        raise
    named_model = spec.model is not None or spec.compare.model is not None
    _show_plan(plan, validation, named_model=named_model)
    if defaults:
        _show_spec(plan)


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """Yields a temporary run folder in the home folder, and removes it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=".check-", dir=make_folder(home)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _show_spec(plan: Plan) -> None:
    import yaml

    typer.echo("spec (every default filled in)")
    typer.echo(plain(yaml.safe_dump(plan.spec, sort_keys=False, allow_unicode=True, default_flow_style=None).rstrip()))


def _show_plan(plan: Plan, validation: Validation, *, named_model: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    data, parts = plan.data, plan.parts
    _show_data(console, data, plan.task)
    when = {part: f" ({reach})" for part, reach in (plan.reaches or {}).items()}
    divided = {part: rows for part, rows in parts.items() if part != "test" or not plan.held_out}
    console.print("parts: " + ", ".join(f"{part} {n:,}{marked(when.get(part, ''))}" for part, n in divided.items()))
    _show_judging(console, plan)
    where = "streamed from disk" if data.streamed else "in memory"
    console.print(f"rows {where}, about {data.memory_bytes / 1e6:,.0f} MB; shuffled {_shuffled(data.shuffle)}")
    for result in validation.results:
        if not result.success:
            console.print(f"[yellow]{result.severity}[/] {marked(result.check)}: {marked(result.message)}")
            if result.remedy:
                console.print(f"     {marked(result.remedy)}")
    if not named_model:
        model, parameters = plan.recipes[0].settings.model
        said = ", ".join(f"{name} {value}" for name, value in parameters.items())
        console.print(f"\n[bold]model[/] {marked(f'{model}: {said}')} (the default for these data)")
    console.print(f"\n[bold]recipes[/] {len(plan.recipes)}, decided by {plan.metric}")
    if plan.decides and plan.decides.chosen and len(plan.data.classes or ()) == 2:
        said = f"{plan.data.positive} is predicted where its probability reaches a threshold, {plan.decides.chosen}"
        console.print(f"{marked(said)} (evaluate.threshold says otherwise)", highlight=False)
    if plan.decides and plan.decides.prior:
        shares = ", ".join(
            f"{name} {share:.4g}" for name, share in zip(data.classes or (), plan.decides.prior, strict=True)
        )
        console.print(marked(f"probabilities and figures are corrected to real shares: {shares}"), highlight=False)
    if plan.decides and plan.decides.calibrate:
        said = f"probabilities are calibrated on the validation part: {plan.decides.calibrate}"
        console.print(said, highlight=False)
    if plan.metric_why:
        console.print(f"  {marked(plan.metric_why)}: evaluate.metric overrules")
    for recipe in plan.recipes:
        console.print(f"  {recipe.recipe_id}  {marked(recipe.recipe)}")
    for item in plan.skipped:
        console.print(f"  skipped       {marked(item.recipe)}: {marked(item.reason)}")
    if plan.search and plan.cost.search:
        _show_search(console, plan, plan.search, plan.cost.search)
    else:
        console.print(f"\n[bold]trials[/] {plan.cost.trials} in {len(plan.stacks)} stacks")
        _show_stacks(console, plan.stacks)
    console.print(f"reused: {marked(_reused(plan))}", highlight=False)
    if plan.cost.memory_bytes:
        console.print(f"estimated memory at its peak: about {gigabytes(plan.cost.memory_bytes)}")
    if plan.spec["train"]["stabilise"]:
        console.print("after training, recipes with a diagnosis are repaired; this often takes a few times as long")
    console.print(f"estimated training time: about {plan.cost.seconds:,.0f} s on two cores (rough)")


def _show_judging(console: Console, plan: Plan) -> None:
    """Says how folds replace the test part; for few rows without folds, suggests them."""
    held, split = plan.held_out, plan.spec["data"]["split"]
    if held:
        console.print(
            f"no test part: {held.folds} folds are held out in turn, {held.repeats} times, and the whole procedure is "
            f"repeated on {held.learned_from[0]:,} to {held.learned_from[1]:,} rows"
        )
        return
    offered = plan.data.rows < FEW_ROWS and not any(split[name] for name in ("hold_out", "given"))
    if offered:
        repeats = "" if split["time"] else ", repeats: 10"
        console.print(
            f"note: {plan.parts['test']:,} test rows judge roughly; evaluate: {{folds: 5{repeats}}} holds out all "
            f"{plan.data.rows:,} rows in turn, without a test part, in many times the time",
        )


FEW_ROWS = 5000
"""With fewer rows than this, `bakeoff check` suggests folds instead of a test part."""


def _show_data(console: Console, data: DataDescription, task: str) -> None:
    """Prints what the data were taken for."""
    console.print(f"[bold]data[/] {marked(data.name)}: {marked(summary(data, task))}")
    for note in data.notes:
        console.print(f"note: {marked(note)}")
    if data.source_columns:
        show_columns(_wide(console), data.source_columns)


def summary(data: DataDescription, task: str) -> str:
    """Describes the data in a line: `891 rows, 9 columns, classification of survived: 2 classes (0, 1)`."""
    return f"{data.rows:,} rows, {_inputs(data)}, {task} of {data.target}{_classes(data)}"


def show_columns(console: Console, columns: Sequence[SourceColumn]) -> None:
    """Prints the columns as a table, surprising ones first. A narrow terminal gets fewer facts, not broken words."""
    table = Table(box=box.SIMPLE_HEAD, title="Columns, surprises first", title_justify="left", pad_edge=False)
    table.add_column("column", overflow="fold")
    table.add_column("kind", no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("distinct", justify="right", no_wrap=True)
    facts = [name for name, width in (("becomes", _WITH_BECOMES), ("because", _WITH_WHY)) if console.width >= width]
    for fact in facts:
        table.add_column(fact)
    ordered = sorted(columns, key=lambda column: column.note is None)
    for column in ordered[:_COLUMNS]:
        distinct = "" if column.distinct is None else f"{column.distinct:,}"
        last = {"becomes": column.becomes, "because": column.why}
        cells = (column.name, column.kind, column.missing_phrase, distinct, *(last[fact] for fact in facts))
        table.add_row(*map(marked, cells), style="yellow" if column.note else "")
    if len(ordered) > _COLUMNS:
        table.add_row(f"and {len(ordered) - _COLUMNS:,} more")
    console.print(table)
    if console.width < _WITH_WHY:
        console.print("[dim]why each was taken for that: in a wider terminal, or in a run's report[/]")


_COLUMNS = 40
"""Most columns that are listed."""
_WITH_BECOMES, _WITH_WHY = 64, 100
"""Terminal widths, in characters, from which the table shows what a column becomes, and why."""
_PIPED = 160
"""Width, in characters, for output that does not go to a terminal, so that nothing is folded."""


def _wide(console: Console) -> Console:
    """Returns a console for tables that writes to the same place as `console`."""
    free = not console.is_terminal and "COLUMNS" not in os.environ
    return Console(file=console.file, highlight=False, width=_PIPED if free else None)


def _inputs(data: DataDescription) -> str:
    if data.image_shape:
        return f"images {'x'.join(map(str, data.image_shape))}"
    if data.text is not None:
        return f"texts in {data.text}"
    if data.sound:
        return f"sounds of {data.sound.seconds:.2f} s at {data.sound.rate:,} Hz"
    return f"{len(data.columns)} columns"


def _classes(data: DataDescription) -> str:
    """Lists the classes as `: 3 classes (a, b, c)`, with the class of interest if there is one."""
    if not data.classes:
        return ""
    names = data.classes
    listed = ", ".join(names[:_CLASSES]) + (f" and {len(names) - _CLASSES} more" if len(names) > _CLASSES else "")
    interest = f"; class of interest: {data.positive} ({data.positive_why})" if data.positive else ""
    return f": {len(names)} classes ({listed}){interest}"


def _shuffled(policy: str) -> str:
    return "as a whole in every epoch" if policy == "whole" else f"in every epoch by {policy}"


def _weights(stack: PlannedStack) -> str:
    """Returns the number of weights of a trial, and the share of the stack's arithmetic that is not padding."""
    counts = {stack.parameters_of(trial) for trial in stack.trials}
    span = f"{min(counts):,} to {max(counts):,}" if len(counts) > 1 else f"{stack.parameters:,}"
    return f"{span} weights each, filled to {stack.fill:.0%}"


def _reused(plan: Plan) -> str:
    """Says what is reused from earlier runs. Before a search, only its first settings are known."""
    if plan.cost.search is None:
        return plan.reuse or "nothing"
    first = reuse_sentence(plan.cost.search.first_wave)
    return f"of the first settings, {first}; later ones follow from them" if first else "nothing of the first settings"


def _show_search(console: Console, plan: Plan, search: SearchPlan, searching: SearchCost) -> None:
    """Prints each recipe's search space and budget, and the stacks of the first settings. Later settings depend on the
    results of the first ones."""
    on = f"{search.folds} folds" if search.folds else "the validation part"
    seeds = f"{search.seeds} seed{'s' if search.seeds > 1 else ''}"
    console.print(f"\n[bold]search[/] {searching.trials:,} trials, {seeds} on {on}")
    if plan.held_out:
        console.print(
            f"it is done on all rows, and anew in each of {plan.held_out.count} folds: "
            f"{searching.trials // (1 + plan.held_out.count):,} trials each time"
        )
    if searching.range_tests:
        test = searching.range_tests
        console.print(
            f"before it, range tests find learning rates to search: {test.trials:,} short trials, "
            f"about {test.seconds:,.0f} s"
        )
    for recipe in search.recipes:
        console.print(
            f"  {recipe.recipe_id}  {marked(recipe.recipe)}: {recipe.method}, {recipe.trials} settings, "
            f"{recipe.epochs:,} epochs of each seed and fold"
        )
        if recipe.rungs:
            ladder = ", ".join(f"{rung.settings} to epoch {rung.epochs}" for rung in recipe.rungs)
            console.print(f"      rungs: {ladder}")
        for dimension in recipe.space:
            console.print(f"      {marked(_searched(dimension))}")
    first = searching.first_wave
    console.print(f"first settings: {sum(stack.size for stack in first):,} trials in {len(first)} stacks")
    _show_stacks(console, first)
    said = f"{plan.cost.trials:,} of the best settings on fresh seeds, divided after the search"
    console.print(f"\n[bold]trials[/] {said}")


def _searched(dimension: SearchedDimension) -> str:
    """Describes a dimension: `learning_rate: 0.0001 to 1, logarithmic (the optimizer's own range)`."""
    if isinstance(dimension, SearchedChoices):
        values = "one of " + ", ".join(map(str, dimension.choices))
    elif dimension.tested:
        return f"{dimension.name}: a range that a range test finds before the search, logarithmic{_when(dimension)}"
    else:
        values = f"{written(dimension.low)} to {written(dimension.high)}"
        values += ", logarithmic" if dimension.log else ""
        values += ", whole numbers" if dimension.integer else ""
        values += f" in steps of {written(dimension.step)}" if dimension.step else ""
    own = " (the optimizer's own range)" if dimension.owned else ""
    return f"{dimension.name}: {values}{own}{_when(dimension)}"


def _when(dimension: SearchedDimension) -> str:
    when = " and ".join(f"{name} is {' or '.join(map(str, of))}" for name, of in dimension.when.items())
    return f", where {when}" if when else ""


def _show_stacks(console: Console, stacks: Sequence[PlannedStack]) -> None:
    for stack in stacks[:_SHOWN]:
        why = f" ({marked(stack.why)})" if stack.why else ""
        special = f" by {stack.search}" if stack.search else ""
        shared = f", of which {stack.after} takes the first {stack.shared:,}" if stack.after else ""
        console.print(
            f"  {stack.stack_id}  {stack.trainer}{why}{special}: {stack.size} trials x {stack.steps:,} "
            f"steps{shared}, {_weights(stack)}, {stack.rows:,} rows an epoch, "
            f"evaluated every {stack.evaluate_every:,} steps, at most {stack.memory_bytes / 1e6:,.0f} MB"
        )
    if len(stacks) > _SHOWN:
        console.print(f"  and {len(stacks) - _SHOWN} more")
