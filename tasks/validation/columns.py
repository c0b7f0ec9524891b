"""Columns that can't help, or that need care."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.dataset import TRAIN, Dataset
from tasks.ranges import Count, Growth, Share
from tasks.validation.finding import Finding
from tasks.validation.rows import rows_in
from tasks.validation.wording import listing, shown, yaml_list


def constant_column(dataset: Dataset, splits: pd.DataFrame) -> Finding | None:
    """A column should have more than one value in the training part; missing counts as a value."""
    if not len(dataset.table.columns):
        return None
    train = dataset.table.iloc[rows_in(splits, TRAIN)]
    constant = [name for name in train.columns if train[name].nunique(dropna=False) <= 1]
    return Finding(
        success=not constant,
        expected="two values or more in the training part",
        observed=_counted(constant, train),
        rows=len(train.columns),
        unexpected=len(constant),
        message=f"{listing(constant)} never change{'s' if len(constant) == 1 else ''} in the training part, "
        "so nothing can be learned from it."
        if constant
        else "Every column changes within the training part.",
        remedy=f"data.drop: {yaml_list(constant)}",
        column=_only(constant),
    )


def unequal_scales(dataset: Dataset, splits: pd.DataFrame, *, ratio: Growth = 1000.0) -> Finding | None:
    """The numeric columns' standard deviations (training part) should not lie further apart than `ratio`.

    Training is safe, since the model standardises its inputs; other uses of the raw columns are not. Columns that the
    spec leaves as they are (`scale: none`) are ignored.
    """
    scaled = [name for name in dataset.numbers if dataset.kinds[name].column.scaled]
    deviations = dataset.table[scaled].iloc[rows_in(splits, TRAIN)].std(ddof=0)
    deviations = deviations[np.isfinite(deviations) & (deviations > 0)]
    if len(deviations) < 2:
        return None
    widest, narrowest = deviations.idxmax(), deviations.idxmin()
    found = float(deviations.max() / deviations.min())
    success = found <= ratio
    return Finding(
        success=success,
        expected=f"standard deviations within a factor of {ratio:,g}",
        observed=f"{widest}: {_rough(deviations.max())}, {narrowest}: {_rough(deviations.min())}",
        rows=len(deviations),
        unexpected=0 if success else int((deviations * ratio < deviations.max()).sum()),
        message=f"The inputs' scales are comparable (a factor of {_rough(found)})."
        if success
        else f"{widest} varies {_rough(found)} times as widely as {narrowest}: training is safe, as the model "
        "standardises its inputs, but distances and penalties on the raw columns would see only the former.",
        remedy="nothing for training here; standardise before using the raw columns elsewhere",
    )


def identifier_column(
    dataset: Dataset, splits: pd.DataFrame, *, share: Share = 0.95, rows: Count = 50
) -> Finding | None:
    """A category or whole-number column should repeat its values: one that is nearly unique identifies rows.

    Args:
        share: From this ratio of distinct to present values on, a column is an identifier. In `(0, 1]`.
        rows: Columns with fewer present values are never called identifiers.
    """
    if not len(dataset.table.columns):
        return None
    numbers, texts = set(dataset.numbers), set(dataset.texts)
    candidates = [
        name
        for name in dataset.table.columns
        if name not in texts and (name not in numbers or _whole(dataset.table[name]))
    ]
    found = [name for name in candidates if _is_identifier(dataset.table[name], share, rows)]
    return Finding(
        success=not found,
        expected=f"distinct values below {share:.0%} of the rows",
        observed=_counted(found, dataset.table),
        rows=len(candidates),
        unexpected=len(found),
        message=f"{listing(found)} {'is' if len(found) == 1 else 'are'} nearly unique: an identifier tells "
        "rows apart but says nothing about new ones."
        if found
        else "No column looks like an identifier.",
        remedy=f"data.drop: {yaml_list(found)}",
        column=_only(found),
    )


def infinite_value(dataset: Dataset, splits: pd.DataFrame) -> Finding:
    """Every number, pixel, sample and target must be finite (inputs may be missing): one infinity spoils a mean."""
    counts = dataset.form.not_finite(dataset)
    if dataset.task == "regression":
        counts[dataset.target_name] = int((~np.isfinite(dataset.target)).sum())
    found = [name for name, count in counts.items() if count]
    return Finding(
        success=not found,
        expected="finite numbers",
        observed=", ".join(f"{name}: {counts[name]:,}" for name in found[:5]) or "none infinite",
        rows=dataset.rows,
        unexpected=sum(counts.values()),
        message=f"{listing(found)} {'holds' if len(found) == 1 else 'hold'} numbers that are not finite."
        if found
        else "Every number is finite.",
        remedy="write them as missing values, or take the rows out",
        column=_only(found) if _only(found) in dataset.table.columns else None,
    )


def _whole(column: pd.Series) -> bool:
    values = column.dropna().to_numpy(np.float64)
    return bool(np.isfinite(values).all() and (values == np.floor(values)).all())


def _is_identifier(column: pd.Series, share: float, rows: int) -> bool:
    present = int(column.notna().sum())
    return present >= rows and column.nunique() >= share * present


def _counted(names: list[str], table: pd.DataFrame) -> str:
    counts = ", ".join(f"{name}: {table[name].nunique():,} distinct" for name in names[:5])
    return counts or "none"


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _rough(value: float) -> str:
    """Three significant digits: 1.9, 2,230."""
    return shown(float(f"{value:.3g}"))
