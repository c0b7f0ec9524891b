"""Compiled programs of earlier runs, under `cache/xla` of the home folder: XLA's persistent cache, made safe.

XLA writes each program that it compiles to a folder, and reads it from there instead of compiling it again. By itself
XLA crashes the run where such a file was cut off, runs a file whose bits were changed, and checks neither the processor
nor the settings that a program was compiled for. So each process gives XLA a folder of its own. That folder holds
copies of the sealed files that earlier runs kept for this machine; they are checked while they are copied. When the run
ends, the programs that XLA added are kept for later runs.

Where a program is missing, the run compiles it: no result and no plan depends on this cache.
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
"""The most bytes that are kept for a machine (a program takes about 0.4 MB). What was used longest ago is removed
first. Reading that much takes a third of a second."""

_PROCESSOR = Path("/proc/cpuinfo")
_OF_PROCESSOR = re.compile(
    r"^(vendor_id|cpu family|model|model name|stepping|flags|Features|CPU \w+)\s*:.*$", re.MULTILINE
)
_OF_COMPILING = ("TF_", "XLA_", "ONEDNN_", "DNNL_", "OMP_", "MKL_", "KMP_")
"""Prefixes of the environment variables that may change what is compiled."""
_OURS = re.compile(
    r" ?--tf_xla_persistent_cache_directory='[^']*/\.open\.\d+' --tf_xla_persistent_cache_device_types=CPU"
)
"""Flags that this module set in the parent process, where that was one of ours."""


@dataclass(frozen=True)
class _Open:
    """The cache of this process.

    Args:
        kept: Sealed files, for all processes of this machine.
        own: The folder that XLA reads and writes.
        process: Id of the process that owns the cache; a fork of that process has no cache.
    """

    kept: Path
    own: Path
    process: int


_opened: list[_Open] = []


def open_cache(home: Path) -> None:
    """Lets XLA find the programs that earlier runs of a home folder compiled. It has no effect once TensorFlow is
    loaded, where the machine can't be identified, where the user has set a persistent cache for XLA, or where the
    folder can't be written to."""
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
    """Keeps what this process has compiled so far. Call it only while nothing is being compiled. On a full disk less
    is kept, and the run goes on."""
    for cache in _opened:
        if cache.process == os.getpid():
            with suppress(OSError):
                _keep(cache)


@contextmanager
def compiled_anew() -> Iterator[None]:
    """Within this context the thread compiles everything that it needs, and nothing of it is kept. So measurements do
    not depend on earlier runs. Use it only while no other thread compiles."""
    before = {path for cache in _opened for path in cache.own.glob("*")}
    try:
        with never_found():
            yield
    finally:
        for path in [path for cache in _opened for path in cache.own.glob("*")]:
            if path not in before:
                path.unlink(missing_ok=True)


def _machine(flags: str) -> str | None:
    """Returns a hash of everything that decides how XLA compiles a program: TensorFlow's version, the processor with
    its features, the number of cores, and settings. None where the processor can't be identified."""
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
    settings = {name: value for name, value in settings.items() if not name.startswith("TF_CPP_")}  # only logging
    settings["TF_XLA_FLAGS"] = shlex.join(shlex.split(flags))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [*versions, *processor, *(f"{name}={settings[name]}" for name in sorted(settings)), f"{cores} cores"]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _facts(processors: str) -> Iterator[str]:
    for found in _OF_PROCESSOR.finditer(processors):
        yield found[0]


def _copy_whole(kept: Path, own: Path) -> None:
    """Copies the intact programs, and removes the others. The copies get time 0, so that a later access time shows that
    XLA has read the copy."""
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
