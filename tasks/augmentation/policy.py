"""A policy: augmenters one after the other, and when they act.

Either every epoch gets a fresh version of each training example, in place of the original; or a number of changed
copies, made once, are added to the originals. A version depends only on the example, its row in the data set, the
policy, the seeds of policy and trial, and the number of the epoch or copy.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.library import together
from tasks.augmentation.mixup import Mixer
from tasks.augmentation.seeds import example_seeds
from tasks.augmentation.table import augmenter
from tasks.dataset import Facts, Values

Progress = Callable[[int, int], None]
"""Called with (examples done, examples in all) after each chunk."""

Map = Callable[..., Iterator[Any]]
"""`map`, or one like it that does the work elsewhere; results in order."""

CHUNK = 512
"""The most examples worked on at a time: 10 ms of work for small images, 3 s for the slowest changes of sound."""

CHUNK_BYTES = 1 << 21
"""The most bytes of a chunk of several examples, so that it stays in the cache on its way from process to process."""


@dataclass(frozen=True)
class Policy:
    """Augmenters in order, all for one kind of data.

    Args:
        mixer: What mixes the preprocessed examples of an epoch afterwards, or None.
        times: Changed copies of each example beside the original; None: a fresh version every epoch in its place.
        seed: The policy's own seed.
        document: The complete document that it was made from, as plain JSON.
        white: The largest value of the training part's images, once learned; None: not images, or not learned yet.
    """

    steps: tuple[Augmenter, ...]
    mixer: Mixer | None
    times: int | None
    seed: int
    document: Mapping[str, Any]
    white: float | None = None

    def incompatibility(self, facts: Facts) -> str | None:
        """Why this policy can't augment these data, or None."""
        for step in self.steps:
            if step.kind != facts.kind:
                return f"{step.name} is for {_PLURALS[step.kind]}, and these data are {_DATA[facts.kind]}"
            reason = step.incompatibility(facts)
            if reason:
                return f"{step.name} {reason}"
        if self.mixer and facts.kind in ("text", "text and columns"):
            return f"{self.mixer.name} mixes numbers, and these data are {_DATA[facts.kind]}"
        if self.mixer and self.mixer.images and facts.kind != "image":
            return f"{self.mixer.name} is for images, and these data are {_DATA[facts.kind]}"
        return None

    def learned(self, values: Values) -> Policy:
        """This policy with what its augmenters need to know of the training part. `augment` takes only such a
        policy."""
        steps = together([step.learn(values) if step.learn else step for step in self.steps])
        images = any(step.kind == "image" for step in steps)
        return replace(self, steps=steps, white=(float(values.max()) or 1.0) if images else None)


_PLURALS = {"image": "images", "text": "texts", "audio": "sound", "table": "tables"}
_DATA = {
    "image": "images",
    "text": "texts",
    "audio": "sound",
    "table": "a table",
    "text and columns": "texts beside columns",
}


def policy_of(document: Mapping[str, Any] | None) -> Policy | None:
    """The policy of a recipe's settings: `{steps: [{name: parameters}, ...], times, seed}` with every parameter."""
    if document is None:
        return None
    made = [augmenter(name, parameters) for step in document["steps"] for name, parameters in step.items()]
    return Policy(
        steps=tuple(step for step in made if isinstance(step, Augmenter)),
        mixer=next((step for step in made if isinstance(step, Mixer)), None),
        times=document["times"],
        seed=document["seed"],
        document=document,
    )


def augment(
    policy: Policy,
    values: Values,
    rows: np.ndarray,
    seed: int,
    copy: int,
    *,
    run: Map = map,
    progress: Progress | None = None,
) -> Values:
    """One changed version of each example.

    Args:
        policy: After `learned`.
        values: Raw examples as in `Values`; images may have any largest value, which is taken as white.
        rows: Each example's row in the data set `[n]`.
        seed: The trial's seed.
        copy: Which version: the epoch or the copy, from 0.
        run: From `workers`; the result does not depend on it.

    Returns:
        As `values`: same number, shape, dtype and range.
    """
    size = _chunk_size(values)
    starts = range(0, len(values), size)
    chunks = ((values[start : start + size], rows[start : start + size]) for start in starts)
    # Each part is written to its place at once. To join all parts at the end would touch as much memory again.
    results: Values = [""] * len(values) if isinstance(values, list) else np.empty_like(values)
    done = 0
    for part in run(partial(_chunk, pickle.dumps(policy), seed, copy), chunks):
        results[done : done + len(part)] = part
        done += len(part)
        if progress:
            progress(done, len(values))
    return results


def copies(
    policy: Policy,
    values: Values,
    rows: np.ndarray,
    seed: int,
    *,
    run: Map = map,
    progress: Progress | None = None,
) -> Values:
    """The copies of a policy with `times`, without the originals: the first copy of each example, then the second."""
    times = policy.times or 0
    total = times * len(values)

    def moved(copy: int) -> Progress | None:
        return progress and (lambda done, _: progress(copy * len(values) + done, total))

    return _joined([augment(policy, values, rows, seed, copy, run=run, progress=moved(copy)) for copy in range(times)])


def example_seconds(policy: Policy, values: Values) -> float:
    """About how many seconds one example takes on one core: the faster of two tries.

    Args:
        values: A few examples, at least one.
    """
    learned, rows, taken = policy.learned(values), np.arange(len(values)), []
    for copy in range(2):
        started = time.perf_counter()
        augment(learned, values, rows, 0, copy)
        taken.append(time.perf_counter() - started)
    return min(taken) / len(values)


@contextmanager
def workers(processes: int) -> Iterator[Map]:
    """A `map` over so many worker processes, started once and kept until the end; with one process the plain `map`.

    Workers are fresh interpreters (TensorFlow does not survive a fork). They end with this process, however it ends.
    """
    if processes == 1:
        yield map
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_the_parent)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_the_parent() -> None:
    """Ends this worker with its parent. Else, if the parent were killed, workers would wait for work forever, since
    each of them also holds the queue's other end."""
    import multiprocessing
    import os
    import threading

    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _chunk_size(values: Values) -> int:
    if not isinstance(values, np.ndarray) or not values.size:
        return CHUNK
    return min(max(CHUNK_BYTES // values[0].nbytes, 1), CHUNK)


@lru_cache(maxsize=1)
def _loaded(pickled: bytes) -> Policy:
    return pickle.loads(pickled)


def _chunk(pickled: bytes, seed: int, copy: int, chunk: tuple[Values, np.ndarray]) -> Values:
    policy = _loaded(pickled)
    values, rows = chunk
    if policy.white is not None:
        values = _stretched(values, policy.white)
    for place, step in enumerate(policy.steps):
        values = step.apply(values, example_seeds((policy.seed, seed, place), copy, rows))
    if policy.white is not None:
        values = _unstretched(values, policy.white)
    return values


def _stretched(images: np.ndarray, white: float) -> np.ndarray:
    """Images in the range that augmenters take: `white` becomes 255, or 1 for float32. For uint8 it can be undone."""
    if images.dtype == np.uint8:
        table = np.minimum(np.rint(np.arange(256) * (255 / white)), 255).astype(np.uint8)
        return images if white == 255 else table[images]
    return np.clip(images / np.float32(white), 0, 1)


def _unstretched(images: np.ndarray, white: float) -> np.ndarray:
    if images.dtype == np.uint8:
        table = np.rint(np.arange(256) * (white / 255)).astype(np.uint8)
        return images if white == 255 else table[images]
    return images * np.float32(white)


def _joined(parts: Sequence[Values]) -> Values:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [item for part in parts for item in part]
