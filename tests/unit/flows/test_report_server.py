"""The server of reports: only the index and reports, only with the token, and never a file elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.report_server import page, server

TOKEN = "a-secret-token"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a home with one run."""
    run = tmp_path / "runs" / "20260101-wine"
    run.mkdir(parents=True)
    (run / "report.html").write_text("<h1>the report</h1>", encoding="utf-8")
    (run / "spec.yaml").write_text("secret: 1", encoding="utf-8")
    (tmp_path / "index.html").write_text("<h1>the index</h1>", encoding="utf-8")
    (tmp_path / "report.html").write_text("outside", encoding="utf-8")
    with server(tmp_path, TOKEN, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join()


def test_index_and_report_can_be_read(served: str) -> None:
    assert "the index" in httpx.get(f"{served}/{TOKEN}/").text
    answer = httpx.get(f"{served}/{TOKEN}/runs/20260101-wine/report.html")
    assert answer.status_code == 200
    assert "the report" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    head = httpx.head(f"{served}/{TOKEN}/")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/index.html",
        "/runs/20260101-wine/report.html",
        "/another-token/",
        "/%61-secret-token/",
        f"/{TOKEN}/runs",
        f"/{TOKEN}/runs/",
        f"/{TOKEN}/runs/20260101-wine/",
        f"/{TOKEN}/runs/20260101-wine/spec.yaml",
        f"/{TOKEN}/runs/../report.html",
        f"/{TOKEN}/runs/%2e%2e/report.html",
        f"/{TOKEN}/runs/./report.html",
        f"/{TOKEN}/runs/20260101-wine/../../report.html",
        f"/{TOKEN}/runs/20260101-wine\\..\\/report.html",
        f"/{TOKEN}//etc/passwd",
        f"/{TOKEN}/runs/missing/report.html",
    ],
)
def test_nothing_else_can_be_read(served: str, address: str) -> None:
    with httpx.Client() as client:
        request = httpx.Request("GET", httpx.URL(served, raw_path=address.encode()))
        assert client.send(request).status_code == 404


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.html"
    secret.write_text("secret", encoding="utf-8")
    home = tmp_path / "home"
    (home / "runs" / "one").mkdir(parents=True)
    (home / "runs" / "one" / "report.html").symlink_to(secret)
    (home / "runs" / "two").symlink_to(tmp_path)
    (tmp_path / "report.html").touch()
    assert page(home, TOKEN, f"/{TOKEN}/runs/one/report.html") is None
    assert page(home, TOKEN, f"/{TOKEN}/runs/two/report.html") is None
    assert page(home, "", "//") is None, "without a token nothing is served"


def test_another_name_for_this_machine_and_other_methods_are_refused(served: str) -> None:
    assert httpx.get(f"{served}/{TOKEN}/", headers={"Host": "evil.example:80"}).status_code == 404
    assert httpx.post(f"{served}/{TOKEN}/").status_code == 501
    assert httpx.get(f"{served}/{TOKEN}/", headers={"Host": ""}).status_code == 404
