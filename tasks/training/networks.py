"""The Keras models of a stack's trials, and how their weights are stacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.training.embeddings import bins_of, place_of_bins, with_bins
from tasks.training.feed import Feed
from tasks.training.models import Penalties
from tasks.training.rectangle import Rectangle
from tasks.training.stacked_layers import Form, Tensor
from tasks.training.stacked_networks import forms, joinable, layers_of, layout, widest
from tasks.training.trial import Trial

if TYPE_CHECKING:
    import keras

Widths = tuple[int, ...]
"""Units of the hidden Dense layers."""

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Networks:
    """The networks of a stack. They are equal but for the units of hidden Dense layers.

    Args:
        model: The widest. Narrower ones are padded with zeros to its shapes.
        widths: Its units.
        shapes: By width, the shape of each weight of a trial, in the order of the Keras model's `weights`.
        trainable_shapes: By width, `trainable_shapes` of the model.
        forms: How each weight is stored in the stack, in the same order.
    """

    model: keras.Model
    widths: Widths
    shapes: Mapping[Widths, Shapes]
    trainable_shapes: Mapping[Widths, Shapes]
    forms: tuple[Form, ...]

    @classmethod
    def of(cls, models: Mapping[Widths, keras.Model]) -> Networks:
        """Args:
            models: One of each width.

        Raises:
            ValueError: they can't share a stack.
        """
        reason = joinable(list(models.values()))
        if reason is not None:
            raise ValueError(f"the networks of a stack must be joinable: {reason}")
        model = widest(list(models.values()))
        return cls(
            model=model,
            widths=tuple(map(max, zip(*models, strict=True))),
            shapes={width: tuple(tuple(each.shape) for each in one.weights) for width, one in models.items()},
            trainable_shapes={width: trainable_shapes(one) for width, one in models.items()},
            forms=tuple(form for _, form in sorted(forms(layout(model)).items())),
        )

    def joined(
        self, rectangle: Rectangle, weights_of: Callable[[Trial], Sequence[np.ndarray]], dtype: Any
    ) -> list[Tensor]:
        """Stacks the weights of all trials: each trial's weights in the leading corner, zeros around them.

        Args:
            weights_of: Weights of a trial as its Keras model has them; empty for a trial whose weights shall be zeros.
            dtype: A TensorFlow dtype.
        """
        import tensorflow as tf

        found = [(s, r, weights_of(trial)) for s, r, trial in rectangle.cells()]
        joined = []
        for index, (form, weight) in enumerate(zip(self.forms, self.model.weights, strict=True)):
            shape = form.stored(np.empty(weight.shape)).shape
            stacked = np.zeros([*rectangle.shape, *shape], dtype.name)
            for s, r, weights in found:
                if weights:
                    stored = form.stored(weights[index])
                    stacked[s, r][_corner(stored.shape)] = stored
            joined.append(tf.constant(np.moveaxis(stacked, 1, form.axis), dtype))
        return joined

    def of_trial(self, joined: Sequence[np.ndarray], s: int, r: int, trial: Trial) -> list[np.ndarray]:
        """Returns one trial's weights out of the stacked ones, as its Keras model has them."""
        shapes = self.shapes[trial.architecture.hidden]
        return [
            np.ascontiguousarray(form.restored(np.take(weight[s], r, axis=form.axis - 1))[_corner(shape)])
            for form, weight, shape in zip(self.forms, joined, shapes, strict=True)
        ]

    def activations(self) -> int:
        """How many numbers all layers together output for one row."""
        return sum(int(np.prod(layer.output.shape[1:])) for layer in layers_of(self.model))


def built(
    rectangle: Rectangle, shape: tuple[int, ...], outputs: int, seeds: Sequence[int]
) -> dict[Widths, list[keras.Model]]:
    """By width, the Keras model of each seed. Where some trial has dropout, all have the layer; its rate is an input.

    Args:
        shape: Of one row's inputs.
        outputs: How many outputs the network has.
    """
    penalties = Penalties(dropout=max(trial.penalties.dropout for _, _, trial in rectangle.cells()))
    architectures = {trial.architecture.hidden: trial.architecture for trial in rectangle.recipes}
    return {
        width: [architecture.build(shape, outputs, penalties=penalties, seed=seed) for seed in seeds]
        for width, architecture in architectures.items()
    }


def initial(
    rectangle: Rectangle, shape: tuple[int, ...], outputs: int, feeds: Mapping[int | None, Feed]
) -> tuple[Networks, Callable[[Trial], Sequence[np.ndarray]]]:
    """Builds the networks of a stack. Also returns a function from a trial to its initial weights: those of its
    `initial_seed`, with bins from the rows that it learns from.

    Args:
        feeds: Training rows by fold.
    """
    seeds = list(dict.fromkeys(trial.initial_seed for _, _, trial in rectangle.cells()))
    models = built(rectangle, shape, outputs, seeds)
    weights = {
        (width, seed): [weight.numpy() for weight in model.weights]
        for width, of_seeds in models.items()
        for seed, model in zip(seeds, of_seeds, strict=True)
    }
    networks = Networks.of({width: of_seeds[0] for width, of_seeds in models.items()})
    if place_of_bins(networks.model) is None:
        return networks, lambda trial: weights[trial.architecture.hidden, trial.initial_seed]
    bins = {fold: bins_of(networks.model, feed) for fold, feed in feeds.items()}

    def of(trial: Trial) -> Sequence[np.ndarray]:
        return with_bins(networks.model, weights[trial.architecture.hidden, trial.initial_seed], bins[trial.fold])

    return networks, of


def trainable_shapes(model: keras.Model) -> Shapes:
    """Shapes of the trainable weights as one trial has them in a stack, in the order of the layers."""
    layers = layout(model)
    stored = forms(layers)
    return tuple(
        stored[index].stored(np.empty(model.weights[index].shape)).shape for one in layers for index in one.trainable
    )


def _corner(shape: Sequence[int]) -> tuple[slice, ...]:
    """Slices of the leading part of a weight, which has this shape or a larger one."""
    return tuple(slice(0, size) for size in shape)
