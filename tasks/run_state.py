"""The state of a run, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.errors import BadInput
from tasks.records.stage_records import StageRecord, StageRecords
from tasks.records.validation import CheckResult, Validation
from tasks.run_folder import held_by_another

Ended = Literal["finished", "blocked", "failed", "stopped", "running", "killed", "unknown"]


@dataclass(frozen=True)
class RunState:
    """The state of a run.

    Args:
        ended: `finished`; `blocked` by its data; `failed` with an error; `stopped` by Ctrl-C; still `running` in
            another process; `killed`: a stage began, but no process is working on it; `unknown`: the folder holds no
            record of stages.
        stage: The stage at which it ended, or is; None where that is not known.
        reason: Why it failed or was blocked; empty otherwise.
    """

    ended: Ended
    stage: str | None = None
    reason: str = ""

    @property
    def phrase(self) -> str:
        """`blocked by its data: ...`, `failed in train: ...`, `killed in train`."""
        if self.ended == "blocked":
            return f"blocked by its data: {self.reason}"
        if self.ended == "unknown":
            return "not finished"
        where = f" in {self.stage}" if self.stage else ""
        return f"{self.ended}{where}{f': {self.reason}' if self.reason else ''}"


def state_of(folder: Path) -> RunState:
    """Reads the state from `stages.json`, validation.json and the lock of a run's folder."""
    stages = _stages(folder)
    if not stages:
        return RunState("unknown")
    if "report" in stages and stages["report"].status == "done":
        return RunState("finished", "report")
    begun = [name for name, record in stages.items() if record.status != "done"]
    last = begun[-1] if begun else list(stages)[-1]
    record = stages[last]
    if held_by_another(folder):
        return RunState("running", last)
    if record.status != "failed":
        return RunState("killed", last)
    blocking = _blocking(folder) if last == "validate" else []
    if blocking:
        return RunState("blocked", last, " ".join(result.message for result in blocking))
    reason = record.reason or ""
    if reason in ("KeyboardInterrupt", "SystemExit"):
        return RunState("stopped", last)
    return RunState("failed", last, reason)


def _blocking(folder: Path) -> list[CheckResult]:
    try:
        validation = Validation.read_if_there(folder)
    except BadInput:
        return []
    return validation.blocking if validation else []


def _stages(folder: Path) -> Mapping[str, StageRecord]:
    try:
        records = StageRecords.read_if_there(folder)
    except (OSError, BadInput):
        return {}
    return records.stages if records else {}
