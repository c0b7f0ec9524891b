"""The report on training that went wrong: for each recipe what is seen, why, what to do, and a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import figures
from reports.escape import safe
from reports.markup import bullets, fold, raw, titled
from tasks.diagnosis.diagnose import DIAGNOSES

if TYPE_CHECKING:
    from reports.run import Run
    from tasks.records.diagnosis import DiagnosedRecipe, Diagnosis

_CHARTS = 12
"""Most recipes that get a chart: more would make the page heavy."""


def diagnoses(run: Run) -> str:
    """Shows every recipe with a diagnosis, or a sentence if there is none."""
    if run.verdict is None:
        return ""
    found = run.verdict.diagnoses
    if not found:
        return "Nothing was found that went wrong in training.\n"
    return "\n".join(_of_recipe(run, each, charted=number < _CHARTS) for number, each in enumerate(found))


def _of_recipe(run: Run, found: DiagnosedRecipe, *, charted: bool) -> str:
    parts = [_said(each) for each in found.found]
    if charted:
        surest = found.found[0]
        chart = figures.evidence(surest, found.recipe_id, run.curves, run.trials, run.plan)
        if chart is not None:
            parts.append(figures.place(chart, f"{DIAGNOSES[surest.kind].title}: one line a seed."))
    return titled(found.recipe, "\n".join(parts))


def _said(found: Diagnosis) -> str:
    """Shows one diagnosis: its title, its confidence, its sentences, and its figures, folded away."""
    head = f"**{safe(DIAGNOSES[found.kind].title)}** (confidence {found.confidence:.2f}). "
    figures_of = [f"{name.replace('_', ' ')}: {value:.3g}" for name, value in found.evidence.items()]
    where = [f"layer: {found.layer}"] if found.layer else []
    when = [f"first seen at step {found.step:,}"] if found.step else []
    listed = "".join(f"<li>{safe(each)}</li>" for each in [*figures_of, *where, *when])
    sentences = f"{safe(found.seen)} {safe(found.why)}"
    return f"{head}{sentences}\n\n{bullets([found.remedy])}\n{raw(fold('Figures', f'<ul>{listed}</ul>'))}"
