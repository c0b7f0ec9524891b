"""One network's predictions for the rows of a part, row by row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tasks.evaluation.clusters import groups_of
from tasks.evaluation.intervals import Array
from tasks.evaluation.means import cross_entropies


@dataclass(frozen=True)
class Predicted:
    """Rows in ascending order, and their predictions.

    Args:
        rows: Positions in the data set `[rows]`.
        target: Class index (int64) or value (float64) `[rows]`.
        prediction: Probabilities `[rows, classes]`, or values `[rows]`.
        groups: The group of each row `[rows]`, or None.
    """

    rows: np.ndarray
    target: np.ndarray
    prediction: Array
    groups: np.ndarray | None

    @classmethod
    def read(cls, predictions: pd.DataFrame, splits: pd.DataFrame, trial_id: str, part: str) -> Predicted | None:
        """Reads the run's tables; None where the trial's predictions of the part were not kept. Rows without a finite
        prediction are left out."""
        kept = predictions[(predictions["trial_id"] == trial_id) & (predictions["part"] == part)]
        if kept.empty:
            return None
        kept = kept.sort_values(["row", "class_index"])
        rows, first = np.unique(kept["row"].to_numpy(np.int64), return_index=True)
        target, value = (kept[name].to_numpy(np.float64, na_value=np.nan) for name in ("target", "value"))
        classes = len(kept) // len(rows)
        if kept["class_index"].notna().all():
            found = cls(rows, target[first].astype(np.int64), value.reshape(-1, classes), groups_of(splits, part, rows))
        else:
            found = cls(rows, target[first], value, groups_of(splits, part, rows))
        finite = np.isfinite(found.prediction.reshape(len(rows), -1)).all(axis=1)
        return found if finite.all() else found.at(np.flatnonzero(finite))

    @property
    def losses(self) -> Array:
        """The loss of each row: the cross-entropy in nats, or the absolute error in the target's unit."""
        if self.prediction.ndim == 1:
            return np.abs(self.residuals)
        return cross_entropies(self.target, self.prediction)

    @property
    def residuals(self) -> Array:
        """Predicted minus actual, in the target's unit."""
        return self.prediction - self.target

    def hardest(self, count: int) -> Predicted:
        """The rows with the largest losses, the largest first; equal losses in the order of position."""
        return self.at(np.argsort(-self.losses, kind="stable")[:count])

    def at(self, places: np.ndarray) -> Predicted:
        """The rows at these positions of the arrays."""
        groups = None if self.groups is None else self.groups[places]
        return replace(
            self,
            rows=self.rows[places],
            target=self.target[places],
            prediction=self.prediction[places],
            groups=groups,
        )
