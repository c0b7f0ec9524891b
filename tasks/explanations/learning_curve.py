"""Explains the effect of more training rows: the loss on the training rows, the loss on new rows, and the gap between
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.diagnosis.measures import mean
from tasks.evaluation import wording
from tasks.evaluation.wording import number, percent
from tasks.explanations.explanation import Axis, Check, Explanation, Line, Misfit, Picture, Results, ratio, shared
from tasks.records.plan import Recipe

THEORY = r"""
A network $h$ is to be right about rows it has never seen. Its **true risk** is its mean loss $\ell$ over all rows there
could be, and its **empirical risk** the mean loss over the $n$ rows it was trained on:

$$ R(h) = \mathbb{E} \, \ell\big(h(x), y\big), \qquad \hat R_n(h) = \frac{1}{n} \sum_{i=1}^{n} \ell\big(h(x_i), y_i\big)
$$

Training makes $\hat R_n$ small. That says little of $R$ by itself, since the weights were chosen with these very rows
in sight. The test rows were not, so their mean loss is a fair estimate of $R$, and the **gap** is what the network owes
to having seen its rows.

**Why the gap narrows.** A few rows can be learned by heart, and many can't: as $n$ grows, $\hat R_n$ rises, $R$ falls,
and they meet. Two results say how fast. Where the $p$ weights are few for $n$ and the training ends at the minimum of
the cross-entropy, both are equally far from the best risk $R^*$ that such a network can have (Akaike 1974):

$$ \mathbb{E} \, \hat R_n \approx R^* - \frac{p}{2n}, \qquad \mathbb{E} \, R \approx R^* + \frac{p}{2n}, \qquad
\text{so the gap is} \; \frac{p}{n} $$

A network that can learn all its rows by heart has no such minimum: its answers grow ever surer, on wrong rows too. A
penalty $\lambda \sum_i w_i^2$ holds them back, and with it the gap of a convex loss is at most a constant over
$\lambda n$ (Bousquet and Elisseeff 2002).

For any way of training, however the weights were chosen, the share of errors is bounded over all networks at once. With
$p$ weights of 32 bits there are at most $2^{32p}$ networks, and by Hoeffding's inequality, with probability $1-\delta$,

$$ R(h) \le \hat R_n(h) + \sqrt{\frac{32 \, p \ln 2 + \ln(1/\delta)}{2n}} \qquad \text{for every one of them} $$

On logarithmic scales the first is a line of slope $-1$ and the second one of slope $-1/2$. A measured gap is expected
to fall at a rate between the two.
"""

FEWEST = 4
"""Fewest different numbers of rows for an explanation."""
CONFIDENCE = 0.95
NARROWS = 0.5
"""Upper bound of the gap at the most rows divided by the gap at the fewest."""
BETTER = 0.8
"""Upper bound of the test loss at the most rows divided by the test loss at the fewest."""
STEEPEST, FLATTEST = -1.0, -0.5
"""Range that theory expects for the slope of the gap's logarithm over the logarithm of the rows."""
BITS = 32
"""Bits of one weight, float32."""


def family(recipes: Sequence[Recipe]) -> dict[int | None, Recipe]:
    """The largest group of recipes that differ only in their number of training rows (None: all), by that number."""
    found: dict[str, dict[int | None, Recipe]] = {}
    for recipe in recipes:
        found.setdefault(shared(recipe, "rows"), {})[recipe.settings.rows] = recipe
    return max(found.values(), key=len, default={})


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where enough numbers of training rows can be compared."""
    sizes = family(recipes)
    if len(sizes) >= FEWEST:
        return None
    return Misfit(
        got=f"{len(sizes)} numbers of training rows, all else equal",
        accepted=f"at least {FEWEST}",
        remedy="list them, each about twice the one before: compare.rows: [250, 500, 1000, 2000]",
    )


@dataclass(frozen=True)
class _Size:
    """Results for one number of rows: loss (and share of errors) of the seeds that ended."""

    train: np.ndarray
    test: np.ndarray
    train_errors: np.ndarray
    test_errors: np.ndarray

    @classmethod
    def of(cls, recipe: Recipe, results: Results) -> _Size:
        loss = [results.metric(recipe, part, "loss") for part in ("train", "test")]
        errors = [1 - results.metric(recipe, part, "accuracy") for part in ("train", "test")]
        return cls(*loss, *errors)

    @property
    def gap(self) -> float:
        return mean(self.test) - mean(self.train)


@dataclass(frozen=True)
class _Slope:
    """Slope of a line through the logarithm of the gap over the logarithm of the rows, with the half-width of its
    interval (Student's t over the sizes) and the line's height at one row. NaN where there are too few gaps, or one is
    not above 0."""

    value: float = np.nan
    half: float = np.nan
    height: float = np.nan

    @classmethod
    def of(cls, sizes: Mapping[int, _Size]) -> _Slope:
        from scipy import stats

        gaps = {rows: each.gap for rows, each in sizes.items()}
        if len(gaps) < FEWEST or not all(gap > 0 for gap in gaps.values()):
            return cls()
        line = stats.linregress(np.log(list(gaps)), np.log(list(gaps.values())))
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(gaps) - 2) * line.stderr)
        return cls(float(line.slope), half, float(np.exp(line.intercept)))


def explain(results: Results) -> Explanation:
    every = {rows or results.plan.parts["train"]: each for rows, each in family(results.plan.recipes).items()}
    sizes = {rows: _Size.of(every[rows], results) for rows in sorted(every)}
    slope = _Slope.of(sizes)
    return Explanation(
        seen=[*_of_risks(sizes, results), *_of_gaps(sizes, slope), *_of_bounds(results, sizes)],
        pictures=[_risks(sizes), _gaps(sizes, slope), _errors(sizes)],
        checks=_checks(sizes, slope),
    )


def _checks(sizes: Mapping[int, _Size], slope: _Slope) -> list[Check]:
    fewest, most = min(sizes), max(sizes)
    first, last = sizes[fewest], sizes[most]
    trains, tests = ([mean(getattr(each, part)) for each in sizes.values()] for part in ("train", "test"))
    return [
        Check(
            claim=f"The more rows, the harder to learn them by heart: training loss at {most:,} rows over that at "
            f"{fewest:,}.",
            measured=ratio(trains[-1], trains[0]),
            low=1 / NARROWS,
        ),
        Check(
            claim="It rises with the rows all along: share of the steps from one number to the next at which it does.",
            measured=_share(np.diff(trains) > 0, trains),
            theory=1.0,
            low=0.8,
        ),
        Check(
            claim=f"More rows are better on new ones: test loss at {most:,} rows over that at {fewest:,}.",
            measured=ratio(tests[-1], tests[0]),
            high=BETTER,
        ),
        Check(
            claim="It falls with the rows all along: share of the steps at which it does.",
            measured=_share(np.diff(tests) < 0, tests),
            theory=1.0,
            low=0.8,
        ),
        Check(
            claim=f"The gap between test and training loss narrows: at {most:,} rows over that at {fewest:,}.",
            measured=ratio(last.gap, first.gap),
            high=NARROWS,
        ),
        Check(
            claim="It falls at a rate between the root of the rows and the rows themselves: slope of the gap over the "
            "rows, both as logarithms. Accepted is what theory expects, widened by the slope's own 95% interval.",
            measured=slope.value,
            low=STEEPEST - slope.half if np.isfinite(slope.half) else STEEPEST,
            high=FLATTEST + slope.half if np.isfinite(slope.half) else FLATTEST,
        ),
    ]


def _share(there: np.ndarray, of: Sequence[float]) -> float:
    return float(there.mean()) if np.isfinite(of).all() else np.nan


def _of_risks(sizes: Mapping[int, _Size], results: Results) -> list[str]:
    ended = {rows: each for rows, each in sizes.items() if np.isfinite(each.gap)}
    if not ended:
        return ["No training ended, so there are no losses to compare."]
    told = ", ".join(
        f"{number(mean(each.train))} and {number(mean(each.test))} with {rows:,}" for rows, each in ended.items()
    )
    said = [f"Training and test loss, by training rows: {told}."]
    last = ended[max(ended)]
    if len(last.test_errors):
        first = ended[min(ended)]
        said.append(
            f"With {min(ended):,} rows {percent(mean(first.train_errors))} of them are wrong at the end, and "
            f"{percent(mean(first.test_errors))} of the {wording.rows(results.plan.parts['test'])} of the test part. "
            f"With {max(ended):,} it is {percent(mean(last.train_errors))} and {percent(mean(last.test_errors))}."
        )
    return said


def _of_gaps(sizes: Mapping[int, _Size], slope: _Slope) -> list[str]:
    if not np.isfinite(slope.value):
        return ["The test loss is not above the training loss everywhere, so the gap has no rate."]
    ends = f"{number(slope.value - slope.half)} to {number(slope.value + slope.half)}"
    return [
        f"The gap is {number(sizes[min(sizes)].gap)} with {min(sizes):,} rows and {number(sizes[max(sizes)].gap)} with "
        f"{max(sizes):,}. Twice the rows make it {number(2**slope.value)} times as wide: a slope of "
        f"{number(slope.value)} on logarithmic scales (95% interval {ends})."
    ]


def _of_bounds(results: Results, sizes: Mapping[int, _Size]) -> list[str]:
    """Gives the value of the theoretical bound, and the precision with which the test rows measure the true risk."""
    if not results.plan.stacks or not len(sizes[max(sizes)].test_errors):
        return []
    weights, rows, test = max(each.parameters for each in results.plan.stacks), max(sizes), results.plan.parts["test"]
    bits = BITS * weights * np.log(2)
    bound = float(np.sqrt((bits - np.log(1 - CONFIDENCE)) / (2 * rows)))
    needed = number(float(np.ceil((bits - np.log(1 - CONFIDENCE)) / 2)))
    told = (
        f"That is more than 1, so it holds and says nothing: it begins to with {needed} rows."
        if bound > 1
        else "It holds for every network of this shape, so it is wide."
    )
    off = float(np.sqrt(np.log(2 / (1 - CONFIDENCE)) / (2 * test)))
    return [
        f"By the bound over all networks of {weights:,} weights, the share of errors on new rows is at most "
        f"{number(bound)} above that on {rows:,} training rows. {told}",
        "The test rows say it better, since no weight was chosen by them: by the same inequality, for one network, "
        f"the true share of errors is within {number(off)} of theirs.",
    ]


def _risks(sizes: Mapping[int, _Size]) -> Picture:
    return Picture(
        title="Empirical and true risk",
        caption="Mean loss over the rows that were trained on, and over the test rows, which estimates the true risk; "
        "lines are means over seeds, points the seeds.",
        x=Axis("Training rows", log=True),
        y=Axis("Loss"),
        lines=[line for name, part in _PARTS.items() for line in _by_size(sizes, name, part)],
    )


_PARTS = {"rows trained on": "train", "test rows": "test"}


def _by_size(sizes: Mapping[int, _Size], name: str, part: str) -> list[Line]:
    spots = [(rows, value) for rows, each in sizes.items() for value in getattr(each, part)]
    return [
        Line(name, list(sizes), [mean(getattr(each, part)) for each in sizes.values()]),
        Line(name, [rows for rows, _ in spots], [value for _, value in spots], "points"),
    ]


def _gaps(sizes: Mapping[int, _Size], slope: _Slope) -> Picture:
    rows = np.array(list(sizes), np.float64)
    middle = float(np.exp(np.log(rows).mean()))
    height = slope.height * middle**slope.value
    gap = "test less training loss"
    return Picture(
        title="The gap",
        caption="Dashed, through the middle: the flatter line falls as one over the root of the rows, the steeper as "
        "one over the rows.",
        x=Axis("Training rows", log=True),
        y=Axis("Test less training loss", log=True),
        lines=[
            Line(gap, rows, [each.gap for each in sizes.values()]),
            Line(gap, rows, [each.gap for each in sizes.values()], "points"),
            Line("one over the root of the rows", rows, height * (rows / middle) ** FLATTEST, "theory"),
            Line("one over the rows", rows, height * (rows / middle) ** STEEPEST, "theory"),
        ],
    )


def _errors(sizes: Mapping[int, _Size]) -> Picture:
    return Picture(
        title="Share of errors",
        caption="Of the same rows: how many answers are wrong.",
        x=Axis("Training rows", log=True),
        y=Axis("Share of errors", low=0.0),
        lines=[line for name, part in _PARTS.items() for line in _by_size(sizes, name, f"{part}_errors")],
    )
