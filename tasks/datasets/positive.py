"""The positive class: the one that recall, precision, F1 and the areas under curves are about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.dataset import Positive
from tasks.errors import BadInput, nearest

_TRUE = (
    {"false": False, "true": True},
    {"no": False, "yes": True},
    {"n": False, "y": True},
    {"f": False, "t": True},
    {"off": False, "on": True},
    {"negative": False, "positive": True},
    {"neg": False, "pos": True},
    {"absent": False, "present": True},
)
"""Pairs of names, one of which means yes. Pairs of numbers are handled in `_says_so`."""


def named(classes: Sequence[str] | None, name: str | None) -> Positive | None:
    """The class that `data.positive` names; without it, the true one of a pair like 0/1, true/false or yes/no.

    Returns:
        None where neither decides: see `rarer`.

    Raises:
        BadInput: there is no such class, or the target has no classes.
    """
    if name is not None and classes is None:
        raise BadInput(
            "has no effect: a quantity has no classes", where="data.positive", got=name, remedy="take it out"
        )
    if classes is None:
        return None
    if name is not None:
        return Positive(_index(classes, name), "data.positive names it")
    if len(classes) != 2:
        return None
    true = [i for i, label in enumerate(classes) if _says_so(label, classes)]
    return Positive(true[0], "by its name; data.positive chooses") if len(true) == 1 else None


def rarer(classes: Sequence[str], target: np.ndarray) -> Positive | None:
    """Of two classes, the one with fewer rows; None for more classes, since those all count alike.

    Args:
        target: Class indices of the training part, int64 `[rows]`.
    """
    if len(classes) != 2:
        return None
    first, last = np.bincount(target, minlength=2)[:2]
    if first == last:
        return Positive(1, "the last of two equally frequent ones; data.positive chooses")
    return Positive(int(last < first), "the rarer one in training; data.positive chooses")


def _index(classes: Sequence[str], name: str) -> int:
    if name in classes:
        return list(classes).index(name)
    alike = [i for i, label in enumerate(classes) if label.casefold() == name.casefold()]
    if len(alike) == 1:  # YAML's `true` for the file's True
        return alike[0]
    raise BadInput("there is no such class", where="data.positive", got=name, accepted=nearest(name, classes))


def _says_so(label: str, classes: Sequence[str]) -> bool:
    pair = {each.casefold() for each in classes}
    if any(pair == set(words) and words[label.casefold()] for words in _TRUE):
        return True
    try:
        numbers = {float(each) for each in pair}
        return numbers in ({0.0, 1.0}, {-1.0, 1.0}) and float(label) == 1.0
    except ValueError:
        return False
