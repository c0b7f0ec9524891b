"""The key of a trial: a digest of everything that decides its training. Equal keys mean equal weights and curves.

The key covers: all that the trial learns from (`Prepared.digest`), its recipe with every hyperparameter bound, its
seed, fold, epochs and stage, what else decides it in a search, the code that training goes through, and the versions of
the libraries. It does not cover the other trials of its stack, nor whether XLA compiles: these change digits only
within the trainer's tolerance. Nor does it cover what only judges a trained trial, such as metrics, costs, thresholds
and gates.

A stack that is half trained has a key of its own. It covers the trials in their order and how the stack is compiled,
because training goes on bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tasks.augmentation.cache import PACKAGES
from tasks.planning.jobs import Job
from tasks.records.plan import PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack

CODE = (
    "dataset.py",
    "execution/archive.py",
    "execution/deciding.py",
    "execution/rungs.py",
    "execution/runner.py",
    "execution/stack_jobs.py",
    "execution/trainer.py",
    "inputs",
    "kinds.py",
    "planning/jobs.py",
    "planning/stacks.py",
    "planning/trials.py",
    "preprocessing",
    "records/settings.py",
    "records/stacks.py",
    "training",
    "augmentation",
)
"""Paths below `tasks/`: the modules, and folders of modules, that training goes through from a plan to its outcome."""

LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", *PACKAGES)


def trial_key(trial: PlannedTrial, recipe: Recipe, data: str, beside: Any = None) -> str | None:
    """SHA-256 (hex) of all that decides a trial. None where `evaluate_every` is in seconds: the speed of the machine
    then decides how many steps that is.

    Args:
        recipe: The trial's variant.
        data: `Prepared.digest` of its fold.
        beside: The entry of its recipe in `jobs.beside`.
    """
    if recipe.settings.evaluate_every["seconds"]:
        return None
    return _digest(_facts(trial, recipe, data, beside))


def stack_key(stack: PlannedStack, job: Job, data: Mapping[int | None, str]) -> str:
    """SHA-256 (hex) of all that decides a stack's trials, including their order and how they are compiled.

    Args:
        data: `Prepared.digest` by fold.
    """
    planned, beside = {trial.trial_id: trial for trial in job.trials}, job.beside(stack)
    trials = [
        _facts(trial, job.variant(trial.variant_id), data[trial.fold], beside.get(trial.recipe_id))
        for trial in [planned[each] for each in stack.trials]
    ]
    return _digest({"trials": trials, "xla": stack.xla, "every": stack.evaluate_every})


def _facts(trial: PlannedTrial, recipe: Recipe, data: str, beside: Any) -> dict[str, Any]:
    initial = {} if trial.initial is None else {"initial": trial.initial}
    return initial | {
        "settings": recipe.settings.document,
        "seed": trial.seed,
        "fold": trial.fold,
        "epochs": trial.epochs,
        "stage": trial.stage,
        "data": data,
        "beside": beside,
        "code": code_digest(),
        "versions": versions(),
    }


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def code_digest() -> str:
    """SHA-256 (hex) of the text of the modules in `CODE`."""
    tasks = Path(__file__).parent.parent
    found = hashlib.sha256()
    for name in CODE:
        path = tasks / name
        for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            text = module.read_bytes()
            found.update(f"{module.relative_to(tasks).as_posix()} {len(text)}\n".encode())
            found.update(text)
    return found.hexdigest()


@cache
def versions() -> Mapping[str, str]:
    """The versions of the libraries that training goes through, and the kind of processor."""
    found = {"processor": platform.machine()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
