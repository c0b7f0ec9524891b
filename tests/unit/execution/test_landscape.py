"""What inspection.json says of the loss around the shipped network, through the stages of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.execution.landscape import POINTS
from tasks.records.inspection import Inspection
from tasks.records.landscape import Landscape
from tests.runs import Planned, planned

DATA = {"source": "diabetes", "rows": 200}
TRAIN = {"optimizer": "sgd", "epochs": 40, "batch_size": 128, "seeds": 2}


def judged(folder: Path, spec: dict[str, Any]) -> tuple[Planned, Landscape]:
    run = planned(folder, {"data": DATA, "explain": ["landscape"]} | spec)
    verdict = run.judge(run.tables())
    found = Inspection.read(folder).landscape
    assert found is not None and verdict.shipped
    assert found.curvatures[0].trial_id == verdict.shipped.trial_id
    return run, found


@pytest.mark.slow
def test_between_seeds_of_each_width_the_ends_are_their_losses_and_matching_lowers_the_barrier(tmp_path: Path) -> None:
    widths = [{"mlp": {"hidden": [width]}} for width in (4, 8, 16, 64)]
    spec = {
        "data": {"source": "wine"},
        "train": {"epochs": 30, "learning_rate": 0.1, "optimizer": "sgd", "seeds": 2},
        "compare": {"model": widths},
        "explain": ["overparameterisation"],
    }
    run = planned(tmp_path, spec)
    tables = run.tables()
    run.judge(tables)
    found = Inspection.read(tmp_path).between
    assert found is not None and [each.recipe_id for each in found] == [each.recipe_id for each in run.plan.recipes]
    losses = tables["metrics"].query("part == 'train' and metric == 'loss'").set_index("trial_id")["value"]
    for each in found:
        ends = [losses[trial.trial_id] for trial in run.plan.trials if trial.recipe_id == each.recipe_id]
        assert each.pairs == 1
        assert (each.losses[0], each.losses[-1]) == pytest.approx(ends, rel=1e-3)
        assert (each.matched[0], each.matched[-1]) == pytest.approx(ends, rel=1e-3)
    assert found[-1].matched_barrier < found[-1].barrier


def test_of_a_linear_model_on_all_rows_everything_has_its_closed_form(tmp_path: Path) -> None:
    run, found = judged(tmp_path, {"model": "linear", "train": TRAIN, "compare": {"learning_rate": [0.05, 0.1]}})
    rows = run.prepared.rows["train"]
    design = np.hstack([run.prepared.features[rows].astype(np.float64), np.ones([len(rows), 1])])
    target = run.prepared.targets[rows]
    hessian = 2 * design.T @ design / len(rows)
    values = np.linalg.eigvalsh(hessian)
    assert found.rows == found.training_rows == len(rows) and found.weights == design.shape[1]
    assert [each.largest for each in found.curvatures] == pytest.approx([values[-1]] * 2, rel=1e-3)
    assert found.curvatures[0].smallest == pytest.approx(values[0], rel=0.02)
    assert found.curvatures[0].negative == 0
    assert sorted(each.rate for each in found.curvatures) == pytest.approx([0.05, 0.1])
    assert found.loss >= np.square(design @ np.linalg.lstsq(design, target, rcond=None)[0] - target).mean()
    path = found.path
    assert path is not None and path.apart < 1e-4 and path.steps[0] == 0 and len(path.steps) == len(path.x)
    assert 0.9 < path.share <= 1  # descent on a bowl goes down its few steep directions first
    assert (path.x[-1], path.y[-1]) == pytest.approx((0, 0), abs=1e-3)
    for plane in (found.plane, path.plane):
        assert np.shape(plane.losses) == (POINTS, POINTS)
    assert found.plane.losses[POINTS // 2][POINTS // 2] == pytest.approx(found.loss, rel=1e-4)
    second = np.diff(found.losses, 2) / np.diff(found.along)[0] ** 2
    assert second == pytest.approx(found.curvatures[0].largest, rel=0.02)
    assert values[0] <= found.random <= values[-1]


@pytest.mark.slow
def test_what_learns_from_rows_that_are_made_anew_has_no_path_and_says_why(tmp_path: Path) -> None:
    spec = {
        "data": {"source": "digits", "rows": 120},
        "model": {"kind": "mlp", "hidden": [8]},
        "train": {"epochs": 40, "seeds": 1, "augmentation": {"steps": [{"GaussNoise": {}}]}},
    }
    _, found = judged(tmp_path, spec)
    assert found.path is None and found.no_path == "its training rows were augmented or resampled during training"


def test_without_being_asked_nothing_is_looked_at(tmp_path: Path) -> None:
    run = planned(tmp_path, {"data": DATA, "model": "linear", "train": TRAIN | {"seeds": 1, "learning_rate": 0.1}})
    run.judge(run.tables())
    assert Inspection.read(tmp_path).landscape is None
