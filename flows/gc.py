"""`bakeoff gc`: what of a home folder can go, and its removal."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.run_folder import held_by_another, is_half_written, read_json
from tasks.run_state import state_of

_DAY = 24 * 3600.0
_TEMPORARY = ("bakeoff-report-", "bakeoff-quarto-", "bakeoff-pandoc-", "bakeoff-kernel-")
"""Beginnings of folders that are removed by who made them, unless that was killed."""


@dataclass(frozen=True)
class Removable:
    """A file or folder that can go.

    Args:
        why: In a few words.
        size: Bytes.
        files: Where not all of a folder can go, what can.
    """

    path: Path
    why: str
    size: int
    files: Sequence[Path] = ()


def removable(home: Path, keep: int) -> list[Removable]:
    """What `--yes` would remove, runs first. Never a run that a process holds or that is a champion's, nor anything
    under `champions/`.

    Args:
        keep: So many of the newest runs stay.
    """
    runs = _runs(home)
    champions = _champions(home)
    old = [run for run in runs[keep:] if run.name not in champions and state_of(run).ended != "running"]
    kept = [run for run in runs if run not in old]
    found = [(run, f"not among the newest {keep} runs") for run in old]
    found += _unreferenced(home, kept)
    found += [(path, "left by a process that was killed") for path in _left_over(home, kept)]
    return [*(Removable(path, why, _size(path)) for path, why in found), *_trained(home, kept)]


def remove(things: Sequence[Removable]) -> None:
    """Removes them. What is gone already, or can't be removed, is passed over."""
    for each in things:
        for file in each.files:
            with suppress(OSError):
                file.unlink()
        if each.files:
            continue
        if each.path.is_dir() and not each.path.is_symlink():
            shutil.rmtree(each.path, ignore_errors=True)
        else:
            with suppress(OSError):
                each.path.unlink()


def _runs(home: Path) -> list[Path]:
    """Run folders, the newest first. Their names begin with date and time."""
    found = [path for path in (home / "runs").glob("*") if (path / "stages.json").is_file() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.name, reverse=True)


def _champions(home: Path) -> str:
    """The text of all that stands under `champions/`, links included: a run that is named in it stays."""
    said = []
    for path in (home / "champions").rglob("*"):
        said.append(str(path.readlink()) if path.is_symlink() else path.name)
        if path.suffix in (".json", ".yaml") and path.is_file():
            said.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(said)


def _unreferenced(home: Path, kept: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Data sets that no kept run names, and copies that were not used since the oldest kept run began."""
    sources = {_source(run) for run in kept}
    for path in sorted((home / "cache" / "datasets").glob("*")):
        if path.name not in sources:
            yield path, "a data set that no kept run names; it is downloaded again when one does"
    begun = _oldest(kept)
    for kind in ("streamed", "augmented", "xla"):
        for path in sorted((home / "cache" / kind).glob("*")):
            if _used(path) < begun:
                yield path, "not used since the oldest kept run; it is made again when needed"


def _trained(home: Path, kept: Sequence[Path]) -> Iterator[Removable]:
    """Trained trials that no kept run trained or reused, as one: there may be thousands of them. Their time is that of
    their last use by a run, not by who copies the folder."""
    folder, begun = home / "cache" / "trials", _oldest(kept)
    files = [path for path in sorted(folder.glob("*")) if path.stat().st_mtime < begun]
    if files:
        said = f"{len(files):,} trained {'trial' if len(files) == 1 else 'trials'} not used since the oldest kept run"
        yield Removable(folder, f"{said}; trained again when needed", sum(map(_size, files)), files)


def _oldest(kept: Sequence[Path]) -> float:
    """When the oldest kept run began; without any, now."""
    return min((_began(run) for run in kept), default=time.time())


def _used(path: Path) -> float:
    """When a file, or one of a folder, was last written or read; a folder's own reading is ours."""
    files = [each.stat() for each in [path, *path.rglob("*")] if each.is_file()]
    return max([path.stat().st_mtime, *(time for each in files for time in (each.st_mtime, each.st_atime))])


def _source(run: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        plan: dict[str, Any] = read_json(run / "plan.json")
        return str(plan["spec"]["data"]["source"])
    return ""


def _began(run: Path) -> float:
    """When a run began: the time of its spec, which is written first. Local names of folders change with the clock."""
    path = run / "spec.yaml"
    return path.stat().st_mtime if path.is_file() else run.stat().st_mtime


def _left_over(home: Path, kept: Sequence[Path]) -> Iterator[Path]:
    yesterday = time.time() - _DAY
    for path in sorted(home.glob(".check-*")):
        if path.stat().st_mtime < yesterday:
            yield path
    for path in sorted(Path(tempfile.gettempdir()).glob("bakeoff-*-*")):
        facts = path.lstat()
        ours = path.name.startswith(_TEMPORARY) and facts.st_uid == os.getuid() and not path.is_symlink()
        if ours and facts.st_mtime < yesterday:
            yield path
    for run in kept:
        if not held_by_another(run):
            yield from (path for path in sorted([*run.glob(".*"), *run.glob("*/.*")]) if is_half_written(path))


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    return sum(each.lstat().st_size for each in files)
