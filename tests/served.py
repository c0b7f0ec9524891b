"""Checks that a run's shipped model gives the recorded predictions for the raw file, by every way to call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.predicting import predict_file
from tasks.choice import choose
from tasks.records.tables import TABLES
from tasks.records.verdict import Verdict
from tasks.run_folder import read_json

TOLERANCE = 1e-5
"""Absolute tolerance for probabilities, relative tolerance for values."""
ROUNDING = 1e-6
"""Absolute tolerance for values, as a share of their standard deviation: the network is float32, so a value near 0, far
from the mean, has fewer correct digits."""


def alone() -> dict[str, str]:
    """Returns the environment of a Python that has this one's packages but not this project. An editable install is
    found through .pth files, and those are not read from folders of `PYTHONPATH`."""
    packages = [path for path in sys.path if path.endswith("site-packages")]
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": python, "PYTHONPATH": ":".join(packages), "PYTHONNOUSERSITE": "1", "PYTHONSTARTUP": ""}


def by_program(model: Path, file: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """Runs `python predict.py FILE --output OUTPUT` without this project, in the folder of `output`."""
    words = [sys.executable, "-S", str(model / "predict.py"), str(file), "--output", str(output)]
    return subprocess.run(words, capture_output=True, text=True, cwd=output.parent, env=alone())


def assert_served(run: Path, file: Path, sample: tuple[int, int] | None = None) -> pd.DataFrame:
    """Compares the shipped model's answers with table `predictions`; returns those of `bakeoff predict`.

    Args:
        file: The raw file, as a user has it.
        sample: How many of the file's rows the data set holds, and the seed with which they were drawn; None: all rows.
    """
    by_command, by_file = run / "by_command.parquet", run / "by_file.csv"
    predict_file(str(run), file, by_command, run)
    done = by_program(run / "model", file, by_file)
    assert done.returncode == 0, done.stderr
    signature = read_json(run / "model" / "signature.json")
    served = pd.read_parquet(by_command)
    for answers in (served, pd.read_csv(by_file)):
        _compare(run, answers if sample is None else answers.iloc[_drawn(len(answers), *sample)], signature)
    return served


def _drawn(of: int, rows: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(of, rows, replace=False))


def _compare(run: Path, answers: pd.DataFrame, signature: dict[str, Any]) -> None:
    classes = signature["classes"]
    columns = [f"probability of {name}" for name in classes] if classes else ["prediction"]
    shipped = Verdict.read(run).shipped
    assert shipped is not None
    recorded = TABLES["predictions"].read(run)
    recorded = recorded[recorded["trial_id"] == shipped.trial_id]
    assert {"val", "test"} == set(recorded["part"])
    if signature["calibration"]:  # validation rows are recorded as calibrated by the others
        recorded = recorded[recorded["part"] == "test"]
    position = recorded["class_index"].to_numpy(int) if classes else 0
    found = answers[columns].to_numpy(float)[recorded["row"].to_numpy(int), position]
    wanted = recorded["value"].to_numpy(float)
    absolute, relative = (TOLERANCE, 0.0) if classes else (ROUNDING * wanted.std(), TOLERANCE)
    np.testing.assert_allclose(found, wanted, rtol=relative, atol=absolute)
    if classes:
        how = signature["choice"] or {}  # None: the class with the highest probability
        positive = classes.index(signature["positive"]) if signature["positive"] else None
        probability = answers[columns].to_numpy(float)
        chosen = choose(probability, positive=positive, threshold=how.get("threshold"), costs=how.get("costs"))
        assert (answers["prediction"].astype(str) == np.array(classes, object)[chosen]).all()
