"""How the condition number decides the rate of gradient descent, and what momentum gains.

A quadratic `f(w) = sum(l_i * w_i^2) / 2` with curvatures l_1 <= ... <= l_n has the condition number k = l_n / l_1.
Polyak (1964); Nesterov (2004, "Introductory Lectures on Convex Optimization", section 2.1); the parameters are those of
Goh (2017, "Why Momentum Really Works").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from tasks.lessons.checks import finite, within
from tasks.lessons.descent import steps_of
from tasks.lessons.lesson import Lesson, Progress, Taught
from tasks.ranges import Positive
from tasks.records.lesson import Change, Drawing, Passage, Series, TheoryCheck
from tasks.training.optimizers import OPTIMIZERS

ConditionNumber = Annotated[float, Field(gt=1, le=100_000, allow_inf_nan=False)]
_METHODS = {"sgd": "descent", "momentum": "momentum"}
_TOLERANCE = 0.02
"""Largest relative difference of -ln(rate) from theory."""
_STEPS = {"sgd": 5.0, "momentum": 10.0}
"""Number of steps, to be multiplied by k for descent and by sqrt(k) for momentum."""
_FEWEST = 100
"""Fewest steps, so that for a small k there are enough to fit a line to their last half."""
_DRAWN = 200
"""Most points of a curve."""


@dataclass(frozen=True)
class Measured:
    """One method on one quadratic.

    Args:
        error: Distance to the minimum before the first step and after each, float64 `[steps + 1]`.
        rate: Factor by which a step multiplies the error, from the last half of the steps.
    """

    error: np.ndarray
    rate: float


def conditioning(
    *,
    condition_numbers: Annotated[list[ConditionNumber], Field(min_length=2, max_length=20)] = [  # noqa: B006
        2.0, 5.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0,
    ],
    weights: Annotated[int, Field(ge=2, le=1000)] = 10,
    step: Positive = 1.0,
) -> Lesson:  # fmt: skip
    """Rates of gradient descent and momentum on quadratics of these condition numbers, against theory. `weights`: the
    number of each quadratic's weights; `step`: the learning rate, in units of the best one."""
    numbers = sorted(set(condition_numbers))
    return Lesson(
        asks="How much slower is gradient descent where a loss is steep in one direction and flat in another, and how "
        "much of that does momentum save?",
        measures=f"descent and momentum on {len(numbers)} quadratics of {weights} weights in float64, condition number "
        f"{numbers[0]:,g} to {numbers[-1]:,g}",
        teach=lambda progress: _teach(numbers, weights, step, progress),
        optimizers=tuple(_METHODS),
        tries=(
            Change(
                "lesson.step=0.5",
                "With half of the best learning rate descent needs about twice as many steps, momentum three and a "
                "half to four times as many: its share b stays, though at another learning rate another b is best.",
            ),
            Change(
                "lesson.step=1.1",
                "A tenth more than the best learning rate. Where k is above 10 the errors of both grow: at the best "
                "one the steepest direction is thrown to the other side at each step, nearly as far as it came from, "
                "and at a little more it is thrown farther.",
            ),
        ),
    )


def rates(k: float) -> dict[str, float]:
    """The factor by which each method multiplies the error in a step, at its best parameters."""
    root = np.sqrt(k)
    return {"sgd": float((k - 1) / (k + 1)), "momentum": float((root - 1) / (root + 1))}


def measure(method: str, k: float, weights: int, step: float) -> Measured:
    """Runs a method on the quadratic of curvatures 1 to k, evenly spaced on a logarithmic scale. All weights start at
    1. The directions of curvature are the axes: rotating them would change nothing for these two methods."""
    curvatures = np.geomspace(1.0, k, weights)
    root = np.sqrt(k)
    if method == "sgd":
        rate, inputs, count = 2 / (1 + k), {}, _STEPS[method] * k
    else:
        rate, count = (2 / (1 + root)) ** 2, _STEPS[method] * root
        inputs = {"momentum": np.array([[((root - 1) / (root + 1)) ** 2]])}
    steps = max(_FEWEST, int(np.ceil(count)))
    path = steps_of(OPTIMIZERS[method](), lambda w: curvatures * w, np.ones((1, weights)), step * rate, inputs)
    error = np.empty(steps + 1)
    error[0] = np.sqrt(weights)
    with np.errstate(over="ignore", invalid="ignore"):
        for place in range(1, steps + 1):
            error[place] = np.linalg.norm(next(path))
    return Measured(error, _rate(error, factor_t=method == "momentum"))


def _rate(error: np.ndarray, *, factor_t: bool) -> float:
    """The factor per step, from the slope of the error's logarithm over the last half of the steps. At its best
    parameters momentum's error is t times a power (a double root), so `factor_t` divides by t first."""
    t = np.arange(len(error) // 2, len(error))
    late = error[t]
    usable = np.isfinite(late) & (late > 0)
    if usable.sum() < 2:
        return float("nan")
    height = np.log(late[usable]) - (np.log(t[usable]) if factor_t else 0.0)
    return float(np.exp(np.polyfit(t[usable], height, 1)[0]))


def _teach(numbers: Sequence[float], weights: int, step: float, progress: Progress) -> Taught:
    found: dict[str, list[Measured]] = {method: [] for method in _METHODS}
    for place, k in enumerate(numbers):
        for method in _METHODS:
            progress(f"{_METHODS[method]}, condition number {k:,g}", place / len(numbers))
            found[method].append(measure(method, k, weights, step))
    checks = _checks(numbers, found)
    appeared = all(check.met for check in checks)
    return Taught(
        appeared=appeared,
        headline=_headline(numbers, found) if appeared else _not_seen(checks),
        lead=_lead(numbers, found),
        passages=[_what(weights, step), _curves(numbers, found), _by_number(numbers, found), _why_k(), _why_root()],
        checks=checks,
    )


def _checks(numbers: Sequence[float], found: dict[str, list[Measured]]) -> list[TheoryCheck]:
    return [
        within(f"−ln(rate) of {name}, k = {k:,g}", -np.log(each.rate), -np.log(rates(k)[method]), _TOLERANCE)
        for method, name in _METHODS.items()
        for k, each in zip(numbers, found[method], strict=True)
    ]


def _tenfold(rate: float) -> float:
    """Number of steps to make the error ten times smaller."""
    return np.log(10) / -np.log(rate) if 0 < rate < 1 else float("nan")


def _headline(numbers: Sequence[float], found: dict[str, list[Measured]]) -> str:
    last = [_tenfold(found[method][-1].rate) for method in _METHODS]
    return (
        f"In a valley of condition number {numbers[-1]:,g} momentum needs {last[1]:,.0f} steps for a ten times smaller "
        f"error, plain descent {last[0]:,.0f}"
    )


def _not_seen(checks: Sequence[TheoryCheck]) -> str:
    missed = sum(not check.met for check in checks)
    return f"The effect did not appear: {missed} of {len(checks)} measured rates are not the best ones of theory"


def _lead(numbers: Sequence[float], found: dict[str, list[Measured]]) -> str:
    first = [_tenfold(found[method][0].rate) for method in _METHODS]
    if not all(each.rate < 1 for measured in found.values() for each in measured):
        return "Some errors grew instead of shrinking: the learning rate is too large for the steepest direction."
    return (
        f"At condition number {numbers[0]:,g}, a nearly round bowl, descent needs {first[0]:,.1f} and momentum "
        f"{first[1]:,.1f}. Descent's steps grow with the condition number, momentum's with its square root. They "
        "are counted once the start has died away; the condition number says how many times as large the loss's "
        "largest curvature is as its smallest."
    )


def _what(weights: int, step: float) -> Passage:
    scale = "" if step == 1 else f" In this run every learning rate is {step:g} times the best one."
    return Passage(
        title="What was run",
        sentences=[
            f"The loss is a bowl with n = {weights} weights, one for each direction, and its minimum at 0. λᵢ is its "
            "curvature in direction i: how fast the slope grows there. λ₁ is the smallest, λₙ the largest, and the "
            "others lie evenly between them on a logarithmic scale. The ratio of the largest to the smallest is the "
            "condition number k. With k = 1 the bowl is round. A large k is a long, narrow valley, which is what "
            "features on different scales or correlated features make of a loss.",
            "Every weight starts at 1. The error is the distance to the minimum. Plain descent (sgd in the glossary) "
            "takes the learning rate a, momentum a learning rate a and the share b of its last step that it keeps, "
            f"both at the values that are best in theory.{scale}",
        ],
        formulas=(
            r"f(w) = \tfrac{1}{2}\sum_i \lambda_i w_i^2,\qquad k = \frac{\lambda_n}{\lambda_1}",
            r"a_{\text{descent}} = \frac{2}{\lambda_1+\lambda_n}",
            r"a_{\text{momentum}} = \left(\frac{2}{\sqrt{\lambda_1}+\sqrt{\lambda_n}}\right)^2,\qquad "
            r"b = \left(\frac{\sqrt{\lambda_n}-\sqrt{\lambda_1}}{\sqrt{\lambda_n}+\sqrt{\lambda_1}}\right)^2",
        ),
    )


def _curves(numbers: Sequence[float], found: dict[str, list[Measured]]) -> Passage:
    shown = min(range(len(numbers)), key=lambda place: abs(np.log(numbers[place] / 100)))
    k = numbers[shown]
    steps = len(found["momentum"][shown].error) * 2
    series = []
    for method, name in _METHODS.items():
        error = found[method][shown].error[: steps + 1]
        at = np.unique(np.linspace(0, len(error) - 1, _DRAWN).round().astype(int))
        y = [value if value is not None and value > 0 else None for value in map(finite, error[at])]
        series.append(Series(name=name, x=at.tolist(), y=y, look="line"))
    return Passage(
        title="The error, step by step",
        sentences=[
            "The rate is what a step multiplies the error by: the smaller, the faster. On a logarithmic scale a "
            "constant rate is a straight line. It is measured over the last half of the steps, since the first ones "
            "are others: descent soon has the steep directions behind it, and momentum, which starts without speed, "
            "is carried past the minimum in some directions, so that its error may rise before it falls."
        ],
        drawing=Drawing(
            caption=f"Distance to the minimum after each step, at condition number {k:,g}.",
            x="Step",
            y="Distance to the minimum",
            series=series,
            logarithmic=("y",),
        ),
    )


def _by_number(numbers: Sequence[float], found: dict[str, list[Measured]]) -> Passage:
    series = []
    for method, name in _METHODS.items():
        measured = [finite(_tenfold(each.rate)) for each in found[method]]
        theory = [_tenfold(rates(k)[method]) for k in numbers]
        series.append(Series(name=name, x=list(numbers), y=measured, look="dots"))
        series.append(Series(name=f"{name}, theory", x=list(numbers), y=theory, look="theory"))
    return Passage(
        title="Steps against the condition number",
        sentences=[
            "Dots are measured, dashed lines are theory. Both axes are logarithmic: where k is ten times as large, "
            "descent takes ten times as many steps and momentum about three times as many, the square root of ten."
        ],
        formulas=(r"\text{steps for a ten times smaller error} = \frac{\ln(10)}{-\ln(\text{rate})}",),
        drawing=Drawing(
            caption="Steps for a ten times smaller error, by condition number.",
            x="Condition number",
            y="Steps for a ten times smaller error",
            series=series,
            logarithmic=("x", "y"),
        ),
    )


def _why_k() -> Passage:
    return Passage(
        title="Why descent takes about k steps",
        sentences=[
            "A step of descent takes a times the slope off each weight. In a direction of curvature λ the slope is λw, "
            "so w becomes w − aλw: the error is multiplied by 1 − aλ. One learning rate has to serve all directions.",
            "The steepest limits it: where a is above 2 / λₙ its factor is below −1, and the error there grows with "
            "every step. In the flattest the factor 1 − aλ₁ stays near 1 where a is small, and the error hardly "
            "shrinks. The best a makes both equally slow: 1 − aλ₁ = aλₙ − 1. That is a = 2 / (λ₁ + λₙ), and put into "
            "1 − aλ₁ it gives the rate below, which for a large k is about 1 − 2 / k: about 1.15 k steps for a ten "
            "times smaller error.",
        ],
        formulas=(r"\text{rate}_{\text{descent}} = \frac{\lambda_n-\lambda_1}{\lambda_n+\lambda_1} = \frac{k-1}{k+1}",),
    )


def _why_root() -> Passage:
    return Passage(
        title="Why momentum takes about the square root of k",
        sentences=[
            "A step of momentum is b times the last step, less a times the slope. Steps that agree add up, so it "
            "gathers speed along the valley; across it they change sign and cancel, so a larger learning rate is "
            "borne.",
            "How much that gives can be computed. In a direction of curvature λ each error follows from the last two "
            "(first formula). Such sequences are made of powers of two numbers z that solve the second formula, and "
            "the product of the two is b. Where they are complex, both have the size √b, whatever λ is: all these "
            "directions shrink alike. They are complex for (1 − √b)² < aλ < (1 + √b)². The best a and b put the ends "
            "of that range at λ₁ and λₙ, so √k = (1 + √b) / (1 − √b), and √b is the rate (third formula). The range "
            "is one of squares: that is where the root of k comes from.",
            "At the ends of the range the two numbers z are the same, and then the error is t times a power of it, "
            "with t the number of steps. That t is taken out before the rate is measured.",
            "What this lesson does not show: standardised inputs make k smaller before any optimizer sees the loss.",
        ],
        formulas=(
            r"w_{t+1} = (1+b-a\lambda)\,w_t - b\,w_{t-1}",
            r"z^2 - (1+b-a\lambda)\,z + b = 0",
            r"\text{rate}_{\text{momentum}} = \sqrt{b} = \frac{\sqrt{k}-1}{\sqrt{k}+1}",
        ),
    )
