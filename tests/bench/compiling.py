"""`python -m tests.bench.compiling [W1 ...]`: time for compiling and tracing on two nights.

Each workload is trained in the stacks of its plan, in a process of its own, three times: without kept programs, on a
first night, which keeps the compiled programs, and on a second night, which finds them. Where the plan does not use XLA
nothing is kept, so the workload is also trained with XLA (`xla`). Weights and curves are compared bit for bit. Prints a
Markdown table, row by row.

Processor seconds are those of all threads; the seconds of tracing are those of the threads that trace. The rest of a
first call is compiling or loading, with one chunk of training steps.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import data
from tests.bench.networks import Mlp
from tests.bench.work import Work
from tests.bench.workloads import WORKLOADS, Workload, recipes, trials

MNIST_MLP = Workload(
    "mnist-mlp",
    "the shipped experiment",
    "mnist",
    Mlp((10,)),
    batch_size=32,
    recipes=15,
    epochs=10,
    optimizers=("sgd", "momentum", "adagrad", "rmsprop", "adam"),
)
"""Its rows, network and optimizers; three learning rates of each in the place of three seeds."""
NIGHTS = {**WORKLOADS, MNIST_MLP.name: MNIST_MLP}

COLUMNS = (
    "workload",
    "way",
    "night",
    "wall s",
    "processor s",
    "tracing, processor s",
    "first calls, processor s",
    "programs kept",
    "same bits",
)


def trained(name: str, arrays_path: Path, home: Path | None, epochs: int | None, *, xla: bool) -> dict[str, Any]:
    """Trains a workload in this process.

    Args:
        home: Folder in which compiled programs are kept; None: they are not kept.
        epochs: Epochs of each recipe; None: as the workload has it.
        xla: Whether XLA is used whatever the plan says.
    """
    from flows.environment import load_tensorflow, quieten
    from tasks.planning import cost_model
    from tasks.training.compilations import keep_compiled
    from tests.bench.peers import bakeoff

    quieten()
    load_tensorflow(home)
    workload = NIGHTS[name]
    arrays, _ = data.read(workload.data, arrays_path, None)
    work = Work(workload, arrays, recipes(workload, workload.recipes), epochs or workload.epochs)
    bakeoff.open_device(work)
    divide = cost_model.divide
    if xla:
        cost_model.divide = lambda *words, **named: replace(divide(*words, **named), xla=True)
    seconds = _timed_first_calls()
    wall, busy = time.perf_counter(), time.process_time()
    outcomes = bakeoff.train_all(trials(workload, work.recipes, work.epochs), arrays)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    keep_compiled()
    digest = hashlib.sha256()
    for outcome in sorted(outcomes, key=lambda each: each.trial.trial_id):
        digest.update(repr(outcome.curves).encode())
        for weight in outcome.weights or []:
            digest.update(weight.tobytes())
    programs = len(list((home / "cache" / "xla").glob("*/[!.]*"))) if home else 0
    return {"wall": wall, "busy": busy, **seconds, "programs": programs, "digest": digest.hexdigest()}


def _timed_first_calls() -> dict[str, float]:
    """Times the calls that trace, from now on; returns their processor seconds, of tracing and of the rest, as they add
    up."""
    from tasks.training.naming import NamedFunction

    seconds = {"tracing": 0.0, "first": 0.0}
    call = NamedFunction.__call__

    def timed(function: NamedFunction, *arguments: Any) -> Any:
        inner, marks = function._function, [time.thread_time()]

        def traced_first(*words: Any) -> Any:
            inner.get_concrete_function(*words)
            marks.append(time.thread_time())
            return inner(*words)

        if function.traces:
            return call(function, *arguments)
        function._function = traced_first
        try:
            return call(function, *arguments)
        finally:
            function._function = inner
            seconds["tracing"] += marks[-1] - marks[0]
            seconds["first"] += time.thread_time() - marks[-1]

    NamedFunction.__call__ = timed  # type: ignore[method-assign, assignment]
    return seconds


def nights(name: str, arrays: Path, folder: Path, epochs: int | None, *, xla: bool) -> None:
    """Prints a row for each night; the first one is without kept programs."""
    first = ""
    for night, home in (("nothing kept", ""), ("first", str(folder)), ("second", str(folder))):
        words = [
            sys.executable,
            "-m",
            "tests.bench.compiling",
            "--one",
            json.dumps([name, str(arrays), home, epochs, xla]),
        ]
        done = subprocess.run(words, env=os.environ, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        first = first or found["digest"]
        figures = [f"{found[each]:.1f}" for each in ("wall", "busy", "tracing", "first")]
        same = "yes" if found["digest"] == first else "NO"
        cells = [name, "XLA" if xla else "planned", night, *figures, str(found["programs"]), same]
        print(f"| {' | '.join(cells)} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compiling", description=__doc__)
    parser.add_argument("workloads", nargs="*", help="; ".join(NIGHTS))
    parser.add_argument("--epochs", type=int, help="of each recipe; default: the workload's")
    parser.add_argument("--xla", action="store_true", help="only with XLA, whatever the plan says")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        name, arrays, home, epochs, xla = json.loads(chosen.one)
        print(json.dumps(trained(name, Path(arrays), Path(home) if home else None, epochs, xla=xla)))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as temporary:
        for name in chosen.workloads or ("W1", "W3", "W5", MNIST_MLP.name):
            arrays = Path(temporary) / f"{name}.npz"
            data.write(NIGHTS[name].data, arrays)
            for xla in (True,) if chosen.xla else (False, True):
                nights(name, arrays, Path(temporary) / f"{name}-{xla}", chosen.epochs, xla=xla)


if __name__ == "__main__":
    main()
