"""Explains the effect of a schedule: a high rate is fast and ends at a poor minimum, a low one is slow and
fine-tunes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.diagnosis.case import History
from tasks.diagnosis.measures import mean
from tasks.evaluation.wording import number, written
from tasks.explanations.explanation import (
    Axis,
    Check,
    Explanation,
    Line,
    Misfit,
    Picture,
    Results,
    ratio,
    shared,
)
from tasks.records.plan import Recipe

THEORY = r"""
Near a minimum stochastic gradient descent does not come to rest: each step follows the gradient of a few rows, which is
off by noise. In a valley of curvature $\lambda$ a step of rate $\eta$ brings the weight $w$ nearer to the minimum, by
the factor $1 - \eta\lambda$, and adds noise of variance $\eta^2 s$:

$$ \mathrm{Var}(w_{t+1}) = (1 - \eta\lambda)^2 \, \mathrm{Var}(w_t) + \eta^2 s $$

Where the two are in balance, the variance is about $\eta s / 2\lambda$, and the loss stays above its minimum $L^*$ by

$$ \mathrm{E}[L] - L^* \approx \frac{\lambda}{2} \cdot \frac{\eta s}{2 \lambda} = \frac{s}{4} \, \eta $$

This **floor** is in proportion to the rate. The time to get there is about $1 / \eta\lambda$ steps, which is in
proportion to one over the rate. So a constant rate has to choose: a high one is fast and leaves a poor minimum, a low
one is slow and finds a good one.

**A schedule** does not choose. It begins with a high rate, and lowers it when the loss has come to its floor. If the
rate falls slowly enough, the loss at each moment is the floor of the rate of that moment, whatever the rate was before.
A schedule that ends at 0 ends at the minimum. The shape on the way matters less than that it ends low.
"""

FEWEST = 3
"""Fewest schedules for an explanation, the constant one included."""
LAST = 3
"""The floor is measured in the last part, when training is divided into this many parts."""
FALLEN = 0.01
"""A schedule ends low, and so fine-tunes, if its final rate is below this share of the highest rate."""
ALIKE = 0.02
"""Rates that differ by a smaller share are treated as equal."""


def family(recipes: Sequence[Recipe]) -> dict[tuple[float, str], Recipe]:
    """The largest group of recipes that differ only in learning rate and schedule, by both."""
    found: dict[str, dict[tuple[float, str], Recipe]] = {}
    for recipe in recipes:
        if np.isfinite(recipe.settings.learning_rate):
            rest = shared(recipe, "schedule", "learning_rate")
            found.setdefault(rest, {}).setdefault((recipe.settings.learning_rate, recipe.schedule), recipe)
    return max(found.values(), key=len, default={})


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where the highest rate has enough schedules, `constant` included."""
    members = family(recipes)
    at = [schedule for rate, schedule in members if rate == max(rate for rate, _ in members)]
    if len(at) >= FEWEST and "constant" in at:
        return None
    return Misfit(
        got=f"{', '.join(at) or 'no learning rate'}",
        accepted=f"at least {FEWEST} schedules at one learning rate, all else equal, constant among them",
        remedy="list them in compare.schedule",
    )


@dataclass(frozen=True)
class _Curve:
    """Means over the seeds that ended, one value per evaluation.

    Args:
        rate: Learning rate.
        loss: Training loss.
    """

    rate: np.ndarray
    loss: np.ndarray

    @classmethod
    def of(cls, histories: Sequence[History]) -> _Curve:
        ended = [each for each in histories if each.status == "ok"]
        length = min((min(len(each.of("train_loss")), len(each.of("learning_rate"))) for each in ended), default=0)
        if not length:
            return cls(np.zeros(0), np.zeros(0))
        rate, loss = (
            np.mean([each.of(name)[:length] for each in ended], axis=0) for name in ("learning_rate", "train_loss")
        )
        return cls(rate, loss)

    @property
    def end(self) -> float:
        """Mean loss of the last two evaluations."""
        return mean(self.loss[-2:])

    @property
    def floor(self) -> float:
        """Mean loss in the last part of the training."""
        return mean(self.loss[len(self.loss) * (LAST - 1) // LAST :])

    def at_rate(self, rate: float) -> float:
        """Mean loss while the schedule had this rate, without the first evaluation at it; NaN where it never had it."""
        places = np.flatnonzero(np.abs(self.rate - rate) < ALIKE * rate)[1:]
        return mean(self.loss[places])


def explain(results: Results) -> Explanation:
    """Explains the schedules at the highest rate, and compares constant rates where there are several."""
    members = family(results.plan.recipes)
    curves = {key: _Curve.of(results.histories(recipe)) for key, recipe in members.items()}
    high = max(rate for rate, _ in members)
    shapes = {schedule: curve for (rate, schedule), curve in curves.items() if rate == high}
    constant = {rate: curve for (rate, schedule), curve in sorted(curves.items()) if schedule == "constant"}
    epochs = results.plan.spec.get("train", {}).get("epochs")
    return Explanation(
        seen=_sentences(shapes, constant, high),
        pictures=[*_drawn(shapes, high, epochs), *_floors(constant)],
        checks=[*_of_constant(constant), *_of_shapes(shapes, constant, high)],
    )


def _of_constant(constant: Mapping[float, _Curve]) -> list[Check]:
    checks = []
    rates = list(constant)
    if len(rates) >= 3:
        low, middle, high = rates[0], rates[len(rates) // 2], rates[-1]
        floors = [constant[rate].floor for rate in (low, middle, high)]
        theory = (high - middle) / (middle - low)
        checks.append(
            Check(
                claim="The floor of a constant rate grows in proportion to it: rise of the loss from "
                f"{written(middle)} to {written(high)} over that from {written(low)} to {written(middle)}.",
                measured=ratio(floors[2] - floors[1], floors[1] - floors[0]),
                theory=theory,
                low=0.8 * theory,
                high=1.2 * theory,
            )
        )
    if len(rates) >= 2:
        checks.append(
            Check(
                claim=f"A low rate is slow: training loss of {written(rates[0])} in the first epoch over that of "
                f"{written(rates[-1])}.",
                measured=ratio(mean(constant[rates[0]].loss[:1]), mean(constant[rates[-1]].loss[:1])),
                low=1.1,
            )
        )
    return checks


def _of_shapes(shapes: Mapping[str, _Curve], constant: Mapping[float, _Curve], high: float) -> list[Check]:
    fallen = _fallen(shapes, high)
    ends = [curve.end for curve in fallen.values()] or [np.nan]
    checks = [
        Check(
            claim=f"A constant high rate leaves a poor minimum: its loss at the end, at {written(high)}, over that of "
            "the best schedule.",
            measured=ratio(shapes["constant"].end, min(ends)),
            low=1.05,
        ),
        Check(
            claim=f"Schedules that end low end alike, whatever their shape: the worst loss over the best, of "
            f"{len(fallen)} that end below {100 * FALLEN:g}% of {written(high)}.",
            measured=ratio(max(ends), min(ends)),
            theory=1.0,
            high=1.03,
        ),
    ]
    held = {
        rate: ratio(shapes["step"].at_rate(rate), curve.floor)
        for rate, curve in constant.items()
        if rate < high and "step" in shapes and np.isfinite(shapes["step"].at_rate(rate))
    }
    if held:
        rate = min(held)
        checks.append(
            Check(
                claim=f"The floor is that of the rate of the moment: loss of step while its rate is {written(rate)}, "
                f"over that of the constant rate {written(rate)}.",
                measured=held[rate],
                theory=1.0,
                low=0.98,
                high=1.02,
            )
        )
    return checks


def _fallen(shapes: Mapping[str, _Curve], high: float) -> dict[str, _Curve]:
    """The schedules that end low."""
    return {name: curve for name, curve in shapes.items() if len(curve.rate) and curve.rate[-1] < FALLEN * high}


def _sentences(shapes: Mapping[str, _Curve], constant: Mapping[float, _Curve], high: float) -> list[str]:
    said = []
    if len(constant) > 1:
        floors = ", ".join(f"{number(curve.floor)} at {written(rate)}" for rate, curve in constant.items())
        said.append(f"Under constant rates the training loss stays near a floor: {floors}.")
    ended = {name: curve for name, curve in shapes.items() if np.isfinite(curve.end)}
    ranked = sorted(ended, key=lambda name: ended[name].end)
    if ranked:
        ends = ", ".join(f"{name} {number(ended[name].end)}" for name in ranked)
        said.append(f"Begun at {written(high)}, they end at a training loss of: {ends}.")
    late = [
        f"{name} ({number(curve.rate[-1] / high * 100)}%)"
        for name, curve in ended.items()
        if curve.rate[-1] >= FALLEN * high
    ]
    if late:
        said.append(f"These end at a rate that is not low, as a share of the highest: {', '.join(late)}.")
    return said


def _drawn(shapes: Mapping[str, _Curve], high: float, epochs: int | None) -> list[Picture]:
    def along(curve: _Curve) -> np.ndarray:
        count = len(curve.loss)
        return np.arange(1, count + 1) * ((epochs or count) / max(count, 1))

    return [
        Picture(
            title="The schedules",
            caption=f"Learning rate of each, all with the same highest rate {written(high)}.",
            x=Axis("Epoch"),
            y=Axis("Learning rate"),
            lines=[Line(name, along(curve), curve.rate) for name, curve in shapes.items()],
        ),
        Picture(
            title="The loss under each schedule",
            caption="Training loss, mean over seeds. What is well above the fifth epoch's highest is cut off.",
            x=Axis("Epoch"),
            y=Axis("Training loss", log=True, high=_top(shapes)),
            lines=[Line(name, along(curve), curve.loss) for name, curve in shapes.items()],
        ),
    ]


def _top(shapes: Mapping[str, _Curve]) -> float | None:
    later = [curve.loss[min(4, len(curve.loss) - 1)] for curve in shapes.values() if len(curve.loss)]
    return 1.03 * float(max(later)) if later else None


def _floors(constant: Mapping[float, _Curve]) -> list[Picture]:
    """Draws floors over the rate; the line of theory is the straight line through the two lowest rates."""
    if len(constant) < 3:
        return []
    rates, floors = list(constant), [curve.floor for curve in constant.values()]
    slope = (floors[1] - floors[0]) / (rates[1] - rates[0])
    ends = [0.0, rates[-1]]
    return [
        Picture(
            title="The floor against the rate",
            caption=f"Training loss of constant rates, mean over the last 1/{LAST} of the epochs and over seeds. The "
            "line is that of the two lowest rates; where it meets rate 0 lies the minimum.",
            x=Axis("Learning rate"),
            y=Axis("Training loss"),
            lines=[
                Line("constant rates", rates, floors, "points"),
                Line("theory: a straight line", ends, [floors[0] + slope * (end - rates[0]) for end in ends], "theory"),
            ],
        )
    ]
