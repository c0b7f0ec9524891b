"""Drives Prefect's UI in a real browser: the form behind "Run > Custom run"."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.flows.servers import PrefectServer

CHROMIUM = shutil.which("chromium")
# Chromium's own requests to its maker are switched off, so that all remaining requests are the page's.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def new_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1200, "height": 1200})
        browser.close()


def open_form(page: Page, server: PrefectServer, deployment: UUID) -> None:
    page.goto(f"{server.url}/login")
    page.locator("input[type=password]").fill(server.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard*")
    page.goto(f"{server.url}/deployments/deployment/{deployment}/run")
    expect(field(page, "Experiment")).to_contain_text("digits")


def field(page: Page, title: str) -> Locator:
    """Returns the innermost part of the form with this title."""
    return page.locator(".schema-form-property").filter(has=page.get_by_text(f"{title} (Optional)", exact=True)).last


def write(page: Page, title: str, text: str) -> None:
    """Types into the text field of this title."""
    field(page, title).locator("textarea").fill(text)


def submit(page: Page) -> UUID:
    """Submits the form; returns the id of the run that it made.

    While SQLite is busy with another write, Prefect's server answers 503. Prefect's client then retries by itself; its
    UI says "Oops", and the user must retry.
    """
    for _ in range(10):
        with page.expect_response(lambda response: "create_flow_run" in response.url) as answer:
            page.get_by_role("button", name="Submit").click()
        if answer.value.status != 503:
            break
        page.wait_for_timeout(2000)
    assert answer.value.ok, answer.value.text()
    return UUID(answer.value.json()["id"])
