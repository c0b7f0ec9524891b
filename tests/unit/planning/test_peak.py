"""What a run is said to take in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.dataset import Dataset
from tasks.planning.peak import PREDICTED_VALUES, PREDICTION_BYTES, PROCESS_BYTES, peak_bytes, predicted_values

DATA = Dataset("made", pd.DataFrame({"x": np.zeros(10)}), np.arange(10) % 2, "y", ("a", "b"), "0")
PARTS = {"train": 6, "val": 2, "test": 2}


def test_predictions_of_all_trials_are_kept_while_they_are_few_and_of_few_where_they_are_many() -> None:
    assert predicted_values(DATA, PARTS, trials=10, recipes=2) == 4 * 2 * (10 + 3)
    many = {"train": 0, "val": 0, "test": PREDICTED_VALUES // 2}
    assert predicted_values(DATA, many, trials=10, recipes=2) == PREDICTED_VALUES * (5 + 2 + 3)


def test_the_peak_is_the_most_of_what_does_not_happen_at_once() -> None:
    assert peak_bytes(DATA, 7, 0, [], 2) == PROCESS_BYTES + 7
    assert peak_bytes(DATA, 7, 100, [], 2) == PROCESS_BYTES + 7 + 100 * PREDICTION_BYTES
