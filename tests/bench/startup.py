"""Measures where the time of a short run goes: `python -m tests.bench.startup [--rounds 3]`.

Times `digits` (and with `BAKEOFF_DATA` titanic) stage by stage, from the command to the report, `bakeoff check digits`,
and `bakeoff check` with a wrong spec. Prints medians of wall seconds; each is measured in a process of its own, in one
home folder that an earlier run has made. Trials are trained again (`--from train`). Also prints the time to import each
of the large libraries alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.flows.command import BAKEOFF, PROJECT

WRONG = PROJECT / "tests" / "bad_specs" / "learning-rate-twice" / "spec.yaml"
LIBRARIES = ("pandas", "sklearn.linear_model", "prefect", "great_expectations", "tensorflow")


def timed(words: list[str], home: Path, code: int = 0) -> tuple[float, str]:
    """Runs a command, which must end with this exit code; returns its wall seconds, and its stderr with the times of
    its stages."""
    environment = os.environ | {"BAKEOFF_HOME": str(home)}
    started = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, cwd=PROJECT, env=environment, check=False)
    assert done.returncode == code, done.stderr
    return time.monotonic() - started, done.stderr


def stages(said: str) -> dict[str, float]:
    """Returns the seconds by stage, read from lines such as `train        1.7 s`."""
    found = {}
    for line in said.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "s":
            found[words[0]] = float(words[1])
    return found


def medians(words: list[str], home: Path, rounds: int) -> dict[str, float]:
    measured = []
    for _ in range(rounds):
        seconds, said = timed(words, home)
        measured.append({"in all": seconds} | stages(said))
    return {name: statistics.median(each[name] for each in measured) for name in measured[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    names = ["digits", *(["titanic"] if os.environ.get("BAKEOFF_DATA") else [])]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        print("| command | " + "seconds, stage by stage |\n|---|---|")
        for name in names:
            timed([*BAKEOFF, "run", name], home)
            found = medians([*BAKEOFF, "run", name, "--from", "train"], home, rounds)
            print(f"| run {name} | {', '.join(f'{stage} {took:.1f}' for stage, took in found.items())} |", flush=True)
        found = medians([*BAKEOFF, "check", "digits"], home, rounds)
        print(f"| check digits | {', '.join(f'{stage} {took:.1f}' for stage, took in found.items())} |", flush=True)
        wrong = [*BAKEOFF, "check", str(WRONG)]
        took = statistics.median(timed(wrong, home, code=2)[0] for _ in range(rounds))
        print(f"| check of a wrong spec | {took:.1f} |", flush=True)
        for library in LIBRARIES:
            took = statistics.median(timed([sys.executable, "-c", f"import {library}"], home)[0] for _ in range(rounds))
            print(f"| import {library} | {took:.1f} |", flush=True)


if __name__ == "__main__":
    main()
