"""The data sets that come inside scikit-learn: no file, no network."""

from __future__ import annotations

import numpy as np
import pandas as pd


def read_bundled(function: str, target: str | None) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The set that `sklearn.datasets.{function}` holds: its table, and its images where it has some.

    Args:
        function: `load_digits`, `load_breast_cancer`, `load_wine` or `load_diabetes`.
        target: The name of the target's column in the table.

    Returns:
        The table (features and target; for images the column `label` alone), and images `[n, 8, 8, 1]`
        uint8 or None.
    """
    from sklearn import datasets

    if function == "load_digits":
        digits = datasets.load_digits()
        return pd.DataFrame({"label": digits.target.astype(np.float64)}), digits.images.astype(np.uint8)[..., None]
    options = {"scaled": False} if function == "load_diabetes" else {}
    bunch = getattr(datasets, function)(as_frame=True, **options)
    values = bunch.target
    if "target_names" in bunch:
        values = pd.Series([str(bunch.target_names[index]) for index in values], dtype=object)
    return bunch.data.astype(np.float64).assign(**{target or "target": values}), None
