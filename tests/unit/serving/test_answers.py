"""A run's model answers for its raw file what was recorded of it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.serving.answers import answers
from tests.runs import planned

TRAIN = {"epochs": 30, "seeds": 1, "learning_rate": 0.03}


def table(folder: Path, rows: int = 240) -> Path:
    """Numbers in three notations, blanks around words, truth values, dates, codes, gaps."""
    rng = np.random.default_rng(0)
    area, zone = rng.uniform(20, 3000, rows), rng.choice(["A ", " B", "C"], rows)
    smoker, days = rng.choice(["Yes", "No", ""], rows), rng.integers(0, 900, rows)
    when = [(datetime.date(2023, 1, 1) + datetime.timedelta(int(day))).strftime("%d.%m.%Y") for day in days]
    frame = pd.DataFrame(
        {
            "id": [f"K{i:04}" for i in range(rows)],
            "area": [f"{value:,.1f}" for value in area],
            "tax": [f"{value:.2f}%".replace(".", ",") for value in rng.uniform(0, 9, rows)],
            "zone": zone,
            "smoker": smoker,
            "day": when,
            "zip": rng.choice(["00501", "10001", "20002"], rows),
            "price": np.round(area * 10 + 900 * (zone == "A ") + days + rng.normal(0, 50, rows), 2),
        }
    )
    frame["class"] = np.where(frame["price"] > frame["price"].median(), "dear", "cheap")
    frame.to_csv(folder / "d.csv", index=False)
    return folder / "d.csv"


def shipped(folder: Path, file: Path, **data: Any) -> Any:
    """A run of the file, up to its verdict, with the rows and predictions recorded of the shipped trial."""
    run = planned(folder, {"data": {"source": str(file)} | data, "model": {"mlp": {"hidden": [8]}}, "train": TRAIN})
    tables = run.tables()
    verdict = run.judge(tables)
    assert verdict.shipped is not None
    own = tables["predictions"].query(f"trial_id == {verdict.shipped.trial_id!r} and part == 'test'")
    return run, own


def test_the_raw_file_of_a_regression_gives_what_was_recorded(tmp_path: Path) -> None:
    file = table(tmp_path)
    run, own = shipped(tmp_path / "run", file, target="price", drop=["class"])
    rows, notes = answers(run.folder / "model", file)
    assert list(rows.columns) == ["row", "id", "class", "prediction", "problem"] and not notes
    np.testing.assert_allclose(rows["prediction"].iloc[own["row"]], own["value"].astype(float), rtol=1e-5)
    assert (rows["problem"] == "").all()


def test_the_raw_file_of_classes_gives_probabilities_and_the_likeliest(tmp_path: Path) -> None:
    file = table(tmp_path)
    run, own = shipped(tmp_path / "run", file, target="class", drop=["price"])
    rows, _ = answers(run.folder / "model", file)
    wide = own.pivot_table(index="row", columns="class_index", values="value")
    there = rows.iloc[wide.index]
    for place, name in enumerate(("cheap", "dear")):
        np.testing.assert_allclose(there[f"probability of {name}"], wide[place].astype(float), atol=1e-5)
    assert (there["prediction"] == np.array(["cheap", "dear"])[wide.to_numpy(float).argmax(axis=1)]).all()


def test_rows_that_can_not_be_read_have_a_problem_and_new_columns_are_named(tmp_path: Path) -> None:
    file = table(tmp_path)
    run, _ = shipped(tmp_path / "run", file, target="price", drop=["class"])
    new = pd.read_csv(file, dtype=str, keep_default_na=False).head(3).drop(columns="price").assign(colour="red")
    new.loc[0, "tax"], new.loc[1, "area"], new.loc[2, "day"] = "1,5", "large", "soon"
    new.to_csv(tmp_path / "new.csv", index=False)
    rows, notes = answers(run.folder / "model", tmp_path / "new.csv")
    assert list(rows["problem"]) == ["", "area: 'large' is no number", "day: 'soon' is no date"]
    assert rows["prediction"].notna().all()
    assert notes == ["not seen in training, so not used: colour"]


def test_values_that_training_never_saw_are_named_and_count_as_none(tmp_path: Path) -> None:
    file = table(tmp_path)
    run, _ = shipped(tmp_path / "run", file, target="price", drop=["class"])
    first = pd.read_csv(file, dtype=str, keep_default_na=False).head(1)
    pd.concat([first] * 3).assign(zone=["X", "", "Y"]).to_csv(tmp_path / "new.csv", index=False)
    rows, notes = answers(run.folder / "model", tmp_path / "new.csv")
    assert notes == ["zone: 2 rows with a value that training never saw, such as 'X': it counts as no value"]
    assert rows["prediction"].nunique() == 1


def test_a_file_without_a_column_is_refused_with_its_name(tmp_path: Path) -> None:
    file = table(tmp_path)
    run, _ = shipped(tmp_path / "run", file, target="price", drop=["class"])
    pd.read_csv(file, dtype=str).drop(columns=["area", "zip"]).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(BadInput, match="no area, zip"):
        answers(run.folder / "model", tmp_path / "new.csv")


def test_texts_are_read_as_texts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = {"ham": ["lunch", "home", "NA", "later"], "spam": ["win", "cash", "NA", "now"]}
    kinds = rng.choice(["ham", "spam"], 160)
    texts = [" ".join(rng.choice(words[kind], 1 if i % 9 == 0 else 6)) for i, kind in enumerate(kinds)]
    pd.DataFrame({"text": texts, "kind": kinds}).to_csv(tmp_path / "d.csv", index=False)
    spec: dict[str, Any] = {
        "data": {"source": str(tmp_path / "d.csv"), "target": "kind", "text": "text"},
        "train": TRAIN,
    }
    run = planned(tmp_path / "run", spec)
    tables = run.tables()
    verdict = run.judge(tables)
    assert verdict.shipped is not None
    own = tables["predictions"].query(
        f"trial_id == {verdict.shipped.trial_id!r} and part == 'test' and class_index == 1"
    )
    rows, _ = answers(run.folder / "model", tmp_path / "d.csv")
    np.testing.assert_allclose(rows["probability of spam"].iloc[own["row"]], own["value"].astype(float), atol=1e-5)
    (tmp_path / "new.csv").write_bytes(b"when,text\n1,win cash\n2, \n3,caf\xe9\n4,lunch\n")
    rows, notes = answers(run.folder / "model", tmp_path / "new.csv")
    assert list(rows["problem"]) == ["", "text: is blank", "is not UTF-8", ""]
    assert (
        rows["prediction"].isna().tolist() == rows["probability of spam"].isna().tolist() == [False, True, True, False]
    )
    assert notes == ["not seen in training, so not used: when"]


def numbers(rows: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    member, size = rng.integers(0, 2, rows).astype(bool), rng.integers(1, 90, rows)
    return pd.DataFrame({"cost": 3.0 * size + 50 * member, "member": member, "size": size})


def test_a_file_without_a_header_may_lack_the_target(tmp_path: Path) -> None:
    numbers().to_csv(tmp_path / "d.csv", index=False, header=False)
    read = {"header": False, "columns": ["cost", "member", "size"]}
    run, _ = shipped(tmp_path / "run", tmp_path / "d.csv", target="cost", read=read)
    whole, _ = answers(run.folder / "model", tmp_path / "d.csv")
    numbers().drop(columns="cost").to_csv(tmp_path / "new.csv", index=False, header=False)
    rows, _ = answers(run.folder / "model", tmp_path / "new.csv")
    np.testing.assert_array_equal(rows["prediction"], whole["prediction"])


def test_a_model_of_parquet_reads_text_and_numbers_that_are_none_have_a_problem(tmp_path: Path) -> None:
    numbers().to_parquet(tmp_path / "d.parquet")
    run, _ = shipped(tmp_path / "run", tmp_path / "d.parquet", target="cost")
    whole, _ = answers(run.folder / "model", tmp_path / "d.parquet")
    numbers().to_csv(tmp_path / "d.csv")  # with row numbers
    rows, notes = answers(run.folder / "model", tmp_path / "d.csv")
    np.testing.assert_array_equal(rows["prediction"], whole["prediction"])
    assert list(rows.columns) == ["row", "prediction", "problem"] and not notes
    (tmp_path / "d.csv").write_text("member,size\nTrue,3\nmaybe,inf\n")
    rows, _ = answers(run.folder / "model", tmp_path / "d.csv")
    assert list(rows["problem"]) == ["", "member: 'maybe' is no number; size: 'inf' is no number"]
    assert np.isfinite(rows["prediction"]).all()
