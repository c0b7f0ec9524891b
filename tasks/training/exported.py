"""A shipped model, asked: the files that `export` wrote, read in safe mode and only where they are what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.errors import BadInput
from tasks.preprocessing.tables import apply, input_name, raw_inputs

if TYPE_CHECKING:
    import keras

SCHEMA_VERSION = 2
MODEL, SIGNATURE = "model.keras", "signature.json"


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
    if sha256_of(path) != signature["sha256"]:
        raise BadInput(
            "is not the file that the run wrote, so it is not loaded (model files can carry code)",
            where=str(path),
            got=f"SHA-256 {sha256_of(path)[:12]}...",
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
    return asked(*load_exported(folder), rows)


def asked(model: keras.Model, signature: Mapping[str, Any], rows: pd.DataFrame | np.ndarray) -> np.ndarray:
    """As `predict`, of a model that `load_exported` gave."""
    entries = signature["inputs"]
    if "shape" in entries[0]:
        output = apply(model, raw_inputs(_checked_array(rows, entries[0])))
    else:
        raw = raw_inputs(_checked_table(rows, entries))
        output = apply(model, {entry["input"]: raw[input_name(entry["name"])] for entry in entries})
    return output if signature["classes"] else output[:, 0]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_signature(folder: Path) -> dict[str, Any]:
    """The signature that `export_model` wrote.

    Raises:
        BadInput: there is none, or it can't be read.
    """
    path = folder / SIGNATURE
    try:
        signature = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            "no saved model here", where=str(folder), accepted=f"a folder with {MODEL} and {SIGNATURE}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput("is not valid JSON", where=str(path), got=str(error)) from None
    if not isinstance(signature, dict) or signature.get("schema_version") != SCHEMA_VERSION:
        raise BadInput(
            "is not a signature this version reads",
            where=str(path),
            accepted=f"schema_version {SCHEMA_VERSION}",
            remedy="ship the model again: bakeoff run SPEC --run-dir RUN --from judge",
        )
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
