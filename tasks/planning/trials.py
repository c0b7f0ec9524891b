"""Plans one trial, says how a stack's trials are trained, and binds a trial for the trainers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tasks.planning.recipes import identifier
from tasks.records.plan import PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack
from tasks.search.method import Training
from tasks.search.methods import METHODS
from tasks.training.averaging import AVERAGINGS
from tasks.training.losses import LOSSES
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.trial import Clip, Noise, Stopping, Target, Trial


def training_of(stack: PlannedStack) -> Training:
    """How a stack's trials are trained."""
    return METHODS[stack.search].training if stack.search else "whole"


def planned(
    recipe: Recipe,
    seed: int,
    data_key: str,
    *,
    stage: str = "final",
    fold: int | None = None,
    initial: int | None = None,
) -> PlannedTrial:
    """Plans one trial of a recipe with its values bound; `data_key` identifies its data (as `PlanContext.key`)."""
    facts: dict[str, Any] = {
        "variant": recipe.variant_id,
        "seed": seed,
        "fold": fold,
        "stage": stage,
        "epochs": recipe.settings.epochs,
        "data": data_key,
    }
    if initial is not None:
        facts["initial"] = initial
    return PlannedTrial(
        trial_id=identifier(facts),
        recipe_id=recipe.recipe_id,
        variant_id=recipe.variant_id,
        stage=stage,
        seed=seed,
        fold=fold,
        epochs=recipe.settings.epochs,
        initial=initial,
    )


def bind_trial(
    planned: PlannedTrial, recipe: Recipe, evaluate_every: int | None = None, *, lengths: tuple[int, ...] = ()
) -> Trial:
    """The trial as the trainers take it: every name replaced by what it stands for.

    Args:
        evaluate_every: Steps, as the plan has it for the trial's stack; None: an epoch.
        lengths: Tokens of each text in a row of its data (see `Architecture.lengths`).
    """
    settings = recipe.settings
    optimizer = OPTIMIZERS[recipe.optimizer](**settings.optimizer.parameters)
    (model, shape), (loss, shaped), strengths = settings.model, settings.loss, settings.regularisation
    minimised = LOSSES[loss](**shaped)
    stopping, target = settings.part("early_stopping"), settings.part("stop_at")
    return Trial(
        trial_id=planned.trial_id,
        variant_id=planned.variant_id,
        seed=planned.seed,
        initial=planned.initial,
        fold=planned.fold,
        epochs=planned.epochs,
        batch_size=settings.batch_size,
        architecture=replace(MODELS[model](**shape), lengths=lengths),
        optimizer=optimizer,
        learning_rate=optimizer.learning_rate,
        schedule=SCHEDULES[recipe.schedule](**settings.schedule.parameters),
        penalties=Penalties(strengths.l1, strengths.l2, strengths.dropout),
        weight_decay=strengths.weight_decay or optimizer.weight_decay,
        label_smoothing=strengths.label_smoothing,
        focal=minimised.focal,
        squared_error=minimised.squared_error,
        clip=Clip(**settings.clipping),
        stopping=Stopping(**stopping) if stopping else None,
        evaluate_every=evaluate_every,
        target=Target(**target) if target else None,
        class_weights=settings.imbalance == "class_weight",
        averaging=AVERAGINGS[settings.averaging.name](**settings.averaging.parameters),
        accumulation=settings.accumulation,
        noise=Noise(**settings.gradient_noise),
    )
