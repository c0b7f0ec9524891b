"""The shipped model's figures on slices of the test rows (or out of fold)."""

from __future__ import annotations

from reports.escape import Html, safe
from reports.markup import badge, raw, table
from reports.metric_names import title
from reports.numbers import count
from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.metrics import COST
from tasks.evaluation.rounding import MISSING, fixed, interval, places, signed_interval
from tasks.evaluation.slices import FEWEST_ROWS
from tasks.evaluation.wording import inside, number
from tasks.records.estimate import Estimate
from tasks.records.slices import FairnessPrice, JudgedSlice, JudgedSlicing
from tasks.records.verdict import Verdict

_RATES = ("Selection rate", "True positive rate", "False positive rate")


def slicing(verdict: Verdict, found: JudgedSlicing) -> str:
    """Shows one slicing: its slices as a table, the fairness differences, and the worst slice in words."""
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
    who = "The procedure out of fold" if verdict.out_of_fold else f"The shipped model on the {verdict.part} part"
    caption = f"{who} by {' and '.join(found.columns)}"
    under = _under(verdict, any(each.few for each in found.slices))
    sentences = [f"<li>{safe(said)}</li>" for said in _sentences(verdict, found)]
    listed = f"<ul>{''.join(sentences)}</ul>" if sentences else ""
    return raw(f'{table(head, rows, caption=caption, lists="slices")}<p class="under">{safe(under)}</p>{listed}')


def _head(found: JudgedSlicing) -> Html:
    return safe(", ".join(found.columns))


def _name(each: JudgedSlice) -> Html:
    return Html(f"{safe(each.name)} {badge('open', 'too few to tell')}") if each.few else safe(each.name)


def _columns(verdict: Verdict, found: JudgedSlicing) -> dict[str, list[Estimate | None]]:
    """Returns, by the title of a figure, its estimates for all slices. Figures that no slice has are left out."""
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
    if verdict.out_of_fold:
        said += (
            " Figures are means over folds; an interval holds both that over folds and that over the rows. Where it is "
            "missing, some fold has no rows of the slice that the figure could be measured on."
        )
    limit = f"Fewer than {FEWEST_ROWS} rows are too few to tell: a share's exact 95% interval may be 37 points wide."
    return f"{said} {limit}" if few else said


def _price(verdict: Verdict, price: FairnessPrice) -> str:
    """Says what it costs to meet a fairness gate."""
    gate = f"the gate {inside(FAIRNESS[price.metric])} at most {price.at_most:,.12g}"
    if price.threshold is None or price.more is None:
        return f"No single threshold for all slices meets {gate} on the validation part."
    estimates = [Estimate(price.chosen_cost), Estimate(price.least_cost), price.more]
    decimals = places(estimates)
    return (
        f"To meet {gate} with one threshold for all slices ({number(price.threshold)}), a case costs at least "
        f"{fixed(price.chosen_cost, decimals)} on the validation part, where the least without the gate is "
        f"{fixed(price.least_cost, decimals)}; on the {verdict.part} part that is "
        f"{signed_interval(price.more, decimals)} a case against the shipped model's threshold, and the difference is "
        f"{number(price.difference or 0.0)}."
    )


def _sentences(verdict: Verdict, found: JudgedSlicing) -> list[str]:
    said = [found.nothing] if found.nothing else []
    for each in found.differences:
        figure = interval(each.difference)
        if figure != MISSING:
            said.append(f"{each.title}: {figure}, {each.lies}. Its bounds hold for all slices together.")
    said += [_price(verdict, each) for each in verdict.fairness_prices or () if list(each.by) == list(found.columns)]
    return [*said, *([found.worst.sentence] if found.worst else [])]
