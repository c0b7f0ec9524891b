"""How every chart shows recipes and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from reports.recipes import TOP, Look

if TYPE_CHECKING:
    import altair as alt

    Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart

Span: TypeAlias = tuple[float, float]

BANDED = 3
"""Recipes whose bands are drawn: more bands would overlap and hide the lines."""

_LEGEND = 760  # px; width of a legend under a chart
_SIGN, _LETTER = 50, 7  # px; width of an entry's symbol with its gaps, and of a letter


def inline(rows: Sequence[Mapping[Any, Any]]) -> alt.InlineData:
    """Returns rows as a chart's data, numbers to five significant digits: nobody sees more, and the page is smaller."""
    import altair as alt

    return alt.InlineData(values=[{name: _short(value) for name, value in row.items()} for row in rows])


def own_range() -> alt.Scale:
    """Returns a scale over the range of the values, with some space at the ends. It need not include 0."""
    import altair as alt

    return alt.Scale(zero=False, nice=False, padding=8)


def legend_columns(labels: Sequence[str]) -> int:
    """Returns the number of columns, 1 to 4, in which a legend of these labels fits under a chart."""
    return max(1, min(4, _LEGEND // (_SIGN + _LETTER * max(map(len, labels), default=0))))


@dataclass(frozen=True)
class Shown:
    """The recipes of one chart, in the order in which it shows them."""

    looks: Sequence[Look]

    @property
    def labels(self) -> list[str]:
        return [look.label for look in self.looks]

    def inline(self, rows: Sequence[Mapping[str, Any]]) -> alt.InlineData:
        """Returns rows as a chart's data. Their `recipe`, a full name, becomes the label; `full` is the name, for
        tooltips."""
        label = {look.name: look.label for look in self.looks}
        return inline([{**row, "recipe": label[row["recipe"]], "full": row["recipe"]} for row in rows])

    def colour(self, legend: alt.Legend | None) -> alt.Color:
        """Returns the encoding of the recipe as colour."""
        import altair as alt

        scale = alt.Scale(domain=self.labels, range=[look.colour for look in self.looks])
        return alt.Color("recipe:N", title=None, scale=scale, legend=legend)

    def dash(self, legend: alt.Legend | None) -> alt.StrokeDash:
        """Returns the encoding of the recipe as dash."""
        import altair as alt

        scale = alt.Scale(domain=self.labels, range=[list(look.dash) for look in self.looks])
        return alt.StrokeDash("recipe:N", title=None, scale=scale, legend=legend)

    def legend(self, *, stroke: bool = True) -> alt.Legend:
        """Returns a legend with an entry for each recipe, in as many columns as fit under the chart."""
        import altair as alt

        kind: dict[str, Any] = {"symbolType": "stroke", "symbolStrokeWidth": 3, "symbolSize": 300} if stroke else {}
        return alt.Legend(columns=legend_columns(self.labels), values=self.labels, symbolOpacity=1, **kind)

    def banded(self) -> alt.Parameter:
        """Returns the parameter that the filter `banded` reads: the recipes with a band while the reader has chosen
        none."""
        import altair as alt

        return alt.param(name="banded", value=self.labels[:BANDED])

    def told(
        self,
        chart: Chart,
        *,
        rows: bool = False,
        height: tuple[float, float] | None = None,
        spans: tuple[Span, Span] | None = None,
    ) -> Chart:
        """Returns the chart with the facts that `draw.js` needs to show some of its recipes.

        Args:
            chart: The chart.
            rows: Whether each recipe is a row of the chart.
            height: Pixels without any recipe, and pixels for each recipe, if the recipes decide the chart's height.
            spans: The parameter `span` for the first `TOP` recipes, and for all.
        """
        looks = {
            "labels": self.labels,
            "names": [look.name for look in self.looks],
            "colours": [look.colour for look in self.looks],
            "dashes": [list(look.dash) for look in self.looks],
        }
        known: dict[str, Any] = {"rows": rows, "recipes": looks}
        if spans:
            known["spans"] = {"leading": list(spans[0]), "all": list(spans[1])}
        if height:
            known["height"] = list(height)
            chart = chart.properties(height=height[0] + height[1] * len(self.looks))
        return chart.properties(usermeta=known)


def banded(chosen: alt.Parameter) -> Any:
    """Returns a filter that keeps the bands of recipes chosen in the legend, or, if none is, of the first `BANDED`."""
    return {
        "or": [
            {"param": chosen.name, "empty": False},
            {"and": [{"param": chosen.name}, "indexof(banded, datum.recipe) >= 0"]},
        ]
    }


def recipe_tooltip() -> alt.Tooltip:
    """Returns a tooltip with the recipe's full name."""
    import altair as alt

    return alt.Tooltip("full:N", title="recipe")


def span_of(leading: Span, every: Span, recipes: int) -> tuple[alt.Parameter, tuple[Span, Span]]:
    """Returns the parameter `span`, which scales refer to, for a chart of `recipes` recipes; and its two values, for
    `told`."""
    import altair as alt

    spans = (leading, every)
    return alt.param(name="span", value=list(every if recipes <= TOP else leading)), spans


def logarithmic(field: str, words: str, values: Sequence[float], format: str = "~g", **options: Any) -> alt.X:
    """Returns a horizontal logarithmic axis. If two powers of ten or more lie within the range of `values`, only these
    are labelled, since Vega may label 0.002 and not 0.001."""
    import altair as alt

    low, high = math.log10(min(values)), math.log10(max(values))
    powers = [10.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    ticks = {"values": powers} if 2 <= len(powers) <= _MOST_LABELS else {"tickCount": _MOST_LABELS}
    return alt.X(
        field,
        title=f"{words} (logarithmic)",
        scale=alt.Scale(type="log", nice=False, padding=26),  # room for half a label
        axis=alt.Axis(grid=False, format=format, **ticks, **options),
    )


_MOST_LABELS = 8


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value
