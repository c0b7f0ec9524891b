"""How much memory a run's process takes at its peak: arithmetic, with constants that `tests.bench.memory` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.dataset import TEST, VAL, Dataset
from tasks.records.stacks import PlannedStack

PREDICTED_VALUES = 20_000_000
"""The most values of all final trials together (rows x classes x trials) that are kept in the table `predictions`.
Where there are more, only those of the leader's seeds and of the finalists are kept."""
PROCESS_BYTES = 1_050_000_000
"""Bytes of TensorFlow, Prefect, Great Expectations, scikit-learn and what they allocate, without data."""
LOOKED_AT_BYTES = 120
"""Bytes of each row, while a streamed column is read: dates, which become six columns at once, take the most."""
PREDICTION_BYTES = 65
"""Bytes of each predicted value, while the table `predictions` is joined, read and judged."""
_BASELINES = 3


def predicted_values(dataset: Dataset, parts: Mapping[str, int], trials: int, recipes: int) -> int:
    """Rows of the table `predictions`.

    Args:
        parts: Rows of each part.
        trials: Number of final trials.
        recipes: Number of recipes that they belong to.
    """
    values = (parts[VAL] + parts[TEST]) * (len(dataset.classes or ()) or 1)
    kept = trials if values * trials <= PREDICTED_VALUES else recipes + trials // max(recipes, 1)
    return values * (kept + _BASELINES)


def peak_bytes(dataset: Dataset, data_bytes: int, predicted: int, stacks: Sequence[PlannedStack], beside: int) -> int:
    """About what the process takes at most: while a column is looked at, while stacks train, or while predictions are
    judged, whichever is most.

    Args:
        data_bytes: Bytes of the data, which come on top.
        predicted: Rows of the table `predictions`.
        beside: How many stacks are trained at a time.
    """
    looked_at = LOOKED_AT_BYTES * dataset.rows if dataset.streamed is not None else 0
    training = sum(sorted((stack.memory_bytes for stack in stacks), reverse=True)[:beside])
    return PROCESS_BYTES + data_bytes + max(looked_at, training, PREDICTION_BYTES * predicted)
