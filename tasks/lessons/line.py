"""Fits a line to points by descent: compares a fixed step with a step in proportion to the slope, at several learning
rates.

The mean squared error of a line is a quadratic of slope and intercept, so its minimum is known (Legendre 1805), and so
is the path of descent to it: along each direction of curvature l a step multiplies the distance by `1 - rate * l`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field

from tasks.evaluation.wording import number
from tasks.lessons.checks import within
from tasks.lessons.descent import steps_of
from tasks.lessons.lesson import Lesson, Progress, Taught
from tasks.records.lesson import Change, Drawing, Passage, Series, TheoryCheck
from tasks.training.optimizers import OPTIMIZERS

_AT_20, _TEN_YEARS, _NOISE = 7.11, 0.147, 1.33
"""Weight at a mother's age of 20, gain for ten years of age, and standard deviation around the line, all in pounds: the
least squares line of the data set `births` (33,026 births)."""
_AGE, _AGE_SPREAD, _AGES = 27.4, 6.2, (12.0, 50.0)
"""Mean, standard deviation and range of the mother's age, in years, as in that data set."""
_START = (5.0, 0.0)
"""Intercept and slope at the start."""
_STEPS = 60
_LAST = 10
"""Number of last steps over which the distance of a fixed step is averaged; even, since it alternates between two
sides."""
_SMALL, _LARGE = 1 / 20, 2.1
"""The small learning rate in units of the best one, and the large one in units of 1 / largest curvature, where 2 is the
limit."""
_FIXED = {"small": 0.02, "good": 0.1, "too large": 1.0}
"""Lengths of the fixed steps, in pounds."""
_LEVELS = (0.02, 0.1, 0.3, 0.8, 1.8, 3.5, 6.0)
"""Levels of the surface's lines: mean squared error above the minimum, in square pounds."""
_DOTS = 300
_DRAWN = ("too large", "small", "good")
"""Order of drawing: the last one lies on top."""
_LEAVING = 9
"""Number of drawn points of a path that diverges."""
_CLOSE, _RATE = 0.001, 0.02


@dataclass(frozen=True)
class Births:
    """Simulated births.

    Args:
        inputs: A column of ones, and the mother's age in decades from the origin, `[rows, 2]`.
        pounds: Weight at birth, `[rows]`.
    """

    inputs: np.ndarray
    pounds: np.ndarray

    @cached_property
    def best(self) -> np.ndarray:
        """Intercept and slope in closed form: covariance over variance, through the means."""
        x, y = self.inputs[:, 1], self.pounds
        slope = ((x - x.mean()) * (y - y.mean())).mean() / x.var()
        return np.array([y.mean() - slope * x.mean(), slope])

    @cached_property
    def curvatures(self) -> tuple[np.ndarray, np.ndarray]:
        """Curvatures of the mean squared error, the smaller first, and their directions as columns."""
        return np.linalg.eigh(2 * self.inputs.T @ self.inputs / len(self.pounds))

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Gradient of the mean squared error over the rows: `[runs, 2]`."""
        errors = weights @ self.inputs.T - self.pounds
        return 2 * errors @ self.inputs / len(self.pounds)

    def rmse(self, weights: np.ndarray) -> np.ndarray:
        """RMSE of each pair of intercept and slope, `[runs]`."""
        return np.sqrt(np.square(weights @ self.inputs.T - self.pounds).mean(axis=1))


def line(
    *,
    step: Annotated[float, Field(gt=0, le=10)] = 1.0,
    origin: Annotated[float, Field(ge=0, le=50)] = 20.0,
    rows: Annotated[int, Field(ge=20, le=20_000)] = 1000,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Lesson:
    """A line through made births, weight from the mother's age, by descent. `step`: the good learning rate, in units of
    the best one; `origin`: the age in years from which decades are counted."""
    return Lesson(
        asks="Why is a step of descent the slope times a rate, and not a fixed length? When is the rate too small, and "
        "when too large?",
        measures=f"six descents of {_STEPS} steps on a line through {rows:,} made births, and its closed form",
        teach=lambda progress: _teach(made(rows, origin, seed), step, origin, progress),
        optimizers=("sgd",),
        tries=(
            Change(
                "lesson.step=1.2",
                "A fifth more than the best learning rate. The good descent now leaves the valley too: look at its "
                "path on the surface, and at how near 2 the product of rate and curvature was before.",
            ),
            Change(
                "lesson.origin=0",
                "Count the age from birth. The line is the same, and so is the data's noise, but the valley becomes "
                "long and narrow, since slope and intercept now pull on each other. The good descent does not "
                f"arrive in {_STEPS} steps. This is what centring and scaling a feature is for.",
            ),
        ),
    )


def made(rows: int, origin: float, seed: int) -> Births:
    """Simulates births with the distribution of the real ones."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(_AGE, _AGE_SPREAD, rows), *_AGES)
    pounds = _AT_20 + _TEN_YEARS * (age - 20) / 10 + rng.normal(0, _NOISE, rows)
    return Births(np.column_stack([np.ones(rows), (age - origin) / 10]), pounds)


def path(births: Births, size: float, *, fixed: bool = False) -> np.ndarray:
    """Intercept and slope before the first step and after each, `[steps + 1, 2]`. A step is the slope times `size`; if
    `fixed`, it has the same direction and the length `size`."""

    def direction(weights: np.ndarray) -> np.ndarray:
        slope = births.gradient(weights)
        return slope / np.linalg.norm(slope, axis=1, keepdims=True) if fixed else slope

    start = np.array([_START])
    steps = steps_of(OPTIMIZERS["sgd"](), direction, start, size)
    return np.concatenate([start, *itertools.islice(steps, _STEPS)])


def _teach(births: Births, step: float, origin: float, progress: Progress) -> Taught:
    (flat, steep), _ = births.curvatures
    best = 2 / (flat + steep)
    rates = {"small": best * _SMALL, "good": best * step, "too large": _LARGE / steep}
    sloped, fixed = {}, {}
    for place, name in enumerate(rates):
        progress(f"descent, {name}", place / len(rates))
        sloped[name] = path(births, rates[name])
        fixed[name] = path(births, _FIXED[name], fixed=True)
    left = {name: float(np.linalg.norm(each[-1] - births.best)) for name, each in sloped.items()}
    first = np.linalg.norm(np.subtract(_START, births.best))
    appeared = left["good"] < 0.01 < left["small"] and left["too large"] > first
    return Taught(
        appeared=bool(appeared),
        headline=_headline(births) if appeared else _not_seen(left),
        lead=f"At the good rate descent ends {_short(left['good'])} from the closed form after {_STEPS} steps, at a "
        f"twentieth of the best rate {_short(left['small'])}; at the large one it is {_short(left['too large'])} "
        f"away and leaving. A fixed step of {_FIXED['good']:g} lb is {_short(_rest(births, fixed['good']))} away at "
        "the end, and does not come to rest.",
        passages=[
            _what(births, origin),
            _surface(births, sloped, "The step times the slope", _SLOPED),
            _surface(births, fixed, "A fixed step", _FIXED_STEP),
            _by_step(births, sloped, fixed),
            _why(rates, flat, steep),
        ],
        checks=_checks(births, rates, sloped, fixed),
    )


def _short(value: float) -> str:
    return f"{number(value)} lb"


def _rest(births: Births, fixed: np.ndarray) -> float:
    """Distance of a fixed step from the closed form: mean over the last steps."""
    return float(np.linalg.norm(fixed[-_LAST:] - births.best, axis=1).mean())


def _headline(births: Births) -> str:
    return (
        f"A step times the slope comes to rest at the closed form, {births.best[0]:.2f} lb and {births.best[1]:.2f} "
        "lb more for ten years of age; a fixed step never rests"
    )


def _not_seen(left: dict[str, float]) -> str:
    return (
        f"The effect did not appear: after {_STEPS} steps the good descent is still {_short(left['good'])} from the "
        "closed form"
    )


def _checks(
    births: Births, rates: dict[str, float], sloped: dict[str, np.ndarray], fixed: dict[str, np.ndarray]
) -> list[TheoryCheck]:
    (flat, _), directions = births.curvatures
    along = {name: np.abs((each - births.best) @ directions) for name, each in sloped.items()}
    middle = _STEPS // 2

    def shrinks(name: str, direction: int) -> float:
        """Mean −ln of a step's factor along a direction, over the first half of the steps."""
        return float(np.log(along[name][0, direction] / along[name][middle, direction]) / middle)

    end = sloped["good"][-1]
    spread = births.pounds.std() * np.sqrt(1 - np.corrcoef(births.inputs[:, 1], births.pounds)[0, 1] ** 2)
    return [
        within("intercept in lb, good rate", end[0], births.best[0], _CLOSE),
        within("slope in lb for ten years, good rate", end[1], births.best[1], _CLOSE),
        within("RMSE in lb, good rate", float(births.rmse(end[None])[0]), float(spread), _CLOSE),
        within(
            "−ln(factor) of a step, good rate, flat direction",
            shrinks("good", 0),
            -np.log(abs(1 - rates["good"] * flat)),
            _RATE,
        ),
        within(
            "−ln(factor) of a step, small rate, flat direction",
            shrinks("small", 0),
            -np.log(1 - rates["small"] * flat),
            _RATE,
        ),
        within(
            "ln(factor) of a step, large rate, steep direction", -shrinks("too large", 1), np.log(_LARGE - 1), _RATE
        ),
        *(
            within(f"mean distance of the last fixed steps, {name}", _rest(births, fixed[name]), size / 2, _RATE)
            for name, size in _FIXED.items()
            if name != "small"
        ),
    ]


def _what(births: Births, origin: float) -> Passage:
    x, y = births.inputs[:_DOTS, 1], births.pounds[:_DOTS]
    ends = np.array([x.min(), x.max()])
    return Passage(
        title="The data and the line",
        sentences=[
            f"A baby's weight from its mother's age. These {len(births.pounds):,} births are made, not real: age, "
            f"weight and noise are drawn with the rough figures of the data set births, where the line is {_AT_20:g} "
            f"lb at 20 and {_TEN_YEARS:g} lb more for ten years, and the standard deviation around it {_NOISE:g} lb. "
            "(bakeoff run births trains on the real ones.) Age tells little of the weight, as the picture shows.",
            f"The age is counted in decades from {origin:g} years on. The loss is the mean squared error of the "
            "line, which has its minimum where the root of it, the RMSE, has it. Its closed form is the check on "
            "everything below.",
        ],
        formulas=(
            r"L(b, m) = \frac{1}{n}\sum_i (b + m x_i - y_i)^2",
            r"m^* = \frac{\text{cov}(x, y)}{\text{var}(x)},\qquad b^* = \bar{y} - m^*\bar{x}",
        ),
        drawing=Drawing(
            caption=f"{len(x)} of the births, and the line of the closed form.",
            x=f"Age, in decades after {origin:g} years",
            y="Weight in lb",
            series=[
                Series(name="births", x=x.tolist(), y=y.tolist(), look="cloud"),
                Series(
                    name="closed form",
                    x=ends.tolist(),
                    y=(births.best[0] + births.best[1] * ends).tolist(),
                    look="line",
                ),
            ],
        ),
    )


_SLOPED = (
    "Thin lines join slopes and intercepts of equal RMSE, as on a map; the closed form lies at the bottom of the "
    "valley. Each dot is a step. The steps shorten by themselves as the ground becomes flat.",
    "At the small rate the path is right and the pace is not: most of the way is still ahead. At the good rate the "
    "path crosses the valley a few times and comes to rest. At the large one every crossing goes higher up the other "
    "side.",
)
_FIXED_STEP = (
    "Here every step has the same length, straight down the slope. Far away that is as good as anything. Near the "
    "bottom it steps over the minimum, and back, and so on: half a step away on average.",
    "A smaller fixed step ends nearer and takes longer to get there: the small one has not arrived. No single length "
    "is right for both; that is what multiplying with the slope is for. Adaptive optimizers take steps of nearly "
    "fixed length, which is one reason to lower their rate towards the end.",
)


def _surface(births: Births, paths: dict[str, np.ndarray], title: str, sentences: Sequence[str]) -> Passage:
    curvatures, directions = births.curvatures
    reach = 1.15 * np.linalg.norm(np.subtract(_START, births.best))
    turn = np.linspace(0, 2 * np.pi, 73)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    least = float(births.rmse(births.best[None])[0])
    series = []
    for level in _LEVELS:
        ring = births.best + (circle * np.sqrt(2 * level / curvatures)) @ directions.T
        height = np.sqrt(least**2 + level)
        series.append(Series(name=f"RMSE {height:.2f} lb", x=ring[:, 1].tolist(), y=ring[:, 0].tolist(), look="level"))
    for name in _DRAWN:
        each = paths[name][:_LEAVING] if name == "too large" else paths[name]
        series.append(Series(name=name, x=each[:, 1].tolist(), y=each[:, 0].tolist(), look="path"))
    series.append(Series(name="closed form", x=[births.best[1]], y=[births.best[0]], look="dots"))
    return Passage(
        title=title,
        sentences=sentences,
        drawing=Drawing(
            caption=f"{title}: {_STEPS} steps from an intercept of {_START[0]:g} lb and a slope of {_START[1]:g}, on "
            "a map of the RMSE.",
            x="Slope, lb for ten years",
            y="Intercept, lb",
            series=series,
            window=[(float(middle - reach), float(middle + reach)) for middle in births.best[::-1]],
        ),
    )


def _by_step(births: Births, sloped: dict[str, np.ndarray], fixed: dict[str, np.ndarray]) -> Passage:
    series = [
        Series(name=f"times the slope, {name}", x=list(range(len(each))), y=_distances(births, each), look="line")
        for name, each in ((name, sloped[name]) for name in _DRAWN)
    ]
    series += [
        Series(name=f"fixed, {name}", x=list(range(len(each))), y=_distances(births, each), look="path")
        for name, each in ((name, fixed[name]) for name in _DRAWN)
    ]
    return Passage(
        title="Distance to the closed form",
        sentences=[
            "The good rate is a straight line on this scale: the same factor in every step. The small rate is one "
            "too, far less steep. The fixed steps (with dots) come nearer at first and then go to and fro; the small "
            "one is still on its way."
        ],
        drawing=Drawing(
            caption="Distance from the closed form after each step, in lb.",
            x="Step",
            y="Distance in lb",
            series=series,
            logarithmic=("y",),
        ),
    )


def _distances(births: Births, path: np.ndarray) -> list[float | None]:
    """Distances from the closed form; None where one is too small or too large for the chart."""
    return [float(each) if 1e-9 < each < 1e3 else None for each in np.linalg.norm(path - births.best, axis=1)]


def _why(rates: dict[str, float], flat: float, steep: float) -> Passage:
    return Passage(
        title="Why",
        sentences=[
            "The surface is a bowl, so its slope falls in proportion to the distance from the bottom. A step that is a "
            "share of the slope is therefore a share of the distance: it shortens by itself, and the distance is "
            "multiplied by the same factor each time.",
            f"In the flat direction the curvature is {flat:.2f}, in the steep one {steep:.2f}. The rates "
            f"{rates['small']:.3g}, {rates['good']:.3g} and {rates['too large']:.3g} make the factors in the steep "
            f"direction {1 - rates['small'] * steep:.2f}, {1 - rates['good'] * steep:.2f} and "
            f"{1 - rates['too large'] * steep:.2f}. Between −1 and 1 the distance shrinks; below 0 it changes side "
            "with every step; below −1 it grows.",
            "A fixed step has no such factor. In the end it goes to and fro across the steepest direction, from one "
            "side of the minimum to the other: the two distances add up to one step, so half a step is their mean.",
        ],
        formulas=(
            r"\nabla L = H\,(w - w^*),\qquad w_{t+1} - w^* = (I - a H)(w_t - w^*)",
            r"\text{factor along a direction} = 1 - a\lambda,\qquad a < \frac{2}{\lambda_{\max}},\qquad "
            r"a_{\text{best}} = \frac{2}{\lambda_{\min} + \lambda_{\max}}",
        ),
    )
