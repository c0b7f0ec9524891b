"""What is planned of one trial and of one stack, and a trial bound for the trainers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.planning.recipes import Recipe, identifier
from tasks.search.method import Training
from tasks.search.methods import METHODS
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.trial import Clip, Stopping, Target, Trial


@dataclass(frozen=True)
class PlannedTrial:
    trial_id: str
    recipe_id: str
    variant_id: str
    stage: str
    seed: int
    fold: int | None
    epochs: int


@dataclass(frozen=True)
class PlannedStack:
    """Trials that run together.

    Args:
        trainer: `stack`, or `fit` where `why` says what can't be stacked.
        xla: Whether XLA compiles the stack's program.
        lanes: How many replicas it has: each seed counts once for each of its folds, and sees batches of its own.
        size: Number of trials.
        parameters: Trainable weights of one trial; where widths differ, of the network that all are padded to.
        narrower: Trainable weights of the trials that have fewer, by trial.
        fill: Share of the arithmetic that is not padding, in (0, 1]; 1 where all trials are equally wide.
        rows: Of an epoch, augmented copies included.
        steps: Training steps of one trial.
        batch_size: Rows a step.
        augmentation_seconds: Expected of one core, to augment what all its seeds see.
        evaluate_every: Steps from one evaluation to the next, at most all of them.
        search: The search method, where it does not simply train its trials to their end; else empty.
        memory_bytes: The most it should need, by arithmetic: its trials, the chunks of rows in their hands, and of
            streamed data the windows that are shuffled.
    """

    stack_id: str
    trainer: str
    why: str
    xla: bool
    trials: list[str]
    lanes: int
    size: int
    parameters: int
    rows: int
    steps: int
    batch_size: int
    augmentation_seconds: float
    evaluate_every: int
    memory_bytes: int
    search: str = ""
    narrower: Mapping[str, int] = field(default_factory=dict)
    fill: float = 1.0

    @property
    def stacked(self) -> bool:
        """Whether the stacked trainer takes its trials, not `Model.fit`."""
        return self.trainer == "stack"

    @property
    def training(self) -> Training:
        """How its trials are trained."""
        return METHODS[self.search].training if self.search else "whole"

    def parameters_of(self, trial_id: str) -> int:
        """Trainable weights of one trial, its own."""
        return self.narrower.get(trial_id, self.parameters)


def planned(recipe: Recipe, seed: int, data_key: str, *, stage: str = "final", fold: int | None = None) -> PlannedTrial:
    """One trial of a recipe with its values bound; `data_key` is that of the context it stands on."""
    facts = {
        "variant": recipe.variant_id,
        "seed": seed,
        "fold": fold,
        "stage": stage,
        "epochs": recipe.settings["epochs"],
        "data": data_key,
    }
    return PlannedTrial(
        trial_id=identifier(facts),
        recipe_id=recipe.recipe_id,
        variant_id=recipe.variant_id,
        stage=stage,
        seed=seed,
        fold=fold,
        epochs=recipe.settings["epochs"],
    )


def parameters_of(recipe: Recipe, axis: str) -> dict[str, Any]:
    """Those of a recipe's optimizer, schedule or model."""
    (parameters,) = recipe.settings[axis].values()
    return parameters


def bind_trial(planned: PlannedTrial, recipe: Recipe, evaluate_every: int | None = None) -> Trial:
    """The trial as the trainers take it: every name replaced by what it stands for.

    Args:
        evaluate_every: Steps, as the plan has it for the trial's stack; None: an epoch.
    """
    settings = recipe.settings
    optimizer = OPTIMIZERS[recipe.optimizer](**parameters_of(recipe, "optimizer"))
    (model,) = settings["model"]
    regularisation, stopping, target = (settings[name] for name in ("regularisation", "early_stopping", "stop_at"))
    return Trial(
        trial_id=planned.trial_id,
        variant_id=planned.variant_id,
        seed=planned.seed,
        fold=planned.fold,
        epochs=planned.epochs,
        batch_size=settings["batch_size"],
        architecture=MODELS[model](**settings["model"][model]),
        optimizer=optimizer,
        learning_rate=optimizer.learning_rate,
        schedule=SCHEDULES[recipe.schedule](**parameters_of(recipe, "schedule")),
        penalties=Penalties(regularisation["l1"], regularisation["l2"], regularisation["dropout"]),
        weight_decay=regularisation["weight_decay"] or optimizer.weight_decay,
        label_smoothing=regularisation["label_smoothing"],
        clip=Clip(**settings["clipping"]),
        stopping=Stopping(**stopping) if stopping else None,
        evaluate_every=evaluate_every,
        target=Target(**target) if target else None,
        class_weights=settings.get("imbalance") == "class_weight",
    )
