"""What the stage stabilise tried, for each recipe: the rungs of its ladder, the control, and the repaired recipe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.escape import Html, safe
from reports.markup import badge, raw, table, titled
from reports.numbers import count
from tasks.diagnosis.diagnose import DIAGNOSES
from tasks.evaluation.rounding import MISSING
from tasks.evaluation.wording import number

if TYPE_CHECKING:
    from reports.run import Run
    from tasks.records.repairs import Change, Repair, TriedRepair

_HOW = (
    "After training, each recipe with a diagnosis was changed step by step, on training and validation rows only. "
    "A rung's changes are trained under the same {seeds} seeds as the recipe as it stands, so differences are "
    "paired; the best one that helps is kept, and later rungs build on it. Cured: the diagnosis is gone, and the "
    "last validation loss is at most 2% higher (upper 95% bound). A cure is then proved on {seeds} fresh seeds. "
    "The control is the best of as many random settings as take the same number of training steps. A repaired "
    "recipe was tuned more than the others, so it is not in the comparison."
)
_UNDER = (
    "Fluctuation: the standard deviation of the first differences of the log validation loss over the last half, "
    "median over seeds. Ratios: to the recipe as it stands, mean over seeds; the upper end of the interval is a "
    "95% bound. Steps of the ladder: {ladder}; of the control: {control}."
)


def repairs(run: Run) -> str:
    """Shows the repairs; empty if the spec does not ask for the stage stabilise."""
    found = run.repairs
    if found is None:
        return ""
    if not found.recipes and not found.unrepaired:
        return titled("Repairs", raw("<p>No recipe had a diagnosis, so nothing was repaired.</p>"))
    pieces = [raw(f"<p>{safe(_HOW.format(seeds=found.recipes[0].seeds))}</p>")] if found.recipes else []
    pieces += [_of_recipe(each, written=each.recipe_id == found.written) for each in found.recipes]
    pieces += [
        raw(f"<p>{safe(f'No ladder fits {recipe}: {DIAGNOSES[kind].title.lower()}.')}</p>")
        for recipe, kind in found.unrepaired
    ]
    return titled("Repairs", "\n\n".join(pieces))


def _of_recipe(repair: Repair, *, written: bool) -> str:
    head = ["Rung", "Change", "#Fluctuation", "Its ratio", "Ratio of the loss", "Answer"]
    rows = list(_rows(repair))
    caption = f"The ladder of {repair.recipe}"
    shown = table(head, rows, caption=caption)
    under = _UNDER.format(ladder=count(repair.steps), control=count(repair.control_steps))
    said = _said(repair, written=written)
    return raw(f'<p>{said}</p>{shown}<p class="under">{safe(under)}</p>')


def _said(repair: Repair, *, written: bool) -> Html:
    """Says in a sentence or two whether the recipe was cured. Adds the command if the repaired recipe was written."""
    kind = DIAGNOSES[repair.kind].title.lower()
    if not repair.cured or repair.proof is None:
        return Html(f"<b>{safe(repair.recipe)}</b>: {safe(kind)}. No rung of its ladder cured it on fresh seeds.")
    by = f"cured by: {repair.proof.words}."
    better = repair.control_proof is not None and repair.control_proof.cured
    control = "The control cured it too." if better else "The control did not cure it."
    command = " <code>bakeoff run repaired.yaml</code>, in the run's folder, trains it." if written else ""
    return Html(f"<b>{safe(repair.recipe)}</b>: {safe(kind)}, {safe(by)} {safe(control)}{command}")


def _rows(repair: Repair) -> Iterator[tuple[object, ...]]:
    yield "As it stands", "", _figure(repair.restless), MISSING, MISSING, ""
    for rung in repair.rungs:
        for place, tried in enumerate(rung.tried):
            yield _row(rung.title if place == 0 else "", tried)
        if rung.proof is not None:
            yield _row("On fresh seeds", rung.proof)
    if repair.control is not None:
        yield _row(f"Control, best of {count(repair.controls)}", repair.control)
    if repair.control_proof is not None:
        yield _row("Control, on fresh seeds", repair.control_proof)


def _row(title: str, tried: TriedRepair) -> tuple[object, ...]:
    return (
        title,
        tried.words,
        _figure(tried.restless),
        _ratio(tried.restless_change),
        _ratio(tried.loss_change),
        _answer(tried),
    )


def _answer(tried: TriedRepair) -> Html:
    if tried.cured:
        return badge("good", "cured, kept" if tried.kept else "cured")
    if tried.diverged:
        return badge("bad", f"{tried.diverged} diverged")
    if tried.kept:
        return badge("open", "helped, kept")
    return badge("quiet", "not cured" if tried.found else "loss may be worse")


def _ratio(change: Change) -> str:
    """Formats a change of a logarithm as a ratio: `0.41 (0.3 to 0.55)`."""
    if change.mean is None or change.low is None or change.high is None:
        return MISSING
    mean, low, high = (number(float(f"{math.exp(each):.3g}")) for each in (change.mean, change.low, change.high))
    return f"{mean} ({low} to {high})"


def _figure(value: float | None) -> str:
    return MISSING if value is None else number(float(f"{value:.2g}"))
