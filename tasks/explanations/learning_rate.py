"""Explains the effect of the learning rate (too slow, good, wild, no longer finite), and a guideline to find a good
one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.diagnosis.case import History
from tasks.diagnosis.measures import first, last, moved, wanders
from tasks.diagnosis.pace import WANDERS
from tasks.evaluation.wording import listing, number, written
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
Gradient descent walks downhill on the loss $L$. At the weights $w_t$ it steps against the gradient, and the learning
rate $\eta$ says how far:

$$ w_{t+1} = w_t - \eta \, \nabla L(w_t) $$

**Too slow.** If $\eta$ is tiny, the weights stay near their start, where the gradient hardly changes. After $T$ steps
they have moved in proportion to the rate, and so has the loss:

$$ w_T - w_0 \approx -\eta \, T \, \nabla L(w_0) $$

$$ L(w_0) - L(w_T) \approx \eta \, T \, \lVert \nabla L(w_0) \rVert^2 $$

**Too high.** Across a valley of curvature $\lambda$ the loss is about $\tfrac{\lambda}{2} w^2$, so a step multiplies
the distance to the bottom by $1 - \eta\lambda$. Where this is between $-1$ and $1$, the distance shrinks. Where it is
not, each step lands further up the other side than the last one began:

$$ w_{t+1} = (1 - \eta\lambda) \, w_t $$

So it converges only if $\eta < 2/\lambda$. The steepest valley sets this limit for all weights together. Near the limit
the loss jumps and yet falls later, where valleys are less steep. Above it the loss is wild, and with a squared error it
grows until it is no longer a finite number.

**The guideline.** Wild: decrease the rate. Else: increase it. So the answer is the largest rate that is not wild.
"""

FEWEST = 4
"""Fewest learning rates for an explanation."""
GOOD = 1.1
"""A rate is good if its validation loss divided by the lowest one is at most this."""
NOWHERE = 0.9
"""Nothing was learned if the validation loss divided by that before training is at least this."""
JUMPED = 1.5
"""A training is wild if its highest validation loss divided by that before training is above this."""
HIGHEST = 1e4
"""Losses above this multiple of the loss before training are cut off in pictures."""
FAR = 0.1
"""Steps were large if the weights moved by more than this share of their length."""
DECADE = 9.0
"""A step up of the guideline goes to the next rate that is at least this many times as high."""

NAN, WILD, GOOD_RATE, SLOW, BETWEEN = "no longer finite", "wild", "good", "too slow", "past the best"


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where enough recipes differ in their learning rate only."""
    most = max((len(each.members) for each in families(recipes)), default=0)
    if most >= FEWEST:
        return None
    return Misfit(
        got=f"{most} learning rates, all else equal",
        accepted=f"at least {FEWEST}",
        remedy="list them in compare.learning_rate",
    )


@dataclass(frozen=True)
class Family:
    """Recipes that differ in their learning rate only: learning rate, in rising order, to recipe."""

    optimizer: str
    members: Mapping[float, Recipe]


def families(recipes: Sequence[Recipe]) -> list[Family]:
    """Groups recipes that share all settings except the learning rate."""
    found: dict[str, dict[float, Recipe]] = {}
    for recipe in recipes:
        if np.isfinite(recipe.settings.learning_rate):
            found.setdefault(shared(recipe, "learning_rate"), {})[recipe.settings.learning_rate] = recipe
    return [Family(next(iter(each.values())).optimizer, dict(sorted(each.items()))) for each in found.values()]


@dataclass(frozen=True)
class _Rate:
    """Results of the trainings at one rate: medians over the seeds that ended, NaN where none did.

    Args:
        diverged: Whether a seed's loss was no longer finite.
        loss: Final validation loss.
        fall: Decrease of the validation loss from the first evaluation to the last.
        peak: Highest validation loss divided by that before training; median over all seeds.
        restless: Fluctuation of the validation loss over the last half (`measures.wanders`).
        nowhere: Share of seeds that ended hardly better than before training (`NOWHERE`), or did not end.
        norm, moved: Length of the final weights, and their distance from the initial ones, both divided by the initial
            length.
    """

    histories: Sequence[History]
    diverged: bool
    loss: float
    fall: float
    peak: float
    restless: float
    nowhere: float
    norm: float
    moved: float

    @classmethod
    def of(cls, histories: Sequence[History], before: Mapping[int, float]) -> _Rate:
        """Summarises the trainings at one rate.

        Args:
            before: Seed to the validation loss before training.
        """
        ended = [each for each in histories if each.status == "ok"]
        nowhere = [each not in ended or _last_loss(each) >= NOWHERE * before[each.seed] for each in histories]
        losses = [each.of("val_loss") for each in ended]
        return cls(
            histories,
            diverged=len(ended) < len(histories),
            loss=_middle([last(each) for each in losses]),
            fall=_middle([first(each) - last(each) for each in losses]),
            peak=_middle([_peak(each) / before[each.seed] for each in histories]),
            restless=_middle([wanders(each) for each in losses]),
            nowhere=float(np.mean(nowhere)),
            norm=_middle([last(each.of("weight_norm")) / first(each.of("weight_norm")) for each in ended]),
            moved=_middle([moved(each) for each in ended]),
        )

    @property
    def wild(self) -> bool:
        """Whether the training looks wild without a comparison with other rates: the loss is no longer finite, jumps,
        or is hardly better than before training although the weights moved far."""
        lost = self.nowhere > 0.5 and self.moved > FAR
        return self.diverged or self.peak > JUMPED or self.restless > WANDERS or lost


def _last_loss(history: History) -> float:
    return last(history.of("val_loss"))


def _peak(history: History) -> float:
    losses = history.of("val_loss")
    return float(losses.max()) if len(losses) else np.inf


def _middle(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else np.nan


def explain(results: Results) -> Explanation:
    """Explains the family with the most rates; where several have as many, the first."""
    every = families(results.plan.recipes)
    family = max(every, key=lambda each: len(each.members))
    histories = {rate: results.histories(recipe) for rate, recipe in family.members.items()}
    starts = {each.seed: first(each.of("val_loss")) for each in histories[min(histories)]}  # weights hardly moved yet
    rates = {rate: _Rate.of(each, starts) for rate, each in histories.items()}
    before = _middle(list(starts.values()))
    kinds = _kinds(rates)
    steps = guideline({rate: each.wild for rate, each in rates.items()})
    found = steps[-1]
    best = _best(rates)
    return Explanation(
        seen=[
            *(
                [f"This is about {family.optimizer}, of {len(every)} groups of recipes that differ in rate only."]
                if len(every) > 1
                else []
            ),
            *_sentences(rates, kinds, steps, best),
        ],
        pictures=[_curves(rates, kinds, before), _losses(rates, kinds, before, steps), _weights(rates)],
        checks=[
            Check(
                claim="At the two lowest rates the weights' distance from their start grows as the rate: slope of the "
                "logarithms.",
                measured=_slope(rates, "moved"),
                theory=1.0,
                low=0.9,
                high=1.1,
            ),
            Check(
                claim="So does what the validation loss falls by.",
                measured=_slope(rates, "fall"),
                theory=1.0,
                low=0.85,
                high=1.15,
            ),
            Check(
                claim="The lowest rate is too slow: its loss over that of the best rate.",
                measured=ratio(rates[min(rates)].loss, rates[best].loss),
                low=1.25,
            ),
            Check(
                claim="The highest rate fails: share of its seeds that are no longer finite, or no better than before "
                "training.",
                measured=rates[max(rates)].nowhere,
                theory=1.0,
                low=1.0,
            ),
            Check(
                claim="The guideline ends at a good rate: its loss over that of the best rate.",
                measured=ratio(rates[found].loss, rates[best].loss),
                theory=1.0,
                high=1.25,
            ),
        ],
    )


def guideline(wild: Mapping[float, bool]) -> list[float]:
    """The rates tried, in order; the last one is the answer.

    It starts at the lowest rate. While a training is not wild, it goes up about tenfold. After the first wild one it
    goes down, one rate at a time, until a training is not wild.

    Args:
        wild: Rate, in rising order, to whether its training is wild.
    """
    rates = list(wild)
    tried = [rates[0]]
    while not wild[tried[-1]]:
        higher = [rate for rate in rates if rate >= DECADE * tried[-1]]
        if not higher:
            return tried
        tried.append(higher[0])
    while wild[tried[-1]] and tried[-1] > rates[0]:
        tried.append(rates[rates.index(tried[-1]) - 1])
    return tried


def _best(rates: Mapping[float, _Rate]) -> float:
    return min(rates, key=lambda rate: rates[rate].loss if np.isfinite(rates[rate].loss) else np.inf)


def _kinds(rates: Mapping[float, _Rate]) -> dict[float, str]:
    best = _best(rates)

    def kind(rate: float, found: _Rate) -> str:
        if found.diverged:
            return NAN
        if found.wild:
            return WILD
        if found.loss <= GOOD * rates[best].loss:
            return GOOD_RATE
        return SLOW if rate < best else BETWEEN

    return {rate: kind(rate, found) for rate, found in rates.items()}


def _slope(rates: Mapping[float, _Rate], name: str) -> float:
    """Slope of the logarithm of a result over that of the rate, between the two lowest rates."""
    low, next_ = list(rates)[:2]
    values = [getattr(rates[rate], name) for rate in (low, next_)]
    if not min(values) > 0:
        return np.nan
    return float(np.log(values[1] / values[0]) / np.log(next_ / low))


def _sentences(
    rates: Mapping[float, _Rate], kinds: Mapping[float, str], steps: Sequence[float], best: float
) -> list[str]:
    by_kind = {kind: [rate for rate in rates if kinds[rate] == kind] for kind in (SLOW, GOOD_RATE, BETWEEN, WILD, NAN)}
    lowest = min(rates)
    said = []
    if kinds[lowest] == SLOW:
        said.append(
            f"{written(lowest)} is too slow: in the whole training the weights moved by "
            f"{number(100 * rates[lowest].moved)}% of their length."
        )
    told = [f"{listing([written(rate) for rate in found], most=6)} {kind}" for kind, found in by_kind.items() if found]
    said.append(f"By what their curves show, the rates are: {'; '.join(told)}.")
    said.append(
        f"The lowest validation loss, {number(rates[best].loss)}, is that of {written(best)}; there the weights moved "
        f"by {number(100 * rates[best].moved)}% of their length."
    )
    if by_kind[NAN]:
        said.append(
            f"From {written(min(by_kind[NAN]))} on the loss of at least one seed was no longer finite: each step "
            "overshoots the valley by more than the one before, until the numbers are too large for float32."
        )
    walked = ", ".join(f"{written(rate)} ({'wild' if kinds[rate] in (WILD, NAN) else 'calm'})" for rate in steps)
    said.append(f"The guideline, step by step: {walked}. It ends at {written(steps[-1])}.")
    return said


def _curves(rates: Mapping[float, _Rate], kinds: Mapping[float, str], before: float) -> Picture:
    lines = []
    for rate, found in rates.items():
        for history in found.histories[:1]:
            at = history.steps.get(("val_loss", None), np.zeros(0))
            lines.append(Line(f"{written(rate)}: {kinds[rate]}", at, history.of("val_loss")))
    steps = np.concatenate([np.asarray(line.x, np.float64) for line in lines])
    ends = [float(steps.min(initial=np.inf)), float(steps.max(initial=0))]
    highest = max((float(np.max(line.y)) for line in lines if len(line.y)), default=np.nan)
    lines.append(Line("before training", ends, [before, before], "theory"))
    return Picture(
        title="Loss by training step",
        caption="One line a learning rate, of the first seed. Lines that leave at the top were no longer finite a few "
        f"steps later: losses above {HIGHEST:,.0f} times that before training are cut off.",
        x=Axis("Training step", log=True),
        y=Axis("Validation loss", log=True, high=min(HIGHEST * before, 1.1 * highest)),
        lines=lines,
    )


def _losses(rates: Mapping[float, _Rate], kinds: Mapping[float, str], before: float, steps: Sequence[float]) -> Picture:
    top = JUMPED * before
    drawn = {rate: min(found.loss, top) if np.isfinite(found.loss) else top for rate, found in rates.items()}
    lines = [Line("validation loss", list(drawn), list(drawn.values()))]
    for kind in (SLOW, GOOD_RATE, BETWEEN, WILD, NAN):
        own = [rate for rate in rates if kinds[rate] == kind]
        if own:
            lines.append(Line(kind, own, [drawn[rate] for rate in own], mark="points"))
    lines.append(Line("loss before training", [min(rates), max(rates)], [before, before], mark="theory"))
    return Picture(
        title="Loss at the end against the learning rate",
        caption="Median over the seeds that ended. What is higher, or no longer finite in every seed, stands at "
        f"the upper edge. The guideline went {', '.join(written(rate) for rate in steps)}.",
        x=Axis("Learning rate", log=True),
        y=Axis("Validation loss", log=True, high=1.1 * top),
        lines=lines,
    )


def _weights(rates: Mapping[float, _Rate]) -> Picture:
    ended = {rate: found for rate, found in rates.items() if np.isfinite(found.moved)}
    xs = list(ended)
    lines = [
        Line("length of the weights", xs, [found.norm for found in ended.values()]),
        Line("distance from the start", xs, [found.moved for found in ended.values()]),
    ]
    if ended:
        start = ended[xs[0]].moved / xs[0]
        lines.append(Line("theory for small rates: in proportion to the rate", xs, [start * x for x in xs], "theory"))
    return Picture(
        title="Size of the weights against the learning rate",
        caption="At the end of training, as a multiple of their length at the start. Median over the seeds that ended.",
        x=Axis("Learning rate", log=True),
        y=Axis("Multiple of the length at the start", log=True),
        lines=lines,
    )
