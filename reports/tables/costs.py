"""The cost of a case for each way to decide, such as a threshold or a baseline."""

from __future__ import annotations

from reports.escape import safe
from reports.markup import raw, table
from reports.metric_names import title
from tasks.evaluation.metrics import COST
from tasks.evaluation.operating import FEW_POSITIVES
from tasks.evaluation.rounding import MISSING, interval, places, signed
from tasks.evaluation.wording import between, number
from tasks.records.verdict import OperatingPoint, Verdict


def threshold(verdict: Verdict | None) -> str:
    """Says from which probability on the class of interest is predicted, how it was chosen, how far it may move."""
    point = verdict.operating_point if verdict else None
    if verdict is None or point is None or not point.how or verdict.positive is None:
        return ""
    probability = number(point.threshold)
    said = f"{verdict.positive.name} is predicted where its probability is at least {probability}, {point.how}."
    if point.low is not None and point.high is not None:
        said += (
            f" Resamples of the validation rows and other seeds move it: the middle {verdict.confidence:.0%} lie in "
            f"{between(point.low, point.high)}."
        )
    if point.low is not None and point.positives is not None and point.positives < FEW_POSITIVES:
        said += (
            f" With so few positives in the validation part ({point.positives}) that says little: other rows might "
            "move it much further."
        )
    return raw(f"<p>{safe(said)}</p>")


def costs(verdict: Verdict | None) -> str:
    """Shows the cost of a case on the test part (or out of fold): at the chosen threshold, at others, and of other
    models."""
    point = verdict.operating_point if verdict else None
    if verdict is None or point is None or not point.costs:
        return ""
    decimals = places(each.cost for each in point.costs)
    rows = [
        (
            each.name,
            MISSING if each.threshold is None else number(each.threshold),
            interval(each.cost, decimals),
            _saved(point, each.cost.mean, decimals),
        )
        for each in point.costs
    ]
    name = title(COST, verdict.titles)
    head = ["Way to decide", "#From probability", f"#{name}", "#More than the shipped model"]
    caption = f"{name} {verdict.where}, by the way to decide"
    under = (
        "Thresholds were chosen on the validation part, each model's own. The best in hindsight was chosen by these "
        "very rows: nobody can know it before, and it has no interval."
    )
    return raw(f'{table(head, rows, caption=caption, marked=0)}<p class="under">{safe(under)}</p>')


def _saved(point: OperatingPoint, mean: float | None, decimals: int) -> str:
    own = point.costs[0].cost.mean if point.costs else None
    return MISSING if own is None or mean is None else signed(mean - own, decimals)
