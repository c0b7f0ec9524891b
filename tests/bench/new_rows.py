"""Measures the coverage of a recipe's interval over rows and seeds: `python -m tests.bench.new_rows [--quick]`.

The truth is the mean over all seeds of the metric over all rows. Models of different seeds make errors on the same rows
more often than by chance (correlation 0.7). A seed's model is better or worse than another's by a normal effect, whose
size is 0, 1 or 3 standard errors of the rows. Prints a Markdown table; exits with 1 if coverage is below the bar.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import zlib
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr, ndtri

from tasks.evaluation.intervals import Interval, over_rows_and_seeds, over_seeds
from tasks.evaluation.metrics import METRICS

CONFIDENCE = 0.95
DRAWS = 1000
LEAST_COVERAGE = 0.92
SEEDS, ROWS, EFFECTS = (1, 2, 3, 5, 10), (60, 100, 300, 1000), (0.0, 1.0, 3.0)
ALIKE = 0.7 ** (1 / 2)
"""Weight of the row's own part in an error: its square is the correlation of two seeds' errors."""

Rng = np.random.Generator
Drawn = tuple[np.ndarray, np.ndarray]
"""Target `[rows]` and predictions `[seeds, rows, ...]`."""


def _errors(rng: Rng, seeds: int, rows: int) -> np.ndarray:
    """Draws standard normal errors `[seeds, rows]`, correlated between the seeds of a row."""
    return ALIKE * rng.normal(size=rows) + np.sqrt(1 - ALIKE**2) * rng.normal(size=(seeds, rows))


def shares(rng: Rng, seeds: int, rows: int, effect: float) -> tuple[Drawn, float]:
    """Draws models that are right on 90% of the rows, for accuracy, with two classes of equal size; and the truth."""
    # On the probit scale, so that an effect of 1 moves the share by one standard error of the rows.
    deviation = effect * np.sqrt(0.9 * 0.1 / rows) / (np.exp(-(ndtri(0.9) ** 2) / 2) / np.sqrt(2 * np.pi))
    level = ndtri(0.9) + deviation * rng.normal(size=(seeds, 1))
    right = _errors(rng, seeds, rows) < level
    target = rng.integers(2, size=rows)
    predictions = np.eye(2)[np.where(right, target, 1 - target)]
    return (target, predictions), float(ndtr(ndtri(0.9) / np.sqrt(1 + deviation**2)))


def errors(rng: Rng, seeds: int, rows: int, effect: float) -> tuple[Drawn, float]:
    """Draws normal errors of standard deviation 1 times a log-normal effect of the seed, for RMSE; and the truth."""
    deviation = effect / np.sqrt(2 * rows)  # the standard error of a normal sample's deviation
    scale = np.exp(deviation * rng.normal(size=(seeds, 1)))
    target = rng.normal(size=rows)
    return (target, target + scale * _errors(rng, seeds, rows)), float(np.exp(deviation**2 / 2))


MODELS: dict[str, Callable[[Rng, int, int, float], tuple[Drawn, float]]] = {"accuracy": shares, "rmse": errors}


def coverage(name: str, seeds: int, rows: int, effect: float, draws: int) -> tuple[float, float, float]:
    """Returns the shares of the intervals that contain the truth, that lie above it, and that lie below it."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {seeds} {rows} {effect}".encode()))
    metric, found, above, below = METRICS[name], 0, 0, 0
    for _ in range(draws):
        (target, predictions), truth = MODELS[name](rng, seeds, rows, effect)
        values = np.array([metric.function(target, each) for each in predictions])
        of_rows = metric.over_rows(target, predictions[0], CONFIDENCE)
        interval: Interval = over_rows_and_seeds(over_seeds(values, CONFIDENCE), of_rows)
        if interval.low is not None and interval.high is not None:
            found, above, below = found + 1, above + (interval.low > truth), below + (interval.high < truth)
    return 1 - (above + below) / found, above / found, below / found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws")
    draws = DRAWS // 10 if parser.parse_args().quick else DRAWS
    print(
        f"{draws:,} draws a line, {CONFIDENCE:.0%} intervals. Effect of a seed in standard errors of the rows; with one"
    )
    print("seed the interval is over rows alone, and an effect of seeds is not in it.\n")
    print("| metric | rows | seeds | effect of a seed | holds | all above | all below |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    missed = 0
    for name, rows, seeds, effect in itertools.product(MODELS, ROWS, SEEDS, EFFECTS):
        if seeds == 1 and effect:
            continue
        held, above, below = coverage(name, seeds, rows, effect, draws)
        missed += held < LEAST_COVERAGE
        print(f"| {name} | {rows:,} | {seeds} | {effect:g} | {held:.1%} | {above:.1%} | {below:.1%} |", flush=True)
    print(f"\n{missed} lines below {LEAST_COVERAGE:.0%}.")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
