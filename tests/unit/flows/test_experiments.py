"""The shipped experiments: found by name, complete, and about what the project promises to ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.experiments import find, shipped
from tasks.datasets.catalogue import CATALOGUE
from tasks.errors import BadInput
from tasks.lessons.table import LESSONS
from tasks.planning.recipes import recipes_of
from tasks.records.plan import Recipe
from tasks.spec.lessons import LessonSpec
from tasks.spec.load import load_spec
from tasks.spec.models import Spec
from tests.experiments import ON_DATA, SPECS, WITHOUT_DATA

NAMES = sorted(shipped())
RATES = [1e-6, 0.01, 1.0]
OPTIMIZERS = [
    "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "adamax", "nadam", "lion",
]  # fmt: skip


def spec_of(name: str) -> Spec:
    return load_spec(shipped()[name])[0]


def asked(name: str) -> list[tuple[str, float]]:
    """Optimizer and learning rate of each recipe."""
    return [(recipe.optimizer, rate_of(recipe)) for recipe in recipes_of(spec_of(name))]


def rate_of(recipe: Recipe) -> float:
    return recipe.settings.learning_rate


def test_the_promised_experiments_are_shipped() -> None:
    assert {"digits", "titanic", "shot-log", "mnist-mlp", "births", "mnist-augment"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_opens_with_its_command_its_time_and_what_to_expect(name: str) -> None:
    first = shipped()[name].read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(rf"# bakeoff run {name} \| about \d+ (s|min) on two cores.* \| expect: \w.{{10,}}", first)


@pytest.mark.parametrize("name", NAMES)
def test_the_list_of_experiments_says_what_the_file_says(name: str) -> None:
    path = shipped()[name]
    listed = (path.parent / "README.md").read_text(encoding="utf-8").splitlines()
    command, time, expected = (part.strip() for part in path.read_text().splitlines()[0].lstrip("# ").split("|", 2))
    source = "none" if name in WITHOUT_DATA else spec_of(name).data.source
    cells = [f"`{command}`", source, time.removeprefix("about "), expected.removeprefix("expect: ")]
    assert f"| {' | '.join(cells)} |" in listed


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_a_lesson_is_called_as_its_kind(name: str) -> None:
    spec = SPECS[name]
    assert isinstance(spec, LessonSpec)
    assert spec.name == name == f"lesson-{spec.lesson.name.replace('_', '-')}"
    assert len(spec.description) > 20


def test_every_lesson_without_data_is_shipped() -> None:
    assert sorted(f"lesson-{kind.replace('_', '-')}" for kind in LESSONS) == WITHOUT_DATA


@pytest.mark.parametrize("name", ON_DATA)
def test_an_experiment_says_what_it_is_and_has_a_gate(name: str) -> None:
    spec = spec_of(name)
    assert spec.name == name
    assert len(spec.description) > 20
    assert spec.gates
    assert spec.data.source in CATALOGUE
    assert spec.train.seeds >= 3 or spec.evaluate.folds, "each fold has initial weights of its own"


def test_the_first_experiment_needs_no_network() -> None:
    assert CATALOGUE[spec_of("digits").data.source].bundled


@pytest.mark.parametrize("name", ["titanic", "shot-log"])
def test_three_learning_rates_of_plain_sgd_stand_against_every_other_optimizer(name: str) -> None:
    assert [rate for optimizer, rate in asked(name) if optimizer == "sgd"] == RATES
    assert [optimizer for optimizer, _ in asked(name) if optimizer != "sgd"] == OPTIMIZERS
    assert spec_of(name).model.parameters["hidden"] == [100, 100]


def test_mnist_is_asked_of_a_small_network() -> None:
    assert [optimizer for optimizer, _ in asked("mnist-mlp")] == ["sgd", "momentum", "adagrad", "rmsprop", "adam"]
    assert spec_of("mnist-mlp").model.parameters["hidden"] == [10]
    assert spec_of("mnist-mlp").gates[0].at_least == 0.92


def test_augmentation_is_asked_of_a_small_sample_with_pairs_of_seeds() -> None:
    spec = spec_of("mnist-augment")
    without, with_ = recipes_of(spec)
    assert without.settings.augmentation is None
    assert with_.settings.replaced(augmentation=None) == without.settings
    assert [name for step in (with_.settings.augmentation or {})["steps"] for name in step] == [
        "rotation",
        "translation",
    ]
    assert spec.train.seeds >= 5
    assert (spec.data.rows or 0) * (1 - (spec.data.split.test or 0)) * (
        1 - spec.data.split.validation
    ) == pytest.approx(1000)


def test_births_are_asked_of_a_linear_model_too() -> None:
    spec = spec_of("births")
    assert spec.compare.model is not None
    assert "linear" in [model.name for model in spec.compare.model]
    assert spec.evaluate.metric == "rmse"


# --- find ----------------------------------------------------------------------------------------------------


def test_an_experiment_is_found_by_name_or_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {source: wine}")
    assert find(str(path)) == path
    monkeypatch.chdir(tmp_path)
    assert find("mine.yaml") == Path("mine.yaml")
    assert find("digits") == shipped()["digits"]


@pytest.mark.parametrize("name", ["digit", "", ".", "digits.yaml", "../digits", "a" * 300, "nul\0"])
def test_what_is_neither_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="no such experiment"):
        find(name)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(BadInput, match="did you mean titanic"):
        find("titanik")
