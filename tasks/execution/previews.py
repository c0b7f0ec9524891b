"""Some training examples before and after augmentation, for the report: `previews/augmentation.json` and PNG files.

For each policy of the plan the same few examples, as they are and in some versions: those of the first seed in the
first epochs, or of the first copies. Images and spectrograms are shown as the network is given them, tables and texts
as they are before preprocessing.

`augmentation.json`: `kind` (image, audio, text, table) and `policies`, a list of `name`, `times`, `versions` (how many)
and, by kind, `picture` (a PNG's name: a column an example, the original above its versions), or `examples` (`before`,
and `after`: a list of versions; of a table with `columns`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.augmentation.augmenter import Kind
from tasks.augmentation.examples import examples, facts
from tasks.augmentation.policy import augment, policy_of
from tasks.dataset import TRAIN
from tasks.inputs.augmented import Versions
from tasks.inputs.prepared import Prepared
from tasks.planning.plan import Plan
from tasks.run_folder import write_bytes, write_json
from tasks.spec.models import Augmentation

SCHEMA_VERSION = 1
EXAMPLES = 6
VERSIONS = 3
COLUMNS = 8
"""Of a table, at most."""
LEAST_PIXELS = 72
"""The longer side of a picture shown."""


def write_previews(plan: Plan, prepared: Prepared, folder: Path) -> None:
    """Writes the run's previews where a recipe is augmented, else nothing.

    Args:
        folder: The run's `previews/`.
    """
    documents = {str(document): document for each in plan.recipes if (document := each.settings.get("augmentation"))}
    if not documents:
        return
    kind = facts(prepared.dataset).kind
    positions = chosen(prepared.targets[prepared.rows[TRAIN]], prepared.dataset.classes is not None)
    policies = []
    for number, document in enumerate(documents.values()):
        policy = policy_of(document)
        assert policy is not None
        versions = min(VERSIONS, policy.times or VERSIONS)
        shown = _SHOWN[kind](Versions.of(prepared, policy), positions, versions)
        if isinstance(shown, np.ndarray):
            shown = {"picture": _written(shown, folder / f"augmentation-{number + 1}.png")}
        name = str(Augmentation.model_validate(document))
        policies.append({"name": name, "times": policy.times, "versions": versions, **shown})
    write_json(folder / "augmentation.json", {"schema_version": SCHEMA_VERSION, "kind": kind, "policies": policies})


def chosen(targets: np.ndarray, classes: bool) -> np.ndarray:
    """Positions of the examples shown: the first of each class, then the first ones; int64, ascending."""
    first = np.unique(targets, return_index=True)[1] if classes else np.zeros(0, np.int64)
    order = dict.fromkeys([*sorted(first.tolist()), *range(min(EXAMPLES, len(targets)))])
    return np.sort(np.array(list(order)[:EXAMPLES], np.int64))


def _pictures(versions: Versions, positions: np.ndarray, count: int) -> np.ndarray:
    """A grid of images, uint8 `[height, width, channels]`."""
    shown = _inputs(versions, positions, count)
    return _grid((np.clip(shown, 0, 1) * 255).round().astype(np.uint8))


def _spectrograms(versions: Versions, positions: np.ndarray, count: int) -> np.ndarray:
    """A grid of spectrograms, time to the right and high tones above, on one scale from black to white."""
    shown = _inputs(versions, positions, count)
    low, high = np.quantile(shown, [0.01, 0.99])
    levels = (np.clip((shown - low) / ((high - low) or 1), 0, 1) * 255).round().astype(np.uint8)
    return _grid(levels.swapaxes(2, 3)[:, :, ::-1])


def _inputs(versions: Versions, positions: np.ndarray, count: int) -> np.ndarray:
    """What a network is given: the originals and so many versions, float32 `[1 + count, examples, ...]`."""
    prepared = versions.prepared
    originals = prepared.features[prepared.rows[TRAIN][positions]]
    return np.stack([originals, *(versions.fresh(0, epoch, positions)[0] for epoch in range(count))])


def _words(versions: Versions, positions: np.ndarray, count: int) -> dict[str, Any]:
    before, after = _changed(versions, positions, count)
    return {"examples": [{"before": text, "after": [each[i] for each in after]} for i, text in enumerate(before)]}


def _numbers(versions: Versions, positions: np.ndarray, count: int) -> dict[str, Any]:
    before, after = _changed(versions, positions, count)
    shown = [{"before": _plain(row), "after": [_plain(each[i]) for each in after]} for i, row in enumerate(before)]
    return {"columns": [str(name) for name in versions.prepared.dataset.numbers[:COLUMNS]], "examples": shown}


def _changed(versions: Versions, positions: np.ndarray, count: int) -> tuple[Any, list[Any]]:
    """The raw examples, and so many versions of them."""
    rows = versions.prepared.rows[TRAIN][positions]
    before = examples(versions.prepared.dataset, rows)
    return before, [augment(versions.policy, before, rows, 0, copy) for copy in range(count)]


def _plain(row: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in row[:COLUMNS]]


_SHOWN: dict[Kind, Callable[[Versions, np.ndarray, int], np.ndarray | dict[str, Any]]] = {
    "image": _pictures,
    "audio": _spectrograms,
    "text": _words,
    "table": _numbers,
}


def _grid(pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 `[versions, examples, height, width, channels]` on white, in rows; small ones enlarged."""
    factor = max(1, -(-LEAST_PIXELS // max(pictures.shape[2:4])))
    channels = pictures.shape[-1] if pictures.shape[-1] in (1, 3) else 1
    large = pictures[..., :channels].repeat(factor, axis=2).repeat(factor, axis=3)
    gap = 4
    framed = np.pad(large, [(0, 0), (0, 0), (0, gap), (0, gap), (0, 0)], constant_values=255)
    below: Sequence[np.ndarray] = [np.concatenate(list(row), axis=1) for row in framed]
    apart = np.full([gap, *below[0].shape[1:]], 255, np.uint8)
    return np.concatenate([below[0], apart, *below[1:]])[:-gap, :-gap]


def _written(picture: np.ndarray, path: Path) -> str:
    import cv2

    colours = picture[..., ::-1] if picture.shape[-1] == 3 else picture
    done, content = cv2.imencode(".png", colours)
    if not done:
        raise RuntimeError(f"OpenCV can't write {path}")
    return write_bytes(path, content.tobytes()).name
