"""Draws a gate: the threshold, the side that passes, and the interval of the estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from reports.figures.encoding import inline
from reports.figures.place import place
from reports.markup import gate_answer, raw
from reports.metric_names import title
from reports.palette import BETTER, INK, OPEN, WORSE
from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.footprint import BYTES, FOOTPRINT, LATENCY, reading
from tasks.evaluation.gates import limit
from tasks.evaluation.metrics import METRICS
from tasks.records.estimate import Estimate
from tasks.records.verdict import GateResult, Verdict

if TYPE_CHECKING:
    from reports.figures.encoding import Chart

_UNITS = {BYTES: ("kB", 1000), LATENCY: ("ms", 1)}
"""By metric: the unit of the axis, and how many of the metric's own units it is."""

_NARROW = 0.15
"""Share of a chart's width that is too narrow for the words beside a threshold."""

_COLOURS = {"pass": BETTER, "fail": WORSE, "undecided": OPEN}


def gates(verdict: Verdict | None) -> str:
    """Returns every gate as Markdown: its answer, its sentence, its chart."""
    if not verdict:
        return raw('<p class="quiet">This run was not judged.</p>')
    found = verdict.gates
    if not found:
        return raw('<p class="quiet">The spec sets no gates.</p>')
    return "\n".join(
        raw(f'<div class="gate"><p>{gate_answer(entry)}</p></div>')
        + (place(gate(entry, verdict.titles)) if entry.estimate is not None else "")
        for entry in found
    )


def gate(gate: GateResult, titles: Mapping[str, str]) -> Chart:
    """Draws estimate and interval against the threshold. The side that passes is shaded."""
    import altair as alt

    at_least = gate.bound == "at_least"
    unit, scale = _UNITS.get(gate.metric, ("", 1))
    estimate = Estimate(gate.estimate, gate.low, gate.high)
    figures = {name: None if value is None else value / scale for name, value in asdict(estimate).items()}
    threshold = gate.threshold / scale
    start, end = _domain(gate.metric, [threshold, *(value for value in figures.values() if value is not None)])
    row = {
        **figures,
        "threshold": threshold,
        "from": threshold if at_least else start,
        "to": end if at_least else threshold,
        "text": reading(gate.metric, estimate),
        "limit": limit(gate.metric, gate.bound, gate.threshold),
    }
    name = title(gate.metric, titles) + gate.of
    x = alt.X(
        "mean:Q",
        title=f"{name}, {unit}" if unit else name,
        scale=alt.Scale(domain=[start, end], zero=False, nice=False),
        axis=alt.Axis(tickCount=8, grid=False),
    )
    base = alt.Chart(inline([row])).encode(
        tooltip=[alt.Tooltip("text:N", title=name), alt.Tooltip("limit:N", title="gate")]
    )
    colour = _COLOURS[gate.answer]
    shaded = end - threshold if at_least else threshold - start
    right = at_least if shaded > _NARROW * (end - start) else not at_least  # where there is room for words
    return alt.layer(
        base.mark_rect(color="#eaf3f8").encode(x=alt.X("from:Q"), x2="to:Q"),
        base.mark_rule(color=INK, strokeWidth=2).encode(x=alt.X("threshold:Q")),
        base.mark_text(
            color="#4a525b",
            fontSize=11,
            baseline="top",
            y=3,
            align="left" if right else "right",
            dx=5 if right else -5,
        ).encode(x=alt.X("threshold:Q"), text="limit:N"),
        base.mark_rule(color=colour, strokeWidth=4, strokeCap="round", y=34).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(color=colour, filled=True, size=130, opacity=1, y=34).encode(x=x),
    ).properties(
        width="container",
        height=52,
        description=f"{name} {row['text']}, gate {row['limit']}: {gate.answer}",
    )


def _domain(metric: str, values: list[float]) -> tuple[float, float]:
    """Returns the ends of the axis: with room on both sides of all values, within the metric's own bounds."""
    margin = 0.25 * (max(values) - min(values)) or 0.1 * abs(values[0]) or 1.0
    start, end = min(values) - margin, max(values) + margin
    known = METRICS[metric].bounds if metric in METRICS else (-math.inf, math.inf)
    known = (0.0, math.inf) if metric in FOOTPRINT else known
    lowest, highest = (0.0, 1.0) if metric in FAIRNESS else known
    return max(start, lowest), min(end, highest)
