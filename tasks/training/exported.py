"""Loads a shipped model and predicts with it. Files of `export` are read in safe mode, and only where unchanged.

The model is a network, `model.keras`; or a model of scikit-learn's, `estimator.skops`, with `features.keras` before it
where it takes the same features as networks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.calibrator import Calibrator
from tasks.choice import corrected
from tasks.errors import BadInput
from tasks.preprocessing.estimators import Estimator
from tasks.preprocessing.tables import apply, input_name, raw_inputs

if TYPE_CHECKING:
    import keras

SCHEMA_VERSION = 2
MODEL, FEATURES, ESTIMATOR, SIGNATURE = "model.keras", "features.keras", "estimator.skops", "signature.json"


@dataclass(frozen=True)
class Exported:
    """A shipped model.

    Args:
        signature: What `export_model` wrote.
        network: From raw inputs to answers, or to features where an estimator takes them. None: the estimator takes
            raw inputs.
        estimator: The model of scikit-learn's that answers instead of the network; None: the network answers.
    """

    signature: dict[str, Any]
    network: keras.Model | None
    estimator: Estimator | None = None

    def asked(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """As `predict`."""
        entries, classes = self.signature["inputs"], self.signature["classes"]
        array = "shape" in entries[0]
        checked = _checked_array(rows, entries[0]) if array else _checked_table(rows, entries)
        output = None if self.network is None else apply(self.network, self._raw(checked))
        if self.estimator is not None:
            given = self.estimator.given(output, checked if isinstance(checked, pd.DataFrame) else None)
            return self._corrected(self.estimator.answers(given, len(classes) if classes else None))
        assert output is not None
        if not classes:
            return output[:, 0]
        return self._corrected(output) if self.signature.get("calibration") else output

    def _corrected(self, answers: np.ndarray) -> np.ndarray:
        """Calibrates answers, and corrects them to the real shares of the classes. A network without calibration has
        that correction built in."""
        if calibration := self.signature.get("calibration"):
            answers = Calibrator.of_json(calibration)(answers)
        real = self.signature.get("real_prior")
        return corrected(answers, real["factors"]) if real else answers

    def _raw(self, checked: pd.DataFrame | np.ndarray) -> Any:
        """The network's inputs, from rows."""
        raw = raw_inputs(checked)
        if isinstance(checked, np.ndarray):
            return raw
        return {entry["input"]: raw[input_name(entry["name"])] for entry in self.signature["inputs"]}


def load_exported(folder: Path) -> Exported:
    """Loads what `export_model` wrote.

    Raises:
        BadInput: a file is missing or unreadable, or a model file is not the one that was written.
    """
    import keras

    signature = read_signature(folder)
    estimator = signature.get("estimator")
    network = None
    if signature["sha256"]:
        path = _written(folder / (FEATURES if estimator else MODEL), signature["sha256"])
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    if not estimator:
        return Exported(signature, network)
    return Exported(signature, network, Estimator.load(_written(folder / ESTIMATOR, estimator["sha256"])))


def _written(path: Path, sha256: str) -> Path:
    """Returns the path, if the file exists and is what was written; raises BadInput otherwise."""
    if not path.is_file():
        raise BadInput("the saved model is missing", where=str(path), remedy="run the experiment again")
    if sha256_of(path) != sha256:
        raise BadInput(
            "is not the file that the run wrote, so it is not loaded (model files can carry code)",
            where=str(path),
            got=f"SHA-256 {sha256_of(path)[:12]}...",
            accepted=f"{sha256[:12]}..., as in {SIGNATURE}",
            remedy="restore the file, or run the experiment again",
        )
    return path


def predict(folder: Path, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
    """The shipped model's answers for raw rows.

    Args:
        folder: Where `export_model` wrote.
        rows: A table with the training table's columns (others are ignored, in any order), images, or sounds.

    Returns:
        Class probabilities, floats `[rows, classes]`, or values in the target's unit, float64 `[rows]`.

    Raises:
        BadInput: as `load_exported`, or the rows are not what the signature says.
    """
    return load_exported(folder).asked(rows)


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
    """Returns images or sounds, if they have the shape and dtype that the model was trained on."""
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
