"""The price of meeting a fairness gate: the least cost of a case among thresholds that meet it, compared with the least
cost of all thresholds.

All slices share one threshold, since the saved model has one. A threshold for each slice (Hardt, Price & Srebro 2016)
may cost less, but treats equal rows differently. The threshold is chosen on the validation part, by its cost and by the
difference estimated there, and evaluated on the test part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tasks.evaluation.decisions import Deciding
from tasks.evaluation.fairness import FAIRNESS, difference
from tasks.evaluation.judged_rows import JudgedRows
from tasks.evaluation.metrics import COST, METRICS
from tasks.evaluation.slices import chosen
from tasks.records.slices import FairnessPrice

_POINTS = 200
"""Number of thresholds tried: quantiles of the scores, which divide the validation rows evenly."""
_OWN, _FAIR = "own", "fair"


def fairness_prices(
    gates: Sequence[Mapping[str, Any]],
    trial: str,
    val: JudgedRows,
    test: JudgedRows,
    deciding: Deciding,
    threshold: float,
    resamples: int,
) -> list[FairnessPrice]:
    """The price of each fairness gate of a spec, for a model of two classes whose answers have a cost.

    Args:
        val, test: Rows of the parts with the model's answers and slicings.
        threshold: The model's own threshold.
    """
    return [
        _price(gate, trial, val, test, deciding, threshold, resamples)
        for gate in gates
        if gate["metric"] in FAIRNESS and gate.get("at_most") is not None
    ]


def _price(
    gate: Mapping[str, Any],
    trial: str,
    val: JudgedRows,
    test: JudgedRows,
    deciding: Deciding,
    threshold: float,
    resamples: int,
) -> FairnessPrice:
    assert deciding.positive is not None
    scores = val.answers[trial].prediction[:, deciding.positive]
    tried = np.unique([*np.quantile(scores, np.linspace(0, 1, _POINTS)), threshold, np.nextafter(1.0, 2.0)])
    found = [(_cost(val, trial, deciding, each), float(each)) for each in tried]
    meeting = [each for each in found if _gap(gate, val, trial, deciding, each[1]) <= gate["at_most"]]
    by, limit = list(chosen(test.slicings, gate.get("by")).columns), float(gate["at_most"])
    if not meeting:
        return FairnessPrice(metric=gate["metric"], by=by, at_most=limit)
    cost, fair = min(meeting)
    answers = {name: _answers(test, trial, deciding, each) for name, each in ((_OWN, threshold), (_FAIR, fair))}
    pair = replace(test, answers=answers)
    saved = pair.differences(_FAIR, {_OWN: _OWN}, METRICS[COST], resamples)[_OWN].estimate()  # positive = costs less
    return FairnessPrice(
        metric=gate["metric"],
        by=by,
        at_most=limit,
        threshold=fair,
        chosen_cost=cost,
        least_cost=min(found)[0],
        more=saved.flipped(),
        difference=_gap(gate, test, trial, deciding, fair),
    )


def _answers(rows: JudgedRows, trial: str, deciding: Deciding, threshold: float) -> Any:
    target = rows.target.astype(np.int64)
    return deciding.answers(target, rows.answers[trial].prediction, rows.rows, threshold)


def _cost(rows: JudgedRows, trial: str, deciding: Deciding, threshold: float) -> float:
    metric = METRICS[COST]
    answers = _answers(rows, trial, deciding, threshold)
    return metric.function(rows.target, answers.read_by(metric), prior=rows.prior)


def _gap(gate: Mapping[str, Any], rows: JudgedRows, trial: str, deciding: Deciding, threshold: float) -> float:
    """The fairness difference at a threshold; 0 where there is nothing to compare."""
    slicing = chosen(rows.slicings, gate.get("by"))
    predicted = rows.answers[trial].prediction[:, deciding.positive] >= threshold
    return difference(gate["metric"], rows.target == deciding.positive, predicted, slicing.of_row[rows.rows])
