"""One trial's predictions of a part, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.evaluation.predicted import Predicted
from tasks.records.tables import PREDICTIONS, SPLITS


def predictions(classes: bool) -> pd.DataFrame:
    rows = [(9, 1), (4, 0), (7, 1)]
    if classes:
        made = [
            {"row": row, "target": target, "class_index": k, "value": value}
            for (row, target), values in zip(rows, ((0.2, 0.8), (0.6, 0.4), (0.9, 0.1)), strict=True)
            for k, value in reversed(list(enumerate(values)))
        ]
    else:
        made = [
            {"row": row, "target": 10 * target, "value": value}
            for (row, target), value in zip(rows, (12, 1, np.nan), strict=True)
        ]
    return PREDICTIONS.frame([each | {"trial_id": "a", "part": "test"} for each in made])


def splits(group: bool) -> pd.DataFrame:
    rows = [{"row": row, "part": "test", "group": f"g{row}" if group else None} for row in (4, 7, 9)]
    return SPLITS.frame(rows)


def test_probabilities_stand_by_row_and_class():
    found = Predicted.read(predictions(True), splits(True), "a", "test")
    assert found.rows.tolist() == [4, 7, 9] and found.target.tolist() == [0, 1, 1]
    assert found.prediction.tolist() == [[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]]
    assert found.groups.tolist() == ["g4", "g7", "g9"]
    worst = found.hardest(2)
    assert worst.rows.tolist() == [7, 4] and worst.groups.tolist() == ["g7", "g4"]


def test_rows_without_a_finite_value_are_left_out():
    found = Predicted.read(predictions(False), splits(False), "a", "test")
    assert found.rows.tolist() == [4, 9] and found.groups is None
    assert found.residuals.tolist() == [1.0, 2.0] and found.losses.tolist() == [1.0, 2.0]


def test_what_was_not_kept_is_none():
    assert Predicted.read(predictions(True), splits(False), "b", "test") is None
    assert Predicted.read(predictions(True), splits(False), "a", "val") is None
