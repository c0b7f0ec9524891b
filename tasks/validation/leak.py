"""A single column that gives the target away."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.ranges import Share
from tasks.validation.finding import Finding
from tasks.validation.rows import rows_in
from tasks.validation.wording import listing, yaml_list

# Enough to tell 0.98 from 1 with a narrow interval; more would only cost time.
_MOST_ROWS, _LEAST_ROWS, _MOST_CELLS = 20_000, 2_000, 1_500_000
_CONFIDENCE = 0.95
_FEWEST_PRESENT = 30


def target_leak(
    dataset: Dataset,
    splits: pd.DataFrame,
    *,
    errors_removed: Share = 0.98,
    rank_correlation: Share = 0.999,
) -> Finding | None:
    """No single column may give the target away, as a result recorded after the event does.

    Classification: how many of the errors of always guessing the commonest class a rule on this one column
    removes (Goodman and Kruskal's lambda, 1954). The rule (a decision tree for numbers, the commonest class
    of each category) is learned on the training rows and judged on the others, and the other way round, so
    every row is judged by a rule that has not seen it. What counts is the lower 95% confidence bound (Clopper
    and Pearson): a column that separates a few dozen rows by luck, or 150 flowers honestly, is no leak.

    Regression: the rank correlation (Spearman) of a numeric column with the target.

    Args:
        errors_removed: From this lower bound on, a column is a leak. In `(0, 1]`; 1 switches it off.
        rank_correlation: From this absolute value on, a column is a leak. In `(0, 1]`.
    """
    if not len(dataset.table.columns):
        return None
    learn, judge = _sampled(rows_in(splits, TRAIN), rows_in(splits, VAL, TEST), len(dataset.table.columns))
    rows = np.concatenate([learn, judge])
    held = np.arange(len(rows)) >= len(learn)
    target, sample = dataset.target[rows], dataset.table.iloc[rows]
    if dataset.task == "classification":
        threshold, measure = errors_removed, "of the errors of guessing"
        strength = {str(name): _errors_removed(sample[name], target, held) for name in sample.columns}
    else:
        threshold, measure = rank_correlation, "rank correlation"
        strength = {name: _rank_correlation(sample[name], target) for name in dataset.numbers}
    ordered = sorted(strength, key=lambda name: (-strength[name], name))
    leaks = [name for name in ordered if strength[name] >= threshold]
    best = f"{ordered[0]}: {strength[ordered[0]]:.3g}" if ordered else "no numeric column"
    return Finding(
        success=not leaks,
        expected=f"below {threshold:g} ({measure}) for every column",
        observed=", ".join(f"{name}: {strength[name]:.3g}" for name in leaks[:5]) or best,
        rows=len(rows),
        unexpected=len(leaks),
        message=f"{listing(leaks)} {'gives' if len(leaks) == 1 else 'give'} {dataset.target_name} away: one "
        "column alone is enough to know the answer."
        if leaks
        else f"No single column gives {dataset.target_name} away.",
        remedy=f"data.drop: {yaml_list(leaks)}, unless known before the prediction is needed",
        column=leaks[0] if len(leaks) == 1 else None,
    )


def _sampled(learn: np.ndarray, judge: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A seeded sample of both kinds of rows, smaller for wide tables."""
    most = int(np.clip(_MOST_CELLS // columns, _LEAST_ROWS, _MOST_ROWS)) // 2
    rng = np.random.default_rng(0)
    few = [rng.choice(rows, most, replace=False) if len(rows) > most else rows for rows in (learn, judge)]
    return few[0], few[1]


def _errors_removed(column: pd.Series, target: np.ndarray, held: np.ndarray) -> float:
    """Lower confidence bound of Goodman and Kruskal's lambda, at most 1; below 0: worse than guessing."""
    from scipy.stats import beta

    errors_of_guessing = 1 - np.bincount(target).max() / len(target)
    if errors_of_guessing == 0 or held.all() or not held.any():
        return 0.0
    rule = _by_number if pd.api.types.is_numeric_dtype(column) else _by_category
    right = int(rule(column, target, held)) + int(rule(column, target, ~held))
    accuracy = beta.ppf(1 - _CONFIDENCE, right, len(target) - right + 1) if right else 0.0
    return float(1 - (1 - accuracy) / errors_of_guessing)


def _by_number(column: pd.Series, target: np.ndarray, held: np.ndarray) -> int:
    """How many held rows a decision tree on this column gets right; missing values may have a branch."""
    from sklearn.tree import DecisionTreeClassifier

    with np.errstate(over="ignore"):
        inputs = column.to_numpy().astype(np.float32)[:, None]  # trees are float32
    inputs[np.isinf(inputs)] = np.nan
    tree = DecisionTreeClassifier(max_leaf_nodes=max(32, 2 * (target.max() + 1)), random_state=0)
    tree.fit(inputs[~held], target[~held])
    return int((tree.predict(inputs[held]) == target[held]).sum())


def _by_category(column: pd.Series, target: np.ndarray, held: np.ndarray) -> int:
    """How many held rows the commonest class of their category gets right; missing is a category too."""
    codes, categories = pd.factorize(column, use_na_sentinel=False)
    counts = np.zeros((len(categories), target.max() + 1), np.int64)
    np.add.at(counts, (codes[~held], target[~held]), 1)
    unseen = counts.sum(axis=1) == 0
    commonest = np.where(unseen, counts.sum(axis=0).argmax(), counts.argmax(axis=1))
    return int((commonest[codes[held]] == target[held]).sum())


def _rank_correlation(column: pd.Series, target: np.ndarray) -> float:
    """Absolute value, in `[0, 1]`, over the rows with a value; 0 where those are too few or constant."""
    present = column.notna().to_numpy()
    if present.sum() < _FEWEST_PRESENT:
        return 0.0
    ranks = column[present].rank().to_numpy(), pd.Series(target[present]).rank().to_numpy()
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(abs(np.corrcoef(*ranks)[0, 1]))
