"""Draws the score of the procedure in every fold, by repeat, with the mean and its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.encoding import inline
from reports.metric_names import title
from reports.palette import INK
from tasks.evaluation.rounding import interval, rounded
from tasks.records.verdict import Verdict

if TYPE_CHECKING:
    from reports.figures.encoding import Chart


def out_of_fold(verdict: Verdict | None) -> dict[str, Chart]:
    """Returns the chart by the title of the deciding metric; empty for a run with a test part."""
    import altair as alt

    found = verdict.out_of_fold if verdict else None
    if verdict is None or found is None:
        return {}
    name = title(verdict.metric, verdict.titles)
    rows = [
        {"repeat": place // found.folds + 1, "fold": place % found.folds + 1, "score": score, "text": rounded(score)}
        for place, score in enumerate(found.scores)
        if score is not None
    ]
    mean = found.metrics[verdict.metric]
    whole = {"mean": mean.mean, "low": mean.low, "high": mean.high, "text": interval(mean)}
    x = alt.X("score:Q", title=name, scale=alt.Scale(zero=False))
    folds = alt.Chart(inline(rows)).encode(
        x=x,
        y=alt.Y("repeat:O", title="Repeat"),
        tooltip=[alt.Tooltip(f"{each}:{kind}") for each, kind in (("repeat", "O"), ("fold", "O"), ("text", "N"))],
    )
    over = alt.Chart(inline([whole])).encode(tooltip=[alt.Tooltip("text:N", title="mean over folds")])
    layers = [folds.mark_point(color="#2d6f9e", filled=True, size=55, opacity=0.75)]
    if mean.low is not None:
        layers.insert(0, over.mark_rect(color="#eaf3f8").encode(x=alt.X("low:Q"), x2="high:Q"))
    layers.append(over.mark_rule(color=INK, strokeWidth=2).encode(x=alt.X("mean:Q")))
    chart = alt.layer(*layers).properties(
        width="container",
        height=alt.Step(22),
        description=f"{name} in each fold, by repeat; mean and interval {whole['text']}",
    )
    return {name: chart}
