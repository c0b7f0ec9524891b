"""Runs on data that are larger than the memory given to them: from Parquet to the report, within a bound of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.run_folder import read_json
from tests.flows.command import PROJECT, bakeoff

SPEC = """
name: streamed
data: {source: rows, target: left, memory: 1 MB}
model: {kind: mlp, hidden: [4]}
train: {epochs: 1, seeds: 2, batch_size: 256}
compare: {optimizer: [sgd, adam]}
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a folder of two files, 120,000 rows of 60 columns (three windows of training rows), and the spec."""
    folder = tmp_path_factory.mktemp("spec")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{index}": rng.normal(size=120_000) for index in range(60)})
    frame["left"] = np.where(frame["x0"] + frame["x1"] + rng.normal(size=len(frame)) > 0, "yes", "no")
    (folder / "rows").mkdir()
    frame[:70_000].to_parquet(folder / "rows" / "a.parquet", index=False)
    frame[70_000:].to_parquet(folder / "rows" / "b.parquet", index=False)
    (folder / "streamed.yaml").write_text(SPEC, encoding="utf-8")
    return folder / "streamed.yaml"


@pytest.mark.slow
def test_check_says_that_rows_are_streamed_and_how_they_are_shuffled(spec: Path, tmp_path: Path) -> None:
    checked = bakeoff("check", spec, home=tmp_path)
    assert checked.returncode == 0, checked.stderr
    said = " ".join(checked.stdout.split())
    assert "rows streamed from disk" in said
    assert "shuffled in every epoch by blocks of 1,092 rows in windows of 32" in said
    assert "inputs are validated on a random sample of the rows" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_ends_with_its_report_and_another_uses_its_rows_again(spec: Path, tmp_path: Path) -> None:
    curves, written = [], []
    for _ in range(2):
        run = bakeoff("run", spec, home=tmp_path)
        assert run.returncode == 0, run.stderr
        report = Path(run.stdout.splitlines()[-1])
        page = " ".join(unescape(report.read_text(encoding="utf-8")).split())
        plan = read_json(report.parent / "plan.json")
        assert "in every epoch by blocks of 1,092 rows in windows of 32" in page
        assert "Inputs were checked on a random sample of" in page and "stand for the training part" in page
        metrics = pd.read_parquet(report.parent / "metrics.parquet")
        rows = metrics[metrics["metric"] == "accuracy"].groupby("part")["rows"].agg(["min", "max"])
        assert rows.loc["test"].tolist() == [plan["parts"]["test"]] * 2
        assert rows.loc["train", "max"] < plan["parts"]["train"] / 2
        curves.append(pd.read_parquet(report.parent / "curves.parquet"))
        (kept,) = (tmp_path / "cache" / "streamed").iterdir()
        written.append({path.name: path.stat().st_mtime_ns for path in kept.iterdir()})
    assert written[0] == written[1] and set(written[0]) == {"train.parquet", "val.parquet", "test.parquet"}
    pd.testing.assert_frame_equal(*curves)


PEAK = """
import json, resource, sys
from pathlib import Path
from flows.environment import quieten
quieten()
from tasks.datasets.load import load_dataset
from tasks.datasets.splits import split_rows
from tasks.planning.plan import lay_out
from tasks.planning.trials import bind_trial
from tasks.inputs.prepared import prepare
from tasks.spec.load import parse_spec
from tasks.training.stack import train_stack

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def train(source):
    data = {"source": source, "target": "y", "memory": "20 MB"}
    training = {"epochs": 1, "batch_size": 1024, "seeds": 2}
    spec = parse_spec({"data": data, "model": {"kind": "mlp", "hidden": [8]}, "train": training})
    dataset = load_dataset(spec.data, home=Path(sys.argv[1]))
    prepared = prepare(dataset, split_rows(dataset, spec.data.split))
    parts = {part: len(rows) for part, rows in prepared.rows.items()}
    plan = lay_out(spec, dataset, parts, prepared.features.shape[1:])
    trials = [bind_trial(each, plan.variant(each.variant_id)) for each in plan.trials]
    outcomes = train_stack(trials, prepared.arrays())
    assert all(outcome.status == "ok" for outcome in outcomes)
    return plan.data.streamed, dataset.rows

train(sys.argv[2])  # TensorFlow, and the stack's own buffers
before = peak()
streamed, rows = train(sys.argv[3])
print(json.dumps({"streamed": streamed, "rows": rows, "growth": peak() - before}))
"""


@pytest.mark.slow
def test_memory_stays_far_below_the_size_of_the_data(tmp_path: Path) -> None:
    """The data are 350,000 rows of 150 columns: 420 MB of decoded numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, names = np.random.default_rng(0), [f"x{index}" for index in range(150)]

    def rows(count: int) -> pa.Table:
        inputs = rng.normal(size=(count, len(names)))
        columns = {name: inputs[:, index] for index, name in enumerate(names)}
        return pa.table({**columns, "y": (inputs[:, 0] > 0).astype(np.int64)})

    pq.write_table(rows(20_000), tmp_path / "small.parquet")
    with pq.ParquetWriter(tmp_path / "large.parquet", rows(1).schema) as writer:
        for _ in range(10):
            writer.write_table(rows(35_000))
    paths = [str(tmp_path / name) for name in ("home", "small.parquet", "large.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *paths], cwd=PROJECT, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["streamed"] and answer["rows"] == 350_000
    assert answer["growth"] < 0.5 * 350_000 * 151 * 8, f"{answer['growth'] / 1e6:.0f} MB"
