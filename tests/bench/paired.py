"""Measures intervals of the difference of two models on the same test rows: `python -m tests.bench.paired [--quick]`.

They decide whether the network beats a baseline and whether a challenger replaces the champion. So each cell counts how
often the interval lies wholly above the true difference, and wholly below it: one of both is a false answer where the
truth is 0. Rows where the interval is missing count as right.

The pairs: two equal models whose errors are alike or not; a model that is too sure, exactly as good as the constant
answer (its rare large losses are missing in small test parts); answers that differ in few rows; and errors of
regression of which one kind has a heavier tail. Beside it stands the percentile bootstrap alone.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from tasks.evaluation.decisions import LIKELIEST, Deciding
from tasks.evaluation.intervals import RESAMPLES, Interval, difference_interval, resample
from tasks.evaluation.judged_rows import Classes, JudgedRows
from tasks.evaluation.metrics import COST, METRICS, Metric
from tasks.records.decisions import Costs, Decides
from tests.bench import cells

DRAWS = 400
CONFIDENCE = 0.95
MOST_FALSE = 0.05
"""Most false answers of one side; nominal is half of it."""
SIZES = (30, 60, 100, 300, 1000)
LARGE = 1_000_000
"""Rows from which the true difference is taken where the models are not equal by construction."""
DECIDING = Deciding(Decides(rule="cost", costs=Costs(matrix=[[0, 1], [5, 0]])), 1)
THRESHOLD = 1 / 6
"""The threshold of least cost, for calibrated probabilities."""

Pair = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Target, and what two models predict."""
Draw = Callable[[np.random.Generator, int], Pair]


def _probabilities(score: np.ndarray, separation: float, share: float, sureness: float = 1.0) -> np.ndarray:
    """Calibrated where `sureness` is 1; larger: overconfident."""
    positive = expit(sureness * (separation * score - separation**2 / 2 + logit(share)))
    return np.column_stack([1 - positive, positive])


def equal(share: float, alike: float, rng: np.random.Generator, rows: int) -> Pair:
    """Draws two equally good models with normal scores whose noise correlates by `alike`."""
    target = (rng.random(rows) < share).astype(np.int64)
    common, own = rng.normal(size=rows), rng.normal(size=(2, rows))
    scores = 1.5 * target + np.sqrt(alike) * common + np.sqrt(1 - alike) * own
    one, other = (_probabilities(score, 1.5, share) for score in scores)
    return target, one, other


def against_constant(share: float, separation: float, sureness: float, rng: np.random.Generator, rows: int) -> Pair:
    """Draws a model, and the constant answer of the class shares."""
    target = (rng.random(rows) < share).astype(np.int64)
    score = target * separation + rng.normal(size=rows)
    return target, _probabilities(score, separation, share, sureness), np.tile([1 - share, share], (rows, 1))


@cache
def as_sure(share: float, separation: float, metric: str) -> float:
    """How sure a model must be to be exactly as good as the constant answer."""

    def lead(sureness: float) -> float:
        target, one, other = against_constant(share, separation, sureness, np.random.default_rng(0), LARGE)
        return METRICS[metric].function(target, one) - METRICS[metric].function(target, other)

    return float(brentq(lead, 1.0, 8.0, xtol=1e-3))


def sure(share: float, separation: float, metric: str, rng: np.random.Generator, rows: int) -> Pair:
    return against_constant(share, separation, as_sure(share, separation, metric), rng, rows)


def discordant(right: float, differ: float, rng: np.random.Generator, rows: int) -> Pair:
    """Draws answers of which a share `right` is right, and a share `differ` is not the same."""
    target, place = rng.integers(2, size=rows), rng.random(rows)
    both, either = place < right - differ / 2, np.abs(place - right) < differ / 2
    found = [both | (either & side) for side in (place < right, place >= right)]
    one, other = (np.eye(2)[np.where(each, target, 1 - target)] for each in found)
    return target, one, other


ERRORS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "skewed": lambda rng, rows: rng.exponential(size=rows) - 1,
    "3% large": lambda rng, rows: rng.normal(size=rows) * np.where(rng.random(rows) < 0.03, 5, np.sqrt(0.25 / 0.97)),
}
"""Errors of mean square 1."""


def errors(one: str, other: str, rng: np.random.Generator, rows: int) -> Pair:
    target = rng.normal(size=rows)
    return target, target + ERRORS[one](rng, rows), target + ERRORS[other](rng, rows)


CLASSIFIED = ("accuracy", "balanced_accuracy", "f1", "mcc", COST, "log_loss", "brier_score", "roc_auc", "pr_auc")
CASES: dict[str, tuple[Draw, Sequence[str], bool]] = {
    **{
        f"equal models, {share:.0%} positive{', alike' if alike else ''}": (
            partial(equal, share, alike),
            CLASSIFIED,
            True,
        )
        for share in (0.5, 0.1, 0.02)
        for alike in (0.0, 0.9)
    },
    **{
        f"too sure and as good as the constant answer, {share:.0%} positive, by {METRICS[metric].title.lower()}": (
            partial(sure, share, separation, metric),
            (metric,),
            True,
        )
        for share, separation in ((0.5, 0.7), (0.1, 1.0), (0.02, 1.0))
        for metric in ("log_loss", "brier_score")
    },
    **{
        f"{right:.0%} right, {differ:.0%} differ": (partial(discordant, right, differ), ("accuracy",), True)
        for right in (0.7, 0.9)
        for differ in (0.02, 0.1, 0.2)
    },
    **{
        f"errors, {one} and {other}": (partial(errors, one, other), ("rmse", "mae", "r2"), False)
        for one, other in (("normal", "normal"), ("skewed", "normal"), ("3% large", "normal"))
    },
}
"""How pairs are drawn, the metrics that are measured, and whether the true difference is 0."""


def judged(pair: Pair) -> JudgedRows:
    """Returns the rows with the answers of both models, `one` and `other`."""
    target, one, other = pair
    values = one.ndim == 1
    deciding, threshold = (LIKELIEST, None) if values else (DECIDING, THRESHOLD)
    classes = Classes((), None, None) if values else Classes(("no", "yes"), 1, None)
    rows = np.arange(len(target))
    answers = {name: deciding.answers(target, each, rows, threshold) for name, each in (("one", one), ("other", other))}
    return JudgedRows(target, None, classes, CONFIDENCE, answers)


def percentile_alone(rows: JudgedRows, metric: Metric) -> Interval:
    """Returns the percentile bootstrap's interval."""
    read = {name: answers.read_by(metric) for name, answers in rows.answers.items()}
    positive = rows.classes.positive
    drawn = resample(
        {name: metric.resampled(rows.target, each, positive) for name, each in read.items()}, len(rows.target)
    )
    one, other = (rows.value(name, metric) for name in ("one", "other"))
    return difference_interval(metric, (one, other), (drawn["one"], drawn["other"]), CONFIDENCE)


@dataclass(frozen=True)
class Cell:
    """The figures of a cell, as shares of the draws.

    Args:
        above, below: Intervals that lie wholly above, and below, the true difference.
        answered: Draws with an interval.
        width: Width of an interval over that of the percentile bootstrap in the same draw, median.
        alone: The larger of `above` and `below` for the percentile bootstrap alone.
    """

    case: str
    metric: str
    rows: int
    above: float
    below: float
    answered: float
    width: float
    alone: float

    @property
    def missed(self) -> bool:
        return max(self.above, self.below) > MOST_FALSE


def measure(task: tuple[str, str, int, int]) -> Cell:
    """Measures one cell, given its case, metric, rows of a test part and draws."""
    case, name, size, draws = task
    draw, _, none = CASES[case]
    metric, rng = METRICS[name], np.random.default_rng(zlib.crc32(f"{case} {name} {size}".encode()))
    truth = 0.0
    if not none:
        large = judged(draw(np.random.default_rng(1), LARGE))
        truth = metric.sign * (large.value("one", metric) - large.value("other", metric))
    false, alone, widths, answered = np.zeros(2), np.zeros(2), [], 0
    for _ in range(draws):
        rows = judged(draw(rng, size))
        found = rows.differences("one", {"other": "other"}, metric, RESAMPLES)["other"]
        usual = percentile_alone(rows, metric)
        alone += _beyond(usual, truth)
        if found.low is None or found.high is None:
            continue
        answered += 1
        false += _beyond(found, truth)
        if usual.low is not None and usual.high is not None and usual.high > usual.low:
            widths.append((found.high - found.low) / (usual.high - usual.low))
    above, below = (float(each) for each in false / draws)
    width = float(np.median(widths)) if widths else float("nan")
    return Cell(case, name, size, above, below, answered / draws, width, float(alone.max() / draws))


def _beyond(found: Interval, truth: float) -> np.ndarray:
    """Whether the interval lies wholly above, and wholly below the truth."""
    if found.low is None or found.high is None:
        return np.zeros(2)
    return np.array([found.low > truth, found.high < truth], dtype=np.float64)


def table(measured: Sequence[Cell]) -> str:
    head = (
        "| pair | metric | rows | above the truth | below | with an interval | median width, percentile 1 "
        "| false, percentile alone |\n|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {each.case} | {each.metric} | {each.rows:,} | {each.above:.1%}{' !' * (each.above > MOST_FALSE)} "
        f"| {each.below:.1%}{' !' * (each.below > MOST_FALSE)} | {each.answered:.0%} "
        f"| {'' if np.isnan(each.width) else f'{each.width:.2f}'} | {each.alone:.1%} |\n"
        for each in measured
    )


def main(arguments: Sequence[str] | None = None) -> int:
    def tasks(draws: int) -> list[tuple[str, str, int, int]]:
        return [
            (case, name, size, draws) for case, (_, metrics, _) in CASES.items() for name in metrics for size in SIZES
        ]

    return cells.run(__doc__, DRAWS, tasks, measure, table, arguments)


if __name__ == "__main__":
    sys.exit(main())
