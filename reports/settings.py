"""Writes a recipe's settings in words, without the notation of Python or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reports.numbers import setting


def words(value: Any) -> str:
    """Returns a setting in words. Keys without a value are left out.

    >>> words({"sgd": {"learning_rate": 0.01, "nesterov": True}})
    'sgd (learning rate 0.01, nesterov yes)'
    >>> words({"norm": None, "value": None}), words([16, 32])
    ('none', '16, 32')
    """
    if value is None or value == {} or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(own := next(iter(value.values())), Mapping):  # an entry and its parameters
            name = next(iter(value))
            return f"{name} ({words(own)})" if own else str(name)
        said = [f"{_plain(name)} {_inner(each)}" for name, each in value.items() if each is not None]
        return ", ".join(said) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value))
    return setting(value)


def named(settings: Mapping[str, Any]) -> dict[str, str]:
    """Returns each setting's name and value, both in words."""
    return {_plain(name): words(value) for name, value in settings.items()}


def _inner(value: Any) -> str:
    """Returns a nested value in words. A value with several parts gets brackets."""
    several = isinstance(value, Mapping | list | tuple) and len(value) > 1
    return f"({words(value)})" if several else words(value)


def _plain(name: object) -> str:
    return re.sub(r"_(?=[a-z])", " ", str(name))  # keeps beta_1
