"""What `--runner` takes, and what it says to what it does not take."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tasks.distributed import runners
from tasks.distributed.runners import DaskRunner, read_runner
from tasks.errors import BadInput


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_this_process_trains_unless_told_otherwise() -> None:
    assert read_runner("") is None
    assert read_runner("local") is None
    assert read_runner("dask") == DaskRunner(None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.3.2.1"])
def test_plain_tcp_is_for_schedulers_on_this_machine(host: str, port: int) -> None:
    if host == "127.3.2.1":
        with pytest.raises(BadInput, match="no scheduler answers"):  # it is this machine, but listens elsewhere
            read_runner(f"dask=tcp://{host}:{port}")
    else:
        assert read_runner(f"dask=tcp://{host}:{port}") == DaskRunner(f"tcp://{host}:{port}")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("spark", "there is no such runner"),
        ("dask=", "there is no such runner"),
        ("dask:8786", "there is no such runner"),
        ("dask=host", "this is no address"),
        ("dask=127.0.0.1:8786", "this is no address"),
        ("dask=http://127.0.0.1:8786", "this is no address"),
        ("dask=tcp://127.0.0.1", "this is no address"),
        ("dask=tcp://127.0.0.1:99999", "this is no address"),
        ("dask=tcp://user:word@127.0.0.1:8786", "this is no address"),
        ("dask=tcp://[127.0.0.1:8786", "this is no address"),
        ("dask=tcp://192.0.2.7:8786", "needs a connection by TLS"),
        ("dask=tcp://localhost.example.org:8786", "needs a connection by TLS"),
        ("dask=tcp://0.0.0.0:8786", "needs a connection by TLS"),
        ("dask=tls://192.0.2.7:8786", "there is no certificate"),
        ("dask=tcp://127.0.0.1:1", "no scheduler answers"),
    ],
)
def test_what_is_wrong_is_said(said: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as refused:
        read_runner(said)
    assert refused.value.where == "--runner"
    assert refused.value.got is not None and said.removeprefix("dask=") in refused.value.got


def test_a_missing_dask_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "find_spec", lambda name: None)
    assert read_runner("local") is None
    with pytest.raises(BadInput, match="Dask is not installed") as refused:
        read_runner("dask")
    assert refused.value.remedy is not None and "[dask]" in refused.value.remedy
