"""What an augmenter is.

To add one: write a keyword-only factory (its signature is the schema, its first line the summary) that returns an
`Augmenter`, and put it in `AUGMENTERS` (table.py). The contract tests do the rest.

Its functions are module-level ones, or `functools.partial` of such, so that an augmenter can be pickled: worker
processes get it that way. What is heavy (a library, a compiled transform, a dictionary) is imported and made inside
them.
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
What it is given stays as it is, and so do the global generators (`seeds.global_generators_kept`)."""


def _fits(facts: Facts) -> str | None:
    return None


@dataclass(frozen=True)
class Augmenter:
    """One way of changing an example into another that its label still holds for.

    Args:
        name: In the table, or Albumentations' own.
        kind: Of the data it is for.
        parameters: All of them, as plain JSON.
        apply: What it does.
        incompatibility: Why it can't be used on such data, without its name (`takes three channels, and these images
            have one`), or None. It is only asked about data of its kind.
        learn: From the training part's values to this augmenter, made ready with what it needs of them (each column's
            deviation, a vocabulary); None where it needs nothing. `apply` may be called only on what it returns.
    """

    name: str
    kind: Kind
    parameters: dict[str, Any]
    apply: Apply
    incompatibility: Callable[[Facts], str | None] = field(default=_fits)
    learn: Callable[[Values], Augmenter] | None = None
