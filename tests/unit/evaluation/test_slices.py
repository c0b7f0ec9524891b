"""Slices of rows written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.decisions import Answers
from tasks.evaluation.judged_rows import Classes, JudgedRows
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.slices import Slice, Slicing, judge_slicing
from tasks.records.slices import JudgedSlicing

ACCURACY = METRICS["accuracy"]


def rows(right: np.ndarray, of_slice: np.ndarray) -> JudgedRows:
    target = np.arange(len(right)) % 2
    probability = np.eye(2)[np.where(right, target, 1 - target)]
    slices = [Slice((name,), name) for name in "abcdefgh"[: of_slice.max() + 1]]
    return JudgedRows(
        target.astype(float),
        None,
        Classes(("no", "yes"), 1, None),
        0.95,
        {"t": Answers(probability, probability)},
        np.arange(len(right)),
        [Slicing(("letter",), slices, of_slice)],
    )


def judged(test: JudgedRows) -> JudgedSlicing:
    return judge_slicing(test.slicings[0], test, "t", ACCURACY, costs=False)


def test_the_worst_slice_is_worse_only_beyond_the_others() -> None:
    of_slice = np.repeat([0, 1, 2], 100)
    right = np.concatenate([np.arange(100) < hits for hits in (95, 92, 60)])
    worst = judged(rows(right, of_slice)).worst
    assert worst and worst.name == "c" and worst.worse and worst.slices == 3
    assert worst.metric.mean == 0.6 and worst.others.mean == pytest.approx(0.935)
    assert worst.metric.high < worst.others.low
    right = np.concatenate([np.arange(100) < hits for hits in (95, 92, 90)])
    worst = judged(rows(right, of_slice)).worst
    assert worst and worst.name == "c" and not worst.worse and "can't be told" in worst.sentence


def test_looking_at_many_alike_slices_seldom_calls_one_worse() -> None:
    rng = np.random.default_rng(0)
    of_slice = np.repeat(np.arange(8), 60)
    called = [judged(rows(rng.random(480) < 0.8, of_slice)).worst.worse for _ in range(100)]
    assert np.mean(called) <= 0.05


def test_small_slices_are_shown_and_not_called_the_worst() -> None:
    of_slice = np.r_[np.repeat([0, 1], 100), [2] * 10]
    right = np.r_[np.arange(200) % 10 > 0, np.zeros(10, bool)]
    found = judged(rows(right, of_slice))
    assert [each.few for each in found.slices] == [False, False, True]
    assert found.slices[2].metric.mean == 0 and found.worst.name != "c"


def test_without_a_model_gates_of_slices_are_undecided() -> None:
    test = rows(np.ones(100, bool), np.repeat([0, 1], 50))
    gates = [
        {"metric": "equalised_odds_difference", "at_most": 0.1, "severity": "block"},
        {"metric": "recall", "at_least": 0.1, "slice": {"letter": "a"}, "severity": "block"},
    ]
    none, some = test.gates(None, gates), test.gates("t", gates)
    assert [gate.answer for gate in none] == ["undecided"] * 2
    assert [gate.answer for gate in some] == ["undecided", "pass"]
    assert some[1].sentence.startswith("Recall of yes where letter is a is 1.000 [")
    assert some[0].by == ["letter"] and some[0].estimate == 0
