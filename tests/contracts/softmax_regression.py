"""The problem of `one_batch` for a linear model, in NumPy: what plain loops of an optimizer's paper run on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.training.feed import batch_order
from tasks.training.models import MODELS
from tests.contracts.one_batch import CLASSES, ROWS, arrays_of

Gradient = Callable[[list[np.ndarray]], tuple[float, list[np.ndarray]]]
L2 = 2.0**-7


def softmax_regression() -> tuple[Gradient, list[np.ndarray]]:
    """Loss with its gradient by kernel and bias, and where the trial of seed 0 starts."""
    train = arrays_of().train
    order = batch_order(0, 0, ROWS)
    x, y = train.inputs[order].astype(float), np.eye(CLASSES)[train.targets[order]]

    def gradient(weights: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        kernel, bias = weights
        logits = x @ kernel + bias
        logs = logits - logits.max(1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        excess = (np.exp(logs) - y) / len(y)
        loss = -(y * logs).sum() / len(y) + L2 * np.square(kernel).sum()
        return loss, [x.T @ excess + 2 * L2 * kernel, excess.sum(0)]

    model = MODELS["linear"]().build((x.shape[1],), CLASSES, seed=0)
    return gradient, [weight.astype(float) for weight in model.get_weights()]
