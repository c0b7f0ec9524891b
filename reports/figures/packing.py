"""Packs a chart's specification for the page: it is small, and the reader can show some of its recipes.

`draw.js` reads what is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.figures.encoding import BANDED
from reports.recipes import TOP

_FEW = 40  # rows; packing fewer saves nothing
_LISTS = ("labels", "colours", "dashes")


def leading(specification: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the chart with only its first `TOP` recipes.

    Args:
        specification: Vega-Lite, as plain JSON.
        known: The facts that `Shown.told` put beside it.
    """
    looks = known["recipes"]
    kept = {name: looks[name][:TOP] for name in _LISTS}
    chart = _replaced(_without_data(specification), [(looks[name], kept[name]) for name in _LISTS])
    labels = set(kept["labels"])
    data = {
        name: [row for row in rows if row.get("recipe", kept["labels"][0]) in labels]
        for name, rows in specification["datasets"].items()
    }
    if "height" in known:
        without, each = known["height"]
        chart["height"] = without + each * len(labels)
    return {**chart, "datasets": data}


def packed(specification: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the same chart in fewer bytes: rows as columns, and repeated strings as places in a list. With more than
    `TOP` recipes, the lists of labels, colours and dashes are written once, in `usermeta`."""
    looks = known.get("recipes", {})
    many = len(looks.get("labels", ())) > TOP
    chart = _without_data(specification)
    own = {name: value for name, value in known.items() if name != "recipes"}
    if many:
        marks = [(looks[name], {"recipes": name}) for name in _LISTS]
        chart = _replaced(chart, [*marks, (looks["labels"][:BANDED], {"recipes": "banded"})])
        own["recipes"] = looks
    data = {
        name: rows if len(rows) < _FEW else _columns(rows, looks["labels"] if many else None)
        for name, rows in specification["datasets"].items()
    }
    return {**chart, "datasets": data, "usermeta": own}


def _without_data(specification: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in specification.items() if name != "datasets"}


def _replaced(value: Any, lists: Sequence[tuple[list[Any], Any]]) -> Any:
    """Returns `value` with lists replaced: `lists` holds pairs of a list to find and its replacement."""
    if isinstance(value, list):
        for old, new in lists:
            if value == old:
                return new
        return [_replaced(each, lists) for each in value]
    if isinstance(value, dict):
        return {name: _replaced(each, lists) for name, each in value.items()}
    return value


def _columns(rows: Sequence[Mapping[str, Any]], labels: Sequence[str] | None) -> dict[str, Any]:
    """Returns the rows as columns. With `labels`, `recipe` becomes a place in them, and the full name is left out."""
    place: dict[Any, int] = {label: at for at, label in enumerate(labels)} if labels else {}
    columns: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if place and name == "recipe":
            columns[name] = {"recipes": [place[value] for value in values]}
        elif not place or name != "full":
            columns[name] = _column(values)
    return {"rows": len(rows), "columns": columns}


def _column(values: list[Any]) -> Any:
    if not all(isinstance(value, str) for value in values):
        return values
    levels = list(dict.fromkeys(values))
    if 2 * len(levels) > len(values):
        return values
    place = {level: at for at, level in enumerate(levels)}
    return {"levels": levels, "codes": [place[value] for value in values]}
