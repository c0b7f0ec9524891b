"""A trial of `Model.fit` that is killed and taken up again: nobody can tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.training import saved
from tasks.training.averaging import AVERAGINGS
from tasks.training.fit import train_fit
from tasks.training.models import MODELS, Penalties
from tasks.training.saved import Checkpoint
from tasks.training.schedules import SCHEDULES
from tasks.training.trial import Noise, Outcome, Stopping, Trial
from tests.small_trials import arrays_of, assert_bits, trial_of

CASES: dict[str, dict[str, Any]] = {
    "dropout and statistics": {
        "penalties": Penalties(dropout=0.3),
        "architecture": MODELS["mlp"](hidden=[8], batch_normalisation=True),
    },
    "ema": {"averaging": AVERAGINGS["ema"](decay=0.9), "schedule": SCHEDULES["cosine"]()},
    "swa": {"averaging": AVERAGINGS["swa"](start=0.25)},
    "lawa": {"averaging": AVERAGINGS["lawa"](last=3)},
    "noise and accumulation": {"noise": Noise(0.1), "accumulation": 3},
    "plateau and best weights": {
        "stopping": Stopping(2, 0.02, True),
        "schedule": SCHEDULES["plateau"](patience=1, min_delta=0.05),
    },
}


class Killed(Exception):
    pass


def taken_up(trial: Trial, checkpoint: Checkpoint) -> tuple[Outcome, int]:
    """The outcome, and the step after the first evaluation."""
    heard: list[int] = []
    (outcome,) = train_fit([trial], arrays_of(), checkpoint=checkpoint, progress=lambda step, _: heard.append(step))
    return outcome, heard[0]


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_what_is_taken_up_is_the_same_bit_for_bit(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "SECONDS", 0.0)
    trial, arrays = replace(trial_of("adam", epochs=6), **changes), arrays_of()
    (whole,) = train_fit([trial], arrays)
    checkpoint = Checkpoint(tmp_path / "trial.npz", "key")

    def kill(step: int, _: int) -> None:
        if step == 15:
            raise Killed

    with pytest.raises(Killed):
        train_fit([trial], arrays, checkpoint=checkpoint, progress=kill)
    again, first = taken_up(trial, checkpoint)
    assert first == 20
    assert_bits(again, whole)


def test_what_is_not_whole_or_anothers_is_not_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "SECONDS", 0.0)
    trial, arrays, path = trial_of("sgd", epochs=2), arrays_of(), tmp_path / "trial.npz"
    train_fit([trial], arrays, checkpoint=Checkpoint(path, "key"))
    for checkpoint in (Checkpoint(path, "another key"), Checkpoint(tmp_path / "half.npz", "key")):
        (tmp_path / "half.npz").write_bytes(path.read_bytes()[:-100])
        assert taken_up(trial, checkpoint)[1] == 5
