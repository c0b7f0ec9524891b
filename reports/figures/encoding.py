"""How every chart shows recipes and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import altair as alt

    from reports.palette import Palette

    Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart


def inline(rows: Sequence[Mapping[Any, Any]]) -> alt.InlineData:
    """Rows as a chart's data, numbers to five significant digits: nobody sees more; the page is smaller."""
    import altair as alt

    return alt.InlineData(values=[{name: _short(value) for name, value in row.items()} for row in rows])


def colour(palette: Palette, **options: Any) -> alt.Color:
    """The recipe's colour."""
    import altair as alt

    scale = alt.Scale(domain=list(palette.names), range=list(palette.colours))
    return alt.Color("recipe:N", title=None, scale=scale, **options)


def dash(palette: Palette, **options: Any) -> alt.StrokeDash:
    """The recipe's dash."""
    import altair as alt

    scale = alt.Scale(domain=list(palette.names), range=[list(dash) for dash in palette.dashes])
    return alt.StrokeDash("recipe:N", title=None, scale=scale, **options)


def logarithmic(field: str, words: str, values: Sequence[float], **options: Any) -> alt.X:
    """A horizontal axis on a logarithmic scale. Where two powers of ten or more lie among `values`, they alone are
    labelled: Vega's own choice may label 0.002 and not 0.001."""
    import altair as alt

    low, high = math.log10(min(values)), math.log10(max(values))
    powers = [10.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    ticks = {"values": powers} if 2 <= len(powers) <= _MOST_LABELS else {"tickCount": _MOST_LABELS}
    return alt.X(
        field,
        title=f"{words} (logarithmic)",
        scale=alt.Scale(type="log", nice=False, padding=26),  # room for half a label
        axis=alt.Axis(grid=False, format="~g", **ticks, **options),
    )


_MOST_LABELS = 8


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value
