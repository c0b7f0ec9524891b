"""Explains the effect of width: narrow networks end in minima of different losses, wide ones in equal and connected
minima."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
    settings_without,
)
from tasks.records.landscape import Between
from tasks.records.plan import Recipe

THEORY = r"""
A network of one hidden layer with $h$ units has about $h \, (d + c)$ weights for $d$ inputs and $c$ outputs. With $n$
training rows, $n \, c$ numbers are to be met. Where the weights are fewer, the places where the gradient is 0 lie at
many heights, and which one a training ends in hangs on its random start. **My model changes every time I train it** is
what one sees of that. Where the weights are far more, there is almost always a direction left that goes down, and
gradient descent comes near 0 from every start (Zhang et al. 2017, arXiv 1611.03530; Du et al. 2019, arXiv 1810.02054).

**One answer or many?** Units can change places without a change of what the network computes, so each minimum is there
$h!$ times. On the straight line between the weights $w_a$ and $w_b$ of two seeds the loss has a **barrier**

$$ B = \max_{0 \le t \le 1} \; L\big((1-t) \, w_a + t \, w_b\big) - (1-t) \, L(w_a) - t \, L(w_b) $$

Part of it only says that the units stand in another order. So the units of $b$ are first put in the order in which
their weights $u_i$, into and out of each unit, are nearest to those of $a$:

$$ \pi^* = \arg\max_\pi \sum_{i=1}^{h} \big\langle u^a_i, \, u^b_{\pi(i)} \big\rangle $$

What is left of the barrier is high between narrow networks, and close to 0 between wide ones (Entezari et al. 2022,
arXiv 2110.06296; Ainsworth et al. 2022, arXiv 2209.04836): their minima are one connected valley rather than many.
"""

FEWEST = 4
"""Fewest widths for an explanation."""

TARGET = 0.05
"""The training loss to reach, as a share of the loss of an answer that ignores the inputs."""


def family(recipes: Sequence[Recipe]) -> dict[int, Recipe]:
    """The largest group of recipes that differ only in the units of their one hidden layer, by width."""
    found: dict[str, dict[int, Recipe]] = {}
    for recipe in recipes:
        kind, parameters = recipe.settings.model
        hidden = parameters.get("hidden", [])
        if len(hidden) == 1 and not parameters.get("batch_normalisation"):
            rest = settings_without(recipe, "model"), kind, {**parameters, "hidden": None}
            found.setdefault(json.dumps(rest, sort_keys=True), {})[int(hidden[0])] = recipe
    return dict(sorted(max(found.values(), key=len, default={}).items()))


def misfit(recipes: Sequence[Recipe]) -> Misfit | None:
    """Why this explainer does not apply; None where enough widths can be compared."""
    widths = family(recipes)
    if len(widths) >= FEWEST:
        return None
    return Misfit(
        got=f"{len(widths)} widths of one hidden layer, all else equal",
        accepted=f"at least {FEWEST}",
        remedy="list them in compare.model, such as {mlp: {hidden: [8]}}",
    )


@dataclass(frozen=True)
class _Width:
    """Results of the seeds of one width.

    Args:
        train, val: Final training and validation loss of each seed that ended.
        reached: Share of all seeds whose training loss is at the target or below.
        between: Losses on the lines between seeds; None: not measured.
    """

    train: np.ndarray
    val: np.ndarray
    reached: float
    between: Between | None

    @property
    def spread(self) -> float:
        """Standard deviation of the validation loss over seeds."""
        return float(self.val.std(ddof=1)) if len(self.val) > 1 else np.nan


def _widths(results: Results) -> dict[int, _Width]:
    lines = {each.recipe_id: each for each in (results.inspected.between if results.inspected else None) or ()}
    found = {}
    for width, recipe in family(results.plan.recipes).items():
        histories = results.histories(recipe)
        ended = [each for each in histories if each.status == "ok" and len(each.of("train_loss"))]
        train, val = (np.array([each.of(name)[-1] for each in ended]) for name in ("train_loss", "val_loss"))
        reached = ratio(float((train <= _target(results)).sum()), len(histories))
        found[width] = _Width(train, val, reached, lines.get(recipe.recipe_id))
    return found


def _target(results: Results) -> float:
    """The training loss to reach: a share of the cross-entropy of equal class shares, or of the standardised squared
    error."""
    classes = results.plan.data.classes
    return TARGET * (float(np.log(len(classes))) if classes else 1.0)


def explain(results: Results) -> Explanation:
    widths = _widths(results)
    return Explanation(
        seen=_sentences(widths, _target(results)),
        pictures=_pictures(widths, _target(results)),
        checks=_checks(results, widths),
    )


def _checks(results: Results, widths: Mapping[int, _Width]) -> list[Check]:
    narrow, wide = min(widths), max(widths)
    rows, outputs = results.plan.parts["train"], len(results.plan.data.classes or ()) or 1
    enough = [width for width in widths if width >= rows]  # each unit has one outgoing weight per output
    lines = {width: each.between for width, each in widths.items() if each.between is not None}
    highest = max((each.barrier for each in lines.values()), default=np.nan)
    last = lines.get(wide)
    return [
        Check(
            claim=f"Narrow networks miss the target: share of seeds that reach it, of width {narrow}.",
            measured=widths[narrow].reached,
            high=0.5,
        ),
        Check(
            claim=f"Wide ones reach it from every start: share of seeds, of widths from {rows:,} units on, whose "
            f"outgoing weights alone are as many as the {rows * outputs:,} numbers to meet.",
            measured=float(np.mean([widths[width].reached for width in enough])) if enough else np.nan,
            theory=1.0,
            low=1.0,
        ),
        Check(
            claim=f"Wide networks end alike: spread of the validation loss over seeds at width {wide:,} over that at "
            f"{narrow}.",
            measured=ratio(widths[wide].spread, widths[narrow].spread),
            high=0.5,
        ),
        Check(
            claim=f"The barrier between seeds falls with the width: at {wide:,} over the highest of all widths.",
            measured=ratio(last.barrier, highest) if last else np.nan,
            high=0.5,
        ),
        Check(
            claim=f"Part of the barrier is the order of the units: at width {wide:,}, barrier with matched units over "
            "that without.",
            measured=ratio(last.matched_barrier, last.barrier) if last else np.nan,
            high=0.8,
        ),
        Check(
            claim=f"With units matched, wide minima are nearly one valley: barrier at width {wide:,} over the loss of "
            "an answer without a look at the inputs (Entezari et al.: close to 0).",
            measured=ratio(last.matched_barrier, _target(results) / TARGET) if last else np.nan,
            theory=0.0,
            high=0.05,
        ),
    ]


def _sentences(widths: Mapping[int, _Width], target: float) -> list[str]:
    reached = ", ".join(f"{number(100 * each.reached)}% at {width:,}" for width, each in widths.items())
    said = [f"The target is a training loss of {number(target)}. Share of seeds that reach it, by width: {reached}."]
    spread = ", ".join(
        f"{number(each.spread)} at {width:,}" for width, each in widths.items() if np.isfinite(each.spread)
    )
    if spread:
        said.append(f"The validation loss differs from seed to seed by a standard deviation of {spread}.")
    lines = {width: each.between for width, each in widths.items() if each.between is not None}
    if lines:
        barriers = ", ".join(
            f"{number(each.barrier)} at {width:,} ({number(each.matched_barrier)} with units matched)"
            for width, each in lines.items()
        )
        said.append(
            f"The barrier between two seeds, mean over {max(each.pairs for each in lines.values())} pairs: {barriers}."
        )
    else:
        said.append("No lines between seeds were looked at, since no network was shipped.")
    return said


def _pictures(widths: Mapping[int, _Width], target: float) -> list[Picture]:
    axis = Axis("Units of the hidden layer", log=True)
    lines = {width: each.between for width, each in widths.items() if each.between is not None}
    every = list(widths)
    spots = {
        name: [(width, value) for width, each in widths.items() for value in getattr(each, part)]
        for name, part in {"training": "train", "validation": "val"}.items()
    }
    pictures = [
        Picture(
            title="Seeds that reach the target",
            caption=f"Share of seeds whose training loss ends at {number(target)} or below.",
            x=axis,
            y=Axis("Share of seeds", low=0.0, high=1.0),
            lines=[Line("seeds that reach it", every, [each.reached for each in widths.values()])],
        ),
        Picture(
            title="Where each seed ends",
            caption="Loss at the end of every seed: narrow networks end anywhere, wide ones side by side.",
            x=axis,
            y=Axis("Loss at the end", log=True),
            lines=[
                *(Line(name, [at for at, _ in of], [value for _, value in of], "points") for name, of in spots.items()),
                Line("target", [every[0], every[-1]], [target, target], "theory"),
            ],
        ),
    ]
    if not lines:
        return pictures
    places = list(lines)
    shown = list(dict.fromkeys([places[0], places[len(places) // 2], places[-1]]))
    return [
        *pictures,
        Picture(
            title="The barrier between seeds",
            caption="The most by which the loss on the straight line between two seeds is above that between its ends.",
            x=axis,
            y=Axis("Barrier of the training loss"),
            lines=[
                Line("units in their own order", places, [each.barrier for each in lines.values()]),
                Line("units matched", places, [each.matched_barrier for each in lines.values()]),
            ],
        ),
        Picture(
            title="From one seed to another",
            caption="Training loss on the line between two seeds, mean over pairs: 0 is the one seed, 1 the other.",
            x=Axis("Place on the line"),
            y=Axis("Training loss"),
            lines=[
                line
                for width in shown
                for line in (
                    Line(f"{width:,} units", lines[width].at, lines[width].losses),
                    Line(f"{width:,} units, matched", lines[width].at, lines[width].matched),
                )
            ],
        ),
    ]
