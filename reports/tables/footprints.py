"""What models take, as a table: parameters, bytes and latency."""

from __future__ import annotations

from reports.escape import Html, safe
from reports.markup import badge, raw, recipe, table
from reports.metric_names import title
from reports.numbers import count
from tasks.evaluation.rounding import MISSING, interval, places
from tasks.records.footprint import Footprint
from tasks.records.plan import Plan
from tasks.records.verdict import Estimate, Verdict

_UNDER = (
    "Parameters: of the network, trained or not. Bytes: of the saved model with its preprocessing. Latency: median of "
    "repeated calls from raw rows to answers with its interval, on the machine that judged the run, which may have "
    "been busy. Front: no other recipe is both as small and as good."
)


def footprints(verdict: Verdict | None, plan: Plan) -> str:
    """The recipes where architectures differ, and the shipped model; nothing where no model was measured."""
    found = verdict.footprints if verdict else None
    if verdict is None or found is None:
        return ""
    models = {each.trial_id: each for each in found.models}
    names = {each.trial_id: plan.variant(each.variant_id).recipe_id for each in plan.trials}
    shipped = verdict.shipped
    metrics = {each.recipe_id: each.metrics.get(verdict.metric) for each in verdict.recipes}
    decimals = places(metrics.values())
    rows = []
    for trial, model in models.items():
        own = names.get(trial)
        is_shipped = shipped is not None and trial == shipped.trial_id
        if own is None and not is_shipped:
            continue
        name = verdict.name_of(own) if own else verdict.saved or ""
        marks = [badge("quiet", "shipped")] if is_shipped else []
        marks += [badge("good", "front")] if own in found.front else []
        metric = metrics.get(own) if own else shipped and shipped.metrics.get(verdict.metric)
        rows.append(
            (
                Html(" ".join([recipe(name), *marks])),
                interval(metric, decimals) if metric else MISSING,
                MISSING if model.parameters is None else count(model.parameters),
                count(model.model_bytes),
                _latency(model, 1),
                _latency(model, 256),
            )
        )
    head = ["Model", f"#{title(verdict.metric, verdict.titles)}", "#Parameters", "#Bytes"]
    head += ["#Latency of a row, ms", "#Of 256 rows, ms"]
    caption = "Parameters, bytes and latency of models"
    smaller = f"<p>{safe(found.smaller)}</p>" if found.smaller else ""
    return raw(f'{smaller}{table(head, rows, caption=caption)}<p class="under">{safe(_UNDER)}</p>')


def _latency(model: Footprint, batch: int) -> str:
    timed = model.latency_ms.get(str(batch))
    return interval(Estimate(timed.mean, timed.low, timed.high)) if timed else MISSING
