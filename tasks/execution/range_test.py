"""Learning-rate range tests of recipes: short trainings at fixed rates, all recipes in common stacks.

The divisions and results are written down, so that a search that goes on after a kill uses the ranges that it used
before.
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
"""Different from the seeds of the search (1000, ...) and of the comparison (0, 1, ...), so that those stay fresh."""
SHARE = 0.1
"""How long each rate is trained, as a share of a recipe's epochs; at least one epoch."""


@dataclass(frozen=True)
class RangeTests:
    """The range tests of recipes, trained on training rows and judged on validation rows.

    Args:
        recipes: The recipes that are tested.
        context: By fold, or with the run's own validation part under None; of several folds, only the first is used.
        key: The key of the data, used in the trials' ids.
        rates: By optimizer, in rising order; None: those of `rates_to_test`.
        seeds: Number of seeds under which each rate is trained, from `first_seed` on.
        share: Share of each recipe's epochs.
        name: As in `Aside`.
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
        """Returns the range found for each recipe. Trains the trials that are not recorded yet below the run's
        folder."""
        results = self.results(run, train, progress)
        return [
            self._found(recipe, [each.loss for each in of_recipe])
            for recipe, of_recipe in zip(self.recipes, results, strict=True)
        ]

    def results(self, run: Path, train: Train, progress: StackProgress | None = None) -> list[list[Result]]:
        """Returns, for each recipe, the result at each rate. Writes the division into stacks below the run's folder."""
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
        """The range tests' trials. Recipes that differ only in how they stop are trained once."""
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
        """For each recipe, its variants at each rate, without the settings that end a training early."""
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
    """The recipes with a learning rate that is searched in the range that a test finds."""
    return [each.recipe for each in searches if any(dimension.tested for dimension in each.space)]


def ranged(search: Search, tests: Mapping[str, RangeTest]) -> Search:
    """The search, with the range that the test found put in.

    Args:
        tests: By `recipe_id`.
    """
    test = tests.get(search.recipe.recipe_id)
    if test is None:
        return search
    over = Range(test.low, test.high, log=True)
    return replace(search, space=tuple(replace(each, over=over) if each.tested else each for each in search.space))
