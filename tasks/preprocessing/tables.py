"""Preprocessing as a Keras model: learned from the training part only, it travels inside the saved model.

Numbers are imputed with the training median, standardised with the training mean and standard deviation unless the spec
leaves them as they are, and flagged where they were missing. Categories are one-hot over the training part's values,
with one bucket for all others. Texts and sounds have modules of their own (`texts`, `sounds`).

The models hold built-in layers and operations only: `keras.saving.load_model` reads them without this project.
Constants are float64 NumPy arrays in their graphs: Keras rounds Python numbers and layers' settings through float32,
which would turn a column like 1,700,000,000 +- 100 (seconds since 1970) into steps of 128.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.errors import BadInput

if TYPE_CHECKING:
    import keras

    from tasks.dataset import Columns

MAX_CATEGORIES = 1_000

# In up to 1e12 rows, no training value is farther from the mean than this (|z| <= sqrt(rows), Samuelson 1968). So only
# new rows are ever clipped: they stay finite in float32, and so do the network's products with them. The limit of a
# number that is not standardised is at least its largest training value.
_MAX_STANDARDISED = 1e6
_MAX_RAW = float(np.finfo(np.float32).max)

_NUMBERS_AT_ONCE = 2**23
"""How many numbers a model gets at once: spectrograms take many times the memory of their sounds."""

IMAGE, SOUND = "image", "sound"
_ARRAYS = {4: IMAGE, 2: SOUND}


@dataclass(frozen=True)
class Number:
    """What is learned from a numeric column: z = (value or median - mean) * scale, within +-limit.

    Args:
        mean, scale: 0 and 1 where the column stays as it is; else the mean, and 1 / standard deviation (of the
            population, after imputing), or 0 where the column is constant.
        missing: Whether a training value is missing; the column then gets a 0/1 feature that says so.
    """

    name: str
    median: float
    mean: float
    scale: float
    missing: bool
    limit: float = _MAX_STANDARDISED


@dataclass(frozen=True)
class Category:
    """What is learned from a category column: its values in the training part, sorted."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class ColumnKind:
    """How a table's columns of one kind become features.

    Args:
        learn: Takes a column's name and its training values, returns what is learned from them.
        names: Takes what was learned, returns the features' names in order; none if the training part holds no value.
        dtype: The dtype of the raw values in a Keras input: `float64`, or `string`.
        features: Takes what was learned and the raw inputs (a tensor `[rows, 1]` for each column, in order), returns
            tensors `[rows, features]`.
        scaled: Whether numbers are brought to a common scale.
    """

    learn: Callable[[str, pd.Series], Any]
    names: Callable[[Sequence[Any]], list[str]]
    dtype: str
    features: Callable[[Sequence[Any], Sequence[Any]], list[Any]]
    scaled: bool = True


Grouped = Sequence[tuple[ColumnKind, Sequence[str]]]
"""The kinds of a table's columns, each with the names of its columns, in the order of the features."""


def by_dtype(table: pd.DataFrame) -> Grouped:
    """A table's columns: numeric ones as numbers, others as categories."""
    numeric = [name for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
    return [(NUMBERS, numeric), (CATEGORIES, [name for name in table.columns if name not in set(numeric)])]


def fit_preprocessor(table: pd.DataFrame | Columns, columns: Grouped | None = None) -> keras.Model:
    """Learns the preprocessing of a table's raw columns.

    Args:
        table: The training part's rows of `Dataset.table`. No more than one of its columns is asked for at a time.
        columns: Its columns by kind; None: as `by_dtype`. The order of a kind's columns does not matter.

    Returns:
        A model from raw columns, as `raw_inputs` makes them, to float32 `[rows, features]`, finite whatever
        comes in. The features are those of `feature_names`.

    Raises:
        BadInput: a category column has more than 1,000 values or one ending with NUL, or no column has any
        value.
    """
    learned = learn_columns(table, columns)
    if not any(kind.names(each) for kind, each in learned):
        raise BadInput("no column holds a value in the training part", accepted="at least one column with values")
    return _model(learned)


def feature_names(table: pd.DataFrame, columns: Grouped | None = None) -> list[str]:
    """Names of `fit_preprocessor(table)`'s features, in order: `age`, `age is missing`, `sex = male`."""
    return [name for kind, each in learn_columns(table, columns) for name in kind.names(each)]


def learn_columns(table: pd.DataFrame | Columns, columns: Grouped | None = None) -> list[tuple[ColumnKind, list[Any]]]:
    """What is learned from the training rows, by kind; a kind's columns are sorted by name."""
    if columns is None:
        assert isinstance(table, pd.DataFrame)
        columns = by_dtype(table)
    learned = [(kind, [kind.learn(name, table[name]) for name in sorted(names)]) for kind, names in columns if names]
    _refuse_too_many([each for _, of_kind in learned for each in of_kind if isinstance(each, Category)])
    return learned


def fit_image_preprocessor(images: np.ndarray) -> keras.Model:
    """Learns to scale images by the training part's largest value: digits by 16, uint8 photographs by 255.

    Args:
        images: The training part's images, `[rows, height, width, channels]`, uint8 or float32, at least 0.

    Returns:
        A model from raw images, as `raw_inputs` makes them, to float32 of the same shape, in [0, 1] for
        training rows.
    """
    import keras

    image = keras.Input(images.shape[1:], dtype=images.dtype.name, name=IMAGE)
    scale = 1.0 / (float(images.max()) or 1.0)
    scaled = keras.layers.Rescaling(scale, dtype="float32", name="preprocess.scale")(image)
    return keras.Model({IMAGE: image}, scaled, name="preprocess.images")


def raw_inputs(rows: pd.DataFrame | np.ndarray) -> dict[str, np.ndarray]:
    """The inputs of a preprocessor, and of an exported model, by name.

    Args:
        rows: As `Dataset.raw`.

    Returns:
        For tables one array `[rows, 1]` a column, called `input_name(column)`: numbers as float64 with NaN
        where a value is missing, categories and free text as text with "" where it is missing. For images and
        sounds one array, called `image` or `sound`.
    """
    if isinstance(rows, np.ndarray):
        return {_ARRAYS[rows.ndim]: rows}
    return {input_name(name): _raw_column(rows[name])[:, None] for name in rows.columns}


def preprocess(preprocessor: keras.Model, rows: pd.DataFrame | np.ndarray, batch: int = 8192) -> np.ndarray:
    """The features of raw rows: float32 `[rows, features]`, `[rows, height, width, channels]` for images,
    `[rows, frames, bands, 1]` for sounds; int32 `[rows, length]` for texts.

    Args:
        preprocessor: From `fit_preprocessor`, `fit_image_preprocessor`, `fit_text_preprocessor` or
            `fit_sound_preprocessor`.
        rows: As `Dataset.raw`; columns that the preprocessor does not know are ignored.
        batch: How many rows are worked on at once, at most; the result does not depend on it.
    """
    return apply(preprocessor, raw_inputs(rows), batch)


def apply(model: keras.Model, inputs: Mapping[str, np.ndarray], batch: int = 8192) -> np.ndarray:
    """The model's output for raw inputs, a batch at a time.

    Not `model.predict`: that rounds float64 inputs to float32 and refuses text in NumPy arrays.
    """
    import keras

    known = {tensor.name: inputs[tensor.name] for tensor in model.inputs}
    rows = len(next(iter(known.values())))
    batch = max(1, min(batch, _NUMBERS_AT_ONCE // max(sum(array[:1].size for array in known.values()), 1)))
    starts = range(0, max(rows, 1), batch)
    outputs = [model({k: v[start : start + batch] for k, v in known.items()}, training=False) for start in starts]
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])


def input_name(column: str) -> str:
    """The name of a column's input in the model: a function of the column's name alone.

    Keras and TensorFlow refuse slashes, spaces and most of Unicode, so such a name is cleaned and gets a dot
    and a digest of the whole name: columns whose cleaned names are equal stay apart.
    """
    clean = re.sub(r"[^A-Za-z0-9_]+", "_", column).lstrip("_") or "column"
    return clean if clean == column else f"{clean}.{hashlib.sha256(column.encode()).hexdigest()[:8]}"


def target_scale(target: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of a regression's training target; the deviation is 1 where it is constant.

    The network predicts (target - mean) / deviation.
    """
    values = np.asarray(target, np.float64)
    return float(values.mean()), _deviation(values) or 1.0


def _learn_number(name: str, column: pd.Series) -> Number:
    values = column.to_numpy(np.float64, na_value=np.nan)
    missing = np.isnan(values)
    values = np.clip(values, -_MAX_RAW, _MAX_RAW)
    median = 0.0 if missing.all() else float(np.median(values[~missing]))
    values = np.where(missing, median, values)
    deviation = _deviation(values)
    scale = 1.0 / deviation if deviation else 0.0
    return Number(name, median, float(values.mean()), scale, bool(missing.any()))


def _learn_unscaled(name: str, column: pd.Series) -> Number:
    learned = _learn_number(name, column)
    values = np.clip(column.to_numpy(np.float64, na_value=np.nan), -_MAX_RAW, _MAX_RAW)
    widest = float(np.nanmax(np.abs(values), initial=0.0))
    return replace(learned, mean=0.0, scale=1.0, limit=max(_MAX_STANDARDISED, widest))


def _deviation(values: np.ndarray) -> float:
    """Standard deviation of the population; 0 where values differ by rounding only (0.1 + 0.2 and 0.3)."""
    rounding = 4 * np.spacing(np.abs(values).max())
    deviation = float(values.std())
    return deviation if np.ptp(values) > rounding and deviation >= np.finfo(np.float64).tiny else 0.0


def _learn_category(name: str, column: pd.Series) -> Category:
    values = sorted(set(_raw_column(column)) - {""})
    if any(value.endswith("\0") for value in values):  # Keras keeps them in NumPy arrays, which drop these
        raise BadInput(
            "holds text that ends with a NUL character",
            where=f"column {name}",
            remedy="clean the file: it may be binary or broken",
        )
    return Category(name, tuple(values))


def _refuse_too_many(categories: Sequence[Category]) -> None:
    """Refuses columns with too many categories; one error names all of them."""
    found = {each.name: len(each.values) for each in categories if len(each.values) > MAX_CATEGORIES}
    if not found:
        return
    one = len(found) == 1
    counts = [f"{count:,}" if one else f"{name}: {count:,}" for name, count in found.items()]
    raise BadInput(
        "has too many categories" if one else "have too many categories",
        where=f"column{'' if one else 's'} {', '.join(found)}",
        got=f"{', '.join(counts)} different values in the training part",
        accepted=f"at most {MAX_CATEGORIES:,}",
        remedy=f"leave {'the column' if one else 'them'} out (data.drop), or group {'its' if one else 'their'} values",
    )


def _buckets(category: Category) -> tuple[str, ...]:
    """The one-hot features of a column; none if the training part holds no value."""
    return ("(other or missing)", *category.values) if category.values else ()


def _raw_column(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    return column.astype(object).where(column.notna(), "").to_numpy(object)


# Names inside the models contain a dot; inputs made from plain column names do not. Operations that can't be named are
# wrapped in a named model of their own. So a column may be called `concatenate`.


def _model(learned: Sequence[tuple[ColumnKind, Sequence[Any]]]) -> keras.Model:
    import keras
    from keras import layers

    inputs: dict[str, Any] = {}
    features: list[Any] = []
    for kind, columns in learned:
        raw = [keras.Input((1,), dtype=kind.dtype, name=input_name(column.name)) for column in columns]
        inputs |= {tensor.name: tensor for tensor in raw}
        features += kind.features(columns, raw)
    output = layers.Concatenate(dtype="float32", name="preprocess.join")(features)
    return keras.Model(inputs, output, name="preprocess.table")


def _features_of_numbers(name: str, numbers: Sequence[Number], raw: Sequence[Any]) -> list[Any]:
    from keras import layers

    join = layers.Concatenate(dtype="float64", name=f"preprocess.join_{name}")
    return [_number_features(name, numbers)(join(list(raw)))]


def _features_of_categories(categories: Sequence[Category], raw: Sequence[Any]) -> list[Any]:
    from keras import layers

    one_hots = []
    for category, texts in zip(categories, raw, strict=True):
        if category.values:
            one_hot = layers.StringLookup(
                vocabulary=list(category.values),
                oov_token="",  # so that an empty text is no value
                output_mode="one_hot",
                name=f"preprocess.one_hot.{input_name(category.name)}",
            )
            one_hots.append(one_hot(texts))
    if not one_hots:
        return []
    joined = layers.Concatenate(name="preprocess.join_categories")(one_hots)
    # The one-hot features are int64, whatever their dtype says, and would stay so in a table without numbers.
    return [layers.Rescaling(1.0, dtype="float32", name="preprocess.categories")(joined)]


def _names_of_numbers(numbers: Sequence[Number]) -> list[str]:
    return [*(each.name for each in numbers), *(f"{each.name} is missing" for each in numbers if each.missing)]


def _names_of_categories(categories: Sequence[Category]) -> list[str]:
    return [f"{category.name} = {value}" for category in categories for value in _buckets(category)]


def _number_features(name: str, numbers: Sequence[Number]) -> keras.Model:
    """From raw float64 `[rows, numbers]` to float32 `[rows, numbers + flags]`."""
    import keras
    from keras import ops

    def constants(attribute: str) -> np.ndarray:
        return np.array([getattr(number, attribute) for number in numbers], np.float64)

    raw = keras.Input((len(numbers),), dtype="float64", name=f"preprocess.raw_{name}")
    missing = ops.isnan(raw)
    values = ops.clip(ops.where(missing, constants("median"), raw), -_MAX_RAW, _MAX_RAW)
    # Subtract first: value * scale - mean * scale would cancel digits.
    standardised = (values - constants("mean")) * constants("scale")
    # Not clip: a saved model can't hold arrays as its bounds.
    limited = ops.minimum(ops.maximum(standardised, -constants("limit")), constants("limit"))
    features = ops.cast(limited, "float32")
    flagged = np.flatnonzero([number.missing for number in numbers])
    if len(flagged):
        flags = ops.cast(ops.take(missing, flagged, axis=1), "float32")
        features = ops.concatenate([features, flags], axis=1)
    return keras.Model(raw, features, name=f"preprocess.{name}")


NUMBERS = ColumnKind(_learn_number, _names_of_numbers, "float64", partial(_features_of_numbers, "numbers"))
UNSCALED = ColumnKind(
    _learn_unscaled, _names_of_numbers, "float64", partial(_features_of_numbers, "unscaled"), scaled=False
)
CATEGORIES = ColumnKind(_learn_category, _names_of_categories, "string", _features_of_categories)
