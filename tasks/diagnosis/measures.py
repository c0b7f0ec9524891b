"""Measures that several diagnoses use, each one number of a case: the median over the trials that have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tasks.diagnosis.case import Case, History

Measure = Callable[[History], float]

BEATEN = 0.9
"""A simple model is clearly better where its loss is below this share of the network's validation loss."""


def median(case: Case, measure: Measure) -> float:
    """The median over trials; NaN where no trial has it."""
    found = [value for value in map(measure, case.histories) if np.isfinite(value)]
    return float(np.median(found)) if found else np.nan


def first(values: np.ndarray) -> float:
    return float(values[0]) if len(values) else np.nan


def last(values: np.ndarray) -> float:
    return float(values[-1]) if len(values) else np.nan


def mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def middle(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else np.nan


def moved(history: History) -> float:
    """How far the weights have moved from the beginning to the end, as a share of their initial length."""
    length = first(history.of("weight_norm"))
    return last(history.of("weight_distance")) / length if length else np.nan


def wanders(losses: np.ndarray) -> float:
    """Standard deviation of the first differences of the logarithm of a loss over its last half."""
    half = losses[len(losses) // 2 :]
    half = half[half > 0]
    return float(np.std(np.diff(np.log(half)))) if len(half) > 3 else np.nan


def fall(losses: np.ndarray) -> float:
    """By what share a loss fell over the last half: from the mean of that half's first third to the mean of its last
    third, so that one value counts little."""
    half = losses[len(losses) // 2 :]
    third = max(len(half) // 3, 1)
    return 1 - float(half[-third:].mean() / half[:third].mean()) if len(half) > 2 and half.min() > 0 else np.nan


def worst_layer(case: Case, measure: Callable[[History, str], float]) -> tuple[str | None, float]:
    """The layer in which the median over trials is highest, and that median; None and NaN where nothing is known."""
    layers = dict.fromkeys(layer for history in case.histories for layer in history.layers)
    found = {layer: median(case, lambda history, layer=layer: measure(history, layer)) for layer in layers}  # type: ignore[misc]
    known = {layer: value for layer, value in found.items() if np.isfinite(value)}
    if not known:
        return None, np.nan
    worst = max(known, key=lambda layer: known[layer])
    return worst, known[worst]


def learned(case: Case) -> bool:
    """Whether some trial's validation loss came clearly below the constant answer's."""
    level = case.facts.constant_loss
    best = [history.of("val_loss").min() for history in case.histories if len(history.of("val_loss"))]
    return level is not None and bool(best) and min(best) < 0.9 * level


def confidence(figure: float, threshold: float, sharpness: float = 2.0) -> float:
    """One half where a figure meets its threshold, towards 1 above it: `r^s / (1 + r^s)` of their ratio `r`."""
    if not np.isfinite(figure):
        return 0.99
    ratio = max(figure / threshold, 0.0) ** sharpness
    return float(np.clip(ratio / (1 + ratio), 0.01, 0.99))


def said(value: float) -> str:
    """Writes a number for a sentence, with two significant digits."""
    if not np.isfinite(value):
        return "no finite number"
    short = float(f"{value:.2g}")
    return f"{short:,.12f}".rstrip("0").rstrip(".") if short else "0"


def share(value: float) -> str:
    """Writes a share in percent, small ones too."""
    return f"{said(100 * value)}%"


def plural(count: float, noun: str) -> str:
    return f"{said(count)} {noun}" + ("" if count == 1 else "s")


def of_seeds(values: Sequence[float]) -> np.ndarray:
    return np.array([value for value in values if np.isfinite(value)])
