"""Measures where the project's time goes on a workload, and how far that is from the machine's lower limits (floors).

Calls of compiled functions are timed one by one: calls that trace count as compiling, the others as running. A sampler
finds the trainer's functions in which its threads spend the rest of their time. Stacks run side by side, so these are
core seconds, not wall time.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import numpy as np

from tasks.training.optimizers import OPTIMIZERS
from tests.bench.networks import step_flops
from tests.bench.peers import bakeoff
from tests.bench.work import Work
from tests.bench.workloads import trials

SAMPLING_SECONDS = 0.002


def profile(work: Work) -> dict[str, Any]:
    """Returns the seconds in all, of compiling and running each compiled function, and of host code by function, and
    the counts from which the floors are computed."""
    with _timed_functions() as functions, _sampled_host(functions) as host:
        started = time.perf_counter()
        bakeoff.train_all(trials(work.workload, work.recipes, work.epochs), work.arrays)
        seconds = time.perf_counter() - started
    compiled: dict[str, dict[str, float]] = {}
    for function in functions:
        total = compiled.setdefault(function.name, dict.fromkeys(("calls", "compiling", "running"), 0.0))
        for kind, value in function.summary().items():
            total[kind] += value
    busiest = dict(sorted(host.items(), key=itemgetter(1), reverse=True))
    return {"seconds": seconds, "compiled": compiled, "host": busiest, **counts(work)}


def counts(work: Work) -> dict[str, Any]:
    """Returns the arithmetic and memory traffic of the whole comparison."""
    network, shape, outputs = work.workload.network, work.arrays.train.shape, work.arrays.outputs
    steps = len(work.recipes) * work.epochs * work.steps_per_epoch
    products = network.products(shape, outputs)
    forward = 2 * sum(product.multiplications for product in products)
    validated = len(work.recipes) * work.epochs * len(work.arrays.val_targets)
    parameters = network.parameters(shape, outputs)
    slots = [_slots(recipe.optimizer) for recipe in work.recipes]
    return {
        "recipe_steps": steps,
        "flops": steps * step_flops(network, shape, outputs, work.workload.batch_size) + validated * forward,
        # a step reads and writes every weight and every moment
        "bytes": sum(8 * parameters * (1 + n) for n in slots) * work.epochs * work.steps_per_epoch,
        "state_bytes": sum(4 * parameters * (1 + n) for n in slots),
    }


def _slots(optimizer: str) -> int:
    """Returns how many numbers an optimizer keeps for each weight."""
    bound = OPTIMIZERS[optimizer]()
    weight = np.zeros(2, np.float32)
    inputs = {name: np.zeros(1, np.float32) for name in bound.inputs}
    return sum(slot.shape == weight.shape for slot in bound.slots(np, weight, inputs))


class _TimedFunction:
    """A `tf.function` that remembers how long each call took and whether it traced."""

    def __init__(self, function: Any, name: str) -> None:
        self._function, self.name = function, name
        self.seconds: list[float] = []
        self.traced: list[bool] = []
        self.inside: set[int] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        thread, before = threading.get_ident(), self._function.experimental_get_tracing_count()
        self.inside.add(thread)
        started = time.perf_counter()
        try:
            return self._function(*args, **kwargs)
        finally:
            self.seconds.append(time.perf_counter() - started)
            self.traced.append(self._function.experimental_get_tracing_count() > before)
            self.inside.discard(thread)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def summary(self) -> dict[str, float]:
        """Returns calls and seconds. A call that traced has also run once, so only its time beyond a usual call is
        compiling."""
        plain = [s for s, traced in zip(self.seconds, self.traced, strict=True) if not traced]
        usual = statistics.median(plain) if plain else 0.0
        compiling = sum(max(s - usual, 0) for s, traced in zip(self.seconds, self.traced, strict=True) if traced)
        return {"calls": len(self.seconds), "compiling": compiling, "running": sum(self.seconds) - compiling}


@contextmanager
def _timed_functions() -> Iterator[list[_TimedFunction]]:
    """Within the block, `tf.function(...)` returns timed functions, which are collected in the yielded list."""
    import tensorflow as tf

    original, made = tf.function, []

    def function(body: Any = None, **options: Any) -> Any:
        if body is None:
            return lambda later: function(later, **options)
        made.append(_TimedFunction(original(body, **options), body.__name__))
        return made[-1]

    tf.function = function
    try:
        yield made
    finally:
        tf.function = original


@contextmanager
def _sampled_host(functions: list[_TimedFunction]) -> Iterator[dict[str, float]]:
    """Within the block, adds up the seconds of threads outside compiled calls, by the project's innermost function."""
    seconds: dict[str, float] = defaultdict(float)
    ended = threading.Event()

    def watch() -> None:
        before = time.perf_counter()
        while not ended.wait(SAMPLING_SECONDS):
            now = time.perf_counter()
            compiled = {thread for function in list(functions) for thread in function.inside.copy()}
            for thread, frame in sys._current_frames().items():
                name = _project_function(frame)
                if name and thread not in compiled:
                    seconds[name] += now - before
            before = now

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seconds
    finally:
        ended.set()
        watcher.join()


def _project_function(frame: Any) -> str | None:
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("tasks."):
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_qualname.rpartition('.')[2]}"
        frame = frame.f_back
    return None


def by_kind(compiled: dict[str, dict[str, float]]) -> dict[str, float]:
    """Returns the seconds of compiling, and of running each function."""
    result: dict[str, float] = defaultdict(float)
    for name, summary in compiled.items():
        result["tracing and compiling"] += summary["compiling"]
        result[f"running {name.strip('_')} ({summary['calls']:.0f} calls)"] += summary["running"]
    return dict(result)
