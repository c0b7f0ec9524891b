"""The model that is shipped: one Keras file from raw columns to probabilities or values, and its signature.

`model.keras` needs nothing of this project: `keras.saving.load_model` reads it in safe mode. `signature.json`
says what goes in and comes out, and holds the file's SHA-256; a file that it does not describe is never
loaded, since model files can carry code.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.errors import BadInput
from tasks.preprocessing.tables import apply, input_name, raw_inputs
from tasks.run_folder import read_json, write_json

if TYPE_CHECKING:
    import keras

SCHEMA_VERSION = 1
MODEL, SIGNATURE = "model.keras", "signature.json"


def export_model(
    preprocessor: keras.Model,
    network: keras.Model,
    folder: Path,
    *,
    columns: Sequence[str],
    target_name: str,
    classes: Sequence[str] | None,
    target_scale: tuple[float, float] = (0.0, 1.0),
    positive: str | None = None,
    rate: int | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Path:
    """Writes preprocessor, network and output as one model, with its signature.

    Args:
        preprocessor: As `Prepared.preprocessor`.
        network: From its features to logits `[rows, classes]`, or to the standardised target
            `[rows, 1]`.
        folder: Made where it is missing. What stood there is replaced.
        columns: Raw column names in the table's order, or that of the texts; empty for images and sounds.
        target_name: What is predicted.
        classes: Class names in order, or None for regression.
        target_scale: Mean and deviation of a regression's target (`target_scale`): the answer is
            mean + deviation * output.
        positive: The class of interest, if there is one.
        rate: Of sounds, samples a second.
        reading: What stands in the signature beside this: how files are read (`columns`, `read`, `others`).

    Returns:
        The path of `model.keras`: from `raw_inputs(...)` to probabilities, float32 `[rows, classes]`, or to
        values, float64 `[rows, 1]`.
    """
    import keras

    outputs = 1 if classes is None else len(classes)
    if network.output_shape[-1] != outputs:
        raise ValueError(f"the network has {network.output_shape[-1]} outputs, must be {outputs}")
    head = _head(network, classes is not None, target_scale)
    model = keras.Model(preprocessor.input, head(preprocessor.output), name="bakeoff.model")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MODEL
    temporary = folder / f".{MODEL}.{os.getpid()}.keras"  # Keras wants the ending
    try:
        model.save(temporary)
        signature = _signature(model, columns, target_name, classes, positive, rate, _sha256(temporary))
        signature |= reading or {}
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    write_json(folder / SIGNATURE, signature)
    return path


def load_exported(folder: Path) -> tuple[keras.Model, dict[str, Any]]:
    """The model and the signature that `export_model` wrote.

    Raises:
        BadInput: a file is missing or unreadable, or the model file is not the one that was written.
    """
    import keras

    path = folder / MODEL
    signature = read_signature(folder)
    if not path.is_file():
        raise BadInput("the saved model is missing", where=str(path), remedy="run the experiment again")
    if _sha256(path) != signature["sha256"]:
        raise BadInput(
            "is not the file that the run wrote, so it is not loaded (model files can carry code)",
            where=str(path),
            got=f"SHA-256 {_sha256(path)[:12]}...",
            accepted=f"{str(signature['sha256'])[:12]}..., as in {SIGNATURE}",
            remedy="restore the file, or run the experiment again",
        )
    return keras.saving.load_model(path, compile=False, safe_mode=True), signature


def predict(folder: Path, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
    """The shipped model's answers for raw rows.

    Args:
        folder: Where `export_model` wrote.
        rows: A table with the training table's columns (others are ignored, in any order), images, or sounds.

    Returns:
        Class probabilities, float32 `[rows, classes]`, or values in the target's unit, float64 `[rows]`.

    Raises:
        BadInput: as `load_exported`, or the rows are not what the signature says.
    """
    model, signature = load_exported(folder)
    inputs = signature["inputs"]
    checked = _checked_array(rows, inputs[0]) if "shape" in inputs[0] else _checked_table(rows, inputs)
    output = apply(model, raw_inputs(checked))
    return output if signature["classes"] else output[:, 0]


def _head(network: keras.Model, classification: bool, target_scale: tuple[float, float]) -> keras.Model:
    """The network and its output's last step, as a model of its own: layers' names can't meet a column's."""
    import keras
    from keras import ops

    features = keras.Input(network.input_shape[1:], dtype=network.inputs[0].dtype, name="predict.features")
    output = network(features)
    if classification:
        return keras.Model(features, keras.layers.Softmax(name="predict.softmax")(output), name="predict.head")
    mean, deviation = (np.array([value], np.float64) for value in target_scale)
    return keras.Model(features, ops.cast(output, "float64") * deviation + mean, name="predict.head")


def _signature(
    model: keras.Model,
    columns: Sequence[str],
    target_name: str,
    classes: Sequence[str] | None,
    positive: str | None,
    rate: int | None,
    sha256: str,
) -> dict[str, Any]:
    tensors = {tensor.name: tensor for tensor in model.inputs}
    inputs: list[dict[str, Any]]
    if columns:
        inputs = [
            {"name": name, "input": input_name(name), "kind": _kind(tensors[input_name(name)].dtype)}
            for name in columns
        ]
    else:
        (array,) = tensors.values()
        inputs = [
            {
                "name": array.name,
                "input": array.name,
                "kind": array.name,
                "dtype": array.dtype,
                "shape": list(array.shape[1:]),
                **({"rate": rate} if rate else {}),
            }
        ]
    return {
        "schema_version": SCHEMA_VERSION,
        "task": "regression" if classes is None else "classification",
        "target": target_name,
        "classes": None if classes is None else list(classes),
        "positive": positive,
        "inputs": inputs,
        "sha256": sha256,
        "versions": {
            "python": platform.python_version(),
            "keras": version("keras"),
            "tensorflow": _tensorflow(),
            "numpy": np.__version__,
        },
    }


def _tensorflow() -> str:
    import tensorflow

    return tensorflow.__version__


def _kind(dtype: str) -> str:
    return "category" if dtype == "string" else "number"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_signature(folder: Path) -> dict[str, Any]:
    """The signature that `export_model` wrote.

    Raises:
        BadInput: there is none, or it can't be read.
    """
    path = folder / SIGNATURE
    try:
        signature = read_json(path)
    except FileNotFoundError:
        raise BadInput(
            "no saved model here", where=str(folder), accepted=f"a folder with {MODEL} and {SIGNATURE}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput("is not valid JSON", where=str(path), got=str(error)) from None
    if not isinstance(signature, dict) or signature.get("schema_version") != SCHEMA_VERSION:
        raise BadInput("is not a signature this version reads", where=str(path), accepted="schema_version 1")
    return signature


def _checked_array(rows: pd.DataFrame | np.ndarray, array: dict[str, Any]) -> np.ndarray:
    """Images or sounds of the shape that the model was trained on."""
    accepted = f"{tuple(array['shape'])}, {array['dtype']}"
    got = f"{rows.shape[1:]}, {rows.dtype}" if isinstance(rows, np.ndarray) else "a table"
    if not isinstance(rows, np.ndarray) or got != accepted:
        raise BadInput(f"the model takes {array['kind']}s of one shape and dtype", got=got, accepted=accepted)
    return rows


def _checked_table(rows: pd.DataFrame | np.ndarray, inputs: list[dict[str, Any]]) -> pd.DataFrame:
    names = [column["name"] for column in inputs]
    if not isinstance(rows, pd.DataFrame):
        raise BadInput("the model takes a table", got="an array", accepted="columns " + ", ".join(names))
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise BadInput(
            "columns are missing that the model was trained on",
            got="no " + ", ".join(missing),
            accepted=", ".join(names),
        )
    return pd.DataFrame({column["name"]: _as_kind(rows[column["name"]], column["kind"]) for column in inputs})


def _as_kind(column: pd.Series, kind: str) -> pd.Series:
    """The column, as the kind the model was trained on. A column without any value fits both kinds."""
    if column.isna().all():
        return column.astype("float64" if kind == "number" else object)
    is_number = pd.api.types.is_numeric_dtype(column)
    if is_number == (kind == "number"):
        return column
    raise BadInput(
        f"the model was trained with a {kind} in this column",
        where=f"column {column.name}",
        got=f"a {'number' if is_number else 'text'} such as {column.dropna().iloc[0]}",
        accepted=kind + (" (text)" if kind == "category" else ""),
    )
