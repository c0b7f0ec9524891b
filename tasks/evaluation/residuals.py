"""Where the predictions of a regression are wrong: residuals, predicted minus actual, along each input.

An input is divided into levels: a number into parts of about equally many rows, a category into its values. The share
of the residuals' variance between the levels shows whether the network is biased in parts of the input's range. It is 0
for a network that has learned all that the input tells. So numbers and categories can be ranked together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluation.clusters import quantile, sums
from tasks.evaluation.intervals import Array, NoInterval
from tasks.records.inspection import ResidualLevel

PARTS = 20
"""Most parts of a number's range; each has about `FEWEST` rows or more."""

VALUES = 15
"""Most values of a category, the most frequent ones; the others are joined."""

FEWEST = 20
OTHERS, MISSING = "(others)", "(missing)"


@dataclass(frozen=True)
class ByInput:
    """The residuals along one input.

    Args:
        name: Name of the input.
        number: Whether the input is a number, not a category.
        association: Share of the residuals' variance between the levels, in [0, 1], corrected for chance (epsilon
            squared, Kelley 1935).
        levels: In order: for a number ascending, for a category by number of rows; rows without a value last.
    """

    name: str
    number: bool
    association: float
    levels: list[ResidualLevel]


def by_input(
    name: str, values: pd.Series, residual: Array, confidence: float, groups: np.ndarray | None = None
) -> ByInput | None:
    """The residuals along an input; None where all rows have the same value or level.

    Args:
        values: float64 with NaN, or texts with None where there is no value `[rows]`.
        residual: Predicted minus actual, finite `[rows]`.
        confidence: Confidence level of the means' intervals, in (0, 1).
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
    """Share of the variance of `values` `[rows]` between the levels `codes` `[rows]`, corrected for chance, 0 or more
    (Kelley 1935): 1 - (variance within levels, unbiased) / (total variance, unbiased)."""
    _, of_row = np.unique(codes, return_inverse=True)
    rows, levels = np.bincount(of_row), int(of_row.max()) + 1
    within = values - (np.bincount(of_row, values) / rows)[of_row]
    around = values - values.mean()
    total = float(around @ around)
    if total <= 0 or len(values) <= levels:
        return 0.0
    return max(0.0, 1 - float(within @ within) / (len(values) - levels) / (total / (len(values) - 1)))


def _parts(values: Array) -> tuple[np.ndarray, dict[int, str]]:
    """The code of the part of the range that each value lies in, ascending; the last code is for missing values."""
    known = values[~np.isnan(values)]
    parts = int(np.clip(len(known) // FEWEST, 1, PARTS))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, parts + 1)[1:-1])) if len(known) else np.zeros(0)
    codes = np.searchsorted(edges, values, "right")
    codes[np.isnan(values)] = len(edges) + 1
    return codes, {len(edges) + 1: MISSING}


def _values(values: pd.Series) -> tuple[np.ndarray, dict[int, str]]:
    """The code of each value: its position among the most frequent ones; then a code for other values, and one for
    missing ones."""
    frequent = values.value_counts().index[:VALUES].astype(str).tolist()
    place = {name: at for at, name in enumerate(frequent)}
    codes = np.array([len(place) + 1 if pd.isna(each) else place.get(str(each), len(place)) for each in values])
    return codes, dict(enumerate([*frequent, OTHERS, MISSING]))


def mean_interval(residual: Array, confidence: float, groups: np.ndarray | None) -> dict[str, float | None]:
    """Student's t interval of the mean; with groups, from the sums of the linearised mean over each group (Cochran
    1977, eq. 2.39)."""
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
