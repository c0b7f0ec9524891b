"""The workloads' data as arrays on disk: the real data sets if BAKEOFF_DATA is set, else random ones of the same
shapes. The result says which."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.training.feed import Resident
from tests.in_memory import InMemory, in_memory

LENGTH, VOCABULARY = 60, 8000


@dataclass(frozen=True)
class Source:
    """A data set of the benchmark.

    Args:
        catalogue: Name in the project's catalogue; None: it is read by this module.
        shape: Shape of one row as the network takes it.
        classes: Number of classes; None for regression.
        rows: Rows of the training and the validation part, where random data take its place.
    """

    catalogue: str | None
    shape: tuple[int, ...]
    classes: int | None
    rows: tuple[int, int]


SOURCES = {
    "mnist": Source("mnist", (784,), 10, (48_000, 12_000)),
    "mnist-images": Source("mnist", (28, 28, 1), 10, (48_000, 12_000)),
    "shot-log": Source("shot-log", (13,), 2, (81_926, 20_534)),
    "housing": Source("california-housing", (15,), None, (13_210, 3_302)),
    "sms": Source(None, (LENGTH,), 2, (3_309, 828)),
}


def write(name: str, path: Path) -> None:
    """Prepares a data set once for all measurements and writes it to `path` (.npz)."""
    arrays, origin = _arrays(SOURCES[name])
    np.savez(
        path,
        train_inputs=arrays.train.inputs,
        train_targets=arrays.train.targets,
        val_inputs=arrays.val_inputs,
        val_targets=arrays.val_targets,
        target_scale=arrays.target_scale,
        origin=origin,
    )


def read(name: str, path: Path, rows: int | None = None) -> tuple[InMemory, str]:
    """Returns the arrays with at most `rows` training rows, and `real` or `synthetic`."""
    with np.load(path) as stored:
        arrays = InMemory(
            train=Resident(stored["train_inputs"][:rows], stored["train_targets"][:rows]),
            val_inputs=stored["val_inputs"],
            val_targets=stored["val_targets"],
            classes=SOURCES[name].classes,
            target_scale=float(stored["target_scale"]),
        )
        return arrays, str(stored["origin"])


def _arrays(source: Source) -> tuple[InMemory, str]:
    folder = os.environ.get("BAKEOFF_DATA")
    if not folder:
        return _synthetic(source), "synthetic"
    if source.catalogue is None:
        return _messages(Path(folder)), "real"
    return _prepared(source.catalogue, source.shape), "real"


def _prepared(catalogue: str, shape: tuple[int, ...]) -> InMemory:
    """Prepares a catalogue data set as the main flow does, with the default split."""
    from tasks.datasets.load import load_dataset
    from tasks.datasets.splits import split_rows
    from tasks.inputs.prepared import prepare
    from tasks.spec.data import Data

    data = Data(source=catalogue)
    dataset = load_dataset(data, home=Path("data"))
    arrays = in_memory(prepare(dataset, split_rows(dataset, data.split)).arrays())
    return InMemory(
        Resident(arrays.train.inputs.reshape(-1, *shape), arrays.train.targets),
        arrays.val_inputs.reshape(-1, *shape),
        arrays.val_targets,
        arrays.classes,
        arrays.target_scale,
    )


def _messages(folder: Path) -> InMemory:
    """Reads SMS spam as token numbers: 0 pads, 1 stands for words outside the training part's most frequent ones."""
    path = next(folder.rglob("SMSSpamCollection"))
    lines = list(dict.fromkeys(path.read_text(encoding="utf-8").splitlines()))
    lines = [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]
    labels, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    words = [re.findall(r"[a-z0-9']+", text.lower()) for text in texts]
    train, val = round(0.64 * len(lines)), round(0.8 * len(lines))
    frequent = Counter(word for message in words[:train] for word in message).most_common(VOCABULARY - 2)
    number = {word: place for place, (word, _) in enumerate(frequent, 2)}
    tokens = np.zeros([len(words), LENGTH], np.int32)
    for row, message in enumerate(words):
        known = [number.get(word, 1) for word in message[:LENGTH]]
        tokens[row, : len(known)] = known
    target = np.array([label == "spam" for label in labels], np.int64)
    return InMemory(Resident(tokens[:train], target[:train]), tokens[train:val], target[train:val], 2)


def _synthetic(source: Source) -> InMemory:
    """Draws Gaussian rows around a centre for each class (for regression, for each of ten target values), so that there
    is something to learn; for the messages, token numbers."""
    rng = np.random.default_rng(0)
    rows = sum(source.rows)
    kind = rng.integers(0, source.classes or 10, rows)
    if source.catalogue is None:
        inputs = rng.integers(0, VOCABULARY // 2, (rows, *source.shape)) + kind[:, None] * rng.integers(
            0, VOCABULARY // 2, (rows, *source.shape)
        )
        inputs = inputs.astype(np.int32)
    else:
        centres = rng.normal(size=(10, *source.shape)).astype("float32")
        inputs = 0.3 * centres[kind] + rng.normal(size=(rows, *source.shape)).astype("float32")
    target = kind if source.classes else ((kind - 4.5) / 2.87).astype("float32")
    train = source.rows[0]
    return InMemory(Resident(inputs[:train], target[:train]), inputs[train:], target[train:], source.classes)
