"""What models take: fronts, how gates on it read, and what a run of several architectures says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import figures, tables
from tasks.evaluation.footprint import at_footprint_gate, front
from tasks.evaluation.gates import judge_gate
from tasks.execution import footprints
from tasks.execution.footprints import latencies, spread
from tasks.records.footprint import Footprint, Latency
from tests.runs import planned

NETWORK = Footprint(
    trial_id="t",
    parameters=1091,
    model_bytes=12345,
    latency_ms={"64": Latency(median=5.0, low=4.0, high=8.0, calls=90)},
)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(models: list[tuple[int, int]]) -> None:
    sizes = {str(place): size for place, (size, _) in enumerate(models)}
    worth = {str(place): float(value) for place, (_, value) in enumerate(models)}
    kept = front(sizes, worth)

    def dominates(one: str, other: str) -> bool:
        no_worse = sizes[one] <= sizes[other] and worth[one] >= worth[other]
        return no_worse and (sizes[one], worth[one]) != (sizes[other], worth[other])

    assert sorted(kept) == sorted(name for name in sizes if not any(dominates(other, name) for other in sizes))


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=400), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_brackets_of_a_latency_hold_that_share_of_calls(taken: list[float], confidence: float) -> None:
    found = spread(taken, confidence)
    assert found.low <= found.median <= found.high
    beyond = round((1 - confidence) / 2 * len(taken), 9)
    assert sum(each < found.low for each in taken) <= beyond
    assert sum(each > found.high for each in taken) <= beyond


def test_models_are_called_in_turn_after_calls_that_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprints, "_BURST", 1e-9)
    monkeypatch.setattr(footprints, "_ROUND", 0.0)
    called: list[str] = []
    found = latencies({name: lambda name=name: called.append(name) for name in "ab"}, 0.95)  # type: ignore[misc]
    assert called[:4] == ["a", "a", "b", "b"]
    assert [name for name, _ in itertools.groupby(called[4:])] == ["a", "b"] * 15
    assert {name: each.calls for name, each in found.items()} == {name: called.count(name) - 2 for name in "ab"}


@pytest.mark.parametrize(
    ("gate", "answer", "sentence"),
    [
        (
            {"metric": "parameters", "at_most": 1000},
            "fail",
            "Number of parameters is 1,091: it should be at most 1,000.",
        ),
        (
            {"metric": "model_bytes", "at_most": 12345},
            "pass",
            "Size of the saved model is 12.345 kB: at most 12.345 kB, as required.",
        ),
        (
            {"metric": "latency_ms", "at_most": 7.5, "batch": 64},
            "undecided",
            "Latency of 64 rows is 5.0 [4.0, 8.0] ms on the machine that computed the verdict (brackets: 95% of 90 "
            "calls): whether it is at most 7.5 ms can't be told.",
        ),
    ],
)
def test_a_gate_reads_well(gate: dict[str, Any], answer: str, sentence: str) -> None:
    found = judge_gate({**gate, "severity": "warn"}, *at_footprint_gate(gate, "t", _measures(NETWORK), 0.95))
    assert (found.answer, found.sentence) == (answer, sentence)


@pytest.mark.parametrize(
    ("metric", "trial", "models", "said"),
    [
        ("parameters", "t", [Footprint(trial_id="t", parameters=None, model_bytes=9)], "only networks have parameters"),
        ("latency_ms", "majority class", [], "no such model is saved"),
        ("model_bytes", None, [], "there is no model"),
    ],
)
def test_a_figure_that_is_not_there_leaves_its_gate_open(
    metric: str, trial: str | None, models: list[Footprint], said: str
) -> None:
    gate = {"metric": metric, "at_most": 5, "severity": "block"}
    found = judge_gate(gate, *at_footprint_gate(gate, trial, _measures(*models), 0.95))
    assert found.answer == "undecided"
    assert f" is undefined here ({said}" in found.sentence


def _measures(*models: Footprint) -> Any:
    def measure(trials: Sequence[str], batches: Sequence[int]) -> Mapping[str, Footprint]:
        return {each.trial_id: each for each in models if each.trial_id in trials}

    return measure


WINE: dict[str, Any] = {"data": {"source": "wine"}, "train": {"epochs": 30, "seeds": 3}}


def test_architectures_are_compared_by_what_they_take(tmp_path: Path) -> None:
    """A linear model has 13 * 3 + 3 parameters, one with 64 hidden units 13 * 64 + 64 + 64 * 3 + 3."""
    gates = [
        {"metric": "parameters", "at_most": 10_000},
        {"metric": "model_bytes", "at_most": 100},
        {"metric": "latency_ms", "at_most": 600_000, "batch": 64},
        {"metric": "latency_ms", "at_least": 600_000},
    ]
    spec = {**WINE, "compare": {"model": ["linear", {"mlp": {"hidden": [64]}}]}, "gates": gates}
    one = planned(tmp_path, spec)
    frames = one.tables()
    verdict = one.judge(frames)
    found = verdict.footprints
    assert found is not None and verdict.shipped is not None
    assert [gate.answer for gate in verdict.gates] == ["pass", "fail", "pass", "fail"]
    assert verdict.decision.reason.startswith(
        "the gate size of the saved model at most 0.1 kB and the gate latency of one"
    )
    models = {each.trial_id: each for each in found.models}
    assert sorted(each.parameters or 0 for each in models.values()) == [42, 1091]
    shipped = models[verdict.shipped.trial_id]
    assert shipped.model_bytes == pytest.approx((tmp_path / "model/model.keras").stat().st_size, abs=200)
    assert set(shipped.latency_ms) == {"1", "64", "256"}
    if verdict.tied and shipped.parameters == 1091:
        smaller = "adam · linear can't be told from adam · mlp (hidden [64]) and is smaller: 42 parameters, not 1,091."
        assert found.smaller is not None and found.smaller.startswith(smaller)
        assert found.smaller in verdict.next
    shown = tables.footprints(verdict, one.plan)
    assert "1&#44;091" in shown and "Latency of 256 rows" in shown
    cells = re.findall(r'<td class="number">(.*?)</td>', shown)
    bold = [cell.startswith("<b>") for cell in cells]
    assert len(bold) == 10 and bold[1:3] == [True, True]  # the smallest is on both fronts, whatever it is worth
    charts = figures.footprints(verdict, one.plan)
    assert list(charts) == ["Parameters", "Size", "Latency of one row", "Latency of 256 rows"]
    again = one.judge(frames)
    assert again == verdict  # times are kept, so this is no further look at the test rows


def test_of_one_architecture_nothing_is_timed_unless_a_gate_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters and size come from the model that is shipped anyway."""
    monkeypatch.setattr(footprints, "load_exported", lambda folder: pytest.fail("a model was loaded to be timed"))
    one = planned(tmp_path, {**WINE, "compare": {"optimizer": ["adam", "sgd"]}, "model": "linear"})
    verdict = one.judge(one.tables())
    found = verdict.footprints
    assert found is not None and found.fronts is None
    (model,) = found.models
    assert (model.parameters, model.latency_ms) == (42, {})
    assert model.model_bytes == (tmp_path / "model/model.keras").stat().st_size
    assert "has 42 parameters and takes " in tables.footprints(verdict, one.plan)
    assert figures.footprints(verdict, one.plan) == {}
