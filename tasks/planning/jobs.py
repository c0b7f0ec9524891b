"""What is handed to the runner: the final trials of a plan, or those of a search's round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.planning.recipes import Recipe
from tasks.planning.searches import Search
from tasks.planning.trials import PlannedStack, PlannedTrial


@dataclass(frozen=True)
class Job:
    """Trials to be trained and recorded.

    Args:
        variants: Recipes with their values bound, each once.
        trials: Of these variants.
        stacks: How the trials are divided.
        metrics: What is measured of each trial; the first one decides.
        searches: Where the trials are those of a search, one for each compared recipe.
    """

    variants: Sequence[Recipe]
    trials: Sequence[PlannedTrial]
    stacks: Sequence[PlannedStack]
    metrics: tuple[str, ...]
    searches: Sequence[Search] = ()

    def variant(self, variant_id: str) -> Recipe:
        return next(each for each in self.variants if each.variant_id == variant_id)
