"""A run started from the form of Prefect's UI, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.flows.servers import PrefectServer

EXPERIMENT = "tests/flows/small.yaml"  # relative to the project's root, where the worker stands
CHROMIUM = shutil.which("chromium")
# Chromium's own calls home are switched off, so that what is left are the page's.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("worker"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1200, "height": 1200})
        browser.close()


@pytest.fixture(scope="module")
def deployment(prefect_server: PrefectServer) -> UUID:
    return prefect_server.deploy(cron="0 3 * * *")


def open_form(page: Page, server: PrefectServer, deployment: UUID) -> None:
    page.goto(f"{server.url}/login")
    page.locator("input[type=password]").fill(server.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard*")
    page.goto(f"{server.url}/deployments/deployment/{deployment}/run")
    expect(field(page, "Experiment").locator("textarea")).to_have_value("digits")


def field(page: Page, title: str) -> Locator:
    """The innermost part of the form with this title."""
    return page.locator(".schema-form-property").filter(has=page.get_by_text(f"{title} (Optional)", exact=True)).last


def add_override(page: Page, override: str) -> None:
    overrides = field(page, "Overrides")
    overrides.get_by_role("button", name="Add item").click()
    overrides.locator("textarea").fill(override)


def submit(page: Page) -> UUID:
    """Submits the form; gives the id of the run it made.

    While SQLite is busy with another write, Prefect's server answers 503. Its own client tries again then; its UI says
    "Oops", and it is the user who does.
    """
    for _ in range(10):
        with page.expect_response(lambda response: "create_flow_run" in response.url) as answer:
            page.get_by_role("button", name="Submit").click()
        if answer.value.status != 503:
            break
        page.wait_for_timeout(2000)
    assert answer.value.ok, answer.value.text()
    return UUID(answer.value.json()["id"])


def test_a_run_starts_from_the_form_and_ends_with_its_report(
    page: Page, prefect_server: PrefectServer, deployment: UUID
) -> None:
    called: set[str] = set()
    page.on("request", lambda request: called.add(request.url))
    open_form(page, prefect_server, deployment)
    field(page, "Experiment").locator("textarea").fill(EXPERIMENT)
    add_override(page, "train.epochs=1")
    page.screenshot(path=prefect_server.home / "form.png")
    created = submit(page)
    run = prefect_server.finished(lambda run: run.id == created, seconds=300)
    assert run.state_name == "Completed"
    assert run.parameters["request"]["experiment"] == EXPERIMENT
    assert run.parameters["request"]["set"] == ["train.epochs=1"]

    page.goto(f"{prefect_server.url}/runs/flow-run/{created}")
    page.get_by_text("Artifacts", exact=True).click()
    expect(page.get_by_text("report", exact=True).last).to_be_visible()
    page.screenshot(path=prefect_server.home / "run.png")
    assert "report.html" in prefect_server.artifacts(run)["report"]
    assert {url for url in called if not url.startswith((prefect_server.url, f"blob:{prefect_server.url}"))} == set()


def test_a_bad_value_is_refused_in_the_form(page: Page, prefect_server: PrefectServer, deployment: UUID) -> None:
    open_form(page, prefect_server, deployment)
    before = {run.id for run in prefect_server.runs() if not run.auto_scheduled}
    add_override(page, "epochs 2")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("'epochs 2' does not match").first).to_be_visible()
    assert {run.id for run in prefect_server.runs() if not run.auto_scheduled} == before
