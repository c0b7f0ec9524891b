"""Augmented copies on disk: found again, never read when broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.augmentation import cache
from tasks.augmentation.policy import Policy, policy_of

VALUES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1)).astype(np.uint8)
ROWS = np.arange(6)


def policy(**changes: Any) -> Policy:
    made = policy_of({"steps": [{"noise": {"std": 0.1}}], "times": 2, "seed": 0} | changes)
    assert made is not None
    return made.learned(VALUES)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each time that copies are made."""
    calls: list[int] = []
    inner = cache.copies

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        return inner(*args, **options)

    monkeypatch.setattr(cache, "copies", counted)
    return calls


def fetch(home: Path, *, seed: int = 0, digest: str = "data", rows: np.ndarray = ROWS, of: Policy | None = None) -> Any:
    return cache.cached_copies(of or policy(), VALUES, rows, seed, home=home, digest=digest)


def files(home: Path) -> list[Path]:
    return list((home / "cache" / "augmented").iterdir())


def test_copies_are_made_once(tmp_path: Path, made: list[int]) -> None:
    first = fetch(tmp_path)
    np.testing.assert_array_equal(fetch(tmp_path), first)
    assert first.shape == (12, 8, 8, 1) and len(made) == 1
    assert [path.name for path in files(tmp_path)] == [cache.key(policy(), ROWS, 0, "data")]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"digest": "other"},
        {"rows": ROWS + 1},
        {"of": policy(seed=1)},
        {"of": policy(times=3)},
        {"of": policy(steps=[{"noise": {"std": 0.2}}])},
    ],
)
def test_whatever_decides_the_copies_is_in_the_key(tmp_path: Path, made: list[int], change: dict[str, Any]) -> None:
    fetch(tmp_path)
    fetch(tmp_path, **change)
    assert len(made) == 2


def test_versions_and_code_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.key(policy(), ROWS, 0, "data")
    with monkeypatch.context() as patch:
        patch.setattr(cache, "version", lambda name: "9.9")
        assert cache.key(policy(), ROWS, 0, "data") != before
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_code", lambda: "edited")
        assert cache.key(policy(), ROWS, 0, "data") != before


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: content[:20]])
def test_half_a_file_is_made_anew(tmp_path: Path, made: list[int], damage: Any) -> None:
    first = fetch(tmp_path)
    (path,) = files(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(fetch(tmp_path), first)
    assert len(made) == 2
    fetch(tmp_path)
    assert len(made) == 2


def test_a_changed_byte_is_noticed(tmp_path: Path, made: list[int]) -> None:
    fetch(tmp_path)
    (path,) = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    fetch(tmp_path)
    assert len(made) == 2


def test_nothing_half_written_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert fetch(tmp_path).shape == (12, 8, 8, 1)
    assert files(tmp_path) == []


def test_texts_are_kept_as_well(tmp_path: Path) -> None:
    texts = ["one", "", "zwei \N{SNOWMAN}", "[", '"']
    cache._write(tmp_path / "texts", texts)
    assert cache._read(tmp_path / "texts") == texts
