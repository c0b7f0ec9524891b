"""Explains adaptive optimizers: they adapt the step size of each weight to its past gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.diagnosis.case import History
from tasks.diagnosis.measures import first, last
from tasks.evaluation.wording import listing, number, written
from tasks.explanations.explanation import Axis, Check, Explanation, Line, Misfit, Picture, Results, ratio, spaced
from tasks.records.plan import Recipe

THEORY = r"""
Plain gradient descent multiplies the gradient $g$ by one rate $\eta$ for all weights. A weight's gradient is in
proportion to its input, so an input a hundred times as large gets steps a hundred times as long, and the loss is ten
thousand times as steep along it. The steepest direction, of curvature $\lambda_{\max}$, limits the rate of all:

$$ \eta < \frac{2}{\lambda_{\max}}, \qquad \lambda_{\max} \ge 2 \max_j \mathrm{E}[x_j^2] $$

for a linear model of squared error. At such a rate the weights of small inputs hardly move.

Adaptive optimizers divide each weight's gradient by a measure of the gradients that this weight has had. What is left
of $\eta$ is the **effective rate**: the length of the step over that of the gradient.

**Adagrad** (Duchi, Hazan and Singer 2011) divides by the root of the sum of all squares so far:

$$ a_t = a_{t-1} + g_t^2, \qquad w_t = w_{t-1} - \eta \, \frac{g_t}{\sqrt{a_t}} $$

While gradients keep their size, $a_t \approx t g^2$, so the effective rate falls as $1/\sqrt{t}$. Of a weight whose
input is rarely there the sum grows slowly, so it keeps a high rate: this is why it suits sparse inputs.

**RMSprop** (Tieleman and Hinton 2012) forgets: it divides by the root of a moving average of the squares, $v_t$.

$$ v_t = \rho \, v_{t-1} + (1 - \rho) \, g_t^2, \qquad w_t = w_{t-1} - \eta \, \frac{g_t}{\sqrt{v_t}} $$

The first average is $(1 - \rho) g^2$, so the first step of each weight is $\eta / \sqrt{1 - \rho}$, whatever $g$ is;
later it is about $\eta$.

**Adam** (Kingma and Ba 2015) takes a moving average of the gradient too, and corrects both for their start at 0:

$$ w_t = w_{t-1} - \eta \, \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} $$

So its first step is $\eta$ for each weight, whatever the scale of its gradient. $\eta$ then says how far a weight may
go in a step, and no curvature stands in its way. The price: where the gradient becomes small the steps of RMSprop do
not, so it circles the minimum at a distance of about $\eta$.
"""

ADAPTIVE = ("adagrad", "rmsprop", "adam")
PLAIN = "sgd"
STEADY = 10
"""The slope of the effective rate is fitted from this step on."""
DRAWN = 60
"""Most points of a line of losses, evenly spaced in the logarithm of the step."""
EXACT = 0.02
"""Relative difference from theory that a step's size may have."""


@dataclass(frozen=True)
class Family:
    """Recipes of one model: optimizer to learning rate, in rising order, to recipe."""

    model: str
    members: Mapping[str, Mapping[float, Recipe]]

    @property
    def slowest(self) -> float:
        """The lowest rate that all optimizers have."""
        return min(set.intersection(*(set(each) for each in self.members.values())))


def families(recipes: Sequence[Recipe]) -> list[Family]:
    """The family of each model that is trained by plain descent and all adaptive optimizers, with at least one common
    rate. Linear models come first."""
    found: dict[str, dict[str, dict[float, Recipe]]] = {}
    for recipe in recipes:
        if recipe.optimizer in (PLAIN, *ADAPTIVE) and recipe.schedule == "constant":
            model = recipe.settings.model.name
            found.setdefault(model, {}).setdefault(recipe.optimizer, {}).setdefault(
                recipe.settings.learning_rate, recipe
            )
    whole = [
        Family(model, {name: dict(sorted(of[name].items())) for name in (PLAIN, *ADAPTIVE)})
        for model, of in found.items()
        if all(name in of for name in (PLAIN, *ADAPTIVE)) and set.intersection(*(set(each) for each in of.values()))
    ]
    return sorted(whole, key=lambda each: each.model != "linear")


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where a linear model is trained by plain descent and by the adaptive
    optimizers at a common rate."""
    found = families(recipes)
    if found and found[0].model == "linear":
        return None
    return Misfit(
        got=listing(sorted({f"{each.optimizer} of {each.settings.model.name}" for each in recipes}), most=6),
        accepted=f"a linear model under {listing([PLAIN, *ADAPTIVE], most=9)}, at one constant rate or more",
        remedy="list the optimizers in compare.optimizer, and linear in model or compare.model",
    )


@dataclass(frozen=True)
class Steps:
    """The steps of one training whose signals were recorded, for a layer or for the whole network.

    Args:
        at: Numbers of the steps, from 1.
        size: Length of each step.
        effective: Length of each step divided by the length of the gradient.
    """

    at: np.ndarray
    size: np.ndarray
    effective: np.ndarray

    @classmethod
    def of(cls, history: History, layer: str | None = None) -> Steps:
        """Computes the steps from the recorded signals. A step's size is recorded relative to the weights before the
        step, and gradient and weight norms after it. For the first step the values before it are known; for later steps
        those after it are used, which is right up to the change of one step."""
        names = ("update_ratio", "weight_norm", "grad_norm")
        by_step = [
            dict(zip(history.steps.get((name, layer), np.zeros(0)), history.of(name, layer), strict=True))
            for name in names
        ]
        updates, norms, gradients = by_step
        rows = []
        for step, update in updates.items():
            place = 0 if step == 1 else step
            if place in norms and gradients.get(place):
                size = update * norms[place]
                rows.append((step, size, size / gradients[place]))
        at, size, effective = np.array(rows, np.float64).reshape(-1, 3).T
        return cls(at, size, effective)


@dataclass(frozen=True)
class _Seen:
    """The trainings of one recipe, by seed.

    Args:
        weights: Number of weights of each network.
        limit: `1 / input_rms^2` for the largest input; NaN where it is not known.
    """

    rate: float
    histories: Sequence[History]
    weights: float
    limit: float

    @classmethod
    def of(cls, recipe: Recipe, results: Results) -> _Seen:
        histories = results.histories(recipe)
        counts = results.final(recipe)["parameters"].dropna()
        largest = [first(each.of("input_rms")) for each in histories]
        return cls(
            rate=recipe.settings.learning_rate,
            histories=histories,
            weights=float(counts.iloc[0]) if len(counts) else np.nan,
            limit=float(np.mean(largest)) ** -2 if largest else np.nan,
        )

    @property
    def diverged(self) -> float:
        """Share of the trainings that diverged; NaN without trainings."""
        return float(np.mean([each.status != "ok" for each in self.histories])) if self.histories else np.nan

    @property
    def loss(self) -> float:
        """Median validation loss at the end; NaN where a training diverged."""
        ends = [last(each.of("val_loss")) for each in self.histories]
        return float(np.median(ends)) if ends and not self.diverged else np.nan

    def per_weight(self, which: Callable[[np.ndarray], float]) -> float:
        """Root mean square, over the weights, of the change in one step, divided by the rate; mean over seeds."""
        found = [which(Steps.of(each).size) / np.sqrt(self.weights) / self.rate for each in self.histories]
        return float(np.mean(found)) if found else np.nan

    @property
    def slope(self) -> float:
        """Slope of the logarithm of the effective rate over the logarithm of the step; mean over seeds."""
        slopes = []
        for each in self.histories:
            steps = Steps.of(each)
            late = steps.at >= STEADY
            if late.sum() >= 3:
                slopes.append(float(np.polyfit(np.log(steps.at[late]), np.log(steps.effective[late]), 1)[0]))
        return float(np.mean(slopes)) if slopes else np.nan


Table = Mapping[str, Mapping[float, _Seen]]
"""Optimizer to rate to its trainings."""


def explain(results: Results) -> Explanation:
    """Checks the linear model, whose theory is exact; pictures also show the layers of other models."""
    found = families(results.plan.recipes)
    tables: list[tuple[Family, Table]] = [
        (
            family,
            {
                optimizer: {rate: _Seen.of(recipe, results) for rate, recipe in rates.items()}
                for optimizer, rates in family.members.items()
            },
        )
        for family in found
    ]
    linear, of_linear = tables[0]
    return Explanation(
        seen=_sentences(linear, of_linear),
        pictures=[
            _effective(linear, of_linear),
            *(_layers(family, table) for family, table in tables[1:]),
            _losses(of_linear),
        ],
        checks=[*_of_plain(of_linear), *_of_steps(linear, of_linear), _best(of_linear)],
    )


def _of_plain(table: Table) -> list[Check]:
    slowest = min(table[PLAIN].values(), key=lambda each: each.rate)
    firsts = [first(Steps.of(each).effective) / slowest.rate for each in slowest.histories]
    beyond = [each.diverged for each in table[PLAIN].values() if each.rate > each.limit]
    adaptive = [each.diverged for name in ADAPTIVE for each in table[name].values()]
    return [
        Check(
            claim=f"A step of {PLAIN} is in proportion to the gradient: length of the first one over rate times "
            "length of the gradient.",
            measured=float(np.mean(firsts)) if firsts else np.nan,
            theory=1.0,
            low=1 - EXACT,
            high=1 + EXACT,
        ),
        Check(
            claim=f"The largest input limits the rate of {PLAIN}: of its trainings above one over that input's mean "
            f"square ({_said_limit(slowest.limit)}), share that is no longer finite.",
            measured=float(np.mean(beyond)) if beyond else np.nan,
            theory=1.0,
            low=1.0,
        ),
        Check(
            claim=f"No rate is too high in this way for {listing(ADAPTIVE)}: share of their trainings, at all rates.",
            measured=float(np.mean(adaptive)) if adaptive else np.nan,
            theory=0.0,
            high=0.0,
        ),
    ]


def _said_limit(limit: float) -> str:
    return number(limit) if np.isfinite(limit) else "not known"


def _of_steps(linear: Family, table: Table) -> list[Check]:
    slowest = {name: table[name][linear.slowest] for name in ADAPTIVE}
    rho = float(linear.members["rmsprop"][linear.slowest].settings.optimizer.parameters["rho"])
    start = (1 - rho) ** -0.5
    at = f"at rate {written(linear.slowest)}"

    def close(claim: str, measured: float, theory: float, slack: float) -> Check:
        low, high = (1 - slack) * theory, (1 + slack) * theory
        return Check(claim=claim, measured=measured, theory=theory, low=low, high=high)

    return [
        Check(
            claim=f"The effective rate of adagrad falls as one over the root of the steps: slope on log scales, {at}.",
            measured=slowest["adagrad"].slope,
            theory=-0.5,
            low=-0.55,
            high=-0.45,
        ),
        Check(
            claim=f"That of adam does not fall while gradients keep their size: the same slope {at}.",
            measured=slowest["adam"].slope,
            theory=0.0,
            low=-0.1,
            high=0.1,
        ),
        close(
            f"The first step of adam moves each weight by the rate: root mean square over the rate, {at}.",
            slowest["adam"].per_weight(first),
            1.0,
            EXACT,
        ),
        close(
            f"The first step of rmsprop moves it by 1 over the root of 1 less rho: likewise, {at}.",
            slowest["rmsprop"].per_weight(first),
            start,
            EXACT,
        ),
        close(
            f"Later steps of rmsprop move it by the rate: the last one, {at}.",
            slowest["rmsprop"].per_weight(last),
            1.0,
            0.05,
        ),
    ]


def _lowest(rates: Mapping[float, _Seen]) -> _Seen | None:
    """The rate with the lowest loss; None where all diverged."""
    ended = [each for each in rates.values() if np.isfinite(each.loss)]
    return min(ended, key=lambda each: each.loss, default=None)


def _best(table: Table) -> Check:
    plain = _lowest(table[PLAIN])
    adaptive = [each.loss for name in ADAPTIVE if (each := _lowest(table[name]))]
    return Check(
        claim=f"So an adaptive optimizer gets further in the same time: lowest validation loss over that of {PLAIN}, "
        "each at its best rate.",
        measured=ratio(min(adaptive), plain.loss) if plain and adaptive else np.nan,
        high=0.85,
    )


def _sentences(linear: Family, table: Table) -> list[str]:
    said = []
    plain = table[PLAIN][linear.slowest]
    gradients = [first(each.of("grad_norm")) for each in plain.histories]
    if np.isfinite(plain.limit):
        said.append(
            f"The largest input has a root mean square of {number(plain.limit**-0.5)}, so plain descent of a linear "
            f"model can't converge above a rate of {number(plain.limit)}, however small the other inputs are."
        )
    if gradients:
        said.append(
            f"Before training the gradient is {number(float(np.mean(gradients)))} long. At {written(linear.slowest)} "
            "the first step moves a weight, root mean square over the rate, by: "
            + ", ".join(f"{name} {number(table[name][linear.slowest].per_weight(first))}" for name in table)
            + ". Only that of plain descent depends on the gradient's length."
        )
    for name, rates in table.items():
        ends = [
            f"at {written(rate)} " + (f"a loss of {number(each.loss)}" if np.isfinite(each.loss) else "it diverged")
            for rate, each in rates.items()
        ]
        said.append(f"{name}: {', '.join(ends)}.")
    return said


def _effective(linear: Family, table: Table) -> Picture:
    lines = []
    for name, rates in table.items():
        for history in rates[linear.slowest].histories[:1]:
            steps = Steps.of(history)
            lines.append(Line(name, steps.at, steps.effective / linear.slowest))
            if name == "adagrad" and len(steps.at):
                start = steps.effective[0] / linear.slowest
                fall = start * np.sqrt(steps.at[0] / steps.at)
                lines.append(Line("theory for adagrad: one over the root of the steps", steps.at, fall, "theory"))
    return Picture(
        title="The effective rate",
        caption=f"{linear.model.capitalize()} model at rate {written(linear.slowest)}, first seed: length of a step "
        "over that of the gradient, as a multiple of the rate.",
        x=Axis("Training step", log=True),
        y=Axis("Effective rate over rate", log=True),
        lines=lines,
    )


def _layers(family: Family, table: Table) -> Picture:
    """Draws the effective rate of each layer, by optimizer."""
    lines = []
    for name, rates in table.items():
        for history in rates[family.slowest].histories[:1]:
            for layer in history.layers:
                steps = Steps.of(history, layer)
                lines.append(Line(f"{name}, {layer}", steps.at, steps.effective / family.slowest))
    return Picture(
        title=f"The effective rate of each layer: {family.model}",
        caption=f"As above, at rate {written(family.slowest)}. Plain descent has one rate for all layers; the others "
        "give a layer with longer gradients a lower one.",
        x=Axis("Training step", log=True),
        y=Axis("Effective rate over rate", log=True),
        lines=lines,
    )


def _losses(table: Table) -> Picture:
    """Draws the loss over the steps, each optimizer at its best rate."""
    lines = []
    for name, rates in table.items():
        best = _lowest(rates)
        for history in best.histories[:1] if best else []:
            at = history.steps.get(("val_loss", None), np.zeros(0))
            places = spaced(len(at), DRAWN)
            losses = history.of("val_loss")[places]
            lines.append(Line(f"{name} at {written(best.rate)}" if best else name, at[places], losses))
    return Picture(
        title="The loss, each at its best rate",
        caption="First seed. An answer that is the same for every row has a loss of about 1.",
        x=Axis("Training step", log=True),
        y=Axis("Validation loss", log=True),
        lines=lines,
    )
