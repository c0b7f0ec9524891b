"""The jobs that a runner gets: the final trials of a plan, or the trials of one round of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.planning.searches import Search
from tasks.planning.stacks import Beside
from tasks.records.plan import Plan, PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack
from tasks.search.methods import METHODS


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
        """The final trials of a plan, and those of folds that are held out."""
        return cls(plan.variants, plan.all_trials, plan.all_stacks, plan.metrics)

    def variant(self, variant_id: str) -> Recipe:
        return next(each for each in self.variants if each.variant_id == variant_id)

    def beside(self, stack: PlannedStack) -> Beside:
        """`beside` for the trials of a stack."""
        together = {each for other in self.stacks if other.search == stack.search for each in other.trials}
        trials = [trial for trial in self.trials if trial.trial_id in together]
        return beside(stack.search, self.searches, trials, self.metrics[0])


def beside(method: str, searches: Sequence[Search], trials: Sequence[PlannedTrial], metric: str) -> Beside:
    """Returns, by `recipe_id` and as plain JSON, what else decides the results of a search method's trials, beside each
    trial's own settings, seed and data. Empty where nothing else does.

    A gradient search takes derivatives by what is searched. At rungs all trials of a method are compared by the
    deciding metric.

    Args:
        method: The search method's name; empty: trials are simply trained to their end.
        trials: All that the method trains in this round.
    """
    training = METHODS[method].training if method else "whole"
    if training == "gradients":
        return {search.recipe.recipe_id: [dimension.name for dimension in search.space] for search in searches}
    if training == "rungs":
        compared = {trial.recipe_id for trial in trials}
        contest: dict[str, Any] = {
            "metric": metric,
            "rungs": [
                [[rung.settings, rung.epochs] for rung in search.rungs]
                for search in searches
                if search.recipe.recipe_id in compared
            ],
            "trials": [[trial.recipe_id, trial.variant_id, trial.seed, trial.fold, trial.epochs] for trial in trials],
        }
        return dict.fromkeys(compared, contest)
    return {}
