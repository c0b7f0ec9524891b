"""Puts charts into the page: a still picture, and the Vega-Lite specification that a script draws in its place.

The still picture stays where scripts do not run: a mail reader, a locked-down viewer, a closed tab in print.
Vega's script is in the page once (`library`). With `ast: true` it interprets expressions, so that it needs no
`unsafe-eval`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.escape import safe, safe_json, visible
from reports.figures.packing import leading, packed
from reports.markup import raw, tabset
from reports.palette import FAINT, INK

if TYPE_CHECKING:
    from reports.figures.encoding import Chart

_STILL_WIDTH = 760  # px; the width of the page's body
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_CONFIG: dict[str, Any] = {
    "font": _FONT,
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "domainColor": FAINT,
        "gridColor": "#eceef0",
        "labelColor": "#4a525b",
        "labelFontSize": 12,
        "labelLimit": 320,  # more than a recipe's label takes (`reports.labels.MOST`)
        "tickColor": FAINT,
        "titleColor": "#4a525b",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisX": {"labelBound": True},  # a label that would be cut at the edge is left out
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 320,
        "orient": "bottom",
        "titleColor": "#4a525b",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
}


@contextmanager
def trusted() -> Iterator[None]:
    """In the block, Altair does not check each piece of a chart against Vega-Lite's schema. The checks would take a
    quarter of a report's time, and the tests make them for our charts."""
    from altair.utils import schemapi

    with schemapi.debug_mode(False):
        yield


def place(chart: Chart, caption: str = "") -> str:
    """Returns a chart and its caption as Markdown. The chart's `description` is the alternative text."""
    import vl_convert

    specification = visible(chart.to_dict(validate=_checked()))
    known = {name: value for name, value in specification.pop("usermeta", {}).items() if name != "embedOptions"}
    specification["config"] = _CONFIG
    still = vl_convert.vegalite_to_svg(_still(specification, known))
    source = f"data:image/svg+xml;base64,{base64.b64encode(still.encode()).decode()}"
    if _shortened(known):
        caption = f"{caption} Labels are shortened: point at a mark for the full name.".strip()
    under = f"<figcaption>{safe(caption)}</figcaption>" if caption else ""
    wide = " wide" if known.get("wide") else ""
    return raw(
        f'<figure class="chart"><div class="vega-chart{wide}">'
        f'<img src="{source}" alt="{safe(specification["description"])}">'
        f'<script type="application/json">{safe_json(packed(specification, known))}</script></div>{under}</figure>'
    )


def tabs(charts: Mapping[str, Chart], caption: str = "", empty: str = "") -> str:
    """Returns charts as tabs by their titles, each with the same caption; the text `empty` if there are none."""
    if not charts:
        return raw(f'<p class="quiet">{safe(empty)}</p>') if empty else ""
    return tabset({title: place(chart, caption) for title, chart in charts.items()})


def prepare() -> None:
    """Does in advance what is slow in a process's first chart (0.7 s) and first page (2 s)."""
    import vl_convert

    vl_convert.vegalite_to_svg({"data": {"values": []}, "mark": "point"})
    library()


@cache
def library() -> str:
    """Returns Vega, Vega-Lite and vega-embed (0.9 MB), and the scripts that draw charts and sort and filter tables. Put
    it once into a page, at the end."""
    import vl_convert

    own = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("recipes.js", "draw.js"))
    script = vl_convert.javascript_bundle(own)
    return raw(f'<script type="module">{script}</script>')


def _checked() -> bool:
    """Whether charts are checked against the schema: not within `trusted`."""
    from altair.utils import schemapi

    return schemapi.DEBUG_MODE


def _still(specification: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the specification for the still picture: the leading recipes only, at a fixed width, since a picture has
    no container to fill."""
    chart = leading(specification, known) if "recipes" in known else dict(specification)
    # The reader's font may be wider than the one that text is measured with here.
    chart["config"] = _CONFIG | {"legend": _CONFIG["legend"] | {"columnPadding": 40}}
    if known.get("rows"):
        chart["padding"] = {"left": 36, "top": 5, "right": 5, "bottom": 5}
    if chart.get("width") != "container":  # facets have none of their own
        return chart
    return chart | {"width": _STILL_WIDTH, "autosize": {"type": "fit-x", "contains": "padding"}}


def _shortened(known: Mapping[str, Any]) -> bool:
    looks = known.get("recipes", {})
    return bool(looks.get("labels") != looks.get("names"))
