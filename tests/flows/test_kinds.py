"""A whole run on each kind of data: from a user's files to a report and a model that takes raw data."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import soundfile

from tasks import stages
from tasks.run_folder import read_json
from tasks.training.exported import predict
from tests.runs import planned

ROWS = 60


def images(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for row in range(ROWS):
        picture = rng.integers(0, 80, (6, 6, 3), np.uint8)
        picture[:, : 3 + 3 * (row % 2)] += 120
        path = folder / "pictures" / ("narrow", "wide")[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    return {"data": {"source": str(folder / "pictures")}, "compare": {"model": ["cnn", "linear"]}}


def texts(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    words = (["see you soon", "at home now", "love you"], ["win cash now", "free prize", "call to claim"])
    rows = [(("ham", "spam")[row % 2], f"{rng.choice(words[row % 2])} {row}") for row in range(ROWS)]
    rows[0] = ("ham", "?!")  # no word at all
    pd.DataFrame(rows, columns=["label", "my message"]).to_csv(folder / "messages.csv", index=False)
    data = {"source": str(folder / "messages.csv"), "target": "label", "text": "my message"}
    return {"data": data, "compare": {"model": ["text", {"text": {"convolution": 2, "pooling": "max"}}, "gru"]}}


def texts_and_columns(folder: Path) -> dict[str, Any]:
    """Writes notes whose class depends equally on two texts and a number."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], (3, 6 * ROWS))
    words = (["cold", "grey", "wet"], ["warm", "blue", "dry"])
    said = [[" ".join(rng.choice(words[int(sign > 0)], 4)) for sign in each] for each in signs[:2]]
    frame = pd.DataFrame({"title": said[0], "body": said[1], "pages": signs[2] + 0.2 * rng.normal(size=6 * ROWS)})
    frame.assign(label=np.where(signs.sum(axis=0) > 0, "good", "bad")).to_csv(folder / "notes.csv", index=False)
    data = {"source": str(folder / "notes.csv"), "target": "label", "text": ["title", "body"]}
    return {"data": data, "compare": {"model": ["text", {"text": {"convolution": 2}}, "gru"]}}


def sounds(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for row in range(ROWS):
        samples = 900 + 10 * row
        tone = np.sin(2 * np.pi * (300, 1500)[row % 2] * np.arange(samples) / 8_000)
        path = folder / "clips" / ("low", "high")[row % 2] / f"{row}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.3 * tone + 0.01 * rng.normal(size=samples), 8_000)
    return {"data": {"source": str(folder / "clips"), "seconds": 0.15}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "kind", "trainers", "baselines"),
    [
        (images, "image", {"stack"}, {"majority class", "logistic regression"}),
        (texts, "text", {"stack", "fit"}, {"majority class", "TF-IDF, logistic regression"}),
        (
            texts_and_columns,
            "text and columns",
            {"stack", "fit"},
            {"majority class", "TF-IDF, logistic regression", "columns alone, gradient boosting"},
        ),
        (sounds, "audio", {"stack"}, {"majority class", "log-mel statistics, logistic regression"}),
    ],
)
def test_a_whole_run(
    make: Callable[[Path], dict[str, Any]], kind: str, trainers: set[str], baselines: set[str], tmp_path: Path
) -> None:
    spec = make(tmp_path) | {"train": {"epochs": 4, "seeds": 2, "batch_size": 8, "learning_rate": 0.01}}
    spec["data"] |= {"split": {"test": 0.3}}
    one = planned(tmp_path / "run", spec)
    dataset = one.prepared.dataset
    assert dataset.form.name == kind and one.plan.data.kind == kind
    validation = stages.validate(one.run, dataset, one.splits)
    assert validation.outcome in ("passed", "warned")
    tables = one.tables()
    trials = tables["trials"]
    assert (trials["status"] == "ok").all()
    assert set(trials.loc[trials["stage"] == "final", "trainer"]) == trainers
    assert set(trials.loc[trials["stage"] == "baseline", "recipe"]) == baselines
    metrics = tables["metrics"].merge(trials, on="trial_id")
    accuracy = metrics[(metrics["metric"] == "accuracy") & (metrics["part"] == "test") & (metrics["stage"] == "final")]
    assert accuracy["value"].max() > 0.8
    one.judge(tables)
    raw = dataset.raw
    rows = raw.iloc[:5] if isinstance(raw, pd.DataFrame) else raw[:5]
    assert np.isfinite(predict(one.folder / "model", rows)).all()
    assert read_json(one.folder / "model" / "signature.json")["classes"] == list(dataset.classes or ())
    report = " ".join(html.unescape(stages.report(one.run).path.read_text(encoding="utf-8")).split())
    said = {
        "image": "6 × 6 × 3 images",
        "text": "texts: my message",
        "text and columns": "title",
        "audio": "sounds of 0.15 s, 8,000 samples a second",
    }
    assert said[kind] in report


@pytest.mark.slow
def test_two_texts_and_a_number_beat_each_alone(tmp_path: Path) -> None:
    made = texts_and_columns(tmp_path)
    train = {"epochs": 15, "seeds": 2, "batch_size": 16, "learning_rate": 0.02}
    found = {}
    for inputs in (["title", "body", "pages"], ["title"], ["body"], ["pages"], ["title", "body"]):
        texts = [name for name in inputs if name != "pages"]
        data = made["data"] | {"features": inputs} | ({"text": texts} if texts else {"text": None})
        one = planned(tmp_path / "-".join(inputs), {"data": data, "train": train})
        metrics = one.tables()["metrics"].merge(one.tables()["trials"], on="trial_id")
        test = metrics[(metrics["stage"] == "final") & (metrics["part"] == "test") & (metrics["metric"] == "accuracy")]
        found["+".join(inputs)] = test["value"].mean()
    best = found.pop("title+body+pages")
    print({"title+body+pages": best, **found})
    assert best > 0.95 and max(found.values()) < 0.9
