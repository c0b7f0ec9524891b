"""What a spec's `tune.space` means in each recipe, and what a setting makes of it."""

import copy
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.planning.recipes import recipes_of
from tasks.planning.searches import DEFAULT_TRIALS, Search, check_search, searches_of
from tasks.records.plan import Recipe
from tasks.search.points import Settings
from tasks.search.space import Choices, Range
from tasks.spec.load import parse_spec
from tasks.spec.models import as_written
from tasks.spec.places import place_of, with_setting
from tasks.training.optimizers import LEARNING_RATES


def searches(tune: dict[str, Any], **parts: Any) -> list[Search]:
    spec = parse_spec({"data": {"source": "wine"}, "tune": tune} | parts)
    return searches_of(spec, recipes_of(spec))


def names(search: Search) -> list[str]:
    return [dimension.name for dimension in search.space]


def recipe_of(**parts: Any) -> Recipe:
    return recipes_of(parse_spec({"data": {"source": "wine"}} | parts))[0]


def test_nothing_said_means_each_optimizers_own_learning_rates() -> None:
    for search in searches({}, compare={"optimizer": ["sgd", "adam"]}):
        (dimension,) = search.space
        assert (dimension.name, dimension.owned, search.trials) == ("learning_rate", True, DEFAULT_TRIALS)
        assert dimension.over == Range(*LEARNING_RATES[search.recipe.optimizer], log=True)


def test_a_recipe_is_searched_over_what_it_has() -> None:
    space = {"learning_rate": "auto", "momentum": {"low": 0.5, "high": 0.99}, "adam.beta_1": [0.8, 0.9]}
    sgd, momentum, adam = searches({"space": space}, compare={"optimizer": ["sgd", "momentum", "adam"]})
    assert names(sgd) == ["learning_rate"]
    assert names(momentum) == ["learning_rate", "momentum"]
    assert names(adam) == ["learning_rate", "adam.beta_1"]


def test_the_more_particular_name_wins() -> None:
    space = {"learning_rate": {"low": 0.1, "high": 1}, "adam.learning_rate": {"low": 0.001, "high": 0.01}}
    sgd, adam = searches({"space": space}, compare={"optimizer": ["sgd", "adam"]})
    assert (names(sgd), names(adam)) == (["learning_rate"], ["adam.learning_rate"])


@pytest.mark.parametrize(
    ("name", "value", "settings"),
    [
        ("learning_rate", 0.5, {"optimizer": {"momentum": {"learning_rate": 0.5, "momentum": 0.9}}}),
        ("optimizer.momentum", 0.5, {"optimizer": {"momentum": {"learning_rate": 0.01, "momentum": 0.5}}}),
        ("batch_size", 7, {"batch_size": 7}),
        ("epochs", 7, {"epochs": 7}),
        ("imbalance", "resample", {"imbalance": "resample"}),
        ("decay_rate", 0.3, {"schedule": {"step": {"decay_rate": 0.3, "decay_steps": None, "warmup": 0.0}}}),
        ("decay_steps", 9, {"schedule": {"step": {"decay_rate": 0.5, "decay_steps": 9, "warmup": 0.0}}}),
        ("clipping.norm", 0.5, {"clipping": {"value": None, "norm": 0.5, "global_norm": None}}),
        ("early_stopping.patience", 9, {"early_stopping": {"patience": 9, "min_delta": 0.0, "restore_best": True}}),
    ],
)
def test_a_value_is_put_where_its_name_says(name: str, value: Any, settings: dict[str, Any]) -> None:
    train = {"optimizer": "momentum", "schedule": "step", "early_stopping": {}}
    recipe = recipe_of(train=train)
    changed = with_setting(recipe.settings, {name: value})
    assert changed == recipe.settings.replaced(**settings)


@pytest.mark.parametrize("name", ["l1", "l2", "dropout", "weight_decay", "label_smoothing"])
def test_regularisation_goes_by_its_own_name(name: str) -> None:
    changed = with_setting(recipe_of().settings, {name: 0.25})
    assert getattr(changed.regularisation, name) == 0.25


@pytest.mark.parametrize(
    ("setting", "hidden"),
    [({"layers": 3}, [9, 9, 9]), ({"width": 4}, [4, 4]), ({"layers": 3, "width": 4}, [4, 4, 4]), ({"layers": 1}, [9])],
)
def test_layers_and_width_make_hidden_layers(setting: dict[str, int], hidden: list[int]) -> None:
    recipe = recipe_of(model={"mlp": {"hidden": [9, 9]}})
    for order in (setting, dict(reversed(setting.items()))):
        assert with_setting(recipe.settings, order).hidden == tuple(hidden)


def test_an_augmenters_strength_is_searched() -> None:
    recipe = recipe_of(train={"augmentation": {"steps": ["gaussian_noise"], "times": 2}})
    (name,) = recipe.settings.document["augmentation"]["steps"][0]
    parameter = next(iter(recipe.settings.document["augmentation"]["steps"][0][name]))
    assert place_of(f"{name}.{parameter}", recipe.settings) == ("augmentation", "steps", 0, name, parameter)
    assert place_of(f"augmentation.{name}.{parameter}", recipe.settings) is not None
    assert place_of(f"{name}.nothing", recipe.settings) is None


def test_what_only_one_schedule_has_is_searched_with_it_alone() -> None:
    space = {"schedule": ["constant", "step"], "decay_rate": {"low": 0.1, "high": 0.9}}
    (search,) = searches({"space": space})
    schedule, rate = search.space
    step = schedule.over.points()[1]
    assert list(rate.when) == ["schedule"]
    assert not rate.active({"schedule": schedule.over.points()[0]})
    changed = search.variant({"schedule": step, "decay_rate": 0.3})
    assert changed.settings.schedule.parameters["decay_rate"] == 0.3


def test_a_schedules_parameter_stands_behind_the_schedule_however_they_are_written() -> None:
    space = {"decay_rate": {"low": 0.1, "high": 0.9}, "schedule": ["constant", "step"]}
    (search,) = searches({"space": space})
    assert names(search) == ["schedule", "decay_rate"]
    assert search.space[1].active({"schedule": search.space[0].over.points()[1]})


def test_an_augmenters_parameter_is_searched_with_the_augmentation_that_has_it() -> None:
    space = {"gaussian_noise.std": {"low": 0.01, "high": 0.1}, "augmentation": ["gaussian_noise", "flip"]}
    (search,) = searches({"space": space})
    augmentation, strength = search.space
    assert isinstance(augmentation.over, Choices)
    noise, flip = augmentation.over.values
    assert (strength.name, strength.active({"augmentation": noise})) == ("gaussian_noise.std", True)
    assert not strength.active({"augmentation": flip})


def test_a_setting_stays_as_it_was_asked() -> None:
    """What stands in a searched schedule is put into the recipe's copy of it, not into the choice itself."""
    space = {"schedule": ["constant", "step"], "decay_rate": {"low": 0.1, "high": 0.9}}
    (search,) = searches({"space": space})
    setting = {"schedule": search.space[0].over.points()[1], "decay_rate": 0.3}
    before = copy.deepcopy((setting, search.space))
    search.variant(setting)
    assert (setting, search.space) == before


def test_a_condition_without_what_is_searched_is_refused() -> None:
    rate = {"low": 0.1, "high": 0.9, "when": {"schedule": "constant"}}
    with pytest.raises(BadInput, match=r"no such schedule has decay_rate"):
        searches({"space": {"schedule": ["constant", "step"], "decay_rate": rate}})


def test_a_condition_names_a_stepped_value_as_one_writes_it() -> None:
    space = {"dropout": {"low": 0.1, "high": 0.5, "step": 0.1}, "l2": {"low": 0.1, "high": 1, "when": {"dropout": 0.3}}}
    (search,) = searches({"space": space})
    assert list(search.space[0].over.points()) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert search.space[1].active({"dropout": search.space[0].over.points()[2]})


@pytest.mark.parametrize("over", [{"low": 0.1, "high": 0.5}, {"low": 0.1, "high": 0.5, "step": 0.2}])
def test_a_condition_on_a_value_that_is_never_drawn_is_refused(over: Any) -> None:
    with pytest.raises(BadInput, match="the range does not have this value"):
        searches({"space": {"dropout": over, "l2": {"low": 0.1, "high": 1, "when": {"dropout": 0.2}}}})


def test_a_condition_names_a_schedule_as_the_space_does() -> None:
    cosine = {"cosine": {"warmup": 0.1}}
    space = {"schedule": ["constant", cosine], "l2": {"low": 0.1, "high": 1, "when": {"schedule": cosine}}}
    (search,) = searches({"space": space})
    assert search.space[1].active({"schedule": search.space[0].over.points()[1]})


def test_hidden_layers_are_searched_one_way() -> None:
    with pytest.raises(BadInput, match="the hidden layers are searched in two ways"):
        searches({"space": {"hidden": [[8], [8, 8]], "layers": [1, 2]}})


def test_a_width_is_that_of_layers_that_a_model_without_any_gets() -> None:
    recipe = recipe_of(model={"mlp": {"hidden": []}})
    for setting in ({"layers": 2, "width": 4}, {"width": 4, "layers": 2}):
        assert with_setting(recipe.settings, setting).hidden == (4, 4)


def test_a_condition_on_the_optimizer_chooses_recipes() -> None:
    space = {"learning_rate": "auto", "l2": {"low": 1e-6, "high": 0.1, "scale": "log", "when": {"optimizer": "sgd"}}}
    sgd, adam = searches({"space": space}, compare={"optimizer": ["sgd", "adam"]})
    assert (names(sgd), names(adam)) == (["learning_rate", "l2"], ["learning_rate"])


def test_conditions_stand_behind_what_they_name() -> None:
    space = {"dropout": {"low": 0.1, "high": 0.5, "when": {"layers": [2, 3]}}, "layers": [1, 2, 3]}
    (search,) = searches({"space": space})
    assert names(search) == ["layers", "dropout"]
    assert dict(search.space[1].when) == {"layers": (2, 3)}


def test_whole_numbers_are_known_by_where_they_stand() -> None:
    space = {"batch_size": {"low": 8, "high": 64, "scale": "log"}, "l2": {"low": 1, "high": 2}}
    (search,) = searches({"space": space})
    assert [dimension.over.integer for dimension in search.space if isinstance(dimension.over, Range)] == [True, False]


def test_only_what_changes_shapes_divides_stacks() -> None:
    space = {"learning_rate": "auto", "batch_size": [8, 16], "layers": [1, 2], "width": [4, 8], "dropout": [0.1, 0.2]}
    (search,) = searches({"space": space})
    assert [dimension.name for dimension in search.space if dimension.shapes] == ["batch_size", "layers"]


def test_a_grid_takes_all_its_points_and_powers_of_ten_of_a_logarithmic_range() -> None:
    space = {"learning_rate": {"low": 0.005, "high": 0.5, "scale": "log"}, "batch_size": [8, 16]}
    (search,) = searches({"method": "grid", "space": space})
    assert search.space[0].over == Choices((0.005, 0.01, 0.1, 0.5))
    assert search.trials == 8 == Settings(search.space).number


def test_dropout_is_searched_where_there_are_hidden_layers() -> None:
    space = {"learning_rate": "auto", "dropout": [0.1, 0.2]}
    linear, mlp = searches({"space": space}, compare={"model": ["linear", "mlp"]})
    assert (names(linear), names(mlp)) == (["learning_rate"], ["learning_rate", "dropout"])


def test_what_only_the_model_of_some_kind_of_data_has_is_refused_once_they_are_read() -> None:
    tune = {"space": {"filters": [[4], [8]]}}
    check_search(parse_spec({"data": {"source": "digits"}, "tune": tune}))
    with pytest.raises(BadInput, match="no recipe has it"):
        check_search(parse_spec({"data": {"source": "digits"}, "tune": tune, "model": "mlp"}))
    with pytest.raises(BadInput, match="no recipe has it"):
        check_search(parse_spec({"data": {"source": "digits"}, "tune": {"space": {"filter": [4, 8]}}}))


def test_weight_decay_is_the_optimizers_where_it_brings_its_own() -> None:
    """A recipe with both is refused, and the winner's settings are to run again."""
    adam, adamw = searches({"space": {"weight_decay": [0.1, 0.2]}}, compare={"optimizer": ["adam", "adamw"]})
    assert adam.variant({"weight_decay": 0.1}).settings.regularisation.weight_decay == 0.1
    assert adamw.variant({"weight_decay": 0.1}).settings.optimizer.parameters["weight_decay"] == 0.1
    assert adamw.variant({"weight_decay": 0.1}).settings.regularisation.weight_decay == 0.0


@pytest.mark.parametrize(("epochs", "most"), [({"low": 5, "high": 50}, 50), ([10, 40, 20], 40)])
def test_a_budget_counts_the_most_epochs_that_are_searched(epochs: Any, most: int) -> None:
    (search,) = searches({"trials": 3, "space": {"epochs": epochs}}, train={"epochs": 10})
    assert search.epochs == 3 * most


def test_a_gradient_search_says_that_it_goes_between_steps() -> None:
    space = {"momentum": {"low": 0.1, "high": 0.9, "step": 0.4}}
    found = searches({"space": space}, compare={"method": ["grid", "gradient"]}, train={"optimizer": "momentum"})
    assert [search.planned().space[0].step for search in found] == [0.4, None]


def test_a_gradient_search_stays_where_there_are_derivatives() -> None:
    """RMSprop without momentum is another rule; that of momentum itself goes on to 0."""
    space = {"learning_rate": "auto", "momentum": {"low": 0, "high": 0.9}}
    searches({"method": "gradient", "space": space}, train={"optimizer": "momentum"})
    with pytest.raises(BadInput, match="no derivative by it there"):
        searches({"method": "gradient", "space": space}, train={"optimizer": "rmsprop"})


def test_there_are_no_more_settings_than_points() -> None:
    (search,) = searches({"method": "random", "trials": 50, "space": {"batch_size": [8, 16], "layers": [1, 2]}})
    assert search.trials == 4


def test_every_method_spends_as_many_epochs() -> None:
    compare = {"method": ["random", "quasi-random", "tpe", "two-stage", "successive-halving", "gradient"]}
    found = searches({"trials": 12}, compare=compare, train={"epochs": 27})
    spent = {search.method: search.epochs for search in found}
    assert spent.pop("successive-halving") == pytest.approx(12 * 27, rel=0.05)
    assert set(spent.values()) == {12 * 27}


def test_the_spec_as_written_reads_as_the_same_spec() -> None:
    l2 = {"low": 0.1, "high": 1, "scale": "log", "when": {"layers": 2}}
    tune = {"space": {"learning_rate": "auto", "l2": l2, "layers": [1, 2]}}
    for compare in ({}, {"method": ["random", "tpe"]}):
        spec = parse_spec({"data": {"source": "wine"}, "tune": tune, "compare": compare})
        both = [searches_of(each, recipes_of(each)) for each in (spec, parse_spec(as_written(spec)))]
        one, other = [[(each.recipe.recipe_id, each.method, each.space, each.trials) for each in own] for own in both]
        assert one == other


def test_a_recipe_without_anything_to_search_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing is searched"):
        searches({"space": {"momentum": [0.5, 0.9]}}, compare={"optimizer": ["sgd", "momentum"]})
