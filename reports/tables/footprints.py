"""The size and speed of models: parameters, bytes and latency."""

from __future__ import annotations

from reports.escape import Html, safe
from reports.markup import badge, raw, recipe, stacked, table
from reports.metric_names import title
from reports.numbers import count
from tasks.evaluation.footprint import BATCHES, BYTES, PARAMETERS, timed
from tasks.evaluation.rounding import MISSING, interval, places
from tasks.evaluation.wording import number
from tasks.records.estimate import Estimate
from tasks.records.footprint import Latency
from tasks.records.plan import Plan
from tasks.records.verdict import Verdict, of_batch

_TIMED = (
    "Latency is the time that the saved model, loaded from its files as predict.py loads it, takes from raw rows to "
    "answers in one call: the median of repeated calls after two that are not counted; brackets hold {share} of them. "
    "It is of the machine that judged this run, and of how busy that was."
)
_UNDER = (
    "Parameters are the network's own. Size is that of the model's files, preprocessing included. Bold: on the front "
    "of that figure: no other recipe is as small and as good, and better in one. Fronts go by the means, so chance has "
    "a part in them."
)


def footprints(verdict: Verdict | None, plan: Plan) -> str:
    """Describes the shipped model in a sentence, or shows a table of recipes if architectures differ. Empty if nothing
    was measured."""
    found = verdict.footprints if verdict else None
    if verdict is None or found is None:
        return ""
    if found.fronts is None:
        return _of_shipped(verdict)
    smaller = f"<p>{safe(found.smaller)}</p>" if found.smaller else ""
    return raw(f'{smaller}{_table(verdict, plan)}<p class="under">{safe(f"{_UNDER} {_timed(verdict)}")}</p>')


def _of_shipped(verdict: Verdict) -> str:
    """Describes the shipped model in words, for runs with nothing to compare."""
    assert verdict.footprints is not None and verdict.shipped is not None
    models = [each for each in verdict.footprints.models if each.trial_id == verdict.shipped.trial_id]
    if not models:
        return ""
    model = models[0]
    size = f"{number(model.model_bytes / 1000)} kB, preprocessing included"
    has = f"takes {size}" if model.parameters is None else f"has {count(model.parameters)} parameters and takes {size}"
    times = [
        f"{_latency(timed)} ms for{of_batch(int(batch)).removeprefix(' of')}"
        for batch, timed in model.latency_ms.items()
    ]
    answers = f" Its latency is {' and '.join(times)}." if times else ""
    said = f"The saved model ({verdict.saved}) {has}.{answers}"
    under = f'<p class="under">{safe(_timed(verdict))}</p>' if times else ""
    return raw(f"<p>{safe(said)}</p>{under}")


def _table(verdict: Verdict, plan: Plan) -> Html:
    found = verdict.footprints
    assert found is not None
    recipe_of = {each.trial_id: plan.variant(each.variant_id).recipe_id for each in plan.trials}
    metrics = {each.recipe_id: each.metrics.get(verdict.metric) for each in verdict.recipes}
    decimals = places(metrics.values())
    shipped = verdict.shipped
    rows = []
    for model in sorted(found.models, key=lambda each: (each.parameters is None, each.parameters, each.model_bytes)):
        own = recipe_of.get(model.trial_id)
        saved = shipped is not None and model.trial_id == shipped.trial_id
        name = recipe((verdict.name_of(own) if own else verdict.saved) or "")
        metric = metrics.get(own) if own else shipped.metrics.get(verdict.metric) if shipped else None
        cells = {
            PARAMETERS: MISSING if model.parameters is None else count(model.parameters),
            BYTES: number(model.model_bytes / 1000),
            **{timed(batch): _latency(model.latency_ms.get(str(batch))) for batch in BATCHES},
        }
        rows.append(
            (
                Html(f"{name} {badge('quiet', 'shipped')}") if saved else name,
                stacked(interval(metric, decimals)),
                *(_marked(cell, own in (found.fronts or {}).get(figure, ())) for figure, cell in cells.items()),
            )
        )
    head = ["Model", f"#{title(verdict.metric, verdict.titles)}", "#Parameters", "#Size, kB"]
    head += [f"#Latency{of_batch(batch)}, ms" for batch in BATCHES]
    return table(head, rows, caption="Parameters, size and latency of models", lists="recipes")


def _timed(verdict: Verdict) -> str:
    return _TIMED.format(share=f"{verdict.confidence:.0%}")


def _latency(timed: Latency | None) -> str:
    return interval(Estimate(timed.median, timed.low, timed.high)) if timed else MISSING


def _marked(cell: str, on_front: bool) -> Html:
    mean, blank, bounds = stacked(cell).partition(" ")
    return Html(f"<b>{mean}</b>{blank}{bounds}") if on_front else stacked(cell)
