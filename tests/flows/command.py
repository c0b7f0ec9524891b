"""The command as users run it: a process of its own, its exit code, and what it prints."""

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
    """`bakeoff ARGUMENTS` with its state in `home`, from the project's root; of Bakeoff's variables only the data's."""
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
        # Where the tests themselves run in a shell's background, SIGINT would be ignored from here on down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def bakeoff(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    """`start`, and waits for its end. Whatever happens, no traceback is shown."""
    process = start(*arguments, home=home)
    output, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors, errors
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
