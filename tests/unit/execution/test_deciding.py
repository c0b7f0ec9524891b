"""What is in a trial's key: every key of the spec decides what is trained, or does not, and each is said here once."""

from __future__ import annotations

import copy
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import numpy as np
import pandas as pd
import pytest

from tasks import stages
from tasks.execution import deciding
from tasks.execution.deciding import CODE, trial_key
from tasks.inputs.prepared import prepare
from tasks.planning.recipes import recipes_of
from tasks.planning.trials import planned
from tasks.spec.load import parse_spec
from tasks.spec.reference import keys
from tests.runs import open_run

Spec = dict[str, Any]

TRAINED_WITH: dict[str, Any] = {
    "model": {"mlp": {"hidden": [5]}},
    "train.optimizer": {"adam": {"epsilon": 1e-6}},
    "train.learning_rate": 0.02,
    "train.schedule": "cosine",
    "train.regularisation.l1": 0.01,
    "train.regularisation.l2": 0.01,
    "train.regularisation.dropout": 0.2,
    "train.regularisation.weight_decay": 0.01,
    "train.regularisation.label_smoothing": 0.1,
    "train.clipping.value": 1.0,
    "train.clipping.norm": 1.0,
    "train.clipping.global_norm": 1.0,
    "train.accumulation": 2,
    "train.gradient_noise": {},
    "train.gradient_noise.eta": {"eta": 0.3},
    "train.gradient_noise.gamma": {"gamma": 0.7},
    "train.averaging": "ema",
    "train.loss": "squared_error",
    "train.augmentation": {"steps": ["gaussian_noise"]},
    "train.augmentation.steps": ["gaussian_noise"],
    "train.augmentation.times": {"steps": ["gaussian_noise"], "times": 2},
    "train.augmentation.seed": {"steps": ["gaussian_noise"], "seed": 1},
    "train.imbalance": "class_weight",
    "train.rows": 60,
    "train.batch_size": 16,
    "train.epochs": 2,
    "train.early_stopping": {},
    "train.early_stopping.patience": 3,
    "train.early_stopping.min_delta": 0.1,
    "train.early_stopping.restore_best": False,
    "train.evaluate_every.steps": 2,
    "train.evaluate_every.epochs": 2,
    "train.stop_at": {"metric": "accuracy", "value": 0.9},
    "train.stop_at.metric": {"metric": "loss", "value": 0.9},
    "train.stop_at.value": {"metric": "accuracy", "value": 0.8},
}
"""Held still in the recipe: another value, another key."""

LEARNED_FROM: dict[str, Any] = {
    "data.target": "bought",
    "data.task": "regression",
    "data.classes": ["1", "0"],
    "data.features": ["age"],
    "data.drop": ["town"],
    "data.columns": {"size": {"kind": "category"}},
    "data.columns[].kind": {"size": {"kind": "category"}},
    "data.columns[].scale": {"age": {"kind": "number", "scale": "none"}},
    "data.columns[].order": {"town": {"kind": "ordered", "order": ["b", "a", "c"]}},
    "data.rows": 100,
    "data.read.missing": ["", "a"],
    "data.split.test": 0.3,
    "data.split.validation": 0.3,
    "data.split.stratify": False,
    "data.split.group": "town",
    "data.split.hold_out": {"group": "town", "hold_out": ["c"]},
    "data.split.time": "age",
    "data.split.given": "part",
    "data.split.seed": 1,
    "evaluate.folds": 3,
}
"""Of the data: other rows, inputs, targets or parts, another key."""

READ_BY = {
    "data.source",
    "data.text",
    "data.tokens",
    "data.seconds",
    "data.memory",
    "data.unreadable",
    "data.columns[].decimal",
    "data.columns[].thousands",
    "data.columns[].format",
    "data.read.header",
    "data.read.columns",
    "data.read.sheet",
    "data.read.separator",
    "data.read.quoting",
    "data.read.comment",
    "data.read.decimal",
    "data.read.thousands",
}
"""How a file becomes a data set. What was read is in the key, not how: the content, and how rows are held."""

CHOOSES = {
    "train.seeds",
    *(key.path for key in keys() if key.path.startswith(("compare.", "tune."))),
    "train.stabilise",
    "evaluate.repeats",
    "evaluate.seed_sources",
}
"""Which trials there are; each has its own key, with the values that it was given."""

UNKNOWN = {"train.evaluate_every.seconds"}
"""Its steps come from the pace of the machine: such trials have no key."""

JUDGES: dict[str, Any] = {
    "name": "other",
    "description": "other",
    "data.positive": "0",
    "data.checks": [{"expect_column_values_to_not_be_null": {"column": "age"}}],
    "evaluate.metric": "recall",
    "evaluate.also": ["recall"],
    "evaluate.confidence": 0.9,
    "evaluate.ship": "best",
    "evaluate.cost": {"false_negative": 5, "false_positive": 1},
    "evaluate.cost.false_negative": {"false_negative": 4, "false_positive": 1},
    "evaluate.cost.false_positive": {"false_negative": 5, "false_positive": 2},
    "evaluate.cost.true_negative": {"false_negative": 5, "false_positive": 1, "true_negative": -1},
    "evaluate.cost.true_positive": {"false_negative": 5, "false_positive": 1, "true_positive": -1},
    "evaluate.cost.matrix": {"matrix": {"0": {"1": 2}, "1": {"0": 3}}},
    "evaluate.cost.over": None,
    "evaluate.cost.under": None,
    "evaluate.currency": None,
    "evaluate.threshold": 0.4,
    "evaluate.threshold.at": 0.3,
    "evaluate.threshold.least": None,
    "evaluate.threshold.recall_at_least": {"recall_at_least": 0.9},
    "evaluate.threshold.precision_at_least": {"precision_at_least": 0.9},
    "evaluate.threshold.alarms_at_most": {"alarms_at_most": 3, "of": 60},
    "evaluate.threshold.of": {"alarms_at_most": 3, "of": 50},
    "evaluate.real_prior": {"1": 0.1},
    "evaluate.calibrate": "temperature",
    "evaluate.slices": ["town"],
    "gates": [{"metric": "accuracy", "at_least": 0.5}],
    "report.show_examples": True,
    "explain": ["activations"],
    **{key.path: None for key in keys() if key.path.startswith("gates[].")},
}
"""What only judges, says or shows: the same key. None: not for these data, or part of what is tried above it."""

SECTIONS = {
    "data",
    "data.read",
    "data.split",
    "train",
    "train.regularisation",
    "train.clipping",
    "train.evaluate_every",
}
SECTIONS |= {"compare", "tune", "evaluate", "report"}


def test_every_key_of_the_spec_decides_or_does_not() -> None:
    groups = [set(TRAINED_WITH), set(LEARNED_FROM), READ_BY, CHOOSES, UNKNOWN, set(JUDGES), SECTIONS]
    assert set.union(*groups) == {key.path for key in keys()}, "a new key of the spec: does it decide what is trained?"
    assert sum(map(len, groups)) == len(set.union(*groups)), "one of them only"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("deciding"), np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 9, 200).round(3), "size": rng.integers(1, 5, 200)})
    frame["town"] = rng.choice(["a", "b", "c"], 200, p=[0.2, 0.3, 0.5])
    frame["price"] = rng.choice(["1.500,5", "2.000,5", "3.750,0"], 200)
    frame["part"] = rng.choice(["train", "val", "test"], 200, p=[0.6, 0.2, 0.2])
    frame["left"] = (frame["age"] > 41).astype(int)
    frame["bought"] = (frame["size"] > 2).astype(int)
    frame.to_csv(folder / "people.csv", index=False)
    return folder


def base(folder: Path) -> Spec:
    data = {"source": str(folder / "people.csv"), "target": "left"}
    return {"data": data, "model": {"mlp": {"hidden": [4]}}, "train": {"epochs": 1, "seeds": 1}}


def changed(spec: Spec, path: str, value: Any) -> Spec:
    """The spec with a value; where the path's last part stands in a mapping that is given whole, with that."""
    *above, last = path.split(".")
    whole = isinstance(value, dict) and last in value and path not in ("model", "data.columns")
    if "[]" in path:
        above, last = path.partition("[]")[0].split(".")[:-1], path.partition("[]")[0].split(".")[-1]
    elif whole or path == "evaluate.cost.matrix" or path.startswith("train.augmentation."):
        *above, last = above
        value = {"steps": value} if isinstance(value, list) else value
    found = copy.deepcopy(spec)
    part = found
    for name in above:
        part = part.setdefault(name, {})
    part[last] = value
    return found


@cache
def digest_of(text: str, folder: Path) -> str:
    """Of what the trials of a spec learn from."""
    run = open_run(folder / hashlib.sha256(text.encode()).hexdigest(), json.loads(text))
    dataset = stages.load(run)
    return prepare(dataset, stages.split(run, dataset)).digest


def key(spec: Spec, folder: Path) -> str | None:
    """Of the only trial of a spec."""
    data = {name: value for name, value in spec.items() if name not in ("model", "train")}
    (recipe,) = recipes_of(parse_spec(spec))
    return trial_key(planned(recipe, 0, "data"), recipe, digest_of(json.dumps(data), folder))


@pytest.mark.parametrize("path", [*TRAINED_WITH, *LEARNED_FROM])
def test_what_decides_changes_the_key(path: str, folder: Path) -> None:
    value = (TRAINED_WITH | LEARNED_FROM)[path]
    assert key(changed(base(folder), path, value), folder) != key(base(folder), folder)


@pytest.mark.parametrize("path", [path for path, value in JUDGES.items() if value is not None])
def test_what_only_judges_does_not(path: str, folder: Path) -> None:
    assert key(changed(base(folder), path, JUDGES[path]), folder) == key(base(folder), folder)


def test_each_seed_fold_stage_and_neighbourhood_has_its_own_key() -> None:
    (recipe,) = recipes_of(parse_spec({"data": {"source": "wine"}}))
    found = {
        trial_key(planned(recipe, seed, "", stage=stage, fold=fold), recipe, data, beside)
        for seed in (0, 1)
        for stage in ("final", "search")
        for fold in (None, 0, 1)
        for data in ("a", "b")
        for beside in (None, ["learning_rate"])
    }
    assert len(found) == 48


def test_evaluations_by_seconds_have_no_key() -> None:
    spec = {"data": {"source": "wine"}, "train": {"evaluate_every": {"seconds": 1}}}
    (recipe,) = recipes_of(parse_spec(spec))
    assert trial_key(planned(recipe, 0, ""), recipe, "") is None


def test_other_code_and_other_versions_are_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    (recipe,) = recipes_of(parse_spec({"data": {"source": "wine"}}))
    trial = planned(recipe, 0, "")
    before = trial_key(trial, recipe, "")
    monkeypatch.setattr(deciding, "code_digest", lambda: "other")
    other = trial_key(trial, recipe, "")
    monkeypatch.setattr(deciding, "versions", lambda: {"keras": "4"})
    assert len({before, other, trial_key(trial, recipe, "")}) == 3


def test_the_versions_of_what_trains_are_known() -> None:
    assert {"keras", "numpy", "albumentations", "nlpaug", "processor"} < set(deciding.versions())
    assert {"tensorflow", "tensorflow-cpu"} & set(deciding.versions())


NOT_DECIDING = {
    "calibrator": "answers from probabilities",
    "choice": "answers from probabilities",
    "errors": "messages",
    "evaluation": "answers and figures of what is trained",
    "ranges": "which values are accepted",
    "run_folder": "files",
    "sealed": "files",
}
"""Rooms that training imports and whose code is in no key, and why."""


def test_the_code_that_training_goes_through_is_in_the_key() -> None:
    graph = grimp.build_graph("tasks", cache_dir=None)
    reached = {"tasks.training", "tasks.inputs"}
    for module in list(graph.modules):
        if module.startswith(("tasks.training.", "tasks.inputs.")):
            reached |= {module, *graph.find_upstream_modules(module)}
    rooms = {module.split(".")[1] for module in reached if "." in module}
    covered = {name.partition("/")[0].removesuffix(".py") for name in CODE}
    assert rooms - covered == set(NOT_DECIDING)
    tasks = Path(deciding.__file__).parent.parent
    assert all((tasks / name).exists() for name in CODE)
