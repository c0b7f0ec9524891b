"""Charts as they stand in the page: what is packed can be unpacked, and some of the recipes can be shown."""

from __future__ import annotations

import copy
from typing import Any

import altair as alt
import pytest

from reports.figures.encoding import BANDED, Shown
from reports.figures.packing import leading, packed
from reports.recipes import TOP, Look


def many(count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A chart of so many recipes with three points each, and what is known of it."""
    shown = Shown([Look(f"recipe {i} in full", f"r{i}", f"#{i:06x}", (1, i)) for i in range(count)])
    rows = [{"recipe": f"recipe {i} in full", "at": at, "kind": "mean"} for i in range(count) for at in range(3)]
    chart = alt.Chart(shown.inline(rows)).mark_line()
    drawn = chart.encode(
        y=alt.Y("recipe:N", sort=shown.labels),
        color=shown.colour(shown.legend()),
        strokeDash=shown.dash(shown.legend()),
    ).add_params(shown.banded())
    specification = shown.told(drawn, rows=True, height=(10, 30)).to_dict()
    return specification, specification.pop("usermeta")


def unpacked(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """As `draw.js` does it."""
    looks = chart["usermeta"].get("recipes")
    (data,) = chart["datasets"].values()
    if isinstance(data, list):
        return data
    columns = {}
    for name, column in data["columns"].items():
        if isinstance(column, list):
            columns[name] = column
        elif "recipes" in column:
            columns[name] = [looks["labels"][at] for at in column["recipes"]]
        else:
            columns[name] = [column["levels"][code] for code in column["codes"]]
    if looks:
        columns["full"] = [looks["names"][looks["labels"].index(label)] for label in columns["recipe"]]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("recipes", [3, TOP, TOP + 1, 100])
def test_packed_rows_come_back(recipes: int) -> None:
    specification, known = many(recipes)
    (rows,) = copy.deepcopy(specification["datasets"]).values()
    assert unpacked(packed(specification, known)) == rows


def test_lists_of_many_recipes_stand_once() -> None:
    specification, known = many(100)
    chart = packed(specification, known)
    assert chart["encoding"]["y"]["sort"] == {"recipes": "labels"}
    assert chart["encoding"]["color"]["scale"] == {"domain": {"recipes": "labels"}, "range": {"recipes": "colours"}}
    assert chart["encoding"]["strokeDash"]["scale"]["range"] == {"recipes": "dashes"}
    assert [each["value"] for each in chart["params"] if each["name"] == "banded"] == [{"recipes": "banded"}]
    few, known = many(TOP)
    assert "recipes" not in packed(few, known)["usermeta"]


def test_the_still_picture_is_of_the_leading_recipes() -> None:
    specification, known = many(100)
    chart = leading(specification, known)
    (rows,) = chart["datasets"].values()
    labels = [f"r{i}" for i in range(TOP)]
    assert list(dict.fromkeys(row["recipe"] for row in rows)) == chart["encoding"]["y"]["sort"] == labels
    assert chart["height"] == 10 + 30 * TOP
    assert chart["params"][0]["value"] == labels[:BANDED]
