"""The section of explanations: for each explainer what theory says, what the run shows, and whether they agree."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from reports import figures
from reports.escape import Html, safe
from reports.markup import badge, bullets, callout, raw, table, titled
from reports.palette import COLOURS
from tasks.evaluation.rounding import MISSING
from tasks.evaluation.wording import number
from tasks.explanations.explainers import EXPLAINERS
from tasks.explanations.explanation import Check, Picture, Results
from tasks.records.weights import folder_of, kept_weights

if TYPE_CHECKING:
    import numpy as np

    from reports.run import Run
    from tasks.explanations.explainers import Explainer


def explanations(run: Run) -> str:
    """Shows the explanations that the spec asks for, in its order; a sentence if nothing was trained yet."""
    if run.trials.empty:
        return "Nothing was trained, so there is nothing to explain.\n"
    return "\n".join(_explained(run, EXPLAINERS[name]) for name in run.plan.spec["explain"] if name in EXPLAINERS)


def _explained(run: Run, explainer: Explainer) -> str:
    found = explainer.explain(results_of(run))
    shared = _names(found.pictures)
    pictures = [
        f"#### {safe(picture.title)}\n\n{figures.place(chart, picture.caption)}"
        for picture in found.pictures
        if (chart := figures.drawn(picture, shared if len(shared) <= len(COLOURS) else _names([picture]))) is not None
    ]
    parts = [
        f"#### What theory says\n\n{explainer.theory.strip()}\n",
        f"#### What this run shows\n\n{bullets(found.seen)}",
        *pictures,
        f"#### Checked against theory\n\n{_not_seen(found.checks)}{raw(_checks(found.checks))}",
        _to_try(explainer) if run.plan.experiment == explainer.lesson else _lesson(explainer),
    ]
    return titled(explainer.title, "\n".join(parts))


def results_of(run: Run) -> Results:
    """Returns the parts of a run that explainers read."""
    stacks = run.trials.set_index("trial_id")["stack_id"]

    @cache
    def of_stack(stack_id: str) -> Mapping[str, Sequence[np.ndarray]]:
        return kept_weights(run.folder, stack_id) if folder_of(run.folder, stack_id).is_dir() else {}

    def weights(trial_id: str) -> Sequence[np.ndarray]:
        return of_stack(str(stacks[trial_id])).get(trial_id, ())

    return Results(
        plan=run.plan,
        trials=run.trials,
        curves=run.curves,
        inspected=run.inspected,
        metrics=run.metrics,
        weights=weights,
    )


def _names(pictures: Sequence[Picture]) -> list[str]:
    """Returns the names of the pictures' lines, without those of theory. If there are enough colours, all pictures
    share these names, so that a name has the same colour in each."""
    return list(dict.fromkeys(line.name for each in pictures for line in each.lines if line.mark != "theory"))


def _not_seen(checks: Sequence[Check]) -> str:
    """Returns a note that lists the checks that are not met or not measured; nothing if all are met."""
    missing = [check.claim for check in checks if not check.met]
    if not missing:
        return ""
    said = f"This run does not show all of what theory says. Not met, or not measured, of {len(checks)} checks:"
    return callout("warning", "Not all of this appears here", f"{safe(said)}\n\n{bullets(missing)}") + "\n"


def _checks(checks: Sequence[Check]) -> Html:
    rows = [
        (
            Html(f'<span class="sentence">{safe(check.claim)}</span>'),
            _figure(check.measured),
            _figure(check.theory),
            _accepted(check),
            _answer(check),
        )
        for check in checks
    ]
    return table(
        ["Statement", "#Measured", "#Theory", "#Accepted", "Answer"], rows, caption="Theory against what was measured"
    )


def _answer(check: Check) -> Html:
    if check.met is None:
        return badge("open", "not measured")
    return badge("good", "met") if check.met else badge("bad", "not met")


def _figure(value: float | None) -> str:
    return MISSING if value is None or value != value else number(value)


def _accepted(check: Check) -> str:
    if check.low is None:
        return MISSING if check.high is None else f"at most {number(check.high)}"
    return f"at least {number(check.low)}" if check.high is None else f"{number(check.low)} to {number(check.high)}"


def _to_try(explainer: Explainer) -> str:
    """Shows the lesson's suggested changes as commands, and what to look for."""
    items = "".join(
        f"<li><code>bakeoff run {safe(explainer.lesson)} --set {safe(shlex.quote(change.assignment))}</code><br>"
        f"{safe(change.look_for)}</li>"
        for change in explainer.changes
    )
    return f"#### Try it yourself\n\n{raw(f'<ol>{items}</ol>')}"


def _lesson(explainer: Explainer) -> str:
    return raw(f"<p>A lesson on this: <code>bakeoff run {safe(explainer.lesson)}</code>.</p>")
