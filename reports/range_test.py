"""The page of `bakeoff lr-range`: one file that loads nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports import pandoc
from reports.escape import safe
from reports.figures.place import library, place
from reports.figures.range_test import range_test
from reports.markup import raw
from reports.recipes import recipes_of
from reports.render import headed
from reports.saving import script
from reports.tables.search import HOW_TESTED, range_tests
from tasks.records.plan import Plan
from tasks.records.search_plan import RangeTest
from tasks.run_folder import write_text
from tasks.search.range_test import RATES_A_DECADE

_CAPTION = (
    "Mean over seeds; thick within the suggested range. A rate at which a training diverged has no point. Losses "
    "beyond twice that of the lowest rate are drawn at the upper edge."
)


def write_page(path: Path, plan: Plan, tests: Sequence[RangeTest]) -> Path:
    """Writes a page with the chart and the table of the range tests, and how to use them. Returns its path."""
    chart = range_test(tests, recipes_of(plan, None).among(test.recipe for test in tests))
    how = HOW_TESTED.removeprefix("Before the search, range").format(rates=RATES_A_DECADE, seeds=tests[0].seeds)
    pieces = [
        "## Learning rates {#rates}\n",
        raw(f"<p>{safe(f'Range{how}')}</p>"),
        place(chart, _CAPTION),
        raw(range_tests(tests)),
        "## What to do next {#next}\n",
        raw(
            "<p>Under <code>tune.space</code>, <code>learning_rate: range-test</code> has a search find these ranges "
            "and look within them. The rate that was best for a short training need not be best for a long one.</p>"
        ),
        library(),
        script(),
    ]
    page = pandoc.to_html("\n\n".join(pieces), {"title": "Bakeoff report", "lang": "en"})
    return write_text(path, headed(page, plan.experiment, "Which learning rates are worth searching"))
