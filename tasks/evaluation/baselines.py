"""What a network has to beat: a constant answer, a linear model, and gradient boosting.

All are trained on the training part only, with scikit-learn's defaults except where time must be bounded:
fits that would take long use a seeded sample of rows, which their `note` says. Where the network's classes count alike,
so do theirs.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL
from tasks.preprocessing.tables import target_scale
from tasks.preprocessing.texts import WORDS, tokens_of

# Measured on two cores: each of these budgets is about 10 s.
_LOGISTIC_ITERATIONS = 100
_LOGISTIC_PRODUCTS = 4e8  # rows * features * outputs of one pass
_LINEAR_PRODUCTS = 2e10  # rows * features^2 of the singular value decomposition
_BOOSTING_CELLS = 3e7  # rows * columns * outputs of one round
_BOOSTING_TREES = 2_000

_ANSWERED_ROWS = 16_384  # of streamed rows, at a time
_MAX_BOOSTING_CATEGORIES = 254  # HistGradientBoosting bins a category into 255 values
_LEAST_SHARE = 1e-7  # as keras.config.epsilon(): a class absent from the training part costs 16 nats, not infinity


@dataclass(frozen=True)
class Baseline:
    """One baseline's answers, as a trial of stage `baseline` and trainer `sklearn`.

    Args:
        name: `majority class`, `mean`, `logistic regression`, `linear regression` (of texts and sounds with what they
            are given: `TF-IDF, logistic regression`) or `gradient boosting` (beside texts of the `columns alone`).
        val: Validation part, in the order of its rows, float64: class probabilities `[rows, classes]`, or values
            `[rows]` in the target's unit.
        test: The same for the test part.
        seconds: Wall clock of fitting and predicting.
        params: The estimator's settings, JSON values.
        note: What a reader must know about the fit (rows sampled, not converged), or None.
    """

    name: str
    val: np.ndarray
    test: np.ndarray
    seconds: float
    params: dict[str, Any]
    note: str | None = None


def fit_baselines(
    features: np.ndarray,
    target: np.ndarray,
    parts: Mapping[str, np.ndarray],
    *,
    classes: Sequence[str] | None,
    rivals: Rivals | None = None,
    table: pd.DataFrame | None = None,
    seed: int = 0,
    streamed: OnDisk | None = None,
    class_weights: np.ndarray | None = None,
) -> list[Baseline]:
    """Trains every baseline that fits the data.

    Args:
        features: Preprocessed inputs of all rows, or of those in memory, float32 `[rows, ...]`; images are flattened,
            of spectrograms `[rows, frames, bands, 1]` mean and deviation of each band count. Beside texts without the
            tokens of these.
        target: As `Dataset.target`.
        parts: Row positions of `train`, `val` and `test`.
        classes: Class names in order, or None for regression.
        rivals: What is trained beside the constant answer; None: `of_columns`.
        table: The raw columns, for gradient boosting, or the one column of texts; None for images and sounds. Of
            streamed rows boosting gets the features.
        seed: Of the sampled rows and of gradient boosting's own validation rows.
        streamed: Where the other rows are, if `features` are of some rows only.
        class_weights: float64 `[classes]`, of the rows of each class in the loss of what is trained beside the constant
            answer; None: all 1.

    Returns:
        The constant answer, the linear model, and gradient boosting where there is a table. The constant
        alone where the training part holds one class only: there is nothing to learn then.
    """
    fit = Fit(target, parts, classes, seed, streamed, class_weights)
    baselines = [fit.constant()]
    if classes is not None and len(np.unique(target[parts[TRAIN]])) < 2:
        return baselines
    return [*baselines, *(rivals or of_columns)(fit, features, table)]


def of_columns(fit: Fit, features: np.ndarray, table: pd.DataFrame | None) -> list[Baseline]:
    """A linear model of the features, and gradient boosting of a table's columns."""
    linear = fit.linear(features.reshape(len(features), -1))
    if fit.streamed is not None:
        return [linear, fit.boosting(features, *fit.boosting_rows(features.shape[1]), categorical=None)]
    if table is None:
        return [linear]
    rows, note = fit.boosting_rows(table.shape[1])
    inputs, categorical = _boosting_inputs(table, rows)
    return [linear, fit.boosting(inputs, rows, note, categorical=categorical)]


def of_texts(fit: Fit, features: np.ndarray, table: pd.DataFrame | None, *, tokens: str = WORDS) -> list[Baseline]:
    """A linear model of the TF-IDF of the one column of texts, divided into `tokens` as the network's are."""
    assert table is not None
    return [fit.of_texts(table.iloc[:, 0], tokens)]


def of_mixed(
    fit: Fit,
    features: np.ndarray,
    table: pd.DataFrame | None,
    *,
    columns: Sequence[str],
    texts: Sequence[tuple[str, str]],
) -> list[Baseline]:
    """A linear model of the texts' TF-IDF beside the columns' features, and gradient boosting of the columns alone.

    Args:
        features: Of the columns, without the texts' tokens.
        columns: Their names.
        texts: Names of the columns of texts, in the order of the features, and what each is divided into.
    """
    from scipy.sparse import csr_matrix, hstack

    assert table is not None
    weighted = [fit.tf_idf(table[name].fillna(""), tokens) for name, tokens in texts]
    if not columns:
        return [fit.of_weighted(hstack(weighted).tocsr())]
    rows, note = fit.boosting_rows(len(columns))
    inputs, categorical = _boosting_inputs(table[list(columns)], rows)
    return [
        fit.of_weighted(hstack([csr_matrix(features), *weighted]).tocsr()),
        fit.boosting(inputs, rows, note, categorical=categorical, of="columns alone, "),
    ]


def of_spectrograms(fit: Fit, features: np.ndarray, table: pd.DataFrame | None) -> list[Baseline]:
    """A linear model of each band's mean and deviation."""
    spectra = features[..., 0]
    statistics = np.concatenate([spectra.mean(axis=1), spectra.std(axis=1)], axis=1)
    return [fit.linear(statistics, "log-mel statistics, ")]


@dataclass(frozen=True)
class Constant:
    """What an answer that ignores the inputs gets on the validation part: a network that learned anything is better.

    Args:
        loss: Classification: the mean cross-entropy of the training part's class shares, in nats; shares count as
            at least 1e-7. Regression: the mean squared error of the training mean, in units of the standardised
            target (`target_scale`), as the network's own loss.
        accuracy: Of always predicting the training part's commonest class, in [0, 1]; None for regression.
    """

    loss: float
    accuracy: float | None = None

    @classmethod
    def of(cls, target_train: np.ndarray, target_val: np.ndarray, classes: Sequence[str] | None) -> Constant:
        if classes is None:
            mean, deviation = target_scale(target_train)
            return cls(float(np.mean(((target_val - mean) / deviation) ** 2)))
        shares = np.maximum(_shares(target_train, len(classes)), _LEAST_SHARE)
        return cls(float(-np.mean(np.log(shares)[target_val])), float(np.mean(target_val == shares.argmax())))


class Rows(Protocol):
    """Preprocessed inputs that are read in consecutive slices."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class OnDisk:
    """Rows that are too many to be in memory together.

    Args:
        sample: Positions of the rows that are, int64, ascending.
        parts: Preprocessed inputs of `val` and `test`.
    """

    sample: np.ndarray
    parts: Mapping[str, Rows]


@dataclass(frozen=True)
class Fit:
    """What all fits of a data set share."""

    target: np.ndarray
    parts: Mapping[str, np.ndarray]
    classes: Sequence[str] | None
    seed: int
    streamed: OnDisk | None
    class_weights: np.ndarray | None = None

    @property
    def outputs(self) -> int:
        """Linear predictors, or trees a round: one for a regression or two classes."""
        return 1 if self.classes is None or len(self.classes) == 2 else len(self.classes)

    def constant(self) -> Baseline:
        train = self.target[self.parts[TRAIN]]
        if self.classes is None:
            name, answer = "mean", np.asarray(train.mean())
        else:
            name, answer = "majority class", _shares(train, len(self.classes))
        val, test = (np.broadcast_to(answer, (len(self.parts[part]), *answer.shape)) for part in (VAL, TEST))
        return Baseline(name, val, test, 0.0, {})

    def linear(self, features: np.ndarray, given: str = "") -> Baseline:
        """A linear model; `given` says what it gets, where that is not what the network gets."""
        from sklearn.linear_model import LinearRegression, LogisticRegression

        width = features.shape[1]
        if self.classes is None:
            rows, note = self._sampled(_LINEAR_PRODUCTS / width**2)
            return self._trained(f"{given}linear regression", LinearRegression(), features, rows, note)
        rows, note = self._sampled(_LOGISTIC_PRODUCTS / (width * self.outputs))
        model = LogisticRegression(max_iter=_LOGISTIC_ITERATIONS)
        return self._trained(f"{given}logistic regression", model, features, rows, note)

    def of_texts(self, texts: pd.Series, tokens: str) -> Baseline:
        """A linear model of the tokens' TF-IDF; they are those that the network gets."""
        return self.of_weighted(self.tf_idf(texts, tokens))

    def tf_idf(self, texts: pd.Series, tokens: str) -> Any:
        """A sparse matrix `[rows, tokens]`, weights learned from the training part."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        divide = partial(tokens_of, tokens=tokens)
        weights = TfidfVectorizer(tokenizer=divide, token_pattern=None, lowercase=False, sublinear_tf=True)
        weights.fit(texts.iloc[self.parts[TRAIN]])
        return weights.transform(texts)

    def of_weighted(self, inputs: Any) -> Baseline:
        """A linear model of a sparse matrix of weighted tokens, perhaps with other features beside them."""
        from sklearn.linear_model import LogisticRegression, Ridge

        rows, note = self._sampled(_LOGISTIC_PRODUCTS / max(inputs.nnz / inputs.shape[0] * self.outputs, 1))
        if self.classes is None:
            return self._trained("TF-IDF, ridge regression", Ridge(), inputs, rows, note)
        # Rows of length 1 are small numbers: the default penalty would hold their weights too far back.
        model = LogisticRegression(C=10, max_iter=_LOGISTIC_ITERATIONS)
        return self._trained("TF-IDF, logistic regression", model, inputs, rows, note)

    def boosting_rows(self, width: int) -> tuple[np.ndarray, str | None]:
        return self._sampled(_BOOSTING_CELLS / (width * self.outputs))

    def boosting(
        self,
        inputs: np.ndarray,
        rows: np.ndarray,
        note: str | None,
        *,
        categorical: list[bool] | None,
        of: str = "",
    ) -> Baseline:
        """Gradient boosted trees; `of` says what they get, where that is not what the network gets."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        # Early stopping sets a stratified tenth of the rows aside, which a class of one row can't be part of.
        common = self.classes is None or np.unique(self.target[rows], return_counts=True)[1].min() >= 20
        estimator = HistGradientBoostingRegressor if self.classes is None else HistGradientBoostingClassifier
        model = estimator(
            max_iter=int(np.clip(_BOOSTING_TREES / self.outputs, 10, 100)),
            categorical_features=categorical,
            early_stopping=bool(len(rows) > 10_000 and common),
            random_state=self.seed,
        )
        return self._trained(f"{of}gradient boosting", model, inputs, rows, note)

    def _trained(self, name: str, model: Any, inputs: Any, rows: np.ndarray, note: str | None) -> Baseline:
        from threadpoolctl import threadpool_limits

        started = time.perf_counter()
        # In float32 the least squares of nearly collinear columns are noise; a classifier is as good in it.
        precision = np.float64 if self.classes is None else inputs.dtype
        # One thread: boosting's threads wait busily, up to 20 times its work where others hold the cores.
        with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            held = rows if self.streamed is None else np.searchsorted(self.streamed.sample, rows)
            weights = None if self.class_weights is None else self.class_weights[self.target[rows]]
            model.fit(inputs[held].astype(precision, copy=False), self.target[rows], sample_weight=weights)
        val, test = (self._answers(model, inputs, part) for part in (VAL, TEST))
        seconds = time.perf_counter() - started
        weighted = None if self.class_weights is None else "with class weights, since the network's classes count alike"
        notes = [text for text in (note, weighted, _not_converged(caught, model)) if text]
        return Baseline(name, val, test, seconds, _json_params(model), "; ".join(notes) or None)

    def _sampled(self, max_rows: float) -> tuple[np.ndarray, str | None]:
        """The rows to train on: all, or a seeded sample that holds a row of every class."""
        train = self.parts[TRAIN]
        if self.streamed is not None:
            train = np.intersect1d(train, self.streamed.sample)
        if len(train) <= max_rows:
            return train, None if self.streamed is None else self._said(train)
        order = np.random.default_rng(self.seed).permutation(train)
        sample = order[: int(max_rows)]
        if self.classes is not None:
            _, first = np.unique(self.target[order], return_index=True)
            sample = np.union1d(sample, order[first])
        return np.sort(sample), self._said(sample)

    def _said(self, sample: np.ndarray) -> str:
        return f"trained on a random {len(sample):,} of {len(self.parts[TRAIN]):,} training rows"

    def _answers(self, model: Any, inputs: np.ndarray, part: str) -> np.ndarray:
        if self.streamed is None:
            return self._answer(model, inputs[self.parts[part]])
        rows = self.streamed.parts[part]
        starts = range(0, len(rows), _ANSWERED_ROWS)
        return np.concatenate([self._answer(model, rows[start : start + _ANSWERED_ROWS]) for start in starts])

    def _answer(self, model: Any, inputs: Any) -> np.ndarray:
        if self.classes is None:
            return model.predict(inputs).astype(np.float64)
        probabilities = np.zeros((inputs.shape[0], len(self.classes)))
        probabilities[:, model.classes_] = model.predict_proba(inputs)  # classes absent from training stay 0
        return probabilities


Rivals = Callable[[Fit, np.ndarray, pd.DataFrame | None], list[Baseline]]
"""What is trained of preprocessed inputs and the raw columns: `of_columns`, `of_texts` or `of_spectrograms`."""


def _shares(target: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(target, minlength=classes) / len(target)


def _boosting_inputs(table: pd.DataFrame, train: np.ndarray) -> tuple[np.ndarray, list[bool]]:
    """Numbers as they are, categories as codes of the training rows' most frequent values; NaN = no such."""
    categorical = [not pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    columns = [
        _codes(table[name], train) if is_category else table[name].to_numpy(np.float64, na_value=np.nan)
        for name, is_category in zip(table.columns, categorical, strict=True)
    ]
    # The binning fails on a column without any value; as a constant it says as little.
    return np.column_stack([np.where(np.isnan(c[train]).all(), 0.0, c) for c in columns]), categorical


def _codes(column: pd.Series, train: np.ndarray) -> np.ndarray:
    frequent = column.iloc[train].value_counts().sort_index().nlargest(_MAX_BOOSTING_CATEGORIES).index
    codes = column.map({value: code for code, value in enumerate(sorted(frequent))})
    return codes.to_numpy(np.float64, na_value=np.nan)


def _not_converged(caught: list[warnings.WarningMessage], model: Any) -> str | None:
    from sklearn.exceptions import ConvergenceWarning

    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        return f"not converged after {model.max_iter} iterations"
    return None


def _json_params(model: Any) -> dict[str, Any]:
    params = sorted(model.get_params().items())
    return {name: value for name, value in params if name != "categorical_features"}  # known from the table
