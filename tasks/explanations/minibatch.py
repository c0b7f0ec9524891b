"""Explains the effect of the batch size: the gradient's noise, and the loss over steps, examples and seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.diagnosis.case import History
from tasks.diagnosis.measures import last, wanders
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
    spaced,
)
from tasks.records.plan import Recipe

THEORY = r"""
The loss is a mean over all $N$ training rows, so its gradient $g$ is a mean too. A step of stochastic gradient descent
looks at $B$ of the rows only, and follows the mean of their gradients:

$$ g_B = \frac{1}{B} \sum_{i \in \mathrm{batch}} \nabla L_i(w), \qquad w \leftarrow w - \eta \, g_B $$

On average $g_B$ is $g$. What it is off by is noise. With $S$ the mean squared distance of a single row's gradient from
$g$, and batches drawn without putting rows back:

$$ \mathrm{E} \, \lVert g_B - g \rVert^2 = \frac{S}{B} \cdot \frac{N - B}{N - 1} $$

So the noise falls as $1/B$, and with all rows it is 0. Four times the rows make half the error, and take four times the
work. That is why small batches get further for the same number of examples: an epoch has $N/B$ steps, and a rough
direction is enough while the loss is high.

**The other side.** Near the minimum $g$ is small and the noise is what is left: small batches jump about, in
proportion to $\eta / B$, and large ones come to rest. And a computer does many rows at once faster than one after the
other, so an example costs least in a large batch. What counts is the loss after so many seconds, and there the best
batch is neither 1 nor all.
"""

FEWEST = 3
"""Fewest batch sizes for an explanation."""
POINTS = 100
"""Most points of a line."""


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where enough recipes of plain SGD differ in their batch size only."""
    most = max((len(each) for each in families(recipes).values()), default=0)
    if most >= FEWEST:
        return None
    return Misfit(
        got=f"{most} batch sizes of plain sgd, all else equal",
        accepted=f"at least {FEWEST}",
        remedy="list them in compare.batch_size, with train.optimizer: sgd",
    )


def families(recipes: Sequence[Recipe]) -> dict[float, dict[int, Recipe]]:
    """Learning rate, in rising order, to recipes of plain SGD by batch size. Where a rate has several such groups (for
    example, of different models), the first is used."""
    found: dict[tuple[float, str], dict[int, Recipe]] = {}
    for recipe in recipes:
        if recipe.optimizer == "sgd" and "batch_size" in recipe.settings.document:
            key = recipe.settings.learning_rate, shared(recipe, "batch_size", "learning_rate")
            found.setdefault(key, {})[recipe.settings.batch_size] = recipe
    by_rate: dict[float, dict[int, Recipe]] = {}
    for (rate, _), members in sorted(found.items(), key=lambda item: item[0][0]):
        by_rate.setdefault(rate, dict(sorted(members.items())))
    return by_rate


@dataclass(frozen=True)
class _Batch:
    """Results of the trainings with one batch size.

    Args:
        size: Rows per batch.
        steps: Steps per epoch.
        histories: Histories of the seeds that ended.
        seconds: Seconds per step, for a stacked trial its share of the stack's time; NaN: not known.
    """

    size: int
    steps: float
    histories: Sequence[History]
    seconds: float

    @classmethod
    def of(cls, size: int, recipe: Recipe, results: Results) -> _Batch:
        own = results.trials[results.trials["recipe_id"] == recipe.recipe_id]
        seconds, steps = (own[name].astype("float64").sum() for name in ("seconds", "steps"))
        histories = [each for each in results.histories(recipe) if each.status == "ok"]
        rows = float(results.plan.parts["train"])
        return cls(size, np.ceil(rows / size), histories, seconds / steps if steps else np.nan)

    def noise(self, rate: float) -> tuple[float, float]:
        """The noise that batches add: squared length of (step / rate) minus squared length of the gradient over all
        rows. Returns the mean over evaluations and seeds, and its standard error."""
        found: list[float] = []
        for each in self.histories:
            ratios, at = each.of("update_ratio"), each.steps.get(("update_ratio", None), np.zeros(0))
            excess = (ratios * _at(each, "weight_norm", at) / rate) ** 2 - _at(each, "grad_norm", at) ** 2
            found += excess[np.isfinite(excess)].tolist()
        if len(found) < 2:
            return np.nan, np.nan
        return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))

    def loss(self) -> tuple[np.ndarray, np.ndarray]:
        """Evaluated steps, and the median validation loss over seeds at each."""
        curves = [each.of("val_loss") for each in self.histories]
        length = min(map(len, curves), default=0)
        if not length:
            return np.zeros(0), np.zeros(0)
        steps = self.histories[0].steps["val_loss", None][:length].astype(np.float64)
        return steps, np.median([each[:length] for each in curves], axis=0)

    def loss_at(self, step: float) -> float:
        """Median validation loss at a step, by linear interpolation between evaluations."""
        steps, losses = self.loss()
        return float(np.interp(step, steps, losses)) if len(steps) else np.nan


def _at(history: History, name: str, steps: np.ndarray) -> np.ndarray:
    """Values of a curve of the whole network at these steps; NaN where it has none."""
    known = dict(zip(history.steps.get((name, None), np.zeros(0)).tolist(), history.of(name), strict=True))
    return np.array([known.get(step, np.nan) for step in steps.tolist()], np.float64)


def explain(results: Results) -> Explanation:
    """Takes the noise from the lowest rate, where weights move least, and the losses from the highest rate."""
    found = families(results.plan.recipes)
    found = {rate: members for rate, members in found.items() if len(members) >= FEWEST}
    low, high = min(found), max(found)
    still, trained = (
        [_Batch.of(size, recipe, results) for size, recipe in found[rate].items()] for rate in (low, high)
    )
    rows = float(results.plan.parts["train"])
    measured = {each.size: each.noise(low) for each in still}
    noise = {size: mean for size, (mean, _) in measured.items()}
    smallest = min(noise)
    theory = {size: noise[smallest] * law(size, rows) / law(smallest, rows) for size in noise}
    return Explanation(
        seen=_sentences(noise, trained, low, high),
        pictures=[_noise(noise, rows, low), *_losses(trained, high)],
        checks=_checks(measured, theory, trained),
    )


def law(size: float, rows: float) -> float:
    """By theory, the noise of batches of `size` rows divided by the noise of single rows."""
    return max(rows - size, 0.0) / (rows - 1) / size


def _checks(
    noise: Mapping[int, tuple[float, float]], theory: Mapping[int, float], trained: Sequence[_Batch]
) -> list[Check]:
    small, next_to_all, large = trained[0], trained[-2], trained[-1]
    steps, _ = large.loss()
    end, examples = last(steps), _examples(trained)
    return [
        Check(
            claim="The gradient's noise falls as theory says, as 1/batch for small ones: slope of the logarithms.",
            measured=_slope(noise, theory),
            theory=1.0,
            low=0.85,
            high=1.15,
        ),
        Check(
            claim=f"For the same examples small batches get further: after {examples:,.0f} of them, loss of batch "
            f"{large.size} over that of batch {small.size}.",
            measured=ratio(large.loss_at(examples / large.size), small.loss_at(examples / small.size)),
            low=1.5,
        ),
        Check(
            claim=f"For the same steps large batches differ little: loss of batch {next_to_all.size} over that of "
            f"batch {large.size} after as many steps as the latter had.",
            measured=ratio(next_to_all.loss_at(end), large.loss_at(end)),
            theory=1.0,
            low=0.8,
            high=1.25,
        ),
        Check(
            claim=f"Small batches do not come to rest: fluctuation of the validation loss with batch {small.size} over "
            f"that with batch {large.size}, in the last half.",
            measured=ratio(_restless(small), _restless(large)),
            low=2.0,
        ),
        Check(
            claim=f"An example costs less in a large batch: seconds of an example with batch {small.size} over those "
            f"with batch {large.size}.",
            measured=ratio(small.seconds / small.size, large.seconds / large.size),
            low=2.0,
        ),
    ]


def _slope(noise: Mapping[int, tuple[float, float]], theory: Mapping[int, float]) -> float:
    """Slope of the logarithm of the noise over that of theory. Batch sizes are weighted by the precision of their
    noise; those with a noise below twice its standard error are left out."""
    known = {size: (mean, error) for size, (mean, error) in noise.items() if mean > 2 * error > 0 and theory[size] > 0}
    if len(known) < 2:
        return np.nan
    x = np.log([theory[size] for size in known])
    y = np.log([mean for mean, _ in known.values()])
    return float(np.polyfit(x, y, 1, w=[mean / error for mean, error in known.values()])[0])


def _examples(trained: Sequence[_Batch]) -> float:
    """Number of examples after which every batch size was evaluated at least once."""
    return max((float(steps[0]) * each.size for each in trained if len(steps := each.loss()[0])), default=np.nan)


def _restless(batch: _Batch) -> float:
    found = [wanders(each.of("val_loss")) for each in batch.histories]
    return float(np.nanmedian(found)) if np.isfinite(found).any() else np.nan


def _sentences(noise: Mapping[int, float], trained: Sequence[_Batch], low: float, high: float) -> list[str]:
    said = [
        f"At rate {written(low)} the weights hardly move, so what differs from step to step is the batch. Its gradient "
        "is off by a mean square of "
        + ", ".join(
            f"{number(max(value, 0.0))} (batch {size:,})" for size, value in noise.items() if np.isfinite(value)
        )
        + "."
    ]
    ended, examples = [each for each in trained if each.histories], _examples(trained)
    if ended:
        said.append(
            f"At rate {written(high)}, after {examples:,.0f} examples, the validation loss is "
            + ", ".join(f"{number(each.loss_at(examples / each.size))} (batch {each.size:,})" for each in ended)
            + "."
        )
        best = min(ended, key=lambda each: float(np.min(each.loss()[1])))
        said.append(
            f"The lowest loss on the way, {number(float(np.min(best.loss()[1])))}, is that of batch {best.size:,}."
        )
        said.append(
            "An epoch takes "
            + ", ".join(f"{number(1000 * each.seconds * each.steps)} ms (batch {each.size:,})" for each in ended)
            + ": a trial's share of its stack."
        )
    return said


def _noise(noise: Mapping[int, float], rows: float, rate: float) -> Picture:
    sizes = list(noise)
    fine = np.geomspace(min(sizes), max(sizes), 80)
    single = noise[min(sizes)] / law(min(sizes), rows)
    return Picture(
        title="Noise of the gradient against the batch size",
        caption=f"Mean of the squared length of a step over the rate {written(rate)}, less that of the gradient of all "
        "rows, over evaluations and seeds. Theory begins at the smallest batch.",
        x=Axis("Rows of a batch", log=True),
        y=Axis("Mean squared noise", log=True),
        lines=[
            Line("measured", sizes, list(noise.values())),
            Line("measured", sizes, list(noise.values()), "points"),
            Line("theory", fine, [single * law(size, rows) for size in fine], "theory"),
        ],
    )


def _losses(trained: Sequence[_Batch], rate: float) -> list[Picture]:
    def picture(title: str, along: str, scale: Callable[[_Batch], float], log: bool) -> Picture:
        lines = []
        for each in trained:
            steps, losses = each.loss()
            drawn = spaced(len(steps), POINTS)
            lines.append(Line(f"batch {each.size:,}", steps[drawn] * scale(each), losses[drawn]))
        return Picture(
            title=title,
            caption=f"Median over seeds at rate {written(rate)}, from the first evaluation on.",
            x=Axis(along, log=log),
            y=Axis("Validation loss", log=True),
            lines=lines,
        )

    return [
        picture("The loss by steps", "Training steps", lambda each: 1.0, log=True),
        picture("The loss by examples", "Epochs", lambda each: 1 / each.steps, log=True),
        picture("The loss by time", "Seconds", lambda each: each.seconds, log=True),
    ]
