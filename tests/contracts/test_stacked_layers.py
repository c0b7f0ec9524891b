"""Every layer that a stack understands gives the Keras layer's numbers: outputs, gradients, and state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.training.models import MODELS
from tasks.training.stacked_layers import Context, class_of, forward_functions, groups_work
from tasks.training.stacked_networks import forms, forward, incompatibility, layers_of, layout

SEEDS, RECIPES, ROWS = 2, 3, 4


def cases() -> dict[str, tuple[tuple[int, ...], Callable[[], list]]]:
    """Name to (shape of a row, the layers): each class of the table is in one at least."""
    from keras import layers as k

    return {
        "dense": ((5,), lambda: [k.Dense(4, activation="tanh"), k.Dense(3)]),
        "normalised": ((5,), lambda: [k.Dense(4, use_bias=False), k.BatchNormalization(), k.Activation("relu")]),
        "convolution, same": ((5, 6, 2), lambda: [k.Conv2D(3, 3, padding="same"), k.Conv2D(2, 2, padding="same")]),
        "convolution, valid": ((6, 7, 1), lambda: [k.Conv2D(3, (3, 2)), k.Conv2D(2, 3, activation="relu")]),
        "convolution, strides": ((7, 8, 2), lambda: [k.Conv2D(3, 3, 2, padding="same"), k.Conv2D(2, 2, (1, 2))]),
        "pooling": ((7, 6, 1), lambda: [k.Conv2D(3, 2), k.MaxPooling2D(2, padding="same"), k.Flatten(), k.Dense(2)]),
        "pooling, overlapping": ((8, 8, 2), lambda: [k.MaxPooling2D(3, strides=2), k.Conv2D(2, 2), k.MaxPooling2D(2)]),
        "normalised images": ((5, 5, 1), lambda: [k.Conv2D(3, 2), k.BatchNormalization(), k.MaxPooling2D(2)]),
        "embedding": ((6,), lambda: [k.Embedding(11, 4), k.GlobalAveragePooling1D(), k.Dense(2)]),
        "embedding, convolution": ((9,), lambda: [k.Embedding(11, 4), k.Conv1D(3, 3), k.GlobalMaxPooling1D()]),
        "sequence": ((9, 2), lambda: [k.Conv1D(3, 2, 2, padding="same"), k.Conv1D(2, 3), k.Flatten(), k.Dense(2)]),
        "averaged images": ((5, 6, 2), lambda: [k.Conv2D(3, 3), k.Activation("relu"), k.GlobalAveragePooling2D()]),
        "flatten first": ((3, 2), lambda: [k.Flatten(), k.Dense(2), k.Dropout(0.5)]),
    }  # fmt: skip


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("name", cases())
def test_gives_keras_outputs_gradients_and_state(name: str, grouped: bool) -> None:
    import keras
    import tensorflow as tf

    if grouped and not groups_work("float32"):
        pytest.skip("this TensorFlow has no convolutions in groups")
    shape, make = cases()[name]
    rng = np.random.default_rng(1)
    integer = name.startswith("embedding")
    inputs = rng.integers(0, 11, (SEEDS, ROWS, *shape)) if integer else rng.normal(size=(SEEDS, ROWS, *shape))
    x = tf.constant(inputs, tf.int32 if integer else tf.float32)
    assert_as_keras(keras.Sequential([keras.Input(shape, dtype=x.dtype.name), *make()]), x, rng, grouped)


def columns_and_texts(*, columns: int, convolution: int | None = None) -> tuple[Any, np.ndarray]:
    """A network of two texts beside so many columns, and its inputs."""
    rng = np.random.default_rng(1)
    text = MODELS["text"](units=4, hidden=[3], convolution=convolution, filters=2)
    model = replace(text, lengths=(4, 2)).build((columns + 6,), 2)
    tokens = rng.integers(0, 8, (SEEDS, ROWS, 6))
    return model, np.concatenate([rng.normal(size=(SEEDS, ROWS, columns)), tokens], axis=2)


@pytest.mark.parametrize("columns", [0, 3])
@pytest.mark.parametrize("convolution", [None, 2])
def test_several_ways_from_the_rows_give_what_keras_gives(columns: int, convolution: int | None) -> None:
    import tensorflow as tf

    model, inputs = columns_and_texts(columns=columns, convolution=convolution)
    assert incompatibility(model) is None
    assert_as_keras(model, tf.constant(inputs, tf.float32), np.random.default_rng(2), grouped=False)


def residual() -> Any:
    """A network that adds its rows to what becomes of them, and that again to its own."""
    import keras
    from keras import layers as k

    rows = keras.Input((5,))
    first = k.Add()([rows, k.Dense(5)(rows)])
    second = k.Add()([first, k.Dense(5, activation="tanh")(k.BatchNormalization()(first)), first])
    return keras.Model(rows, k.Dense(2)(second))


def test_what_is_added_gives_what_keras_gives() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(2)
    x = tf.constant(rng.normal(size=(SEEDS, ROWS, 5)), tf.float32)
    assert incompatibility(residual()) is None
    assert_as_keras(residual(), x, rng, grouped=False)


def embedded(kind: str) -> Any:
    return MODELS["mlp"](hidden=[3], embedding=kind, bins=4, frequencies=3, embedding_units=2).build((5,), 2)


def test_embedded_numbers_give_what_keras_gives() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(2)
    model = embedded("periodic")
    assert incompatibility(model) is None
    assert_as_keras(model, tf.constant(rng.normal(size=(SEEDS, ROWS, 5)), tf.float32), rng, grouped=False)


def test_trials_of_a_replica_share_an_encoding_that_no_step_moves() -> None:
    assert [one.inputs for one in layout(embedded("piecewise_linear"))] == [*["shared"] * 4, *["separate"] * 2]


def assert_as_keras(model: Any, x: Any, rng: np.random.Generator, grouped: bool) -> None:
    """Trials with random weights, each by itself in Keras and all of them in a stack."""
    import tensorflow as tf

    layers = layout(model)
    stored = forms(layers)
    weights = [
        [
            [np.abs(0.3 * rng.normal(size=weight.shape)).astype("float32") for weight in model.weights]
            for _ in range(RECIPES)
        ]
        for _ in range(SEEDS)
    ]
    stacked = [
        tf.constant(np.stack([np.stack([form.stored(row[i]) for row in seed], form.axis - 1) for seed in weights]))
        for i, form in sorted(stored.items())
    ]
    context = Context("Dropout" not in str(model.layers), grouped=grouped)

    @tf.function(autograph=False)
    def run(stacked):
        with tf.GradientTape() as tape:
            tape.watch(stacked)
            outputs, state = forward(layers, stacked, x, context)
            total = tf.reduce_sum(tf.sin(outputs))
        return outputs, state, tape.gradient(total, stacked)

    outputs, state, gradients = run(stacked)
    for s in range(SEEDS):
        for r in range(RECIPES):
            model.set_weights(weights[s][r])
            with tf.GradientTape() as tape:
                expected = model(x[s], training="Dropout" not in str(model.layers))
                loss = tf.reduce_sum(tf.sin(expected))
            own = outputs[s, r] if len(expected.shape) == 2 else outputs[..., s, r, :]
            np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)
            for weight, gradient in zip(
                model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True
            ):
                index = next(i for i, each in enumerate(model.weights) if each is weight)
                ours = np.take(tf.convert_to_tensor(gradients[index]).numpy()[s], r, stored[index].axis - 1)
                ours = stored[index].restored(ours)
                np.testing.assert_allclose(ours, tf.convert_to_tensor(gradient), rtol=1e-3, atol=1e-4)
            for index, moved in state.items():
                np.testing.assert_allclose(moved[s, r], model.weights[index], rtol=1e-4, atol=1e-5)


def test_every_layer_of_the_table_is_in_a_case() -> None:
    used = {class_of(layer) for _, make in cases().values() for layer in make()}
    used |= {class_of(layer) for layer in layers_of(columns_and_texts(columns=3)[0])}
    used |= {class_of(layer) for layer in layers_of(residual())}
    used |= {class_of(layer) for layer in layers_of(embedded("periodic"))}
    assert used == set(forward_functions())


def test_what_is_not_understood_is_said() -> None:
    import keras
    from keras import layers as k

    def reason(*layers) -> str:
        shape = (4, 4, 2) if isinstance(layers[0], k.Conv2D) else (6,)
        return str(incompatibility(keras.Sequential([keras.Input(shape), *layers])))

    assert "GRU" in reason(k.Embedding(5, 3), k.GRU(2))
    assert "dilation" in reason(k.Conv2D(2, 2, dilation_rate=2))
    assert "causal" in reason(k.Embedding(5, 3), k.Conv1D(2, 2, padding="causal"))
    assert "masks zeros" in reason(k.Embedding(5, 3, mask_zero=True), k.GlobalAveragePooling1D())
    assert incompatibility(keras.Sequential([keras.Input((6,)), k.Dense(2)])) is None
    rows = keras.Input((6,))
    halves = [k.Dense(2)(rows), k.Dense(3)(rows)]
    assert "behind a Dense" in str(incompatibility(keras.Model(rows, k.Concatenate()(halves))))
    images = keras.Input((4, 4, 1))
    assert "joins images" in str(incompatibility(keras.Model(images, k.Add()([images, k.Conv2D(1, 1)(images)]))))
    assert "layers alone" in str(incompatibility(keras.Model(rows, k.Dense(2)(rows * 2))))


def test_of_equal_values_the_first_gets_the_gradient_as_in_keras() -> None:
    import keras
    import tensorflow as tf

    pooling = keras.layers.MaxPooling2D(2)
    layers = layout(keras.Sequential([keras.Input((2, 2, 1)), pooling]))
    x = tf.constant([[[[[1.0], [1.0]], [[1.0], [0.0]]]]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = forward(layers, [], x, Context(training=True))[0]
    with tf.GradientTape() as keras_tape:
        keras_tape.watch(x)
        expected = pooling(x[0])
    np.testing.assert_array_equal(tape.gradient(result, x)[0], keras_tape.gradient(expected, x)[0])
