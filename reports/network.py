"""The section that looks into networks: the size of each layer's steps, and what the shipped network learned."""

from __future__ import annotations

from collections.abc import Callable

from reports import figures
from reports.escape import safe
from reports.markup import preview, raw, titled
from reports.numbers import count
from reports.run import Run
from tasks.evaluation.wording import number, percent
from tasks.records.inspection import Filters, HiddenUnits, NetworkWeights


def has_layers(run: Run) -> bool:
    """Whether there is something to show."""
    return _learned(run) is not None or bool(run.curves["layer"].notna().any())


def _steps(run: Run) -> str:
    charts = figures.steps(run.curves, run.trials, run.plan, run.verdict)
    if not charts:
        return ""
    caption = (
        "Effective learning rate of a layer: the norm of its last step over the norm of its gradient on some training "
        "rows; the geometric mean over seeds. Under plain gradient descent it is the "
        "learning rate, but for the noise of batches, which raises it late in training. Momentum raises it, and an "
        "adaptive optimizer gives each layer its own."
    )
    return titled("Steps of each layer", figures.tabs(charts, caption=caption))


def _weights(run: Run) -> str:
    learned = _learned(run)
    if learned is None or not learned.layers:
        return ""
    zeros = [f"{count(each.zeros)} of {count(each.weights)} in {each.name}" for each in learned.layers if each.zeros]
    said = f" Exactly 0 are {', '.join(zeros)}." if zeros else ""
    layers = "layer in the middle is" if learned.left_out == 1 else "layers in the middle are"
    left_out = f" {count(learned.left_out)} {layers} left out." if learned.left_out else ""
    caption = f"The weights of the saved network by layer, without biases.{said}{left_out}"
    return titled("Weights", figures.tabs(figures.histograms(learned.layers), caption=caption))


def _filters(run: Run) -> str:
    learned = _learned(run)
    if learned is None or learned.filters is None:
        return ""
    found = learned.filters
    content = run.pictures.get(found.picture)
    if content is None:
        return ""
    under = f"{_shown(found)} {_colours(found)} Each has its own scale."
    drawn = preview(content, f"Weights of {found.shown} units of the first layer")
    return titled("What the first layer looks for", raw(f'{drawn}<p class="under">{safe(under)}</p>'))


def _shown(found: Filters) -> str:
    if found.shown == found.units:
        return f"One tile for each of the first layer's {found.units} units, those with the largest weights first."
    return f"The {found.shown} units with the largest weights, of the first layer's {count(found.units)}, a tile each."


def _colours(found: Filters) -> str:
    if found.colours:
        return "Colours are the weights of red, green and blue; grey is 0."
    return "Blue pixels raise the unit's answer, orange ones lower it, white ones are not looked at."


def _hidden(run: Run) -> str:
    learned = _learned(run)
    if learned is None or learned.hidden is None:
        return ""
    found = learned.hidden
    several = len(found.outputs) > 1
    to = "score of each class (its logit)" if several else f"value of {found.outputs[0]}, standardised"
    left_out = " What is added to all classes alike changes no probability and is left out." if several else ""
    tiles = ", in the order of the tiles above, from left to right" if learned.filters else ""
    caption = (
        f"What each unit of the hidden layer adds to the {to}: its answer times its outgoing weight, the mean over "
        f"{count(found.rows)} rows of the training part. A row of the chart is a unit{tiles}. Blue raises, orange "
        f"lowers.{left_out}"
    )
    chart = figures.place(figures.units(found), caption)
    return titled("What each hidden unit adds", f"{safe(_strongest(found))}\n\n{chart}")


def _strongest(found: HiddenUnits) -> str:
    """Says what the unit with the largest contribution does, and how many units are never active."""
    unit = max(range(len(found.added)), key=lambda place: max(map(abs, found.added[place])))
    own = dict(zip(found.outputs, found.added[unit], strict=True))
    done = [
        f"{verb} {name} by {number(abs(own[name]))}"
        for verb, name, does in (
            ("raises", max(own, key=lambda each: own[each]), max(own.values()) > 0),
            ("lowers", min(own, key=lambda each: own[each]), min(own.values()) < 0),
        )
        if does
    ]
    said = f"Unit {unit + 1} adds most: it answers in {percent(found.active[unit])} of the rows"
    silent = sum(share == 0 for share in found.active)
    never = f" {silent} of {len(found.active)} shown never answer." if silent else ""
    return f"{said}{', and on average ' + ' and '.join(done) if done else ''}.{never}"


def _learned(run: Run) -> NetworkWeights | None:
    return run.inspected.network if run.inspected else None


PARTS: dict[str, Callable[[Run], str]] = {
    "steps of layers": _steps,
    "weights": _weights,
    "filters": _filters,
    "hidden": _hidden,
}
"""The parts by the name under which a failure is reported, in the order of the section."""
