"""How the condition number decides the rate of gradient descent, and what momentum gains.

Of a quadratic `f(w) = sum(l_i * w_i^2) / 2` with curvatures l_1 <= ... <= l_n the condition number is k = l_n / l_1.
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
"""Of -ln(rate)."""
_STEPS = {"sgd": 5.0, "momentum": 10.0}
"""At least so many steps, times k for descent and sqrt(k) for momentum."""
_FEWEST = 100
"""Steps, so that a small k has enough for a line through their last half."""
_DRAWN = 200
"""Points of a curve."""


@dataclass(frozen=True)
class Measured:
    """One method on one quadratic.

    Args:
        error: Distance to the minimum before the first step and after each, float64 `[steps + 1]`.
        rate: Factor by which a step shrinks it, from the last half of the steps.
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
    """Rates of gradient descent and momentum on quadratics of these condition numbers, against theory. `weights`: of
    each quadratic; `step`: the learning rate, in units of the best one."""
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
                "With half of the best learning rate descent needs about twice as many steps, momentum nearly three "
                "times as many. Its share b goes with its learning rate: one is not changed without the other.",
            ),
            Change(
                "lesson.step=1.1",
                "A tenth more than the best learning rate. Where k is above 10 the errors of both grow: the best one "
                "lies just below the one at which the steepest direction overshoots.",
            ),
        ),
    )


def rates(k: float) -> dict[str, float]:
    """What each method multiplies the error by in a step, at its best parameters."""
    root = np.sqrt(k)
    return {"sgd": float((k - 1) / (k + 1)), "momentum": float((root - 1) / (root + 1))}


def measure(method: str, k: float, weights: int, step: float) -> Measured:
    """Runs a method on the quadratic of curvatures 1 to k, evenly spaced on a logarithmic scale, from 1 in every
    direction. The axes are the directions of curvature: to turn them changes nothing for these two methods."""
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
    """The slope of the error's logarithm over the last half of the steps. At its best parameters momentum's error is
    t times a power (a double root), and that t is taken out."""
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
        passages=[_what(weights, step), _curves(numbers, found), _by_number(numbers, found), _why()],
        checks=checks,
    )


def _checks(numbers: Sequence[float], found: dict[str, list[Measured]]) -> list[TheoryCheck]:
    return [
        within(f"−ln(rate) of {name}, k = {k:,g}", -np.log(each.rate), -np.log(rates(k)[method]), _TOLERANCE)
        for method, name in _METHODS.items()
        for k, each in zip(numbers, found[method], strict=True)
    ]


def _tenfold(rate: float) -> float:
    """Steps for a ten times smaller error."""
    return np.log(10) / -np.log(rate) if 0 < rate < 1 else float("nan")


def _headline(numbers: Sequence[float], found: dict[str, list[Measured]]) -> str:
    last = [_tenfold(found[method][-1].rate) for method in _METHODS]
    return (
        f"At condition number {numbers[-1]:,g} momentum needs {last[1]:,.0f} steps for a ten times smaller error, "
        f"plain descent {last[0]:,.0f}"
    )


def _not_seen(checks: Sequence[TheoryCheck]) -> str:
    missed = sum(not check.met for check in checks)
    return f"The effect did not appear: {missed} of {len(checks)} measured rates are not the best ones of theory"


def _lead(numbers: Sequence[float], found: dict[str, list[Measured]]) -> str:
    first = [_tenfold(found[method][0].rate) for method in _METHODS]
    if not all(each.rate < 1 for measured in found.values() for each in measured):
        return "Some errors grew instead of shrinking: the learning rate is too large for the steepest direction."
    return (
        f"At condition number {numbers[0]:,g} the two need {first[0]:,.1f} and {first[1]:,.1f} steps for the same. "
        "The steps of descent grow with the condition number, those of momentum with its square root."
    )


def _what(weights: int, step: float) -> Passage:
    scale = "" if step == 1 else f" In this run every learning rate is {step:g} times the best one."
    return Passage(
        title="What was run",
        sentences=[
            f"The loss is a bowl with {weights} weights. It is steepest in one direction and flattest in another; "
            "the ratio of the two curvatures is its condition number k. With k = 1 the bowl is round. A large k is a "
            "long, narrow valley, which is what features on different scales or correlated features make of a loss.",
            "Descent takes the learning rate a, momentum the learning rate a and the share b of its last step that it "
            f"keeps, both at the values that are best in theory.{scale}",
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
            "On a logarithmic scale a constant rate is a straight line. Momentum first overshoots, since it starts "
            "without speed and then gathers too much of it: its error may rise before it falls. After that it falls "
            "more steeply. The rate is the slope over the last half of the steps; momentum's extra factor t, which "
            "its double root brings, is taken out."
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
            "Dots are measured, dashed lines are theory. Both axes are logarithmic: descent rises by one decade for "
            "each decade of k, momentum by half of one."
        ],
        drawing=Drawing(
            caption="Steps for a ten times smaller error, by condition number.",
            x="Condition number",
            y="Steps for a ten times smaller error",
            series=series,
            logarithmic=("x", "y"),
        ),
    )


def _why() -> Passage:
    return Passage(
        title="Why",
        sentences=[
            "Along each direction descent multiplies the error by 1 − aλ. One learning rate has to serve all of them. "
            "The steepest direction limits it: above 2 / λₙ the error there grows with every step. At that rate the "
            "flattest direction hardly moves. The best compromise makes both ends equally slow.",
            "Momentum adds up steps that agree. In the flat direction they all agree, so it gathers speed; across the "
            "valley they change sign and cancel. That is why the square root of k takes the place of k.",
            "Standardised inputs make k smaller before any optimizer sees the loss. This is why scaling the features "
            "is often worth more than another optimizer.",
        ],
        formulas=(
            r"\text{rate}_{\text{descent}} = \frac{k-1}{k+1}",
            r"\text{rate}_{\text{momentum}} = \frac{\sqrt{k}-1}{\sqrt{k}+1}",
        ),
    )
