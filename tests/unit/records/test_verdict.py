"""verdict.json: what was read is written again byte for byte, and what is not a verdict is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import BadInput
from tasks.records.documents import as_json, document_of
from tasks.records.estimate import Estimate
from tasks.records.verdict import Verdict
from tests.synthetic_run import write_synthetic_run
from tests.verdicts import gate_of, verdict_of

RUNS: dict[str, dict[str, Any]] = {
    "classes": {"recipes": 8, "hostile": True},
    "values": {"task": "regression", "recipes": 3},
    "one recipe": {"recipes": 1, "seeds": 1, "gates": []},
    "augmented": {"recipes": 3, "augmented": True},
    "searched": {"recipes": 4, "search": 12},
}


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_a_verdict_that_was_read_is_written_as_it_was(tmp_path: Path, options: dict[str, Any]) -> None:
    run = write_synthetic_run(tmp_path / "run", **options)
    before = (run / "verdict.json").read_bytes()
    Verdict.read(run).write(run)
    assert (run / "verdict.json").read_bytes() == before


@given(st.from_type(Estimate))
def test_an_estimate_reads_as_it_was(estimate: Estimate) -> None:
    finite = all(end is None or abs(end) < float("inf") for end in (estimate.mean, estimate.low, estimate.high))
    if finite:
        assert document_of(as_json(estimate), Estimate) == estimate


def test_a_gate_names_one_threshold() -> None:
    (gate,) = as_json(verdict_of(gates=[gate_of("pass", "warn")]))["gates"]
    assert "at_most" not in gate and gate["at_least"] == 0.9
    assert (gate_of("pass", "warn").bound, gate_of("pass", "warn").threshold) == ("at_least", 0.9)


def test_a_run_without_a_search_has_no_such_key() -> None:
    assert "search" not in as_json(verdict_of())


def test_keys_of_a_later_version_are_left_out(tmp_path: Path) -> None:
    later = as_json(verdict_of()) | {"carbon": 3}
    (tmp_path / "verdict.json").write_text(json.dumps(later))
    assert Verdict.read(tmp_path) == verdict_of()


@pytest.mark.parametrize(
    ("text", "where", "got"),
    [
        ("not JSON", "verdict.json", "Invalid JSON"),
        ("[]", "verdict.json", "Input should be an object"),
        ('{"sentence": "adam wins."}', "verdict.json: metric", "Field required"),
        (json.dumps(as_json(verdict_of()) | {"confidence": "high"}), "verdict.json: confidence", "valid number"),
    ],
)
def test_what_is_not_a_verdict_is_refused(tmp_path: Path, text: str, where: str, got: str) -> None:
    (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(BadInput) as error:
        Verdict.read(tmp_path)
    assert error.value.where.endswith(where)
    assert got in error.value.got
    assert error.value.accepted and error.value.remedy


def test_a_number_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        verdict_of(confidence=float("nan")).write(tmp_path)
