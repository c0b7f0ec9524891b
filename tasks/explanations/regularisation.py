"""Explains the effect of regularisation: L1 moves weights to 0, L2 shrinks them; and what narrows the gap to new
rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks.diagnosis.case import History
from tasks.diagnosis.measures import last, mean
from tasks.evaluation.wording import listing, number, opening, percent, written
from tasks.explanations.explanation import Axis, Check, Explanation, Line, Misfit, Picture, Results, ratio
from tasks.records.plan import Recipe

THEORY = r"""
A network with many weights can learn its training rows by heart, noise and all. The loss of these rows falls on, and
that of new rows rises. The **gap** between the two says how much was learned that is true of the training rows only.

**L2** adds $\lambda \sum_i w_i^2$ to the loss. Gradient descent of rate $\eta$ then multiplies each weight by
$1 - 2\eta\lambda$ at every step, beside what the data ask for:

$$ w \leftarrow (1 - 2\eta\lambda) \, w - \eta \, \frac{\partial L}{\partial w} $$

A large weight shrinks fast and a small one slowly, so weights become small and none becomes 0.

**L1** adds $\lambda \sum_i \lvert w_i \rvert$. Its pull has the same size $\eta\lambda$ for a weight of any size:

$$ w \leftarrow w - \eta\lambda \, \mathrm{sign}(w) - \eta \, \frac{\partial L}{\partial w} $$

A weight for which the data ask less than $\lambda$ goes to 0, and the others pay for themselves: few weights are left
(Tibshirani 1996). **But such steps do not reach 0 exactly.** Nearer to it than $\eta\lambda$ a step goes past 0, the
next one comes back, and so on. A weight that the data do not pull at ends anywhere within $\eta\lambda$ of 0, so the
median of these weights is about $\eta\lambda / 2$. One that they pull at stays within $2\eta\lambda$.

An exact 0 takes a **proximal step**. It replaces the pull by soft thresholding, which cuts a weight to 0 where the pull
would carry it past (iterative soft thresholding, Daubechies, Defrise and De Mol 2004):

$$ w \leftarrow \mathrm{sign}(v) \, \max(\lvert v \rvert - \eta\lambda, \; 0), \qquad
v = w - \eta \, \frac{\partial L}{\partial w} $$

This trainer takes plain gradient steps, as Keras does with its L1 penalty. So its L1 weights are counted as near 0, not
as 0.

**Without a penalty.** Dropout sets a random share of the hidden units to 0 at each step, so no unit can rely on one
other (Srivastava et al. 2014). Early stopping keeps the weights of the step at which the validation loss was lowest.
Augmentation trains on changed rows: small noise on the inputs acts like a penalty on steep outputs (Bishop 1995).
"""

NEAR = 2.0
"""A weight is near 0 if its size is at most this many times `rate * l1`."""
SMALLER = 0.8
"""Regularisation helps if its gap divided by the gap without regularisation is at most this."""
STOPPED = 0.9
"""Stopping early pays if the lowest validation loss divided by the last one is at most this."""
LARGEST = 0.1
"""Share of the weights that count as the largest, for the share of the sum of squares that they hold."""
BINS = 36
FROM = 0.1
"""Start of the single weight whose way to 0 is drawn."""

PLAIN = "no regularisation"
EARLY = "early stopping"


@dataclass(frozen=True)
class Arms:
    """Recipes that differ in one kind of regularisation from a plain one.

    Args:
        plain: The recipe without any regularisation.
        others: Name of the regularisation (early stopping included) to the recipe that has it.
        rate: Learning rate of the plain recipe.
    """

    plain: Recipe
    others: Mapping[str, Recipe]
    rate: float

    def strongest(self, penalty: str) -> tuple[str, float]:
        """The name and the strength of the arm with the largest `l1` or `l2`."""
        found = {name: _penalties(recipe)[penalty] for name, recipe in self.others.items()}
        name = max(found, key=lambda each: found[each])
        return name, found[name]

    @property
    def all(self) -> dict[str, Recipe]:
        return {PLAIN: self.plain, **self.others}


def _penalties(recipe: Recipe) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(recipe.settings.regularisation).items()}


def _has(recipe: Recipe) -> list[str]:
    """Names of a recipe's regularisation: `L1 0.002`, `dropout 0.5`, `early stopping`, `gaussian noise`."""
    named = {"l1": "L1", "l2": "L2"}
    said = [
        f"{named.get(name, name.replace('_', ' '))} {written(value)}"
        for name, value in _penalties(recipe).items()
        if value
    ]
    augmentation: Mapping[str, Any] = recipe.settings.augmentation or {}
    if augmentation:
        said.append(" + ".join(name.replace("_", " ") for step in augmentation["steps"] for name in step))
    return said + ([EARLY] if recipe.settings.part("early_stopping") else [])


def arms(recipes: Sequence[Recipe]) -> Arms | None:
    """The arms under plain gradient descent. None unless there is a recipe without regularisation, one with L1 alone
    and one with L2 alone."""
    descents = [each for each in recipes if each.optimizer == "sgd"]
    plain = next((each for each in descents if not _has(each)), None)
    alone = {names[0]: each for each in descents if len(names := _has(each)) == 1}
    if plain is None or not all(any(_penalties(each)[name] for each in alone.values()) for name in ("l1", "l2")):
        return None
    return Arms(plain, alone, plain.settings.learning_rate)


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where plain gradient descent is compared without regularisation, with L1
    alone and with L2 alone."""
    if arms(recipes) is not None:
        return None
    return Misfit(
        got=listing(sorted({" and ".join(_has(each)) or PLAIN for each in recipes}), most=4),
        accepted="under the optimizer sgd at one learning rate: none, l1 alone and l2 alone",
        remedy="list them in compare.regularisation: [{}, {l1: 0.002}, {l2: 0.01}]",
    )


@dataclass(frozen=True)
class _Seen:
    """Results of an arm: means over the seeds that ended, NaN where none did.

    Args:
        train, val: Training and validation loss of the kept weights, without penalties.
        weights: Absolute values of the kernels' weights, all seeds in one array.
        histories: One history per seed.
    """

    train: float
    val: float
    weights: np.ndarray
    histories: Sequence[History]

    @classmethod
    def of(cls, recipe: Recipe, results: Results) -> _Seen:
        kept = [np.abs(each).ravel() for kernels in results.kernels(recipe) for each in kernels]
        return cls(
            train=mean(results.metric(recipe, "train", "loss")),
            val=mean(results.metric(recipe, "val", "loss")),
            weights=np.concatenate(kept).astype(np.float64) if kept else np.zeros(0),
            histories=results.histories(recipe),
        )

    @property
    def gap(self) -> float:
        return self.val - self.train

    def near(self, bound: float) -> float:
        """Share of the weights whose size is at most `bound`."""
        return mean((self.weights <= bound).astype(np.float64))

    @property
    def carried(self) -> float:
        """Share of the weights' sum of squares that the largest weights hold."""
        squares = np.sort(self.weights**2)
        return ratio(float(squares[len(squares) - round(LARGEST * len(squares)) :].sum()), float(squares.sum()))


def explain(results: Results) -> Explanation:
    """Explains the plain recipe and the recipes that add one kind of regularisation to it."""
    found = arms(results.plan.recipes)
    assert found is not None, "refused where it does not fit"
    seen = {name: _Seen.of(recipe, results) for name, recipe in found.all.items()}
    return Explanation(
        seen=[*_of_gaps(seen), *_of_weights(found, seen)],
        pictures=[_learned_by_heart(seen), _gaps(seen), _sizes(found, seen), _one_weight(found)],
        checks=[*_sparse(found, seen), *_small(found, seen), *_helps(seen)],
    )


def _sparse(found: Arms, seen: Mapping[str, _Seen]) -> list[Check]:
    name, l1 = found.strongest("l1")
    step = found.rate * l1
    near = seen[name].weights[seen[name].weights <= NEAR * step]
    other, _ = found.strongest("l2")
    return [
        Check(
            claim=f"{name} empties most weights: share within {written(NEAR)} times rate times l1 of 0, which is "
            f"{number(NEAR * step)}.",
            measured=seen[name].near(NEAR * step),
            low=0.5,
        ),
        Check(
            claim=f"Without regularisation almost no weight is near 0: the same share under {PLAIN}.",
            measured=seen[PLAIN].near(NEAR * step),
            high=0.05,
        ),
        Check(
            claim="Those weights step to and fro across 0: their median size over rate times l1.",
            measured=ratio(float(np.median(near)), step) if len(near) else np.nan,
            theory=0.5,
            low=0.35,
            high=0.65,
        ),
        Check(
            claim=f"Plain steps do not end at 0: share of the weights of {name} that are 0 exactly.",
            measured=mean((seen[name].weights == 0).astype(np.float64)),
            theory=0.0,
            high=0.01,
        ),
        Check(
            claim="Few weights carry what is left: of the sum of squares, share of the largest "
            f"{percent(LARGEST)} under {name} less that under {other}.",
            measured=seen[name].carried - seen[other].carried,
            low=0.1,
        ),
    ]


def _small(found: Arms, seen: Mapping[str, _Seen]) -> list[Check]:
    name, _ = found.strongest("l2")
    _, l1 = found.strongest("l1")
    return [
        Check(
            claim=f"{name} moves almost no weight to 0: the same share under it.",
            measured=seen[name].near(NEAR * found.rate * l1),
            high=0.2,
        ),
        Check(
            claim=f"{name} makes weights small: their median size over that under {PLAIN}.",
            measured=_median_ratio(seen[name].weights, seen[PLAIN].weights),
            high=SMALLER,
        ),
    ]


def _median_ratio(one: np.ndarray, other: np.ndarray) -> float:
    return ratio(float(np.median(one)), float(np.median(other))) if len(one) and len(other) else np.nan


def _helps(seen: Mapping[str, _Seen]) -> list[Check]:
    checks = [
        Check(
            claim=f"{opening(name)} narrows the gap between validation and training: over that under {PLAIN}.",
            measured=ratio(each.gap, seen[PLAIN].gap),
            high=SMALLER,
        )
        for name, each in seen.items()
        if name != PLAIN
    ]
    losses = [each.of("val_loss") for each in seen[PLAIN].histories if each.status == "ok"]
    checks.append(
        Check(
            claim=f"Stopping early would pay: lowest validation loss of {PLAIN} over that at its end.",
            measured=ratio(sum(map(np.min, losses)), sum(map(last, losses))) if losses else np.nan,
            high=STOPPED,
        )
    )
    return checks


def _of_gaps(seen: Mapping[str, _Seen]) -> list[str]:
    ended = {name: each for name, each in seen.items() if np.isfinite(each.gap)}
    if PLAIN not in ended:
        return []
    plain = ended[PLAIN]
    said = [
        f"With {PLAIN} the loss of the training rows ends at {number(plain.train)} and that of the validation rows at "
        f"{number(plain.val)}: a gap of {number(plain.gap)}."
    ]
    others = sorted((name for name in ended if name != PLAIN), key=lambda name: ended[name].gap)
    if others:
        told = ", ".join(f"{name} {number(ended[name].gap)} (validation {number(ended[name].val)})" for name in others)
        said.append(f"The gap with one thing more, smallest first: {told}.")
    worse = [name for name in others if ended[name].gap > SMALLER * plain.gap]
    if worse:
        said.append(f"The gap is hardly narrower with {listing(worse, most=9)}.")
    return said


def _of_weights(found: Arms, seen: Mapping[str, _Seen]) -> list[str]:
    said = []
    for name, recipe in found.others.items():
        l1 = _penalties(recipe)["l1"]
        weights = seen[name].weights
        if l1 and len(weights):
            bound = NEAR * found.rate * l1
            zeros = int((weights == 0).sum())
            said.append(
                f"{name}: {percent(seen[name].near(bound))} of the weights are nearer to 0 than {number(bound)}, and "
                f"{zeros or 'none'} of {len(weights):,} is 0. Cut there, as soft thresholding cuts, they would be 0."
            )
    name, _ = found.strongest("l2")
    if len(seen[name].weights) and len(seen[PLAIN].weights):
        said.append(
            f"{name}: the median weight has size {number(float(np.median(seen[name].weights)))}, with {PLAIN} "
            f"{number(float(np.median(seen[PLAIN].weights)))}."
        )
    return said


def _learned_by_heart(seen: Mapping[str, _Seen]) -> Picture:
    """Draws the plain recipe's losses. The training loss is computed from the records: the validation loss and, at some
    steps, the gap."""
    lines = []
    for history in seen[PLAIN].histories[:1]:
        at, losses = (each.get(("val_loss", None), np.zeros(0)) for each in (history.steps, history.values))
        lines.append(Line("validation rows", at, losses))
        place = ("loss_gap", None)
        steps = history.steps.get(place, np.zeros(0))
        _, one, other = np.intersect1d(at, steps, return_indices=True)
        lines.append(Line("training rows", at[one], losses[one] - history.of("loss_gap")[other]))
        if len(losses):
            best = int(np.argmin(losses))
            lines.append(Line("where stopping early would end", [at[best]], [losses[best]], "points"))
    return Picture(
        title="Learned by heart",
        caption=f"{PLAIN.capitalize()}, first seed. What lies between the lines is the gap.",
        x=Axis("Training step", log=True),
        y=Axis("Loss"),
        lines=lines,
    )


def _gaps(seen: Mapping[str, _Seen]) -> Picture:
    lines = []
    for name, each in seen.items():
        for history in each.histories[:1]:
            steps = history.steps.get(("loss_gap", None), np.zeros(0))
            lines.append(Line(name, steps, history.of("loss_gap")))
    return Picture(
        title="The gap as training goes on",
        caption="Validation loss less training loss, first seed. Augmented rows are measured as they are trained on, "
        "so their gap looks small here; sentences and checks take the rows as they are. A line that ends was stopped.",
        x=Axis("Training step", log=True),
        y=Axis("Validation less training loss"),
        lines=lines,
    )


def _sizes(found: Arms, seen: Mapping[str, _Seen]) -> Picture:
    """Draws histograms of the weights' sizes on one scale."""
    every = np.concatenate([each.weights for each in seen.values()])
    every = every[every > 0]
    ends = np.quantile(every, [0.002, 1]) if len(every) else np.array([1e-3, 1.0])
    edges = np.geomspace(ends[0], ends[1] * 1.01, BINS + 1)
    middles = np.sqrt(edges[1:] * edges[:-1])
    lines, tops = [], [0.0]
    for name, each in seen.items():
        if len(each.weights):
            shares = np.histogram(each.weights, edges)[0] / len(each.weights)
            tops.append(float(shares.max()))
            lines.append(Line(name, middles, shares))
    name, l1 = found.strongest("l1")
    step = found.rate * l1
    lines.append(Line(f"rate times l1 of {name}", [step, step], [0, max(tops)], "theory"))
    return Picture(
        title="Sizes of the weights",
        caption="Histograms over a logarithmic scale, all seeds: share of the weights in each of "
        f"{BINS} bins. Weights that L1 has emptied form the heap on the left of the dashed line.",
        x=Axis("Size of a weight", log=True),
        y=Axis("Share of the weights"),
        lines=lines,
    )


def _one_weight(found: Arms) -> Picture:
    """Draws the way of a weight that the data do not need, under each rule, with this run's rate and strengths."""
    (l1_name, l1), (l2_name, l2) = found.strongest("l1"), found.strongest("l2")
    pull = found.rate * l1
    steps = np.arange(int(1.5 * FROM / pull) + 2)
    start = FROM + pull / 3  # not a multiple of the pull, which would end exactly at 0
    plain, soft = [start], [start]
    for _ in steps[1:]:
        plain.append(plain[-1] - pull * float(np.sign(plain[-1])))
        soft.append(max(soft[-1] - pull, 0.0))
    shrunk = start * (1 - 2 * found.rate * l2) ** steps
    return Picture(
        title="One weight that the data do not need",
        caption=f"Computed, not measured: from about {written(FROM)}, at this run's rate and strengths. The "
        "scale has no 0, so the line of soft thresholding ends where it gets there.",
        x=Axis("Step"),
        y=Axis("Size of the weight", log=True, low=pull / 10),
        lines=[
            Line(l1_name, steps, np.abs(plain)),
            Line(l2_name, steps, shrunk),
            Line(f"{l1_name} by soft thresholding", steps, soft, "theory"),
        ],
    )
