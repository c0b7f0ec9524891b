"""stages.json: the status of each stage of a run, in the order they ran."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tasks.records.documents import OMITTED, Number, RunDocument


@dataclass(frozen=True)
class StageRecord:
    """One stage.

    Args:
        status: A killed run leaves `running`, too.
        started: UTC, ISO 8601.
        reason: Why it failed.
        seconds: The time that it took; None while it runs.
    """

    status: Literal["running", "done", "failed"]
    started: str = ""
    reason: Annotated[str | None, OMITTED] = None
    seconds: Annotated[Number | None, OMITTED] = None


@dataclass(frozen=True)
class StageRecords(RunDocument):
    """The records of all stages, by name."""

    stages: Mapping[str, StageRecord] = field(default_factory=dict)

    FILE: ClassVar[str] = "stages.json"


class Stages:
    """Writes the record of a run while its stages run."""

    def __init__(self, folder: Path) -> None:
        """Goes on with an earlier record. A new record is written at once, since it marks the folder as that of a
        run."""
        self._folder = folder
        earlier = StageRecords.read_if_there(folder)
        self._records = dict(earlier.stages) if earlier else {}
        if earlier is None:
            self._write()

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Records that stage `name` runs, then that it is `done` or `failed` (with the reason)."""
        begun = time.monotonic()
        record = StageRecord("running", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self._put(name, record)
        try:
            yield
        except BaseException as error:
            reason = str(error) or type(error).__name__
            self._put(name, replace(record, status="failed", reason=reason, seconds=_since(begun)))
            raise
        self._put(name, replace(record, status="done", seconds=_since(begun)))

    def _put(self, name: str, record: StageRecord) -> None:
        self._records[name] = record
        self._write()

    def _write(self) -> None:
        StageRecords(self._records).write(self._folder)


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)
