"""`bakeoff gc`: finds what can go from a home folder, and removes it."""

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
"""Prefixes of temporary folders. The process that made such a folder removes it, unless it is killed."""


@dataclass(frozen=True)
class Removable:
    """A file or folder that can go.

    Args:
        why: The reason, in a few words.
        size: Bytes.
        files: The files that go, where the rest of a folder stays.
    """

    path: Path
    why: str
    size: int
    files: Sequence[Path] = ()


def removable(home: Path, keep: int) -> list[Removable]:
    """Returns what `--yes` would remove, runs first. Never contains a running run, the run of a champion, or anything
    under `champions/`.

    Args:
        keep: Number of the newest runs that stay.
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
    """Removes the things. Skips those that are gone already or can't be removed."""
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
    """Returns the run folders, the newest first. Their names begin with date and time."""
    found = [path for path in (home / "runs").glob("*") if (path / "stages.json").is_file() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.name, reverse=True)


def _champions(home: Path) -> str:
    """Returns the names, link targets, and JSON and YAML texts under `champions/`, joined. A run that is named in them
    stays."""
    said = []
    for path in (home / "champions").rglob("*"):
        said.append(str(path.readlink()) if path.is_symlink() else path.name)
        if path.suffix in (".json", ".yaml") and path.is_file():
            said.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(said)


def _unreferenced(home: Path, kept: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yields data sets that no kept run names, and cached copies not used since the oldest kept run began; each with
    the reason."""
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
    """Yields the trained trials that no kept run trained or reused, as one entry: there may be thousands of them. Each
    run sets the modification time of a trial that it uses; a mere copying of the folder does not."""
    folder, begun = home / "cache" / "trials", _oldest(kept)
    files = [path for path in sorted(folder.glob("*")) if path.stat().st_mtime < begun]
    if files:
        said = f"{len(files):,} trained {'trial' if len(files) == 1 else 'trials'} not used since the oldest kept run"
        yield Removable(folder, f"{said}; trained again when needed", sum(map(_size, files)), files)


def _oldest(kept: Sequence[Path]) -> float:
    """Returns when the oldest kept run began, in seconds since 1970; now, if no run is kept."""
    return min((_began(run) for run in kept), default=time.time())


def _used(path: Path) -> float:
    """Returns when a file, or any file of a folder, was last written or read. A folder's own access time does not
    count, since this function itself reads the folder."""
    files = [each.stat() for each in [path, *path.rglob("*")] if each.is_file()]
    return max([path.stat().st_mtime, *(time for each in files for time in (each.st_mtime, each.st_atime))])


def _source(run: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        plan: dict[str, Any] = read_json(run / "plan.json")
        return str(plan["spec"]["data"]["source"])
    return ""


def _began(run: Path) -> float:
    """Returns when a run began: the time of its spec, which is written first. Folder names hold local time, which
    changes with the clock."""
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
