"""Which gates close a run under `--fail-on-gate`, and the command's exit code then."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from pathlib import Path

import pytest
import typer

import flows.bakeoff
from flows.bakeoff import GateFailed, RunRequest, refuse_closed_gates
from flows.console import run_with_progress
from tasks.records.verdict import Shipped
from tests.verdicts import gate_of, verdict_of

ANSWERS, SEVERITIES = ("pass", "fail", "undecided"), ("block", "warn")


SHIPPED = Shipped(trial_id="t", recipe_id="r", seed=0, metrics={})


def write_verdict(folder: Path, *gates: tuple[str, str], shipped: Shipped | None = SHIPPED) -> Path:
    verdict_of(gates=[gate_of(*gate) for gate in gates], shipped=shipped).write(folder)
    return folder


@pytest.mark.parametrize(("answer", "severity"), list(itertools.product(ANSWERS, SEVERITIES)))
def test_a_blocking_gate_must_pass(tmp_path: Path, answer: str, severity: str) -> None:
    """Undecided is not good enough: nobody knows whether the model is."""
    write_verdict(tmp_path, (answer, severity))
    if severity == "block" and answer != "pass":
        with pytest.raises(GateFailed, match=f"^{answer} block.$"):
            refuse_closed_gates(tmp_path)
    else:
        refuse_closed_gates(tmp_path)


def test_a_gate_does_not_open_for_nothing(tmp_path: Path) -> None:
    """A network that did not learn may pass a gate; it is not shipped."""
    with pytest.raises(GateFailed, match="Every recipe diverged"):
        refuse_closed_gates(write_verdict(tmp_path, ("pass", "block"), shipped=None))
    refuse_closed_gates(write_verdict(tmp_path, ("pass", "warn"), shipped=None))


@pytest.mark.parametrize("closed", ["fail", "undecided"])
def test_one_closed_gate_among_several_is_enough(tmp_path: Path, closed: str) -> None:
    write_verdict(tmp_path, ("pass", "block"), ("fail", "warn"), (closed, "block"), ("undecided", "warn"))
    with pytest.raises(GateFailed, match=f"^{closed} block.$"):
        refuse_closed_gates(tmp_path)


def test_no_gates_close_nothing(tmp_path: Path) -> None:
    refuse_closed_gates(write_verdict(tmp_path))


@pytest.mark.parametrize(("fail_on_gate", "code"), [(True, 3), (False, 0)])
def test_the_command_exits_with_three_only_where_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_on_gate: bool, code: int
) -> None:
    """The flow is replaced by its end; the exit code is the command's own."""
    write_verdict(tmp_path, ("undecided", "block"))

    def ends(request: RunRequest) -> str:
        if request.fail_on_gate:
            refuse_closed_gates(tmp_path)
        return str(tmp_path)

    monkeypatch.setattr(flows.bakeoff, "bakeoff", ends)
    monkeypatch.setattr("flows.orchestration.api", lambda home: nullcontext(lambda: None))
    monkeypatch.setattr("flows.console.show_result", lambda folder: None)
    found = 0
    try:
        run_with_progress(
            experiment="digits", overrides=[], home=tmp_path, run_dir=None, start="load", fail_on_gate=fail_on_gate
        )
    except typer.Exit as end:
        found = end.exit_code
    assert found == code
