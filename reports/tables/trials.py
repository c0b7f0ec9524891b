"""The trials and stacks that were trained, and the recipes that were skipped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reports.escape import Html, safe
from reports.markup import badge, raw, recipe, table
from reports.metric_names import title
from reports.numbers import count, duration
from tasks.evaluation.rounding import MISSING, fixed, places
from tasks.records.estimate import Estimate
from tasks.records.plan import WITHOUT_A_FOLD, Plan

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 2000  # 400 recipes of 5 seeds: about half a megabyte of the page
_BADGES = {"ok": "quiet", "diverged": "bad", "failed": "bad"}


def trials(trials: pd.DataFrame, metrics: pd.DataFrame, metric: str, titles: Mapping[str, str]) -> str:
    """Lists the final trials, those that went wrong first. `metric` is shown on the test part, which is not used before
    the end."""
    trained = trials[trials["stage"] == "final"]
    if trained.empty:
        return raw('<p class="quiet">No trial was trained.</p>')
    trained = trained.sort_values("status", key=lambda status: status == "ok", kind="stable")
    values = _test_values(metrics, metric)
    decimals = places(Estimate(value) for value in values.values())
    head = ["Recipe", "#Seed", "Status", f"#{title(metric, titles)}", "#Epochs"]
    head += ["#Steps", "#Best step", "#Time", "Trainer"]
    rows = [
        (
            recipe(trial["recipe"]),
            _whole(trial["seed"]),
            _status(trial["status"], trial["reason"]),
            fixed(values.get(trial["trial_id"]), decimals),
            _whole(trial["epochs"]),
            _whole(trial["steps"]),
            _whole(trial["best_step"]),
            duration(trial["seconds"]),
            trial["trainer"],
        )
        for trial in trained.head(_SHOWN).to_dict("records")
    ]
    html: str = table(head, rows, caption="Trials", lists="trials")
    if len(trained) > _SHOWN:
        html += f"<p>The first {_SHOWN} of {count(len(trained))}; all are in <code>trials.parquet</code>.</p>"
    folds = int(trials["stage"].isin(WITHOUT_A_FOLD).sum())
    if folds:
        html += f"<p>In the folds that were held out, {count(folds)} more were trained; they are in "
        html += "<code>trials.parquet</code>.</p>"
    searched = int((trials["stage"] == "search").sum())
    if searched:
        html += f"<p>The search trained {count(searched)} more; they are in <code>trials.parquet</code>.</p>"
    return raw(f'<div class="tall">{html}</div>')


def stacks(plan: Plan) -> str:
    """Lists the groups of trials that were trained together, and why each was trained in its way."""
    head = [
        "Trainer",
        "#Trials",
        "#At a time",
        "#Weights each",
        "#Rows an epoch",
        "#Steps",
        "#Shared steps",
        "#Evaluated every",
    ]
    head += ["#Memory", "Why"]
    rows = [
        (
            stack.trainer,
            count(len(stack.trials)),
            count(stack.size),
            count(stack.parameters),
            count(stack.rows),
            count(stack.steps),
            count(stack.shared or 0),
            count(stack.evaluate_every),
            f"{stack.memory_bytes / 2**20:,.0f} MiB",
            Html(f'<span class="sentence">{safe(stack.why)}</span>'),
        )
        for stack in plan.all_stacks
    ]
    return raw(table(head, rows, caption="Stacks of trials"))


def skipped(plan: Plan) -> str:
    """Lists the recipes that could not be made, each with its reason."""
    rows = [(recipe(entry.recipe), entry.reason) for entry in plan.skipped]
    if not rows:
        return raw('<p class="quiet">Nothing was skipped.</p>')
    return raw(table(["Recipe", "Reason"], rows, caption="Skipped recipes", lists="recipes"))


def _test_values(metrics: pd.DataFrame, metric: str) -> dict[str, float]:
    found = metrics[(metrics["part"] == "test") & (metrics["metric"] == metric) & metrics["slice"].isna()]
    return dict(zip(found["trial_id"], found["value"], strict=True))


def _status(status: str, reason: Any) -> Html:
    said = f" <small>{safe(reason)}</small>" if isinstance(reason, str) and reason else ""
    return Html(f'<span class="sentence">{badge(_BADGES.get(status, "open"), status)}{said}</span>')


def _whole(value: Any) -> str:
    """Formats a nullable integer."""
    import pandas as pd

    return MISSING if pd.isna(value) else count(int(value))
