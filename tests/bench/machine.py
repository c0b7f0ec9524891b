"""Describes the machine, and measures how fast it multiplies matrices and moves memory."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np

PACKAGES = ("tensorflow", "keras", "numpy", "jax", "jaxlib", "optax", "keras-tuner", "optuna")


def description() -> dict[str, str]:
    """Returns processor, cores, memory, system and versions of packages."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def sgemm_flops() -> float:
    """Returns the floating-point operations a second of NumPy's float32 product of two 1024 x 1024 matrices on all
    cores."""
    a, b = np.random.default_rng(0).random((2, 1024, 1024), np.float32)
    out = np.empty_like(a)
    return 2 * 1024**3 / _fastest(lambda: np.matmul(a, b, out=out))


def copy_bytes(size: int) -> float:
    """Returns the bytes read and written a second when all cores copy arrays of `size` bytes in total. The size
    matters: a working set that fits in a cache moves at the cache's speed."""
    cores = os.cpu_count() or 1
    arrays = [np.zeros(max(size // 8 // cores, 1024), np.float32) for _ in range(cores)]
    targets = [np.zeros_like(array) for array in arrays]
    repeats = max(1, 2**24 // max(size, 1))

    def copy(place: int) -> None:
        for _ in range(repeats):
            np.copyto(targets[place], arrays[place])

    with ThreadPoolExecutor(cores) as pool:
        seconds = _fastest(lambda: list(pool.map(copy, range(cores))))
    return 2 * repeats * sum(array.nbytes for array in arrays) / seconds


def _fastest(action: Callable[[], object], budget: float = 0.5) -> float:
    """Returns the shortest time of the action, which runs at least three times and for about `budget` seconds."""
    times: list[float] = []
    while sum(times) < budget or len(times) < 3:
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    names = (f"{package}-cpu", package) if package == "tensorflow" else (package,)
    for name in names:
        try:
            return version(name)
        except ModuleNotFoundError:
            continue
    return "not installed"
