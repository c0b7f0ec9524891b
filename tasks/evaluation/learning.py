"""Decides, from the validation part, whether a recipe learned anything. A recipe that did not is never shipped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.dataset import VAL
from tasks.evaluation.baselines import Constant
from tasks.evaluation.judged_rows import JudgedRows
from tasks.evaluation.means import cross_entropies
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.priors import Prior
from tasks.evaluation.recipe_results import RecipeResult

LEARNED, SHIFTED, OVERCONFIDENT, IDLE = "learned", "shifted", "overconfident", "idle"

STILL = 0.001
"""Distance from the initial weights, as a share of their length, below which nothing was learned, even where the
untrained network scores well by luck."""

LEAST_GAIN = 0.001
"""A recipe has learned if its loss is lower than the constant answer's by at least this share of it. About half of the
networks that give all rows nearly the same answer are lower, too, but by less."""

_LITTLE = 0.01
"""Distance from the initial weights (unit as for `STILL`) below which the weights hardly moved."""


def learning(
    results: Sequence[RecipeResult],
    constant: Constant,
    weighted: Collection[str],
    val: Callable[[Collection[str]], JudgedRows],
    confidence: float,
    prior: Prior | None = None,
    calibrated: bool = False,
) -> dict[str, str]:
    """Classifies each recipe that ended, by `recipe_id`:

    - `learned`: its validation loss is clearly below the constant answer's (`LEAST_GAIN`). Where probabilities are
      calibrated, or corrected to the real class shares, the loss of those counts too.
    - `shifted`: its loss is not below, because training gave the classes equal weight; with equal weights on the
      validation rows too, it is below.
    - `overconfident`: its loss is not below, but a metric shows, over its seeds, that it tells the classes apart.
    - `idle`: it did not learn.

    Args:
        constant: Scores of an answer that ignores the inputs.
        weighted: Recipes that weighted or resampled the classes in training.
        val: Returns the validation rows with the answers of the given trials.
        prior: Share that each class is weighted to; None: classes keep their shares of the rows.
        calibrated: Whether probabilities are calibrated.
    """
    meant = calibrated or prior is not None
    return {
        result.id: LEARNED
        if result.loss < (1 - LEAST_GAIN) * constant.loss
        else (LEARNED if meant else SHIFTED)
        if (meant or result.id in weighted)
        and _below_constant(val(list(result.ended.values())), prior, alike=not calibrated)
        else OVERCONFIDENT
        if _tells_apart(result, max(prior) if prior else constant.accuracy, confidence)
        else IDLE
        for result in results
        if result.ended
    }


def _below_constant(rows: JudgedRows, prior: Prior | None, *, alike: bool) -> bool:
    """Whether the cross-entropy is clearly below that of predicting the class shares. The shares are the real ones
    (`prior`), else equal ones (`alike`), else those of the rows."""
    present, counts = np.unique(rows.target.astype(np.int64), return_counts=True)
    share = (
        np.array([prior[k] for k in present])
        if prior
        else np.ones(len(present))
        if alike
        else counts.astype(np.float64)
    )
    share /= share.sum()
    losses = []
    for answers in rows.answers.values():
        of_row = cross_entropies(rows.target.astype(np.int64), answers.prediction)
        losses.append(share @ [of_row[rows.target == k].mean() for k in present])
    return bool(losses) and float(np.mean(losses)) < (LEAST_GAIN - 1) * float(share @ np.log(share))


def _tells_apart(result: RecipeResult, majority: float | None, confidence: float) -> bool:
    """Whether the interval over seeds of some metric lies wholly above the value of a model without knowledge.

    Args:
        majority: Share of the most common class; None without classes.
    """
    for metric in METRICS.values():
        chance = majority if metric.chance == "majority" else metric.chance
        low = result.interval(VAL, metric.name, confidence).low
        if chance is not None and low is not None and low > chance:
            return True
    return False


@dataclass(frozen=True)
class Seen:
    """What the training of a recipe that did not learn showed, in the trial that would be shipped.

    Args:
        epochs: Number of epochs trained.
        first, last: Training loss of the first and of the last epoch.
        moved: Distance of the kept weights from the initial ones, as a share of the initial weights' length.
    """

    epochs: int
    first: float
    last: float
    moved: float

    @classmethod
    def of(cls, curves: pd.DataFrame, trial: str, moved: float) -> Seen | None:
        """Reads it from table `curves`; None where that has no finite training loss of this trial."""
        own = curves[(curves["trial_id"] == trial) & (curves["name"] == "train_loss")].sort_values("step")
        losses = own["value"].to_numpy(dtype=np.float64, na_value=np.nan)
        if not len(losses) or not np.isfinite(losses).all():
            return None
        return cls(int(own["epoch"].max()), float(losses[0]), float(losses[-1]), moved)

    @property
    def stood_still(self) -> bool:
        """Whether the weights hardly moved."""
        return self.moved < _LITTLE

    @property
    def fell(self) -> bool:
        """Whether the training loss fell by more than 1%."""
        return self.last < 0.99 * self.first


def distance(kept: Sequence[np.ndarray], initial: Sequence[np.ndarray]) -> float:
    """The Euclidean distance of the weights from the initial weights, as a share of the initial weights' length."""
    away = sum(float(np.square(one - other, dtype=np.float64).sum()) for one, other in zip(kept, initial, strict=True))
    length = sum(float(np.square(other, dtype=np.float64).sum()) for other in initial)
    return float(np.sqrt(away / length)) if length else 0.0


Moved = Callable[[str], float]
"""`trial_id` to `distance`."""


def seen(
    results: Sequence[RecipeResult], trials: Mapping[str, str], curves: pd.DataFrame, moved: Moved
) -> dict[str, Seen]:
    """`recipe_id` to `Seen`, for each of `results` that has a training loss.

    Args:
        trials: `recipe_id` to the trial to examine.
    """
    found = {result.id: Seen.of(curves, trials[result.id], moved(trials[result.id])) for result in results}
    return {recipe: each for recipe, each in found.items() if each is not None}
