"""A run started from the form of Prefect's UI, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tests.flows.browser import CHROMIUM, field, new_page, open_form, submit, write
from tests.flows.servers import PrefectServer

EXPERIMENT = "tests/flows/small.yaml"  # relative to the project's root, where the worker stands

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("worker"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    with new_page() as opened:
        yield opened


@pytest.fixture(scope="module")
def deployment(prefect_server: PrefectServer) -> UUID:
    return prefect_server.deploy(cron="0 3 * * *")


def add_override(page: Page, override: str) -> None:
    overrides = field(page, "Overrides")
    overrides.get_by_role("button", name="Add item").click()
    overrides.locator("textarea").fill(override)


def test_a_run_starts_from_the_form_and_ends_with_its_report(
    page: Page, prefect_server: PrefectServer, deployment: UUID
) -> None:
    called: set[str] = set()
    page.on("request", lambda request: called.add(request.url))
    open_form(page, prefect_server, deployment)
    write(page, "Or a file", EXPERIMENT)
    add_override(page, "train.epochs=1")
    page.screenshot(path=prefect_server.home / "form.png")
    created = submit(page)
    run = prefect_server.finished(lambda run: run.id == created, seconds=300)
    assert run.state_name == "Completed"
    assert run.parameters["request"]["path"] == EXPERIMENT
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
