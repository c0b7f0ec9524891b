"""The rows of a file as a model takes them, whatever the file is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Some rows of a file, in its order.

    Args:
        ids: What names them, a row for each; of a table its columns that are neither inputs nor the target.
        inputs: Of the usable rows only: what `exported.asked` takes.
        usable: Which rows get an answer, bool `[rows]`.
        problems: Of each row what could not be read, else "".
        unread: Of each column of a table, how many of its values could not be read.
    """

    ids: pd.DataFrame
    inputs: pd.DataFrame | np.ndarray
    usable: np.ndarray
    problems: list[str]
    unread: Mapping[str, int] = field(default_factory=dict)
