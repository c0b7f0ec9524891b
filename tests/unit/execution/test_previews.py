"""What the report shows of augmentation: written beside the run's tables, the same for the same plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tasks.augmentation.preview import SPECTROGRAMS, WORDS_SHOWN
from tasks.dataset import TRAIN
from tasks.execution.previews import before_and_after, chosen, write_previews
from tasks.inputs.augmented import Versions
from tasks.run_folder import read_json
from tests.datasets import texts_of
from tests.runs import planned
from tests.unit.inputs.test_augmented import LOUDER, SWAPPED, TURNED, clips, messages, pictures, policy


def spec(source: str, *policies: Any) -> dict[str, Any]:
    return {
        "data": {"source": source, "rows": 170},
        "train": {"epochs": 1, "seeds": 1},
        "compare": {"augmentation": list(policies)},
    }


def test_images_are_shown_above_their_versions(tmp_path: Path) -> None:
    import cv2

    run = planned(tmp_path, spec("digits", "none", "rotation", {"steps": ["flip"], "times": 2}))
    write_previews(run.plan, run.prepared, run.folder / "previews")
    written = read_json(run.folder / "previews" / "augmentation.json")
    assert written["kind"] == "image"
    assert [(each["name"], each["times"], each["versions"]) for each in written["policies"]] == [
        ("rotation (degrees 15)", None, 3),
        ("flip (axis horizontal, p 0.5), 2 copies", 2, 2),
    ]
    grid = cv2.imread(str(run.folder / "previews" / written["policies"][0]["picture"]), cv2.IMREAD_GRAYSCALE)
    side, gap = 8 * 9, 4
    assert grid.shape == (4 * (side + gap), 6 * (side + gap) - gap)
    train = run.prepared.rows[TRAIN]
    first = run.prepared.features[train[chosen(run.prepared.targets[train], True)[0]], :, :, 0]
    np.testing.assert_allclose(grid[4:side:9, 4:side:9], first * 255, atol=0.51)
    assert (grid[side : side + gap] == 255).all()


def test_numbers_of_a_table_are_shown_as_they_are(tmp_path: Path) -> None:
    run = planned(tmp_path, spec("wine", "none", "gaussian_noise"))
    write_previews(run.plan, run.prepared, run.folder / "previews")
    written = read_json(run.folder / "previews" / "augmentation.json")
    (shown,) = written["policies"]
    assert written["kind"] == "table" and len(shown["columns"]) == 8 and len(shown["examples"]) == 6
    train = run.prepared.rows[TRAIN]
    row = train[chosen(run.prepared.targets[train], True)[0]]
    first = shown["examples"][0]
    assert first["before"] == run.prepared.dataset.table[shown["columns"]].iloc[row].tolist()
    assert len(first["after"]) == 3 and not set(first["before"]) & set(first["after"][0])


def test_nothing_is_written_without_augmentation(tmp_path: Path) -> None:
    run = planned(tmp_path, spec("wine", "none"))
    write_previews(run.plan, run.prepared, run.folder / "previews")
    assert not list((run.folder / "previews").iterdir())


def test_what_is_shown_is_what_is_trained_on() -> None:
    prepared = pictures()
    versions = Versions.of(prepared, policy(TURNED))
    positions = np.array([3, 40, 7])
    before, after = before_and_after(versions, positions, 2, of_features=True)
    np.testing.assert_array_equal(before, prepared.features[prepared.rows[TRAIN][positions]])
    np.testing.assert_array_equal(after[1], versions.fresh(0, 1, positions)[0])


def test_spectrograms_run_to_the_right_with_high_tones_above() -> None:
    versions = Versions.of(clips(), policy(LOUDER))
    frames, bands = versions.prepared.features.shape[1:3]
    before, after = before_and_after(versions, np.array([0, 1]), 1, of_features=True)
    grid = SPECTROGRAMS.show(before, after, versions.prepared.dataset)
    assert isinstance(grid, np.ndarray)
    factor, gap = -(-72 // max(frames, bands)), 4
    assert grid.shape == (2 * (bands * factor + gap), 2 * (frames * factor + gap) - gap, 1)
    level = versions.prepared.features[versions.prepared.rows[TRAIN][0], :, :, 0]
    shown = grid[factor // 2 : bands * factor : factor, factor // 2 : frames * factor : factor, 0]
    assert np.corrcoef(shown.ravel(), level.T[::-1].ravel())[0, 1] > 0.98


def test_texts_are_shown_as_they_are() -> None:
    prepared = messages()
    versions = Versions.of(prepared, policy(SWAPPED))
    before, after = before_and_after(versions, np.array([0, 1]), 2, of_features=False)
    found = WORDS_SHOWN.show(before, after, prepared.dataset)
    assert isinstance(found, dict)
    shown = found["examples"]
    texts = texts_of(prepared.dataset)
    assert [each["before"] for each in shown] == texts.iloc[prepared.rows[TRAIN][:2]].tolist()
    for each in shown:
        assert all(sorted(after.lower().split()) == sorted(each["before"].lower().split()) for after in each["after"])


def test_one_of_each_class_is_shown_if_there_is_room() -> None:
    assert chosen(np.array([2, 2, 2, 2, 2, 2, 2, 0, 1]), True).tolist() == [0, 1, 2, 3, 7, 8]
    assert chosen(np.arange(20), True).tolist() == [0, 1, 2, 3, 4, 5]
    assert chosen(np.array([0.5, 0.1]), False).tolist() == [0, 1]
