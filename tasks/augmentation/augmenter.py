"""What an augmenter is.

To add one: write a keyword-only factory (its signature is the schema, its first line the summary) that returns an
`Augmenter`, and put it in `AUGMENTERS` (table.py). The contract tests do the rest.

Its functions are module-level ones, or `functools.partial` of such: worker processes get an augmenter pickled. Heavy
things (a library, a compiled transform, a dictionary) are imported and made inside these functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tasks.dataset import Facts, Values

Kind = Literal["image", "text", "audio", "table"]

Apply = Callable[[Values, np.ndarray], Values]
"""`(values, seeds uint64 [n]) -> values`: as many examples of the same shape, dtype and range, in the same order.

Each result depends on its example and its seed alone, so that any division into chunks and processes gives the same.
The arguments and the global generators (`seeds.global_generators_kept`) are left unchanged."""


def _fits(facts: Facts) -> str | None:
    return None


@dataclass(frozen=True)
class Augmenter:
    """One way of changing an example into another that its label still holds for.

    Args:
        name: Its name in the table, or Albumentations' own name.
        kind: The kind of data it is for.
        parameters: All parameters, as plain JSON.
        apply: The change itself.
        incompatibility: Says why it can't be used on such data, without its name (`takes three channels, and these
            images have one`), or returns None. It is only asked about data of its kind.
        learn: Takes the training part's values, and returns this augmenter with what it needs of them (each column's
            deviation, a vocabulary); None if it needs nothing. Call `apply` only on the augmenter that `learn` returns.
    """

    name: str
    kind: Kind
    parameters: dict[str, Any]
    apply: Apply
    incompatibility: Callable[[Facts], str | None] = field(default=_fits)
    learn: Callable[[Values], Augmenter] | None = None
