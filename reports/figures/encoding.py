"""How every chart shows recipes and numbers."""

from __future__ import annotations

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


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value
