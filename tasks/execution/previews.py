"""Some training examples before and after augmentation, for the report: `previews/augmentation.json` and PNG files.

For each policy of the plan, the same few examples are shown as they are and in some augmented versions: those of the
first seed in the first epochs, or the first copies. Images and spectrograms are shown as the network receives them,
tables and texts as they are before preprocessing.

`augmentation.json`: `kind` (image, audio, text, table) and `policies`, a list of `name`, `times`, `versions` (how many)
and, by kind, `picture` (a PNG's name: a column per example, the original above its versions), or `examples` (`before`,
and `after`: a list of versions; of a table with `columns`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tasks.augmentation.policy import augment, policy_of
from tasks.dataset import TRAIN
from tasks.inputs.augmented import Versions
from tasks.inputs.prepared import Prepared
from tasks.records.plan import Plan
from tasks.run_folder import write_bytes, write_json
from tasks.spec.train import Augmentation

SCHEMA_VERSION = 1
EXAMPLES = 6
VERSIONS = 3


def write_previews(plan: Plan, prepared: Prepared, folder: Path) -> None:
    """Writes the run's previews where a recipe is augmented; else writes nothing.

    Args:
        folder: The run's `previews/`.
    """
    documents = {str(document): document for each in plan.recipes if (document := each.settings.augmentation)}
    if not documents:
        return
    preview, kind = prepared.dataset.form.preview, prepared.dataset.form.name
    positions = chosen(prepared.targets[prepared.rows[TRAIN]], prepared.dataset.classes is not None)
    policies = []
    for number, document in enumerate(documents.values()):
        policy = policy_of(document)
        assert policy is not None
        versions = min(VERSIONS, policy.times or VERSIONS)
        before, after = before_and_after(Versions.of(prepared, policy), positions, versions, preview.of_features)
        shown = preview.show(before, after, prepared.dataset)
        if isinstance(shown, np.ndarray):
            shown = {"picture": _written(shown, folder / f"augmentation-{number + 1}.png")}
        name = str(Augmentation.model_validate(document))
        policies.append({"name": name, "times": policy.times, "versions": versions, **shown})
    write_json(folder / "augmentation.json", {"schema_version": SCHEMA_VERSION, "kind": kind, "policies": policies})


def chosen(targets: np.ndarray, classes: bool) -> np.ndarray:
    """Positions of the examples shown: the first example of each class, then the first rows; int64, ascending."""
    first = np.unique(targets, return_index=True)[1] if classes else np.zeros(0, np.int64)
    order = dict.fromkeys([*sorted(first.tolist()), *range(min(EXAMPLES, len(targets)))])
    return np.sort(np.array(list(order)[:EXAMPLES], np.int64))


def before_and_after(versions: Versions, positions: np.ndarray, count: int, of_features: bool) -> tuple[Any, list[Any]]:
    """The examples as they are, and `count` versions of them: as the network receives them with `of_features`, else
    raw."""
    prepared = versions.prepared
    rows = prepared.rows[TRAIN][positions]
    if of_features:
        return prepared.features[rows], [versions.fresh(0, epoch, positions)[0] for epoch in range(count)]
    before = prepared.dataset.form.examples(prepared.dataset, rows)
    return before, [augment(versions.policy, before, rows, 0, copy) for copy in range(count)]


def _written(picture: np.ndarray, path: Path) -> str:
    import cv2

    colours = picture[..., ::-1] if picture.shape[-1] == 3 else picture
    done, content = cv2.imencode(".png", colours)
    if not done:
        raise RuntimeError(f"OpenCV can't write {path}")
    return write_bytes(path, content.tobytes()).name
