"""The plan: recipes, trials and stacks, worked out before anything is trained."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.experiments import shipped
from tasks.augmentation import wordnet
from tasks.dataset import Dataset
from tasks.errors import BadInput
from tasks.planning import cost_model as stacking
from tasks.planning import groups as groups_module
from tasks.planning.cost_model import Work
from tasks.planning.plan import Commonest, lay_out
from tasks.planning.recipes import MAX_TRIALS, identifier, recipes_of
from tasks.planning.stacks import Machine, evaluation_steps
from tasks.planning.trials import bind_trial
from tasks.records.documents import as_json, document_of
from tasks.records.plan import Column, Plan, Recipe
from tasks.spec.load import load_spec, parse_spec
from tasks.spec.models import Spec
from tasks.spec.train import Compare
from tasks.training.models import MODELS
from tasks.training.trial import Target
from tests.datasets import made, with_sounds, with_texts
from tests.experiments import ON_DATA

PARTS = {"train": 100, "val": 25, "test": 25}


def spec_of(**parts: Any) -> Spec:
    return parse_spec({"data": {"source": "wine"}} | parts)


def comparing(**compare: Any) -> list[Recipe]:
    return recipes_of(spec_of(compare=compare, tune={} if "method" in compare else None))


def labels(**compare: Any) -> list[str]:
    return [recipe.recipe for recipe in comparing(**compare)]


def dataset(*, classes: tuple[str, ...] | None = ("a", "b", "c"), images: bool = False, digest: str = "d") -> Dataset:
    table = pd.DataFrame({"x": np.zeros(150), "y": [f"c{i % 3}" for i in range(150)]})
    return made(
        name="made up",
        table=pd.DataFrame(index=table.index) if images else table,
        target=np.arange(150) % 3 if classes else np.zeros(150),
        target_name="z",
        classes=classes,
        digest=digest,
        images=np.zeros((150, 8, 8, 1), np.uint8) if images else None,
    )


def plan_of(
    spec: Spec | None = None,
    data: Dataset | None = None,
    features: tuple[int, ...] = (4,),
    machine: Machine | None = None,
) -> Plan:
    return lay_out(spec or spec_of(), data or dataset(), PARTS, features, machine=machine)


# --- what decides --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evaluate", "share", "metric", "also"),
    [
        ({}, 0.8, "accuracy", ["log_loss"]),
        ({}, 0.99, "balanced_accuracy", ["accuracy", "log_loss", "pr_auc", "mcc"]),
        ({"also": ["recall"]}, 0.99, "balanced_accuracy", ["recall", "accuracy"]),
        ({"metric": "accuracy"}, 0.99, "accuracy", ["log_loss"]),
        ({"cost": {"matrix": {"a": {"b": 1}}}}, 0.99, "cost_per_case", ["accuracy", "log_loss"]),
    ],
)
def test_accuracy_does_not_decide_where_nearly_all_rows_are_of_one_class(
    evaluate: dict[str, Any], share: float, metric: str, also: list[str]
) -> None:
    plan = lay_out(spec_of(evaluate=evaluate), dataset(), PARTS, (4,), commonest=Commonest("b", share))
    assert (plan.metric, plan.also) == (metric, also)
    why = "99% of the training rows are of b, so accuracy would say little"
    assert plan.metric_why == (why if metric == "balanced_accuracy" else None)


def test_the_commonest_class_is_that_of_the_training_rows() -> None:
    rows = np.r_[np.arange(0, 150, 3), [1, 2]]
    assert Commonest.among(dataset(), rows) == Commonest("a", 50 / 52)
    assert Commonest.among(dataset(classes=None), rows) is None


# --- recipes -------------------------------------------------------------------------------------------------


def test_identifiers_are_those_of_every_release() -> None:
    """A golden value: ids stand in users' folders, so changing how they are made loses what was trained."""
    assert identifier({"b": [1, 2.5, None, True], "a": "ä"}) == "26d99402c903"
    (recipe,) = recipes_of(spec_of())
    assert recipe.recipe_id == "45dab59b7fd6"


def test_an_identifier_does_not_depend_on_the_order_of_keys() -> None:
    forth = {"a": 1, "b": {"c": 2, "d": 3}}
    back = {"b": {"d": 3, "c": 2}, "a": 1}
    assert identifier(forth) == identifier(back)
    assert identifier([1, 2]) != identifier([2, 1])


def test_a_recipe_does_not_depend_on_how_it_is_written() -> None:
    ways: list[dict[str, Any]] = [
        {"train": {"optimizer": {"adam": {"beta_1": 0.8, "beta_2": 0.9}}, "epochs": 3}},
        {"train": {"epochs": 3, "optimizer": {"adam": {"beta_2": 0.9, "beta_1": 0.8}}}},
        {"train": {"epochs": 3, "optimizer": {"kind": "adam", "learning_rate": 0.001, "beta_2": 0.9, "beta_1": 0.8}}},
        {"train": {"epochs": 3, "learning_rate": 0.001, "optimizer": {"adam": {"beta_2": 0.9, "beta_1": 0.8}}}},
        {"train": {"epochs": 3}, "compare": {"optimizer": [{"adam": {"beta_1": 0.8, "beta_2": 0.9}}]}},
        {"train": {"optimizer": {"adam": {"beta_1": 0.8, "beta_2": 0.9}}}, "compare": {"epochs": [3]}},
        {"name": "other", "train": {"seeds": 2, "epochs": 3, "optimizer": {"adam": {"beta_1": 0.8, "beta_2": 0.9}}}},
    ]
    ids = {tuple(recipe.recipe_id for recipe in recipes_of(spec_of(**way))) for way in ways}
    assert len(ids) == 1


@pytest.mark.parametrize("axis", Compare.model_fields)
def test_every_axis_makes_different_recipes(axis: str) -> None:
    values: dict[str, list[Any]] = {
        "optimizer": ["sgd", "adam"],
        "learning_rate": [0.1, 1],
        "schedule": ["constant", "cosine"],
        "regularisation": [{}, {"l2": 0.1}],
        "clipping": [{}, {"norm": 1.0}],
        "accumulation": [1, 2],
        "gradient_noise": [None, {"eta": 0.3}],
        "averaging": ["none", "ema"],
        "loss": ["cross_entropy", "squared_error"],
        "augmentation": [None, "gaussian_noise"],
        "imbalance": ["none", "resample"],
        "batch_size": [16, 32],
        "epochs": [1, 2],
        "early_stopping": [None, {}],
        "model": ["linear", "mlp"],
        "rows": [50, None],
        "method": ["random", "tpe"],
    }
    one, other = comparing(**{axis: values[axis]})
    assert one.recipe_id != other.recipe_id
    assert one.recipe != other.recipe
    assert comparing(**{axis: [values[axis][1]]})[0].recipe_id == other.recipe_id


def test_recipes_with_other_averages_share_a_stack_whose_memory_counts_the_copies() -> None:
    averagings = ["none", {"ema": {"decay": 0.9}}, "swa", {"lawa": {"last": 3}}]
    plan = plan_of(spec_of(compare={"averaging": averagings}, train={"epochs": 5, "seeds": 2}))
    plain = plan_of(spec_of(compare={"regularisation": [{}, *({"l2": l2} for l2 in (1, 2, 3))]}, train={"seeds": 2}))
    assert [recipe.recipe for recipe in plan.recipes] == [
        "adam · averaging none",
        "adam · ema (decay 0.9)",
        "adam · swa",
        "adam · lawa (last 3)",
    ]
    assert [len(stack.trials) for stack in plan.stacks] == [len(stack.trials) for stack in plain.stacks]
    for stack, other in zip(plan.stacks, plain.stacks, strict=True):
        # LAWA's: three ends of epochs, and their mean.
        assert stack.memory_bytes - other.memory_bytes == 4 * 4 * stack.parameters * len(stack.trials)


def test_a_recipe_without_an_average_is_identified_as_before_there_were_any() -> None:
    (recipe,) = plan_of(spec_of(train={"averaging": "none"})).recipes
    assert "averaging" not in recipe.settings.document


def test_every_combination_is_one_recipe_in_the_order_written() -> None:
    recipes = comparing(optimizer=["sgd", "adam"], schedule=["constant", "cosine"], batch_size=[8, 16, 32])
    settings = [(recipe.optimizer, recipe.schedule, recipe.settings.batch_size) for recipe in recipes]
    assert settings == list(itertools.product(["sgd", "adam"], ["constant", "cosine"], [8, 16, 32]))
    assert len({recipe.recipe_id for recipe in recipes}) == 12


def test_what_is_written_twice_is_trained_once() -> None:
    assert labels(optimizer=["sgd", {"sgd": {"learning_rate": 0.01}}, {"kind": "sgd"}]) == ["sgd"]
    assert len(comparing(learning_rate=[1, 1.0], epochs=[2, 2])) == 1


def test_the_learning_rate_axis_overrules_the_optimizers_default() -> None:
    recipes = comparing(optimizer=["sgd", "adam"], learning_rate=[0.1, 0.2])
    assert [recipe.settings.learning_rate for recipe in recipes] == [0.1, 0.2] * 2
    assert all("learning_rate" not in recipe.settings.document for recipe in recipes)
    assert labels(optimizer=["sgd"], learning_rate=[0.1, 0.2]) == ["sgd · learning rate 0.1", "sgd · learning rate 0.2"]


@pytest.mark.parametrize("beside", [{"train": {"learning_rate": 0.1}}, {"compare": {"learning_rate": [0.1]}}])
def test_a_learning_rate_given_twice_is_refused(beside: dict[str, Any]) -> None:
    compare = {"optimizer": [{"adam": {"learning_rate": 1}}], **beside.get("compare", {})}
    with pytest.raises(BadInput, match="given twice"):
        recipes_of(spec_of(train=beside.get("train", {}), compare=compare))


def test_labels_say_what_differs() -> None:
    assert labels() == ["adam"]
    assert labels(optimizer=["sgd", {"sgd": {"learning_rate": 1}}]) == ["sgd", "sgd (learning rate 1)"]
    assert labels(schedule=["constant", {"cosine": {"warmup": 0.1}}]) == [
        "adam · constant",
        "adam · cosine (warmup 0.1)",
    ]
    assert labels(regularisation=[{}, {"l1": 0.1, "dropout": 0.5}]) == [
        "adam · regularisation none",
        "adam · l1 0.1, dropout 0.5",
    ]
    assert labels(clipping=[{}, {"global_norm": 1}]) == ["adam · clipping none", "adam · clipping global norm 1"]
    assert labels(model=["linear", {"mlp": {"hidden": [8]}}]) == ["adam · linear", "adam · mlp (hidden [8])"]
    noise: dict[str, Any] = {"gaussian_noise": {"std": 0.2}}
    assert labels(augmentation=["none", noise, {**noise, "mixup": {}}, {"steps": ["rotation"], "times": 2}]) == [
        "adam · augmentation none",
        "adam · gaussian_noise (std 0.2)",
        "adam · gaussian_noise (std 0.2) + mixup",
        "adam · rotation, 2 copies",
    ]
    assert labels(batch_size=[8, 16], epochs=[1]) == ["adam · batch size 8", "adam · batch size 16"]
    assert labels(early_stopping=[None, {}, {"restore_best": False}]) == [
        "adam · early stopping none",
        "adam · early stopping patience 5",
        "adam · early stopping patience 5, restore best False",
    ]


strengths = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([0, 0.1, 0.2]) for name in ("l1", "l2", "dropout", "label_smoothing")}
)
stoppings = st.none() | st.fixed_dictionaries(
    {}, optional={"patience": st.sampled_from([3, 5]), "min_delta": st.just(0.1), "restore_best": st.booleans()}
)
optimizers = st.sampled_from(
    ["sgd", "adam", {"sgd": {"learning_rate": 0.01}}, {"sgd": {"learning_rate": 1}}, {"adam": {"amsgrad": True}}]
)
architectures = st.sampled_from(["linear", "mlp", {"mlp": {"hidden": [8]}}, {"kind": "mlp", "activation": "tanh"}])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "optimizer": st.lists(optimizers, min_size=1, max_size=3),
            "regularisation": st.lists(strengths, min_size=1, max_size=3),
            "early_stopping": st.lists(stoppings, min_size=1, max_size=4),
            "model": st.lists(architectures, min_size=1, max_size=3),
            "clipping": st.lists(st.sampled_from([{}, {"value": 1.0}, {"norm": 1.0}]), min_size=1, max_size=3),
        },
    )
)
def test_labels_and_identifiers_tell_every_recipe_apart(compare: dict[str, Any]) -> None:
    recipes = comparing(**compare)
    assert len({recipe.recipe for recipe in recipes}) == len(recipes)
    assert len({recipe.recipe_id for recipe in recipes}) == len(recipes)
    assert len({json.dumps(recipe.settings.document, sort_keys=True) for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize("name", ON_DATA)
def test_a_shipped_experiments_labels_are_short_and_all_different(name: str) -> None:
    spec, _ = load_spec(shipped()[name])
    said = [recipe.recipe for recipe in recipes_of(spec)]
    assert len(set(said)) == len(said)
    assert max(map(len, said)) <= (145 if spec.explain else 60)  # lessons name whole networks; charts shorten them


def test_too_many_trials_are_refused_before_they_are_made() -> None:
    rates = [0.001 * n for n in range(1, 100)]
    large = spec_of(train={"seeds": 1000}, compare={"learning_rate": rates, "batch_size": list(range(1, 1000))})
    with pytest.raises(BadInput) as error:
        recipes_of(large)
    assert error.value.got == "98,901,000 trials"
    just = spec_of(train={"seeds": MAX_TRIALS // 10}, compare={"batch_size": list(range(1, 11))})
    assert len(recipes_of(just)) == 10


# --- trials --------------------------------------------------------------------------------------------------


def trial_ids(plan: Plan) -> list[str]:
    return [trial.trial_id for trial in plan.trials]


def test_a_trial_is_a_variant_under_a_seed() -> None:
    plan = plan_of(spec_of(train={"seeds": 3, "epochs": 7}, compare={"optimizer": ["sgd", "adam"]}))
    assert [(plan.variant(trial.variant_id).optimizer, trial.seed) for trial in plan.trials] == list(
        itertools.product(["sgd", "adam"], range(3))
    )
    assert len(set(trial_ids(plan))) == 6
    assert {(trial.stage, trial.fold, trial.epochs) for trial in plan.trials} == {("final", None, 7)}


def test_a_trial_is_another_one_on_other_data_or_another_split() -> None:
    split = {"data": {"source": "wine", "split": {"seed": 1}}}
    share = {"data": {"source": "wine", "split": {"test": 0.3}}}
    ids = [
        trial_ids(plan_of()),
        trial_ids(plan_of(data=dataset(digest="other"))),
        trial_ids(plan_of(spec_of(**split))),
        trial_ids(plan_of(spec_of(**share))),
    ]
    assert len({each for plan in ids for each in plan}) == sum(map(len, ids))


def test_a_trial_is_the_same_whatever_it_is_compared_with_and_measured_by() -> None:
    alone = trial_ids(plan_of(spec_of(train={"optimizer": "adam", "seeds": 2})))
    among = plan_of(
        spec_of(
            name="other",
            train={"seeds": 3},
            compare={"optimizer": ["sgd", "adam", "lion"], "schedule": ["constant", "cosine"]},
            evaluate={"metric": "f1"},
            gates=[{"metric": "recall", "at_least": 0.5}],
        )
    )
    assert set(alone) < set(trial_ids(among))
    assert {stack.stack_id for stack in among.stacks}.isdisjoint(stack.stack_id for stack in plan_of().stacks)


def test_a_stacks_records_hold_its_metrics_so_other_metrics_are_another_stack() -> None:
    def stacks(**evaluate: Any) -> list[str]:
        return [stack.stack_id for stack in plan_of(spec_of(evaluate=evaluate)).stacks]

    assert stacks() == stacks(metric="accuracy", also=["log_loss"])
    assert len({*stacks(), *stacks(metric="log_loss", also=["accuracy"]), *stacks(also=["recall"])}) == 3


def test_a_bound_trial_holds_what_the_spec_says() -> None:
    spec = spec_of(
        train={
            "optimizer": {"adamw": {"beta_1": 0.8}},
            "learning_rate": 0.02,
            "schedule": {"cosine": {"warmup": 0.1}},
            "regularisation": {"l1": 0.1, "dropout": 0.3, "label_smoothing": 0.2},
            "clipping": {"norm": 2},
            "batch_size": 16,
            "epochs": 4,
            "early_stopping": {"patience": 3},
            "seeds": 2,
        }
    )
    plan = plan_of(spec)
    trial = bind_trial(plan.trials[1], plan.recipes[0])
    assert (trial.trial_id, trial.seed, trial.epochs, trial.batch_size) == (plan.trials[1].trial_id, 1, 4, 16)
    assert (trial.learning_rate, trial.optimizer.keras_arguments["beta_1"]) == (0.02, 0.8)
    assert (trial.penalties.l1, trial.penalties.l2, trial.penalties.dropout) == (0.1, 0.0, 0.3)
    assert (trial.weight_decay, trial.label_smoothing) == (0.004, 0.2)  # AdamW brings its own decay
    assert (trial.clip.value, trial.clip.norm) == (None, 2.0)
    assert trial.stopping is not None
    assert trial.stopping.patience == 3
    assert trial.schedule.warmup == 0.1


# --- what doesn't fit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compare", "classes", "skipped", "reason"),
    [
        ({"model": ["mlp", "cnn"]}, ("a", "b"), "adam · cnn", "images"),
        (
            {"augmentation": ["none", "flip"]},
            ("a", "b"),
            "adam · flip",
            "flip is for images, and these data are a table",
        ),
        ({"imbalance": ["none", "class_weight"]}, None, "adam · imbalance class_weight", "is for classes, and this"),
        ({"regularisation": [{}, {"label_smoothing": 0.1}]}, None, "adam · label smoothing 0.1", "classification"),
        (
            {"optimizer": ["adam", "adamw"], "regularisation": [{"weight_decay": 0.1}]},
            ("a", "b"),
            "adamw",
            "its own weight decay",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_is_skipped_with_its_reason(
    compare: dict[str, Any], classes: tuple[str, ...] | None, skipped: str, reason: str
) -> None:
    plan = plan_of(spec_of(compare=compare), dataset(classes=classes))
    assert len(plan.recipes) == 1
    (item,) = plan.skipped
    assert item.recipe == skipped
    assert reason in item.reason
    assert {trial.recipe_id for trial in plan.trials} == {plan.recipes[0].recipe_id}


def test_where_nothing_fits_every_reason_is_said() -> None:
    with pytest.raises(BadInput, match="no recipe fits the data") as error:
        plan_of(spec_of(compare={"model": ["cnn", {"cnn": {"hidden": []}}]}))
    assert str(error.value.got).count("images") == 2


def test_where_nothing_fits_that_is_said_before_anything_of_the_search() -> None:
    with pytest.raises(BadInput, match="no recipe fits the data"):
        plan_of(spec_of(model="cnn", tune={"space": {"filters": [8, 16]}}))


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("imbalance", ["none", "resample"], "is for classes"),
        ("label_smoothing", [0.0, 0.1], "is for classification"),
        ("augmentation", ["flip", "gaussian_noise"], "flip is for images"),
    ],
)
def test_a_searched_value_that_does_not_fit_is_refused(name: str, values: list[Any], reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as error:
        plan_of(spec_of(tune={"space": {name: values}}), dataset(classes=None))
    assert error.value.where == f"tune.space.{name}"


# --- metrics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "evaluate", "gates", "metric", "also"),
    [
        (True, {}, [], "accuracy", ["log_loss"]),
        (True, {}, ["accuracy"], "accuracy", ["log_loss"]),
        (True, {}, ["recall", "recall"], "accuracy", ["log_loss", "recall"]),
        (True, {"also": ["f1"]}, ["recall"], "accuracy", ["f1", "recall"]),
        (True, {"metric": "f1"}, [], "f1", ["accuracy", "log_loss"]),
        (True, {"metric": "f1", "also": ["f1", "roc_auc"]}, [], "f1", ["roc_auc"]),
        (False, {}, [], "rmse", []),
        (False, {"metric": "mae"}, ["r2"], "mae", ["rmse", "r2"]),
    ],
)
def test_what_is_measured(
    classes: bool, evaluate: dict[str, Any], gates: list[str], metric: str, also: list[str]
) -> None:
    spec = spec_of(evaluate=evaluate, gates=[{"metric": name, "at_least": 0.5} for name in gates])
    plan = plan_of(spec, dataset(classes=("a", "b") if classes else None))
    assert (plan.metric, plan.also) == (metric, also)


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ({"evaluate": {"metric": "rmse"}}, "evaluate.metric"),
        ({"evaluate": {"also": ["f1", "mae"]}}, "evaluate.also[1]"),
        ({"gates": [{"metric": "r2", "at_least": 0.5}]}, "gates[0].metric"),
    ],
)
def test_a_metric_of_the_other_task_is_refused_where_it_stands(parts: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput, match="is for regression, this is classification") as error:
        plan_of(spec_of(**parts))
    assert error.value.where == where


# --- stacks --------------------------------------------------------------------------------------------------


def test_each_trial_is_in_one_stack_whose_trials_have_one_shape() -> None:
    plan = plan_of(
        spec_of(
            train={"seeds": 2},
            compare={
                "optimizer": ["sgd", "adam"],
                "schedule": ["constant", "plateau"],
                "regularisation": [{}, {"l2": 0.1, "dropout": 0.5}],
                "early_stopping": [None, {}],
                "batch_size": [16, 32],
                "model": ["linear", "mlp"],
            },
        )
    )
    assert sorted(each for stack in plan.stacks for each in stack.trials) == sorted(trial_ids(plan))
    assert len({stack.stack_id for stack in plan.stacks}) == len(plan.stacks) < len(plan.trials)
    recipe_of = {trial.trial_id: plan.variant(trial.variant_id) for trial in plan.trials}
    seed_of = {trial.trial_id: trial.seed for trial in plan.trials}
    for stack in plan.stacks:
        recipes = {recipe_of[each].recipe_id for each in stack.trials}
        seeds = {seed_of[each] for each in stack.trials}
        assert stack.size == len(stack.trials) == len(recipes) * len(seeds), "a rectangle"
        assert stack.lanes == len(seeds) == 2, "seeds stay together"
        settings = [recipe_of[each].settings for each in stack.trials]
        assert (
            len({json.dumps([each.part(axis) for axis in ("model", "batch_size", "epochs")]) for each in settings}) == 1
        )
        assert (stack.trainer, stack.why) == ("stack", "")


@pytest.mark.parametrize("axis", [{"batch_size": [16, 32]}, {"epochs": [1, 2]}, {"model": ["linear", "mlp"]}])
def test_trials_of_different_shapes_do_not_share_a_stack(axis: dict[str, Any]) -> None:
    plan = plan_of(spec_of(compare=axis))
    assert [stack.size for stack in plan.stacks] == [5, 5]


def test_one_shape_keeps_all_cores_busy_and_many_shapes_one_each() -> None:
    """A division of its own for every core compiles more, and saves no time where other stacks fill the cores."""
    modelled = Machine(cores=4, probe_share=0.0)  # what the model says, not what this machine does
    rates = {"learning_rate": [0.1, 0.01, 0.001, 0.0001]}
    one = plan_of(spec_of(compare=rates, train={"epochs": 3000}), machine=modelled)
    assert len(one.stacks) == 4
    more = rates | {"batch_size": list(range(10, 22))}
    many = plan_of(spec_of(compare=more, train={"epochs": 3000}), machine=modelled)
    assert [stack.size for stack in many.stacks] == [20] * 12
    assert many.cost.seconds < 24 * one.cost.seconds


def widths_of(*hidden: list[int], **train: Any) -> Plan:
    models = [{"mlp": {"hidden": each}} for each in hidden]
    return plan_of(spec_of(compare={"model": models}, train={"seeds": 2, **train}), machine=Machine(cores=1))


def test_networks_of_other_widths_join_a_stack_that_says_how_full_it_is() -> None:
    (stack,) = widths_of([8], [12]).stacks
    own, most = (4 + 1) * 8 + (8 + 1) * 3, (4 + 1) * 12 + (12 + 1) * 3
    assert (stack.size, stack.lanes, stack.parameters) == (4, 2, most)
    assert [stack.parameters_of(trial) for trial in stack.trials] == [own, own, most, most]
    assert stack.fill == pytest.approx((8 + 12) / (2 * 12))  # products take (4 + 3) x width
    assert replace(stack, **json.loads(json.dumps(asdict(stack)))) == stack


def test_crossing_widths_are_padded_to_the_most_of_each_layer() -> None:
    (stack,) = widths_of([8, 4], [4, 8]).stacks
    assert stack.parameters == 4 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3
    assert all(stack.parameters_of(trial) < stack.parameters for trial in stack.trials)


@pytest.mark.parametrize(
    "hidden",
    [([8], [8, 8]), ([2, 2], [1024, 1024])],
    ids=["another number of layers", "hardly any of it would be arithmetic"],
)
def test_networks_that_do_not_fit_together_stay_apart(hidden: tuple[list[int], list[int]]) -> None:
    stacks = widths_of(*hidden, epochs=500).stacks
    assert {(stack.fill, len(stack.narrower)) for stack in stacks} == {(1.0, 0)}
    assert len({stack.parameters for stack in stacks}) == 2


def test_a_stacks_figures_are_those_of_its_trials() -> None:
    spec = spec_of(model={"mlp": {"hidden": [8]}}, train={"seeds": 3, "epochs": 2, "batch_size": 32})
    (stack,) = plan_of(spec).stacks
    assert stack.parameters == (4 + 1) * 8 + (8 + 1) * 3
    assert stack.steps == 2 * 4  # 100 rows in batches of 32: the last, partial one counts
    assert (stack.batch_size, stack.size) == (32, 3)
    assert stack.memory_bytes > 4 * 3 * stack.parameters


def test_a_stacks_trials_see_the_same_rows() -> None:
    noise = {"steps": ["gaussian_noise"]}
    policies = ["none", noise, {**noise, "times": 2}]
    plan = plan_of(spec_of(compare={"augmentation": policies, "optimizer": ["sgd", "adam"]}, train={"epochs": 4}))
    found = {}
    for stack in plan.stacks:
        recipes = {each.recipe_id for each in plan.trials if each.trial_id in stack.trials}
        (policy,) = {json.dumps(plan.variant(each).settings.augmentation) for each in recipes}
        found[policy] = (stack.rows, stack.steps, stack.augmentation_seconds > 0)
    assert list(found.values()) == [(100, 4 * 4, False), (100, 4 * 4, True), (300, 4 * 10, True)]


def test_resampled_rows_are_in_a_stack_of_their_own_and_weighted_ones_beside_the_others() -> None:
    spec = spec_of(compare={"imbalance": ["none", "class_weight", "resample"]}, train={"epochs": 2})
    plan = lay_out(spec, dataset(), PARTS, (4,), resampled=180)
    sizes: dict[tuple[int, int], int] = {}
    for stack in plan.stacks:
        sizes[stack.rows, stack.steps] = sizes.get((stack.rows, stack.steps), 0) + stack.size
    assert sizes == {(100, 8): 10, (180, 12): 5}
    weighted = [bind_trial(each, plan.variant(each.variant_id)).class_weights for each in plan.trials]
    assert sum(weighted) == 5


def taking(seconds: float, policy: Any, values: Any) -> float:
    return seconds


def test_costly_augmentation_is_done_once_for_a_larger_stack() -> None:
    """Rows that are new every epoch are made in each stack, so where they cost more than training there is one."""
    compare = {"optimizer": ["sgd", "momentum", "rmsprop", "adam"]}
    spec = spec_of(compare=compare, train={"augmentation": "gaussian_noise", "epochs": 2000})
    counts, seconds = [], []
    for each in (1e-9, 1e-2):
        plan = plan_of(spec, machine=Machine(cores=4, example_seconds=partial(taking, each)))
        counts.append(len(plan.stacks))
        seconds.append(plan.cost.seconds)
    assert counts[0] > counts[1] == 1
    assert seconds[1] == pytest.approx(100 * 2000 * 5 * 1e-2 / 4, rel=0.2)
    assert sum(stack.augmentation_seconds for stack in plan.stacks) == pytest.approx(100 * 2000 * 5 * 1e-2)


def test_the_memory_of_copies_is_in_the_plan() -> None:
    noise = {"steps": ["gaussian_noise"], "times": 7}
    (without,), (stack,) = (
        plan_of(spec_of(train={"augmentation": policy}), features=(1000,)).stacks for policy in (None, noise)
    )
    assert stack.memory_bytes - without.memory_bytes == 5 * 7 * 100 * 1000 * 4


def test_what_cannot_be_stacked_goes_through_fit_one_by_one_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_hidden_layers(model: Any) -> str | None:
        return "it is deep" if len(model.layers) > 1 else None

    monkeypatch.setattr(groups_module, "incompatibility", no_hidden_layers)
    plan = plan_of(spec_of(train={"seeds": 2}, compare={"model": ["linear", "mlp"]}))
    assert [(stack.trainer, stack.why, stack.size, stack.lanes) for stack in plan.stacks] == [
        ("stack", "", 2, 2),
        ("fit", "it is deep", 1, 1),
        ("fit", "it is deep", 1, 1),
    ]


KINDS: dict[str, tuple[Dataset, tuple[int, ...]]] = {
    "table": (dataset(), (4,)),
    "image": (dataset(images=True), (8, 8, 1)),
    "text": (with_texts(dataset(images=True), pd.Series(["a b"] * 150, name="t")), (6,)),
    "audio": (
        with_sounds(dataset(images=True), np.zeros((150, 80), np.float32), 8_000),
        (8, 10, 1),
    ),
}


def test_two_gradients_a_step_are_counted() -> None:
    def seconds(optimizer: str) -> float:
        spec = spec_of(train={"optimizer": optimizer, "epochs": 1000}, model={"mlp": {"hidden": [512, 512]}})
        return plan_of(spec, machine=Machine(cores=1, probe_share=0.0)).cost.seconds

    assert 1.5 * seconds("adamw") < seconds("sam") < 2.5 * seconds("adamw")


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_model_but_a_recurrent_one_is_stacked(kind: str) -> None:
    data, features = KINDS[kind]
    assert data.form.name == kind
    plan = plan_of(spec_of(compare={"model": list(MODELS)}), data, features)
    fitted = {plan.variant(recipe).settings.model.name for recipe in recipes_by(plan, "fit")}
    assert fitted == ({"gru"} if kind == "text" else set())
    assert len(plan.recipes) + len(plan.skipped) == len(MODELS) and len(plan.recipes) >= 2
    assert all(f"and these data are {'a table' if kind == 'table' else ''}" in item.reason for item in plan.skipped)


def test_the_memory_of_the_data_counts_their_raw_inputs() -> None:
    held = {kind: plan_of(None, data, features).data.memory_bytes for kind, (data, features) in KINDS.items()}
    rest = {kind: 150 * (150 + 2 * 4 * math.prod(features)) for kind, (_, features) in KINDS.items()}
    raw = {kind: (held[kind] - rest[kind]) / 150 for kind in KINDS}
    assert raw["table"] == 2 * 8 and raw["image"] == 8 * 8 and raw["audio"] == 80 * 4
    assert raw["text"] >= len("a b")


def recipes_by(plan: Plan, trainer: str) -> set[str]:
    trials = {name for stack in plan.stacks if stack.trainer == trainer for name in stack.trials}
    return {trial.recipe_id for trial in plan.trials if trial.trial_id in trials}


@pytest.mark.parametrize(("kind", "model"), [("table", "mlp"), ("image", "cnn"), ("text", "text"), ("audio", "audio")])
def test_a_spec_that_names_no_model_gets_the_one_for_its_data(kind: str, model: str) -> None:
    data, features = KINDS[kind]
    assert plan_of(spec_of(), data, features).recipes[0].settings.model.name == model


@pytest.mark.parametrize(
    ("kind", "fits", "accepted"),
    [("table", "gaussian_noise", "mixup"), ("image", "flip", "mixup"), ("text", "keyboard", "word_insertion"),
     ("audio", "pitch", "mixup")],
)  # fmt: skip
def test_augmenters_are_told_the_kind_of_the_data(kind: str, fits: str, accepted: str) -> None:
    data, features = KINDS[kind]
    names = ["gaussian_noise", "flip", "keyboard", "pitch"]
    plan = plan_of(spec_of(compare={"augmentation": [*names, accepted]}), data, features)
    steps = [recipe.settings.document["augmentation"]["steps"] for recipe in plan.recipes]
    assert [next(iter(step)) for step, *_ in steps] == [fits, accepted]
    assert len(plan.skipped) == 3


def test_synonyms_without_wordnet_are_skipped_with_a_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "folder", lambda: None)
    data, features = KINDS["text"]
    plan = plan_of(spec_of(compare={"augmentation": [None, "synonyms"]}), data, features)
    (skipped,) = plan.skipped
    assert "synonyms" in skipped.recipe and "apt-get install wordnet-base" in skipped.reason


# --- evaluations and targets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "steps"),
    [
        ({}, 25),
        ({"steps": 7}, 7),
        ({"steps": 1000}, 100),
        ({"epochs": 2}, 50),
        ({"epochs": 9}, 100),
        ({"seconds": 2}, 20),  # 100 steps in 10 seconds
        ({"seconds": 0.01}, 1),
        ({"seconds": 60}, 100),
    ],
)
def test_evaluations_in_steps(every: dict[str, float], steps: int) -> None:
    spec = spec_of(train={"evaluate_every": every} if every else {})
    written = recipes_of(spec)[0].settings.evaluate_every
    work = Work(parameters=1, flops=1, activations=1, batch_size=4, steps=100)
    assert evaluation_steps(written, 25, work, 10.0) == steps


def test_the_plan_holds_when_each_stack_is_evaluated_and_binds_it() -> None:
    every = {"evaluate_every": {"epochs": 2}, "epochs": 5, "stop_at": {"metric": "accuracy", "value": 0.9}}
    plan = plan_of(spec_of(train=every, compare={"batch_size": [10, 50]}))
    assert [stack.evaluate_every for stack in plan.stacks] == [20, 4]
    stack = plan.stacks[0]
    trial = next(each for each in plan.trials if each.trial_id == stack.trials[0])
    bound = bind_trial(trial, plan.variant(trial.variant_id), stack.evaluate_every)
    assert (bound.evaluate_every, bound.target) == (20, Target("accuracy", 0.9))


def test_seconds_are_the_same_steps_for_all_stacks_of_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience counts evaluations, so recipes that share a shape are to have equally many, however they are divided."""
    monkeypatch.setattr(stacking, "MAX_TRIALS", 4)
    spec = spec_of(train={"seeds": 3, "evaluate_every": {"seconds": 0.1}}, compare={"optimizer": ["sgd", "adam"]})
    plan = plan_of(spec)
    assert len(plan.stacks) == 2
    (every,) = {stack.evaluate_every for stack in plan.stacks}
    assert 1 <= every < plan.stacks[0].steps


def test_whoever_goes_on_keeps_the_steps_that_seconds_were_turned_into(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(train={"evaluate_every": {"seconds": 0.1}})
    earlier = plan_of(spec)
    seconds = Work.seconds
    monkeypatch.setattr(Work, "seconds", lambda *work, **how: 3 * seconds(*work, **how))
    slower = plan_of(spec)
    assert trial_ids(slower) == trial_ids(earlier)
    assert [stack.evaluate_every for stack in slower.stacks] != [stack.evaluate_every for stack in earlier.stacks]
    assert slower.stacks[0].stack_id != earlier.stacks[0].stack_id, "evaluated at other steps, it is another result"
    assert slower.following(document_of(as_json(earlier), Plan)).stacks == earlier.stacks


def test_a_trial_is_another_one_when_it_is_evaluated_otherwise_or_has_a_target() -> None:
    ways: list[dict[str, Any]] = [
        {},
        {"evaluate_every": {"steps": 7}},
        {"evaluate_every": {"epochs": 2}},
        {"evaluate_every": {"seconds": 7}},
        {"stop_at": {"metric": "accuracy", "value": 0.9}},
        {"stop_at": {"metric": "loss", "value": 0.9}},
    ]
    assert len({each for way in ways for each in trial_ids(plan_of(spec_of(train={"seeds": 1, **way})))}) == len(ways)
    assert labels() == [recipe.recipe for recipe in recipes_of(spec_of(train=ways[1]))], "held still, so not said"


@pytest.mark.parametrize(
    ("metric", "classes", "accepted"),
    [("rmse", ("a", "b", "c"), "one of loss, accuracy"), ("accuracy", None, "one of loss, rmse")],
)
def test_a_target_of_the_other_task_is_refused(metric: str, classes: tuple[str, ...] | None, accepted: str) -> None:
    spec = spec_of(train={"stop_at": {"metric": metric, "value": 0.5}})
    with pytest.raises(BadInput) as error:
        plan_of(spec, dataset(classes=classes))
    assert (error.value.where, error.value.accepted) == ("train.stop_at.metric", accepted)


# --- the whole ------------------------------------------------------------------------------------------------


def test_a_plan_is_the_same_every_time_and_is_strict_json() -> None:
    spec = spec_of(compare={"optimizer": ["sgd", "adam"]}, gates=[{"metric": "f1", "at_least": 0.5}])
    plan = plan_of(spec)
    text = json.dumps(as_json(plan), allow_nan=False)
    assert text == json.dumps(as_json(plan_of(spec)), allow_nan=False)
    assert set(json.loads(text)["recipes"][0]) == {
        "recipe_id",
        "recipe",
        "optimizer",
        "schedule",
        "variant_id",
        "params",
    }


def test_the_cost_counts_every_trials_steps() -> None:
    plan = plan_of(
        spec_of(train={"seeds": 3, "epochs": 2}, compare={"optimizer": ["sgd", "adam"], "batch_size": [32, 50]})
    )
    assert plan.cost.trials == 12
    assert plan.cost.steps == 6 * (2 * 4) + 6 * (2 * 2)
    assert plan.cost.seconds >= 0


def test_the_data_are_described() -> None:
    data = plan_of(data=replace(dataset(), notes=("a note",), licence="CC0")).data
    assert data.columns == [Column("x", "number"), Column("y", "category")]
    assert (data.rows, data.classes, data.image_shape) == (150, ["a", "b", "c"], None)
    assert (data.notes, data.licence) == (["a note"], "CC0")
    assert plan_of(data=dataset(images=True), features=(8, 8, 1)).data.image_shape == [8, 8, 1]
    assert plan_of(data=dataset(classes=None)).data.classes is None


def test_a_network_that_does_not_fit_in_memory_is_refused_with_its_size() -> None:
    spec = spec_of(model={"mlp": {"hidden": [40_000, 40_000]}})
    with pytest.raises(BadInput, match="more memory than there is") as refused:
        plan_of(spec, machine=Machine(cores=2, memory=8 * 10**9))
    assert refused.value.where == "model" and "about 38.5 GB to train" in (refused.value.got or "")
    assert refused.value.accepted == "at most 8.0 GB, the memory of this machine or container"
