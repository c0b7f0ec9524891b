"""How many runs work at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows import at_once
from tasks.errors import BadInput
from tests.flows.command import PROJECT

HOLDS = """
import sys, time
from pathlib import Path
from flows.at_once import taking_turns
with taking_turns(Path(sys.argv[1]), print):
    print("works", flush=True)
    time.sleep(60)
"""


def test_one_a_core_where_the_memory_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(at_once.VARIABLE, raising=False)
    monkeypatch.setattr(at_once, "cores", lambda: 8)
    for gigabytes, runs in ((1, 1), (5, 2), (64, 8)):
        monkeypatch.setattr(at_once, "memory_bytes", lambda size=gigabytes: size * 10**9)
        assert at_once.at_most() == runs
    monkeypatch.setenv(at_once.VARIABLE, "11")
    assert at_once.at_most() == 11
    for wrong in ("0", "-1", "1.5", "two", "²"):
        monkeypatch.setenv(at_once.VARIABLE, wrong)
        with pytest.raises(BadInput, match="BAKEOFF_AT_ONCE: is no number of runs"):
            at_once.at_most()


def test_a_third_run_waits_until_one_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(at_once.VARIABLE, "2")
    monkeypatch.setattr(at_once, "_POLL", 0.02)
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "works\n"
        said: list[str] = []
        waited = threading.Event()

        def say(why: str) -> None:
            said.append(why)
            waited.set()

        def third() -> None:
            with at_once.taking_turns(tmp_path, say):
                said.append("works")

        with at_once.taking_turns(tmp_path, said.append):
            assert said == [], "there was room for two"
            thread = threading.Thread(target=third)
            thread.start()
            assert waited.wait(30)
            holding.kill()
            thread.join(30)
    assert said[0] == "waits for 2 other runs, at most 2 at once (BAKEOFF_AT_ONCE=N lets N work)"
    assert said[-1] == "works"
