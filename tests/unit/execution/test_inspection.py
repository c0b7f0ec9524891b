"""inspection.json: rows' own values only where the spec asks for them, and gone when it no longer does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.execution.influence import SHOWN as SHOWN_INPUTS
from tasks.execution.inspection import DOTS, EXAMPLES, INPUTS, PIXELS
from tasks.records.inspection import Inspection
from tests.runs import WINE, Planned, planned

SHOWN = {"report": {"show_examples": True}}
LONG = {"epochs": 30, "seeds": 1, "learning_rate": 0.01}


def judged(folder: Path, spec: dict[str, Any], start: str = "load") -> tuple[Planned, Inspection]:
    run = planned(folder, spec, start=start)
    verdict = run.judge(run.tables())
    found = Inspection.read(folder)
    assert verdict.shipped and found.trial_id == verdict.shipped.trial_id
    return run, found


def test_no_value_of_a_row_is_written_unless_asked_for(tmp_path: Path) -> None:
    _, found = judged(tmp_path, WINE | {"train": LONG})
    assert found.examples is None and found.residuals is None


def test_the_hardest_rows_of_a_table_have_the_values_of_their_source(tmp_path: Path) -> None:
    run, found = judged(tmp_path, WINE | SHOWN | {"train": LONG})
    dataset, examples = run.prepared.dataset, found.examples
    assert examples is not None and len(examples.rows) == EXAMPLES and examples.left_out == 0
    assert dataset.target_name not in examples.columns
    place = list(examples.columns).index("alcohol")
    for each in examples.rows:
        assert float(each.values[place]) == pytest.approx(dataset.table["alcohol"].iloc[each.row])
    assert {each.row for each in examples.rows} <= set(run.prepared.rows["test"].tolist())


def test_images_become_pictures_which_go_when_they_are_no_longer_asked_for(tmp_path: Path) -> None:
    import cv2

    spec = {"data": {"source": "digits", "rows": 200}, "model": "linear", "train": LONG}
    run, found = judged(tmp_path, spec | SHOWN)
    assert found.examples is not None
    first = found.examples.rows[0]
    picture = cv2.imread(str(tmp_path / "previews" / first.picture), cv2.IMREAD_GRAYSCALE)
    assert max(picture.shape) <= PIXELS
    of_row = run.prepared.features[first.row, :, :, 0]
    assert np.corrcoef(picture[4:72:9, 4:72:9].ravel(), of_row.ravel())[0, 1] > 0.99
    _, found = judged(tmp_path, spec, start="judge")
    assert found.examples is None and not list((tmp_path / "previews").glob("example-*.png"))


@pytest.mark.slow
def test_a_regression_has_its_residuals_along_the_inputs_and_dots_where_asked(tmp_path: Path) -> None:
    spec = {"data": {"source": "diabetes"}, "model": "linear", "train": LONG}
    run, found = judged(tmp_path / "one", spec)
    assert found.residuals is not None and found.inputs == 10 and len(found.residuals) == INPUTS
    shares = [each.association for each in found.residuals]
    assert shares == sorted(shares, reverse=True)
    assert all(sum(level.rows for level in each.levels) == len(run.prepared.rows["test"]) for each in found.residuals)
    assert all(each.dots == [] for each in found.residuals)
    _, found = judged(tmp_path / "other", spec | SHOWN)
    assert found.residuals is not None and all(0 < len(each.dots) <= DOTS for each in found.residuals)


def test_the_inputs_that_decide_are_found_with_their_copies_and_noise_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    decides, other, letters = rng.normal(size=900), rng.normal(size=900), rng.choice(["a", "b", "c"], 900)
    score = 2 * decides + other + 2 * (letters == "a")
    table = pd.DataFrame(
        {
            "decides": decides,
            "copy": other,
            "its copy": -other + 0.05 * rng.normal(size=900),
            "letter": letters,
            **{f"noise {at}": rng.normal(size=900) for at in range(4)},
            "answer": np.where(score > 0.7, "yes", "no"),
        }
    )
    table.to_csv(tmp_path / "made.csv", index=False)
    spec = {"data": {"source": str(tmp_path / "made.csv"), "target": "answer"}, "model": "linear", "train": LONG}
    _, found = judged(tmp_path / "run", spec)
    assert found.influence is not None and found.influence.of == "yes" and found.influence.left_out == 0
    looked_at = {tuple(each.names): each for each in found.influence.inputs}
    assert len(looked_at) == 7 and ("copy", "its copy") in looked_at
    assert {names for names, each in looked_at.items() if each.matters} == {
        ("decides",),
        ("copy", "its copy"),
        ("letter",),
    }
    drops = [each.drop.mean or 0.0 for each in found.influence.inputs]
    assert drops == sorted(drops, reverse=True) and found.influence.inputs[0].names == ["decides"]
    drawn = {each.name: each.points for each in found.influence.dependence}
    assert len(drawn) == SHOWN_INPUTS
    means = [point.mean for point in drawn["decides"]]
    assert means == sorted(means) and means[0] < 0.2 < 0.8 < means[-1]


def test_pictures_have_no_columns_to_shuffle(tmp_path: Path) -> None:
    spec = {"data": {"source": "digits", "rows": 200}, "model": "linear", "train": LONG}
    assert judged(tmp_path, spec)[1].influence is None


def test_nothing_shipped_leaves_nothing(tmp_path: Path) -> None:
    spec = WINE | {"train": {"epochs": 1, "seeds": 1, "learning_rate": 1e-9}}
    run = planned(tmp_path, spec | SHOWN)
    (tmp_path / Inspection.FILE).touch()
    assert run.judge(run.tables()).shipped is None
    assert not (tmp_path / Inspection.FILE).exists()
