"""Divides rows into train, val (to choose) and test (to evaluate): seeded, disjoint, and together all rows. Also
divides the rows outside the test part into folds, which are validated in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.datasets.columns import said
from tasks.datasets.dates import ISO, Unclear, compact, format_of, instants
from tasks.errors import BadInput, nearest
from tasks.records.plan import Reach
from tasks.records.tables import SPLITS
from tasks.spec.data import Split
from tasks.validation.wording import gist, joining, keeping

DEFAULT_TEST_SHARE = 0.2

_PART_NAMES = {"train": TRAIN, "val": VAL, "validation": VAL, "test": TEST}


def split_rows(dataset: Dataset, split: Split) -> pd.DataFrame:
    """The part of every row, in the columns of `records.SPLITS`, in the data set's order.

    The first of these that applies decides: the spec's `given`, `time` or `group` column; the source's own parts,
    unless the spec sets `test`; the source's own group; else chance, stratified by class unless the spec says not to.
    If given parts have no val rows, the `validation` share is taken from the given training rows: whole groups where
    the source has a group.

    Raises:
        BadInput: a part would be empty, or a steering column is unfit; the message names it.
    """
    rng = np.random.default_rng(split.seed)
    groups = groups_of_rows(dataset, split)
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
    named = pd.Categorical(parts, categories=[TRAIN, VAL, TEST])
    return SPLITS.frame(pd.DataFrame({"row": np.arange(dataset.rows), "part": named, "group": groups}))


_FOLDS = 0xF01D
"""Part of the seed, so that the folds are drawn independently of the parts."""


def fold_rows(dataset: Dataset, splits: pd.DataFrame, folds: int, split: Split) -> pd.DataFrame:
    """Adds `fold` to the splits: which of `folds` folds, from 0, validates a row outside the test part.

    Every fold validates its own rows. In a split by time, the rows are divided into `folds + 1` consecutive blocks, as
    even as equal times allow. A fold trains on all blocks before its own, so no fold validates the first block. In
    other splits a fold trains on all rows but its own:

    - If the splits have groups, a fold consists of whole groups. The folds' sizes are about even (a greedy rule).
    - Else rows are dealt at random, within classes if the split is stratified: two folds differ by at most one row of a
      class.

    Folds of equally many rows can be trained in one stack. So random folds are made equal. Folds of groups are made
    equal if that costs no more: at most `folds - 1` rows are left over. Every fold trains on these rows, and none
    validates them.

    Args:
        splits: From `split_rows`. The parts stay; `fold` is null for test rows and for those that are left over.
        folds: At least 2.
        split: The seed, and whether by time or stratified.

    Raises:
        BadInput: there are fewer rows, groups, times, or rows of a class than folds need; or the rows are streamed.
    """
    if dataset.streamed is not None:
        raise BadInput(
            "streamed data are not cross-validated",
            where="tune.folds",
            got=str(folds),
            remedy="use the validation part: take tune.folds out; or hold the data in memory (data.memory, data.rows)",
        )
    rows = np.flatnonzero((splits["part"] != TEST).to_numpy(bool))
    groups = splits["group"].to_numpy(str) if splits["group"].notna().any() else None
    rng = np.random.default_rng([_FOLDS, split.seed])
    try:
        numbers = fold_numbers(dataset, split, rows, groups, folds, rng)
    except TooManyFolds as error:
        raise error.refused("tune.folds", f"{error.got} to learn from") from None
    fold = pd.array([None] * len(splits), "Int64")
    fold[rows] = pd.array(numbers, "Int64")
    fold[rows[numbers < 0]] = None
    return SPLITS.frame(splits.assign(fold=fold))


class TooManyFolds(Exception):
    """There are fewer rows, groups or times than folds need."""

    def __init__(self, folds: int, than: str, got: str, otherwise: str = "") -> None:
        super().__init__(f"more folds than {than}")
        self.folds, self.got, self.otherwise = folds, got, otherwise

    def refused(self, where: str, got: str) -> BadInput:
        """This error as a mistake of the spec at `where`."""
        remedy = f"use fewer folds{self.otherwise}"
        return BadInput(str(self), where=where, got=f"{self.folds} folds, {got}", remedy=remedy)


def fold_numbers(
    dataset: Dataset,
    split: Split,
    rows: np.ndarray,
    groups: np.ndarray | None,
    folds: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The fold, from 0, that holds out each of `rows`, `[rows]`; -1: none does. Divides them as `fold_rows` says.

    Args:
        rows: Positions of the rows to divide.
        groups: The group of every row of the data set; None: rows are divided one by one.

    Raises:
        TooManyFolds: there are fewer rows, groups or times than folds need.
    """
    if split.time is not None:
        return _blocks_in_time(_times(dataset, split.time)[rows], folds)
    if groups is not None:
        return _folds_of_groups(groups[rows], folds, rng)
    return _folds_at_random(_labels(dataset, split)[rows], dataset.classes, folds, rng)


def validation_rows(
    dataset: Dataset, split: Split, rows: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Which of `rows` become val while the others train, bool `[rows]`. They are the validation share of `rows`: the
    latest rows, whole groups, or rows drawn within classes, as the spec splits.

    Args:
        rows, groups: As for `fold_numbers`.
    """
    share = _validation_share(split)
    if split.time is not None:
        times = _times(dataset, split.time)[rows]
        instants, counts = np.unique(times, return_counts=True)
        if len(instants) < 2:
            return np.zeros(len(rows), bool)
        last = _nearest_cut(np.cumsum(counts)[:-1], (1 - share) * len(rows))
        return np.searchsorted(instants, times) > last
    if groups is not None:
        return _draw_groups(groups[rows], share, later_parts=1, rng=rng)
    return _draw(_labels(dataset, split)[rows], share, later_parts=1, rng=rng)


def groups_of_rows(dataset: Dataset, split: Split) -> np.ndarray | None:
    """The group of every row, by the spec's column or the source's own; None where there are none, or the split is by
    time or given."""
    group = split.group or (dataset.group if split.time is None and split.given is None else None)
    return None if group is None else _texts(dataset, group, "data.split.group")


def _folds_at_random(
    labels: np.ndarray, classes: tuple[str, ...] | None, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The fold of each row, or -1. Rows are dealt to the folds in turn, class by class, so each class is in each fold.
    The rows left over (-1) are of the largest classes."""
    names, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < folds:
        lone = classes is None or len(names) == 1
        raise TooManyFolds(
            folds,
            "rows" if lone else "rows in a class",
            f"{counts.min()} rows" if lone else f"{counts.min()} rows of class {classes[names[counts.argmin()]]}",  # type: ignore[index]
            "" if lone else "; or don't stratify: data.split.stratify: false",
        )
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(members[shuffled], kind="stable")]
    dealt = counts.copy()
    for _ in range(len(labels) % folds):
        dealt[dealt.argmax()] -= 1
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)  # a row's rank in its class
    chosen = by_class[place < np.repeat(dealt, counts)]
    fold = np.full(len(labels), -1)
    fold[chosen] = np.arange(len(chosen)) % folds
    return fold


def _folds_of_groups(groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each row, or -1. The largest group comes first, and each goes to the fold that is smallest so far
    (Graham 1969). The result does not depend on the rows' order."""
    names, members, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise TooManyFolds(folds, "groups", f"{len(names)} groups")
    order = rng.permutation(len(names))
    of_group, sizes = np.empty(len(names), np.int64), np.zeros(folds, np.int64)
    for group in order[np.argsort(-counts[order], kind="stable")]:
        of_group[group] = sizes.argmin()
        sizes[of_group[group]] += counts[group]
    too_many = sizes - sizes.min()
    spare = [np.flatnonzero((of_group == fold) & (counts == too_many[fold]))[:1] for fold in np.flatnonzero(too_many)]
    if too_many.sum() < folds and all(map(len, spare)):
        of_group[[int(group) for (group,) in spare]] = -1
    return of_group[members]


def _blocks_in_time(times: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each row, -1 in the first block; rows of one time stay together."""
    instants, counts = np.unique(times, return_counts=True)
    blocks = folds + 1
    if len(instants) < blocks:
        raise TooManyFolds(folds, "times", f"{len(instants)} distinct times", f" ({folds} in time need {blocks} times)")
    before = np.cumsum(counts)
    ends: list[int] = []  # the last instant of each block but the last
    for block in range(1, blocks):
        first, last = len(ends) and ends[-1] + 1, len(instants) - 1 - (blocks - block)
        ends.append(first + _nearest_cut(before[first : last + 1], block * len(times) / blocks))
    return np.searchsorted(ends, np.searchsorted(instants, times)) - 1


def _test_share(split: Split) -> float:
    return _share("test", DEFAULT_TEST_SHARE if split.test is None else split.test)


def _validation_share(split: Split) -> float:
    return _share("validation", split.validation)


def _share(name: str, share: float) -> float:
    if share == 0:
        raise BadInput("the part would be empty", where=f"data.split.{name}", got="0", accepted="above 0 and below 1")
    return share


def _strata(dataset: Dataset, split: Split) -> np.ndarray:
    """As `_labels`, but refuses a class with a single row."""
    labels = _labels(dataset, split)
    if dataset.classes is None or split.stratify is False:
        return labels
    counts = np.bincount(dataset.target, minlength=len(dataset.classes))
    if (counts == 1).any():
        alone = [name for name, count in zip(dataset.classes, counts, strict=True) if count == 1]
        raise BadInput(
            "a class has a single row: it can't be both learned and tested",
            where=f"data.target, column {dataset.target_name}",
            got=", ".join(alone),
            remedy=_for_single(dataset.classes, alone),
        )
    return labels


def _for_single(classes: Sequence[str], alone: Sequence[str]) -> str:
    """The remedy for classes of one row: join those that are another spelling of a class, else add rows or leave them
    out."""
    spelled = Counter(map(gist, classes))
    kept = [name for name in classes if name not in alone or spelled[gist(name)] > 1]
    if any(name in alone for name in kept):
        return f"it may be another spelling of a class: join them: {joining(kept)}"
    return f"add rows of it, or leave it out: {keeping(kept)}"


def _labels(dataset: Dataset, split: Split) -> np.ndarray:
    """The class of each row where the split keeps the classes' shares, else zeros."""
    stratified = dataset.classes is not None and split.stratify is not False
    return dataset.target if stratified else np.zeros(dataset.rows, np.int64)


def _at_random(strata: np.ndarray, split: Split, rng: np.random.Generator) -> np.ndarray:
    parts = np.full(len(strata), TRAIN, dtype=object)
    test = _draw(strata, _test_share(split), later_parts=2, rng=rng)
    parts[test] = TEST
    rest = np.flatnonzero(~test)
    parts[rest[_draw(strata[rest], _validation_share(split), later_parts=1, rng=rng)]] = VAL
    return parts


def _draw(strata: np.ndarray, share: float, later_parts: int, rng: np.random.Generator) -> np.ndarray:
    """A mask of `share` of the rows, drawn within each stratum by the method of the largest remainder."""
    members, _ = pd.factorize(strata, sort=True)  # not np.unique, whose sorting takes several times the memory
    chosen = np.zeros(len(strata), bool)
    for stratum, size in enumerate(_allocate(np.bincount(members), share, later_parts)):
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
    parts = np.full(len(groups), TRAIN, dtype=object)
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
    before = np.cumsum(counts)  # rows up to and including each instant
    test_share = _test_share(split)
    until_val = _nearest_cut(before[1:-1], (1 - test_share) * len(times)) + 1
    until_train = _nearest_cut(before[:until_val], (1 - _validation_share(split)) * before[until_val])
    position = np.searchsorted(instants, times)
    return np.where(position > until_val, TEST, np.where(position > until_train, VAL, TRAIN))


def reaches(dataset: Dataset, rows: Mapping[str, np.ndarray], split: Split) -> dict[str, Reach] | None:
    """The first and last time of each part that has rows, in a split by time; None for other splits.

    Args:
        rows: Positions of the rows of each part.
    """
    if split.time is None:
        return None
    times = _times(dataset, split.time)
    ends = {
        part: (times[positions].min(), times[positions].max()) for part, positions in rows.items() if len(positions)
    }
    say = said if times.dtype != object else _clock([end for both in ends.values() for end in both])
    return {part: Reach(say(first), say(last)) for part, (first, last) in ends.items()}


def time_order(dataset: Dataset, column: str) -> np.ndarray:
    """Positions of the rows, the earliest first; rows of one time keep their order."""
    return np.argsort(_times(dataset, column), kind="stable")


def _clock(instants: Sequence[pd.Timestamp]) -> Callable[[pd.Timestamp], str]:
    """Returns a function that writes these instants (UTC): without time of day, or without seconds, where that is 0 in
    all."""
    if all(each == each.normalize() for each in instants):
        form = "%Y-%m-%d"
    else:
        form = "%Y-%m-%d %H:%M" if all(each == each.floor("min") for each in instants) else "%Y-%m-%d %H:%M:%S"
    return lambda instant: instant.strftime(form)


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
    val = validation_rows(dataset, split, train, groups, rng)
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
    """The column as values that sort by time: numbers, or instants in UTC."""
    texts = pd.Series(_texts(dataset, column, "data.split.time"))
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all():
        written = compact(list(texts.unique()))
        if written is None:
            return numbers.to_numpy()
        raise _no_time(column, f"{texts.iloc[0]}, which may be {written}")
    try:
        form = format_of(list(texts.unique())) or ISO
    except Unclear as choices:
        raise _no_time(column, str(choices)) from None
    dates = instants(texts, form)
    if dates.isna().any():
        raise _no_time(column, texts[dates.isna()].iloc[0])
    return dates.to_numpy()


def _no_time(column: str, got: str) -> BadInput:
    return BadInput(
        f"column {column} does not sort as time",
        where="data.split.time",
        got=got,
        accepted="numbers, or dates as 2024-12-31 or 2024-12-31 23:59",
        remedy=f'or say how its dates are written: data.columns: {{{column}: {{kind: date, format: "%d%m%Y"}}}}',
    )


def _texts(dataset: Dataset, column: str, where: str) -> np.ndarray:
    """The column's values as texts, since they may be names, or large integers that must not become floats."""
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
