"""The held-out rows of every fold, with the answers of the trials of that fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluation.decisions import Deciding
from tasks.evaluation.fold_scores import FoldScores
from tasks.evaluation.judged_rows import JudgedRows


@dataclass(frozen=True)
class FoldAnswers:
    """The answers of the folds' trials for the rows that each fold holds out.

    Args:
        target: Target of all rows of the data set.
        rows: Positions of the rows that each fold holds out, one array `[rows]` per fold.
        answers: Trial to probabilities `[rows, classes]`, or values `[rows]`.
    """

    target: np.ndarray
    rows: Sequence[np.ndarray]
    answers: Mapping[str, np.ndarray]

    def in_folds(
        self, scores: FoldScores, whole: JudgedRows, deciding: Deciding, thresholds: Mapping[str, float]
    ) -> dict[str, list[JudgedRows | None]]:
        """The rows of every fold, as `JudgedRows.in_folds` holds them.

        Args:
            whole: All rows of the evaluation.
            deciding: Turns predictions into answers.
            thresholds: Trial of a fold to its threshold.
        """
        found: dict[str, list[JudgedRows | None]] = {}
        for who, trials in scores.trials.items():
            found[who] = [
                self._rows(fold, trial, who, whole, deciding, thresholds) for fold, trial in enumerate(trials)
            ]
        return found

    def _rows(
        self,
        fold: int,
        trial: str | None,
        who: str,
        whole: JudgedRows,
        deciding: Deciding,
        thresholds: Mapping[str, float],
    ) -> JudgedRows | None:
        if trial is None or trial not in self.answers:
            return None
        rows = self.rows[fold]
        answers = deciding.answers(self.target[rows], self.answers[trial], rows, thresholds.get(trial))
        return JudgedRows(self.target[rows], None, whole.classes, whole.confidence, {who: answers}, rows)
