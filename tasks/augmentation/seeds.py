"""Where the randomness of augmentation comes from: a seed for each example, and numbers made from it.

Everything is integer hashing over NumPy arrays (the finaliser of SplitMix64: Steele, Lea & Flood 2014), so it is the
same on every machine, in every process, and for every way of dividing the examples.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def example_seeds(seed: int | tuple[int, ...], copy: int, rows: np.ndarray) -> np.ndarray:
    """One seed for each example.

    Args:
        seed: What the whole augmentation depends on: policy's seed, trial's seed, place of the step in the policy.
        copy: The number of the copy, or of the epoch, from 0.
        rows: Row of each example in the data set, integers at least 0 `[n]`.

    Returns:
        uint64 `[n]`: different for different rows; a function of the three arguments alone.
    """
    state = np.zeros(1, np.uint64)
    for part in (*(seed if isinstance(seed, tuple) else (seed,)), copy):
        state = _mixed(state + _GOLDEN * np.array([part + 1], np.uint64))
    return _mixed(state ^ _mixed(np.asarray(rows).astype(np.uint64) + _GOLDEN))


def uniforms(seeds: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers for each seed, uniform in the open interval (0, 1): float64 `[n, count]`."""
    places = _GOLDEN * np.arange(1, count + 1, dtype=np.uint64)
    bits = _mixed(seeds[:, None] + places) >> np.uint64(12)
    return (bits.astype(np.float64) + 0.5) / 2.0**52


def normals(seeds: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers for each seed from the standard normal distribution: float64 `[n, count]`."""
    from scipy.special import ndtri

    return ndtri(uniforms(seeds, count))


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """Leaves the global generators of `random` and `numpy.random` as they were, whatever is drawn or seeded inside.

    For libraries that can only draw from them: seed both inside, before each example. Using it once around a whole
    batch is enough, and cheap.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _mixed(bits: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: a bijection of uint64 in which each bit of the input changes half of the output's."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
