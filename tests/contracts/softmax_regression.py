"""The problem of `one_batch` in NumPy, for a linear model and for one hidden layer: what plain loops of an optimizer's
paper run on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.training.feed import batch_order
from tasks.training.models import MODELS
from tests.contracts.one_batch import CLASSES, ROWS, arrays_of

Gradient = Callable[[list[np.ndarray]], tuple[float, list[np.ndarray]]]
L2 = 2.0**-7


def _batch() -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and classes as zeros and ones."""
    train = arrays_of().train
    order = batch_order(0, 0, ROWS)
    return train.inputs[order].astype(float), np.eye(CLASSES)[train.targets[order]]


def _cross_entropy(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean over the rows, and its derivative by the logits."""
    logs = logits - logits.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    return -(y * logs).sum() / len(y), (np.exp(logs) - y) / len(y)


def softmax_regression() -> tuple[Gradient, list[np.ndarray]]:
    """Loss with its gradient by kernel and bias, and where the trial of seed 0 starts."""
    x, y = _batch()

    def gradient(weights: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        kernel, bias = weights
        loss, excess = _cross_entropy(x @ kernel + bias, y)
        return loss + L2 * np.square(kernel).sum(), [x.T @ excess + 2 * L2 * kernel, excess.sum(0)]

    model = MODELS["linear"]().build((x.shape[1],), CLASSES, seed=0)
    return gradient, [weight.astype(float) for weight in model.get_weights()]


def hidden_layer(units: int) -> tuple[Gradient, list[np.ndarray]]:
    """The same for a network with one hidden layer of rectified units, without a penalty."""
    x, y = _batch()

    def gradient(weights: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        first, bias, last, end = weights
        before = x @ first + bias
        after = np.maximum(before, 0)
        loss, excess = _cross_entropy(after @ last + end, y)
        back = (excess @ last.T) * (before > 0)
        return loss, [x.T @ back, back.sum(0), after.T @ excess, excess.sum(0)]

    model = MODELS["mlp"](hidden=[units]).build((x.shape[1],), CLASSES, seed=0)
    return gradient, [weight.astype(float) for weight in model.get_weights()]
