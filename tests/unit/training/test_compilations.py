"""Compiled programs of earlier runs: what they may never change, and what may lie there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.sealed import read_sealed, write_sealed
from tasks.training import compilations
from tests.flows.command import PROJECT


def night(home: Path, *options: str, **environment: str) -> dict[str, Any]:
    """Trains in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.training.compiled_night", str(home), *options],
        cwd=PROJECT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has loaded no TensorFlow and opened no cache."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(compilations, "_opened", [])
    monkeypatch.setattr(compilations.atexit, "register", lambda _: None)
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    yield
    compilations._close()


def machines(home: Path) -> list[Path]:
    return sorted((home / "cache" / "xla").glob("*"))


@pytest.mark.slow
def test_the_second_night_compiles_nothing_and_no_bit_changes(tmp_path: Path) -> None:
    without = night(tmp_path / "without", TF_XLA_FLAGS=f"--tf_xla_persistent_cache_directory={tmp_path / 'user'}")
    assert without["programs"] == 0, "the user's own cache is used"
    home = tmp_path / "a home's folder"  # no quote can be passed on
    assert night(home)["programs"] == 0
    home = tmp_path / "a home"
    first = night(home)
    second = night(home)
    assert first["digest"] == second["digest"] == without["digest"]
    assert first["programs"] == second["programs"] == 6, "chunk, score and outputs of two stacks"
    assert second["seconds"] < 0.75 * first["seconds"]

    (machine,) = machines(home)
    one, two, three, *_ = sorted(machine.glob("[!.]*"))
    one.write_bytes(one.read_bytes()[:5000])
    broken = bytearray(two.read_bytes())
    broken[-3000] ^= 255
    two.write_bytes(broken)
    three.write_bytes(b"")
    third = night(home)
    assert (third["digest"], third["programs"]) == (first["digest"], 6), "what was damaged is made anew"
    assert all(read_sealed(path) is not None for path in machine.glob("[!.]*"))
    assert not list(machine.glob(".*")), "nothing is left of the processes' own folders"

    probed = night(home, "--probed")
    assert probed["programs"] == 6, "what is measured is not kept"
    assert probed["seconds"] > 0.4 * first["seconds"], "and compiled, though it lies there"

    night(home, XLA_FLAGS="--xla_cpu_enable_fast_math=true")
    assert len(machines(home)) == 2, "other settings, other programs"


def test_flags_of_the_user_stay_and_an_inherited_folder_goes(
    opened: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = f"--tf_xla_persistent_cache_directory='{tmp_path}/cache/xla/0/.open.1'"
    monkeypatch.setenv("TF_XLA_FLAGS", f"--tf_xla_clustering_debug {ours} --tf_xla_persistent_cache_device_types=CPU")
    compilations.open_cache(tmp_path)
    (machine,) = machines(tmp_path)
    own = machine / f".open.{os.getpid()}"
    assert own.is_dir()
    assert os.environ["TF_XLA_FLAGS"] == (
        f"--tf_xla_clustering_debug --tf_xla_persistent_cache_directory='{own}' "
        "--tf_xla_persistent_cache_device_types=CPU"
    )


def test_what_a_killed_process_left_goes_and_what_is_whole_is_found(
    opened: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compilations.open_cache(tmp_path)
    (machine,) = machines(tmp_path)
    compilations._close()
    (machine / ".open.999999999").mkdir()
    (machine / "cut").write_bytes(b"cut off")
    for name in ("old", "used", "new"):
        write_sealed(machine / name, name.encode() * 100)
        os.utime(machine / name, (1.0, 1.0))
    monkeypatch.delenv("TF_XLA_FLAGS")
    compilations._opened.clear()
    compilations.open_cache(tmp_path)
    own = machine / f".open.{os.getpid()}"
    assert {path.name for path in own.iterdir()} == {"old", "used", "new"}
    assert {path.name for path in machine.iterdir()} == {"old", "used", "new", own.name}

    os.utime(own / "used", (2.0, 0.0))  # as reading it does
    (own / "made").write_bytes(b"made" * 100)
    monkeypatch.setattr(compilations, "LIMIT", 900)
    compilations.keep_compiled()
    assert {"used", "made"} == {path.name for path in machine.glob("[!.]*")}, "the oldest go first"
    assert read_sealed(machine / "made") == b"made" * 100


def test_no_cache_where_the_folder_is_none_or_the_processor_is_unknown(
    opened: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "xla").write_text("a file")
    compilations.open_cache(tmp_path)
    monkeypatch.setattr(compilations, "_PROCESSOR", tmp_path / "nowhere")
    compilations.open_cache(tmp_path / "other")
    assert "TF_XLA_FLAGS" not in os.environ
    assert not (tmp_path / "other").exists()
    compilations.keep_compiled()


def test_another_processor_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = compilations._machine("")
    known = tmp_path / "cpuinfo"
    known.write_text("processor : 0\nmodel name : another\nflags : sse avx512f\ncpu MHz : 1.0\n")
    monkeypatch.setattr(compilations, "_PROCESSOR", known)
    there = compilations._machine("")
    known.write_text(known.read_text().replace("1.0", "2.0") * 4)
    assert compilations._machine("") == there != here, "the clock of a core does not matter"
    known.write_text(known.read_text().replace(" avx512f", ""))
    assert compilations._machine("") not in (here, there)
