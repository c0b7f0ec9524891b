"""Ladders: what they try is another recipe that can be trained, and one change of it."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.diagnosis.diagnose import DIAGNOSES
from tasks.planning.ladders import LADDERS, at_random
from tasks.planning.recipes import recipes_of
from tasks.records.settings import RecipeSettings
from tasks.spec.load import parse_spec
from tasks.spec.places import check_settings
from tasks.training.optimizers import LEARNING_RATES, OPTIMIZERS

MODELS: dict[str, Any] = {"mlp": {"mlp": {"hidden": [16]}}, "linear": "linear"}


def settings_of(model: str, optimizer: str) -> RecipeSettings:
    spec = {"data": {"source": "wine"}, "model": MODELS[model], "train": {"optimizer": optimizer}}
    (recipe,) = recipes_of(parse_spec(spec))
    return recipe.settings


def test_every_ladder_is_of_a_diagnosis_and_only_labels_have_none() -> None:
    assert DIAGNOSES.keys() - LADDERS.keys() == {"wrong_labels"}
    assert LADDERS.keys() <= DIAGNOSES.keys()


@pytest.mark.parametrize("kind", LADDERS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "lion"])
def test_each_change_is_another_recipe_that_can_be_trained(kind: str, model: str, optimizer: str) -> None:
    settings = settings_of(model, optimizer)
    for rung in LADDERS[kind]:
        changed = rung.changes(settings)
        assert len({each.words for each in changed}) == len(changed)
        for each in changed:
            check_settings(each.settings)
            assert each.settings != settings
    assert settings == settings_of(model, optimizer)  # nothing was changed in place


def test_a_fluctuating_adam_is_offered_what_calms_it() -> None:
    settings = settings_of("mlp", "adam")
    words = [[each.words for each in rung.changes(settings)] for rung in LADDERS["fluctuating_validation_loss"]]
    assert words == [
        ["learning rate 0.00033", "learning rate 0.0001", "learning rate 0.000033"],
        ["schedule plateau (factor 0.5, patience 2)", "schedule plateau (factor 0.2, patience 2)"],
        ["beta_2 0.9995"],
        ["gradients clipped to norm 1", "gradients clipped to norm 0.1"],
        ["batch size 64", "batch size 128", "batch size 256"],
        ["dropout 0.2", "dropout 0.5", "l2 0.0001", "l2 0.001"],
    ]


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_the_control_is_drawn_from_the_optimizers_own_range(optimizer: str) -> None:
    settings = settings_of("mlp", optimizer)
    drawn = at_random(settings, 20, seed=0)
    assert drawn == at_random(settings, 20, seed=0) != at_random(settings, 20, seed=1)
    low, high = LEARNING_RATES[optimizer]
    for each in drawn:
        check_settings(each.settings)
        parameters = each.settings.optimizer.parameters
        assert low <= OPTIMIZERS[optimizer](**parameters).learning_rate <= high
        assert all(
            each.settings.part(name) == settings.part(name) for name in ("batch_size", "epochs", "model", "schedule")
        )
