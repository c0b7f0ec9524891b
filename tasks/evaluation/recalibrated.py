"""What calibrating did to the shipped model: its probabilities before and after, on the same test rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.calibrator import Calibrator
from tasks.evaluation.comparison import BETTER, CANNOT_TELL
from tasks.evaluation.decisions import Deciding
from tasks.evaluation.intervals import RESAMPLES
from tasks.evaluation.judged_rows import JudgedRows
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.rounding import interval, signed_interval
from tasks.evaluation.verdict import side_of_zero
from tasks.records.verdict import Recalibration

_BEFORE = "before"
_JUDGED = ("brier_score", "calibration_error")


def judge_recalibration(
    judged: JudgedRows, trial_id: str, before: np.ndarray, deciding: Deciding, calibrator: Calibrator
) -> Recalibration:
    """What calibrating did.

    Args:
        judged: The test rows under the shipped model.
        trial_id: Whose it is.
        before: Its probabilities `[rows, classes]` as they were not yet calibrated.
        calibrator: What they are calibrated by.
    """
    method = deciding.how.calibrate
    assert method is not None
    answers = deciding.answers(judged.target.astype(np.int64), before, judged.rows, None)
    both = replace(judged, answers={**judged.answers, _BEFORE: answers})
    brier = METRICS["brier_score"]
    found = both.differences(trial_id, {_BEFORE: _BEFORE}, brier, RESAMPLES)[_BEFORE]
    gain, side = found.estimate(), side_of_zero(found)
    was, now = (both.intervals(each, _JUDGED) for each in (_BEFORE, trial_id))
    if side == CANNOT_TELL:
        said = f"Can't tell whether {_HOW[method]} helped: the Brier score changed by {signed_interval(gain.flipped())}"
    else:
        helped = "helped" if side == BETTER else "did harm"
        said = f"{_HOW[method].capitalize()} {helped}: the Brier score changed by {signed_interval(gain.flipped())}"
    error = "calibration_error"
    return Recalibration(
        method=method,
        temperature=calibrator.temperature,
        before=was,
        after=now,
        gain=gain,
        sentence=f"{said}; the calibration error was {interval(was[error])} and is {interval(now[error])}.",
    )


_HOW = {"temperature": "temperature scaling", "isotonic": "isotonic regression"}
