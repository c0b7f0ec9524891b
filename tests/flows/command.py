"""Runs the command as users do: in a process of its own, with its exit code and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SMALL = PROJECT / "tests" / "flows" / "small.yaml"
BAKEOFF = [sys.executable, "-c", "from flows.cli import main; main()"]


def start(*arguments: object, home: Path) -> subprocess.Popen[str]:
    """Starts `bakeoff ARGUMENTS` from the project's root with its state in `home`; of Bakeoff's environment variables
    only BAKEOFF_DATA is passed on."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name == "BAKEOFF_DATA" or not name.startswith(("PREFECT_", "BAKEOFF_"))
    }
    return subprocess.Popen(
        [*BAKEOFF, *map(str, arguments)],
        cwd=PROJECT,
        env=environment | {"BAKEOFF_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # If the tests run in a shell's background, SIGINT is ignored, and child processes would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def bakeoff(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    """Starts the command and waits for its end; fails if it shows a traceback."""
    process = start(*arguments, home=home)
    output, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors, errors
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
