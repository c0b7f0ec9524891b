"""Runs with calibrated probabilities: the same ones are recorded, judged and served."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from tasks.calibrator import Calibrator
from tasks.errors import BadInput
from tasks.execution.out_of_fold import fold_answers
from tasks.execution.recording import ANSWERS, UNCALIBRATED
from tasks.records.tables import PREDICTIONS
from tasks.run_folder import read_json
from tasks.serving.answers import answers
from tasks.stages import report
from tests.flows.test_costs import judged
from tests.runs import planned
from tests.served import assert_served


def customers(folder: Path) -> Path:
    """Writes customers whose leaving depends on two of twenty numbers, so that a network trained too long is
    overconfident."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(900, 20))
    leaves = rng.random(900) < 1 / (1 + np.exp(-2 * numbers[:, 0] - 2 * numbers[:, 1]))
    frame = pd.DataFrame(numbers.round(3), columns=[f"c{i}" for i in range(20)])
    frame.assign(left=np.where(leaves, "yes", "no")).to_csv(folder / "customers.csv", index=False)
    return folder / "customers.csv"


@pytest.mark.slow
def test_calibrating_is_judged_out_of_fold(tmp_path: Path) -> None:
    evaluate = {"calibrate": "temperature", "folds": 3, "repeats": 2}
    train = {**TOO_LONG, "epochs": 40}
    one, verdict = judged(tmp_path, customers(tmp_path), evaluate, model=OVERFIT["model"], train=train)
    effect, held_out = verdict.recalibration, one.plan.held_out
    assert effect and held_out and effect.gain.low is not None and effect.gain.low > 0
    assert effect.sentence.startswith("Out of fold, temperature scaling helped")
    before, after = (fold_answers(one.plan, one.folder, name) for name in (UNCALIBRATED, ANSWERS))
    scores: dict[str, list[float]] = {"before": [], "after": []}
    for trial in held_out.trials:
        rows = one.prepared.held_out[trial.fold or 0].rows["test"]
        target = one.prepared.dataset.target[rows].astype(int)
        for name, answered in (("before", before), ("after", after)):
            scores[name].append(brier_score_loss(target, answered[trial.trial_id][:, 1]))
    for name, estimate in (("before", effect.before), ("after", effect.after)):
        assert estimate["brier_score"].mean == pytest.approx(np.mean(scores[name]))
    report(one.run)
    assert "Out of fold, temperature scaling helped" in unescape((one.folder / "report.html").read_text())


TOO_LONG = {"epochs": 60, "seeds": 1, "batch_size": 8, "learning_rate": 0.003}
OVERFIT: dict[str, Any] = {"model": {"mlp": {"hidden": [64, 64]}}, "train": TOO_LONG}


@pytest.mark.parametrize(
    ("method", "evaluate", "more"),
    [
        ("temperature", {}, OVERFIT),
        pytest.param("isotonic", {"cost": {"false_negative": 5, "false_positive": 1}}, OVERFIT, marks=pytest.mark.slow),
        pytest.param("temperature", {"real_prior": {"yes": 0.05}}, OVERFIT, marks=pytest.mark.slow),
        pytest.param("isotonic", {"ship": "best", "real_prior": {"yes": 0.05}}, {}, marks=pytest.mark.slow),
        pytest.param("isotonic", {}, OVERFIT | {"compare": {"imbalance": ["resample"]}}, marks=pytest.mark.slow),
    ],
)
def test_what_is_calibrated_is_what_is_judged_and_served(
    method: str, evaluate: dict[str, Any], more: dict[str, Any], tmp_path: Path
) -> None:
    file = customers(tmp_path)
    one, verdict = judged(tmp_path, file, evaluate | {"calibrate": method}, **more)
    effect, signature = verdict.recalibration, read_json(one.folder / "model" / "signature.json")
    assert effect and effect.method == method and verdict.shipped
    calibrator = Calibrator.of_json(signature["calibration"])
    assert calibrator.temperature == effect.temperature
    assert effect.after["brier_score"].mean == pytest.approx(effect.before["brier_score"].mean - effect.gain.mean)
    if more is OVERFIT and not evaluate:
        assert effect.temperature is not None and effect.temperature > 1.5
        assert effect.gain.low is not None and effect.gain.low > 0
    assert_served(one.folder, file)
    assert any("probabilities are calibrated" in note for note in answers(one.folder / "model", file)[1])
    assert "calibrated on the validation part" in (one.folder / "model" / "README.md").read_text(encoding="utf-8")
    page = report(one.run).path.read_text(encoding="utf-8")
    assert "Before and after calibrating" in page and "the Brier score changed by" in page


@pytest.mark.slow
def test_it_brings_probabilities_nearer_to_what_happens(tmp_path: Path) -> None:
    file = customers(tmp_path)
    plain, _ = judged(tmp_path / "plain", file, {}, **OVERFIT)
    one, verdict = judged(tmp_path, file, {"calibrate": "isotonic"}, **OVERFIT)

    def test_rows(of: Any) -> Any:
        trial = of.plan.trials[0].trial_id
        return PREDICTIONS.read(of.folder).query(f"trial_id == {trial!r} and class_index == 1 and part == 'test'")

    before, after = test_rows(plain), test_rows(one)
    target = before["target"].to_numpy(float)
    briers = [float(np.mean((rows["value"].to_numpy(float) - target) ** 2)) for rows in (before, after)]
    assert verdict.recalibration
    found = [each["brier_score"].mean for each in (verdict.recalibration.before, verdict.recalibration.after)]
    assert found == pytest.approx(briers, abs=1e-6)
    assert briers[1] < briers[0]


def test_a_quantity_has_no_probabilities(tmp_path: Path) -> None:
    spec = {"data": {"source": "diabetes"}, "model": "linear", "evaluate": {"calibrate": "temperature"}}
    with pytest.raises(BadInput, match=r"evaluate\.calibrate"):
        planned(tmp_path, spec)
