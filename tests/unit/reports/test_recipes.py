"""How a report shows its recipes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reports.recipes import recipes_of
from reports.run import Run, read_run
from tests.synthetic_run import write_synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_synthetic_run(tmp_path_factory.mktemp("run"), recipes=6))


def test_the_leading_recipe_stands_first_and_colours_follow_the_plan(run: Run) -> None:
    judged, planned = recipes_of(run.plan, run.verdict), recipes_of(run.plan, None)
    ranks = {entry.recipe: entry.rank for entry in run.verdict.recipes}
    assert list(judged.looks) == sorted(ranks, key=lambda name: ranks[name])
    assert list(planned.looks) == [recipe.recipe for recipe in run.plan.recipes]
    assert judged.looks == planned.looks
    assert [look.name for look in judged.among(list(judged.looks)[3:1:-1])] == list(judged.looks)[2:4]


def test_of_more_recipes_than_colours_the_leading_ones_differ(run: Run) -> None:
    assert run.verdict
    recipes = [replace(run.plan.recipes[0], recipe=f"recipe {i}") for i in range(300)]
    entries = [replace(run.verdict.recipes[0], recipe=f"recipe {i}", rank=300 - i) for i in range(300)]
    looks = recipes_of(replace(run.plan, recipes=recipes), replace(run.verdict, recipes=entries)).looks
    first = list(looks.values())[:20]
    assert first[0].name == "recipe 299"
    assert len({(look.colour, look.dash) for look in first}) == 20


def test_dark_pages_have_one_set_of_colours() -> None:
    """Pandoc's pages and Quarto's."""
    theme = Path(__file__).parents[3] / "reports" / "theme"
    page, dark = ((theme / name).read_text(encoding="utf-8") for name in ("page.css", "dark.scss"))
    colours = page.split(":root { --ink: #e6e8eb;")[1].split("}")[0]
    assert colours in dark
