"""Measures the coverage of intervals of the cost of a case, and how far chosen thresholds lie from the best one:
`python -m tests.bench.costs [--quick]`.

A gate on cost that passes states that the mean cost of new cases is at most its threshold. So each cell sets the
threshold exactly to the true cost and counts the passes, all of them false; the bars are those of
`tests.bench.coverage`. Costs are 5 for a missed case and 1 for a false alarm, of three classes by a matrix, or an
amount that differs from row to row. The model's threshold is the best one of the population, so its cost is the truth.
Where the rows hold the positive class more often than reality (`evaluate.real_prior`), the truth is taken at the real
shares; other metrics are measured there too, since their intervals differ from those in `tests.bench.coverage`.

The threshold's interval (from resamples of the validation rows) is compared with the best threshold of the population.
Beside it stands the extra cost of a chosen threshold over the best one, which matters more.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.evaluation.decisions import Deciding
from tasks.evaluation.metrics import COST, METRICS, Metric
from tasks.records.decisions import Costs, Decides
from tests.bench import cells

DRAWS = 2000
POPULATION = 1_000_000
CONFIDENCE = 0.95
MOST_FALSE = 0.05
LEAST_COVERAGE = 0.92
MATRIX = ((0.0, 1.0), (5.0, 0.0))
SIZES = (50, 200, 1000)

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Target, probabilities, and amounts of rows."""


def two(share: float, separation: float, exaggerated: float) -> Callable[[np.random.Generator, int], Rows]:
    """Returns a function that draws rows of two classes with normal scores, whose means are `separation` apart.

    Args:
        share: Share of the positive class.
        exaggerated: Factor by which the model's log-odds are too large: 1 is calibrated.
    """

    def draw(rng: np.random.Generator, rows: int) -> Rows:
        target = (rng.random(rows) < share).astype(np.int64)
        score = rng.normal(target * separation, 1)
        odds = np.log(share / (1 - share)) + separation * score - separation**2 / 2
        positive = 1 / (1 + np.exp(-exaggerated * odds))
        return target, np.column_stack([1 - positive, positive]), rng.lognormal(3, 1, rows)

    return draw


def three(rng: np.random.Generator, rows: int) -> Rows:
    """Draws rows of three classes, of which the last one is rare."""
    target = rng.choice(3, rows, p=(0.6, 0.35, 0.05))
    score = rng.normal(0, 1, (rows, 3)) + 1.5 * np.eye(3)[target]
    odds = np.exp(score * 1.5 + np.log((0.6, 0.35, 0.05)))
    return target, odds / odds.sum(axis=1, keepdims=True), np.ones(rows)


RULE = Decides(rule="cost", costs=Costs(matrix=MATRIX))
GAINS = Decides(rule="cost", costs=Costs(matrix=((0.0, 1.0), (0.0, -4.0))))
AMOUNTS = Decides(rule="cost", costs=Costs(matrix=((0.0, 10.0), (0.0, 0.0)), columns={"1,0": "amount"}))
REAL = replace(RULE, prior=(0.95, 0.05))
RARE = replace(RULE, prior=(0.995, 0.005))
REAL_AMOUNTS = replace(AMOUNTS, prior=(0.95, 0.05))
OF_THREE = Decides(rule="cost", costs=Costs(matrix=((0, 1, 1), (1, 0, 1), (20, 10, 0))))

REAL_THREE = replace(OF_THREE, prior=(0.9, 0.09, 0.01))

CASES: dict[str, tuple[Callable[[np.random.Generator, int], Rows], Decides]] = {
    "5 to 1, 30% positive": (two(0.3, 1.5, 1.0), RULE),
    "5 to 1, 10% positive": (two(0.1, 1.5, 1.0), RULE),
    "5 to 1, 2% positive": (two(0.02, 2.0, 1.0), RULE),
    "5 to 1, 10% positive, overconfident": (two(0.1, 1.5, 2.5), RULE),
    "a gain of 4 for a case found, 10% positive": (two(0.1, 2.0, 1.0), GAINS),
    "amounts missed, 30% positive": (two(0.3, 1.5, 1.0), AMOUNTS),
    "amounts missed, 10% positive": (two(0.1, 1.5, 1.0), AMOUNTS),
    "three classes": (three, OF_THREE),
    "5 to 1, 50% positive, really 5%": (two(0.5, 1.5, 1.0), REAL),
    "5 to 1, 20% positive, really 5%": (two(0.2, 1.5, 1.0), REAL),
    "5 to 1, 20% positive, really 0.5%": (two(0.2, 2.0, 1.0), RARE),
    "amounts missed, 50% positive, really 5%": (two(0.5, 1.5, 1.0), REAL_AMOUNTS),
    "three classes at other shares": (three, REAL_THREE),
}
for name in ("accuracy", "precision", "f1", "mcc", "log_loss", "brier_score"):
    CASES[f"{name}, 50% positive, really 5%"] = (two(0.5, 1.5, 1.0), REAL)
    CASES[f"{name}, 20% positive, really 0.5%"] = (two(0.2, 2.0, 1.0), RARE)


def metric_of(case: str) -> Metric:
    return METRICS.get(case.partition(",")[0], METRICS[COST])


@dataclass(frozen=True)
class Cell:
    """The figures of a cell, as shares of repeats; `threshold` and `excess` are None where no threshold is chosen."""

    case: str
    rows: int
    truth: float
    false: float
    coverage: float
    answered: float
    threshold: float | None
    excess: float | None

    @property
    def missed(self) -> bool:
        return self.false > MOST_FALSE or (self.answered > 0.05 and self.coverage < LEAST_COVERAGE)


def deciding(how: Decides, amounts: np.ndarray) -> Deciding:
    columns = how.costs.columns if how.costs else {}
    positive = 1 if how.costs and how.costs.matrix and len(how.costs.matrix) == 2 else None
    return Deciding(how, positive, dict.fromkeys(columns, amounts))


def figure_of(metric: Metric, how: Decides, rows: Rows, threshold: float | None) -> float:
    target, probability, amounts = rows
    answers = deciding(how, amounts).answers(target, probability, np.arange(len(target)), threshold)
    return metric.function(target, answers.read_by(metric), prior=how.prior)


def measure(task: tuple[str, int, int]) -> Cell:
    """Measures one cell, given its case, the rows of a test part (and of a validation part), and the repeats."""
    case, rows, repeats = task
    draw, how = CASES[case]
    rng = np.random.default_rng(zlib.crc32(f"{case} {rows}".encode()))
    population = draw(rng, POPULATION)
    every = np.arange(POPULATION)
    best = deciding(how, population[2]).threshold(population[0], population[1], every)
    metric, places = metric_of(case), np.arange(rows)
    truth = figure_of(metric, how, population, best)
    false = held = answered = inside = 0
    excess = []
    for repeat in range(repeats):
        target, probability, amounts = draw(rng, rows)
        own = deciding(how, amounts)
        read = own.answers(target, probability, places, best).read_by(metric)
        found = metric.over_rows(target, read, CONFIDENCE, prior=own.prior)
        if found.low is not None and found.high is not None:
            answered += 1
            false += found.low > truth if metric.greater_is_better else found.high < truth
            held += found.low <= truth <= found.high
        if best is not None and metric.name == COST and repeat < max(1, repeats // 10):
            chosen = own.threshold(target, probability, places)
            low, high = np.quantile(own.moves(target, probability, places, None), [0.025, 0.975])
            inside += low <= best <= high
            if repeat < max(1, repeats // 100):
                excess.append(figure_of(metric, how, population, chosen) / truth - 1)
    return Cell(
        case,
        rows,
        truth,
        false / repeats,
        held / answered if answered else float("nan"),
        answered / repeats,
        None if best is None or metric.name != COST else inside / max(1, repeats // 10),
        float(np.mean(excess)) if excess else None,
    )


def table(measured: Sequence[Cell]) -> str:
    head = (
        "| costs | rows | cost of a case, or metric | false passes | coverage | with an interval | "
        "threshold's interval | cost above the best threshold's |\n|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {each.case} | {each.rows:,} | {each.truth:.3g} | {each.false:.1%}{' !' * (each.false > MOST_FALSE)} | "
        f"{each.coverage:.1%}{' !' * (each.coverage < LEAST_COVERAGE)} | {each.answered:.0%} | "
        f"{'' if each.threshold is None else f'{each.threshold:.0%}'} | "
        f"{'' if each.excess is None else f'{each.excess:.0%}'} |\n"
        for each in measured
    )


def main(arguments: Sequence[str] | None = None) -> int:
    def tasks(repeats: int) -> list[tuple[str, int, int]]:
        return [(case, rows, repeats) for case in CASES for rows in SIZES]

    return cells.run(__doc__, DRAWS, tasks, measure, table, arguments)


if __name__ == "__main__":
    sys.exit(main())
