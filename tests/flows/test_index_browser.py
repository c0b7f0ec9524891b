"""The index of runs in a real browser: sorted, filtered, narrow, dark, and accessible (axe-core)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.index import write_index
from tasks.records.estimate import Estimate
from tasks.records.verdict import Decision, Shipped
from tasks.run_folder import write_json
from tests.verdicts import gate_of, verdict_of

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")]

HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes thirty runs of three experiments, one of which has a name that is HTML markup."""
    home = tmp_path_factory.mktemp("home")
    for number in range(30):
        folder = home / "runs" / f"202601{number + 1:02d}-000000-x"
        folder.mkdir(parents=True)
        write_json(folder / "stages.json", {"stages": {"train": {"status": "running"}}})
        write_json(folder / "plan.json", {"experiment": ("titanic", "digits", HOSTILE)[number % 3]})
        write_json(folder / "environment.json", {"started": f"2026-01-{number + 1:02d}T03:00:00Z"})
        if number % 7:
            mean = 0.8 + number / 300
            metrics = {"accuracy": Estimate(mean, mean - 0.02, mean + 0.02)}
            answer = ("ship", "no", "open")[number % 3]
            verdict = verdict_of(gates=[gate_of(("pass", "fail", "undecided")[number % 3], "block")])
            replace(
                verdict,
                shipped=Shipped(trial_id="t", recipe_id="adam", seed=0, metrics=metrics),
                decision=Decision(answer=answer, sentence=f"Ship recipe {number}", reason="it passes"),
            ).write(folder)
            (folder / "report.html").touch()
    return write_index(home)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_it_fits_and_axe_finds_nothing(browser: Any, index: Path, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(index.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found] == []
    page.screenshot(path=index.with_name(f"index-{scheme}-{width}.png"), full_page=True)
    page.close()


def test_runs_are_sorted_and_filtered(browser: Any, index: Path) -> None:
    from playwright.sync_api import expect

    page = browser.new_page()
    page.goto(index.as_uri())
    assert page.title() == "Runs", "no name became markup"
    rows = page.locator("table[data-rows=runs] tbody tr")
    assert rows.locator("visible=true").count() == 20
    page.get_by_label("Filter runs").fill("digits")
    expect(rows.locator("visible=true")).to_have_count(10)
    page.get_by_role("button", name="Of the saved model").click()
    figures = [text.split()[0] for text in rows.locator("visible=true").locator("td.number").all_text_contents()]
    told = [float(each) for each in figures if each != "–"]
    assert told == sorted(told)
    assert len(told) == 8
    page.close()
