"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "reports.escape",
    "tasks.errors",
    "tasks.evaluation.comparison",
    "tasks.evaluation.intervals",
    "tasks.evaluation.wording",
    "tasks.planning.recipes",
    "tasks.search.halving",
    "tasks.search.method",
    "tasks.search.space",
    "tasks.spec.sizes",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed
