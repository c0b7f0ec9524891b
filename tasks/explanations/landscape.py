"""Explains the loss around the trained weights: planes through them, the training path, and the sharpness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.evaluation.wording import number, written
from tasks.explanations.explanation import (
    Axis,
    Check,
    Explanation,
    Heights,
    Line,
    Misfit,
    Picture,
    Results,
    ratio,
)
from tasks.records.landscape import Curvature, Landscape, Plane, TrainingPath
from tasks.records.plan import Recipe

THEORY = r"""
The loss $L$ is a function of all weights $w$ at once, a landscape over as many directions as there are weights.
Training walks down in it. Near the place $w^*$ where it ends, the loss along a direction $d$ of length 1 is

$$ L(w^* + \alpha d) \approx L(w^*) + \alpha \, d^\top \nabla L + \tfrac{1}{2} \alpha^2 \, d^\top H d $$

$H$ is the **Hessian**, the table of all second derivatives. Its eigenvectors are the directions in which the landscape
bends by itself, its eigenvalues $\lambda$ say how strongly: along an eigenvector, at the bottom of a valley, the loss
rises by $\lambda \alpha^2 / 2$. The largest, $\lambda_{\max}$, is the **sharpness**. No direction bends more, and a
random one bends by the mean of all eigenvalues only, which is far less where a few are large.

**Sharpness and learning rate.** A step of gradient descent multiplies the distance from the bottom along an eigenvector
by $1 - \eta\lambda$. It stays finite for $|1 - \eta\lambda| < 1$, so descent can rest only where

$$ \lambda_{\max} < \frac{2}{\eta} $$

and with momentum $\beta$ where $\lambda_{\max} < 2 (1 + \beta) / \eta$. A higher rate is pushed out of sharp valleys,
and ends in flatter ones. On all rows at once, training goes on until the sharpness stands just at the limit, the *edge
of stability* (Cohen et al. 2021, arXiv 2103.00065). With small batches noise holds it below.

**The ratio** of the largest eigenvalue to the smallest is the condition number: about so many steps descent needs along
the flattest direction. In networks many eigenvalues are nearly 0 and some are below, so that it has no useful value;
of a linear model it has.

**The pictures** are slices. One goes through two random directions, each unit's part as long as the unit's own weights
(Li et al. 2018, arXiv 1712.09913): a network may have larger weights in one layer and smaller ones in the next, and
compute the same. The other goes through the two directions along which the weights moved most during training, the
principal components of their way.
"""

_CLOSE = 0.25
"""Share of the line along the steepest direction on which the loss is compared with the parabola."""

_EDGE = 1.25
"""Highest accepted sharpness, in multiples of the limit of stability: training hovers just above the limit (Cohen et
al. 2021, figure 1)."""

_TOP = 30.0
"""Losses above this multiple of a plane's lowest loss all have the same colour."""

_MOMENTUM = {"sgd": 0.0, "momentum": None}
"""Optimizers whose limit of stability is known, with their momentum; None: it is the recipe's `momentum`."""


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where some recipe follows gradients."""
    if any(recipe.optimizer != "random_search" for recipe in recipes):
        return None
    return Misfit(
        got=", ".join(dict.fromkeys(recipe.optimizer for recipe in recipes)) or "no recipe",
        accepted="at least one optimizer that follows gradients",
        remedy="name one in train.optimizer or compare.optimizer",
    )


def explain(results: Results) -> Explanation:
    """Explains the loss around the shipped network; says little where no network was shipped."""
    found = results.inspected.landscape if results.inspected else None
    if found is None:
        return Explanation(
            seen=["No network was shipped, so nothing was looked at."],
            pictures=[],
            checks=[Check(claim="The loss around the shipped network was looked at.", measured=np.nan)],
        )
    limits = _limits(results, found)
    return Explanation(
        seen=_sentences(results, found, limits),
        pictures=[*_planes(found), _steepest(found), *_against_rates(found, limits)],
        checks=[*_of_shape(found), *_of_path(found.path), *_of_limits(limits)],
    )


def _limits(results: Results, found: Landscape) -> dict[str, tuple[Curvature, float]]:
    """Name of the recipe to its curvature and its limit of stability, for recipes whose optimizer has a limit and whose
    sharpness is known."""
    known = {}
    recipes = {recipe.recipe_id: recipe for recipe in results.plan.recipes}
    for each in found.curvatures:
        recipe = recipes[each.recipe_id]
        parameters = recipe.settings.optimizer.parameters
        if recipe.optimizer in _MOMENTUM and each.largest is not None and each.rate > 0:
            momentum = _MOMENTUM[recipe.optimizer]
            beta = float(parameters["momentum"]) if momentum is None else momentum
            known[recipe.recipe] = (each, 2 * (1 + beta) / each.rate)
    return known


# -- checks --


def _of_shape(found: Landscape) -> list[Check]:
    sharpness = found.curvatures[0].largest
    largest = np.nan if sharpness is None else sharpness
    heights = np.array(found.plane.losses, float)
    return [
        Check(
            claim="Along the steepest direction the loss rises by half the largest eigenvalue times the distance "
            f"squared: bend of the loss within {100 * _CLOSE:g}% of the line drawn, over the eigenvalue.",
            measured=ratio(_bend(found), largest),
            theory=1.0,
            low=0.8,
            high=1.25,
        ),
        Check(
            claim="No direction bends more than the steepest, and a random one far less: bend along the first random "
            "direction over the largest eigenvalue.",
            measured=ratio(float(found.random), largest),
            high=0.5,
        ),
        Check(
            claim="Training ended low: share of the random plane that is lower than the trained weights by more than "
            "1%.",
            measured=float((heights < 0.99 * found.loss).mean()),
            theory=0.0,
            high=0.05,
        ),
    ]


def _bend(found: Landscape) -> float:
    """The second derivative: twice the least-squares coefficient of the squared distance. The linear term, which is
    there where the gradient is not 0, does not change it."""
    along, losses = np.array(found.along), np.array(found.losses, float)
    near = np.abs(along) <= _CLOSE * along.max()
    if not np.isfinite(losses[near]).all():
        return np.nan
    return float(2 * np.polyfit(along[near], losses[near], 2)[0])


def _of_path(path: TrainingPath | None) -> list[Check]:
    if path is None:
        return []
    return [
        Check(
            claim="The way lies in few directions: share of its squared distances from the end that two of them hold "
            "(Li et al. found 40% to 90%).",
            measured=path.share,
            low=0.4,
        )
    ]


def _of_limits(limits: dict[str, tuple[Curvature, float]]) -> list[Check]:
    if not limits:
        return []
    shares = {recipe: ratio(float(each.largest or 0.0), limit) for recipe, (each, limit) in limits.items()}
    highest = max(shares, key=lambda recipe: shares[recipe])
    return [
        Check(
            claim="Descent does not rest in a valley that is too sharp for its rate: the largest sharpness over its "
            f"limit, 2 / rate without momentum, of {len(limits)} recipes ({highest}).",
            measured=shares[highest],
            theory=1.0,
            high=_EDGE,
        )
    ]


# -- what is seen --


def _sentences(results: Results, found: Landscape, limits: dict[str, tuple[Curvature, float]]) -> list[str]:
    own = found.curvatures[0]
    rows = f"all {found.rows:,}" if found.rows == found.training_rows else f"{found.rows:,} of {found.training_rows:,}"
    said = [
        f"The shipped network has {found.weights:,} weights. Its training loss, without penalties, is "
        f"{number(found.loss)} over {rows} training rows."
    ]
    if own.largest is None:
        said.append("Its largest eigenvalue was not found: the iteration did not come to an end.")
    else:
        said.append(f"Its sharpness is {number(own.largest)}.{_limit(results, own, limits)}")
    if own.smallest is not None and own.negative is not None and own.largest is not None:
        said.append(
            f"The smallest eigenvalue is {number(own.smallest)}. "
            + (
                f"{own.negative:,} of {found.weights:,} are below 0, so it is no minimum in every direction and has no "
                "condition number."
                if own.negative
                else f"The condition number is {number(ratio(own.largest, own.smallest))}."
                if own.smallest > 1e-5 * own.largest
                else "That can't be told from 0, so there is no condition number."
            )
        )
    if found.path is None:
        said.append(f"The way of training is missing: {found.no_path}.")
    else:
        said.append(
            f"To record its path it was trained again, alone. It ended {_apart(found.path)} of the weights' length "
            f"from those shipped; two directions hold {number(100 * found.path.share)}% of the path."
        )
    return said


def _apart(path: TrainingPath) -> str:
    return "less than 0.01%" if path.apart < 1e-4 else f"{number(100 * path.apart)}%"


def _limit(results: Results, own: Curvature, limits: dict[str, tuple[Curvature, float]]) -> str:
    recipe = next(each for each in results.plan.recipes if each.recipe_id == own.recipe_id)
    if recipe.recipe not in limits:
        return f" The limit 2 / rate is for plain descent and momentum; {recipe.optimizer} scales its steps otherwise."
    _, limit = limits[recipe.recipe]
    share = ratio(float(own.largest or 0.0), limit)
    return (
        f" At the last rate, {written(own.rate)}, descent can rest up to {number(limit)}: it stands at "
        f"{number(100 * share)}% of that."
    )


# -- pictures --


def _heights(plane: Plane) -> Heights:
    values = np.array(plane.losses, float)
    low = np.nanmin(np.where(values > 0, values, np.nan)) if (values > 0).any() else 1.0
    return Heights("Training loss", plane.x, plane.y, plane.losses, high=float(_TOP * low))


def _planes(found: Landscape) -> list[Picture]:
    plane = found.plane
    pictures = [
        Picture(
            title="The loss around the network",
            caption="Training loss on a plane through the trained weights, the dot, along two random directions. At 1 "
            "as much of a direction is added to each unit as the unit has weights of its own. "
            f"Above {_TOP:g} times the lowest, colours do not differ.",
            x=Axis("First random direction", low=plane.x[0], high=plane.x[-1]),
            y=Axis("Second random direction", low=plane.y[0], high=plane.y[-1]),
            lines=[Line("trained weights", [0.0], [0.0], "points")],
            heights=_heights(plane),
        )
    ]
    path = found.path
    if path is not None:
        plane = path.plane
        pictures.append(
            Picture(
                title="The way of training",
                caption="Training loss on the plane in which the weights moved most, and the weights on their way: "
                f"{len(path.steps)} points, from step 0 to step {path.steps[-1]:,}. Off the plane the loss may be "
                "another.",
                x=Axis("First principal component of the way", low=plane.x[0], high=plane.x[-1]),
                y=Axis("Second principal component", low=plane.y[0], high=plane.y[-1]),
                lines=[
                    Line("way of training", path.x, path.y),
                    Line("trained weights", [path.x[-1]], [path.y[-1]], "points"),
                ],
                heights=_heights(plane),
            )
        )
    return pictures


def _steepest(found: Landscape) -> Picture:
    along = np.array(found.along)
    bend = found.curvatures[0].largest
    lines = [Line("measured", along, np.array(found.losses, float))]
    if bend is not None:
        lines.append(
            Line("theory: half the eigenvalue times distance²", along, found.loss + bend * along**2 / 2, "theory")
        )
    return Picture(
        title="The steepest direction",
        caption="Training loss along the eigenvector of the largest eigenvalue, and the parabola of that bend.",
        x=Axis("Distance from the trained weights"),
        y=Axis("Training loss"),
        lines=lines,
    )


def _against_rates(found: Landscape, limits: dict[str, tuple[Curvature, float]]) -> list[Picture]:
    """Draws sharpness over the rate, where at least three rates of plain descent can be compared."""
    plain = [each for each, limit in limits.values() if abs(limit * each.rate - 2) < 1e-9]
    rates = sorted({each.rate for each in plain})
    if len(rates) < 3:
        return []
    line = np.geomspace(rates[0], rates[-1], 50)
    return [
        Picture(
            title="Sharpness against the learning rate",
            caption="The largest eigenvalue where training ended, one network a recipe; networks whose loss was no "
            "longer finite have none. Above the dashed line descent can't rest.",
            x=Axis("Learning rate of the last step", log=True),
            y=Axis("Sharpness", log=True),
            lines=[
                Line(
                    "networks", [each.rate for each in plain], [float(each.largest or 0.0) for each in plain], "points"
                ),
                Line("theory: 2 / rate", line, 2 / line, "theory"),
            ],
        )
    ]
