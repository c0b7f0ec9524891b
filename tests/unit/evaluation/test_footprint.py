"""What models take: the interval of a latency, gates, and the small models that are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from reports import figures, tables
from tasks.evaluation.footprint import median
from tests.runs import planned


@pytest.mark.parametrize(("n", "k"), [(6, 1), (20, 6), (100, 40)])
def test_the_interval_of_a_median_is_that_of_order_statistics(n: int, k: int) -> None:
    """Ranks from the tables of the sign test, at 95%."""
    found = median(np.arange(1.0, n + 1)[::-1], 0.95)
    assert (found.low, found.high) == (k, n + 1 - k)
    assert 1 - 2 * binom.cdf(k - 1, n, 0.5) >= 0.95 > 1 - 2 * binom.cdf(k, n, 0.5)


def test_too_few_calls_have_no_interval() -> None:
    found = median([1.0, 2.0, 3.0, 4.0, 5.0], 0.95)
    assert (found.mean, found.low, found.high, found.reason) == (3, None, None, "5 calls are too few")


def test_gates_and_the_smaller_model(tmp_path: Path) -> None:
    """A linear model has 13 * 3 + 3 parameters, one with 64 hidden units 13 * 64 + 64 + 64 * 3 + 3."""
    gates = [
        {"metric": "parameters", "at_most": 10_000},
        {"metric": "model_bytes", "at_most": 100},
        {"metric": "latency_ms", "at_most": 60_000, "batch": 64},
        {"metric": "latency_ms", "at_least": 60_000},
    ]
    spec = {
        "data": {"source": "wine"},
        "train": {"epochs": 30, "seeds": 3},
        "compare": {"model": ["linear", {"mlp": {"hidden": [64]}}]},
        "gates": gates,
    }
    one = planned(tmp_path, spec)
    frames = one.tables()
    verdict = one.judge(frames)
    found = verdict.footprints
    assert found is not None and verdict.shipped is not None
    assert [gate.answer for gate in verdict.gates] == ["pass", "fail", "pass", "fail"]
    models = {each.trial_id: each for each in found.models}
    assert sorted(each.parameters or 0 for each in models.values()) == [42, 1091]
    shipped = models[verdict.shipped.trial_id]
    assert shipped.model_bytes == pytest.approx((tmp_path / "model/model.keras").stat().st_size, abs=200)
    assert verdict.gates[0].sentence == f"Parameters: {shipped.parameters:,}: at most 10,000, as required."
    assert verdict.gates[2].sentence.startswith("Latency in ms for 64 rows is ")
    assert set(shipped.latency_ms) == {"1", "64", "256"}
    assert "test rows (now" not in json.dumps([verdict.decision.reason, *verdict.next])
    smaller = "adam · linear can't be told from adam · mlp (hidden [64]) and is smaller: 42 parameters, not 1,091"
    if verdict.tied and shipped.parameters == 1091:
        assert found.smaller is not None and found.smaller.startswith(smaller)
    assert "1&#44;091" in tables.footprints(verdict, one.plan)
    assert list(figures.footprints(verdict, one.plan)) == ["Size"]
    again = one.judge(frames)
    assert again == verdict  # times are kept, so this is no further look at the test rows
