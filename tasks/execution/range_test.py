"""Learning-rate range tests of recipes: short trainings at fixed rates, all recipes' in common stacks.

What was found is written down, so that a search that goes on after a kill looks where it looked before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.execution.aside import Aside, Train
from tasks.execution.board import StackProgress
from tasks.execution.results import Result, results_of
from tasks.execution.tuning import Divided
from tasks.planning.recipes import variant_of
from tasks.planning.searches import Search
from tasks.planning.stacks import PlanContext
from tasks.records.plan import Recipe
from tasks.records.search_plan import RangeTest
from tasks.search.range_test import good_range, rates_to_test
from tasks.search.space import Range
from tasks.training.optimizers import LEARNING_RATES

SEEDS = 3
FIRST_SEED = 2000
"""So that the seeds of the search (1000, ...) and of the comparison (0, 1, ...) are fresh."""
SHARE = 0.1
"""Of a recipe's epochs: how long each rate is trained, at least one epoch."""


@dataclass(frozen=True)
class RangeTests:
    """The range tests of recipes. They are trained on training rows and judged on validation rows.

    Args:
        recipes: Each is tested.
        context: By fold, or with the run's own validation part under None; of folds the first one is taken.
        key: Of the data, for the trials' ids.
        rates: By optimizer, rising; None: `rates_to_test`.
        seeds: Under which each rate is trained, from `first_seed` on.
        share: Of each recipe's epochs.
        name: As `Aside`.
    """

    recipes: Sequence[Recipe]
    context: PlanContext
    key: str
    rates: Mapping[str, Sequence[float]] | None = None
    seeds: int = SEEDS
    share: float = SHARE
    first_seed: int = FIRST_SEED
    name: str = "range-test"

    @property
    def trials(self) -> int:
        return sum(len(self.of(recipe)) for recipe in self.recipes) * self.seeds

    def of(self, recipe: Recipe) -> Sequence[float]:
        """The rates at which a recipe is trained."""
        return self.rates[recipe.optimizer] if self.rates else rates_to_test(*LEARNING_RATES[recipe.optimizer])

    def divide(self) -> Divided:
        """How the trials are divided into stacks, and the seconds expected."""
        return Divided(*self._aside(self._variants()).divide())

    def run(self, run: Path, train: Train, progress: StackProgress | None = None) -> list[RangeTest]:
        """What is found for each recipe. Trains what is not recorded yet below the run's folder."""
        results = self.results(run, train, progress)
        return [
            self._found(recipe, [each.loss for each in of_recipe])
            for recipe, of_recipe in zip(self.recipes, results, strict=True)
        ]

    def results(self, run: Path, train: Train, progress: StackProgress | None = None) -> list[list[Result]]:
        """For each recipe, the result at each rate. How the trials were divided is written down below the run's
        folder."""
        by_recipe = self._variants()

        def report(what: str, done: int, total: int) -> None:
            if progress:
                progress(f"range test: {what}", done, total)

        results = results_of(self._aside(by_recipe).train(run, train, report), run)
        return [[results[each.variant_id] for each in variants] for variants in by_recipe]

    def _found(self, recipe: Recipe, losses: Sequence[float]) -> RangeTest:
        rates = self.of(recipe)
        known = [loss if math.isfinite(loss) else None for loss in losses]
        good = good_range(rates, known, recipe.settings.epochs / self._epochs(recipe))
        low, high = (good.low, good.high) if good else LEARNING_RATES[recipe.optimizer]
        return RangeTest(
            recipe_id=recipe.recipe_id,
            recipe=recipe.recipe,
            optimizer=recipe.optimizer,
            epochs=self._epochs(recipe),
            seeds=self.seeds,
            rates=list(rates),
            losses=known,
            best=good.best if good else None,
            low=low,
            high=high,
        )

    def _epochs(self, recipe: Recipe) -> int:
        return max(1, round(self.share * recipe.settings.epochs))

    def _aside(self, by_recipe: Sequence[Sequence[Recipe]]) -> Aside:
        """Recipes that differ only in how they stop are one here."""
        once = {each.variant_id: each for variants in by_recipe for each in variants}
        fold = next(iter(self.context.rows))
        return Aside(
            name=self.name,
            variants=list(once.values()),
            seeds=range(self.first_seed, self.first_seed + self.seeds),
            stage="search",
            context=replace(self.context, rows={fold: self.context.rows[fold]}),
            key=self.key,
        )

    def _variants(self) -> list[list[Recipe]]:
        """For each recipe, it at each rate, without what would end a training early."""
        found = []
        for recipe in self.recipes:
            optimizer, parameters = recipe.settings.optimizer
            held = {"epochs": self._epochs(recipe), "early_stopping": None, "stop_at": None}
            settings = [
                recipe.settings.replaced(**held, optimizer={optimizer: {**parameters, "learning_rate": rate}})
                for rate in self.of(recipe)
            ]
            found.append([variant_of(recipe, each) for each in settings])
        return found


def asking(searches: Sequence[Search]) -> list[Recipe]:
    """The recipes whose learning rate is searched in the range that a test finds."""
    return [each.recipe for each in searches if any(dimension.tested for dimension in each.space)]


def ranged(search: Search, tests: Mapping[str, RangeTest]) -> Search:
    """The search with the range that was found put in.

    Args:
        tests: By `recipe_id`.
    """
    test = tests.get(search.recipe.recipe_id)
    if test is None:
        return search
    over = Range(test.low, test.high, log=True)
    return replace(search, space=tuple(replace(each, over=over) if each.tested else each for each in search.space))
