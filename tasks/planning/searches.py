"""What is searched in each compared recipe, and with which budget: the same for all. This needs no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from tasks.errors import BadInput
from tasks.kinds import FORMS
from tasks.planning.recipes import recipes_of, variant_of
from tasks.records.plan import PlannedTrial, Recipe
from tasks.records.search_plan import PlannedRung, PlannedSearch
from tasks.search.gradient import DECAY_RATES
from tasks.search.halving import Rung, epochs_of, rungs
from tasks.search.methods import METHODS
from tasks.search.points import Settings, possible
from tasks.search.space import Choices, Range, Setting, Space
from tasks.spec.models import Spec, compared
from tasks.spec.places import check_settings, place_of, refused, with_setting
from tasks.spec.space import on_a_grid, searched, spaces, without_steps
from tasks.spec.tune import Tune
from tasks.training.optimizers import OPTIMIZERS

DEFAULT_TRIALS = 20
MAX_POINTS = 10_000
"""The most points of one grid."""
MAX_SEARCHED = 20_000
"""The most trials of all searches: settings times seeds times folds, on all rows and in each outer fold."""
FIRST_SEED = 1000
"""The first seed of a search, so that the search has not used the comparison's seeds (0, 1, ...)."""


@dataclass(frozen=True)
class Search:
    """The search of one recipe.

    Args:
        method: Its name in `METHODS`.
        trials: Number of settings that are tried; with rungs, of those that begin.
        epochs: Epochs that one seed and fold spend on all settings; an upper bound where epochs are searched.
        rungs: Where settings are dropped; empty: nowhere.
        outer: The outer fold (one that the verdict is computed on) whose rows the search may not see; None: it learns
            from all rows that the verdict is not computed on.
        folds: The folds in which each setting is trained; None: all folds that trials are planned on.
        first_seed: The first seed of its trials.
    """

    recipe: Recipe
    method: str
    space: Space
    trials: int
    epochs: int
    rungs: tuple[Rung, ...] = ()
    outer: int | None = None
    folds: tuple[int | None, ...] | None = None
    first_seed: int = FIRST_SEED

    def tries(self, trial: PlannedTrial) -> bool:
        """Whether a trial is of this search."""
        return trial.recipe_id == self.recipe.recipe_id and (self.folds is None or trial.fold in self.folds)

    def variant(self, setting: Setting) -> Recipe:
        """The recipe with a setting of the search put in."""
        return variant_of(self.recipe, with_setting(self.recipe.settings, setting))

    def planned(self) -> PlannedSearch:
        """The search as plan.json has it."""
        return PlannedSearch(
            recipe_id=self.recipe.recipe_id,
            recipe=self.recipe.recipe,
            optimizer=self.recipe.optimizer,
            params=self.recipe.settings,
            method=self.method,
            trials=self.trials,
            epochs=self.epochs,
            rungs=[PlannedRung(rung.settings, rung.epochs) for rung in self.rungs],
            space=searched(self.space),
        )


def check_search(spec: Spec) -> None:
    """Refuses a search that can't be done with any data. Where the spec names no model, the kind of data decides the
    model, so every kind is tried.

    Raises:
        BadInput: with the path under `tune`, or of a recipe.
    """
    named = spec.model or spec.compare.model
    refused: list[BadInput] = []
    for form in FORMS[:1] if named else FORMS:
        try:
            searches_of(spec, recipes_of(spec, form.model))
            return
        except BadInput as error:
            refused.append(error)
    raise refused[0]


def searches_of(spec: Spec, recipes: Sequence[Recipe]) -> list[Search]:
    """The search of each recipe; empty where nothing is tuned.

    Raises:
        BadInput: with the path under `tune`.
    """
    tune = spec.tune
    if tune is None:
        return []
    found = spaces(tune, [(recipe.recipe, recipe.settings) for recipe in recipes], compared(spec))
    searches = [
        _search(recipe, recipe.settings.method or tune.method, space, tune)
        for recipe, space in zip(recipes, found, strict=True)
    ]
    _check_fair(searches, tune)
    judged = (spec.evaluate.folds or 0) * spec.evaluate.repeats
    _refuse_too_many(sum(search.trials for search in searches) * tune.seeds * (tune.folds or 1), judged)
    return searches


def _refuse_too_many(count: int, judged: int = 0) -> None:
    """Args:
    count: Trials of one search of all recipes.
    judged: Number of outer folds, in each of which the search is done anew.
    """
    if count * (1 + judged) > MAX_SEARCHED:
        anew = f": {count:,} on all rows and in each of {judged} folds that judge" if judged else ""
        raise BadInput(
            "the search is too large",
            where="tune",
            got=f"{count * (1 + judged):,} trials{anew}",
            accepted=f"at most {MAX_SEARCHED:,}",
            remedy="fewer settings (trials), seeds, folds or recipes"
            + (", or fewer evaluate.repeats" if judged else ""),
        )


def _search(recipe: Recipe, method: str, space: Space, tune: Tune) -> Search:
    _check_together(recipe, space)
    epochs = _most_epochs(recipe, space)
    trials = tune.trials or DEFAULT_TRIALS
    if METHODS[method].training == "rungs":
        _refuse_too_many(trials)  # before their rungs are counted
        _refuse_for_rungs(recipe, space)
        ladder = [Rung(possible(space, rung.settings), rung.epochs) for rung in rungs(trials, epochs)]
        return Search(recipe, method, space, ladder[0].settings, epochs_of(ladder), tuple(ladder))
    if METHODS[method].training == "gradients":
        _refuse_for_gradient(recipe, space)
        space = without_steps(space)
    elif METHODS[method].listed:
        _refuse_untested(space)
        space = on_a_grid(space)
        points = _points(space)
        trials = min(points, tune.trials or (points if recipe.settings.method is None else DEFAULT_TRIALS))
    else:
        trials = possible(space, trials)
    return Search(recipe, method, space, trials, trials * epochs)


def _refuse_untested(space: Space) -> None:
    for dimension in space:
        if dimension.tested:
            raise BadInput(
                "a grid is laid out before the range test has found its range",
                where=f"tune.space.{dimension.name}",
                got="range-test",
                accepted="a list of choices, low and high, or auto",
                remedy="or use another method, such as random",
            )


def _most_epochs(recipe: Recipe, space: Space) -> int:
    """The most epochs of one setting."""
    for dimension in space:
        if dimension.name == "epochs":
            over = dimension.over
            own = [] if not dimension.when else [recipe.settings.epochs]
            return int(max([*(over.values if isinstance(over, Choices) else [over.high]), *own]))
    return recipe.settings.epochs


def _points(space: Space) -> int:
    """The number of points of a grid.

    Raises:
        BadInput: more than `MAX_POINTS`.
    """
    points = Settings(space).number
    if points > MAX_POINTS:
        raise BadInput(
            "the grid is too large",
            where="tune.space",
            got=f"{points:,} points",
            accepted=f"at most {MAX_POINTS:,}",
            remedy="list fewer values, or use another method, such as random",
        )
    return points


def _check_together(recipe: Recipe, space: Space) -> None:
    """Tries all of the space's first values together, and all of its last, since some exclude each other.

    Raises:
        BadInput: the recipe can't take them.
    """
    for first in (True, False):
        setting: Setting = {}
        for dimension in space:
            if dimension.active(setting):
                over = dimension.over
                ends = (over.low, over.high) if isinstance(over, Range) else (over.values[0], over.values[-1])
                setting[dimension.name] = ends[0] if first else ends[1]
        try:
            check_settings(with_setting(recipe.settings, setting))
        except (PydanticCustomError, ValidationError) as error:
            raise refused(error, "tune.space") from None


def _refuse_for_rungs(recipe: Recipe, space: Space) -> None:
    every = recipe.settings.evaluate_every
    if every["epochs"] != 1:
        raise BadInput(
            "successive halving decides at the ends of epochs",
            where="train.evaluate_every",
            got=", ".join(f"{unit}: {count}" for unit, count in every.items() if count),
            accepted="epochs: 1",
        )
    if any(dimension.name == "epochs" for dimension in space):
        raise BadInput(
            "successive halving gives out the epochs itself",
            where="tune.space.epochs",
            remedy="take it out, or use another method",
        )


CONTINUOUS = ("learning_rate", "momentum", "l1", "l2", "weight_decay", "beta_1", "beta_2", "rho")
"""The hyperparameters that a validation loss can be differentiated by."""


def _refuse_for_gradient(recipe: Recipe, space: Space) -> None:
    if recipe.settings.averaging.name != "none":
        raise BadInput(
            "a gradient search follows the weights that steps leave, not an average of them",
            where="compare.averaging or train.averaging",
            got=recipe.settings.averaging.name,
            accepted="none",
            remedy="use another method, or no averaging",
        )
    if recipe.settings.accumulation > 1:
        raise BadInput(
            "a gradient search follows updates of one step each",
            where="compare.accumulation or train.accumulation",
            got=str(recipe.settings.accumulation),
            accepted="1",
            remedy="use another method, or a larger batch_size",
        )
    if OPTIMIZERS[recipe.optimizer]().evaluated is not None:
        raise BadInput(
            f"{recipe.optimizer} evaluates other weights than those that a gradient search follows",
            where="compare.optimizer or train.optimizer",
            got=recipe.optimizer,
            remedy="use another method, or another optimizer",
        )
    for dimension in space:
        place, over = place_of(dimension.name, recipe.settings), dimension.over
        if place is None or place[-1] not in CONTINUOUS or not isinstance(over, Range):
            raise BadInput(
                "a gradient search goes along ranges of numbers that the loss can be differentiated by",
                where=f"tune.space.{dimension.name}",
                got=dimension.name,
                accepted="ranges of " + ", ".join(CONTINUOUS),
                remedy="take it out, or use another method",
            )
        if over.low <= 0 and place[-1] not in DECAY_RATES:
            raise BadInput(
                "a gradient search multiplies by factors, so it never reaches 0",
                where=f"tune.space.{dimension.name}.low",
                got=f"{over.low}",
                accepted="above 0",
            )
        optimizer = OPTIMIZERS[recipe.optimizer]
        if over.low == 0 and place[0] == "optimizer" and place[-1] not in optimizer(**{place[-1]: 0.0}).inputs:
            raise BadInput(
                f"at 0 {recipe.optimizer}'s steps leave it out, so the loss has no derivative by it there",
                where=f"tune.space.{dimension.name}.low",
                got="0",
                accepted="above 0",
            )


def _check_fair(searches: Sequence[Search], tune: Tune) -> None:
    """All recipes get the same number of settings. Whole grids may differ in size.

    Raises:
        BadInput: grids differ in size, and the spec names no number of settings.
    """
    grids = {
        search.trials for search in searches if METHODS[search.method].listed and search.recipe.settings.method is None
    }
    if len(grids) > 1 and tune.trials is None:
        raise BadInput(
            "the recipes' grids differ in size, so their budgets would differ too",
            where="tune.trials",
            got=" and ".join(f"{points} points" for points in sorted(grids)),
            remedy=f"set tune.trials, such as {min(grids)}: larger grids are then sampled",
        )
