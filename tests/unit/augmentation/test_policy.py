"""Policies: what they do to examples, and that nothing but the seeds decides it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tasks.augmentation.policy import CHUNK, Policy, augment, copies, policy_of, workers
from tasks.dataset import Facts

DOCUMENT: dict[str, Any] = {
    "steps": [{"rotation": {"degrees": 30.0}}, {"noise": {}}, {"flip": {}}],
    "times": None,
    "seed": 0,
}


PARENT = """
import os, time
from tasks.augmentation.policy import workers

def pid(_):
    time.sleep(0.1)
    return os.getpid()

if __name__ == "__main__":
    with workers(2) as run:
        print(*set(run(pid, range(8))), flush=True)
        time.sleep(600)
"""


def digits(count: int = 40, largest: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, largest + 1, (count, 8, 8, 1)).astype(np.uint8)


def policy(values: np.ndarray, **changes: Any) -> Policy:
    made = policy_of(DOCUMENT | changes)
    assert made is not None
    return made.learned(values)


def test_no_document_is_no_policy() -> None:
    assert policy_of(None) is None


def test_epochs_trials_and_policies_differ_and_each_repeats() -> None:
    values, rows = digits(), np.arange(40)
    made = policy(values)
    first = augment(made, values, rows, 0, 0)
    np.testing.assert_array_equal(augment(made, values, rows, 0, 0), first)
    for other in (
        augment(made, values, rows, 0, 1),
        augment(made, values, rows, 1, 0),
        augment(policy(values, seed=1), values, rows, 0, 0),
    ):
        assert not np.array_equal(other, first)


def test_an_example_s_result_hangs_on_its_row_and_not_on_its_company() -> None:
    values, rows = digits(), np.arange(100, 140)
    made = policy(values)
    whole = augment(made, values, rows, 3, 2)
    some = [7, 3, 31]
    np.testing.assert_array_equal(augment(made, values[some], rows[some], 3, 2), whole[some])


def test_the_same_step_twice_draws_twice() -> None:
    """Two flips by one draw would turn nothing; by draws of their own they turn half of the examples."""
    values = digits(400)
    twice = policy(values, steps=[{"flip": {"axis": "horizontal", "p": 0.5}}] * 2)
    turned = (augment(twice, values, np.arange(400), 0, 0) != values).any(axis=(1, 2, 3))
    assert 0.4 < turned.mean() < 0.6
    once = policy(values, steps=[{"flip": {"axis": "horizontal", "p": 0.5}}])
    assert (turned != (augment(once, values, np.arange(400), 0, 0) != values).any(axis=(1, 2, 3))).any()


@pytest.mark.parametrize("largest", [1, 3, 16, 100, 254, 255])
def test_images_stay_in_their_own_range_and_nothing_is_lost_on_the_way(largest: int) -> None:
    values, rows = digits(largest=largest), np.arange(40)
    values[0, 0, 0, 0] = largest
    still = policy(values, steps=[{"rotation": {"degrees": 0.0}}])
    np.testing.assert_array_equal(augment(still, values, rows, 0, 0), values)
    assert augment(policy(values), values, rows, 0, 0).max() <= largest
    scaled = values.astype(np.float32) * np.float32(0.7)
    result = augment(policy(scaled), scaled, rows, 0, 0)
    assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= scaled.max()


def test_noise_means_a_share_of_the_range() -> None:
    """A standard deviation of 0.1 is 1.6 for images from 0 to 16, which stand at 8 here."""
    values = np.full((400, 8, 8, 1), 8, np.uint8)
    values[0] = 16
    made = policy(values, steps=[{"noise": {"std": 0.1}}])
    result = augment(made, values, np.arange(400), 0, 0)[1:].astype(float)
    assert result.mean() == pytest.approx(8, abs=0.05)
    assert result.std() == pytest.approx(1.6, abs=0.1)


def test_copies_are_the_versions_one_after_the_other_and_progress_is_told() -> None:
    values, rows = digits(CHUNK + 5), np.arange(CHUNK + 5)
    made, told = policy(values, times=2), []
    result = copies(made, values, rows, 0, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(result[: len(values)], augment(made, values, rows, 0, 0))
    np.testing.assert_array_equal(result[len(values) :], augment(made, values, rows, 0, 1))
    total = 2 * len(values)
    assert told == [(CHUNK, total), (len(values), total), (len(values) + CHUNK, total), (total, total)]


def test_chunks_of_large_images_are_small_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, rows = digits(), np.arange(40)
    made, told = policy(values), []
    whole = augment(made, values, rows, 0, 0)
    monkeypatch.setattr("tasks.augmentation.policy.CHUNK_BYTES", 16 * 64)
    pieces = augment(made, values, rows, 0, 0, progress=lambda done, total: told.append(done))
    assert told == [16, 32, 40]
    np.testing.assert_array_equal(pieces, whole)


def test_no_examples_stay_none() -> None:
    values = digits()
    assert augment(policy(values), values[:0], np.arange(0), 0, 0).shape == (0, 8, 8, 1)


def test_two_processes_give_the_same_bytes_and_are_gone_afterwards() -> None:
    values, rows = digits(3 * CHUNK), np.arange(3 * CHUNK)
    made = policy(values)
    with workers(2) as run:
        apart = augment(made, values, rows, 1, 4, run=run)
    assert apart.tobytes() == augment(made, values, rows, 1, 4).tobytes()
    assert not multiprocessing.active_children()


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(root)}
    ) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.1)


def test_a_table_is_changed_in_units_of_its_columns_and_missing_values_stay_missing() -> None:
    table = np.random.default_rng(0).normal([0, 100], [1, 50], (4000, 2))
    table[5, 0] = np.nan
    table = np.column_stack([table, np.full(4000, 3.0)])
    made = policy(table, steps=[{"gaussian_noise": {"std": 0.1}}])
    change = augment(made, table, np.arange(4000), 0, 0) - table
    assert np.isnan(change[5, 0]) and np.isnan(change).sum() == 1
    np.testing.assert_allclose(np.nanstd(change, axis=0), [0.1, 5.0, 0.0], rtol=0.05)


@pytest.mark.parametrize(
    ("step", "facts", "reason"),
    [
        ({"rotation": {}}, Facts("table", (4,), "float64"), "rotation is for images, and these data are a table"),
        ({"gaussian_noise": {}}, Facts("image", (8, 8, 1), "uint8"), "gaussian_noise is for tables, and these data"),
        ({"gaussian_noise": {}}, Facts("table", (0,), "float64"), "gaussian_noise changes numbers, and these data ha"),
        ({"cutmix": {}}, Facts("table", (), "float32"), "cutmix is for images, and these data are a table"),
        ({"mixup": {}}, Facts("text", (), "str"), "mixup mixes numbers, and these data are texts"),
        ({"RandomFog": {}}, Facts("image", (8, 8, 1), "uint8"), "RandomFog can't be applied to 8 x 8 uint8 images of"),
        ({"Resize": {"height": 4, "width": 4}}, Facts("image", (8, 8, 1), "uint8"), "Resize makes 4 x 4 x 1 images"),
        ({"ToFloat": {}}, Facts("image", (8, 8, 1), "uint8"), "ToFloat makes float32 images out of uint8 ones"),
        ({"ToGray": {}}, Facts("image", (8, 8, 1), "uint8"), "ToGray would have no effect: The image is already gray"),
        ({"Mosaic": {}}, Facts("image", (8, 8, 3), "uint8"), "Mosaic can't be applied to 8 x 8 uint8 images of 3 chan"),
        ({"BBoxSafeRandomCrop": {}}, Facts("image", (8, 8, 3), "uint8"), "BBoxSafeRandomCrop can't be applied"),
    ],
)
def test_what_does_not_fit_the_data_is_said_with_its_reason(step: Any, facts: Facts, reason: str) -> None:
    made = policy_of({"steps": [step], "times": None, "seed": 0})
    assert made is not None
    assert (made.incompatibility(facts) or "").startswith(reason)


def test_what_fits_has_no_reason() -> None:
    made = policy_of(DOCUMENT)
    assert made is not None and made.incompatibility(Facts("image", (8, 8, 1), "uint8")) is None


def test_mixup_stands_apart_from_the_steps() -> None:
    made = policy_of({"steps": [{"flip": {}}, {"mixup": {"alpha": 0.4}}], "times": None, "seed": 0})
    assert made is not None and made.mixer is not None
    assert [step.name for step in made.steps] == ["flip"] and made.mixer.parameters == {"alpha": 0.4}
