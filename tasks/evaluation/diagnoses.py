"""The diagnoses of a run's recipes: collects the facts from the run's tables and plan, and calls `tasks.diagnosis`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tasks.dataset import VAL
from tasks.diagnosis.diagnose import Facts, diagnose
from tasks.diagnosis.fit import sure_errors
from tasks.evaluation.baselines import CONSTANT_ANSWERS, Constant
from tasks.records.diagnosis import DiagnosedRecipe
from tasks.records.plan import Plan


def diagnosed(
    plan: Plan, tables: Mapping[str, pd.DataFrame], constant: Constant, looked_at: Mapping[str, str]
) -> list[DiagnosedRecipe]:
    """The problems found in each recipe, in the order of the plan; recipes without a problem are left out.

    Args:
        tables: `trials`, `curves`, `metrics` and `predictions`.
        constant: Scores, on the validation part, of an answer that ignores the inputs.
        looked_at: `recipe_id` to the trial whose predictions for the validation rows are examined.
    """
    trials = tables["trials"]
    final = trials[trials["stage"] == "final"]
    curves = tables["curves"][tables["curves"]["trial_id"].isin(final["trial_id"])]
    simple = _simple_loss(trials, tables["metrics"])
    found = []
    for recipe in plan.recipes:
        own = final[final["recipe_id"] == recipe.recipe_id]
        facts = Facts(
            settings=recipe.settings,
            task=plan.task,
            scale="none" if _unscaled(plan) else "standard",
            epochs=int(own["epochs"].fillna(0).max()) if len(own) else 0,
            constant_loss=constant.loss,
            simple_loss=simple,
            sure_errors=_sure_errors(tables["predictions"], looked_at.get(recipe.recipe_id)),
        )
        of_recipe = diagnose(curves[curves["trial_id"].isin(own["trial_id"])], own, facts)
        if of_recipe:
            found.append(DiagnosedRecipe(recipe.recipe_id, recipe.recipe, of_recipe))
    return found


def _unscaled(plan: Plan) -> bool:
    """Whether some column of numbers is not scaled."""
    columns = (plan.spec.get("data", {}).get("columns") or {}).values()
    return any(isinstance(each, Mapping) and each.get("scale") == "none" for each in columns)


def _simple_loss(trials: pd.DataFrame, metrics: pd.DataFrame) -> float | None:
    """The lowest log loss of a baseline on the validation part, constant answers left out; None: not measured."""
    baselines = trials[(trials["stage"] == "baseline") & ~trials["recipe"].isin(CONSTANT_ANSWERS)]["trial_id"]
    of = metrics[(metrics["metric"] == "log_loss") & (metrics["part"] == VAL) & metrics["trial_id"].isin(baselines)]
    losses = of["value"].to_numpy(np.float64, na_value=np.nan)
    return float(np.nanmin(losses)) if np.isfinite(losses).any() else None


def _sure_errors(predictions: pd.DataFrame, trial: str | None) -> tuple[int, int] | None:
    """`sure_errors` of a trial's validation rows; None where the predictions were not kept, or are values."""
    own = predictions[(predictions["trial_id"] == trial) & (predictions["part"] == VAL)]
    if not len(own) or own["class_index"].isna().any():
        return None
    probabilities = own.pivot(index="row", columns="class_index", values="value")
    target = own.groupby("row")["target"].first().loc[probabilities.index]
    return sure_errors(target.to_numpy(np.int64), probabilities.to_numpy(np.float64))
