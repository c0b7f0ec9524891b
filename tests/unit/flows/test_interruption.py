"""Ctrl-C and SIGTERM end the command with 130 and 143, also where Python drops what a handler raises."""

from __future__ import annotations

import signal
import sys
import weakref

import pytest

from flows.cli import main
from flows.interruption import exit_code, listening, stop_if_asked
from tasks.interruption import SIGNALS, signals_wait

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Thing:
    """Something that a weak reference can lead to."""


@pytest.mark.parametrize("sent", SIGNALS)
def test_a_signal_during_an_import_acts_when_that_is_done(sent: signal.Signals) -> None:
    imported = False
    with listening():
        with pytest.raises(KeyboardInterrupt), signals_wait():
            signal.raise_signal(sent)
            imported = True
        assert imported and exit_code() == CODES[sent]


def test_one_that_python_dropped_acts_at_the_next_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[object] = []
    with listening():
        stop_if_asked()
        thing = Thing()
        kept = weakref.ref(thing, lambda reference: signal.raise_signal(signal.SIGTERM))
        monkeypatch.setattr(sys, "unraisablehook", dropped.append)
        del thing
        assert kept() is None and len(dropped) == 1
        with pytest.raises(KeyboardInterrupt):
            stop_if_asked()


@pytest.mark.parametrize("sent", SIGNALS)
def test_whatever_comes_of_it_the_command_ends_with_its_code(
    sent: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        try:
            signal.raise_signal(sent)
        except KeyboardInterrupt:
            raise RuntimeError("a library's own way to end") from None

    monkeypatch.setattr("flows.listing.lines", stopped)
    with pytest.raises(SystemExit) as end:
        main(["list", "models"])
    assert end.value.code == CODES[sent]
    assert "stopped; finished stacks are kept" in capsys.readouterr().err


def test_ctrl_c_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with listening(), signals_wait():
            signal.raise_signal(signal.SIGINT)
        assert exit_code() is None
    finally:
        signal.signal(signal.SIGINT, before)
