"""Expectations about the cases: no two are alike, and no class is rare."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.dataset import Dataset
from tasks.validation.inferred import Inferred, Suite
from tasks.validation.rows import row_digests
from tasks.validation.suite import Expectation
from tasks.validation.wording import gist, joining, keeping, listing, of

RARE = 0.1
"""A class is rare below this fraction of an equal share: 5% with two classes, 1% with ten."""
FEWEST = 2
"""Training rows that each class must have; with fewer, nothing can be learned about it."""

_BETWEEN = "expect_column_values_to_be_between"


def of_rows(dataset: Dataset) -> Suite:
    """Expects that no row repeats an earlier one in all inputs and the target."""
    what = dataset.form.cases
    digests = pd.DataFrame({"row": row_digests(dataset)})
    repeats = of(int(digests["row"].duplicated().sum()), dataset.rows, what)
    unique = Inferred(
        Expectation("expect_column_values_to_be_unique", {"column": "row"}),
        severity="warn",
        expected=f"no two {what} alike",
        observed=lambda outcome: f"{repeats} repeat an earlier one",
        passed=f"No two {what} are alike.",
        failed=lambda outcome: f"{repeats} repeat an earlier one, inputs and target alike.",
        remedy="take copies out; different cases that happen to look alike may stay",
    )
    return digests, [unique]


def of_classes(classes: tuple[str, ...], target: np.ndarray, target_name: str) -> Suite:
    """Expectations about how the training rows are divided among the classes, on a frame with one row for each class.

    Args:
        target: Class index of the training rows, int64 `[rows]`.
    """
    counts = np.bincount(target, minlength=len(classes))
    shares = counts / max(len(target), 1)
    least = RARE / len(classes)
    few = [f"{name} ({count:,})" for name, count in zip(classes, counts, strict=True) if count < FEWEST]
    rare = [f"{name} ({share:.1%})" for name, share in zip(classes, shares, strict=True) if share < least]
    alike = _alike(classes, counts)
    spread = f"{shares.min():.1%} to {shares.max():.1%} of the training rows"
    spelled = [gist(name) for name in classes]
    return pd.DataFrame({"rows": counts, "share": shares, "spelled": spelled}), [
        Inferred(
            Expectation("expect_column_values_to_be_unique", {"column": "spelled"}),
            severity="warn",
            expected="no two classes that differ only in case or blanks",
            observed=lambda outcome: "; ".join(", ".join(each) for each in alike) or "none",
            passed=f"No two classes of {target_name} differ only in case or blanks.",
            failed=lambda outcome: (
                f"Classes of {target_name} differ only in case or blanks: {'; '.join(', '.join(e) for e in alike)} "
                "training rows."
            ),
            remedy=f"join them: {joining(classes)}",
            column=target_name,
        ),
        Inferred(
            Expectation(_BETWEEN, {"column": "rows", "min_value": FEWEST}),
            severity="block",
            expected=f"at least {FEWEST} training rows of each class",
            observed=lambda outcome: f"{counts.min():,} to {counts.max():,} rows",
            passed=f"Each class of {target_name} has {FEWEST} training rows or more.",
            failed=lambda outcome: f"{target_name} has fewer than {FEWEST} training rows of {listing(few)}.",
            remedy=_for_few(classes, counts),
            column=target_name,
        ),
        Inferred(
            Expectation(_BETWEEN, {"column": "share", "min_value": least}),
            severity="warn",
            expected=f"at least {least:.1%} of the training rows for each class",
            observed=lambda outcome: spread,
            passed=f"No class of {target_name} is rare: {spread} each.",
            failed=lambda outcome: f"{target_name} has classes that are rare in training: {listing(rare)}.",
            remedy="judge by recall or the precision-recall curve: accuracy hides rare classes",
            column=target_name,
        ),
    ]


def _alike(classes: tuple[str, ...], counts: np.ndarray) -> list[list[str]]:
    """Groups of classes whose names have the same `gist`, each class with its training rows: `Yes (12)`."""
    found: dict[str, list[str]] = {}
    for name, count in zip(classes, counts, strict=True):
        found.setdefault(gist(name), []).append(f"{name} ({count:,})")
    return [each for each in found.values() if len(each) > 1]


def _for_few(classes: tuple[str, ...], counts: np.ndarray) -> str:
    """The remedy for classes with too few rows: join names that differ only in case or blanks, else add data or leave
    them out."""
    spelled = [gist(name) for name in classes]
    joint = {each: sum(counts[place] for place, other in enumerate(spelled) if other == each) for each in spelled}
    kept = [name for name, each in zip(classes, spelled, strict=True) if joint[each] >= FEWEST]
    if any(count < FEWEST for name, count in zip(classes, counts, strict=True) if name in kept):
        return f"join what differs in case or blanks only: {joining(kept)}"
    more = "more data of these classes"
    return f"{more}, or leave them out: {keeping(kept)}" if len(kept) > 1 else more
