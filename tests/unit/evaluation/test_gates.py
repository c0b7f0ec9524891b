"""Gates: three answers, in plain words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from tasks.evaluation.gates import answer, judge_gate, rows_to_decide
from tasks.evaluation.intervals import Interval
from tasks.evaluation.shares import clopper_pearson

finite = st.floats(-1e6, 1e6)
intervals = st.tuples(finite, finite, finite).map(sorted).map(lambda v: Interval(v[1], v[0], v[2]))
GOOD_FIRST = ["fail", "undecided", "pass"]


@pytest.mark.parametrize(
    ("at_least", "expected"),
    [
        (0.70, "pass"),
        (0.75, "pass"),
        (0.76, "undecided"),
        (0.80, "undecided"),
        (0.85, "undecided"),
        (0.86, "fail"),
    ],
)
def test_at_least(at_least: float, expected: str):
    assert answer(Interval(0.8, 0.75, 0.85), at_least=at_least) == expected


@pytest.mark.parametrize(
    ("at_most", "expected"),
    [
        (0.70, "fail"),
        (0.75, "undecided"),
        (0.80, "undecided"),
        (0.84, "undecided"),
        (0.85, "pass"),
        (0.9, "pass"),
    ],
)
def test_at_most(at_most: float, expected: str):
    assert answer(Interval(0.8, 0.75, 0.85), at_most=at_most) == expected


@given(intervals, finite)
def test_at_most_mirrors_at_least(interval: Interval, threshold: float):
    assert interval.low is not None and interval.high is not None
    mirrored = Interval(-interval.mean, -interval.high, -interval.low)
    assert answer(interval, at_most=threshold) == answer(mirrored, at_least=-threshold)


@given(intervals, finite, finite)
def test_a_stricter_threshold_never_helps(interval: Interval, one: float, other: float):
    loose, strict = sorted((one, other))
    assert GOOD_FIRST.index(answer(interval, at_least=strict)) <= GOOD_FIRST.index(answer(interval, at_least=loose))


@given(intervals, finite)
def test_pass_and_fail_exclude_each_other(interval: Interval, threshold: float):
    """What passes `at_least` does not pass `at_most` as well, unless the interval is the threshold."""
    up, down = answer(interval, at_least=threshold), answer(interval, at_most=threshold)
    if interval.low == interval.high == threshold:
        assert (up, down) == ("pass", "pass")
    else:
        assert up != "pass" or down != "pass"
        assert up != "fail" or down == "pass"


def test_an_interval_with_one_open_end_is_undecided():
    """A missing end may lie anywhere."""
    assert answer(Interval(0.9, None, 1.0), at_least=0.1) == "undecided"
    assert answer(Interval(0.9, 0.8, None), at_most=0.1) == "undecided"


def test_no_interval_is_undecided():
    assert answer(Interval(0.9, None, None), at_least=0.1) == "undecided"
    assert answer(Interval(np.nan, None, None), at_most=0.1) == "undecided"


@pytest.mark.parametrize("thresholds", [{}, {"at_least": 1.0, "at_most": 2.0}])
def test_needs_exactly_one_threshold(thresholds: dict[str, float]):
    with pytest.raises(ValueError, match="one threshold"):
        answer(Interval(1.5, 1.0, 2.0), **thresholds)


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ({"at_least": 0.7, "at_most": None}, "Accuracy is 0.800 [0.750, 0.850]: at least 0.7, as required."),
        (
            {"at_least": 0.78125},
            "Accuracy is 0.800 [0.750, 0.850]: whether it is at least 0.78125 can't be told.",
        ),
        ({"at_most": 0.5}, "Accuracy is 0.800 [0.750, 0.850]: it should be at most 0.5."),
    ],
)
def test_says_so_in_plain_words(gate: dict, sentence: str):
    judged = judge_gate({"metric": "accuracy", "severity": "warn"} | gate, Interval(0.8, 0.75, 0.85), "Accuracy")
    assert judged.sentence == sentence
    assert (judged.at_least is None) != (judged.at_most is None)  # only the one given


def test_an_undefined_metric_is_null_and_undecided():
    gate = {"metric": "roc_auc", "severity": "block", "at_least": 0.9}
    judged = judge_gate(gate, Interval(np.nan, None, None), "ROC AUC")
    assert (judged.estimate, judged.low, judged.high) == (None, None, None)
    assert judged.answer == "undecided"
    assert judged.sentence == "ROC AUC has no interval here, so whether it is at least 0.9 is open."


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (Interval(0.8, None, None, "there is one test row"), "has no interval here (there is one test row)"),
        (Interval(np.nan, None, None, "no test row is positive"), "is undefined here (no test row is positive)"),
    ],
)
def test_without_an_interval_the_reason_is_said(interval: Interval, said: str):
    judged = judge_gate({"metric": "recall", "severity": "block", "at_least": 0.9}, interval, "Recall of fraud")
    assert (judged.answer, judged.reason) == ("undecided", interval.reason)
    assert judged.sentence == f"Recall of fraud {said}, so whether it is at least 0.9 is open."


def test_rows_to_decide():
    interval = Interval(0.80, 0.76, 0.84)
    factor = (1 + norm.ppf(0.8) / norm.ppf(0.975)) ** 2
    assert rows_to_decide(interval, 0.78, 200, 0.95) == round(800 * factor)  # half the distance: four times the rows
    assert rows_to_decide(interval, 0.82, 200, 0.95) == round(800 * factor)
    assert rows_to_decide(interval, 0.80, 200, 0.95) is None
    assert rows_to_decide(Interval(0.8, None, None), 0.78, 200, 0.95) is None


@pytest.mark.parametrize(("share", "threshold", "rows"), [(0.85, 0.8, 100), (0.6, 0.7, 60), (0.95, 0.9, 200)])
def test_so_many_rows_decide_in_four_of_five_repeats(share: float, threshold: float, rows: int):
    needed = rows_to_decide(Interval(share, *clopper_pearson(share * rows, rows, 0.95)), threshold, rows, 0.95)
    hits = np.arange(needed + 1)
    ends = np.array([clopper_pearson(k, needed, 0.95) for k in hits])
    decided = (ends[:, 0] >= threshold) if share > threshold else (ends[:, 1] < threshold)
    assert 0.75 < binom.pmf(hits, needed, share)[decided].sum() < 0.93
