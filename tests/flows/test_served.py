"""The saved model is the whole pipeline: for a raw file, `bakeoff predict` and `predict.py` give the run's recorded
predictions."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from flows.experiments import find
from tasks.datasets.catalogue import CATALOGUE, Entry
from tasks.datasets.fetch import fetch
from tasks.inputs.prepared import Prepared
from tasks.serving.answers import answers
from tests.experiments import ON_DATA
from tests.flows import test_kinds
from tests.real_data import needs_data
from tests.runs import Planned, planned
from tests.served import assert_served, by_program
from tests.unit.serving.test_answers import table

TRAIN = {"epochs": 20, "seeds": 1, "batch_size": 8, "learning_rate": 0.01}


def classes(folder: Path) -> dict[str, Any]:
    return {"data": {"source": str(table(folder)), "target": "class", "drop": ["price"]}}


def values(folder: Path) -> dict[str, Any]:
    return {"data": {"source": str(table(folder)), "target": "price", "drop": ["class"]}}


def parquet(folder: Path) -> dict[str, Any]:
    pd.read_csv(table(folder)).to_parquet(folder / "d.parquet")
    return {"data": {"source": str(folder / "d.parquet"), "target": "price", "drop": ["class"]}}


def texts(folder: Path) -> dict[str, Any]:
    return {"data": test_kinds.texts(folder)["data"]}


def images(folder: Path) -> dict[str, Any]:
    return {"data": test_kinds.images(folder)["data"], "model": {"cnn": {"filters": [4], "hidden": [8]}}}


def arrays(folder: Path) -> dict[str, Any]:
    """Writes images as an array of fractions, which image files can't hold."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    x = rng.uniform(0, 0.4, (80, 6, 6)) + 0.5 * y[:, None, None]
    np.savez(folder / "d.npz", x=x, y=y)
    return {"data": {"source": str(folder / "d.npz"), "task": "classification"}, "model": "linear"}


def shipped(folder: Path, spec: dict[str, Any]) -> Planned:
    one = planned(folder, spec)
    assert one.judge(one.tables()).shipped
    return one


def run_of(make: Callable[[Path], dict[str, Any]], folder: Path) -> tuple[Planned, Path]:
    spec = {"train": TRAIN} | make(folder)
    return shipped(folder / "run", spec), Path(spec["data"]["source"])


@pytest.mark.parametrize("make", [classes, values, parquet, texts, images, test_kinds.sounds, arrays])
def test_a_raw_file_is_answered_as_recorded(make: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    one, source = run_of(make, tmp_path)
    found = assert_served(one.folder, source)
    assert list(found["row"]) == list(range(1, one.prepared.dataset.rows + 1)) and (found["problem"] == "").all()


def mixed(folder: Path) -> dict[str, Any]:
    """Writes a table whose class is predicted from columns and a text together."""
    frame = pd.read_csv(table(folder))
    words = {name: f"it is {name}, said No. {place}" for place, name in enumerate(frame["class"].unique())}
    frame.assign(said=frame["class"].map(words)).to_csv(folder / "mixed.csv", index=False)
    return {"data": {"source": str(folder / "mixed.csv"), "target": "class", "text": "said", "drop": ["price"]}}


@pytest.mark.parametrize(
    ("make", "features"),
    [(classes, None), (values, None), (texts, False), (images, True), (test_kinds.sounds, True), (mixed, None)],
)
def test_a_baseline_that_is_better_is_shipped_and_answers_the_raw_file(
    make: Callable[[Path], dict[str, Any]], features: bool | None, tmp_path: Path
) -> None:
    """After one epoch at a tiny learning rate no network has learned anything, so a baseline is better."""
    spec = {"train": TRAIN | {"epochs": 1, "learning_rate": 1e-6}, "evaluate": {"ship": "best"}} | make(tmp_path)
    one = planned(tmp_path / "run", spec)
    verdict = one.judge(one.tables())
    assert verdict.shipped and verdict.shipped.baseline and verdict.saved == verdict.shipped.baseline
    model = one.folder / "model"
    assert (model / "estimator.skops").exists() and not (model / "model.keras").exists()
    assert features is None or (model / "features.keras").exists() == features
    assert not (one.folder / "winner.yaml").exists()
    assert_served(one.folder, Path(spec["data"]["source"]))
    said = (model / "README.md").read_text()
    assert "estimator.skops" in said and "model.keras" not in said and "scikit-learn and skops" in said


def test_files_without_a_class_are_answered_and_what_is_no_image_has_a_problem(tmp_path: Path) -> None:
    one, source = run_of(images, tmp_path)
    model = one.folder / "model"
    whole, _ = answers(model, source)
    assert list(whole["file"][:2]) == ["narrow/0.png", "narrow/10.png"]
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("0", "10"):
        shutil.copy(source / "narrow" / f"{name}.png", flat)
    cv2.imwrite(str(flat / "large.png"), np.zeros((6, 9, 3), np.uint8))
    (flat / "text.jpg").write_text("no image")
    (flat / "notes.txt").write_text("passed over")
    done = by_program(model, flat, tmp_path / "answers.csv")
    assert "1 files that are no images passed over" in done.stderr and "2 of 4 rows have a problem" in done.stderr
    by_file = pd.read_csv(tmp_path / "answers.csv", keep_default_na=False)
    packed, _ = answers(model, Path(shutil.make_archive(str(flat), "zip", flat)))
    for found in (by_file, packed):
        assert list(found["file"]) == ["0.png", "10.png", "large.png", "text.jpg"]
        assert list(found["problem"]) == [
            "", "", "is 9 x 6 pixels, not 6 x 6 as the model takes", "is no image, or cut short"
        ]  # fmt: skip
        assert list(found["prediction"].fillna("")) == [*whole["prediction"][:2], "", ""]
    assert_alone(model, source / "narrow" / "10.png", whole)


def test_sounds_without_a_class_are_answered(tmp_path: Path) -> None:
    one, source = run_of(test_kinds.sounds, tmp_path)
    model = one.folder / "model"
    assert_alone(model, source / "low" / "10.wav", answers(model, source)[0])
    flat = tmp_path / "flat"
    flat.mkdir()
    soundfile.write(flat / "fast.wav", np.zeros(900), 16_000)
    soundfile.write(flat / "long.wav", np.zeros(5_000), 8_000)
    found, _ = answers(model, flat)
    assert list(found["problem"]) == ["has 16,000 samples a second, not 8,000 as the model takes", ""]
    assert pd.isna(found["prediction"][0]) and found["prediction"][1] in ("low", "high")


def assert_alone(model: Path, file: Path, whole: pd.DataFrame) -> None:
    """Checks that a single file gets the same answer as among all files."""
    (answer,) = answers(model, file)[0].to_dict("records")
    (wanted,) = whole[whole["file"] == f"{file.parent.name}/{file.name}"].to_dict("records")
    name = f"probability of {answer['prediction']}"
    assert answer["file"] == file.name
    assert answer[name] == pytest.approx(wanted[name], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone.png", "is not there"), ("words.txt", "the model takes images"), ("other.npz", "holds neither images")],
)
def test_mistakes_are_answered_without_a_traceback(name: str, said: str, arrays_run: Planned, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a,b\n1,2\n")
    np.savez(tmp_path / "other.npz", x=np.zeros((2, 3, 3, 1, 1)))
    done = by_program(arrays_run.folder / "model", tmp_path / name, tmp_path / "answers.csv")
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "answers.csv").exists()


@pytest.fixture(scope="module")
def arrays_run(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return run_of(arrays, tmp_path_factory.mktemp("arrays"))[0]


# --- the shipped experiments ---------------------------------------------------------------------------------

ROWS = 4_000


def shortened(experiment: str) -> dict[str, Any]:
    """Returns the experiment's spec with one recipe, one seed and few epochs, on a sample of its rows."""
    spec = yaml.safe_load(find(experiment).read_text(encoding="utf-8"))
    for key in ("compare", "tune", "gates", "description", "explain"):
        spec.pop(key, None)
    spec["data"]["rows"] = ROWS
    spec["train"] = {"epochs": 8, "seeds": 1, "batch_size": 32}
    if "linear" in str(spec.get("model")):  # the lessons have 442 rows, so few steps, which must be large
        spec["train"]["learning_rate"] = 0.03
    return spec


def raw_file(entry: Entry, prepared: Prepared, folder: Path) -> tuple[Path, bool]:
    """Makes the raw data as a user has them: the catalogue's own files, clips in a folder, or images as files or
    arrays. Returns their path, and whether they hold only the rows of the sample."""
    raw = prepared.dataset.raw
    if isinstance(raw, np.ndarray) and entry.form in ("sprites", "idx") and not entry.files:
        np.savez(folder / "images.npz", x=raw)  # image files can't hold such numbers
        return folder / "images.npz", True
    if isinstance(raw, np.ndarray) and entry.form == "sprites":
        (folder / "images").mkdir()
        for row, image in enumerate(raw):
            cv2.imwrite(str(folder / "images" / f"{row:05}.png"), image[:, :, ::-1])
        return folder / "images", True
    if not entry.files:  # bundled or generated
        dataset = prepared.dataset
        target = np.array(dataset.classes, object)[dataset.target] if dataset.classes else dataset.target
        dataset.table.assign(**{dataset.target_name: target}).to_csv(folder / "table.csv", index=False)
        return folder / "table.csv", True
    paths = [fetch(file, folder / "cache", None) for file in entry.files]
    if entry.form == "idx":
        (folder / "idx").mkdir()
        for path in paths:
            shutil.copy(path, folder / "idx")
        return folder / "idx", False
    if entry.form == "clips":
        with tarfile.open(paths[0]) as archive:
            archive.extractall(folder / "clips", filter="data")
        return folder / "clips", False
    if len(paths) == 1:
        return paths[0], False
    joined = folder / "all.csv"
    first, *others = (path.read_bytes().splitlines(keepends=True) for path in paths)
    joined.write_bytes(b"".join([*first, *(line for lines in others for line in lines[entry.read.header :])]))
    return joined, False


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [
        pytest.param(name, marks=[] if CATALOGUE[shortened(name)["data"]["source"]].bundled else needs_data)
        for name in ON_DATA
    ],
)
def test_an_experiments_raw_file_is_answered_as_recorded(experiment: str, tmp_path: Path) -> None:
    spec = shortened(experiment)
    one = shipped(tmp_path / "run", spec)
    file, only_sample = raw_file(CATALOGUE[spec["data"]["source"]], one.prepared, tmp_path)
    drawn = not only_sample and one.prepared.dataset.rows == ROWS
    assert_served(one.folder, file, (ROWS, one.run.spec.data.split.seed) if drawn else None)
