"""The verdict for a run's page in Prefect: a text that begins with the decision, and two tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reports.metric_names import measured, title
from tasks.errors import plain
from tasks.evaluation.footprint import reading
from tasks.evaluation.gates import limit
from tasks.evaluation.rounding import fixed, interval, places, signed
from tasks.evaluation.wording import opening
from tasks.records.estimate import Estimate
from tasks.records.verdict import Verdict

Rows = list[dict[str, str]]


def summary(verdict: Verdict, report: str) -> str:
    """Returns Markdown: whether to ship, a link to the report, the comparison, the gates, what to do next.

    Args:
        report: The report's address.
    """
    made = verdict.decision
    gates = [f"- **{gate.answer}**: {_text(gate.sentence)}" for gate in verdict.gates]
    lines = [f"# {_text(made.sentence)}", f"{_text(opening(made.reason))}.", f"[Open the report]({report})"]
    parts = [*lines, _text(verdict.sentence), "\n".join(gates), _list("Next", verdict.next)]
    return "\n\n".join(part for part in [*parts, _list("Notes", verdict.warnings)] if part)


def comparison(verdict: Verdict) -> Rows:
    """Returns a row for each recipe by rank, then for each baseline; metrics with their intervals."""
    against = {each.recipe_id: each for each in verdict.comparisons}
    decimals = {name: places(each.metrics.get(name) for each in verdict.recipes) for name in measured(verdict)}
    rows = []
    for recipe in verdict.recipes:
        compared = against.get(recipe.recipe_id)
        row = {"rank": str(recipe.rank), "recipe": plain(recipe.recipe)}
        row |= _metrics(verdict, recipe.metrics, decimals)
        row["the leader is"] = f"{compared.answer} ({_difference(compared.estimate)})" if compared else ""
        rows.append(row | {"note": plain(recipe.note or "")})
    for baseline in verdict.baselines:
        row = {"rank": "", "recipe": plain(f"baseline: {baseline.name}")}
        rows.append(row | _metrics(verdict, baseline.metrics, decimals) | {"the leader is": "", "note": ""})
    return rows


def gates(verdict: Verdict) -> Rows:
    """Returns a row for each gate."""
    return [
        {
            "answer": gate.answer,
            "severity": gate.severity,
            "gate": plain(
                f"{title(gate.metric, verdict.titles)}{gate.of} {limit(gate.metric, gate.bound, gate.threshold)}"
            ),
            "estimate": reading(gate.metric, Estimate(gate.estimate, gate.low, gate.high)),
            "sentence": plain(gate.sentence),
        }
        for gate in verdict.gates
    ]


def _text(text: str) -> str:
    r"""Escapes a text for Prefect's page with backslashes. Prefect's Markdown understands these, but would show
    character references as they are written.

    >>> print(_text("a_b <i> [0.1]"))
    a\_b \<i\> \[0.1\]
    """
    return re.sub(r"([\\`*_\[\]<>!|~#])", r"\\\1", " ".join(plain(text).split()))


def _metrics(verdict: Verdict, metrics: Mapping[str, Estimate], decimals: dict[str, int]) -> dict[str, str]:
    return {
        plain(title(name, verdict.titles)): interval(metrics.get(name), digits) for name, digits in decimals.items()
    }


def _difference(estimate: Estimate) -> str:
    return signed(estimate.mean, places([estimate])) if estimate.mean is not None else fixed(None, 0)


def _list(heading: str, sentences: Sequence[str]) -> str:
    return "\n".join([f"**{heading}**", "", *(f"- {_text(sentence)}" for sentence in sentences)]) if sentences else ""
