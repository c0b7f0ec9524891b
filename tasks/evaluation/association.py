"""Groups columns that carry the same information, by a strength of association from 0 to 1, for numbers and
categories."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.evaluation.residuals import epsilon_squared

TOGETHER = 0.7
"""Columns with at least this average association form one group."""


def alike(table: pd.DataFrame) -> list[list[str]]:
    """Groups the columns by average linkage. Groups, and the columns in each, are in the table's order.

    Args:
        table: Columns of numbers, with NaN for no value, or of texts, with None for no value.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    names = [str(name) for name in table.columns]
    if len(names) < 2:
        return [names] if names else []
    coded = [_coded(table[name]) for name in table.columns]
    distance = np.zeros((len(names), len(names)))
    for i, one in enumerate(coded):
        for j in range(i):
            distance[i, j] = distance[j, i] = 1 - _association(one, coded[j])
    number = fcluster(linkage(squareform(distance), "average"), 1 - TOGETHER, "distance")
    groups: dict[int, list[str]] = {}
    for name, group in zip(names, number, strict=True):
        groups.setdefault(int(group), []).append(name)
    return list(groups.values())


def _coded(values: pd.Series) -> tuple[bool, np.ndarray]:
    """Whether a column is of numbers; then its ranks (NaN where there is no value), or the integer codes of its
    texts."""
    if pd.api.types.is_numeric_dtype(values):
        return True, values.rank().to_numpy(np.float64)
    return False, pd.factorize(values)[0]


def _association(one: tuple[bool, np.ndarray], other: tuple[bool, np.ndarray]) -> float:
    """Two numbers: the absolute value of Spearman's rank correlation. A number and a category: the correlation ratio of
    the number's ranks over the category's values, corrected for chance. Two categories: Cramér's V, corrected for
    chance."""
    (number, values), (other_number, other_values) = one, other
    if number and other_number:
        both = np.isfinite(values) & np.isfinite(other_values)
        spread = both.sum() > 2 and np.ptp(values[both]) > 0 and np.ptp(other_values[both]) > 0
        return abs(float(np.corrcoef(values[both], other_values[both])[0, 1])) if spread else 0.0
    if number or other_number:
        ranks, codes = (values, other_values) if number else (other_values, values)
        known = np.isfinite(ranks)
        return float(np.sqrt(epsilon_squared(ranks[known], codes[known]))) if known.sum() > 2 else 0.0
    return _cramers_v(values, other_values)


def _cramers_v(one: np.ndarray, other: np.ndarray) -> float:
    """Cramér's V, corrected for chance (Bergsma 2013, J. Korean Stat. Soc. 42:323)."""
    counts = pd.crosstab(one, other).to_numpy(np.float64)
    rows, (height, width) = counts.sum(), counts.shape
    if min(height, width) < 2:
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / rows
    phi = ((counts - expected) ** 2 / expected).sum() / rows
    phi = max(0.0, phi - (height - 1) * (width - 1) / (rows - 1))
    least = min(size - (size - 1) ** 2 / (rows - 1) for size in (height, width)) - 1
    return float(np.sqrt(min(1.0, phi / least))) if least > 0 else 0.0
