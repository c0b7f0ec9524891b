"""Reads the settings that a search tried, and its search spaces, from table `settings` and plan.json's `search`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.records.search_plan import SearchedChoices, SearchedDimension
from tasks.search.space import Choices, Dimension, Range, Setting, Space

OK, DIVERGED, PRUNED = "ok", "diverged", "pruned"

_REACH = 3.0


@dataclass(frozen=True)
class Tried:
    """One setting of one recipe.

    Args:
        number: Order within the recipe, from 0.
        values: Values of the active dimensions.
        status: `ok`, `diverged` or `pruned`.
        score: Mean over seeds and folds, in the metric's own unit; None where it diverged, or the metric is not defined
            on all of their validation rows. A pruned setting has the score of its last rung.
        spread: Standard deviation over seeds and folds (n - 1); None for a single one.
        loss: Validation loss without penalties, mean over seeds and folds; None where it is not finite.
        epochs, seconds: Summed over seeds and folds; 0 where the same setting had been trained before.
    """

    number: int
    variant_id: str
    values: Setting
    status: str
    score: float | None
    spread: float | None
    loss: float | None
    epochs: float
    seconds: float

    @property
    def ended(self) -> bool:
        """Whether its score comes from a complete training."""
        return self.status == OK and self.score is not None


def learning_rate(setting: Setting) -> Any:
    """The learning rate of a setting, named `learning_rate` or, for example, `adam.learning_rate`; None where it was
    not searched."""
    return next((value for name, value in setting.items() if is_learning_rate(name)), None)


def is_learning_rate(name: str) -> bool:
    """Whether a dimension is the learning rate. Its prefix does not matter, since only an optimizer has one."""
    return name.rpartition(".")[2] == "learning_rate"


def read_settings(settings: pd.DataFrame) -> dict[str, list[Tried]]:
    """Reads table `settings`: `recipe_id` to its settings, in the order in which they were tried."""
    tried: dict[str, list[Tried]] = {}
    for row in settings.sort_values("number", kind="stable").to_dict("records"):
        tried.setdefault(str(row["recipe_id"]), []).append(
            Tried(
                number=int(row["number"]),
                variant_id=str(row["variant_id"]),
                values=json.loads(row["values"]),
                status=str(row["status"]),
                score=_number(row["score"]),
                spread=_number(row["spread"]),
                loss=_number(row["loss"]),
                epochs=_number(row["epochs"]) or 0.0,
                seconds=_number(row["seconds"]) or 0.0,
            )
        )
    return tried


def read_space(entries: Sequence[SearchedDimension]) -> Space:
    """Reads the `space` of a recipe in plan.json's `search`."""
    return tuple(
        Dimension(
            name=entry.name,
            over=Choices(tuple(entry.choices))
            if isinstance(entry, SearchedChoices)
            else Range(entry.low, entry.high, log=entry.log, integer=entry.integer, step=entry.step),
            when={name: tuple(values) for name, values in entry.when.items()},
            owned=entry.owned,
        )
        for entry in entries
    )


def ranked(tried: Sequence[Tried], sign: int) -> list[Tried]:
    """The settings that ended, the best score first. Equal scores, which are frequent for shares of few rows, are
    ordered by lower loss, then by the order in which they were tried."""

    def place(each: Tried) -> tuple[float, float, int]:
        return -sign * (each.score or 0.0), math.inf if each.loss is None else each.loss, each.number

    return sorted((each for each in tried if each.ended), key=place)


def scores(tried: Sequence[Tried]) -> np.ndarray:
    """The scores of the settings that ended, `[ended]`, in the metric's own unit."""
    return np.array([each.score for each in tried if each.ended], dtype=np.float64)


def worst_told_apart(found: np.ndarray, sign: int) -> float:
    """The limit at which worse scores are clipped: three times as far below the median as the best score is above it.

    Otherwise one setting that nearly diverged would make up all of a variance, and fill a chart. Where the lower
    quartile is further from the median than the best score, its distance is used instead.

    Args:
        found: `[n]`, n >= 1, in the metric's own unit.
        sign: 1 where greater is better, else -1.
    """
    up = sign * found
    median = float(np.median(up))
    reach = _REACH * max(float(up.max()) - median, median - float(np.quantile(up, 0.25)))
    return sign * max(float(up.min()), median - reach)


def _number(value: Any) -> float | None:
    return None if pd.isna(value) or not math.isfinite(value) else float(value)
