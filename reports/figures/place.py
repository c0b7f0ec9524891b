"""Charts into the page: a still picture, and the Vega-Lite specification that a script draws in its stead.

The still picture stays where scripts do not run: a mail reader, a locked-down viewer, a closed tab in print.
Vega's script is in the page once (`library`); `ast: true` has it interpret expressions, so that it needs no
`unsafe-eval`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.escape import safe, safe_json, visible
from reports.markup import raw, tabset
from reports.palette import FAINT, INK

if TYPE_CHECKING:
    from reports.figures.encoding import Chart

_STILL_WIDTH = 760  # px; the width of the page's body
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_CONFIG = {
    "font": _FONT,
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "domainColor": FAINT,
        "gridColor": "#eceef0",
        "labelColor": "#4a525b",
        "labelFontSize": 12,
        "labelLimit": 200,
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
        "labelLimit": 260,
        "orient": "bottom",
        "titleColor": "#4a525b",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
}


def place(chart: Chart, caption: str = "") -> str:
    """A chart and its caption as Markdown. The chart's `description` is read to those who can't see it."""
    import vl_convert

    specification = visible(chart.to_dict())
    specification["config"] = _CONFIG
    specification.pop("usermeta", None)
    still = vl_convert.vegalite_to_svg(_still(specification))
    source = f"data:image/svg+xml;base64,{base64.b64encode(still.encode()).decode()}"
    under = f"<figcaption>{safe(caption)}</figcaption>" if caption else ""
    return raw(
        f'<figure class="chart"><div class="vega-chart">'
        f'<img src="{source}" alt="{safe(specification["description"])}">'
        f'<script type="application/json">{safe_json(specification)}</script></div>{under}</figure>'
    )


def tabs(charts: Mapping[str, Chart], caption: str = "", empty: str = "") -> str:
    """Charts by the title of their tab, under one caption; `empty` is said where there are none."""
    if not charts:
        return raw(f'<p class="quiet">{safe(empty)}</p>') if empty else ""
    return tabset({title: place(chart, caption) for title, chart in charts.items()})


def library() -> str:
    """Vega, Vega-Lite and vega-embed (0.9 MB), and the script that draws every chart. Once a page, last."""
    import vl_convert

    script = vl_convert.javascript_bundle(Path(__file__).with_name("draw.js").read_text(encoding="utf-8"))
    return raw(f'<script type="module">{script}</script>')


def _still(specification: dict[str, Any]) -> dict[str, Any]:
    """The specification at a width of its own, since a picture has no container to fill."""
    if specification.get("width") != "container":
        return specification
    return specification | {"width": _STILL_WIDTH, "autosize": {"type": "fit-x", "contains": "padding"}}
