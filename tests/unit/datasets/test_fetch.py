"""Downloads, against a server on this machine."""

from __future__ import annotations

import errno
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tasks.datasets import fetch as fetch_module
from tasks.datasets.catalogue import CATALOGUE, Entry, File
from tasks.datasets.fetch import fetch
from tasks.datasets.load import load_dataset
from tasks.errors import BadInput
from tasks.spec.data import Data

CONTENT = b"age,bought\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(20_000))


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT whole, cut short, reset, stalled, or an error, by path."""

    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/short":
            self.wfile.write(CONTENT[:70_000])
        elif self.path == "/reset":
            self.wfile.write(CONTENT[:70_000])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
        elif self.path == "/stalled":
            self.wfile.write(CONTENT[:70_000])
            self.wfile.flush()
            self.server.released.wait(10)  # type: ignore[attr-defined]
        elif self.path == "/other":
            self.wfile.write(CONTENT.swapcase())
        else:
            self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("BAKEOFF_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Handler, "requests", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.released = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def file_at(*addresses: str, algorithm: str = "sha256") -> File:
    return File("people.csv", f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}", addresses)


@pytest.mark.parametrize("path", ["/good", "/moved"])
@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_is_downloaded_once_and_its_progress_told(
    tmp_path: Path, address: str, path: str, algorithm: str
) -> None:
    told: list[tuple[int, int | None]] = []
    file = file_at(address + path, algorithm=algorithm)
    got = fetch(file, tmp_path / "cache", lambda done, total: told.append((done, total)))
    assert got.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT)) and told == sorted(told) and len(told) > 1
    requests = len(Handler.requests)
    assert fetch(file, tmp_path / "cache") == got and len(Handler.requests) == requests
    assert [path.name for path in got.parent.iterdir()] == ["people.csv"]


def test_a_server_that_does_not_say_the_size(tmp_path: Path, address: str) -> None:
    told: list[tuple[int, int | None]] = []
    fetch(file_at(f"{address}/unsized"), tmp_path, lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), None)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/missing", "answers 404 Not Found"),
        ("/short", "broke off"),
        ("/reset", "broke off"),
        ("/stalled", "does not answer within 0 s"),
        ("/other", r"gives another file \(.* bytes, sha256 [0-9a-f]{64}\)"),
    ],
)
def test_what_fails_is_said_and_nothing_is_left_behind(
    tmp_path: Path, address: str, path: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "_TIMEOUT_SECONDS", 0.3)
    with pytest.raises(BadInput, match=what) as caught:
        fetch(file_at(address + path), tmp_path)
    message = caught.value.message()
    assert "people.csv" in message and address + path in message and "BAKEOFF_DATA" in message
    assert not list(tmp_path.iterdir())


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/good"
        with pytest.raises(BadInput, match=r"can't be reached"):
            fetch(file_at(address), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_next_address_is_tried(tmp_path: Path, address: str) -> None:
    assert fetch(file_at(f"{address}/other", f"{address}/short", f"{address}/good"), tmp_path).exists()


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path: Path, address: str) -> None:
    (tmp_path / "people.csv").write_bytes(CONTENT[:100])
    assert fetch(file_at(f"{address}/good"), tmp_path).read_bytes() == CONTENT


def test_a_full_disk_is_said(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadInput, match=r"people.csv can't be written\n  got: +No space left on device"):
        fetch(file_at(f"{address}/good"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_can_not_be_made_is_said(tmp_path: Path, address: str) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(BadInput, match=r"can't be written"):
        fetch(file_at(f"{address}/good"), tmp_path / "cache")


@pytest.mark.parametrize("where", ["people.csv", "below/people.csv"])
def test_folders_of_bakeoff_data_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    (tmp_path / "data" / where).parent.mkdir(parents=True)
    (tmp_path / "data" / where).write_bytes(CONTENT)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "people.csv").write_bytes(b"another file of that name")
    monkeypatch.setenv("BAKEOFF_DATA", f"{tmp_path}/nowhere:{tmp_path}/other:{tmp_path}/data")
    assert fetch(file_at(), tmp_path / "cache") == tmp_path / "data" / where
    assert not (tmp_path / "cache").exists()


def test_another_file_of_that_name_is_told_when_nothing_else_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "people.csv").write_bytes(CONTENT[:-1])
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    with pytest.raises(BadInput, match=r"people.csv is another file"):
        fetch(file_at(), tmp_path / "cache")


def test_a_catalogue_name_downloads_into_the_home(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CATALOGUE, "people", Entry(files=(file_at(f"{address}/good"),), target="bought"))
    dataset = load_dataset(Data(source="people"), home=tmp_path)
    assert dataset.rows == 20_000 and dataset.source == f"{address}/good"
    assert (tmp_path / "cache" / "datasets" / "people" / "people.csv").exists()
