"""Training rows as a policy changes them, for both trainers.

There are two ways. `Held`: changed copies are trained on beside the originals. They are made once, kept in the cache
folder, and stay in memory while a stack trains. `Fresh`: in each epoch a new version of every row takes its place.
Versions are made while earlier rows are trained on, by threads and, where it pays, by processes. Only some of them are
held at a time.

The version of a row depends on the policy, the trial's seed, the epoch or copy, and the row; with mixup also on its
neighbours in the epoch's order. So the bytes are the same however many processes make them, and in both trainers. Only
training rows are given to a policy.
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tasks.augmentation.cache import cached_copies
from tasks.augmentation.imbalance import resample
from tasks.augmentation.mixup import drawn_targets
from tasks.augmentation.pieces import piece_bounds
from tasks.augmentation.policy import Map, Policy, Progress, augment, workers
from tasks.augmentation.seeds import example_seeds
from tasks.dataset import TRAIN, Values
from tasks.inputs.prepared import Prepared
from tasks.preprocessing.tables import preprocess
from tasks.training.feed import Resident, batch_order
from tasks.training.trial import Arrays


@dataclass(frozen=True)
class Makers:
    """The threads and processes that make augmented rows.

    Args:
        threads: They make pieces ahead of the training.
        run: A `map` that spreads a piece's examples over processes, or the plain one.
    """

    threads: Executor
    run: Map


@contextmanager
def makers(threads: int, processes: int) -> Iterator[Makers]:
    """Starts so many threads and processes (1 process: only this one). Pending work is cancelled on exit."""
    with workers(processes) as run:
        executor = ThreadPoolExecutor(threads, "augmentation", _ignore_ctrl_c)
        try:
            yield Makers(executor, run)
        finally:
            executor.shutdown(cancel_futures=True)


def _ignore_ctrl_c() -> None:
    """Blocks the interrupt of Ctrl-C in this thread and in the processes that it starts. A terminal sends it to all
    processes; the one that trains gets it and ends the others."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


@dataclass(frozen=True)
class Versions:
    """The versions of training rows that a policy makes.

    Args:
        policy: After `learned` on the training part.
        targets: The training part's targets as the trainers take them.
    """

    prepared: Prepared
    policy: Policy
    targets: np.ndarray

    @classmethod
    def of(cls, prepared: Prepared, policy: Policy) -> Versions:
        values = prepared.dataset.form.examples(prepared.dataset, prepared.rows[TRAIN])
        return cls(prepared, policy.learned(values), prepared.targets[prepared.rows[TRAIN]])

    def fresh(
        self, seed: int, epoch: int, positions: np.ndarray, repeats: np.ndarray | int = 0, run: Map = map
    ) -> tuple[np.ndarray, np.ndarray]:
        """Preprocessed inputs `[n, ...]` and targets `[n]` of an epoch's versions of some training rows.

        Args:
            positions: In the training part, int64 `[n]`; mixup takes partners from these.
            repeats: How many times the epoch has the row already; each time it is changed as if it were another row.
        """
        rows, targets = self.prepared.rows[TRAIN][positions], self.targets[positions]
        drawn_as = rows + repeats * self.prepared.dataset.rows
        inputs = self.prepared.features[rows]
        if self.policy.steps:
            dataset = self.prepared.dataset
            values = dataset.form.examples(dataset, rows)
            inputs = self._preprocessed(augment(self.policy, values, drawn_as, seed, epoch, run=run), rows)
        mixer = self.policy.mixer
        if mixer is None:
            return inputs, targets
        place = len(self.policy.document["steps"])  # a place that no step has
        seeds = example_seeds((self.policy.seed, seed, place), epoch, drawn_as)
        mixed = mixer.mix(inputs, targets, seeds)
        if self.prepared.dataset.classes is None:
            values = mixed.weight * mixed.target_a + (1 - mixed.weight) * mixed.target_b
            return mixed.inputs, values.astype(targets.dtype)
        return mixed.inputs, drawn_targets(mixed, seeds)

    def copies(self, seed: int, home: Path, run: Map = map, progress: Progress | None = None) -> np.ndarray:
        """Preprocessed inputs of the copies, `[times * rows, ...]`: the first copy of each training row, then the
        second."""
        dataset, rows = self.prepared.dataset, self.prepared.rows[TRAIN]
        values = cached_copies(
            self.policy,
            dataset.form.examples(dataset, rows),
            rows,
            seed,
            home=home,
            digest=dataset.digest,
            run=run,
            progress=progress,
        )
        return self._preprocessed(values, np.tile(rows, self.policy.times or 0))

    def _preprocessed(self, values: Values, rows: np.ndarray) -> np.ndarray:
        dataset = self.prepared.dataset
        return preprocess(self.prepared.preprocessor, dataset.form.restored(dataset, values, rows))


@dataclass(frozen=True)
class Held:
    """A `feed.Feed` of training rows and copies of them, all in memory.

    Args:
        originals: The training rows.
        copies: Inputs of each seed's copies, `[times * rows, ...]`.
        times: Copies of each row.
        chosen: For each seed, the training rows that an epoch uses, int64 `[n]`, some repeated; None: each once.
    """

    originals: Resident
    copies: Mapping[int, np.ndarray]
    times: int
    chosen: Mapping[int, np.ndarray] | None = None

    @property
    def rows(self) -> int:
        return self._chosen_rows * (self.times + 1)

    @property
    def _chosen_rows(self) -> int:
        return self.originals.rows if self.chosen is None else len(next(iter(self.chosen.values())))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.originals.shape

    @property
    def dtype(self) -> np.dtype:
        return self.originals.dtype

    @property
    def target_dtype(self) -> np.dtype:
        return self.originals.target_dtype

    def order(self, seed: int, epoch: int) -> np.ndarray:
        return batch_order(seed, epoch, self.rows)

    def fill(self, seed: int, epoch: int, picked: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> None:
        copy, rows = np.divmod(picked, self._chosen_rows)
        rows = rows if self.chosen is None else self.chosen[seed][rows]
        original = copy == 0
        inputs[original] = self.originals.inputs[rows[original]]
        if not original.all():
            copied = (copy[~original] - 1) * self.originals.rows + rows[~original]
            inputs[~original] = self.copies[seed][copied]
        targets[:] = self.originals.targets[rows]


Piece = tuple[int, int]
"""Epoch, and number of the piece in its order."""


@dataclass
class _Ahead:
    """Pieces that are made, or being made, for one seed."""

    pieces: dict[Piece, Future[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)
    epoch: int = -1
    places: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Fresh:
    """A `feed.Feed` of rows that are changed anew for each epoch.

    An epoch's order is cut into pieces of equal size. Each time rows are taken, as many rows are made ahead, in the
    epoch's order and on into the next epoch. So rows that are taken in that order are ready. It serves one thread,
    which may train several seeds.

    Args:
        chosen: For each seed, the training rows that an epoch uses, int64 `[n]`, ascending, some repeated; None: each
            once. Each repetition of a row gets another version.
    """

    versions: Versions
    makers: Makers
    chosen: Mapping[int, np.ndarray] | None = None
    _ahead: dict[int, _Ahead] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> int:
        return len(self.versions.targets if self.chosen is None else next(iter(self.chosen.values())))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.versions.prepared.features.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self.versions.prepared.features.dtype

    @property
    def target_dtype(self) -> np.dtype:
        return self.versions.targets.dtype

    def order(self, seed: int, epoch: int) -> np.ndarray:
        return batch_order(seed, epoch, self.rows)

    def fill(self, seed: int, epoch: int, picked: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> None:
        ahead, bounds = self._ahead.setdefault(seed, _Ahead()), self._bounds
        if ahead.epoch != epoch:
            ahead.epoch, ahead.places = epoch, np.argsort(self.order(seed, epoch))
        places = ahead.places[picked]
        numbers = np.searchsorted(bounds, places, side="right") - 1
        wanted = [(epoch, number) for number in np.unique(numbers).tolist()]
        soon = self._from(epoch, int(places.max()) + 1, max(len(picked), bounds[1]))
        self._ask(seed, ahead, [*wanted, *soon])
        for piece in wanted:
            made_inputs, made_targets = ahead.pieces[piece].result()
            here, first = numbers == piece[1], bounds[piece[1]]
            inputs[here], targets[here] = made_inputs[places[here] - first], made_targets[places[here] - first]

    @property
    def _bounds(self) -> np.ndarray:
        """Where the pieces of an epoch begin, and its end."""
        return piece_bounds(self.rows, math.prod(self.shape) * self.dtype.itemsize)

    def _from(self, epoch: int, place: int, rows: int) -> list[Piece]:
        """The pieces of the next rows in the epoch's order, going on into the next epoch."""
        bounds, found = self._bounds, []
        while rows > 0:
            epoch, place = epoch + place // self.rows, place % self.rows
            number = int(np.searchsorted(bounds, place, side="right")) - 1
            found.append((epoch, number))
            rows -= int(bounds[number + 1]) - place
            place = int(bounds[number + 1])
        return found

    def _ask(self, seed: int, ahead: _Ahead, pieces: Sequence[Piece]) -> None:
        """Asks for these pieces, in this order, and drops all others."""
        for piece in ahead.pieces.keys() - set(pieces):
            ahead.pieces.pop(piece).cancel()
        for piece in pieces:
            if piece not in ahead.pieces:
                ahead.pieces[piece] = self.makers.threads.submit(self._make, seed, piece)

    def _make(self, seed: int, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
        epoch, number = piece
        positions = self.order(seed, epoch)[self._bounds[number] : self._bounds[number + 1]]
        if self.chosen is None:
            return self.versions.fresh(seed, epoch, positions, run=self.makers.run)
        chosen = self.chosen[seed]
        times_before = (np.arange(len(chosen)) - np.searchsorted(chosen, chosen))[positions]
        return self.versions.fresh(seed, epoch, chosen[positions], times_before, self.makers.run)


def augmented(
    prepared: Prepared,
    arrays: Arrays,
    policy: Policy | None,
    seeds: Sequence[int],
    *,
    resampled: bool = False,
    home: Path,
    makers: Makers,
    progress: Progress | None = None,
) -> Arrays:
    """Returns the arrays with training rows resampled and changed by the policy. Rows that are only scored stay
    unchanged.

    Args:
        arrays: The arrays of `prepared`, in memory.
        seeds: Seeds of the trials that will learn from them.
        resampled: Whether rows of smaller classes are repeated until each class has as many as the largest.
        home: Holds `cache/augmented`.
        progress: Called with the number of copies made, over all seeds.
    """
    if policy is None and not resampled:
        return arrays
    assert isinstance(arrays.train, Resident)
    chosen = {seed: resample(arrays.train.targets, seed) for seed in seeds} if resampled else None
    if policy is None:
        return replace(arrays, train=Held(arrays.train, {}, 0, chosen))
    versions = Versions.of(prepared, policy)
    if policy.times is None:
        return replace(arrays, train=Fresh(versions, makers, chosen))
    total = len(seeds) * policy.times * arrays.train.rows

    def copies(place: int, seed: int) -> np.ndarray:
        before = place * total // len(seeds)
        note = progress and (lambda done, _: progress(before + done, total))
        with _MAKING:  # in a maker's thread: the processes that it starts must not get Ctrl-C
            return makers.threads.submit(versions.copies, seed, home, makers.run, note).result()

    held = {seed: copies(place, seed) for place, seed in enumerate(seeds)}
    return replace(arrays, train=Held(arrays.train, held, policy.times, chosen))


_MAKING = threading.Lock()
"""Of two stacks that need the same copies, one makes them and the other reads them."""
