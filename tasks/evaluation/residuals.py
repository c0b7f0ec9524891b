"""Where a network for a number is off: its residuals, predicted minus actual, along the inputs.

An input is divided into levels: a number into parts of about equally many rows, a category into its values. How much of
the residuals' variance lies between the levels says whether the network is off in parts of the input's range; a network
that has learned all that an input says leaves none. So numbers and categories stand in one order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluation.clusters import quantile, sums
from tasks.evaluation.intervals import Array, NoInterval
from tasks.records.inspection import ResidualLevel

PARTS = 20
"""Of a number's range, at most; each has `FEWEST` rows or more."""

VALUES = 15
"""Of a category at most, the most frequent; the others are joined."""

FEWEST = 20
OTHERS, MISSING = "(others)", "(missing)"


@dataclass(frozen=True)
class ByInput:
    """The residuals along one input.

    Args:
        name: Of the input.
        number: Whether it is a number.
        association: Share of the residuals' variance between the levels, in [0, 1], less what chance gives (epsilon
            squared, Kelley 1935).
        levels: In order: of a number ascending, of a category by rows; those without a value last.
    """

    name: str
    number: bool
    association: float
    levels: list[ResidualLevel]


def by_input(
    name: str, values: pd.Series, residual: Array, confidence: float, groups: np.ndarray | None = None
) -> ByInput | None:
    """The residuals along an input; None where all rows are alike in it.

    Args:
        values: float64 with NaN, or texts with None where there is no value `[rows]`.
        residual: Finite `[rows]`.
        confidence: Of the means' intervals, in (0, 1).
        groups: The group of each row `[rows]`, or None.
    """
    number = pd.api.types.is_numeric_dtype(values)
    codes, names = _parts(values.to_numpy(np.float64)) if number else _values(values)
    present = np.unique(codes)
    if len(present) < 2:
        return None
    levels = []
    for code in present:
        inside = codes == code
        known = values[inside].dropna() if number else None
        levels.append(
            ResidualLevel(
                name=names.get(int(code)),
                at=float(known.median()) if known is not None and len(known) else None,
                rows=int(inside.sum()),
                mean=float(residual[inside].mean()),
                **mean_interval(residual[inside], confidence, None if groups is None else groups[inside]),
                quartiles=_quartiles(residual[inside]),
            )
        )
    return ByInput(name, number, epsilon_squared(residual, codes), levels)


def epsilon_squared(values: Array, codes: np.ndarray) -> float:
    """Share of the variance of `values` `[rows]` between the levels `codes` `[rows]`, less what chance gives, 0 or more
    (Kelley 1935): 1 - (variance within, unbiased) / (variance in all, unbiased)."""
    _, of_row = np.unique(codes, return_inverse=True)
    rows, levels = np.bincount(of_row), int(of_row.max()) + 1
    within = values - (np.bincount(of_row, values) / rows)[of_row]
    around = values - values.mean()
    total = float(around @ around)
    if total <= 0 or len(values) <= levels:
        return 0.0
    return max(0.0, 1 - float(within @ within) / (len(values) - levels) / (total / (len(values) - 1)))


def _parts(values: Array) -> tuple[np.ndarray, dict[int, str]]:
    """The part of each value's range it lies in, ascending; the last for those missing."""
    known = values[~np.isnan(values)]
    parts = int(np.clip(len(known) // FEWEST, 1, PARTS))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, parts + 1)[1:-1])) if len(known) else np.zeros(0)
    codes = np.searchsorted(edges, values, "right")
    codes[np.isnan(values)] = len(edges) + 1
    return codes, {len(edges) + 1: MISSING}


def _values(values: pd.Series) -> tuple[np.ndarray, dict[int, str]]:
    """The place of each value among the most frequent; then one for the others, and one for those missing."""
    frequent = values.value_counts().index[:VALUES].astype(str).tolist()
    place = {name: at for at, name in enumerate(frequent)}
    codes = np.array([len(place) + 1 if pd.isna(each) else place.get(str(each), len(place)) for each in values])
    return codes, dict(enumerate([*frequent, OTHERS, MISSING]))


def mean_interval(residual: Array, confidence: float, groups: np.ndarray | None) -> dict[str, float | None]:
    """Student's t interval of the mean; over groups by the linearised mean's sums (Cochran 1977, eq. 2.39)."""
    mean, nothing = float(residual.mean()), {"low": None, "high": None}
    try:
        totals = sums((residual - mean)[:, None], groups)[:, 0]
    except NoInterval:
        return {**nothing}
    count = len(totals)
    if count < 2:
        return {**nothing}
    error = float(np.sqrt(count / (count - 1) * float(totals @ totals))) / len(residual)
    half = quantile(confidence, len(residual), groups) * error
    return {"low": mean - half, "high": mean + half}


def _quartiles(residual: Array) -> tuple[float, float, float]:
    low, middle, high = np.quantile(residual, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)
