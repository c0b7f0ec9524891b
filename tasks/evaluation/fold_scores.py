"""The scores of a procedure on rows that it did not learn from, fold by fold, and their summary.

In every fold the whole procedure is repeated on the remaining rows: preprocessing, training all recipes, and the choice
of recipe, seed and threshold on validation rows of the fold. So the score on the held-out rows belongs to a procedure,
not to one model. Scores of different folds are not independent, since they share most training rows. So the variance of
their mean is corrected as in Nadeau and Bengio (2003, Machine Learning 52:239-281).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from tasks.dataset import TEST, VAL
from tasks.evaluation.baselines import CONSTANT_ANSWERS
from tasks.evaluation.intervals import Array, Interval, finite, over_folds
from tasks.evaluation.metrics import METRICS, Metric
from tasks.evaluation.recipe_results import RecipeResult, ranked, read_results
from tasks.evaluation.variance_shares import variance_shares
from tasks.records.out_of_fold import ChosenSetting, ChosenSettings, OutOfFold
from tasks.records.plan import FOLD, MIXED, FoldChoice, HeldOut, Plan, Recipe

PROCEDURE = "procedure"
"""Used in place of a trial: stands for the model that the run would have shipped from a fold's rows alone."""


@dataclass(frozen=True)
class FoldScores:
    """Scores by fold.

    Args:
        held_out: The folds, as in plan.json.
        values: (who, metric) to `[folds]`, NaN where undefined. Who is a `recipe_id`, with the mean over its seeds in a
            fold; a final trial, with the model that its recipe would ship in each fold (the seed that is best on the
            fold's validation rows); a baseline's trial; or `PROCEDURE`.
        chosen: Name of the procedure's choice in each fold; empty where nothing ended well.
        trials: Who (see `values`) to its trial in each fold; None for recipes, and where none ended well.
        whole: True: every query returns the procedure's scores, whatever `who` is.
        searched: How often the folds' searches chose each setting, as in verdict.json.
        by_seed: `recipe_id` to the deciding metric `[folds, seeds]`; NaN where a trial did not end well.
        mixed: `recipe_id` to the deciding metric `[folds]` of trials of the stage `mixed`; empty where there are none.
    """

    held_out: HeldOut
    values: Mapping[tuple[str, str], Array]
    chosen: Sequence[str]
    trials: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    whole: bool = False
    searched: Sequence[ChosenSettings] | None = None
    by_seed: Mapping[str, Array] = field(default_factory=dict)
    mixed: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        plan: Plan,
        trials: pd.DataFrame,
        metrics: pd.DataFrame,
        candidates: Mapping[str, str],
        baselines: Mapping[str, str],
    ) -> FoldScores:
        """Reads the scores from the run's tables.

        Args:
            candidates: `recipe_id` to the final trial that would be shipped of it.
            baselines: Name to trial. Other baselines, and recipes that are no candidates, get no scores as models of
                their own; the procedure may still choose them.
        """
        assert plan.held_out is not None
        decides, own = METRICS[plan.metric], trials[trials["stage"] == FOLD]
        measured = metrics[metrics["part"].isin([VAL, TEST])]
        values: dict[tuple[str, str], Array] = {}
        chosen: list[str] = []

        count = plan.held_out.count
        trials_of: dict[str, list[str | None]] = {}
        seeds = int(plan.spec["train"]["seeds"])
        by_seed = {recipe.recipe_id: np.full((count, seeds), np.nan) for recipe in plan.recipes}

        def note(who: str, fold: int, scores: Mapping[str, float], trial: str | None = None) -> None:
            for name, score in scores.items():
                values.setdefault((who, name), np.full(count, np.nan))[fold] = score
            trials_of.setdefault(who, [None] * count)[fold] = trial

        for fold in range(count):
            of_fold = own[own["fold"] == fold]
            scores = measured[measured["trial_id"].isin(of_fold["trial_id"])]
            networks = of_fold[of_fold["trainer"] != "sklearn"]
            results = read_results(plan.recipes, networks, scores, stage=FOLD)
            simple, ids = _baselines(of_fold, scores)
            for result in results:
                for seed, score in result.by_seed(TEST, decides.name).items():
                    by_seed[result.id][fold, seed % seeds] = score
                note(result.id, fold, {name: result.mean(TEST, name) for name in plan.metrics})
                if result.id in candidates:
                    best = _best(result, decides)
                    note(candidates[result.id], fold, _of_best(result, decides, plan.metrics), best)
            for name, by_part in simple.items():
                if name not in baselines:
                    continue
                of_name = {each: by_part.get((TEST, each), np.nan) for each in plan.metrics}
                note(baselines[name], fold, of_name, ids[name])
            leader = ranked(results, decides)[0]
            name, of_chosen, trial = leader.name, _of_best(leader, decides, plan.metrics), _best(leader, decides)
            if plan.ship == "best" and (better := _better(leader, decides, simple)):
                name, trial = better, ids[better]
                of_chosen = {each: simple[better].get((TEST, each), np.nan) for each in plan.metrics}
            note(PROCEDURE, fold, of_chosen, trial)
            chosen.append(name if np.isfinite(list(of_chosen.values())).any() else "")
        searched = chosen_settings(plan.held_out.searched.choices, plan.recipes) if plan.held_out.searched else None
        mixed = _mixed(trials[trials["stage"] == MIXED], measured, decides.name, count)
        return cls(plan.held_out, values, chosen, trials_of, searched=searched, by_seed=by_seed, mixed=mixed)

    @property
    def of_procedure(self) -> FoldScores:
        """The same object, but every query returns the procedure's scores."""
        return replace(self, whole=True)

    def interval(self, who: str, metric: Metric, confidence: float) -> Interval:
        """The mean over folds with its interval."""
        return self.over(self._of(who, metric), confidence).within(*metric.bounds)

    def difference(self, who: str, other: str, metric: Metric, confidence: float) -> Interval:
        """How much better `who` is, paired by fold; positive = better."""
        return self.over(metric.sign * (self._of(who, metric) - self._of(other, metric)), confidence)

    def by_fold(self, who: str, metric: Metric) -> dict[int, float]:
        """Fold to score, where it is defined."""
        values = self._of(who, metric)
        return {int(fold): float(values[fold]) for fold in np.flatnonzero(np.isfinite(values))}

    def judged(
        self, names: Sequence[str], metric: Metric, confidence: float, leader: RecipeResult | None = None
    ) -> OutOfFold:
        """The procedure's scores over folds, as in verdict.json.

        Args:
            names: Names of the metrics to report.
            metric: The deciding metric.
            leader: The leading recipe.
        """
        held, scores = self.held_out, self._of(PROCEDURE, metric)
        return OutOfFold(
            folds=held.folds,
            repeats=held.repeats,
            rows=held.rows,
            learned_from=held.learned_from,
            metrics={name: self.interval(PROCEDURE, METRICS[name], confidence).estimate() for name in names},
            spread=finite(scores.std(ddof=1)),
            scores=[finite(score) for score in scores],
            chosen=dict(Counter(filter(None, self.chosen)).most_common()),
            searched=self.searched,
            variance=variance_shares(leader.name, self.by_seed[leader.id], confidence, self.mixed.get(leader.id))
            if leader
            else None,
        )

    def _of(self, who: str, metric: Metric) -> Array:
        unknown = np.full(self.held_out.count, np.nan)
        return self.values.get((PROCEDURE if self.whole else who, metric.name), unknown)

    def over(self, values: Array, confidence: float) -> Interval:
        """Of the mean over folds of any values `[folds]`, NaN where undefined."""
        lacking = int((~np.isfinite(values)).sum())
        if lacking == len(values):
            return Interval(np.nan, None, None, "it is defined in no fold")
        if lacking:
            reason = f"it is undefined in {lacking} of {len(values)} folds"
            return Interval(float(np.nanmean(values)), None, None, reason)
        return over_folds(values, self.held_out.ratio, confidence)


def chosen_settings(choices: Sequence[FoldChoice], recipes: Sequence[Recipe]) -> list[ChosenSettings]:
    """How often the searches in folds chose each setting, by recipe.

    Args:
        recipes: Recipes with the settings that the search on all rows chose.
    """
    found = []
    for recipe in recipes:
        own = [each for each in choices if each.recipe_id == recipe.recipe_id]
        values = {each.variant_id: each.values for each in own}
        counts = Counter(each.variant_id for each in own)
        scores = [each.score for each in own if each.score is not None]
        found.append(
            ChosenSettings(
                recipe_id=recipe.recipe_id,
                recipe=recipe.recipe,
                settings=[
                    ChosenSetting(values=values[variant], folds=folds, whole=variant == recipe.variant_id)
                    for variant, folds in counts.most_common()
                ],
                folds=len(own),
                chosen_by=finite(float(np.mean(scores))) if scores else None,
            )
        )
    return found


def _mixed(trials: pd.DataFrame, metrics: pd.DataFrame, name: str, folds: int) -> dict[str, Array]:
    """`recipe_id` to the metric `[folds]` of mixed trials on the rows held out; NaN where one did not end well."""
    asked = metrics[(metrics["part"] == TEST) & (metrics["metric"] == name)]
    scores = trials.merge(asked[["trial_id", "value"]], on="trial_id")
    found = {recipe: np.full(folds, np.nan) for recipe in trials["recipe_id"].unique()}
    for recipe, fold, value in scores[["recipe_id", "fold", "value"]].itertuples(index=False, name=None):
        found[recipe][int(fold)] = value
    return found


def _best(result: RecipeResult, decides: Metric) -> str | None:
    """The trial that is best on the validation rows; None where none ended well."""
    return result.best_trial(decides) if result.by_seed(VAL, decides.name) else None


def _of_best(result: RecipeResult, decides: Metric, names: Sequence[str]) -> dict[str, float]:
    """The metrics of the seed that is best on the validation rows; NaN where no seed ended well."""
    best = _best(result, decides)
    if best is None:
        return dict.fromkeys(names, np.nan)
    seed = next(seed for seed, trial in result.ended.items() if trial == best)
    return {name: result.by_seed(TEST, name).get(seed, np.nan) for name in names}


def _baselines(
    trials: pd.DataFrame, metrics: pd.DataFrame
) -> tuple[dict[str, dict[tuple[str, str], float]], dict[str, str]]:
    """Name of a baseline to its values by (part, metric); and name to trial."""
    own = trials[trials["trainer"] == "sklearn"]
    named = dict(zip(own["trial_id"], own["recipe"], strict=True))
    found: dict[str, dict[tuple[str, str], float]] = {name: {} for name in named.values()}
    of_them = metrics[metrics["trial_id"].isin(list(named))]
    for trial, part, metric, value in of_them[["trial_id", "part", "metric", "value"]].itertuples(
        index=False, name=None
    ):
        found[named[trial]][part, metric] = float(value)
    return found, {name: trial for trial, name in named.items()}


def _better(
    leader: RecipeResult, decides: Metric, baselines: Mapping[str, Mapping[tuple[str, str], float]]
) -> str | None:
    """The best baseline on the validation rows, if it is better there than the network that the leading recipe would
    ship, and is not a constant answer; else None."""
    own = leader.by_seed(VAL, decides.name)
    beaten = max((decides.sign * value for value in own.values()), default=-np.inf)
    scores = {name: decides.sign * by_part.get((VAL, decides.name), np.nan) for name, by_part in baselines.items()}
    known = {name: score for name, score in scores.items() if np.isfinite(score)}
    best = max(known, key=lambda name: known[name], default=None)
    return best if best and best not in CONSTANT_ANSWERS and known[best] > beaten else None
