"""The search: what is suggested when, what is trained once, what is observed, and what is chosen. Nothing is really
trained here: each setting's score is a function of its values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.execution.board import StackProgress
from tasks.execution.recording import write_folder
from tasks.execution.tuning import Found, Tuning, search
from tasks.planning.groups import RowCounts
from tasks.planning.jobs import Job
from tasks.planning.searches import searches_of
from tasks.planning.stacks import Machine, PlanContext
from tasks.records.settings import RecipeSettings
from tasks.records.tables import CURVES, METRICS, PREDICTIONS, SETTINGS, TRIALS
from tasks.records.weights import folder_of
from tasks.run_folder import read_json
from tasks.search.method import Method, Observation
from tasks.search.methods import METHODS
from tasks.search.space import Setting
from tasks.spec.load import parse_spec
from tests.runs import Planned, planned

SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": "linear",
    "train": {"epochs": 9, "seeds": 1},
    "compare": {"optimizer": ["adam", "momentum"]},
    "tune": {"method": "tpe", "trials": 15, "seeds": 2, "space": {"learning_rate": "auto"}},
    "evaluate": {"metric": "log_loss", "also": ["accuracy"]},
}


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("wine"), SPEC)


def tuning_of(wine: Planned, metrics: tuple[str, ...] = (), cores: int = 2, **tune: Any) -> Tuning:
    spec = parse_spec(SPEC | {"tune": SPEC["tune"] | tune})
    parts = {part: len(rows) for part, rows in wine.prepared.rows.items()}
    rows = RowCounts.of(wine.prepared.dataset, parts, wine.prepared.features.shape[1:], None)
    measured = metrics or (wine.plan.metric, *wine.plan.also)
    context = PlanContext(wine.prepared.dataset, {None: rows}, measured, Machine(cores))
    assert spec.tune is not None
    return Tuning(searches_of(spec, wine.plan.recipes), context, context.key(spec), spec.tune.seeds, spec.tune.seed)


def distance(settings: RecipeSettings) -> float:
    """Stands for a loss: the best learning rate is 0.01."""
    return abs(math.log10(settings.learning_rate) + 2)


class Trainer:
    """Records stacks as if they had been trained.

    Args:
        outcome: From a variant's settings to (status, loss).
        dies_after: So many stacks have been recorded; None: never.
    """

    def __init__(
        self,
        run: Path,
        outcome: Callable[[RecipeSettings], tuple[str, float]] = lambda settings: ("ok", distance(settings)),
        dies_after: int | None = None,
    ) -> None:
        self.run, self.outcome, self.dies_after = run, outcome, dies_after
        self.rounds: list[Job] = []
        self.trained: list[str] = []

    def __call__(self, job: Job, progress: StackProgress | None) -> None:
        self.rounds.append(job)
        planned = {trial.trial_id: trial for trial in job.trials}
        for stack in job.stacks:
            folder = folder_of(self.run, stack.stack_id)
            if folder.exists():
                continue
            if len(self.trained) == self.dies_after:
                raise KeyboardInterrupt
            trials, metrics = [], []
            for trial_id in stack.trials:
                trial = planned[trial_id]
                settings = job.variant(trial.variant_id).settings
                status, loss = self.outcome(settings)
                trials.append(
                    {"trial_id": trial_id, "variant_id": trial.variant_id, "status": status, "epochs": 9, "seconds": 1}
                )
                if status != "diverged":
                    values = {"log_loss": loss + 0.1 * (trial.seed - 1000), "loss": loss}
                    metrics += [
                        {"trial_id": trial_id, "part": "val", "metric": name, "value": value}
                        for name, value in values.items()
                    ]
            write_folder(folder, {TRIALS: trials, METRICS: metrics, CURVES: [], PREDICTIONS: []}, {})
            self.trained.append(stack.stack_id)


def found_by(tuning: Tuning, trainer: Trainer) -> Found:
    (trainer.run / "checkpoints").mkdir(parents=True, exist_ok=True)
    return search(tuning, trainer.run, trainer)


def suggesting(monkeypatch: pytest.MonkeyPatch, batches: list[list[Setting]]) -> list[list[Observation]]:
    """Has the method suggest these settings; returns the observations that it gets before each batch."""
    heard: list[list[Observation]] = []

    def suggest(space: Any, observations: Any, count: int, trials: int, seed: int) -> list[Setting]:
        heard.append(list(observations))
        place = [sum(map(len, batches[:index])) for index in range(len(batches))].index(len(observations))
        return batches[place]

    sizes = [len(batch) for batch in batches]
    monkeypatch.setitem(METHODS, "tpe", Method("listed", "as listed", lambda space, trials: sizes, suggest))
    return heard


# --- rounds --------------------------------------------------------------------------------------------------


def test_each_recipe_gets_settings_in_rounds_until_its_settings_are_tried(wine: Planned, tmp_path: Path) -> None:
    tuning, trainer = tuning_of(wine), Trainer(tmp_path)
    found = found_by(tuning, trainer)
    settings = found.settings
    assert tuning.trials == 2 * 15 * 2
    batches = METHODS["tpe"].batches(searches_of(parse_spec(SPEC), wine.plan.recipes)[0].space, 15)
    assert len(trainer.rounds) == len(batches) > 1
    for recipe in wine.plan.recipes:
        own = settings[settings["recipe_id"] == recipe.recipe_id]
        assert own["number"].tolist() == list(range(15))
        assert own["batch"].value_counts().sort_index().tolist() == batches
        assert set(own["method"]) == {"tpe"}
    assert settings["batch"].is_monotonic_increasing
    trained = [trial for job in trainer.rounds for trial in job.trials]
    assert len({trial.trial_id for trial in trained}) == len(trained) == tuning.trials
    assert {(trial.stage, trial.seed, trial.fold) for trial in trained} == {
        ("search", 1000, None),
        ("search", 1001, None),
    }
    assert [each.stack_id for each in found.stacks] == trainer.trained


def test_the_first_round_is_divided_as_in_the_search(wine: Planned, tmp_path: Path) -> None:
    tuning, trainer = tuning_of(wine), Trainer(tmp_path)
    first, divided, seconds = tuning.first_round()
    found_by(tuning, trainer)
    assert trainer.rounds[0].stacks == divided.stacks and trainer.rounds[0].variants == first.variants
    assert seconds > divided.seconds > 0


def test_the_table_holds_means_over_seeds_and_what_was_spent(wine: Planned, tmp_path: Path) -> None:
    found = found_by(tuning_of(wine), Trainer(tmp_path))
    assert list(found.settings.columns) == [*SETTINGS.columns, "schema_version"]
    for row in found.settings.itertuples():
        rate = json.loads(row.values)["learning_rate"]
        assert row.score == pytest.approx(abs(math.log10(rate) + 2) + 0.05)
        assert row.spread == pytest.approx(0.1 / math.sqrt(2))
        assert (row.status, row.epochs, row.seconds) == ("ok", 18, 2)
        assert pd.isna(row.rung)


def test_a_setting_asked_for_again_is_not_trained_again(
    wine: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = {"learning_rate": 0.1}, {"learning_rate": 0.001}
    heard = suggesting(monkeypatch, [[one, one], [other, one]])
    trainer = Trainer(tmp_path)
    found = found_by(tuning_of(wine, seeds=1), trainer)
    assert sorted(len(job.trials) for job in trainer.rounds) == [2, 2]
    own = found.settings[found.settings["recipe_id"] == wine.plan.recipes[0].recipe_id]
    assert own["score"].tolist() == pytest.approx([1, 1, 1, 1])
    assert own["epochs"].tolist() == [9, 0, 9, 0]
    assert own["seconds"].tolist() == [1, 0, 1, 0]
    assert [each.setting for each in heard[2]] == [one, one]


def test_what_is_told_stands_in_order_and_greater_is_better(
    wine: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = [0.1, 0.5, 0.01]
    heard = suggesting(monkeypatch, [[{"learning_rate": rate}] for rate in [*rates, 0.02]])

    def outcome(settings: RecipeSettings) -> tuple[str, float]:
        return ("diverged", math.nan) if settings.learning_rate == 0.5 else ("ok", distance(settings))

    found_by(tuning_of(wine, seeds=1), Trainer(tmp_path, outcome))
    last = heard[-1]
    assert [each.setting["learning_rate"] for each in last] == rates
    assert [each.score for each in last] == [pytest.approx(-1), None, pytest.approx(0)]
    assert [(each.loss, each.gradients) for each in last] == [(None, {})] * 3, "of what is not differentiated"


def test_progress_only_grows_over_the_whole_search(wine: Planned, tmp_path: Path) -> None:
    heard: list[int] = []

    def train(job: Job, progress: StackProgress | None) -> None:
        assert progress is not None
        for done in (0, 3, 7):
            progress("", done, 7)
        trainer(job, progress)

    trainer = Trainer(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    search(tuning_of(wine), tmp_path, train, lambda what, done, total: heard.append(done))
    assert heard == sorted(heard)
    assert heard[-1] == 1_000_000


# --- going on ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dies_after", [0, 1, 2, 3])
def test_whoever_goes_on_asks_and_trains_nothing_twice(wine: Planned, tmp_path: Path, dies_after: int) -> None:
    whole = found_by(tuning_of(wine), Trainer(tmp_path / "whole"))
    run = tmp_path / "killed"
    first, second = Trainer(run, dies_after=dies_after), Trainer(run)
    with pytest.raises(KeyboardInterrupt):
        found_by(tuning_of(wine), first)
    written = {path.name: path.read_bytes() for path in (run / "checkpoints").glob("wave-*.json")}
    found = found_by(tuning_of(wine), second)
    assert len(first.trained) == dies_after
    assert not set(first.trained) & set(second.trained)
    assert found.stacks == whole.stacks
    assert found.recipes == whole.recipes
    pd.testing.assert_frame_equal(found.settings, whole.settings, check_exact=True)
    assert written == {name: (run / "checkpoints" / name).read_bytes() for name in written}


def test_a_round_keeps_the_stacks_it_was_begun_with(wine: Planned, tmp_path: Path) -> None:
    """On a machine with more cores it would be divided otherwise, and what is finished be trained again."""
    first = Trainer(tmp_path, dies_after=1)
    with pytest.raises(KeyboardInterrupt):
        found_by(tuning_of(wine, cores=1), first)
    second = Trainer(tmp_path)
    found_by(tuning_of(wine, cores=8), second)
    assert first.rounds == second.rounds[: len(first.rounds)]


def test_other_metrics_are_measured_in_stacks_of_their_own(wine: Planned, tmp_path: Path) -> None:
    """What was not measured can't be looked up: the round that was written down is not taken up."""
    first, second = Trainer(tmp_path), Trainer(tmp_path)
    found_by(tuning_of(wine), first)
    found_by(tuning_of(wine, metrics=("log_loss", "f1")), second)
    assert len(second.trained) == len(first.trained)
    assert not set(first.trained) & set(second.trained)
    assert read_json(tmp_path / "checkpoints" / "wave-000.json")["metrics"] == ["log_loss", "f1"]


def test_another_search_seed_asks_for_other_settings(wine: Planned, tmp_path: Path) -> None:
    one = found_by(tuning_of(wine), Trainer(tmp_path / "one"))
    other = found_by(tuning_of(wine, seed=1), Trainer(tmp_path / "other"))
    assert not set(one.settings["variant_id"]) & set(other.settings["variant_id"])


# --- who is chosen -------------------------------------------------------------------------------------------


def chosen(wine: Planned, run: Path, monkeypatch: pytest.MonkeyPatch, outcomes: dict[float, tuple[str, float]]) -> Any:
    """The learning rate chosen for the first recipe."""
    suggesting(monkeypatch, [[{"learning_rate": rate} for rate in outcomes]])

    def outcome(settings: RecipeSettings) -> tuple[str, float]:
        return outcomes[settings.learning_rate]

    found = found_by(tuning_of(wine, seeds=1), Trainer(run, outcome))
    assert found.recipes[0].recipe_id == wine.plan.recipes[0].recipe_id
    return found.recipes[0].settings.learning_rate


@pytest.mark.parametrize(
    ("outcomes", "rate"),
    [
        ({0.1: ("ok", 0.5), 0.2: ("ok", 0.3), 0.3: ("ok", 0.4)}, 0.2),
        ({0.1: ("ok", 0.5), 0.2: ("ok", 0.3), 0.3: ("ok", 0.3)}, 0.2),
        ({0.1: ("ok", 0.5), 0.2: ("pruned", 0.3), 0.3: ("diverged", 0.1)}, 0.1),
        ({0.1: ("diverged", 0.5), 0.2: ("pruned", 0.3)}, 0.001),
    ],
    ids=["the best", "the first of equals", "neither pruned nor diverged", "none: as it stands"],
)
def test_the_best_setting_is_chosen(
    wine: Planned,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    outcomes: dict[float, tuple[str, float]],
    rate: float,
) -> None:
    assert chosen(wine, tmp_path, monkeypatch, outcomes) == rate


def test_recipes_that_find_the_same_setting_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They differ only in what is searched in both."""
    suggesting(monkeypatch, [[{"momentum": 0.5}, {"momentum": 0.7}]])
    optimizers = [{"momentum": {"momentum": value}} for value in (0.8, 0.9)]
    tune = SPEC["tune"] | {"space": {"momentum": {"low": 0.1, "high": 0.9}}}
    compared = planned(tmp_path, {**SPEC, "compare": {"optimizer": optimizers}, "tune": tune})
    recipes, spec = compared.plan.recipes, compared.run.spec
    assert spec.tune is not None
    rows = RowCounts.of(compared.prepared.dataset, {"train": 9, "val": 9, "test": 9}, (13,), None)
    context = PlanContext(compared.prepared.dataset, {None: rows}, (compared.plan.metric, *compared.plan.also))
    tuning = Tuning(searches_of(spec, recipes), context, context.key(spec), spec.tune.seeds, spec.tune.seed)
    found = found_by(tuning, Trainer(tmp_path))
    assert len(set(found.settings["variant_id"])) == 2
    assert [recipe.recipe_id for recipe in found.recipes] == [recipe.recipe_id for recipe in recipes]
    assert len({recipe.variant_id for recipe in found.recipes}) == 1


def test_a_metric_that_is_not_defined_is_no_divergence(wine: Planned, tmp_path: Path) -> None:
    found = found_by(tuning_of(wine), Trainer(tmp_path, lambda settings: ("ok", math.nan)))
    assert set(found.settings["status"]) == {"ok"}
    assert found.settings["score"].isna().all()
    assert [recipe.variant_id for recipe in found.recipes] == [recipe.variant_id for recipe in wine.plan.recipes]


def test_one_diverged_seed_is_enough(wine: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suggesting(monkeypatch, [[{"learning_rate": 0.1}]])
    tuning, trainer = tuning_of(wine), Trainer(tmp_path)
    seeds = iter(range(100))
    trainer.outcome = lambda settings: ("diverged", math.nan) if next(seeds) % 2 else ("ok", 0.1)
    found = found_by(tuning, trainer)
    assert set(found.settings["status"]) == {"diverged"}
    assert found.settings["score"].isna().all()
    assert found.recipes == wine.plan.recipes


def test_folds_are_trials_of_their_own(wine: Planned, tmp_path: Path) -> None:
    tuning = tuning_of(wine, trials=3)
    context = replace(tuning.context, rows=dict.fromkeys(range(3), tuning.context.rows[None]))
    tuning = replace(tuning, context=context)
    trainer = Trainer(tmp_path)
    found_by(tuning, trainer)
    assert {trial.fold for job in trainer.rounds for trial in job.trials} == {0, 1, 2}
    assert len({trial.trial_id for job in trainer.rounds for trial in job.trials}) == tuning.trials == 2 * 3 * 2 * 3
