"""Slices and fairness differences of a procedure that is judged out of fold, on rows written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tasks.evaluation.decisions import Answers
from tasks.evaluation.fairness import PARITY
from tasks.evaluation.fold_scores import PROCEDURE, FoldScores
from tasks.evaluation.intervals import over_folds
from tasks.evaluation.judged_rows import Classes, JudgedRows
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.shares import share_interval
from tasks.evaluation.slices import Slice, Slicing, judge_slicing
from tasks.records.plan import HeldOut
from tasks.records.slices import JudgedSlicing

FOLDS, RATIO = 5, 0.25
CLASSES = Classes(("no", "yes"), 1, None)


def part(positions: np.ndarray, right: np.ndarray) -> JudgedRows:
    """Rows of a fold; those at even positions are of class yes."""
    target = (positions + 1) % 2
    probability = np.eye(2)[np.where(right, target, 1 - target)]
    answers = {PROCEDURE: Answers(probability, probability)}
    return JudgedRows(target.astype(float), None, CLASSES, 0.95, answers, positions)


def rows_of(right: np.ndarray, of_row: np.ndarray, missing: Sequence[int] = ()) -> JudgedRows:
    """All rows, held out in turn: position p in fold p % FOLDS.

    Args:
        missing: Folds in which nothing ended well.
    """
    positions = np.arange(len(right))
    held = HeldOut(folds=FOLDS, repeats=1, rows=0, learned_from=(0, 0), ratio=RATIO, trials=[], stacks=[])
    parts = [
        None if fold in missing else part(own, right[own])
        for fold in range(FOLDS)
        for own in [positions[positions % FOLDS == fold]]
    ]
    names = "ab"[: of_row.max() + 1]
    return JudgedRows(
        (positions + 1.0) % 2,
        None,
        CLASSES,
        0.95,
        {},
        positions,
        slicings=[Slicing(("letter",), [Slice((name,), name) for name in names], of_row)],
        folds=FoldScores(held, {}, []).of_procedure,
        in_folds={PROCEDURE: parts},
    )


def judged(test: JudgedRows) -> JudgedSlicing:
    return judge_slicing(test.slicings[0], test, "shipped", METRICS["accuracy"], costs=False)


def test_a_slice_has_the_mean_over_folds_and_both_intervals() -> None:
    rng = np.random.default_rng(0)
    of_row, right = np.repeat([0, 1], [300, 100]), rng.random(400) < 0.8
    found = judged(rows_of(right, of_row))
    for place, each in enumerate(found.slices):
        own = [right[(of_row == place) & (np.arange(400) % FOLDS == fold)].mean() for fold in range(FOLDS)]
        folds = over_folds(np.array(own), RATIO, 0.95)
        rows = share_interval(right[of_row == place], 0.95)
        assert each.metric.mean == pytest.approx(np.mean(own))
        assert each.metric.low == pytest.approx(min(folds.low or 0, rows[0]))
        assert each.metric.high == pytest.approx(min(1, max(folds.high or 0, rows[1])))
        assert (each.rows, each.few) == ([300, 100][place], False)


def test_all_right_in_every_fold_is_no_interval_of_no_width() -> None:
    found = judged(rows_of(np.ones(200, bool), np.repeat([0, 1], [170, 30])))
    assert [each.metric.mean for each in found.slices] == [1, 1]
    assert found.slices[1].metric.low is not None and found.slices[1].metric.low < 0.9


def test_a_fold_without_rows_of_a_slice_leaves_it_open() -> None:
    of_row = np.zeros(200, int)
    of_row[[0, 5, 6, 11]] = 1  # of folds 0 and 1 alone
    found = judged(rows_of(np.ones(200, bool), of_row))
    assert found.slices[0].metric.low is not None
    assert (found.slices[1].metric.mean, found.slices[1].metric.low) == (1, None)
    (parity, _) = found.differences
    assert parity.metric == PARITY and parity.difference.low is None


def test_a_fold_in_which_nothing_ended_well_leaves_all_open() -> None:
    found = judged(rows_of(np.ones(200, bool), np.repeat([0, 1], 100), missing=[2]))
    assert all(each.metric.low is None for each in found.slices)
    assert all(each.difference.low is None for each in found.differences)


def test_differences_are_those_of_mean_rates_and_wider_than_the_rows_alone() -> None:
    of_row, positions = np.repeat([0, 1], 200), np.arange(400)
    right = np.where(of_row == 0, positions % 4 != 1, True)  # in slice a, half of the rows of no are said to be yes
    found = judged(rows_of(right, of_row))
    parity, odds = found.differences
    assert parity.difference.mean == pytest.approx(0.25)
    assert odds.difference.mean == pytest.approx(0.5)
    assert odds.lies == "between a and b in the false positive rate"
    assert odds.difference.low is not None and odds.difference.low > 0.2
    scattered = right.copy()
    scattered[(positions % FOLDS == 0) & (of_row == 0)] = True  # one fold is another's opposite
    wider = judged(rows_of(scattered, of_row)).differences[1].difference
    assert wider.high is not None and odds.difference.high is not None
    assert wider.high - (wider.low or 0) > odds.difference.high - odds.difference.low
