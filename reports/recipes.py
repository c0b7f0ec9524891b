"""How a report shows its recipes: in which order, by which label, in which colour; the same in every chart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reports.labels import labels
from reports.palette import COLOURS, DASHES, palette
from tasks.records.plan import Plan
from tasks.records.verdict import Verdict

TOP = 20
"""Recipes that a chart or a table shows until the reader asks for all. `draw.js` and `recipes.js` know it too."""

TOLD_APART = len(COLOURS) * len(DASHES)
"""Recipes that have a colour and a dash of their own; more take those of others."""


@dataclass(frozen=True)
class Look:
    """Of one recipe: its label in charts, its colour (hex) and its dash (pixels on, off, ...)."""

    name: str
    label: str
    colour: str
    dash: tuple[int, ...]


@dataclass(frozen=True)
class Recipes:
    """The looks of a run's recipes by their full names, the leading one first (without a verdict, in the plan's
    order)."""

    looks: dict[str, Look] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """The recipe's label; its name where the plan does not know it."""
        return self.looks[name].label if name in self.looks else name

    def among(self, names: Iterable[str]) -> list[Look]:
        """The looks of these recipes, the leading one first."""
        wanted = set(names)
        return [look for name, look in self.looks.items() if name in wanted]


def recipes_of(plan: Plan, verdict: Verdict | None) -> Recipes:
    """The looks of a run's recipes.

    Colours follow the plan's order, so that a recipe keeps its own when others fare better. Of more recipes than there
    are colours and dashes to tell apart they follow the ranks: then the leading ones differ.
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
