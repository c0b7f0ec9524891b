"""Models of scikit-learn: the inputs that each takes, the same in training and when shipped, and its file.

The file is in skops's format: arrays and settings, no code. It is loaded only if it holds nothing but the types that
scikit-learn's own models are made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.errors import BadInput
from tasks.preprocessing.texts import tokens_of

_BETWEEN = "\x1f"
"""Separates the tokens of a text for scikit-learn: a control character, which no token contains."""
_MAX_CATEGORIES = 254  # HistGradientBoosting bins a category into 255 values
_TRUSTED = frozenset(
    {
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        # Boosting checks its categories by this function, held in a partial; skops vets what a partial holds.
        "sklearn.utils.validation.check_array",
        "functools.partial",
    }
)
"""Types in scikit-learn's models, besides those that skops trusts itself."""


@dataclass(frozen=True)
class Takes:
    """What a model takes of a row: these parts, side by side.

    Args:
        features: How many of the network's features, flattened: the first ones.
        bands: Whether it takes, instead of these, the mean and the deviation of each band of a spectrogram.
        columns: Raw columns by name: a category's values in the order of their codes, or None for a number. If there
            are no values, since training saw none, all rows get 0.
        texts: Text columns by name, and the kind of their tokens. The model takes their TF-IDF.
    """

    features: int = 0
    bands: bool = False
    columns: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_columns(cls, table: pd.DataFrame, train: np.ndarray) -> Takes:
        """Takes all columns of a table; its categories are the most frequent values in the training rows.

        Args:
            train: Positions of the training rows.
        """
        return cls(columns={str(name): _categories(table[name].iloc[train]) for name in table.columns})

    @property
    def needs_features(self) -> bool:
        return bool(self.features or self.bands)


@dataclass(frozen=True)
class Estimator:
    """A model of scikit-learn.

    Args:
        model: The fitted model.
        takes: What the model takes.
        weights: A fitted `TfidfVectorizer` for each text in `takes.texts`.
    """

    model: Any
    takes: Takes
    weights: Sequence[Any] = ()

    def given(self, features: np.ndarray | None, table: pd.DataFrame | None) -> Any:
        """What the model takes of rows: an array or a sparse matrix `[rows, ...]`.

        Args:
            features: The network's features, float32 `[rows, ...]`; None where the model takes none.
            table: Raw columns; None where the model takes none.
        """
        takes, parts = self.takes, []
        if takes.bands:
            assert features is not None
            spectra = features[..., 0]
            parts.append(np.concatenate([spectra.mean(axis=1), spectra.std(axis=1)], axis=1))
        elif takes.features:
            assert features is not None
            parts.append(features.reshape(len(features), -1)[:, : takes.features])
        if takes.columns:
            assert table is not None
            parts.append(np.column_stack([_numbers(table[name], values) for name, values in takes.columns.items()]))
        for (name, tokens), vectorizer in zip(takes.texts.items(), self.weights, strict=True):
            assert table is not None
            parts.append(vectorizer.transform(as_tokens(table[name], tokens)))
        return _side_by_side(parts)

    def answers(self, given: Any, classes: int | None) -> np.ndarray:
        """Probabilities, float64 `[rows, classes]`, 0 for classes that were absent from training; or, where `classes`
        is None, values, float64 `[rows]`."""
        if classes is None:
            return self.model.predict(given).astype(np.float64)
        probabilities = np.zeros((given.shape[0], classes))
        probabilities[:, self.model.classes_] = self.model.predict_proba(given)
        return probabilities

    def save(self, path: Path) -> None:
        from skops.io import dump

        dump({"model": self.model, "takes": asdict(self.takes), "weights": list(self.weights)}, path)

    @classmethod
    def load(cls, path: Path) -> Estimator:
        """Loads what `save` wrote.

        Raises:
            BadInput: the file holds other types than scikit-learn's models, or is no such file.
        """
        from skops.io import get_untrusted_types, load

        try:
            found = get_untrusted_types(file=path)
        except Exception as error:  # many types, if the file is no archive or not one of skops
            raise BadInput("is no model of scikit-learn's", where=str(path), got=str(error)) from None
        if others := sorted(set(found) - _TRUSTED):
            raise BadInput(
                "holds other types than a model of scikit-learn's, so it is not loaded",
                where=str(path),
                got=", ".join(others),
            )
        held = load(path, trusted=found)
        return cls(held["model"], Takes(**held["takes"]), held["weights"])


def learn_weights(texts: pd.Series, tokens: str, train: np.ndarray) -> Any:
    """Fits a `TfidfVectorizer` on the training rows, with the same tokens that a network gets.

    Args:
        texts: All texts; a missing one has no tokens.
        tokens: What texts are divided into: `words` or `trigrams`.
        train: Positions of the training rows.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=f"[^{_BETWEEN}]+", lowercase=False, sublinear_tf=True)
    return vectorizer.fit(as_tokens(texts.iloc[train], tokens))


def as_tokens(texts: pd.Series, tokens: str) -> list[str]:
    """Each text's tokens, as one string that the vectorizers of `learn_weights` split again."""
    return [_BETWEEN.join(tokens_of(text.replace(_BETWEEN, " "), tokens)) for text in texts.fillna("")]


def _side_by_side(parts: Sequence[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    from scipy.sparse import csr_matrix, hstack

    return hstack([part if hasattr(part, "tocsr") else csr_matrix(part) for part in parts]).tocsr()


def _categories(column: pd.Series) -> list[str] | None:
    if column.isna().all():
        return []
    if pd.api.types.is_numeric_dtype(column):
        return None
    return sorted(column.value_counts().sort_index().nlargest(_MAX_CATEGORIES).index)


def _numbers(column: pd.Series, values: Sequence[str] | None) -> np.ndarray:
    """Numbers as they are, categories as codes; NaN where missing or not seen in training. float64 `[rows]`."""
    if values is None:
        return column.to_numpy(np.float64, na_value=np.nan)
    if not values:
        return np.zeros(len(column))
    codes = {value: code for code, value in enumerate(values)}
    return column.map(codes).to_numpy(np.float64, na_value=np.nan)
