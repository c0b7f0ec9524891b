"""The results of each recipe's final trials, read from the run's tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.dataset import VAL
from tasks.evaluation.intervals import Interval, over_rows_and_seeds, over_seeds
from tasks.evaluation.metrics import METRICS, Metric
from tasks.records.estimate import Estimate
from tasks.records.plan import FINAL, Recipe

BySeed = dict[int, float]


@dataclass(frozen=True)
class RecipeResult:
    """One recipe and its final trials.

    Args:
        id: `recipe_id`.
        name: The recipe as text, for a reader.
        optimizer: Name of its optimizer.
        schedule: Name of its schedule.
        seeds: Number of seeds that it was trained with.
        ended: Seed to `trial_id` of the trials that ended well.
        values: (part, metric) to (seed to value), of the trials that ended well, where defined.
        seconds: Training time of all its trials, in seconds.
    """

    id: str
    name: str
    optimizer: str
    schedule: str
    seeds: int
    ended: dict[int, str]
    values: dict[tuple[str, str], BySeed]
    seconds: float

    @property
    def lost(self) -> int:
        """Number of trials that diverged or failed."""
        return self.seeds - len(self.ended)

    @property
    def loss(self) -> float:
        """Mean over seeds of the best validation loss; NaN where no trial ended well."""
        return self.mean(VAL, "loss")

    def by_seed(self, part: str, metric: str) -> BySeed:
        return self.values.get((part, metric), {})

    def mean(self, part: str, metric: str) -> float:
        """Mean over the seeds that ended well; NaN where none did."""
        values = list(self.by_seed(part, metric).values())
        return float(np.mean(values)) if values else np.nan

    def interval(self, part: str, metric: str, confidence: float, rows: Interval | None = None) -> Estimate:
        """The mean with its interval over seeds; with `rows` (one model's interval over the rows of the part), over
        seeds and rows together."""
        found = over_seeds(np.array(list(self.by_seed(part, metric).values())), confidence)
        if rows is not None:
            found = over_rows_and_seeds(found, rows)
        return found.within(*METRICS[metric].bounds).estimate()

    def best_trial(self, metric: Metric) -> str:
        """The trial with the best validation metric; ties go to the smallest seed.

        Raises:
            ValueError: the metric is defined for no trial.
        """
        values = self.by_seed(VAL, metric.name)
        return self.ended[min(sorted(values), key=lambda seed: -metric.sign * values[seed])]


def read_results(
    recipes: Iterable[Recipe], trials: pd.DataFrame, metrics: pd.DataFrame, stage: str = FINAL
) -> list[RecipeResult]:
    """Reads each recipe of plan.json with its trials of a stage, in the plan's order.

    Args:
        recipes: plan.json's `recipes`.
        trials: Table `trials`.
        metrics: Table `metrics`; only finite values over all rows of a part (`slice` null) are read: a metric may
            be undefined for a part.
    """
    final = trials[trials["stage"] == stage]
    ended = final[final["status"] == "ok"]
    whole = metrics[metrics["slice"].isna()].merge(ended[["trial_id", "recipe_id", "seed"]], on="trial_id")
    finite = np.isfinite(whole["value"].to_numpy(dtype=np.float64, na_value=np.nan))
    values: dict[str, dict[tuple[str, str], BySeed]] = {}
    columns = ["recipe_id", "part", "metric", "seed", "value"]
    for recipe_id, part, name, seed, value in whole.loc[finite, columns].itertuples(index=False, name=None):
        values.setdefault(recipe_id, {}).setdefault((part, name), {})[int(seed)] = float(value)
    results = []
    for recipe in recipes:
        trained = final[final["recipe_id"] == recipe.recipe_id]
        ok = trained[trained["status"] == "ok"]
        results.append(
            RecipeResult(
                id=recipe.recipe_id,
                name=recipe.recipe,
                optimizer=recipe.optimizer,
                schedule=recipe.schedule,
                seeds=len(trained),
                ended={int(seed): trial for seed, trial in zip(ok["seed"], ok["trial_id"], strict=True)},
                values=values.get(recipe.recipe_id, {}),
                seconds=float(trained["seconds"].fillna(0).sum()),
            )
        )
    return results


def ranked(results: Iterable[RecipeResult], metric: Metric, idle: Collection[str] = ()) -> list[RecipeResult]:
    """Sorts results by their validation mean, the best first, those without one last; ties keep their order.

    A recipe that ended in fewer than half of its seeds comes after the others, since a mean over the surviving seeds is
    too good. So does a recipe of `idle`, those that did not learn, since a metric that ranks them first does not see
    that. The first recipe is the leader, if it has a validation mean.
    """

    def place(result: RecipeResult) -> tuple[bool, bool, bool, float]:
        mean = result.mean(VAL, metric.name)
        return (
            not result.ended,
            np.isnan(mean) or 2 * len(result.ended) < result.seeds,
            result.id in idle,
            -metric.sign * np.nan_to_num(mean),
        )

    return sorted(results, key=place)
