"""Which rows train, which choose (val), which judge (test): seeded, disjoint, and together all rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.errors import BadInput, nearest
from tasks.records import SPLITS
from tasks.spec.models import Split

DEFAULT_TEST_SHARE = 0.2

_PART_NAMES = {"train": TRAIN, "val": VAL, "validation": VAL, "test": TEST}


def split_rows(dataset: Dataset, split: Split) -> pd.DataFrame:
    """The part of every row, in the columns of `records.SPLITS`, in the data set's order.

    In this order: by the spec's `given`, `time` or `group` column; as the source is divided already, unless
    the spec sets `test`; by the source's own group; else at random, stratified by class if asked. Where the
    parts are given without val rows, `validation` is a share of the given training rows: whole groups where
    the source has a group.

    Raises:
        BadInput: a part would be empty, or a steering column is unfit; the message names it.
    """
    rng = np.random.default_rng(split.seed)
    group = split.group or (dataset.group if split.time is None and split.given is None else None)
    groups = None if group is None else _texts(dataset, group, "data.split.group")
    if split.given is not None:
        parts = _with_validation(_given(dataset, split.given), dataset, groups, split, rng)
    elif split.time is not None:
        parts = _by_time(_times(dataset, split.time), split)
    elif dataset.given_part is not None and split.test is None and split.group is None:
        parts = _with_validation(dataset.given_part, dataset, groups, split, rng)
    elif groups is not None:
        parts = _by_group(groups, split, rng)
    else:
        parts = _at_random(_strata(dataset, split), split, rng)
    for part in (TRAIN, VAL, TEST):
        if not (parts == part).any():
            raise _empty(part, dataset, split)
    return SPLITS.frame(pd.DataFrame({"row": np.arange(dataset.rows), "part": parts, "group": groups}))


def _test_share(split: Split) -> float:
    return _share("test", DEFAULT_TEST_SHARE if split.test is None else split.test)


def _validation_share(split: Split) -> float:
    return _share("validation", split.validation)


def _share(name: str, share: float) -> float:
    if share == 0:
        raise BadInput("the part would be empty", where=f"data.split.{name}", got="0", accepted="above 0 and below 1")
    return share


def _strata(dataset: Dataset, split: Split) -> np.ndarray:
    """The class of each row where the split keeps the classes' shares, else zeros."""
    if dataset.classes is None or split.stratify is False:
        return np.zeros(dataset.rows, np.int64)
    counts = np.bincount(dataset.target, minlength=len(dataset.classes))
    if (counts == 1).any():
        alone = [name for name, count in zip(dataset.classes, counts, strict=True) if count == 1]
        raise BadInput(
            "a class has a single row: it can't be both learned and tested",
            where=f"data.target, column {dataset.target_name}",
            got=", ".join(alone),
            remedy="leave these rows out or add more, or set data.split.stratify: false",
        )
    return dataset.target


def _at_random(strata: np.ndarray, split: Split, rng: np.random.Generator) -> np.ndarray:
    parts = np.full(len(strata), TRAIN, dtype="<U5")
    test = _draw(strata, _test_share(split), later_parts=2, rng=rng)
    parts[test] = TEST
    rest = np.flatnonzero(~test)
    parts[rest[_draw(strata[rest], _validation_share(split), later_parts=1, rng=rng)]] = VAL
    return parts


def _draw(strata: np.ndarray, share: float, later_parts: int, rng: np.random.Generator) -> np.ndarray:
    """A mask of `share` of the rows, drawn within each stratum by the method of the largest remainder."""
    _, members, counts = np.unique(strata, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(strata), bool)
    for stratum, size in enumerate(_allocate(counts, share, later_parts)):
        chosen[rng.permutation(np.flatnonzero(members == stratum))[:size]] = True
    return chosen


def _allocate(counts: np.ndarray, share: float, later_parts: int) -> np.ndarray:
    """How many rows of each stratum are drawn: `share` of each, rounded so that the sum is `share` of all.

    Each stratum with two rows or more gives at least one, and keeps one for each later part where it can.
    """
    quotas = share * counts
    most = np.maximum(counts - later_parts, np.minimum(1, counts - 1))
    least = np.minimum(1, most)
    sizes = np.clip(np.floor(quotas).astype(np.int64), least, most)
    for _ in range(round(share * counts.sum()) - sizes.sum()):
        room = np.where(sizes < most, quotas - sizes, -np.inf)
        if np.isneginf(room).all():
            break
        sizes[np.argmax(room)] += 1
    for _ in range(sizes.sum() - round(share * counts.sum())):
        surplus = np.where(sizes > least, sizes - quotas, -np.inf)
        if np.isneginf(surplus).all():
            break
        sizes[np.argmax(surplus)] -= 1
    return sizes


def _by_group(groups: np.ndarray, split: Split, rng: np.random.Generator) -> np.ndarray:
    if len(np.unique(groups)) < 3:
        raise BadInput(
            "three parts need at least three groups",
            where="data.split.group",
            got=f"{len(np.unique(groups))} distinct values",
            remedy="choose another column, or split without groups",
        )
    parts = np.full(len(groups), TRAIN, dtype="<U5")
    if split.hold_out is None:
        test = _draw_groups(groups, _test_share(split), later_parts=2, rng=rng)
    else:
        test = _held_out(groups, split.hold_out)
    parts[test] = TEST
    rest = np.flatnonzero(~test)
    parts[rest[_draw_groups(groups[rest], _validation_share(split), later_parts=1, rng=rng)]] = VAL
    return parts


def _held_out(groups: np.ndarray, names: Sequence[str]) -> np.ndarray:
    known = np.unique(groups)
    for index, name in enumerate(names):
        if name not in known:
            raise BadInput(
                "no such group", where=f"data.split.hold_out[{index}]", got=name, accepted=nearest(name, known.tolist())
            )
    if len(known) - len(set(names)) < 2:
        raise BadInput(
            "two groups at least must be left to train and to validate",
            where="data.split.hold_out",
            got=f"{len(set(names))} of {len(known)} groups",
        )
    return np.isin(groups, names)


def _draw_groups(groups: np.ndarray, share: float, later_parts: int, rng: np.random.Generator) -> np.ndarray:
    """A mask of whole groups with about `share` of the rows; the rows' order does not matter.

    Groups are tried in random order and taken while that brings the size nearer to the share.
    """
    names, members, counts = np.unique(groups, return_inverse=True, return_counts=True)
    wanted, size = share * len(groups), 0
    taken: list[int] = []
    order = rng.permutation(len(names))
    for group in order:
        if len(taken) < len(names) - later_parts and abs(size + counts[group] - wanted) < abs(size - wanted):
            size += counts[group]
            taken.append(group)
    if not taken:
        taken = [order[np.argmin(counts[order])]]
    return np.isin(members, taken)


def _by_time(times: np.ndarray, split: Split) -> np.ndarray:
    """The latest rows are test, the latest of the others val; rows of one time stay together."""
    instants, counts = np.unique(times, return_counts=True)
    if len(instants) < 3:
        raise BadInput(
            "three parts need at least three distinct times",
            where="data.split.time",
            got=f"{len(instants)} distinct values",
        )
    before = np.cumsum(counts)  # rows up to and with each instant
    test_share = _test_share(split)
    until_val = _nearest_cut(before[1:-1], (1 - test_share) * len(times)) + 1
    until_train = _nearest_cut(before[:until_val], (1 - _validation_share(split)) * before[until_val])
    position = np.searchsorted(instants, times)
    return np.where(position > until_val, TEST, np.where(position > until_train, VAL, TRAIN))


def _nearest_cut(sizes: np.ndarray, wanted: float) -> int:
    return int(np.argmin(np.abs(sizes - wanted)))


def _with_validation(
    given: np.ndarray, dataset: Dataset, groups: np.ndarray | None, split: Split, rng: np.random.Generator
) -> np.ndarray:
    """The given parts; without val rows, the validation share of the training rows becomes val."""
    parts = given.astype("<U5")
    train = np.flatnonzero(parts == TRAIN)
    if (parts == VAL).any() or not train.size:
        return parts
    if groups is not None:
        val = _draw_groups(groups[train], _validation_share(split), later_parts=1, rng=rng)
    else:
        stratified = dataset.classes is not None and split.stratify is not False
        strata = dataset.target[train] if stratified else np.zeros(len(train), np.int64)
        val = _draw(strata, _validation_share(split), later_parts=1, rng=rng)
    parts[train[val]] = VAL
    return parts


def _given(dataset: Dataset, column: str) -> np.ndarray:
    texts = _texts(dataset, column, "data.split.given")
    unknown = next((text for text in texts if text.lower() not in _PART_NAMES), None)
    if unknown is not None:
        raise BadInput(
            f"column {column} names no part",
            where="data.split.given",
            got=unknown,
            accepted="train, val (or validation), test, in any case",
        )
    return np.array([_PART_NAMES[text.lower()] for text in texts])


def _times(dataset: Dataset, column: str) -> np.ndarray:
    """Numbers, or instants in UTC, that sort."""
    texts = pd.Series(_texts(dataset, column, "data.split.time"))
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all():
        return numbers.to_numpy()
    dates = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    if dates.isna().any():
        raise BadInput(
            f"column {column} does not sort as time",
            where="data.split.time",
            got=texts[dates.isna()].iloc[0],
            accepted="numbers, or dates as 2024-12-31 or 2024-12-31 23:59",
        )
    return dates.to_numpy()


def _texts(dataset: Dataset, column: str, where: str) -> np.ndarray:
    """The column's values as texts: names, and large integers that must not become floats."""
    values = dataset.extras[column]
    if values.isna().any():
        raise BadInput(
            f"column {column} is blank in {int(values.isna().sum()):,} of {dataset.rows:,} rows",
            where=where,
            got=f"row {int(np.flatnonzero(values.isna())[0]) + 1}",
            remedy="fill these rows or leave them out: no part can be chosen for them",
        )
    return values.astype(str).to_numpy(object).astype(str)


def _empty(part: str, dataset: Dataset, split: Split) -> BadInput:
    if split.given is not None or (dataset.given_part is not None and split.test is None):
        return BadInput(
            f"the {part} part would be empty",
            where="data.split.given" if split.given else "data.split",
            got=f"no row is marked {part}" if split.given else f"{dataset.rows:,} rows of {dataset.name}",
            remedy="mark some rows, or let the split be drawn: data.split.test: 0.2",
        )
    return BadInput(
        f"the {part} part would be empty",
        where="data.split",
        got=f"{dataset.rows:,} rows, test: {_test_share(split)}, validation: {split.validation}",
        remedy="use more rows, or other shares",
    )
