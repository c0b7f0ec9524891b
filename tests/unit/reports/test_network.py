"""The section that looks into networks."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reports import figures, network
from reports.run import read_run
from tasks.records.inspection import Filters, HiddenUnits, LayerWeights, NetworkWeights
from tests.runs import WINE, planned
from tests.synthetic_inspection import write_synthetic_inspection
from tests.synthetic_run import write_synthetic_run


def test_plain_descent_on_all_rows_steps_by_its_learning_rate(tmp_path: Path) -> None:
    train = {"optimizer": "sgd", "learning_rate": 0.001, "batch_size": 178, "epochs": 4, "seeds": 2}
    run = planned(tmp_path, WINE | {"model": {"mlp": {"hidden": [8]}}, "train": train})
    run.judge(run.tables())
    read = read_run(tmp_path)
    (chart,) = figures.steps(read.curves, read.trials, read.plan, read.verdict).values()
    rows = pd.DataFrame(chart.data.values)
    assert set(rows["layer"]) == {"dense_1", "output"}
    assert rows["rate"].to_numpy() == pytest.approx(0.001, rel=0.02)


def test_the_section_says_what_it_shows_and_how_many_weights_are_zero(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path)
    write_synthetic_inspection(tmp_path)
    run = read_run(tmp_path)
    assert run.inspection is not None
    learned = NetworkWeights(
        layers=[LayerWeights(name="dense_1", weights=6, zeros=2, edges=[-1.0, 0.0, 1.0], counts=[2, 4])],
        left_out=1,
        filters=Filters(picture="filters.png", shown=64, units=100, colours=False),
    )
    run = replace(run, inspection=replace(run.inspection, network=learned), pictures={"filters.png": b"png"})
    assert network.has_layers(run)
    said = html.unescape("".join(part(run) for part in network.PARTS.values()))
    assert "Exactly 0 are 2 of 6 in dense_1." in said
    assert "1 layer in the middle is left out." in said
    assert "The 64 units with the largest weights, of the first layer's 100" in said
    without = replace(run, inspection=None)
    assert "".join(part(without) for name, part in network.PARTS.items() if name != "steps of layers") == ""


def test_the_unit_that_adds_most_is_said_in_words_and_all_are_drawn(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path)
    write_synthetic_inspection(tmp_path)
    run = read_run(tmp_path)
    assert run.inspection is not None
    hidden = HiddenUnits(units=2, rows=9, outputs=["<yes>", "no"], active=[0.0, 0.5], added=[[0.0, 0.0], [2.0, -1.5]])
    learned = NetworkWeights(layers=[], left_out=0, filters=None, hidden=hidden)
    run = replace(run, inspection=replace(run.inspection, network=learned))
    said = network.PARTS["hidden"](run)
    assert "<yes>" not in said
    assert "Unit 2 adds most: it answers in 50% of the rows" in html.unescape(said)
    assert "raises <yes> by 2 and lowers no by 1.5." in html.unescape(said)
    assert "1 of 2 shown never answer." in html.unescape(said)
    chart = figures.units(hidden)
    assert pd.DataFrame(chart.data.values)["added"].tolist() == [0.0, 0.0, 2.0, -1.5]
