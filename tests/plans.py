"""Builds plans without data or a spec, from only the values that matter to a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.records.documents import document_of
from tasks.records.plan import Plan
from tasks.records.search_plan import SearchedChoices, SearchedDimension, SearchedRange, SearchPlan

_DATA: dict[str, Any] = {
    "name": "made up",
    "rows": 100,
    "digest": "0" * 64,
    "target": "y",
    "classes": None,
    "source": "a test",
    "licence": "none",
    "notes": [],
    "columns": [],
    "kind": "table",
    "streamed": False,
    "shuffle": "whole",
    "memory_bytes": 0,
}
_RECIPE: dict[str, Any] = {"optimizer": "sgd", "schedule": "constant", "variant_id": "v", "params": {}}
_STACK: dict[str, Any] = {
    "stack_id": "s",
    "trainer": "stack",
    "why": "",
    "xla": False,
    "trials": [],
    "lanes": 1,
    "size": 0,
    "parameters": 1,
}
_STACK |= {
    "rows": 60,
    "steps": 10,
    "batch_size": 32,
    "augmentation_seconds": 0.0,
    "evaluate_every": 2,
    "memory_bytes": 0,
}
_SEARCHED: dict[str, Any] = {
    "optimizer": "sgd",
    "params": {},
    "method": "random",
    "trials": 3,
    "epochs": 30,
    "rungs": [],
    "space": [],
}


def made_up(**changes: Any) -> Plan:
    """Returns a plan of default values with `changes`; recipes, stacks and data need only the keys that differ."""
    rest: dict[str, Any] = {"experiment": "made-up", "description": "", "spec": {"gates": []}, "task": "classification"}
    rest |= {"metric": "accuracy", "also": [], "confidence": 0.95, "parts": {"train": 60, "val": 20, "test": 20}}
    rest |= {"trials": [], "skipped": [], "cost": {"trials": 0, "steps": 0, "seconds": 0.0}}
    rest |= {
        "data": _DATA | changes.pop("data", {}),
        "recipes": [_RECIPE | recipe for recipe in changes.pop("recipes", [])],
        "stacks": [_STACK | stack for stack in changes.pop("stacks", [])],
    }
    return document_of(rest | changes, Plan)


def searching(**search: Any) -> SearchPlan:
    """Returns plan.json's `search` of default values with changes; its recipes need only the keys that differ."""
    recipes = [_SEARCHED | recipe for recipe in search.pop("recipes", [])]
    rest: dict[str, Any] = {"method": "random", "trials": 3, "seeds": 1, "folds": None, "cost": None, "stacks": []}
    rest |= {"metric": "accuracy", "greater_is_better": True}
    return document_of(rest | search | {"recipes": recipes}, SearchPlan)


def space_of(*dimensions: dict[str, Any]) -> Sequence[SearchedDimension]:
    return [SearchedChoices(**each) if "choices" in each else SearchedRange(**each) for each in dimensions]
