"""The report in a real browser: it draws, it responds, and it sends no request."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from reports.render import render
from tasks.records.verdict import Verdict
from tests.synthetic_run import HOSTILE, write_synthetic_run
from tests.verdicts import out_of_fold

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture(scope="module", params=["classification", "regression"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_synthetic_run(tmp_path_factory.mktemp("run"), task=request.param, recipes=6, hostile=True, search=9)
    return render(run, renderer="pandoc").path


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """Opens the report; any request, dialog, error or warning fails the test."""
    complaints: list[str] = []

    def refuse(dialog: Any) -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.on(
        "request",
        lambda r: complaints.append(r.url[:200]) if not r.url.startswith(("file:", "data:")) else None,
    )
    opened.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", refuse)
    opened.goto(report.as_uri())
    yield opened
    opened.wait_for_timeout(300)
    opened.close()
    assert complaints == []


def drawn(page: Any, scope: str = "") -> None:
    """Scrolls to every visible chart and waits until all are drawn; a chart is drawn when it comes near the screen."""
    for chart in page.locator(f"{scope} .vega-chart:visible").all():
        chart.scroll_into_view_if_needed()
        chart.locator(".vega-embed svg").wait_for()
    page.wait_for_function(
        """scope => [...document.querySelectorAll(scope + ' .vega-chart')].filter(chart => chart.clientWidth)
            .every(chart => chart.querySelector('.vega-embed svg') && !chart.querySelector('img'))""",
        arg=scope,
        timeout=20_000,
    )


def test_every_chart_draws_and_every_tab_opens(page: Any) -> None:
    drawn(page)
    tabs = page.locator('[role="tab"]')
    assert tabs.count() >= 6
    for position in range(tabs.count()):
        tab = tabs.nth(position)
        tab.click()
        panel = page.locator(f"#{tab.get_attribute('aria-controls')}")
        assert panel.is_visible()
        assert tab.get_attribute("aria-selected") == "true"
    drawn(page)
    charts = page.locator(".vega-chart")
    assert charts.count() == page.locator(".vega-chart .vega-embed svg").count() >= 6


def test_folds_that_judged_are_a_section_with_tables_and_a_dot_for_each(browser: Any, tmp_path: Path) -> None:
    folder = write_synthetic_run(tmp_path, recipes=2)
    verdict = Verdict.read(folder)
    scores = [0.8, 0.82, 0.78, 0.81, 0.79, 0.83]
    judged = out_of_fold(verdict, folds=3, rows=100, scores=scores)
    replace(verdict, out_of_fold=judged).write(folder)
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.goto(render(folder, renderer="pandoc").path.as_uri())
    drawn(opened, "#out-of-fold")
    section = opened.locator("section#out-of-fold")
    assert section.locator("h2").inner_text() == "Out of fold"
    captions = section.locator("table caption").all_inner_texts()
    assert captions == ["The procedure out of fold, mean and interval", "What the procedure chose in each fold"]
    assert section.locator(".vega-embed svg .mark-symbol.role-mark path").count() == len(scores)
    assert "3 folds, 2 times, 100 rows were held out in turn" in section.inner_text()
    opened.close()


def test_tabs_follow_the_arrow_keys(page: Any) -> None:
    tabs = page.locator('[role="tablist"]').first.locator('[role="tab"]')
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    assert tabs.nth(1).get_attribute("aria-selected") == "true"
    page.keyboard.press("Home")
    assert tabs.first.get_attribute("aria-selected") == "true"


def test_the_legend_brings_a_recipe_out(page: Any) -> None:
    drawn(page)
    chart = page.locator("#learning-curves .vega-chart:visible").first
    lines = '#learning-curves .tab-pane.active path[stroke-width="2"][opacity="0.1"]'
    faded = f"() => document.querySelectorAll('{lines}').length"
    assert page.evaluate(faded) == 0
    chart.locator(".role-legend-symbol path").first.dispatch_event("click")
    page.wait_for_function(f"({faded})() > 0", timeout=5_000)


def test_hostile_names_are_read_as_they_are(page: Any) -> None:
    text = page.locator("body").inner_text()
    for name in HOSTILE:
        assert name in text


def test_a_card_holds_its_interval(page: Any) -> None:
    page.locator(".card small").first.evaluate("small => small.textContent = ' [1,114,478, 1,119,598]'")
    assert page.locator(".card").evaluate_all("cards => cards.every(card => card.scrollWidth <= card.clientWidth)")


def test_a_phone_scrolls_tables_and_charts_but_not_the_page(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.reload()
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    sizes = page.evaluate(
        "[...document.querySelectorAll('main p, main li')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 11


def test_without_scripts_every_chart_is_a_picture_and_every_tab_is_open(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    pictures = page.locator(".vega-chart img")
    assert pictures.count() == page.locator(".vega-chart").count()
    assert all(pictures.nth(i).is_visible() for i in range(pictures.count()))
    context.close()


def test_headings_and_pictures_are_labelled(page: Any) -> None:
    levels = page.evaluate("[...document.querySelectorAll('main h1, main h2, main h3')].map(h => +h.tagName[1])")
    assert levels and all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("table:not(:has(caption))").count() == 0


def saved(page: Any, button: Any, folder: Path) -> tuple[str, list[list[str]]]:
    """Presses a button by keyboard; returns the name and the rows of the CSV file that it saves."""
    button.focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = folder / "saved.csv"
    download.value.save_as(path)
    text = path.read_bytes().decode("utf-8")
    assert text.startswith("\ufeff")
    return download.value.suggested_filename, list(csv.reader(text[1:].splitlines()))


def test_every_table_can_be_saved_as_csv(page: Any, tmp_path: Path) -> None:
    tables = page.locator(".scroll > table")
    buttons = page.locator("button.save")
    assert buttons.count() == tables.count() > 5
    labels = buttons.evaluate_all("all => all.map(button => button.getAttribute('aria-label'))")
    place = labels.index("Save as CSV: Rows that the model is most wrong about")
    name, rows = saved(page, buttons.nth(place), tmp_path)
    assert name == "rows-that-the-model-is-most-wrong-about.csv"
    shown = tables.nth(place).evaluate("table => [...table.rows].map(row => row.cells.length)")
    assert [len(row) for row in rows] == shown
    if rows[0][-1] == "Residual":
        assert all(abs(float(row[2]) - float(row[1]) - float(row[3])) <= 2 for row in rows[1:])


def test_a_saved_text_is_no_formula_and_a_saved_number_is_one(page: Any, tmp_path: Path) -> None:
    cells = [
        "=1+1",
        "@SUM(A1)",
        "+cmd|' /C calc'!A0",
        "\uff1d1+1",
        " =2",
        "-a",
        'a"b',
        "\u22120.5",
        "1,234.5",
        "12%",
        "-7",
        "1, 2",
    ]
    page.locator("table").first.evaluate(
        """(table, cells) => { table.rows[1].replaceChildren(...cells.map((text) => {
            const cell = document.createElement("td"); cell.textContent = text; return cell; })); }""",
        cells,
    )
    _, rows = saved(page, page.locator("button.save").first, tmp_path)
    assert rows[1] == ["'=1+1", "'@SUM(A1)", "'+cmd|' /C calc'!A0", "'\uff1d1+1", "'=2", "'-a", 'a"b', *NUMBERS]


NUMBERS = ["-0.5", "1234.5", "12%", "-7", "1, 2"]
