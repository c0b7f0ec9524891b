"""The effect of calibration: probabilities before and after, of the shipped model on the same test rows, or of the
procedure on the rows that each fold holds out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tasks.calibrator import Calibrator
from tasks.evaluation.comparison import BETTER, CANNOT_TELL
from tasks.evaluation.decisions import Deciding
from tasks.evaluation.fold_scores import PROCEDURE, FoldScores
from tasks.evaluation.intervals import RESAMPLES, Interval
from tasks.evaluation.judged_rows import JudgedRows
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.rounding import interval, signed_interval
from tasks.evaluation.verdict import side_of_zero
from tasks.records.estimate import Estimate
from tasks.records.verdict import Recalibration

_BEFORE = "before"
_JUDGED = ("brier_score", "calibration_error")


def judge_recalibration(
    judged: JudgedRows, trial_id: str, before: np.ndarray, deciding: Deciding, calibrator: Calibrator
) -> Recalibration:
    """Compares the shipped model before and after calibration.

    Args:
        judged: The test rows with the shipped model's answers.
        trial_id: The shipped model's trial.
        before: Its probabilities before calibration `[rows, classes]`.
        calibrator: The fitted calibrator.
    """
    answers = deciding.answers(judged.target.astype(np.int64), before, judged.rows, None)
    both = replace(judged, answers={**judged.answers, _BEFORE: answers})
    brier = METRICS["brier_score"]
    gain = both.differences(trial_id, {_BEFORE: _BEFORE}, brier, RESAMPLES)[_BEFORE]
    was, now = (both.intervals(each, _JUDGED) for each in (_BEFORE, trial_id))
    return _judged(deciding, calibrator, was, now, gain)


def judge_in_folds(
    scores: FoldScores,
    before: Sequence[JudgedRows | None],
    after: Sequence[JudgedRows | None],
    deciding: Deciding,
    confidence: float,
    calibrator: Calibrator,
) -> Recalibration:
    """Compares the procedure before and after calibration, out of fold: in each fold its model is calibrated on the
    fold's own validation rows.

    Args:
        before, after: The rows of every fold with the procedure's answers, as in `JudgedRows.in_folds`.
        calibrator: The shipped model's.
    """

    def by_fold(rows: Sequence[JudgedRows | None], name: str) -> np.ndarray:
        weighted = [None if each is None else replace(each, prior=deciding.prior) for each in rows]
        return np.array([np.nan if each is None else each.value(PROCEDURE, METRICS[name]) for each in weighted])

    def intervals(rows: Sequence[JudgedRows | None]) -> dict[str, Estimate]:
        return {
            name: scores.over(by_fold(rows, name), confidence).within(*METRICS[name].bounds).estimate()
            for name in _JUDGED
        }

    gain = scores.over(by_fold(before, "brier_score") - by_fold(after, "brier_score"), confidence)
    return _judged(deciding, calibrator, intervals(before), intervals(after), gain, "Out of fold, ")


def _judged(
    deciding: Deciding,
    calibrator: Calibrator,
    was: Mapping[str, Estimate],
    now: Mapping[str, Estimate],
    found: Interval,
    where: str = "",
) -> Recalibration:
    method, gain, side = deciding.how.calibrate, found.estimate(), side_of_zero(found)
    assert method is not None
    if side == CANNOT_TELL:
        said = f"can't tell whether {_HOW[method]} helped: the Brier score changed by {signed_interval(gain.flipped())}"
    else:
        helped = "helped" if side == BETTER else "did harm"
        said = f"{_HOW[method]} {helped}: the Brier score changed by {signed_interval(gain.flipped())}"
    said, error = where + said, "calibration_error"
    said = said[0].upper() + said[1:]
    return Recalibration(
        method=method,
        temperature=calibrator.temperature,
        before=was,
        after=now,
        gain=gain,
        sentence=f"{said}; the calibration error was {interval(was[error])} and is {interval(now[error])}.",
    )


_HOW = {"temperature": "temperature scaling", "isotonic": "isotonic regression"}
