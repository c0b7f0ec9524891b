"""Gaussian noise on gradients (Neelakantan et al. 2015, "Adding Gradient Noise Improves Learning for Very Deep
Networks"): before update t, counted from 0, each gradient gets a normal number of variance `eta / (1 + t)^gamma`.

The noise is added after clipping, so clipping does not change its variance. Its random numbers are a separate stream,
so initial weights, batches and dropout are the same as without noise. Trials of one seed share the random numbers, each
times its own deviation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.training.stacked_layers import Tensor
from tasks.training.trial import Noise

if TYPE_CHECKING:
    import keras

ETA, GAMMA = "noise_eta", "noise_gamma"
"""Names of inputs, `[S, R]`; left out where no trial has noise."""

STREAM = 750
"""Tells its random numbers from dropout's (layers, from 0 on) and from those of random search (from 500 on)."""


def deviation(inputs: Mapping[str, Tensor], part: slice, count: Tensor) -> Tensor:
    """Standard deviation of the noise of the recipes `part`, `[S, recipes]`, before update number `count`, from 1."""
    import tensorflow as tf

    eta = inputs[ETA][:, part]
    gamma = inputs[GAMMA][:, part] if GAMMA in inputs else tf.zeros_like(eta)
    return tf.sqrt(eta / tf.pow(count, gamma))


def with_noise(optimizer: type[keras.optimizers.Optimizer], noise: Noise, seed: int) -> Any:
    """A Keras optimizer class that adds noise to each gradient before its update, after clipping and accumulation."""
    import tensorflow as tf

    class Noisy(optimizer):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            key = [seed * 1000 + STREAM + self._get_variable_index(variable), tf.cast(self.iterations, tf.int32)]
            drawn = tf.random.stateless_normal(gradient.shape, key, dtype=gradient.dtype, alg="philox")
            count = tf.cast(self.iterations, gradient.dtype) + 1
            gradient = gradient + drawn * tf.sqrt(noise.eta / tf.pow(count, noise.gamma))
            super().update_step(gradient, variable, learning_rate)

    return Noisy
