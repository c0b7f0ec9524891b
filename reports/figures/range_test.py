"""The learning-rate range test: the loss after a short training against the rate, and the range that it suggests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import Shown, logarithmic, recipe_tooltip

if TYPE_CHECKING:
    from reports.figures.encoding import Chart
    from reports.recipes import Look
    from tasks.records.search_plan import RangeTest

_HEIGHT = 340  # px


def range_test(tests: Sequence[RangeTest], looks: Sequence[Look]) -> Chart:
    """Draws a line for each recipe, thick within its range. A rate at which a training diverged has no point."""
    import altair as alt

    rows: list[dict[str, Any]] = [
        {
            "recipe": test.recipe,
            "rate": rate,
            "loss": loss,
            "good": test.best is not None and test.low <= rate <= test.high,
        }
        for test in tests
        for rate, loss in zip(test.rates, test.losses, strict=True)
        if loss is not None
    ]
    first = [next((loss for loss in test.losses if loss is not None), None) for test in tests]
    # A diverging loss is cut off at twice the loss of the lowest rate, at which hardly anything was learned.
    most = 2 * max((loss for loss in first if loss is not None), default=1.0)
    shown = Shown(looks)
    base = alt.Chart(shown.inline(rows)).encode(
        x=logarithmic("rate:Q", "Learning rate", [row["rate"] for row in rows] or [1e-3, 1.0]),
        y=alt.Y(
            "loss:Q",
            title="Validation loss after the test",
            scale=alt.Scale(domain=[0, min(most, max((row["loss"] for row in rows), default=1.0))], clamp=True),
        ),
        color=shown.colour(shown.legend()),
        strokeDash=shown.dash(shown.legend()),
        tooltip=[recipe_tooltip(), alt.Tooltip("rate:Q", format=".3~g"), alt.Tooltip("loss:Q", format=".4~r")],
    )
    lines = base.mark_line(strokeWidth=1.2, opacity=0.6)
    good = base.transform_filter(alt.datum.good).mark_line(strokeWidth=4)
    points = base.mark_point(size=24, filled=True, aria=False)
    chart = alt.layer(lines, good, points).properties(
        width="container",
        height=_HEIGHT,
        description=f"Validation loss against the learning rate, for {len(tests)} recipes",
    )
    return shown.told(chart)
