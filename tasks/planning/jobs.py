"""What is handed to the runner: the final trials of a plan, or those of a search's round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.planning.searches import Search
from tasks.records.plan import Plan, PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack


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

    @classmethod
    def of(cls, plan: Plan) -> Job:
        """The final trials of a plan."""
        return cls(plan.recipes, plan.trials, plan.stacks, plan.metrics)

    def variant(self, variant_id: str) -> Recipe:
        return next(each for each in self.variants if each.variant_id == variant_id)
