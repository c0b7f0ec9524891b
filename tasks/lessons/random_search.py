"""Why a network is not trained by trying random steps: compares local random search with gradient descent.

Both go down a round bowl `f(w) = |w|^2 / 2`. A step of random search is normally distributed in every direction and is
taken if it lowers the loss (Rastrigin 1963; Matyas 1965). On a bowl only the distance r to the minimum matters, so the
theory is exact: a step s * z leads to the distance `s * sqrt(chi2)`, where chi2 is noncentral chi-squared with a degree
of freedom for each weight and noncentrality `(r / s)^2`.
"""

from __future__ import annotations

import itertools
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

_TARGET = 0.2
"""The search ends at this share of its initial distance to the minimum, which is 4% of the loss."""
_RATE = 0.1
"""Learning rate of descent."""
_MOST = 400_000
"""Steps after which a search that has not arrived is given up."""
_DISTANCES = 240
"""Cells of the grid on which the expected number of steps is computed."""
_TOLERANCE, _GROWTH = 0.15, 0.1
_RATIO = 10.0
"""The effect appeared if steps at the largest number of weights are at least this many times those at the smallest."""


@dataclass(frozen=True)
class Searched:
    """All searches with one number of weights.

    Args:
        steps: Steps to the target, of each search that arrived.
        missed: Number of searches that did not arrive.
        expected: Mean number of steps by theory.
        descent: Steps of gradient descent.
    """

    steps: np.ndarray
    missed: int
    expected: float
    descent: int

    @property
    def mean(self) -> float:
        """Mean number of steps; NaN where a search was given up."""
        return float(self.steps.mean()) if not self.missed else float("nan")


def random_search(
    *,
    weights: Annotated[list[Annotated[int, Field(ge=2, le=200)]], Field(min_length=3, max_length=12)] = [  # noqa: B006
        2, 8, 16, 24, 32, 40, 48,
    ],
    step: Positive = 0.2,
    searches: Annotated[int, Field(ge=20, le=1000)] = 200,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Lesson:  # fmt: skip
    """Steps of local random search and of gradient descent down a bowl, as the number of weights grows. `step`: the
    length of a random step, in units of the distance to the minimum; `searches`: how many searches for each number of
    weights."""
    numbers = sorted(set(weights))
    return Lesson(
        asks="How many steps does it take to find a minimum by trying, and how many by following the gradient, as the "
        "number of weights grows?",
        measures=f"{searches} random searches for each of {len(numbers)} numbers of weights, {numbers[0]} to "
        f"{numbers[-1]}, and gradient descent",
        teach=lambda progress: _teach(numbers, step, searches, seed, progress),
        optimizers=("sgd", "random_search"),
        tries=(
            Change(
                "lesson.step=0.1",
                "Random steps half as long. Each helps more often, so the number of steps grows far more slowly over "
                "these weights. With few weights it now takes longer. The growth is put off, not cured: it sets in "
                "at four times as many weights.",
            ),
            Change(
                "lesson.weights=[2,4,6,8,10]",
                "With up to ten weights the two are not far apart. For a handful of hyperparameters random search is "
                "a good method; for the weights of a network it is none.",
            ),
        ),
    )


def chance(weights: int, distance: float, step: float) -> float:
    """The probability that a random step lowers the loss at this distance from the minimum."""
    from scipy.stats import ncx2

    ratio = (distance / step) ** 2 * weights
    return float(ncx2.cdf(ratio, weights, ratio))


def expected_steps(weights: int, step: float) -> float:
    """The mean number of steps from distance 1 to `_TARGET`.

    The distance after a step depends only on the distance before it. With the probability p of going from each distance
    of a grid to every smaller one, the mean T is computed from the smallest distance upwards:
    `T(r) = (1 + sum of p(r to r') T(r')) / P`, where P is the chance that a step helps.
    """
    from scipy.stats import ncx2

    edges = np.linspace(_TARGET, 1.0, _DISTANCES + 1)
    middles = np.append((edges[:-1] + edges[1:]) / 2, 1.0)
    scale = weights / step**2
    mean = np.zeros(len(middles))
    for place, distance in enumerate(middles):
        below = np.append(edges[:-1][edges[:-1] < distance], distance)
        reached = ncx2.cdf(below**2 * scale, weights, distance**2 * scale)
        moved = np.diff(reached)  # into each lower cell; last: into the lower half of its own
        whole = len(moved) - (distance < 1.0)
        rest = 1 + moved[:whole] @ mean[:whole]
        if distance == 1.0:
            mean[place] = rest / reached[-1]
        elif place == 0:  # a step that does not arrive hardly moves
            mean[place] = 1 / (reached[-1] - moved[-1])
        else:  # a move within the cell goes a quarter of the way to the next cell's middle
            mean[place] = (rest + 0.25 * moved[-1] * mean[place - 1]) / (reached[-1] - 0.75 * moved[-1])
    return float(mean[-1])


def search(weights: int, step: float, searches: int, seed: int) -> tuple[np.ndarray, int]:
    """Number of steps of each search that arrives within `_MOST`, and the number of searches that do not. Each search
    starts at distance 1, in a random direction. A step has about the length `step`, for any number of weights."""
    rng = np.random.default_rng([seed, weights])
    start = rng.normal(size=(searches, weights))
    place = start / np.linalg.norm(start, axis=1, keepdims=True)
    distance = np.ones(searches)
    update = OPTIMIZERS["random_search"]().update
    arrived = []
    for taken in range(1, _MOST + 1):
        proposal = rng.normal(size=place.shape)
        (moved, _) = update(np, place, -proposal, (), step / np.sqrt(weights), float(taken), {})
        after = np.linalg.norm(moved, axis=1)
        better = after < distance
        place = np.where(better[:, None], moved, place)
        distance = np.where(better, after, distance)
        going = distance > _TARGET
        if not going.all():
            arrived += [taken] * int((~going).sum())
            place, distance = place[going], distance[going]
            if not len(place):
                break
    return np.array(arrived, np.float64), len(place)


def descend(weights: int) -> int:
    """Number of steps of gradient descent from distance 1 to `_TARGET`."""
    start = np.full((1, weights), 1 / np.sqrt(weights))
    path = steps_of(OPTIMIZERS["sgd"](), lambda w: w, start, _RATE)
    return next(taken for taken in itertools.count(1) if np.linalg.norm(next(path)) <= _TARGET)


def _teach(numbers: Sequence[int], step: float, searches: int, seed: int, progress: Progress) -> Taught:
    found = {}
    for place, weights in enumerate(numbers):
        progress(f"{searches} searches with {weights} weights", place / len(numbers))
        steps, missed = search(weights, step, searches, seed)
        found[weights] = Searched(steps, missed, expected_steps(weights, step), descend(weights))
    flat = len({each.descent for each in found.values()}) == 1
    first, last = found[numbers[0]], found[numbers[-1]]
    appeared = flat and last.mean >= _RATIO * first.mean
    said = f"{_told(first.mean)} steps with {numbers[0]} weights and {_told(last.mean)} with {numbers[-1]}"
    lost = sum(each.missed for each in found.values())
    return Taught(
        appeared=appeared,
        headline=f"Random search needs {said}; gradient descent needs {first.descent} with any number"
        if appeared
        else f"The effect did not appear: random search needs {said}",
        lead=f"{lost} searches were given up after {_MOST:,} steps. "
        * bool(lost)
        + f"The steps of random search grow exponentially, here by {_percent(numbers, found)} with each further weight "
        f"over the upper half of the numbers. Descent took {last.descent} steps with {numbers[-1]} weights.",
        passages=[_what(step, searches), _by_number(numbers, found), _why(numbers, step)],
        checks=_checks(numbers, step, found),
    )


def _told(mean: float) -> str:
    return f"{mean:,.0f}" if np.isfinite(mean) else f"more than {_MOST:,}"


def _growth(numbers: Sequence[int], found: dict[int, Searched]) -> float:
    """Growth of the logarithm of the steps per weight, over the upper half of the numbers."""
    low, high = numbers[len(numbers) // 2], numbers[-1]
    return float(np.log(found[high].mean / found[low].mean) / (high - low))


def _percent(numbers: Sequence[int], found: dict[int, Searched]) -> str:
    growth = _growth(numbers, found)
    return f"{100 * np.expm1(growth):.1f}%" if np.isfinite(growth) else "an unknown factor"


def _checks(numbers: Sequence[int], step: float, found: dict[int, Searched]) -> list[TheoryCheck]:
    flat = float(np.ceil(np.log(_TARGET) / np.log(1 - _RATE)))
    return [
        *(
            within(f"steps of random search, {weights} weights, mean", each.mean, each.expected, _TOLERANCE)
            for weights, each in found.items()
        ),
        within(
            f"growth of ln(steps) with a weight, {numbers[len(numbers) // 2]} to {numbers[-1]}",
            _growth(numbers, found),
            step**2 / (8 * _TARGET**2),
            _GROWTH,
        ),
        *(
            within(f"steps of descent, {weights} weights", found[weights].descent, flat, 0)
            for weights in (numbers[0], numbers[-1])
        ),
    ]


def _what(step: float, searches: int) -> Passage:
    return Passage(
        title="What was run",
        sentences=[
            "The loss is a round bowl: half of the squared distance to its minimum. Both methods begin at distance "
            f"1 and stop at distance {_TARGET:g}, where {100 * _TARGET**2:.0f}% of the loss is left. Nothing about "
            "the bowl changes with the number of weights: it is as steep and as deep.",
            f"Random search tries a step in a random direction, {step:g} long on average whatever the number of "
            f"weights, and takes it if it lowers the loss. {searches} searches were run for each number of weights, "
            f"each from a point of its own. Descent takes the learning rate {_RATE:g}.",
        ],
        formulas=(
            r"f(w) = \tfrac{1}{2}\,|w|^2",
            r"w \leftarrow w + \frac{s}{\sqrt{n}}\,z \;\;\text{if}\;\; f\left(w + \frac{s}{\sqrt{n}}\,z\right) < f(w),"
            r"\qquad z \sim N(0, I_n)",
            r"w \leftarrow w - a\,\nabla f(w)",
        ),
    )


def _by_number(numbers: Sequence[int], found: dict[int, Searched]) -> Passage:
    x = list(numbers)
    return Passage(
        title="Steps against the number of weights",
        sentences=[
            "Dots are measured, the dashed line is theory. The vertical axis is logarithmic, so exponential growth "
            "is a straight line. The line bends at its left end, where a few weights leave many good directions."
        ],
        drawing=Drawing(
            caption="Steps until 4% of the loss is left, by number of weights; means of all searches.",
            x="Number of weights",
            y="Steps",
            series=[
                Series(name="random search", x=x, y=[finite(found[n].mean) for n in numbers], look="dots"),
                Series(name="random search, theory", x=x, y=[found[n].expected for n in numbers], look="theory"),
                Series(name="gradient descent", x=x, y=[found[n].descent for n in numbers], look="path"),
            ],
            logarithmic=("y",),
        ),
    )


def _why(numbers: Sequence[int], step: float) -> Passage:
    distances = np.linspace(_TARGET, 1.0, 60)
    shown = sorted({numbers[0], numbers[len(numbers) // 2], numbers[-1]})
    return Passage(
        title="Why",
        sentences=[
            "With many weights almost every direction stands nearly at a right angle to the way down. Such a step "
            "leads along the side of the bowl and a little up. To lower the loss, the part of the step that points "
            "down must be more than s² / 2r, at distance r from the minimum. The chance of that falls exponentially "
            "with the number of weights, and the number of tries is one over that chance.",
            "It gets worse on the way: the closer to the minimum, the smaller the share of directions that help. "
            "Shorter steps help more often and gain less. The gradient says which direction to take, for all weights "
            "at once; its price is about that of two or three evaluations of the loss, whatever their number.",
        ],
        formulas=(
            r"P(\text{a step helps}) = P\left(\chi^2_n\left(\tfrac{n r^2}{s^2}\right) < \tfrac{n r^2}{s^2}\right) "
            r"\approx \Phi\left(-\frac{s\sqrt{n}}{2r}\right)",
            r"\text{steps of random search} \sim e^{\,n s^2 / 8 r^2}",
            r"\text{steps of descent} = \left\lceil \ln(r_{\text{end}} / r_{\text{start}}) \,/\, \ln(1-a) \right\rceil",
        ),
        drawing=Drawing(
            caption="Chance that a random step lowers the loss, by distance to the minimum; from theory.",
            x="Distance to the minimum",
            y="Chance that a step helps",
            series=[
                Series(
                    name=f"{weights} weights",
                    x=distances.tolist(),
                    y=[chance(weights, float(distance), step) for distance in distances],
                    look="line",
                )
                for weights in shown
            ],
            logarithmic=("y",),
        ),
    )
