"""Compiled programs of earlier runs, under `cache/xla` of the home folder: XLA's persistent cache, with what it lacks.

XLA writes each program that it compiles to a folder, and reads it from there in place of compiling it. By itself it
ends a run where such a file was cut off, runs what stands in one whose bits were changed, and asks neither for which
processor a program was made nor under which settings. So XLA is given a folder of the process's own. It holds copies of
the sealed files that earlier runs kept for this machine, checked as they are copied; what XLA adds there is kept, when
the run ends, for those to come.

Without a program a run compiles it: no number and no plan depends on what lies here.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tasks.run_folder import is_half_written, private_folder
from tasks.sealed import read_sealed, write_sealed
from tasks.training.naming import never_found

FOLDER = "xla"
"""Below `cache/` of the home folder; in it a folder for each machine."""
LIMIT = 128 * 2**20
"""Bytes that are kept for a machine, of about 0.4 MB a program: what was used longest ago goes first. Reading as much
takes a third of a second."""

_PROCESSOR = Path("/proc/cpuinfo")
_OF_PROCESSOR = re.compile(
    r"^(vendor_id|cpu family|model|model name|stepping|flags|Features|CPU \w+)\s*:.*$", re.MULTILINE
)
_OF_COMPILING = ("TF_", "XLA_", "ONEDNN_", "DNNL_", "OMP_", "MKL_", "KMP_")
"""Beginnings of the environment variables that may change what is compiled."""
_OURS = re.compile(
    r" ?--tf_xla_persistent_cache_directory='[^']*/\.open\.\d+' --tf_xla_persistent_cache_device_types=CPU"
)
"""In the flags of a process that another one of ours started."""


@dataclass(frozen=True)
class _Open:
    """The cache of this process.

    Args:
        kept: Sealed files, for all processes of this machine.
        own: The folder that XLA reads and writes.
        process: Whose it is: a fork of it has none.
    """

    kept: Path
    own: Path
    process: int


_opened: list[_Open] = []


def open_cache(home: Path) -> None:
    """Lets XLA find what earlier runs of a home folder compiled. Without effect once TensorFlow is loaded, where the
    machine can't be told, where the user has a persistent cache of XLA's, and where the folder can't be written to."""
    flags = _OURS.sub("", os.environ.get("TF_XLA_FLAGS", ""))
    if _opened or "tensorflow" in sys.modules or "persistent_cache" in flags:
        return
    machine = _machine(flags)
    kept = home.resolve() / "cache" / FOLDER / (machine or "")
    if machine is None or "'" in str(kept):
        return
    own = kept / f".open.{os.getpid()}"
    try:
        private_folder(kept.parent)
        private_folder(kept)
        for left in kept.glob(".open.*"):
            if is_half_written(left) or left == own:
                shutil.rmtree(left, ignore_errors=True)
        private_folder(own)
        _copy_whole(kept, own)
    except OSError:
        return
    ours = f"--tf_xla_persistent_cache_directory='{own}' --tf_xla_persistent_cache_device_types=CPU"
    os.environ["TF_XLA_FLAGS"] = f"{flags} {ours}".strip()
    _opened.append(_Open(kept, own, os.getpid()))
    atexit.register(_close)


def keep_compiled() -> None:
    """Keeps what this process has compiled so far. Only while nothing compiles. A full disk costs the reuse, not the
    run."""
    for cache in _opened:
        if cache.process == os.getpid():
            with suppress(OSError):
                _keep(cache)


@contextmanager
def compiled_anew() -> Iterator[None]:
    """Within, this thread compiles what it needs, whatever earlier runs kept, and nothing of it is kept: so what is
    measured does not depend on them. Only while no other thread compiles."""
    before = {path for cache in _opened for path in cache.own.glob("*")}
    try:
        with never_found():
            yield
    finally:
        for path in [path for cache in _opened for path in cache.own.glob("*")]:
            if path not in before:
                path.unlink(missing_ok=True)


def _machine(flags: str) -> str | None:
    """A name for all that decides what XLA makes of a program: TensorFlow's version, the processor with its features,
    how many cores there are, and settings. None where the processor can't be told."""
    try:
        processor = sorted(set(_facts(_PROCESSOR.read_text(encoding="utf-8", errors="replace"))))
    except OSError:
        return None
    if not processor:
        return None
    versions = []
    for name in ("tensorflow", "tensorflow-cpu"):
        with suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    settings = {name: value for name, value in os.environ.items() if name.startswith(_OF_COMPILING)}
    settings = {name: value for name, value in settings.items() if not name.startswith("TF_CPP_")}  # what is logged
    settings["TF_XLA_FLAGS"] = shlex.join(shlex.split(flags))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [*versions, *processor, *(f"{name}={settings[name]}" for name in sorted(settings)), f"{cores} cores"]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _facts(processors: str) -> Iterator[str]:
    for found in _OF_PROCESSOR.finditer(processors):
        yield found[0]


def _copy_whole(kept: Path, own: Path) -> None:
    """Copies the programs that are whole, and removes the others. Their times are 0, so that a later one says that XLA
    has read the copy."""
    for path in kept.glob("[!.]*"):
        program = read_sealed(path)
        if program is None:
            path.unlink(missing_ok=True)
            continue
        copy = own / path.name
        copy.write_bytes(program)
        os.utime(copy, (0, 0))


def _keep(cache: _Open) -> None:
    for path in cache.own.glob("*"):
        facts, sealed = path.stat(), cache.kept / path.name
        if facts.st_mtime > 0 and not sealed.exists():
            write_sealed(sealed, path.read_bytes())
        elif facts.st_atime > 0:
            with suppress(FileNotFoundError):  # another run has cleaned up
                os.utime(sealed)
    newest = sorted(cache.kept.glob("[!.]*"), key=lambda path: path.stat().st_mtime, reverse=True)
    room = LIMIT
    for path in newest:
        room -= path.stat().st_size
        if room < 0:
            path.unlink(missing_ok=True)


def _close() -> None:
    for cache in _opened:
        if cache.process == os.getpid():
            shutil.rmtree(cache.own, ignore_errors=True)
