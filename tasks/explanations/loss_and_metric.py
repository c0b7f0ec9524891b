"""Explains what a loss is for and what it is not: squared error and cross-entropy of classes, and the cost of
answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.diagnosis.measures import first, last, middle
from tasks.evaluation.wording import number
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
A classifier turns its outputs $z$ into probabilities by the softmax. With two classes, let $p$ be the probability that
it gives to the right one. Training makes a **loss** of $p$ small. The cross-entropy, and the squared error of the
probabilities, are

$$ L_{\mathrm{CE}} = -\log p, \qquad L_{\mathrm{SE}} = (1 - p)^2 $$

Both are least at $p = 1$. They differ in how hard they pull where the answer is wrong. With respect to the output of
the right class,

$$ \frac{\partial L_{\mathrm{CE}}}{\partial z} = -(1 - p), \qquad
\frac{\partial L_{\mathrm{SE}}}{\partial z} = -2 \, p \, (1 - p) \cdot (1 - p) $$

So the squared error carries the factor $2p(1-p)$ more, the slope of the softmax. At $p = 1/2$ it is $1/2$. Where an
answer is sure and wrong, $p \approx 0$, it is about $2p$: **the pull vanishes just where it is needed most**. The
cross-entropy pulls with full strength there, since its logarithm undoes the softmax (Solla, Levin and Fleisher 1988).

**A loss is not what an answer costs.** The loss judges probabilities over all rows alike. A business pays for answers:
where one kind of error costs $c$ times the other, the best threshold is not one half but $1/(1+c)$. A model trained
with class weights gives the rare class more than its share, so its cross-entropy is worse, and its answers at one half
can cost less. Which of two models is better depends on which of the two is asked.

That a low loss of the training rows alone can be useless on new ones is the lesson on regularisation.
"""

CROSS_ENTROPY, SQUARED = "cross_entropy", "squared_error"
WRONG = 0.1
"""A start is confident and wrong if the squared error's gradient divided by the cross-entropy's is below this."""
HALF = 0.5
"""The factor `2p(1 - p)` of a row where both classes are equally likely; it is highest there."""
BESIDE = 0.15
"""Accepted difference from `HALF` for a start where classes are about equally likely. The factor of many rows together
is not the mean of the rows' factors."""


@dataclass(frozen=True)
class Setup:
    """Recipes that differ only in the loss and the class weights.

    Args:
        model: The model in words.
        recipes: (loss, whether classes are weighted) to recipe.
    """

    model: str
    recipes: dict[tuple[str, bool], Recipe] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return {(CROSS_ENTROPY, False), (SQUARED, False), (CROSS_ENTROPY, True)} <= set(self.recipes)


def setups(recipes: Sequence[Recipe]) -> list[Setup]:
    """The setups that have both losses without class weights, and the cross-entropy with them."""
    found: dict[str, Setup] = {}
    for recipe in recipes:
        imbalance = recipe.settings.imbalance
        if imbalance in ("none", "class_weight"):
            rest = shared(recipe, "loss", "imbalance")
            key = recipe.settings.loss.name, imbalance == "class_weight"
            found.setdefault(rest, Setup(_model(recipe))).recipes.setdefault(key, recipe)
    return [each for each in found.values() if each.whole]


def _model(recipe: Recipe) -> str:
    """`linear, random_normal`; `mlp of 64, he_normal`."""
    name, parameters = recipe.settings.model
    hidden = parameters.get("hidden")
    size = f" of {' and '.join(map(str, hidden))}" if hidden else ""
    return f"{name}{size}, {parameters['initialisation']}" if "initialisation" in parameters else f"{name}{size}"


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where a model has both losses, and class weights with the
    cross-entropy."""
    if setups(recipes):
        return None
    losses = {recipe.settings.loss.name for recipe in recipes}
    weights = {recipe.settings.imbalance for recipe in recipes}
    return Misfit(
        got=f"loss {' and '.join(sorted(losses))}, imbalance {' and '.join(sorted(weights))}",
        accepted="both losses and imbalance none and class_weight, all else equal",
        remedy="compare.loss: [cross_entropy, squared_error] and compare.imbalance: [none, class_weight]",
    )


@dataclass(frozen=True)
class _Seen:
    """Results of a recipe: medians over the seeds that ended, NaN where none did.

    Args:
        loss: Cross-entropy of the validation rows, whatever the training loss was.
        train: Cross-entropy of the training rows.
        cost: Mean cost of a case in the test part; NaN where the spec has no costs.
    """

    loss: float
    train: float
    cost: float

    @classmethod
    def of(cls, recipe: Recipe, results: Results) -> _Seen:
        return cls(
            loss=middle(results.metric(recipe, "val", "loss")),
            train=middle(results.metric(recipe, "train", "loss")),
            cost=middle(results.metric(recipe, "test", "cost_per_case")),
        )


@dataclass(frozen=True)
class _Start:
    """A seed before training: both losses start from the same weights.

    Args:
        gradient: Length of the cross-entropy's gradient.
        factor: Length of the squared error's gradient divided by that.
        ends: Final validation cross-entropy after training on the cross-entropy, and on the squared error.
    """

    model: str
    gradient: float
    factor: float
    ends: tuple[float, float]


def _starts(setup: Setup, results: Results) -> list[_Start]:
    by_loss = [
        {each.seed: each for each in results.histories(setup.recipes[loss, False])} for loss in (CROSS_ENTROPY, SQUARED)
    ]
    found = []
    for seed in sorted(set(by_loss[0]) & set(by_loss[1])):
        one, other = (of[seed] for of in by_loss)
        ends = [last(each.of("val_loss")) for each in (one, other)]
        gradient = first(one.of("grad_norm"))
        factor = first(other.of("grad_norm")) / gradient if gradient else np.nan
        if np.isfinite(factor):
            found.append(_Start(setup.model, gradient, factor, (ends[0], ends[1])))
    return found


Table = Mapping[tuple[str, str, bool], _Seen]
"""(model, loss, whether classes are weighted) to results."""


def explain(results: Results) -> Explanation:
    """Explains all setups that have both losses."""
    found = setups(results.plan.recipes)
    starts = [start for setup in found for start in _starts(setup, results)]
    seen = {(setup.model, *key): _Seen.of(recipe, results) for setup in found for key, recipe in setup.recipes.items()}
    return Explanation(
        seen=_sentences(starts, seen),
        pictures=[_pulls(), _factors(starts), _costs(seen)],
        checks=[*_of_starts(starts), *_of_costs(seen)],
    )


def _of_starts(starts: Sequence[_Start]) -> list[Check]:
    even = max((each.factor for each in starts), default=np.nan)
    wrong = min(starts, key=lambda each: each.factor, default=None)
    return [
        Check(
            claim="From a start where both classes are about as likely, the squared error pulls half as hard: length "
            "of its first gradient over that of the cross-entropy, where that is highest.",
            measured=even,
            theory=HALF,
            low=HALF - BESIDE,
            high=HALF + BESIDE,
        ),
        Check(
            claim="From a start that is sure and wrong it hardly pulls at all: the same where it is lowest.",
            measured=wrong.factor if wrong else np.nan,
            high=WRONG,
        ),
        Check(
            claim="So it stays behind from there: cross-entropy of the validation rows after training on the squared "
            "error over that after training on the cross-entropy, from that start.",
            measured=ratio(wrong.ends[1], wrong.ends[0]) if wrong else np.nan,
            low=1.2,
        ),
    ]


def _weighed(seen: Table) -> tuple[str, _Seen, _Seen] | None:
    """The model with the lowest loss without class weights: its name, and its results without and with them."""
    models = [key[0] for key in seen if key[1:] == (CROSS_ENTROPY, False) and np.isfinite(seen[key].loss)]
    if not models:
        return None
    model = min(models, key=lambda name: seen[name, CROSS_ENTROPY, False].loss)
    return model, seen[model, CROSS_ENTROPY, False], seen[model, CROSS_ENTROPY, True]


def _of_costs(seen: Table) -> list[Check]:
    weighed = _weighed(seen)
    nothing = _Seen(np.nan, np.nan, np.nan)
    name, plain, weighted = weighed or ("the best model", nothing, nothing)
    return [
        Check(
            claim=f"Class weights make the loss worse: validation cross-entropy of {name} with them over that without.",
            measured=ratio(weighted.loss, plain.loss),
            low=1.5,
        ),
        Check(
            claim="And they make the answers cheaper: what a case costs with them over that without.",
            measured=ratio(weighted.cost, plain.cost),
            high=0.9,
        ),
    ]


def _said(key: tuple[str, str, bool]) -> str:
    model, loss, weighted = key
    return f"{model}, {_trained(loss, weighted)}"


def _trained(loss: str, weighted: bool) -> str:
    return loss.replace("_", " ") + (", class weights" if weighted else "")


def _sentences(starts: Sequence[_Start], seen: Table) -> list[str]:
    said = []
    for model in dict.fromkeys(each.model for each in starts):
        factors = sorted(each.factor for each in starts if each.model == model)
        said.append(
            f"{model}: before training the gradient of the squared error is {number(factors[0])} to "
            f"{number(factors[-1])} times as long as that of the cross-entropy, by seed."
        )
    for key, each in seen.items():
        if np.isfinite(each.loss):
            cost = f", and a case costs {number(each.cost)}" if np.isfinite(each.cost) else ""
            said.append(
                f"{_said(key)}: cross-entropy {number(each.train)} on training rows, {number(each.loss)} on validation "
                f"rows{cost}."
            )
    return said


def _pulls() -> Picture:
    p = np.linspace(0, 1, 101)
    return Picture(
        title="How hard a row pulls",
        caption="Computed: size of the gradient with respect to the output of the right class. On the left the answer "
        "is sure and wrong.",
        x=Axis("Probability of the right class"),
        y=Axis("Size of the gradient"),
        lines=[Line("cross entropy", p, 1 - p), Line("squared error", p, 2 * p * (1 - p) ** 2)],
    )


def _factors(starts: Sequence[_Start]) -> Picture:
    lines = [
        Line(model, [each.gradient for each in own], [each.factor for each in own], "points")
        for model in dict.fromkeys(each.model for each in starts)
        if (own := [each for each in starts if each.model == model])
    ]
    if starts:
        ends = [min(each.gradient for each in starts), max(each.gradient for each in starts)]
        lines.append(Line("theory: one half of an even start", ends, [HALF, HALF], "theory"))
    return Picture(
        title="The squared error's gradient before training",
        caption="A point a seed: both losses begin at the same weights. Measured over the first 256 training rows.",
        x=Axis("Length of the cross-entropy's gradient", log=True),
        y=Axis("Squared error's gradient over that", log=True),
        lines=lines,
    )


def _costs(seen: Table) -> Picture:
    return Picture(
        title="The loss and the cost",
        caption="A point a recipe, medians over seeds. If a better loss were a better figure, points would rise to the "
        "right.",
        x=Axis("Validation cross-entropy", log=True),
        y=Axis("Cost of a case, test part"),
        lines=[
            Line(_trained(*kind), [each.loss for each in own], [each.cost for each in own], "points")
            for kind in dict.fromkeys(key[1:] for key in seen)
            if (own := [each for key, each in seen.items() if key[1:] == kind])
        ],
    )
