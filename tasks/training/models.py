"""Models: keyword-only factories of architectures, and the Keras models they build.

A network takes preprocessed inputs, float32 (int32 token numbers where the inputs are a text alone), and returns logits
`[rows, classes]` (two logits for two classes) or, for regression, one value `[rows, 1]` on the standardised target. Its
Keras model is the definition: the stacked trainer reads its layers, the fit trainer trains it, the export wraps it.

To add one: write a keyword-only factory that returns an `Architecture` and put it in `MODELS`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tasks.dataset import AUDIO, IMAGE, TABLE, TEXT, TEXT_AND_COLUMNS
from tasks.preprocessing.texts import MAX_TOKENS
from tasks.ranges import Positive
from tasks.training import embeddings

if TYPE_CHECKING:
    import keras

Activation = Literal["relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "leaky_relu", "linear"]
Initialisation = Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "random_normal"]
Embedding = Literal["none", "piecewise_linear", "periodic"]
EMBEDDED = ("embedding", "bins", "frequencies", "frequency_scale", "embedding_units")
"""The parameters of a model that describe its embedding of numbers; the first says which kind it is, or none."""
Width = Annotated[int, Field(ge=1, le=65_536)]
Window = Annotated[int, Field(ge=1, le=64)]
Widths = Annotated[list[Width], Field(max_length=32)]
Filters = Annotated[list[Width], Field(min_length=1, max_length=8)]
Blocks = Annotated[int, Field(ge=1, le=16)]
Count = Annotated[int, Field(ge=1, le=256)]
Factor = Annotated[int, Field(ge=1, le=16)]


@dataclass(frozen=True)
class Penalties:
    """Regularisation inside the network: kernel penalties l1, l2 (>= 0) and the dropout rate in `[0, 1)`."""

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0


@dataclass(frozen=True)
class Residual:
    """Layers whose outputs are added to their inputs, of the same shape."""

    layers: Sequence[Any]

    def __call__(self, x: Any) -> Any:
        """Applies the block to a Keras tensor."""
        import keras

        return keras.layers.Add()([x, _through(x, self.layers)])


@dataclass(frozen=True)
class Architecture:
    """A model with its hyperparameters bound.

    Args:
        layers: `(penalties, seed) -> hidden Keras layers`, without the input and the output layer; some of them may be
            in a `Residual`. The same seed gives the same initial weights.
        initialisation: The initialiser's name, for the output layer too.
        takes: The kinds of data it is for. One that takes tables gets images and spectrograms flattened.
        hidden: Units of its hidden Dense layers. Architectures that differ in these numbers only may share a stack.
        reader: For models of texts: `(penalties, seed) -> layers` from the tokens of a text to its features. The other
            layers follow it.
        embed: For models that embed numbers: `(how many inputs, penalties, seed) -> layers` in front of the others.
        lengths: Tokens of each text of a row, where a row has several texts, or texts and columns. The texts are at
            the row's end, one after the other, and each has a reader of its own.
    """

    layers: Callable[[Penalties, int], Sequence[keras.Layer | Residual]]
    initialisation: str
    takes: tuple[str, ...] = (TABLE, IMAGE, AUDIO)
    hidden: tuple[int, ...] = ()
    reader: Callable[[Penalties, int], Sequence[keras.Layer]] | None = None
    embed: Callable[[int, Penalties, int], Sequence[keras.Layer]] | None = None
    lengths: tuple[int, ...] = ()

    def build(
        self, input_shape: tuple[int, ...], outputs: int, *, penalties: Penalties = Penalties(), seed: int = 0
    ) -> keras.Model:
        """Builds the Keras model: `input_shape` without the rows' axis; `outputs` logits or one value."""
        import keras

        output = _dense(outputs, self.initialisation, penalties, [seed, 10_000])
        if self.lengths:
            rows = keras.Input(input_shape, dtype="float32")
            joined = self._joined(rows, penalties, seed)
            return keras.Model(rows, _through(joined, [*self.layers(penalties, seed), output]))
        inputs = keras.Input(input_shape, dtype="int32" if self.reader else "float32")
        flatten = [keras.layers.Flatten()] if len(input_shape) > 1 and TABLE in self.takes else []
        read = self.reader(penalties, seed) if self.reader else []
        embedded = self.embed(math.prod(input_shape), penalties, seed) if self.embed else []
        layers = [*flatten, *read, *embedded, *self.layers(penalties, seed), output]
        if any(isinstance(layer, Residual) for layer in layers):
            return keras.Model(inputs, _through(inputs, layers))
        return keras.Sequential([inputs, *layers])

    def _joined(self, rows: Any, penalties: Penalties, seed: int) -> Any:
        """Joins the columns of a row with the features that a reader makes of each text."""
        from keras import layers

        assert self.reader is not None
        width = rows.shape[1]
        line = layers.Reshape((width, 1))(rows)
        ends = width - sum(self.lengths) + np.cumsum([0, *self.lengths])
        joined = [layers.Flatten()(layers.Cropping1D((0, width - int(ends[0])))(line))] if ends[0] else []
        for place, (start, stop) in enumerate(itertools.pairwise(ends.tolist())):
            read = layers.Flatten()(layers.Cropping1D((start, width - stop))(line))
            for layer in self.reader(penalties, seed if place == 0 else _seed([seed, 20_000 + place])):
                read = layer(read)
            joined.append(read)
        return layers.Concatenate()(joined) if len(joined) > 1 else joined[0]


def _through(x: Any, layers: Sequence[Any]) -> Any:
    """Applies layers to a Keras tensor, one after the other."""
    for layer in layers:
        x = layer(x)
    return x


def _initialiser(name: str, seed: Sequence[int]) -> Any:
    import keras

    classes = {
        "glorot_uniform": keras.initializers.GlorotUniform,
        "glorot_normal": keras.initializers.GlorotNormal,
        "he_uniform": keras.initializers.HeUniform,
        "he_normal": keras.initializers.HeNormal,
        "random_normal": keras.initializers.RandomNormal,
    }
    return classes[name](seed=_seed(seed))


def _seed(numbers: Sequence[int]) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 1


def _regulariser(penalties: Penalties) -> Any:
    import keras

    if not (penalties.l1 or penalties.l2):
        return None
    return keras.regularizers.L1L2(l1=penalties.l1, l2=penalties.l2)


def _dense(units: int, initialisation: str, penalties: Penalties, seed: Sequence[int], **arguments: Any) -> Any:
    import keras

    return keras.layers.Dense(
        units,
        kernel_initializer=_initialiser(initialisation, seed),
        kernel_regularizer=_regulariser(penalties),
        **arguments,
    )


def _embed(
    kind: Embedding, bins: int, frequencies: int, frequency_scale: float, units: int, initialisation: str
) -> Callable[[int, Penalties, int], list[Any]] | None:
    """The embedding of a model with these parameters (`Architecture.embed`)."""

    def piecewise_linear(features: int, penalties: Penalties, seed: int) -> list[Any]:
        return embeddings.piecewise_linear(features, bins)

    def periodic(features: int, penalties: Penalties, seed: int) -> list[Any]:
        import keras

        drawn = keras.initializers.RandomNormal(stddev=frequency_scale, seed=_seed([seed, 30_000]))
        product = _initialiser(initialisation, [seed, 30_001])
        return embeddings.periodic(features, frequencies, units, drawn, product, _regulariser(penalties))

    return {"none": None, "piecewise_linear": piecewise_linear, "periodic": periodic}[kind]


def _after(activation: str, batch_normalisation: bool, penalties: Penalties, seed: int) -> list[Any]:
    """The layers after a hidden Dense layer or convolution: normalisation before the activation (Ioffe & Szegedy 2015),
    dropout after it."""
    import keras

    layers: list[Any] = [keras.layers.BatchNormalization()] if batch_normalisation else []
    layers.append(keras.layers.Activation(activation))
    if penalties.dropout:
        layers.append(keras.layers.Dropout(penalties.dropout, seed=seed))
    return layers


def linear(*, initialisation: Initialisation = "glorot_uniform") -> Architecture:
    """No hidden layer: logistic or linear regression, trained as the others are."""
    return Architecture(lambda penalties, seed: [], initialisation)


def mlp(
    *,
    hidden: Widths = [100],  # noqa: B006 - never mutated; pydantic copies it
    activation: Activation = "relu",
    initialisation: Initialisation = "he_normal",
    batch_normalisation: bool = False,
    embedding: Embedding = "none",
    bins: Count = 16,
    frequencies: Count = 16,
    frequency_scale: Positive = 0.1,
    embedding_units: Count = 8,
) -> Architecture:
    """Fully connected layers of the given widths.

    `embedding` is what each number becomes first (Gorishniy et al. 2022). `piecewise_linear`: how far it is through
    each of `bins` bins between quantiles of the training rows. `periodic`: sines and cosines of `frequencies` learned
    frequencies, drawn with deviation `frequency_scale`, through one product to `embedding_units` and ReLU (PLR, light).
    """

    def layers(penalties: Penalties, seed: int) -> list[Any]:
        result: list[Any] = []
        for index, units in enumerate(hidden):
            result.append(_dense(units, initialisation, penalties, [seed, index], use_bias=not batch_normalisation))
            result += _after(activation, batch_normalisation, penalties, seed * 100 + index)
        return result

    embed = _embed(embedding, bins, frequencies, frequency_scale, embedding_units, initialisation)
    return Architecture(layers, initialisation, hidden=tuple(hidden), embed=embed)


def resnet(
    *,
    blocks: Blocks = 2,
    units: Width = 64,
    hidden_factor: Factor = 2,
    activation: Activation = "relu",
    initialisation: Initialisation = "he_normal",
    embedding: Embedding = "none",
    bins: Count = 16,
    frequencies: Count = 16,
    frequency_scale: Positive = 0.1,
    embedding_units: Count = 8,
) -> Architecture:
    """A residual network for tables (Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data",
    section 3.2): a product to `units`, then blocks whose outputs are added to their inputs.

    A block: batch normalisation, a product to `hidden_factor * units` units, activation, dropout, a product back to
    `units`. After the last block: batch normalisation and activation. The paper's second dropout, on the output of a
    block, is 0. `embedding` as in `mlp`.
    """

    def layers(penalties: Penalties, seed: int) -> list[Any]:
        import keras

        result: list[Any] = [_dense(units, initialisation, penalties, [seed, 0])]
        for block in range(blocks):
            inner = _dense(hidden_factor * units, initialisation, penalties, [seed, 2 * block + 1])
            after = _after(activation, False, penalties, seed * 100 + block)
            outer = _dense(units, initialisation, penalties, [seed, 2 * block + 2])
            result.append(Residual([keras.layers.BatchNormalization(), inner, *after, outer]))
        return [*result, *_after(activation, True, Penalties(), seed)]

    embed = _embed(embedding, bins, frequencies, frequency_scale, embedding_units, initialisation)
    return Architecture(layers, initialisation, embed=embed)


def cnn(
    *,
    filters: Filters = [8, 16],  # noqa: B006
    kernel_size: Window = 3,
    pool_size: Window = 2,
    hidden: Widths = [64],  # noqa: B006
    activation: Activation = "relu",
    initialisation: Initialisation = "he_normal",
    batch_normalisation: bool = False,
) -> Architecture:
    """Convolutions (same padding), each followed by max pooling, then fully connected layers. Images and sounds."""

    def layers(penalties: Penalties, seed: int) -> list[Any]:
        import keras

        result: list[Any] = []
        for index, count in enumerate(filters):
            result.append(
                keras.layers.Conv2D(
                    count,
                    kernel_size,
                    padding="same",
                    use_bias=not batch_normalisation,
                    kernel_initializer=_initialiser(initialisation, [seed, index]),
                    kernel_regularizer=_regulariser(penalties),
                )
            )
            convolved = Penalties(penalties.l1, penalties.l2)  # dropout belongs behind the dense layers
            result += _after(activation, batch_normalisation, convolved, seed)
            result.append(keras.layers.MaxPooling2D(pool_size, padding="same"))
        dense = mlp(
            hidden=hidden,
            activation=activation,
            initialisation=initialisation,
            batch_normalisation=batch_normalisation,
        )
        return [*result, keras.layers.Flatten(), *dense.layers(penalties, seed + 1_000_003)]

    return Architecture(layers, initialisation, takes=(IMAGE, AUDIO), hidden=tuple(hidden))


def audio(
    *,
    filters: Filters = [8, 16],  # noqa: B006
    kernel_size: Window = 3,
    pool_size: Window = 2,
    hidden: Widths = [32],  # noqa: B006
    activation: Activation = "relu",
    initialisation: Initialisation = "he_normal",
    batch_normalisation: bool = True,
) -> Architecture:
    """A small cnn over the log-mel spectrogram of a sound."""
    convolutions = cnn(
        filters=filters,
        kernel_size=kernel_size,
        pool_size=pool_size,
        hidden=hidden,
        activation=activation,
        initialisation=initialisation,
        batch_normalisation=batch_normalisation,
    )
    return replace(convolutions, takes=(AUDIO,))


def text(
    *,
    units: Width = 32,
    convolution: Window | None = None,
    filters: Width = 64,
    pooling: Literal["average", "max"] = "average",
    hidden: Widths = [32],  # noqa: B006
    activation: Activation = "relu",
    initialisation: Initialisation = "he_normal",
) -> Architecture:
    """An embedding of `units` a word, perhaps a convolution over so many words, pooled over the text, then fully
    connected layers (Kim 2014; Joulin et al. 2016). Several texts are pooled each for itself and joined with the other
    columns."""

    def reader(penalties: Penalties, seed: int) -> list[Any]:
        import keras

        result: list[Any] = [_embedding(units, seed)]
        if convolution:
            result.append(
                keras.layers.Conv1D(
                    filters,
                    convolution,
                    padding="same",
                    activation=activation,
                    kernel_initializer=_initialiser(initialisation, [seed, 1]),
                    kernel_regularizer=_regulariser(penalties),
                )
            )
        # Over all positions, also after the last word: a mean over the words alone is 0/0 where there are none.
        pools = {"average": keras.layers.GlobalAveragePooling1D, "max": keras.layers.GlobalMaxPooling1D}
        return [*result, pools[pooling]()]

    return _of_texts(reader, hidden, activation, initialisation)


def gru(
    *,
    units: Width = 32,
    state: Width = 32,
    hidden: Widths = [],  # noqa: B006
    activation: Activation = "relu",
    initialisation: Initialisation = "he_normal",
) -> Architecture:
    """An embedding of `units` a word, read word by word by a gated recurrent unit (Cho et al. 2014) with `state`
    numbers of memory. Several texts as in `text`. Trained by `Model.fit`."""

    def reader(penalties: Penalties, seed: int) -> list[Any]:
        import keras

        numbers = _seed([seed, 2])
        unit = keras.layers.GRU(
            state,
            kernel_initializer=_initialiser("glorot_uniform", [seed, 1]),
            recurrent_initializer=keras.initializers.Orthogonal(seed=numbers),
            kernel_regularizer=_regulariser(penalties),
        )
        return [_embedding(units, seed, mask=True), unit]

    return _of_texts(reader, hidden, activation, initialisation)


def _of_texts(
    reader: Callable[[Penalties, int], list[Any]], hidden: Sequence[int], activation: Activation, initialisation: Any
) -> Architecture:
    """Texts read by `reader`, then fully connected layers."""
    dense = mlp(hidden=list(hidden), activation=activation, initialisation=initialisation)
    return Architecture(
        lambda penalties, seed: dense.layers(penalties, seed + 1_000_003),
        initialisation,
        takes=(TEXT, TEXT_AND_COLUMNS),
        hidden=tuple(hidden),
        reader=reader,
    )


def _embedding(units: int, seed: int, *, mask: bool = False) -> Any:
    """An embedding with one row for each token number of `fit_text_preprocessor`, drawn as Keras does. With a mask, a
    recurrent layer ends at the last word; without words it keeps its first state, zero."""
    import keras

    drawn = keras.initializers.RandomUniform(-0.05, 0.05, seed=_seed([seed, 0]))
    return keras.layers.Embedding(MAX_TOKENS, units, embeddings_initializer=drawn, mask_zero=mask)


MODELS: dict[str, Callable[..., Architecture]] = {
    "linear": linear,
    "mlp": mlp,
    "resnet": resnet,
    "cnn": cnn,
    "text": text,
    "gru": gru,
    "audio": audio,
}
