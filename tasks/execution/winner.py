"""The leading recipe as its own spec: `bakeoff run` takes it to train the recipe again, without a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tasks.records.plan import Recipe
from tasks.spec.load import parse_spec
from tasks.spec.models import Spec, as_written


def winner_spec(spec: Spec, recipe: Recipe, base: Path, *, name: str = "winner.yaml", said: str = "chose it") -> str:
    """Returns the spec as YAML, with every value written out.

    Args:
        name: The name of the file.
        said: What the run did with the recipe, to follow "as the run".
        recipe: The recipe, with the settings that a search chose for it.
        base: The folder that the spec's relative paths start from; the result has absolute paths.
    """
    written = as_written(spec)
    settings = recipe.settings.without(["model", "method"])
    document: dict[str, Any] = {
        **written,
        "model": recipe.settings.part("model"),
        "train": {"seeds": spec.train.seeds, **settings},
        "data": written["data"] | {"source": _absolute(spec.data.source, base)},
    }
    del document["compare"], document["tune"]
    document.pop("explain", None)  # explainers compare recipes, and this spec has only one
    parse_spec(document, name)
    head = f"# {recipe.recipe}, as the run {said}: bakeoff run {name} trains it again.\n"
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None)


def _absolute(source: str, base: Path) -> str:
    path = base / source
    return str(path.resolve()) if path.exists() else source
