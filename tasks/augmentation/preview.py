"""How a report shows examples before and after augmentation, by the form of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.dataset import Dataset, Preview

COLUMNS = 8
"""The most columns of a table that are shown."""
LEAST_PIXELS = 72
"""The longer side of a shown picture has at least so many pixels."""


def _pictures(before: np.ndarray, after: Sequence[np.ndarray], dataset: Dataset) -> np.ndarray:
    """A grid of images, uint8 `[height, width, channels]`."""
    return _grid((np.clip(np.stack([before, *after]), 0, 1) * 255).round().astype(np.uint8))


def _spectrograms(before: np.ndarray, after: Sequence[np.ndarray], dataset: Dataset) -> np.ndarray:
    """A grid of spectrograms, time to the right and high tones above, on one scale from black to white."""
    shown = np.stack([before, *after])
    low, high = np.quantile(shown, [0.01, 0.99])
    levels = (np.clip((shown - low) / ((high - low) or 1), 0, 1) * 255).round().astype(np.uint8)
    return _grid(levels.swapaxes(2, 3)[:, :, ::-1])


def _words(before: Sequence[str], after: Sequence[Sequence[str]], dataset: Dataset) -> dict[str, Any]:
    return {"examples": [{"before": text, "after": [each[i] for each in after]} for i, text in enumerate(before)]}


def _numbers(before: np.ndarray, after: Sequence[np.ndarray], dataset: Dataset) -> dict[str, Any]:
    shown = [{"before": _plain(row), "after": [_plain(each[i]) for each in after]} for i, row in enumerate(before)]
    return {"columns": [str(name) for name in dataset.numbers[:COLUMNS]], "examples": shown}


def _plain(row: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in row[:COLUMNS]]


def _grid(pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 `[versions, examples, height, width, channels]` on white, in rows; small ones enlarged."""
    factor = max(1, -(-LEAST_PIXELS // max(pictures.shape[2:4])))
    channels = pictures.shape[-1] if pictures.shape[-1] in (1, 3) else 1
    large = pictures[..., :channels].repeat(factor, axis=2).repeat(factor, axis=3)
    gap = 4
    framed = np.pad(large, [(0, 0), (0, 0), (0, gap), (0, gap), (0, 0)], constant_values=255)
    below: Sequence[np.ndarray] = [np.concatenate(list(row), axis=1) for row in framed]
    apart = np.full([gap, *below[0].shape[1:]], 255, np.uint8)
    return np.concatenate([below[0], apart, *below[1:]])[:-gap, :-gap]


PICTURES = Preview(of_features=True, show=_pictures)
SPECTROGRAMS = Preview(of_features=True, show=_spectrograms)
WORDS_SHOWN = Preview(of_features=False, show=_words)
NUMBERS_SHOWN = Preview(of_features=False, show=_numbers)
