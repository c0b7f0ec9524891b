"""The model that is shipped: one Keras file from raw columns to probabilities or values, and its signature.

`model.keras` needs nothing of this project: `keras.saving.load_model` reads it in safe mode. A model of scikit-learn's
is `estimator.skops`, which `skops.io.load` reads. `signature.json` says what goes in and comes out, and holds each
file's SHA-256; a file that it does not describe is never loaded, since model files can carry code.
"""

from __future__ import annotations

import os
import platform
import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.preprocessing.estimators import Estimator
from tasks.preprocessing.tables import input_name
from tasks.run_folder import write_json
from tasks.training.exported import ESTIMATOR, FEATURES, MODEL, SCHEMA_VERSION, SIGNATURE, sha256_of

if TYPE_CHECKING:
    import keras

_AS_IT_IS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Names that Keras takes, and that TensorFlow takes too where the model is exported as a SavedModel."""


def export_model(
    preprocessor: keras.Model,
    network: keras.Model | Estimator,
    folder: Path,
    *,
    columns: Sequence[str],
    target_name: str,
    classes: Sequence[str] | None,
    target_scale: tuple[float, float] = (0.0, 1.0),
    positive: str | None = None,
    rate: int | None = None,
    factors: Sequence[float] | None = None,
    exact: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> Path:
    """Writes preprocessor, network and output as one model, with its signature; or an estimator, with the preprocessor
    where the estimator takes features.

    Args:
        preprocessor: As `Prepared.preprocessor`.
        network: From its features to logits `[rows, classes]`, or to the standardised target
            `[rows, 1]`. Or a fitted model of scikit-learn's.
        folder: Made where it is missing. What stood there is replaced.
        columns: Raw column names in the table's order, or that of the texts; empty for images and sounds.
        target_name: What is predicted.
        classes: Class names in order, or None for regression.
        target_scale: Mean and deviation of a regression's target (`target_scale`): the answer is
            mean + deviation * output.
        positive: The class of interest, if there is one.
        rate: Samples a second, for sounds.
        factors: Factors that correct the probabilities (`choice.corrected`). They are built into a network; an
            estimator is corrected when it is asked. None: no correction.
        exact: Whether a network's probabilities are float64. Calibration needs it, since its line may be steep.
        reading: Further entries of the signature: how files are read (`columns`, `read`, `others`).

    Returns:
        The path of the model. `model.keras` maps raw inputs to probabilities, floats `[rows, classes]`, or to values,
        float64 `[rows, 1]`. The input of a column is named by `input_names`, and takes what `raw_inputs` makes of the
        column.
    """
    import keras

    head = None if isinstance(network, Estimator) else _head(network, classes, target_scale, factors, exact)
    names = input_names(columns, {preprocessor.name, *([head.name] if head else [])})
    if all(input_name(column) == name for column, name in names.items()):
        features = preprocessor.output
        model = keras.Model(preprocessor.input, head(features) if head else features, name="bakeoff.model")
    else:
        model = _renamed(preprocessor, head, names)
    folder.mkdir(parents=True, exist_ok=True)
    found = dict(reading or {})
    inputs = _columns(preprocessor, names, found.get("columns", ())) if names else [_array(model, rate)]
    sha256 = estimator = None
    if not isinstance(network, Estimator):
        path = folder / MODEL
        sha256 = _saved(model.save, path)
    else:
        path = folder / ESTIMATOR
        estimator = {"model": type(network.model).__name__, "sha256": _saved(network.save, path)}
        if network.takes.needs_features:
            sha256 = _saved(model.save, folder / FEATURES)
    signature = _signature(inputs, target_name, classes, positive, sha256, estimator)
    write_json(folder / SIGNATURE, signature | found)
    return path


def _saved(save: Callable[[Path], None], path: Path) -> str:
    """Writes a file under a temporary name with the same ending (Keras needs it), renames it, returns its SHA-256."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        save(temporary)
        sha256 = sha256_of(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return sha256


def input_names(columns: Sequence[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Names the input of each column: the column's own name, where Keras and TensorFlow accept it. Else letters lose
    their accents, other characters become `_`, and repeated names get `_2`, `_3`.

    Args:
        columns: In the table's order.
        taken: Names that are used for something else.

    >>> input_names(["age", "Sepal length (cm)", "Sepal length [cm]", "Größe"])
    {'age': 'age', 'Sepal length (cm)': 'Sepal_length_cm', 'Sepal length [cm]': 'Sepal_length_cm_2', 'Größe': 'Gro_e'}
    """
    used = {*taken}
    kept = {name for name in columns if _AS_IT_IS.fullmatch(name) and name not in used}
    used |= kept
    names: dict[str, str] = {}
    for column in columns:
        names[column] = column if column in kept else _free(_readable(column), used)
        used.add(names[column])
    return names


def _readable(name: str) -> str:
    letters = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    return re.sub(r"[^A-Za-z0-9]+", "_", letters).strip("_") or "column"


def _free(name: str, used: Container[str]) -> str:
    return name if name not in used else next(f"{name}_{i}" for i in count(2) if f"{name}_{i}" not in used)


def _renamed(preprocessor: keras.Model, head: keras.Model | None, names: Mapping[str, str]) -> keras.Model:
    """One model, whose inputs have these names instead of the preprocessor's. For 2,000 columns this takes seconds."""
    import keras

    dtypes = {tensor.name: tensor.dtype for tensor in preprocessor.inputs}
    inputs = {name: keras.Input((1,), dtype=dtypes[input_name(column)], name=name) for column, name in names.items()}
    features = preprocessor({input_name(column): inputs[name] for column, name in names.items()})
    return keras.Model(inputs, head(features) if head else features, name="bakeoff.model")


def _head(
    network: keras.Model,
    classes: Sequence[str] | None,
    target_scale: tuple[float, float],
    factors: Sequence[float] | None,
    exact: bool,
) -> keras.Model:
    """The network with its output's last step, as a separate model, so that no layer's name clashes with a column's."""
    import keras
    from keras import ops

    outputs = 1 if classes is None else len(classes)
    if network.output_shape[-1] != outputs:
        raise ValueError(f"the network has {network.output_shape[-1]} outputs, must be {outputs}")
    features = keras.Input(network.input_shape[1:], dtype=network.inputs[0].dtype, name="predict.features")
    output = network(features)
    if classes is not None:
        if factors is not None:
            output = output + np.log(factors).astype("float32")  # added before softmax, a logarithm multiplies
        last = keras.layers.Softmax(name="predict.softmax", dtype="float64" if exact else None)
        return keras.Model(features, last(output), name="predict.head")
    mean, deviation = (np.array([value], np.float64) for value in target_scale)
    return keras.Model(features, ops.cast(output, "float64") * deviation + mean, name="predict.head")


def _signature(
    inputs: list[dict[str, Any]],
    target_name: str,
    classes: Sequence[str] | None,
    positive: str | None,
    sha256: str | None,
    estimator: Mapping[str, str] | None,
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "task": "regression" if classes is None else "classification",
        "target": target_name,
        "classes": None if classes is None else list(classes),
        "positive": positive,
        "inputs": inputs,
        "blanks": "category texts are compared as they stand: remove blanks around them before they go in",
        "sha256": sha256,
        "estimator": estimator,
        "versions": {
            "python": platform.python_version(),
            "keras": version("keras"),
            "tensorflow": _tensorflow(),
            "numpy": np.__version__,
        }
        | ({name: version(name) for name in ("scikit-learn", "skops")} if estimator else {}),
    }


def _array(model: keras.Model, rate: int | None) -> dict[str, Any]:
    """Describes the input of images or sounds: name, dtype and shape of one of them."""
    (array,) = model.inputs
    entry = {"name": array.name, "input": array.name, "kind": array.name, "dtype": array.dtype}
    return entry | {"shape": list(array.shape[1:])} | ({"rate": rate} if rate else {})


def _columns(
    preprocessor: keras.Model, names: Mapping[str, str], columns: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Describes each column: its input, kind (number, category, text), dtype, and what is fed where a value is missing.
    A category also has the values that training saw; a number, what its texts mean (`Yes` = 1); a part of a date, the
    column and the format that it was read in."""
    from keras.layers import TextVectorization

    dtypes = {tensor.name: tensor.dtype for tensor in preprocessor.inputs}
    layers = {layer.name: layer for layer in preprocessor.layers}
    free = any(isinstance(layer, TextVectorization) for layer in layers.values())
    source = {own: column for column in columns for own in column["inputs"]}
    found = []
    for name, own in names.items():
        entry: dict[str, Any] = {"name": name, "input": own}
        reading = source[name]["reading"] if name in source else None
        if dtypes[input_name(name)] == "string":
            lookup = layers.get(f"preprocess.one_hot.{input_name(name)}")
            text = reading["kind"] == "text" if reading else free and lookup is None
            entry |= {"kind": "text" if text else "category", "dtype": "string", "missing": ""}
            if entry["kind"] == "category":
                entry["values"] = [str(value) for value in lookup.get_vocabulary()[1:]] if lookup is not None else []
        else:
            entry |= {"kind": "number", "dtype": "float64", "missing": "NaN"}
        if reading and reading["meanings"]:
            entry["texts"] = reading["meanings"]
        if reading and reading["kind"] == "date":
            entry |= {"of": source[name]["name"], "format": reading["format"]}
        found.append(entry)
    return found


def _tensorflow() -> str:
    import tensorflow

    return tensorflow.__version__
