"""Writes a run folder without a run: every file of the contract, generated from a seed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tasks.evaluation.baselines import Constant
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.search import judge_search
from tasks.evaluation.verdict import judge
from tasks.records import tables as records
from tasks.records.documents import document_of
from tasks.records.plan import Plan
from tasks.run_folder import write_json, write_text
from tests.synthetic_search import SyntheticSearch, synthetic_search

HOSTILE = ("<script>alert(1)</script>", "{{< env HOME >}}", "a|b `c` *d* $e$ \\f", "</table><!--")
EPOCHS, STEPS_AN_EPOCH = 20, 12

# Recipe, optimizer, learning rate, and the share of the signal that it finds: 0 learns nothing.
_RECIPES = (
    ("adam", "adam", 0.001, 1.00),
    ("nadam", "nadam", 0.001, 0.98),
    ("momentum", "momentum", 0.01, 0.80),
    ("sgd (learning rate 0.000001)", "sgd", 1e-6, 0.0),
    ("rmsprop", "rmsprop", 0.001, 0.90),
    ("sgd (learning rate 1)", "sgd", 1.0, 0.7),
    ("adagrad", "adagrad", 0.01, 0.60),
    ("adamax", "adamax", 0.001, 0.95),
)
_DIVERGED_ONCE, _DIVERGED_ALWAYS = 2, 5


@dataclass(frozen=True)
class _World:
    """The rows, their target, and the signal: the part of the target that a model can learn."""

    task: str
    parts: np.ndarray
    target: np.ndarray
    signal: np.ndarray  # [rows, classes] or [rows]

    def predict(self, skill: float, rng: np.random.Generator) -> np.ndarray:
        """Returns probabilities or values; without skill they are worse than a constant, as in an untrained network."""
        found = skill * self.signal + (1.1 - skill) * rng.normal(size=self.signal.shape)
        if self.task == "regression":
            return (3300 if skill else 2500) + 400 * found
        odds = np.exp(2.5 * found)
        return odds / odds.sum(axis=1, keepdims=True)

    def constant(self) -> np.ndarray:
        """Returns the training part's mean, or its class shares, for every row."""
        train = self.target[self.parts == "train"]
        if self.task == "regression":
            return np.full(len(self.target), train.mean())
        shares = np.bincount(train, minlength=self.signal.shape[1]) / len(train)
        return np.tile(shares, (len(self.target), 1))

    def loss(self, prediction: np.ndarray) -> float:
        """Returns the cross-entropy or mean squared error on the validation part."""
        val = self.parts == "val"
        if self.task == "regression":
            return METRICS["rmse"].function(self.target[val], prediction[val]) ** 2
        return METRICS["log_loss"].function(self.target[val], prediction[val])


def write_synthetic_run(
    folder: Path,
    *,
    task: str = "classification",
    recipes: int = 4,
    seeds: int = 5,
    rows: int = 900,
    classes: int = 2,
    groups: bool = False,
    hostile: bool = False,
    augmented: bool = False,
    search: int = 0,
    search_options: dict[str, Any] | None = None,
    gates: list[dict[str, Any]] | None = None,
    seed: int = 0,
) -> Path:
    """Writes every JSON file and table of a run folder, and spec.yaml.

    With 3 recipes or more, momentum diverges in its last seed (given two); with 4, plain SGD at 1e-6 does not
    learn; with 6, SGD at 1 diverges in every seed. A `report.html` and `model/` are not written.

    Args:
        folder: The run folder; it is made.
        task: `classification` or `regression`.
        recipes: Number of recipes, 1 to 8.
        seeds: Number of seeds of each recipe.
        rows: Rows of the data set; three fifths are the training part, one fifth each the validation and the test part.
        classes: Number of classes, for classification.
        groups: Whether rows come in groups of 4.
        hostile: Whether names, classes, columns and notes try to break out of HTML, Markdown and Quarto.
        augmented: Whether the second recipe is the first one with augmentation of texts, with previews.
        search: Settings tried by each recipe; 0: no search.
        search_options: Further arguments of `synthetic_search`.
        gates: Gates as in a spec; None: for classification one that passes and one that is undecided, for regression
            one.
        seed: Seed of everything random; equal arguments give equal files.
    """
    if not 1 <= recipes <= len(_RECIPES):
        raise ValueError(f"recipes must be 1 to {len(_RECIPES)}, got {recipes}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    world = _world(task, rows, classes, rng)
    plan = _plan(world, recipes, seeds, classes, hostile, gates)
    if augmented:
        plan["recipes"][1]["params"] = plan["recipes"][0]["params"] | {"augmentation": {"steps": [{"crop": {}}]}}
        (folder / "previews").mkdir()
        write_json(folder / "previews" / "augmentation.json", _previews(hostile))
    trials, metrics, curves, predictions = [], [], [], []
    for number, trial in enumerate(plan["trials"]):
        recipe_number, own_seed = divmod(number, seeds)
        recipe = plan["recipes"][recipe_number]
        diverged = recipe_number == _DIVERGED_ALWAYS or (
            recipe_number == _DIVERGED_ONCE and own_seed == seeds - 1 and seeds > 1
        )
        skill = _RECIPES[recipe_number][3] * rng.normal(1, 0.02)
        prediction = world.predict(skill, rng)
        trials.append(_trial(trial, recipe, diverged, rng))
        curves += _curves(trial["trial_id"], world, prediction, _RECIPES[recipe_number][2], diverged, rng)
        if not diverged:
            metrics += _measured(trial["trial_id"], world, prediction, [plan["metric"], *plan["also"]])
            metrics.append(_metric(trial["trial_id"], "val", "loss", world.loss(prediction), world))
            predictions.append(_predicted(trial["trial_id"], world, prediction))
    for name, skill in _baselines(task).items():
        trial_id = f"baseline-{name.replace(' ', '-')}"
        prediction = world.predict(skill, rng) if skill else world.constant()
        trials.append(_baseline(trial_id, name))
        metrics += _measured(trial_id, world, prediction, [plan["metric"], *plan["also"]])
        predictions.append(_predicted(trial_id, world, prediction))
    found = _search(plan, search, hostile, search_options or {}) if search else None
    plan["search"] = found.plan if found else None
    written = document_of(plan, Plan)
    trials += found.trials if found else []
    metrics += found.metrics if found else []
    splits = pd.DataFrame({"row": np.arange(rows), "part": world.parts})
    if groups:
        splits["group"] = [f"group {row // 4}" for row in range(rows)]
    tables = {
        "trials": records.TRIALS.frame(trials),
        "metrics": records.METRICS.frame(metrics),
        "curves": records.CURVES.frame(curves),
        "predictions": records.PREDICTIONS.frame(pd.concat(predictions, ignore_index=True)),
        "splits": records.SPLITS.frame(splits),
        "settings": found.settings if found else records.SETTINGS.frame(),
    }
    for name, frame in tables.items():
        records.TABLES[name].write(frame, folder)
    verdict = judge(
        written,
        tables,
        tables["splits"],
        constant=Constant(world.loss(world.constant())),
        moved=lambda trial_id: 0.5,
    )
    if found and written.search:
        verdict = replace(verdict, search=judge_search(written.search, found.settings))
    write_text(folder / "spec.yaml", yaml.safe_dump(plan["spec"], sort_keys=False, allow_unicode=True))
    written.write(folder)
    verdict.write(folder)
    write_json(folder / "validation.json", _validation(hostile))
    write_json(folder / "environment.json", _ENVIRONMENT)
    write_json(folder / "stages.json", _STAGES)
    return folder


def _search(plan: dict[str, Any], settings: int, hostile: bool, options: dict[str, Any]) -> SyntheticSearch:
    own = {"choices": HOSTILE} if hostile else {}
    greater = METRICS[plan["metric"]].greater_is_better
    return synthetic_search(
        plan["recipes"], settings=settings, metric=plan["metric"], greater_is_better=greater, **own | options
    )


def _world(task: str, rows: int, classes: int, rng: np.random.Generator) -> _World:
    parts = rng.permutation(np.resize(["train", "train", "train", "val", "test"], rows))
    if task == "regression":
        signal = rng.normal(size=rows)
        return _World(task, parts, 3300 + 400 * signal + rng.normal(scale=300, size=rows), signal)
    signal = rng.normal(size=(rows, classes))
    chance = signal + rng.gumbel(scale=0.7, size=signal.shape)
    return _World(task, parts, chance.argmax(axis=1).astype(np.int64), signal)


def _baselines(task: str) -> dict[str, float]:
    """Returns the baselines' names and skills; 0 is the constant one."""
    if task == "regression":
        return {"mean": 0.0, "linear regression": 0.6, "gradient boosting": 0.9}
    return {"majority class": 0.0, "logistic regression": 0.5, "gradient boosting": 0.9}


def _plan(
    world: _World, recipes: int, seeds: int, classes: int, hostile: bool, gates: list[dict[str, Any]] | None
) -> dict[str, Any]:
    regression = world.task == "regression"
    metric, also = ("rmse", ["mae", "r2"]) if regression else ("accuracy", ["log_loss", "f1", "roc_auc"])
    if gates is None:
        gates = (
            [{"metric": metric, "at_least": None, "at_most": 900.0, "severity": "block"}]
            if regression
            else [
                {"metric": metric, "at_least": 0.3, "at_most": None, "severity": "block"},
                {"metric": "f1", "at_least": 0.75, "at_most": None, "severity": "warn"},
            ]
        )
    names = [name for name, *_ in _RECIPES[:recipes]]
    class_names = [f"class {k}" for k in range(classes)] if classes > 2 else ["no", "yes"]
    columns = ["age", "fare", "port"]
    if hostile:
        names[: len(HOSTILE)] = HOSTILE[: len(names)]
        class_names[:2] = HOSTILE[:2]
        columns = list(HOSTILE[:3])
    description = HOSTILE[0] + HOSTILE[1] if hostile else "A fabricated run for tests."
    described = [
        {
            "recipe_id": f"recipe-{i}",
            "recipe": name,
            "optimizer": _RECIPES[i][1],
            "schedule": "constant",
            "variant_id": f"variant-{i}",
            "params": {
                "learning_rate": _RECIPES[i][2],
                "batch_size": 32,
                "hidden": [100, 100],
                "epochs": EPOCHS,
            },
        }
        for i, name in enumerate(names)
    ]
    trials = [
        {
            "trial_id": f"trial-{i}-{own_seed}",
            "recipe_id": f"recipe-{i}",
            "variant_id": f"variant-{i}",
            "stage": "final",
            "seed": own_seed,
            "fold": None,
            "epochs": EPOCHS,
        }
        for i in range(recipes)
        for own_seed in range(seeds)
    ]
    return {
        "schema_version": 1,
        "experiment": "synthetic",
        "description": description,
        "spec": {
            "name": "synthetic",
            "description": description,
            "data": {"source": "synthetic.csv", "target": "outcome"},
            "model": {"kind": "mlp", "hidden": [100, 100]},
            "train": {"epochs": EPOCHS, "batch_size": 32, "seeds": seeds},
            "compare": {"optimizer": [recipe["optimizer"] for recipe in described]},
            "evaluate": {"metric": metric, "also": also, "confidence": 0.95},
            "gates": gates,
        },
        "task": world.task,
        "metric": metric,
        "also": also,
        "confidence": 0.95,
        "data": {
            "name": HOSTILE[3] if hostile else "synthetic",
            "rows": len(world.target),
            "digest": "0" * 64,
            "target": "outcome",
            "classes": None if regression else class_names,
            "source": "fabricated from a seed",
            "licence": "CC0",
            "notes": ["2 rows without target left out", *(HOSTILE if hostile else ())],
            "streamed": False,
            "shuffle": "whole",
            "memory_bytes": 1_000_000,
            "columns": [
                {"name": columns[0], "kind": "number"},
                {"name": columns[1], "kind": "number"},
                {"name": columns[2], "kind": "category"},
            ],
            "kind": "table",
            "image_shape": None,
            "text": None,
            "sound": None,
        },
        "parts": {part: int((world.parts == part).sum()) for part in ("train", "val", "test")},
        "recipes": described,
        "trials": trials,
        "stacks": [
            {
                "stack_id": "stack-0",
                "trainer": "stack",
                "why": "equal shapes",
                "xla": True,
                "trials": [trial["trial_id"] for trial in trials],
                "lanes": len(trials),
                "size": len(trials),
                "parameters": 11_002,
                "rows": int((world.parts == "train").sum()),
                "steps": EPOCHS * STEPS_AN_EPOCH,
                "batch_size": 32,
                "augmentation_seconds": 0.0,
                "evaluate_every": STEPS_AN_EPOCH,
                "memory_bytes": 8_000_000,
            }
        ],
        "skipped": [
            {
                "recipe": "lion · onplateau",
                "reason": HOSTILE[0] if hostile else "an example of a skipped pair",
            }
        ],
        "cost": {"trials": len(trials), "steps": len(trials) * EPOCHS * STEPS_AN_EPOCH, "seconds": 4.2},
    }


def _trial(trial: dict[str, Any], recipe: dict[str, Any], diverged: bool, rng: np.random.Generator) -> dict[str, Any]:
    epochs = 3 if diverged else EPOCHS
    return {
        **{name: trial[name] for name in ("trial_id", "recipe_id", "variant_id", "stage", "seed")},
        **{name: recipe[name] for name in ("recipe", "optimizer", "schedule")},
        "params": json.dumps(recipe["params"]),
        "status": "diverged" if diverged else "ok",
        "reason": "the loss was not finite in epoch 3" if diverged else None,
        "trainer": "stack",
        "epochs": epochs,
        "steps": epochs * STEPS_AN_EPOCH,
        "best_step": None if diverged else (epochs - 4) * STEPS_AN_EPOCH,
        "parameters": 11_002,
        "seconds": float(rng.uniform(0.2, 0.4)),
        "stack_id": "stack-0",
    }


def _baseline(trial_id: str, name: str) -> dict[str, Any]:
    own = {
        "trial_id": trial_id,
        "recipe_id": trial_id,
        "recipe": name,
        "variant_id": trial_id,
        "params": "{}",
    }
    return own | {"stage": "baseline", "seed": 0, "status": "ok", "trainer": "sklearn", "seconds": 0.05}


def _curves(
    trial_id: str,
    world: _World,
    prediction: np.ndarray,
    rate: float,
    diverged: bool,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    end, start = world.loss(prediction), 1.3 * world.loss(world.constant())
    rows = []
    for epoch in range(1, (3 if diverged else EPOCHS) + 1):
        val_loss = end + (start - end) * np.exp(-epoch / 4) * rng.normal(1, 0.02)
        if diverged:
            val_loss = start * 10.0 ** (3 * epoch) if epoch < 3 else np.nan
        values = {"train_loss": 0.95 * val_loss, "val_loss": val_loss, "learning_rate": rate}
        if world.task == "classification":
            values["val_accuracy"] = np.nan if np.isnan(val_loss) else float(np.clip(1 - val_loss, 0.05, 0.99))
        rows += [
            {
                "trial_id": trial_id,
                "epoch": epoch,
                "step": epoch * STEPS_AN_EPOCH,
                "name": name,
                "value": value,
            }
            for name, value in values.items()
        ]
    return rows


def _metric(trial_id: str, part: str, metric: str, value: float, world: _World) -> dict[str, Any]:
    rows = int((world.parts == part).sum())
    return {"trial_id": trial_id, "part": part, "metric": metric, "value": value, "rows": rows}


def _measured(trial_id: str, world: _World, prediction: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    rows = []
    for part in ("train", "val", "test"):
        inside = world.parts == part
        for name in names:
            value = METRICS[name].function(world.target[inside], prediction[inside])
            rows.append(_metric(trial_id, part, name, value, world))
    return rows


def _predicted(trial_id: str, world: _World, prediction: np.ndarray) -> pd.DataFrame:
    """Returns rows of table `predictions` by part, then row."""
    frames = []
    for part in ("val", "test"):
        rows = np.flatnonzero(world.parts == part)
        width = prediction.shape[1] if prediction.ndim == 2 else 1
        frames.append(
            pd.DataFrame(
                {
                    "trial_id": trial_id,
                    "part": part,
                    "row": np.repeat(rows, width),
                    "target": np.repeat(world.target[rows], width).astype(np.float64),
                    "class_index": np.tile(np.arange(width), len(rows)) if prediction.ndim == 2 else None,
                    "value": prediction[rows].ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _previews(hostile: bool) -> dict[str, Any]:
    texts = HOSTILE if hostile else ("one two three", "four five")
    shown = [{"before": text, "after": [f"{text} six", text[::-1]]} for text in texts]
    policies = [{"name": texts[0], "times": times, "versions": 2, "examples": shown} for times in (None, 2)]
    return {"schema_version": 1, "kind": "text", "policies": policies}


def _validation(hostile: bool) -> dict[str, Any]:
    column = HOSTILE[1] if hostile else "age"
    passed = {
        "check": "expect_column_values_to_be_between",
        "column": column,
        "origin": "spec",
        "severity": "block",
        "success": True,
        "expected": "between 0 and 100",
        "observed": "min 0.42, max 80",
        "rows": 900,
        "unexpected": 0,
        "message": f"{column} lies between 0 and 100.",
        "remedy": None,
    }
    warned = passed | {
        "check": "expect_column_values_to_not_be_null",
        "origin": "inferred",
        "severity": "warn",
        "success": False,
        "expected": "at most 5% missing",
        "observed": HOSTILE[0] if hostile else "20% missing",
        "unexpected": 177,
        "message": f"{column} is missing in 177 of 900 rows.",
        "remedy": "fill it in at the source, or drop the column",
    }
    whole = passed | {
        "check": "rows_in_two_parts",
        "column": None,
        "origin": "comparison",
        "expected": "no row in two parts",
        "observed": "none",
        "message": "No row stands in two parts.",
    }
    return {
        "schema_version": 1,
        "outcome": "warned",
        "seconds": 0.4,
        "sampled": None,
        "results": [passed, warned, whole],
    }


_ENVIRONMENT = {
    "python": "3.11.0",
    "platform": "Linux-x86_64",
    "cpus": 2,
    "versions": {"tensorflow-cpu": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"},
    "command": "bakeoff run synthetic.yaml",
    "git": {"commit": "0" * 40, "dirty": False},
    "started": "2026-01-01T00:00:00Z",
}

_STAGES = {
    "stages": {
        name: {"status": "done", "started": "2026-01-01T00:00:00Z", "seconds": seconds}
        for name, seconds in {
            "load": 0.1,
            "validate": 0.4,
            "split": 0.1,
            "train": 6.0,
            "evaluate": 0.8,
            "judge": 0.6,
            "report": 3.0,
        }.items()
    }
}
