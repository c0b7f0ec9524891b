"""How a report shows its recipes: their order, labels and colours, the same in every chart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reports.labels import labels
from reports.palette import COLOURS, DASHES, palette
from tasks.records.plan import Plan
from tasks.records.verdict import Verdict

TOP = 20
"""Recipes that a chart or a table shows until the reader asks for all. `draw.js` and `recipes.js` repeat it."""

TOLD_APART = len(COLOURS) * len(DASHES)
"""Recipes that have a colour and a dash of their own. Further ones repeat them."""


@dataclass(frozen=True)
class Look:
    """How one recipe is drawn: its label in charts, its colour (hex) and its dash (pixels on, off, ...)."""

    name: str
    label: str
    colour: str
    dash: tuple[int, ...]


@dataclass(frozen=True)
class Recipes:
    """The looks of a run's recipes by full name, the leading recipe first; without a verdict, in the plan's order."""

    looks: dict[str, Look] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Returns the recipe's label, or its name if the plan does not know it."""
        return self.looks[name].label if name in self.looks else name

    def among(self, names: Iterable[str]) -> list[Look]:
        """Returns the looks of these recipes, the leading one first."""
        wanted = set(names)
        return [look for name, look in self.looks.items() if name in wanted]


def recipes_of(plan: Plan, verdict: Verdict | None) -> Recipes:
    """Returns the looks of a run's recipes.

    Colours follow the plan's order, so that a recipe's colour does not depend on its rank. If there are more recipes
    than looks that can be told apart (`TOLD_APART`), colours follow the ranks, so that the leading recipes differ.
    """
    planned = list(dict.fromkeys(recipe.recipe for recipe in plan.recipes))
    place = {entry.recipe: entry.rank for entry in verdict.recipes} if verdict else {}
    ranked = sorted(planned, key=lambda name: place.get(name, len(planned) + 1))
    label = dict(zip(planned, labels(planned), strict=True))
    colours = palette(planned if len(planned) <= TOLD_APART else ranked)
    paint = {
        name: (colour, dash) for name, colour, dash in zip(colours.names, colours.colours, colours.dashes, strict=True)
    }
    return Recipes({name: Look(name, label[name], *paint[name]) for name in ranked})
