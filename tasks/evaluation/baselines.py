"""Trains the baselines that a network has to beat: a constant answer, a linear model, and gradient boosting.

All are trained on the training part only, with scikit-learn's defaults except where time must be bounded: fits that
would take long use a seeded sample of rows, and their `note` says so. Where classes have equal weight in the network's
training, they have it in the baselines' too.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL
from tasks.preprocessing.estimators import Estimator, Takes, learn_weights
from tasks.preprocessing.tables import target_scale
from tasks.preprocessing.texts import WORDS

# Measured on two cores: each of these budgets is about 10 s.
_LOGISTIC_ITERATIONS = 100
_LOGISTIC_PRODUCTS = 4e8  # rows * features * outputs of one pass
_LINEAR_PRODUCTS = 2e10  # rows * features^2 of the singular value decomposition
_BOOSTING_CELLS = 3e7  # rows * columns * outputs of one round
_BOOSTING_TREES = 2_000

_ANSWERED_ROWS = 16_384  # number of streamed rows predicted at a time
_LEAST_SHARE = 1e-7  # as keras.config.epsilon(): a class absent from the training part costs 16 nats, not infinity


CONSTANT_ANSWERS = ("majority class", "mean")
"""Names of the baselines that ignore the inputs."""


@dataclass(frozen=True)
class Baseline:
    """One baseline's answers, as a trial of stage `baseline` and trainer `sklearn`.

    Args:
        name: `majority class`, `mean`, `logistic regression`, `linear regression` (for texts and sounds with their
            inputs in front: `TF-IDF, logistic regression`) or `gradient boosting` (beside texts
            `columns alone, gradient boosting`).
        val: Validation part, in the order of its rows, float64: class probabilities `[rows, classes]`, or values
            `[rows]` in the target's unit.
        test: The same for the test part.
        seconds: Wall clock of fitting and predicting.
        params: The estimator's settings, JSON values.
        note: Remarks on the fit that a reader must know (rows sampled, not converged), or None.
        estimator: The fitted estimator; None for the constant answer.
    """

    name: str
    val: np.ndarray
    test: np.ndarray
    seconds: float
    params: dict[str, Any]
    note: str | None = None
    estimator: Estimator | None = None


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
        features: Preprocessed inputs of all rows, or of those in memory, float32 `[rows, ...]`. Images are flattened;
            spectrograms `[rows, frames, bands, 1]` are reduced to the mean and deviation of each band. Columns beside
            texts come without the texts' tokens.
        target: See `Dataset.target`.
        parts: Row positions of `train`, `val` and `test`.
        classes: Class names in order, or None for regression.
        rivals: The function that trains the other baselines beside the constant answer; None: `of_columns`.
        table: The raw columns, for gradient boosting, or the one column of texts; None for images and sounds. With
            streamed rows, boosting gets the features.
        seed: Seed for sampling rows and for gradient boosting's own validation rows.
        streamed: Where to read the other rows, if `features` holds some rows only.
        class_weights: float64 `[classes]`, the weight of each class's rows in the loss of the baselines (the constant
            answer ignores it); None: all 1.

    Returns:
        The constant answer, the linear model, and gradient boosting where there is a table. Only the constant answer
        where the training part holds one class: then there is nothing to learn.
    """
    fit = Fit(target, parts, classes, seed, streamed, class_weights)
    baselines = [fit.constant()]
    if classes is not None and len(np.unique(target[parts[TRAIN]])) < 2:
        return baselines
    return [*baselines, *(rivals or of_columns)(fit, features, table)]


def of_columns(fit: Fit, features: np.ndarray, table: pd.DataFrame | None) -> list[Baseline]:
    """Trains a linear model on the features, and gradient boosting on a table's columns."""
    width = int(np.prod(features.shape[1:]))
    linear = fit.linear(features, Takes(features=width))
    if fit.streamed is not None:
        return [linear, fit.boosting(*fit.boosting_rows(width), takes=Takes(features=width), features=features)]
    if table is None:
        return [linear]
    rows, note = fit.boosting_rows(table.shape[1])
    return [linear, fit.boosting(rows, note, takes=Takes.of_columns(table, rows), table=table)]


def of_texts(fit: Fit, features: np.ndarray, table: pd.DataFrame | None, *, tokens: str = WORDS) -> list[Baseline]:
    """Trains a linear model on the TF-IDF of the one column of texts. Texts are split into `tokens` as for the
    network."""
    assert table is not None
    return [fit.of_weighted(None, table, {str(table.columns[0]): tokens})]


def of_mixed(
    fit: Fit,
    features: np.ndarray,
    table: pd.DataFrame | None,
    *,
    columns: Sequence[str],
    texts: Sequence[tuple[str, str]],
) -> list[Baseline]:
    """Trains a linear model on the texts' TF-IDF and the columns' features, and gradient boosting on the columns alone.

    Args:
        features: Features of the columns, without the texts' tokens.
        columns: Names of the columns that are not texts.
        texts: Names of the columns of texts, in the order of the features, and the kind of token that each is split
            into.
    """
    assert table is not None
    if not columns:
        return [fit.of_weighted(None, table, dict(texts))]
    rows, note = fit.boosting_rows(len(columns))
    takes = Takes.of_columns(table[list(columns)], rows)
    return [
        fit.of_weighted(features, table, dict(texts)),
        fit.boosting(rows, note, takes=takes, table=table, of="columns alone, "),
    ]


def of_spectrograms(fit: Fit, features: np.ndarray, table: pd.DataFrame | None) -> list[Baseline]:
    """Trains a linear model on each band's mean and deviation."""
    return [fit.linear(features, Takes(bands=True), "log-mel statistics, ")]


@dataclass(frozen=True)
class Constant:
    """Scores of an answer that ignores the inputs, on the validation part. A network that learned anything is better.

    Args:
        loss: Classification: the mean cross-entropy of the training part's class shares, in nats; shares count as
            at least 1e-7. Regression: the mean squared error of the training mean, in units of the standardised
            target (`target_scale`), as the network's own loss.
        accuracy: Accuracy of always predicting the training part's most common class, in [0, 1]; None for regression.
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
    """Rows that do not fit in memory together.

    Args:
        sample: Positions of the rows that are in memory, int64, ascending.
        parts: Preprocessed inputs of `val` and `test`.
    """

    sample: np.ndarray
    parts: Mapping[str, Rows]


@dataclass(frozen=True)
class Fit:
    """The data and settings that all baselines of a data set share."""

    target: np.ndarray
    parts: Mapping[str, np.ndarray]
    classes: Sequence[str] | None
    seed: int
    streamed: OnDisk | None
    class_weights: np.ndarray | None = None

    @property
    def outputs(self) -> int:
        """Number of linear predictors, or of trees in each boosting round: one for a regression or two classes."""
        return 1 if self.classes is None or len(self.classes) == 2 else len(self.classes)

    def constant(self) -> Baseline:
        train = self.target[self.parts[TRAIN]]
        answer = np.asarray(train.mean()) if self.classes is None else _shares(train, len(self.classes))
        name = CONSTANT_ANSWERS[self.classes is None]
        val, test = (np.broadcast_to(answer, (len(self.parts[part]), *answer.shape)) for part in (VAL, TEST))
        return Baseline(name, val, test, 0.0, {})

    def linear(self, features: np.ndarray, takes: Takes, given: str = "") -> Baseline:
        """Trains a linear model; `given` names its inputs where they are not those of the network."""
        from sklearn.linear_model import LinearRegression, LogisticRegression

        model = LinearRegression() if self.classes is None else LogisticRegression(max_iter=_LOGISTIC_ITERATIONS)
        name = f"{given}{'linear' if self.classes is None else 'logistic'} regression"
        estimator = Estimator(model, takes)
        inputs = estimator.given(features, None)
        width = inputs.shape[1]
        products = _LINEAR_PRODUCTS / width**2 if self.classes is None else _LOGISTIC_PRODUCTS / (width * self.outputs)
        return self._trained(name, estimator, inputs, *self._sampled(products))

    def of_weighted(self, features: np.ndarray | None, table: pd.DataFrame, texts: Mapping[str, str]) -> Baseline:
        """Trains a linear model on the TF-IDF of the texts' tokens, the same tokens that the network gets. The TF-IDF
        weights are learned from the training part.

        Args:
            features: Features of the columns beside the texts, `[rows, features]`; None where there are none.
            texts: Names of the columns of texts, and the kind of token that each is split into.
        """
        from sklearn.linear_model import LogisticRegression, Ridge

        # TF-IDF rows have length 1, so their entries are small: the default penalty would keep the weights too small.
        model = Ridge() if self.classes is None else LogisticRegression(C=10, max_iter=_LOGISTIC_ITERATIONS)
        takes = Takes(features=0 if features is None else features.shape[1], texts=texts)
        weights = [learn_weights(table[name], tokens, self.parts[TRAIN]) for name, tokens in texts.items()]
        estimator = Estimator(model, takes, weights)
        inputs = estimator.given(features, table)
        rows, note = self._sampled(_LOGISTIC_PRODUCTS / max(inputs.nnz / inputs.shape[0] * self.outputs, 1))
        name = f"TF-IDF, {'ridge' if self.classes is None else 'logistic'} regression"
        return self._trained(name, estimator, inputs, rows, note)

    def boosting_rows(self, width: int) -> tuple[np.ndarray, str | None]:
        return self._sampled(_BOOSTING_CELLS / (width * self.outputs))

    def boosting(
        self,
        rows: np.ndarray,
        note: str | None,
        *,
        takes: Takes,
        features: np.ndarray | None = None,
        table: pd.DataFrame | None = None,
        of: str = "",
    ) -> Baseline:
        """Trains gradient boosted trees on features or on a table's columns; `of` names their inputs where they are not
        those of the network."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        # Early stopping holds out a stratified tenth of the rows, which fails for a class with a single row.
        common = self.classes is None or np.unique(self.target[rows], return_counts=True)[1].min() >= 20
        kind = HistGradientBoostingRegressor if self.classes is None else HistGradientBoostingClassifier
        model = kind(
            max_iter=int(np.clip(_BOOSTING_TREES / self.outputs, 10, 100)),
            categorical_features=[bool(values) for values in takes.columns.values()] or None,
            early_stopping=bool(len(rows) > 10_000 and common),
            random_state=self.seed,
        )
        estimator = Estimator(model, takes)
        inputs = estimator.given(features, table)
        return self._trained(f"{of}gradient boosting", estimator, inputs, rows, note)

    def _trained(self, name: str, estimator: Estimator, inputs: Any, rows: np.ndarray, note: str | None) -> Baseline:
        from threadpoolctl import threadpool_limits

        model, started = estimator.model, time.perf_counter()
        # In float32, least squares on nearly collinear columns gives noise; a classifier is as good in float32.
        precision = np.float64 if self.classes is None else inputs.dtype
        # One thread: boosting's threads wait busily, which costs up to 20 times its work where other processes use the
        # cores.
        with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            held = rows if self.streamed is None else np.searchsorted(self.streamed.sample, rows)
            weights = None if self.class_weights is None else self.class_weights[self.target[rows]]
            model.fit(inputs[held].astype(precision, copy=False), self.target[rows], sample_weight=weights)
        val, test = (self._answers(estimator, inputs, part) for part in (VAL, TEST))
        seconds = time.perf_counter() - started
        weighted = None if self.class_weights is None else "with class weights, since the network's classes count alike"
        notes = [text for text in (note, weighted, _not_converged(caught, model)) if text]
        return Baseline(name, val, test, seconds, _json_params(model), "; ".join(notes) or None, estimator)

    def _sampled(self, max_rows: float) -> tuple[np.ndarray, str | None]:
        """The rows to train on, and the note about them: all rows, or a seeded sample that holds a row of every
        class."""
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

    def _answers(self, estimator: Estimator, inputs: Any, part: str) -> np.ndarray:
        classes = None if self.classes is None else len(self.classes)
        if self.streamed is None:
            return estimator.answers(inputs[self.parts[part]], classes)
        rows = self.streamed.parts[part]
        starts = range(0, len(rows), _ANSWERED_ROWS)
        return np.concatenate(
            [
                estimator.answers(estimator.given(rows[start : start + _ANSWERED_ROWS], None), classes)
                for start in starts
            ]
        )


Rivals = Callable[[Fit, np.ndarray, pd.DataFrame | None], list[Baseline]]
"""Trains baselines on preprocessed inputs and the raw columns: `of_columns`, `of_texts`, `of_mixed` or
`of_spectrograms`."""


def _shares(target: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(target, minlength=classes) / len(target)


def _not_converged(caught: list[warnings.WarningMessage], model: Any) -> str | None:
    from sklearn.exceptions import ConvergenceWarning

    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        return f"not converged after {model.max_iter} iterations"
    return None


def _json_params(model: Any) -> dict[str, Any]:
    params = sorted(model.get_params().items())
    return {name: value for name, value in params if name != "categorical_features"}  # known from the table
