"""The experiments that come with the project: YAML files, found by name."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.errors import BadInput, nearest


def shipped() -> dict[str, Path]:
    """Returns the shipped experiments: name to file."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def find(experiment: str) -> Path:
    """Returns the file of an experiment, which is given as a shipped experiment's name or as a path.

    Raises:
        BadInput: there is neither.
    """
    known = shipped()
    if experiment in known:
        return known[experiment]
    if os.path.isfile(experiment):  # noqa: PTH113 - unlike Path.is_file, False for an impossible name too
        return Path(experiment)
    raise BadInput(
        "no such experiment",
        where="SPEC",
        got=experiment,
        accepted=f"a YAML file, or a shipped experiment: {nearest(experiment, known)}",
    )
