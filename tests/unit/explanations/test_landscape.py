"""A landscape that is a bowl, seen from its bottom and from a slope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.explanations import landscape
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tasks.records.inspection import Inspection
from tasks.records.landscape import Curvature, Landscape, Plane, TrainingPath
from tests.plans import made_up

SHARPNESS, LOSS = 10.0, 0.5
ALONG = np.linspace(-0.3, 0.3, 41)
SIDES = np.linspace(-1, 1, 5)


def plane() -> Plane:
    x, y = np.meshgrid(SIDES, SIDES)
    return Plane(x=SIDES.tolist(), y=SIDES.tolist(), losses=(LOSS + 0.1 * x**2 + 0.2 * y**2).tolist())


def bowl(**changes: object) -> Landscape:
    path = TrainingPath(plane=plane(), steps=[0, 9], x=[-1.0, 0.0], y=[1.0, 0.0], share=0.9, apart=0.0)
    known = Landscape(
        rows=60,
        training_rows=60,
        weights=12,
        loss=LOSS,
        plane=plane(),
        path=path,
        no_path=None,
        curvatures=[curvature("a", 0.1), curvature("b", 0.05), curvature("c", 0.01)],
        along=ALONG.tolist(),
        losses=(LOSS + SHARPNESS * ALONG**2 / 2).tolist(),
        random=0.2,
    )
    return replace(known, **changes)


def curvature(recipe: str, rate: float, largest: float = SHARPNESS) -> Curvature:
    return Curvature(recipe_id=recipe, trial_id=recipe, largest=largest, smallest=0.5, negative=0, rate=rate)


def explained(found: Landscape, optimizer: dict[str, dict[str, float]] | None = None) -> Explanation:
    settings = {"optimizer": optimizer or {"sgd": {"learning_rate": 0.1}}}
    (name,) = settings["optimizer"]
    recipes = [{"recipe_id": each, "recipe": each, "optimizer": name, "params": settings} for each in "abc"]
    inspected = Inspection(trial_id="a", examples=None, residuals=None, inputs=0, landscape=found)
    plan = made_up(recipes=recipes)
    return landscape.explain(
        Results(plan=plan, trials=tables.TRIALS.frame(), curves=tables.CURVES.frame(), inspected=inspected)
    )


def test_of_a_bowl_every_check_is_met_with_its_figure() -> None:
    found = explained(bowl())
    assert [check.claim for check in found.checks if not check.met] == []
    assert [check.measured for check in found.checks] == pytest.approx([1, 0.02, 0, 0.9, 0.5])
    assert "condition number is 20" in " ".join(found.seen) and "50% of that" in " ".join(found.seen)
    assert [picture.heights is not None for picture in found.pictures] == [True, True, False, False]


def test_on_a_slope_the_bend_is_still_that_of_the_eigenvalue() -> None:
    tilted = (LOSS + 0.7 * ALONG + SHARPNESS * ALONG**2 / 2).tolist()
    assert explained(bowl(losses=tilted)).checks[0].measured == pytest.approx(1)


def test_what_theory_forbids_is_not_met() -> None:
    sharp = [curvature("a", 0.1, 30.0), *bowl().curvatures[1:]]
    high = Plane(x=SIDES.tolist(), y=SIDES.tolist(), losses=np.full([5, 5], 0.1).tolist())
    found = explained(bowl(curvatures=sharp, plane=high, random=20.0))
    assert [check.met for check in found.checks] == [False, False, False, True, False]


def test_momentum_doubles_what_is_stable_and_adam_has_no_such_limit() -> None:
    *_, limit = explained(bowl(), {"momentum": {"learning_rate": 0.1, "momentum": 0.9}}).checks
    assert limit.measured == pytest.approx(0.5 / 1.9)
    found = explained(bowl(), {"adam": {"learning_rate": 0.1}})
    assert len(found.checks) == 4 and "adam scales its steps otherwise" in " ".join(found.seen)


def test_a_missing_path_is_said_and_eigenvalues_below_0_have_no_condition_number() -> None:
    saddle = [replace(curvature("a", 0.1), smallest=-1.0, negative=3)]
    found = explained(bowl(path=None, no_path="nobody watched", curvatures=saddle))
    said = " ".join(found.seen)
    assert "The way of training is missing: nobody watched." in said and "no condition number" in said
    assert len(found.pictures) == 2


def test_random_search_alone_is_a_misfit() -> None:
    recipes = made_up(recipes=[{"recipe_id": "r", "recipe": "r", "optimizer": "random_search"}]).recipes
    assert landscape.misfit(recipes) is not None
