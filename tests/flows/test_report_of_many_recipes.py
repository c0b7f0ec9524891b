"""A report of many recipes in a real browser: filtered, sorted, only the leading twenty; narrow, dark, printed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.figures.encoding import BANDED
from reports.recipes import TOP
from reports.render import render
from tests.bench.report import train

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RECIPES = 60
CURVES = "#learning-curves .tab-pane.active"
COMPARED = "#comparison table.recipes >> nth=0"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(train(RECIPES, tmp_path_factory.mktemp("many")), renderer="pandoc").path


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    opened.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert complaints == []


def shown_rows(page: Any) -> list[str]:
    return page.locator(f"{COMPARED} >> tbody tr:visible .recipe").all_inner_texts()


def chart_labels(page: Any, chart: str) -> list[str]:
    """Returns the recipes named in a chart, after it is drawn again."""
    page.locator(f"{chart} .vega-chart").scroll_into_view_if_needed()
    page.wait_for_selector(f"{chart} .vega-embed svg")
    page.wait_for_timeout(500)
    names = ".role-axis-label text" if chart.startswith("#comparison") else ".role-legend-label text"
    found = page.locator(f"{chart} .vega-embed svg {names}").all_text_contents()
    return [text for text in found if text.startswith(("sgd", "momentum"))]


def test_the_leading_twenty_until_all_are_asked_for(page: Any) -> None:
    bar = page.locator("#comparison .recipe-controls:has(+ .scroll)").first
    assert len(shown_rows(page)) == TOP
    assert f"{TOP} of {RECIPES} recipes" in bar.inner_text()
    bar.get_by_role("button", name=f"Show all {RECIPES}").click()
    assert len(shown_rows(page)) == RECIPES
    bar.get_by_role("button", name=f"Show {TOP}").click()
    assert len(shown_rows(page)) == TOP


def test_charts_show_the_leading_twenty_with_labels_that_differ(page: Any) -> None:
    for chart in ("#comparison .tab-pane.active", CURVES):
        labels = chart_labels(page, chart)
        assert len(labels) == len(set(labels)) == TOP
        page.locator(f"{chart} .recipe-controls button").click()
        page.wait_for_timeout(1500)
        marks = "path[aria-roledescription='line mark']" if chart == CURVES else ".role-axis-label text"
        assert page.locator(f"{chart} .vega-embed svg {marks}").count() >= RECIPES


def test_one_filter_for_tables_and_charts(page: Any) -> None:
    page.locator("#comparison .recipe-controls:has(+ .scroll) input").first.fill("momentum 0.01")
    page.wait_for_timeout(400)
    found = shown_rows(page)
    assert 0 < len(found) < TOP and all("momentum" in name and "0.01" in name for name in found)
    assert page.locator(f"{CURVES} .recipe-controls input").input_value() == "momentum 0.01"
    assert len(chart_labels(page, CURVES)) == len(found)
    page.locator(f"{CURVES} .recipe-controls input").fill("no such recipe")
    page.wait_for_timeout(400)
    assert shown_rows(page) == []
    assert page.locator(f"{CURVES} .vega-embed svg:visible").count() == 0


def test_recipes_of_a_chart_have_looks_of_their_own(page: Any) -> None:
    """Some of sixty recipes share a colour and a dash, but never two that are shown together."""
    page.locator(f"{CURVES} .recipe-controls input").fill("constant")
    page.wait_for_timeout(400)
    assert len(chart_labels(page, CURVES)) == TOP
    symbols = page.locator(f"{CURVES} .vega-embed svg .role-legend-symbol path")
    looks = symbols.evaluate_all("each => each.map(e => e.getAttribute('stroke') + e.getAttribute('stroke-dasharray'))")
    assert len(set(looks)) == len(looks) == TOP


def test_heads_sort_by_number_and_back(page: Any) -> None:
    def column(place: int) -> list[float]:
        cells = page.locator(f"{COMPARED} >> tbody tr:visible td:nth-child({place})").all_inner_texts()
        return [float(cell.split()[0]) for cell in cells]

    head = page.locator(f"{COMPARED} >> thead th").nth(2)
    ranks = column(1)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(3) == sorted(column(3)) and column(1) != ranks
    head.get_by_role("button").click()
    assert column(3) == sorted(column(3), reverse=True)
    head.get_by_role("button").click()
    assert column(1) == ranks and head.get_attribute("aria-sort") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("\u22120.5", -0.5),
        ("+0.02", 0.02),
        ("1,234.5 [1, 2]", 1234.5),
        ("1.2×10⁹", 1.2e9),
        ("< 0.001", 0.0005),
        ("0.4 s", 0.4),
        ("3 min 20 s", 200),
        ("2 h 5 min", 7500),
        ("–", None),
    ],
)
def test_numbers_are_read_as_they_are_written(browser: Any, text: str, number: float | None) -> None:
    """Tests the script's function that reads a cell's number, which sorting uses."""
    source = (Path(__file__).parents[2] / "reports" / "figures" / "recipes.js").read_text(encoding="utf-8")
    body = source[source.index("function value(") : source.index("function sortable(")]
    opened = browser.new_page()
    found = opened.evaluate(f"(text) => {{ {body} return value(text); }}", text)
    opened.close()
    assert (found != found or found is None) if number is None else found == pytest.approx(number)


def test_few_bands_lie_over_each_other(page: Any) -> None:
    chart_labels(page, CURVES)
    assert page.locator(f"{CURVES} .vega-embed svg .mark-area path").count() == BANDED


def test_a_phone_shows_whole_labels_and_every_mark(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    labels = chart_labels(page, "#comparison .tab-pane.active")
    assert len(labels) == TOP and not any(label.endswith("…") for label in labels)
    right = "svg => svg.getBoundingClientRect().right"
    assert page.locator("#comparison .tab-pane.active .vega-embed svg").evaluate(right) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(COMPARED).evaluate("table => table.closest('.scroll').scrollWidth") > 358


def test_paper_has_no_controls_and_keeps_headings_with_what_follows(page: Any) -> None:
    page.emulate_media(media="print")
    assert page.locator(".recipe-controls input:visible, .recipe-controls button:visible").count() == 0
    kept = "e => [getComputedStyle(e).breakAfter, getComputedStyle(e).breakInside]"
    assert page.locator("#comparison h2").first.evaluate(kept)[0] == "avoid"
    assert page.locator("figure.chart").first.evaluate(kept)[1] == "avoid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(browser: Any, report: Path, width: int, scheme: str) -> None:
    """Runs axe-core on the page as it opens, and again with all tabs and details opened."""
    from axe_playwright_python.sync_playwright import Axe

    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened.goto(report.as_uri())
    opened.wait_for_timeout(500)
    found = Axe().run(opened).response["violations"]
    opened.evaluate(
        "document.querySelectorAll('details').forEach(e => e.open = true);"
        "document.querySelectorAll('.tab-pane').forEach(e => e.classList.add('active'))"
    )
    for place in opened.locator(".vega-chart").all():
        place.scroll_into_view_if_needed()
        opened.wait_for_timeout(250)
    found += Axe().run(opened).response["violations"]
    opened.close()
    grave = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in grave] == []
