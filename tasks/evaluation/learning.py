"""Whether a recipe learned anything, told from the validation part: what did not is never shipped."""

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
"""Distance from the initial weights, as a share of their length, below which nothing was learned, whatever an untrained
network is worth by luck."""

LEAST_GAIN = 0.001
"""Share of the constant answer's loss by which a loss must be lower, for something to have been learned. By less it is
lower for a network that gives all rows nearly the same answer, about every other time."""

_LITTLE = 0.01
"""Distance from the initial weights, as for `STILL`, below which they hardly moved."""


def learning(
    results: Sequence[RecipeResult],
    constant: Constant,
    weighted: Collection[str],
    val: Callable[[Collection[str]], JudgedRows],
    confidence: float,
    prior: Prior | None = None,
    calibrated: bool = False,
) -> dict[str, str]:
    """By `recipe_id` of the recipes that ended:

    - `learned`: its validation loss is clearly below the constant answer's (`LEAST_GAIN`); where probabilities are
      calibrated, or corrected to real shares of the classes, that of these may be.
    - `shifted`: it is not, since the classes were made to count alike in training; where they count alike on the
      validation rows too, it is.
    - `overconfident`: it is not, but a metric says that it tells the classes apart, over all its seeds.
    - `idle`: it did not learn.

    Args:
        constant: What the best answer without inputs gets.
        weighted: Recipes whose classes were weighted or resampled.
        val: The validation rows under the trials asked for.
        prior: The share that each class counts with; None: that of its rows.
        calibrated: Whether probabilities are.
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
    """Whether the cross-entropy is below that of predicting the classes' shares: the real ones, else equal ones
    (`alike`) or those of the rows."""
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
    """Whether all of an interval over seeds of a metric lies above what a model without knowledge gets.

    Args:
        majority: Of the rows, the share that the commonest class counts; None without classes.
    """
    for metric in METRICS.values():
        chance = majority if metric.chance == "majority" else metric.chance
        low = result.interval(VAL, metric.name, confidence).low
        if chance is not None and low is not None and low > chance:
            return True
    return False


@dataclass(frozen=True)
class Seen:
    """What was seen of a recipe that did not learn, in the trial that would be shipped.

    Args:
        epochs: That it trained.
        first, last: Its training loss in the first and in the last of them.
        moved: Distance of the kept weights from the initial ones, as a share of the initial weights' length.
    """

    epochs: int
    first: float
    last: float
    moved: float

    @classmethod
    def of(cls, curves: pd.DataFrame, trial: str, moved: float) -> Seen | None:
        """From table `curves`; None where it has no training loss of this trial."""
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
        """Whether the training loss became lower, by more than a hundredth."""
        return self.last < 0.99 * self.first


def distance(kept: Sequence[np.ndarray], initial: Sequence[np.ndarray]) -> float:
    """How far weights are from where they began, as a share of their length there (Euclidean norms)."""
    away = sum(float(np.square(one - other, dtype=np.float64).sum()) for one, other in zip(kept, initial, strict=True))
    length = sum(float(np.square(other, dtype=np.float64).sum()) for other in initial)
    return float(np.sqrt(away / length)) if length else 0.0


Moved = Callable[[str], float]
"""`trial_id` to `distance`."""


def seen(
    results: Sequence[RecipeResult], trials: Mapping[str, str], curves: pd.DataFrame, moved: Moved
) -> dict[str, Seen]:
    """Of each of `results`, by `recipe_id`, where there is something to tell.

    Args:
        trials: `recipe_id` to the trial that is looked at.
    """
    found = {result.id: Seen.of(curves, trials[result.id], moved(trials[result.id])) for result in results}
    return {recipe: each for recipe, each in found.items() if each is not None}
