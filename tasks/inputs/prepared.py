"""Data prepared for training: preprocessed once, divided into parts, with a standardised target."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import softmax

from tasks.augmentation.imbalance import class_weights
from tasks.calibrator import Calibrator
from tasks.choice import corrected
from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.evaluation.decisions import LIKELIEST, Deciding
from tasks.inputs.nested import nested_order
from tasks.inputs.stored import RowsWritten, stored_parts, training_rows
from tasks.preprocessing.tables import preprocess, target_scale
from tasks.preprocessing.texts import token_lengths
from tasks.training.feed import Feed, Resident
from tasks.training.streaming import StoredRows, StreamedRows
from tasks.training.trial import Arrays, InputRows

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Prepared:
    """One data set as the trainers see it.

    Args:
        preprocessor: Turns raw columns into features; learned from the training part.
        features: Features of the rows in memory, as `preprocess` gives them.
        rows: Row positions of each part, int64, ascending; a fold (see `prepare_folds`) has only train and val. There
            are no test rows if the procedure is evaluated out of fold.
        target_scale: Mean and standard deviation of a regression's training target; (0, 1) for classification.
        deciding: How outputs become answers, and what answers cost.
        held_out: If the procedure is evaluated out of fold, the data of each fold, with its training and test rows.
    """

    dataset: Dataset
    preprocessor: keras.Model
    features: np.ndarray
    rows: dict[str, np.ndarray]
    target_scale: tuple[float, float]
    deciding: Deciding = LIKELIEST
    held_out: tuple[Prepared, ...] = ()

    @property
    def scored(self) -> dict[str, np.ndarray]:
        """Row positions of each part that its metrics are computed on: all rows, but of streamed training rows a
        sample."""
        streamed = self.dataset.streamed
        return (
            self.rows if streamed is None else {**self.rows, TRAIN: np.intersect1d(self.rows[TRAIN], streamed.sample)}
        )

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """How many tokens each text has at the end of a row's features; empty where texts are the only input."""
        return token_lengths(self.preprocessor)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of all that a trial learns from: raw and preprocessed inputs, targets, and the rows of train
        and val. How answers are evaluated does not enter."""
        dataset = self.dataset
        facts = {
            "data": dataset.digest,
            "columns": [column["kind"] for column in dataset.form.described(dataset)["columns"]],
            "features": [str(self.features.dtype), self.features.shape],
            "lengths": self.lengths,
            "classes": dataset.classes,
            "scale": self.target_scale,
        }
        found = hashlib.sha256(json.dumps(facts).encode())
        for values in (self.features, self.targets, self.rows[TRAIN], self.rows[VAL]):
            found.update(np.ascontiguousarray(values).data)
        return found.hexdigest()

    @cached_property
    def judged_digest(self) -> str:
        """As `digest`, with the rows of the test part too: it identifies what a fold learns from and is evaluated
        on."""
        rows = np.ascontiguousarray(self.rows[TEST])
        return hashlib.sha256(self.digest.encode() + rows.tobytes()).hexdigest()

    @property
    def by_fold(self) -> dict[int | None, Prepared]:
        """This object under None, and the held-out folds under their numbers."""
        return {None: self, **dict(enumerate(self.held_out))}

    @property
    def targets(self) -> np.ndarray:
        """Targets of all rows, as they are trained on: int64 class indices, or the standardised value, float32."""
        if self.dataset.classes is not None:
            return self.dataset.target
        mean, deviation = self.target_scale
        return ((self.dataset.target - mean) / deviation).astype("float32")

    @property
    def class_weights(self) -> np.ndarray | None:
        """Weights that make every class of the training part count alike, `[classes]`; None for regression."""
        classes = self.dataset.classes
        return class_weights(self.dataset.target[self.rows[TRAIN]], len(classes)) if classes else None

    def limited(self, rows: int | None) -> Prepared:
        """The same data with only the first `rows` training rows of `nested_order`; None: all. Preprocessing and the
        target's scale stay those of the whole training part. The other parts stay the same."""
        train = self.rows[TRAIN]
        if rows is None or rows >= len(train):
            return self
        labels = self.dataset.target[train] if self.dataset.classes else None
        chosen = nested_order(len(train), labels)[:rows]
        return replace(self, rows={**self.rows, TRAIN: np.sort(train[chosen])})

    def inputs(self, parts: Sequence[str], progress: RowsWritten | None = None) -> dict[str, InputRows]:
        """The inputs of each part's scored rows, by part.

        Args:
            progress: Called with how many streamed rows are written, if they must be written.

        Raises:
            BadInput: streamed rows can't be written.
        """
        streamed = self.dataset.streamed
        if streamed is None:
            return {part: self.features[self.rows[part]] for part in parts}
        stored = self._stored(progress)
        held = np.searchsorted(streamed.sample, self.scored[TRAIN])
        return {part: self.features[held] if part == TRAIN else stored[part] for part in parts}

    def arrays(self, progress: RowsWritten | None = None) -> Arrays:
        """The arrays for the trainers: training and validation rows, never test rows. Arguments and errors as for
        `inputs`."""
        target, (_, deviation) = self.targets, self.target_scale
        inputs = self.inputs((TRAIN, VAL), progress)
        return Arrays(
            train=self._feed(inputs[TRAIN]),
            val_inputs=inputs[VAL],
            val_targets=target[self.rows[VAL]],
            classes=len(self.dataset.classes) if self.dataset.classes else None,
            target_scale=deviation,
            class_weights=self.class_weights,
            to_score=inputs,
        )

    def _feed(self, inputs: InputRows) -> Feed:
        """The training rows as a feed; `inputs` are the scored ones."""
        if self.dataset.streamed is not None:
            return StreamedRows(self._stored()[TRAIN])
        assert isinstance(inputs, np.ndarray)
        return Resident(inputs, self.targets[self.rows[TRAIN]])

    def _stored(self, progress: RowsWritten | None = None) -> dict[str, StoredRows]:
        """The stored rows of every part of streamed data."""
        return stored_parts(self.dataset, self.preprocessor, self.features, self.rows, self.targets, progress)

    def given(self, outputs: np.ndarray) -> np.ndarray:
        """A network's outputs `[rows, outputs]` as class probabilities `[rows, classes]`, or values `[rows]` in the
        target's unit; float64."""
        outputs = outputs.astype(np.float64)
        if self.dataset.classes is None:
            mean, deviation = self.target_scale
            return outputs[:, 0] * deviation + mean
        return softmax(outputs, axis=1)

    def prediction(self, outputs: np.ndarray, alike: bool = False, calibrator: Calibrator | None = None) -> np.ndarray:
        """The result of `given`, passed through `corrected`."""
        return self.corrected(self.given(outputs), alike, calibrator)

    def corrected(self, prediction: np.ndarray, alike: bool, calibrator: Calibrator | None = None) -> np.ndarray:
        """A model's answers, calibrated, and corrected to the real class shares where the spec gives them.

        Args:
            alike: Whether classes counted alike in training. A calibrator makes this irrelevant: calibrated
                probabilities have the class shares of the validation rows.
            calibrator: None: nothing is calibrated.
        """
        if calibrator is not None:
            prediction, alike = calibrator(prediction), False
        factors = self.factors(alike)
        return prediction if factors is None else corrected(prediction, factors)

    def factors(self, alike: bool) -> list[float] | None:
        """The factors of the correction: each class's real share over its share in training, 1 where it had none; None:
        nothing is corrected.

        Args:
            alike: Whether classes counted alike in training, by weights or by resampling, whatever their numbers of
                rows.
        """
        prior = self.deciding.prior
        if prior is None:
            return None
        counts = np.bincount(self.dataset.target[self.rows[TRAIN]], minlength=len(prior))
        effective = (counts > 0) if alike else counts
        return [real * int(effective.sum()) / own if own else 1.0 for real, own in zip(prior, effective, strict=True)]

    def loss(self, part: str, outputs: np.ndarray) -> float:
        """The mean loss over a part's scored rows without penalties: cross-entropy in nats, or the standardised squared
        error."""
        outputs, target = outputs.astype(np.float64), self.dataset.target[self.scored[part]]
        if self.dataset.classes is None:
            mean, deviation = self.target_scale
            return float(np.mean(np.square(outputs[:, 0] - (target - mean) / deviation)))
        # Not scipy's log_softmax: its last digit differs, and recorded losses must be reproduced exactly.
        top = outputs.max(axis=1)
        log_sum = np.log(np.exp(outputs - top[:, None]).sum(axis=1)) + top
        return float(np.mean(log_sum - outputs[np.arange(len(target)), target]))


def prepare(dataset: Dataset, splits: pd.DataFrame, deciding: Deciding = LIKELIEST) -> Prepared:
    """Learns the preprocessing from the training part and applies it to all rows in memory."""
    rows = {
        part: splits.loc[(splits["part"] == part).to_numpy(bool), "row"].to_numpy(np.int64)
        for part in (TRAIN, VAL, TEST)
    }
    return _prepared(dataset, rows, deciding)


def prepare_held_out(
    dataset: Dataset, folds: Sequence[dict[str, np.ndarray]], deciding: Deciding = LIKELIEST
) -> tuple[Prepared, ...]:
    """As `prepare`, for every outer fold: everything is learned from the fold's own training rows.

    Args:
        folds: From `outer_folds`.
    """
    return tuple(_prepared(dataset, rows, deciding) for rows in folds)


def prepare_folds(
    dataset: Dataset, splits: pd.DataFrame, *, forward: bool = False, deciding: Deciding = LIKELIEST
) -> dict[int | None, Prepared]:
    """The data of each fold, by fold: the rows that it validates are val, the rows that it trains on are train; no
    others.

    As in `prepare`, everything is learned from the training rows, here those of the fold. So folds may differ in their
    features and in the number of features. Folds with equal features (images with the same largest value) share the
    memory.

    Args:
        splits: With folds, from `fold_rows`.
        forward: Whether the folds are blocks in time, and each trains only on earlier rows.
    """
    row, fold = splits["row"].to_numpy(np.int64), splits["fold"].to_numpy(np.float64, na_value=np.nan)
    learnable = (splits["part"] != TEST).to_numpy(bool)
    prepared: dict[int | None, Prepared] = {}
    for number in range(int(np.nanmax(fold)) + 1):
        earlier = np.isnan(fold) | (fold < number)
        trained_on = learnable & (earlier if forward else fold != number)
        of_fold = _prepared(dataset, {TRAIN: row[trained_on], VAL: row[fold == number]}, deciding)
        same = (each.features for each in prepared.values() if np.array_equal(each.features, of_fold.features))
        prepared[number] = replace(of_fold, features=next(same, of_fold.features))
    return prepared


def _prepared(dataset: Dataset, rows: dict[str, np.ndarray], deciding: Deciding) -> Prepared:
    preprocessor = dataset.form.fit(training_rows(dataset, rows[TRAIN]), dataset)
    scale = (0.0, 1.0) if dataset.classes else target_scale(dataset.target[rows[TRAIN]])
    return Prepared(dataset, preprocessor, preprocess(preprocessor, dataset.raw), rows, scale, deciding)
