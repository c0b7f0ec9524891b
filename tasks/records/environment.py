"""environment.json: the machine and software of a run, and the command that started it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from tasks.records.documents import OMITTED, RunDocument


@dataclass(frozen=True)
class Revision:
    """The commit of this project, and whether its files were changed since."""

    commit: str
    changed: bool = False


@dataclass(frozen=True, kw_only=True)
class Environment(RunDocument):
    """What a reader needs to repeat the run.

    Args:
        python, platform: Their versions.
        cpus, memory_bytes: Of the machine; None: not known.
        versions: Versions of packages, by name.
        command: The command as a shell takes it.
        overrides: `KEY=VALUE`, as `--set` takes them.
        git: None where it ran from an installed package.
        started, ended: UTC, ISO 8601. None: not known; for `ended` also: the run still goes on, or was killed.
    """

    python: str = ""
    platform: str = ""
    cpus: int | None = None
    memory_bytes: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    overrides: Sequence[str] = ()
    git: Revision | None = None
    started: str | None = None
    ended: Annotated[str | None, OMITTED] = None

    FILE: ClassVar[str] = "environment.json"
