"""The rows of a file as a model takes them, for every kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Some rows of a file, in its order.

    Args:
        ids: What identifies each row; for a table, its columns that are neither inputs nor the target.
        inputs: The inputs of the usable rows only, as `exported.asked` takes them.
        usable: Which rows get an answer, bool `[rows]`.
        problems: For each row, what could not be read, else "".
        unread: For each column of a table, how many of its values could not be read.
    """

    ids: pd.DataFrame
    inputs: pd.DataFrame | np.ndarray
    usable: np.ndarray
    problems: list[str]
    unread: Mapping[str, int] = field(default_factory=dict)
