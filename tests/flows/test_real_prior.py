"""Runs on data that hold a class more often than reality: records, verdict and served answers use the real share."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import PREDICTIONS
from tasks.run_folder import read_json
from tasks.serving.answers import answers
from tasks.stages import report
from tests.flows.test_costs import customers, judged
from tests.served import assert_served

REAL = {"yes": 0.05}
COST = {"cost": {"false_negative": 5, "false_positive": 1}}


def shipped_rows(one: Any, trial: str, part: str) -> pd.DataFrame:
    return PREDICTIONS.read(one.folder).query(f"trial_id == {trial!r} and class_index == 1 and part == {part!r}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"compare": {"imbalance": ["resample"]}},
        {},
        {"ship": "best"},
    ],
)
def test_probabilities_threshold_and_cost_are_at_the_real_share(more: dict[str, Any], tmp_path: Path) -> None:
    file = customers(tmp_path)
    plain, _ = judged(tmp_path / "plain", file, COST, **{key: more[key] for key in more if key == "compare"})
    best = {"ship": "best"} if "ship" in more else {}
    compared = {key: more[key] for key in more if key == "compare"}
    one, verdict = judged(tmp_path, file, {**COST, **best, "real_prior": REAL}, **compared)
    assert verdict.shipped and verdict.operating_point and verdict.operating_point.costs

    # Elkan's rule turns a trial's probabilities without a real share into those with one.
    target = one.prepared.dataset.target[one.prepared.rows["train"]]
    share = 0.5 if compared else float(np.mean(target == 1))
    theirs = PREDICTIONS.read(plain.folder).query("class_index == 1 and part == 'test'")
    before = theirs[theirs["trial_id"] == plain.plan.trials[0].trial_id]["value"].to_numpy(float)
    odds = before / (1 - before) * (0.05 / share) / (0.95 / (1 - share))
    own = shipped_rows(one, one.plan.trials[0].trial_id, "test")
    np.testing.assert_allclose(own["value"], odds / (1 + odds), atol=1e-9)

    def cost_at(trial: str, part: str, threshold: float) -> float:
        rows = shipped_rows(one, trial, part)
        left, alarm = rows["target"] == 1, rows["value"] >= threshold
        return 0.05 * 5 * float((~alarm[left]).mean()) + 0.95 * float(alarm[~left].mean())

    trial, point = verdict.shipped.trial_id, verdict.operating_point
    assert verdict.shipped.metrics["cost_per_case"].mean == pytest.approx(cost_at(trial, "test", point.threshold))
    tried = [0.0, *shipped_rows(one, trial, "val")["value"], 1.0]
    assert cost_at(trial, "val", point.threshold) == pytest.approx(min(cost_at(trial, "val", each) for each in tried))
    by_name = {each.name.rpartition(", ")[2]: each.cost for each in point.costs}
    assert by_name["yes for no row"].mean == pytest.approx(0.25)
    recorded = METRICS_TABLE.read(one.folder).query(f"trial_id == {trial!r} and part == 'val'").set_index("metric")
    assert recorded["value"]["cost_per_case"] == pytest.approx(cost_at(trial, "val", point.threshold))

    assert_served(one.folder, file)
    signature = read_json(one.folder / "model" / "signature.json")
    assert signature["real_prior"]["shares"] == {"no": pytest.approx(0.95), "yes": 0.05}
    assert any(
        "real shares of the classes: no 0.95, yes 0.05" in note for note in answers(one.folder / "model", file)[1]
    )
    assert "real shares of the classes" in (one.folder / "model" / "README.md").read_text()
    page = report(one.run).path.read_text(encoding="utf-8")
    assert "the classes count with these shares, not with those of the rows" in html.unescape(page)


def test_what_is_shifted_by_class_weights_is_not_shifted_once_corrected(tmp_path: Path) -> None:
    file, weighted = customers(tmp_path), {"compare": {"imbalance": ["class_weight"]}}
    real = {"real_prior": {"yes": 0.2}, "metric": "log_loss"}
    _, verdict = judged(tmp_path, file, real, **weighted)
    assert verdict.recipes[0].learned and not verdict.recipes[0].note
    assert not any("too high for rare classes" in warning for warning in verdict.warnings)


def test_a_real_share_decides_the_metric_and_is_told_by_check(tmp_path: Path) -> None:
    one, verdict = judged(tmp_path, customers(tmp_path), {"real_prior": REAL})
    assert one.plan.metric_why == "95% of real cases are of no, so accuracy would say little"
    assert any(
        "Always predicting no is right in 95.0% of cases, at the real shares" in said for said in verdict.warnings
    )
