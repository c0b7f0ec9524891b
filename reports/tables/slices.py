"""How the shipped model does in slices of the judged rows."""

from __future__ import annotations

from reports.escape import Html, safe
from reports.markup import badge, raw, table
from reports.metric_names import title
from reports.numbers import count
from tasks.evaluation.metrics import COST
from tasks.evaluation.rounding import MISSING, interval, places
from tasks.evaluation.slices import FEWEST_ROWS
from tasks.records.verdict import Estimate, JudgedSlice, JudgedSlicing, Verdict

_RATES = ("Selection rate", "True positive rate", "False positive rate")


def slicing(verdict: Verdict, found: JudgedSlicing) -> str:
    """One slicing: its slices as a table, the fairness differences, and the worst slice in words."""
    columns = _columns(verdict, found)
    decimals = {name: places(estimates) for name, estimates in columns.items()}
    decimals |= {name: min(decimals[name], 3) for name in _RATES if name in decimals}  # a narrower table
    counted = any(each.positives is not None for each in found.slices)
    head = [_head(found), "#Rows", *(["#Positives"] if counted else []), *(f"#{name}" for name in columns)]
    rows = [
        (
            _name(each),
            count(each.rows),
            *([count(each.positives)] if counted else []),
            *(interval(values[place], decimals[name]) for name, values in columns.items()),
        )
        for place, each in enumerate(found.slices)
    ]
    caption = f"The shipped model on the {verdict.part} part by {' and '.join(found.columns)}"
    under = _under(verdict, any(each.few for each in found.slices))
    sentences = [f"<li>{safe(said)}</li>" for said in _sentences(found)]
    listed = f"<ul>{''.join(sentences)}</ul>" if sentences else ""
    return raw(f'{table(head, rows, caption=caption, lists="slices")}<p class="under">{safe(under)}</p>{listed}')


def _head(found: JudgedSlicing) -> Html:
    return safe(", ".join(found.columns))


def _name(each: JudgedSlice) -> Html:
    return Html(f"{safe(each.name)} {badge('open', 'too few to tell')}") if each.few else safe(each.name)


def _columns(verdict: Verdict, found: JudgedSlicing) -> dict[str, list[Estimate | None]]:
    """By title, where any slice has it, the estimates of all slices."""
    metric = title(verdict.metric, verdict.titles)
    columns: dict[str, list[Estimate | None]] = {
        metric: [each.metric for each in found.slices],
        _RATES[0]: [each.selection for each in found.slices],
        _RATES[1]: [each.true_positive for each in found.slices],
        _RATES[2]: [each.false_positive for each in found.slices],
        "Mean residual": [each.residual for each in found.slices],
    }
    if verdict.metric != COST:
        columns[title(COST, verdict.titles)] = [each.cost for each in found.slices]
    return {name: estimates for name, estimates in columns.items() if any(estimates)}


def _under(verdict: Verdict, few: bool) -> str:
    said = f"Brackets hold {verdict.confidence:.0%} intervals of one slice each, not of all together."
    limit = f"Fewer than {FEWEST_ROWS} rows are too few to tell: a share's exact 95% interval may be 37 points wide."
    return f"{said} {limit}" if few else said


def _sentences(found: JudgedSlicing) -> list[str]:
    said = [found.nothing] if found.nothing else []
    for each in found.differences:
        figure = interval(each.difference)
        if figure != MISSING:
            said.append(f"{each.title}: {figure}, {each.lies}. Its bounds hold for all slices together.")
    return [*said, *([found.worst.sentence] if found.worst else [])]
