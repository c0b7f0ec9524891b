"""Averages of weights while `Model.fit` trains one trial; `averages` does the same for a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from tasks.training.averaging import STATISTICS_ROWS
from tasks.training.trial import Trial

if TYPE_CHECKING:
    import keras

Batches = Callable[[int, int, int], tuple[np.ndarray, np.ndarray]]
"""`(epoch, start, stop) -> inputs, targets` of an epoch's batches `start:stop`, all counted from 0."""


class FitAverages:
    """Averages one trial's weights. Averages over all steps are Keras's own (`use_ema`).

    Args:
        model: Compiled with the trial's optimizer.
        batches: The trial's training rows.
    """

    def __init__(self, model: keras.Model, trial: Trial, steps_per_epoch: int, batches: Batches) -> None:
        self._model, self._trial, self._batches = model, trial, batches
        self._steps_per_epoch = steps_per_epoch
        self.mean: list[np.ndarray] = []
        self.ends: list[list[np.ndarray]] = []

    def after_steps(self, step: int) -> None:
        """Notes the weights after `step` steps, where an epoch ends there."""
        averaging, (epoch, rest) = self._trial.averaging, divmod(step, self._steps_per_epoch)
        if rest or averaging.start is averaging.last is None:
            return
        weights = [each.numpy() for each in self._model.trainable_variables]
        if averaging.last is not None:
            self.ends = [*self.ends, weights][-averaging.last :]
        elif (number := epoch - averaging.before(self._trial.epochs)) >= 1:
            means = self.mean or weights
            self.mean = [mean + (new - mean) / number for mean, new in zip(means, weights, strict=True)]

    @contextmanager
    def evaluated(self, step: int) -> Iterator[None]:
        """Within this context the model has the weights that it is evaluated with after `step` steps."""
        if not self._trial.averaging.averages:
            yield
            return
        trained = self._model.get_weights()
        for variable, average in zip(self._model.trainable_variables, self._average(), strict=False):
            variable.assign(average)
        self._refresh((step - 1) // self._steps_per_epoch)
        try:
            yield
        finally:
            self._model.set_weights(trained)

    def _average(self) -> list[np.ndarray]:
        """The average of the trainable weights; empty before the end of the first epoch that is averaged."""
        averaging = self._trial.averaging
        if averaging.decay is not None:
            return [each.numpy() for each in self._model.optimizer._model_variables_moving_average]
        if averaging.last is not None:
            return [np.mean(each, axis=0) for each in zip(*self.ends, strict=True)]
        return self.mean

    def _refresh(self, epoch: int) -> None:
        """Computes batch normalisation's statistics again, over the first batches of an epoch and without dropout."""
        import keras

        layers = self._model.layers
        normalising = [each for each in layers if isinstance(each, keras.layers.BatchNormalization)]
        if not normalising:
            return
        dropping = [each for each in layers if isinstance(each, keras.layers.Dropout)]
        momentum, rates = [each.momentum for each in normalising], [each.rate for each in dropping]
        size = self._trial.batch_size
        inputs, _ = self._batches(epoch, 0, min(-(-STATISTICS_ROWS // size), self._steps_per_epoch))
        totals = np.zeros([len(normalising), 2], object)
        for layer in normalising:
            layer.momentum = 0.0  # its moving averages become the batch's statistics
        for layer in dropping:
            layer.rate = 0.0
        for start in range(0, len(inputs), size):
            part = inputs[start : start + size]
            self._model(part, training=True)
            for number, layer in enumerate(normalising):
                totals[number, 0] = totals[number, 0] + len(part) * layer.moving_mean.numpy()
                totals[number, 1] = totals[number, 1] + len(part) * layer.moving_variance.numpy()
        for layer, was, (mean, variance) in zip(normalising, momentum, totals / len(inputs), strict=True):
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)
            layer.momentum = was
        for layer, rate in zip(dropping, rates, strict=True):
            layer.rate = rate
