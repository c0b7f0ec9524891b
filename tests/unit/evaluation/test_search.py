"""What a search found: the numbers of verdict.json's `search`, against closed forms and known answers."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.containment import INCLUSIONS
from tasks.evaluation.expected_best import expected_best, running_best
from tasks.evaluation.importance import importances
from tasks.evaluation.search import edge, judge_search
from tasks.evaluation.sensitivity import sensitivity, tolerance
from tasks.evaluation.tried import Tried, ranked, read_settings, read_space, worst_told_apart
from tasks.records.documents import as_json
from tasks.records.search_verdict import SearchVerdict
from tasks.records.tables import SETTINGS
from tasks.search.space import Choices, Dimension, Range
from tasks.training.optimizers import OPTIMIZERS
from tests.plans import searching, space_of
from tests.synthetic_search import synthetic_search

LEARNING_RATE = {"name": "learning_rate", "low": 1e-4, "high": 1.0, "log": True, "owned": True}
RECIPES: list[dict[str, Any]] = [
    {"recipe_id": f"recipe-{name}", "recipe": name, "optimizer": name, "schedule": "constant", "params": {}}
    for name in ("sgd", "momentum", "adam")
]


def tried(number: int, score: float | None = 0.5, seconds: float = 1.0, **values: Any) -> Tried:
    status = "diverged" if score is None else "ok"
    return Tried(number, f"v{number}", values, status, score, 0.01, 0.5, 10.0, seconds)


def test_equal_scores_are_ranked_by_loss_then_by_who_was_asked_first() -> None:
    losses = (0.9, None, 0.3, 0.3, 0.1)
    shares = [replace(tried(number, 0.8), loss=loss) for number, loss in enumerate(losses)]
    best, failed = tried(5, 0.9), tried(6, None)
    assert [each.number for each in ranked([*shares, best, failed], 1)] == [5, 4, 2, 3, 0, 1]
    assert [each.number for each in ranked([*shares, best, failed], -1)] == [4, 2, 3, 0, 1, 5]


def searched(
    optimizer: str, space: list[dict[str, Any]], settings: list[tuple[float | None, dict[str, Any]]], **options: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A recipe's entry in the plan and its rows; settings are scores with values."""
    rest = options.pop("rest", "")
    name = optimizer + rest
    entry = {"recipe_id": name, "recipe": name, "optimizer": optimizer, "method": "random", "space": space}
    rows = [
        {
            "recipe_id": name,
            "recipe": name,
            "method": "random",
            "number": number,
            "batch": 0,
            "variant_id": f"{name}-{number}",
            "values": json.dumps(values),
            "epochs": 10.0,
            "status": "diverged" if score is None else "ok",
            "score": score,
            "spread": 0.005,
            "loss": 0.5,
            "seconds": 1.0,
            **{name: value[number] if isinstance(value, list) else value for name, value in options.items()},
        }
        for number, (score, values) in enumerate(settings)
    ]
    return entry | {"trials": len(rows), "epochs": 10 * len(rows)}, rows


def judged(*recipes: tuple[dict[str, Any], list[dict[str, Any]]], **plan: Any) -> SearchVerdict:
    search = searching(seeds=2, recipes=[entry for entry, _ in recipes], **plan)
    found = judge_search(search, SETTINGS.frame([row for _, rows in recipes for row in rows]))
    json.dumps(as_json(found), allow_nan=False)  # strict JSON
    return found


# --- expected best -------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=7), st.sampled_from([1, -1]))
def test_the_expected_best_is_the_mean_over_every_subset(scores: list[float], sign: int) -> None:
    curve = expected_best(np.array(scores), sign)
    choose = max if sign == 1 else min
    wanted = [np.mean([choose(some) for some in itertools.combinations(scores, n)]) for n in range(1, len(scores) + 1)]
    assert curve.settings == list(range(1, len(scores) + 1))
    assert curve.best == pytest.approx(wanted, abs=1e-9)
    assert all(low <= high for low, high in zip(curve.low or [], curve.high or [], strict=True))


def test_the_expected_best_of_uniform_numbers() -> None:
    """The best of n uniform numbers is n / (n + 1) on average."""
    curve = expected_best((np.arange(2000) + 0.5) / 2000, 1)
    for n, best, low, high in zip(curve.settings, curve.best, curve.low or [], curve.high or [], strict=True):
        assert best == pytest.approx(n / (n + 1), abs=1e-3)
        assert low <= best + 1e-9 and best <= high + 1e-3
    assert len(curve.settings) <= 60
    assert (curve.settings[0], curve.settings[-1]) == (1, 2000)


def test_the_band_is_the_same_each_time() -> None:
    scores = np.random.default_rng(1).random(30)
    assert expected_best(scores, 1) == expected_best(scores, 1)


def test_the_running_best_passes_over_settings_without_a_score() -> None:
    curve = running_best([None, 3.0, 2.0, None, 4.0], -1)
    assert curve.best == [None, 3.0, 2.0, 2.0, 2.0]
    assert curve.low is None


# --- edges ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "value", "side"),
    [
        (Range(1e-4, 1.0, log=True), 0.7, "high"),
        (Range(1e-4, 1.0, log=True), 0.6, None),  # 94.5% of the way in decades
        (Range(1e-4, 1.0, log=True), 1.5e-4, "low"),
        (Range(0.1, 0.5), 0.11, "low"),
        (Range(0.0, 0.5), 0.01, None),  # nothing lies below zero
        (Range(0.0, 0.5), 0.49, "high"),
        (Range(2, 64, log=True, integer=True), 2, "low"),
        (Range(2, 64, log=True, integer=True), 3, None),
        (Range(1, 4, integer=True), 1, None),  # nor below one layer
        (Range(1, 4, integer=True), 4, "high"),
        (Range(0.1, 0.95, step=0.2), 0.9, "high"),
        (Range(3, 4, integer=True), 4, None),  # of two, one is always last
        (Range(3.0, 3.0), 3.0, None),
        (Choices((16, 32, 64)), 64, "high"),
        (Choices((64, 32, 16)), 16, "low"),
        (Choices((16, 32, 64)), 32, None),
        (Choices((16, 32)), 32, None),
        (Choices(("relu", "tanh", "elu")), "relu", None),
        (Choices((False, True, 2)), 2, None),
    ],
)
def test_an_edge(over: Range | Choices, value: Any, side: str | None) -> None:
    assert edge(Dimension("d", over), value) == side


def test_a_best_setting_at_an_edge_says_what_to_do() -> None:
    scores = [(0.7, {"learning_rate": 0.01}), (0.9, {"learning_rate": 0.98})]
    found = judged(searched("adam", [LEARNING_RATE], scores))
    (flag,) = found.recipes[0].edges
    assert (flag.side, flag.end, flag.owned) == ("high", 1.0, True)
    assert found.warnings == [
        "adam: the best learning_rate, 0.98, lies at the upper end of the optimizer's own range: "
        "widen learning_rate above 1."
    ]


def test_the_largest_of_the_choices_says_so() -> None:
    space = [{"name": "batch_size", "choices": [16, 32, 64]}]
    found = judged(searched("adam", space, [(0.7, {"batch_size": 32}), (0.9, {"batch_size": 64})]))
    assert found.warnings == [
        "adam: the best batch_size, 64, is the largest of its choices: add choices of batch_size above 64."
    ]


def test_an_edge_that_hardly_matters_is_no_warning() -> None:
    pytest.importorskip("optuna")
    rng = np.random.default_rng(0)
    space = [LEARNING_RATE, {"name": "layers", "low": 1, "high": 4, "integer": True}]
    settings = [
        (float(1 - abs(place - 0.5)), {"learning_rate": float(10 ** (-4 * place)), "layers": 4})
        for place in rng.random(30)
    ]
    settings[0][1]["layers"] = 3
    (found,) = judged(searched("adam", space, settings)).recipes
    assert [(each.name, each.matters) for each in found.edges] == [("layers", False)]


# --- importance ----------------------------------------------------------------------------------------------


def test_importance_finds_what_decides() -> None:
    pytest.importorskip("optuna")
    search = synthetic_search(RECIPES[2:], settings=80)
    (entry,), (settings,) = search.plan["recipes"], read_settings(search.settings).values()
    space = read_space(space_of(*entry["space"]))
    found = importances(space, settings, 1)
    assert found is not None
    shares = {each.name: each.share for each in found}
    assert shares["learning_rate"] > 0.7
    assert all(share < 0.1 for name, share in shares.items() if name != "learning_rate")
    assert sum(shares.values()) < 1.01
    counts = {each.name: each.settings for each in found}
    assert counts["learning_rate"] == 72
    assert 10 <= counts["units_2"] < 72, "where it is active"
    assert importances(space, settings, 1) == found, "equal arguments give equal numbers"


def test_importance_of_many_settings_keeps_each_with_its_score() -> None:
    """Of more than 128 settings some are left out; the others must not get the scores of their neighbours."""
    rng = np.random.default_rng(0)
    space = (Dimension("a", Range(0, 1)), Dimension("b", Range(0, 1)))
    points = rng.random((400, 2))
    settings = [
        Tried(number, str(number), {"a": a, "b": b}, "ok", float(a), None, None, 1.0, 1.0)
        for number, (a, b) in enumerate(points)
    ]
    found = importances(space, settings, 1)
    assert found is not None
    shares = {each.name: each.share for each in found}
    assert shares["a"] > 0.9 and shares["b"] < 0.05
    assert [each.settings for each in found] == [400, 400]


def test_importance_takes_a_logarithmic_range_by_decades() -> None:
    """Every second decade is good: on a linear scale the two highest decades would be all there is."""
    pytest.importorskip("optuna")
    space = read_space(space_of(LEARNING_RATE | {"low": 1e-6}, {"name": "other", "low": 0.0, "high": 1.0}))
    rng = np.random.default_rng(0)
    logs = rng.uniform(-6, 0, 120)
    settings = [
        tried(i, float(log < -3), learning_rate=float(10**log), other=float(rng.random())) for i, log in enumerate(logs)
    ]
    found = importances(space, settings, 1)
    assert found is not None
    assert found[0].share > 0.9


def test_one_wild_score_is_not_all_the_variance() -> None:
    pytest.importorskip("optuna")
    space = read_space(space_of(LEARNING_RATE, {"name": "other", "low": 0.0, "high": 1.0}))
    rng = np.random.default_rng(0)
    settings = [
        tried(i, float(100 + 50 * place), learning_rate=float(10 ** (-4 * place)), other=float(rng.random()))
        for i, place in enumerate(rng.random(60))
    ]
    wild = [*settings, tried(60, 1e9, learning_rate=0.5, other=0.123)]
    found = importances(space, wild, -1)
    assert found is not None
    assert found[0].share > 0.6


@pytest.mark.parametrize(
    "settings",
    [
        [tried(i, 0.1 * i, learning_rate=0.1 * (i + 1)) for i in range(9)],
        [tried(i, 0.5, learning_rate=0.01 * (i + 1)) for i in range(30)],
        [tried(i, 0.1 * i, learning_rate=0.1) for i in range(30)],
        [tried(i, None, learning_rate=0.01 * (i + 1)) for i in range(30)],
    ],
    ids=["few", "equal scores", "one value", "diverged"],
)
def test_importance_is_not_made_up(settings: list[Tried]) -> None:
    assert importances(read_space(space_of(LEARNING_RATE)), settings, 1) is None


def test_worse_scores_count_alike_beyond_a_limit() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.0])
    assert worst_told_apart(scores, 1) == pytest.approx(0.75 - 3 * 0.225)  # median and lower quartile
    assert worst_told_apart(np.array([0.9, 0.8, 0.7]), 1) == pytest.approx(0.7), "never beyond the worst"
    assert worst_told_apart(np.array([1.0, 2.0, 3.0, 1e9]), -1) < 1e9


# --- sensitivity ---------------------------------------------------------------------------------------------


def test_sensitivity_against_its_closed_form() -> None:
    """Nine learning rates, half a decade apart, over four decades; the middle three are good: 1.5 decades."""
    rates = [10 ** (-4 + i / 2) for i in range(9)]
    settings = [tried(i, 0.9 if 3 <= i <= 5 else 0.5, learning_rate=rate) for i, rate in enumerate(rates)]
    found = sensitivity(read_space(space_of(LEARNING_RATE)), settings, 1, 0.01)
    assert found is not None
    assert found.decades == pytest.approx(1.5)
    assert found.share == pytest.approx(1.5 / 4)
    assert (found.good_low, found.good_high) == (rates[3], rates[5])
    own = [replace(each, values={"adam.learning_rate": each.values["learning_rate"]}) for each in settings]
    assert sensitivity(read_space(space_of(LEARNING_RATE | {"name": "adam.learning_rate"})), own, 1, 0.01) == found


def test_a_learning_rate_counts_by_its_best_setting() -> None:
    rates = [0.001, 0.01, 0.1]
    settings = [tried(2 * i + j, [0.5, 0.9][j], learning_rate=rate) for i, rate in enumerate(rates) for j in (0, 1)]
    found = sensitivity(read_space(space_of(LEARNING_RATE)), settings, 1, 0.0)
    assert found is not None
    assert found.share == pytest.approx(1.0)


def test_no_sensitivity_without_a_searched_learning_rate() -> None:
    settings = [tried(i, 0.1 * i, dropout=0.1 * i) for i in range(5)]
    assert sensitivity(read_space(space_of({"name": "dropout", "low": 0.0, "high": 0.5})), settings, 1, 0.1) is None
    two = [tried(i, 0.5, learning_rate=0.1 + 0.1 * i) for i in range(2)]
    assert sensitivity(read_space(space_of(LEARNING_RATE)), two, 1, 0.1) is None


def test_the_optimizer_with_the_sharper_optimum_forgives_less() -> None:
    search = synthetic_search(RECIPES, settings=60, dimensions=1, cost=None)
    found = {entry.optimizer: entry for entry in judge_search(searching(**search.plan), search.settings).recipes}
    assert found["sgd"].learning_rate.share < found["adam"].learning_rate.share


# --- containment ---------------------------------------------------------------------------------------------

MOMENTUM = {"name": "momentum", "low": 0.0, "high": 0.99}
SGD = searched("sgd", [LEARNING_RATE], [(0.81, {"learning_rate": 0.1})])


def momentum(score: float, space: list[dict[str, Any]], **options: Any) -> Any:
    return searched("momentum", space, [(score, {"learning_rate": 0.1, "momentum": 0.5})], **options)


def test_a_search_that_is_too_small_is_told_by_what_it_contains() -> None:
    found = judged(SGD, momentum(0.79, [LEARNING_RATE, MOMENTUM]))
    (entry,) = found.containments
    assert entry.too_small and entry.exact
    assert entry.difference == pytest.approx(-0.02)
    assert entry.noise == pytest.approx(0.005 * 2**0.5)
    assert found.warnings[0].startswith(
        "The search was too small: momentum ended at accuracy 0.79, sgd, which it contains, at 0.81."
    )


@pytest.mark.parametrize(
    "other",
    [
        momentum(0.79, [LEARNING_RATE, MOMENTUM | {"low": 0.5}]),
        momentum(0.79, [LEARNING_RATE]),
        momentum(0.79, [LEARNING_RATE | {"high": 0.09}, MOMENTUM]),
        momentum(0.79, [LEARNING_RATE, MOMENTUM], rest=" · cosine"),
        searched("nadam", [LEARNING_RATE, MOMENTUM], [(0.7, {"learning_rate": 0.1})]),
    ],
    ids=["not down to zero", "not searched", "learning rate out of reach", "another schedule", "contains nothing"],
)
def test_what_was_not_contained_is_not_held_against_it(other: Any) -> None:
    assert judged(SGD, other).containments == []


@pytest.mark.parametrize("options", [{"spread": 0.03}, {"spread": None}], ids=["within the noise", "noise not known"])
def test_a_difference_the_noise_explains_is_no_warning(options: dict[str, Any]) -> None:
    (entry,) = judged(SGD, momentum(0.79, [LEARNING_RATE, MOMENTUM], **options)).containments
    assert not entry.too_small
    assert entry.sentence is None


def test_an_inclusion_is_found_under_each_optimizers_own_names() -> None:
    sgd = searched("sgd", [LEARNING_RATE | {"name": "sgd.learning_rate"}], [(0.81, {"sgd.learning_rate": 0.1})])
    space = [LEARNING_RATE | {"name": "optimizer.learning_rate"}, MOMENTUM | {"name": "momentum.momentum"}]
    (entry,) = judged(sgd, momentum(0.79, space)).containments
    assert entry.too_small


@pytest.mark.parametrize(("decay", "reached"), [(0.5, True), (0.99, False)])
def test_adam_needs_the_larger_a_learning_rate_the_longer_it_averages(decay: float, reached: bool) -> None:
    """0.05 of momentum is 0.1 of Adam at a decay of 0.5, and 5 at 0.99."""
    inner = searched("momentum", [LEARNING_RATE, MOMENTUM], [(0.81, {"learning_rate": 0.05, "momentum": decay})])
    space = [LEARNING_RATE, MOMENTUM | {"name": "beta_1"}, {"name": "epsilon", "low": 1e-8, "high": 1.0, "log": True}]
    outer = searched("adam", space, [(0.7, {"learning_rate": 0.1, "beta_1": 0.9, "epsilon": 1e-7})])
    assert bool(judged(inner, outer).containments) == reached


def test_an_approximate_inclusion_is_worded_so() -> None:
    space = [LEARNING_RATE, {"name": "epsilon", "low": 1e-8, "high": 10.0, "log": True}]
    found = judged(SGD, searched("rmsprop", space, [(0.6, {"learning_rate": 0.1, "epsilon": 1e-7})]))
    assert "which it can come close to" in found.warnings[0]
    narrow = [LEARNING_RATE, {"name": "epsilon", "low": 1e-8, "high": 1e-3, "log": True}]
    assert judged(SGD, searched("rmsprop", narrow, [(0.6, {"learning_rate": 0.1})])).containments == []


@pytest.mark.parametrize("inclusion", INCLUSIONS, ids=lambda each: f"{each.outer} contains {each.inner}")
def test_an_inclusion_holds_for_the_update_rules(inclusion: Any) -> None:
    """At the parameter's value (in the limit: far beyond it), the outer optimizer walks the inner one's way."""
    rng = np.random.default_rng(0)
    gradients = rng.normal(0, 0.01, (50, 4))
    own = {"momentum": 0.9} if inclusion.inner == "momentum" else {}
    inner = OPTIMIZERS[inclusion.inner](**own)
    value = inclusion.value if inclusion.exact else 1e8
    shared = {inclusion.renamed[name]: each for name, each in own.items()}
    outer = OPTIMIZERS[inclusion.outer](**{inclusion.parameter: value}, **shared)
    # What the learning rate becomes there: as it is, or times sqrt(value) or value, and Adam's 1 / (1 - beta_1).
    rate = {True: 1.0, False: value if inclusion.outer == "adam" else value**0.5}[inclusion.exact]
    rate /= 1 - own[inclusion.averaged] if inclusion.averaged else 1
    ends = []
    for optimizer, factor in ((inner, 1.0), (outer, rate)):
        w, slots = np.zeros(4), optimizer.slots(np, np.zeros(4), optimizer.inputs)
        skipped = 5000 if inclusion.outer == "adam" else 0  # Adam corrects the bias of its first steps
        for step, gradient in enumerate(gradients, start=1 + skipped):
            w, slots = optimizer.update(np, w, gradient, slots, 0.1 * factor, step, optimizer.inputs)
        ends.append(w)
    assert ends[1] == pytest.approx(ends[0], rel=1e-9 if inclusion.exact else 1e-2)


# --- the whole -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_the_best_and_the_ten_best(greater_is_better: bool) -> None:
    search = synthetic_search(
        RECIPES, settings=9, metric="rmse", greater_is_better=greater_is_better, folds=3, choices=("<b>", "a", "c")
    )
    found = judge_search(searching(**search.plan), search.settings)
    json.dumps(as_json(found), allow_nan=False)
    assert found.runs == 6
    for entry, recipe in zip(found.recipes, RECIPES, strict=True):
        own = search.settings[search.settings["recipe_id"] == recipe["recipe_id"]]
        scores = own["score"].sort_values(ascending=not greater_is_better)
        assert [each.score for each in entry.top] == scores.tolist()
        assert entry.best == entry.top[0]
        assert entry.curve.best[-1] == pytest.approx(scores.iloc[0]), "all settings: the best one"
        assert entry.curve.kind == "expected"
        assert entry.importance is None


def test_diverged_settings_are_counted_and_spend_their_share_of_the_budget() -> None:
    scores = [(0.8, {"learning_rate": 0.01}), (None, {"learning_rate": 1.0}), (0.6, {"learning_rate": 0.001})]
    other = searched("adam", [LEARNING_RATE], [(0.2, {"learning_rate": 0.1}), *scores[1:]])
    found = judged(searched("sgd", [LEARNING_RATE], scores), other).recipes[0]
    assert (found.settings, found.diverged, len(found.top)) == (3, 1, 2)
    assert found.curve.best[0] == pytest.approx((0.8 + 0.6 + 0.2) / 3), "as the worst of the whole search"


def test_a_recipe_whose_settings_all_diverged() -> None:
    found = judged(searched("sgd", [LEARNING_RATE], [(None, {"learning_rate": 1.0})] * 3))
    assert found.recipes[0].best is None
    assert found.recipes[0].curve is None
    assert found.tolerance is None
    assert found.warnings == ["sgd: none of its 3 settings ended well, so none could be chosen."]


def test_a_metric_that_is_not_defined_is_no_divergence() -> None:
    rates = [{"learning_rate": 0.1}] * 3
    found = judged(searched("sgd", [LEARNING_RATE], [(None, each) for each in rates], status="ok"), metric="roc_auc")
    assert found.recipes[0].best is None and found.recipes[0].diverged == 0
    assert "3 of its 3 settings could not be chosen, since ROC AUC is not defined" in str(found.warnings)


def test_no_settings_at_all() -> None:
    assert judged().recipes == []
    assert judged(searched("sgd", [LEARNING_RATE], [])).recipes[0].settings == 0


def test_adaptive_methods_show_the_running_best_and_pruned_settings_are_not_the_best() -> None:
    search = synthetic_search(RECIPES[:1], settings=9, method="successive-halving")
    (found,) = judge_search(searching(**search.plan), search.settings).recipes
    assert found.curve.kind == "running"
    assert found.pruned == 3
    pruned = set(search.settings.loc[search.settings["status"] == "pruned", "variant_id"])
    assert not pruned & {each.variant_id for each in found.top}


def test_unequal_budgets_are_said() -> None:
    more = searched("adam", [LEARNING_RATE], [(0.5, {"learning_rate": 0.02 * i}) for i in range(1, 4)])
    assert judged(SGD, more).warnings[-1] == (
        "The budgets differ: sgd trained 10 epochs, adam 30. Their best scores can't be compared."
    )


def test_pareto() -> None:
    points = [(0.5, 1.0), (0.7, 2.0), (0.6, 3.0), (0.7, 4.0), (0.9, 5.0), (0.4, 1.0)]
    settings = [(score, {"learning_rate": 0.01}) for score, _ in points]
    found = judged(
        searched("sgd", [LEARNING_RATE], settings, seconds=[seconds for _, seconds in points]), cost="seconds"
    )
    assert found.pareto == ["sgd-0", "sgd-1", "sgd-4"]
    assert judged(SGD).pareto is None


def test_a_setting_that_was_looked_up_is_not_the_fastest() -> None:
    settings = [(0.8, {"learning_rate": 0.1}), (0.9, {"learning_rate": 0.2}), (0.8, {"learning_rate": 0.1})]
    spent: dict[str, Any] = {"variant_id": ["a", "b", "a"], "seconds": [9.0, 5.0, 0.0], "epochs": [10.0, 10.0, 0.0]}
    assert judged(searched("sgd", [LEARNING_RATE], settings, **spent), cost="seconds").pareto == ["b"]


# --- what other numbers rest on ------------------------------------------------------------------------------


def _scored(*scores: float | None, spread: float | None = None) -> list[Tried]:
    return [Tried(i, str(i), {"a": 0.5}, "ok", score, spread, None, 1.0, 1.0) for i, score in enumerate(scores)]


@pytest.mark.parametrize(("sign", "first"), [(1, 1), (-1, 0)])
def test_a_score_of_zero_is_a_score(sign: int, first: int) -> None:
    assert ranked(_scored(0.0, 0.05), sign)[0].number == first


def test_good_enough_is_a_tenth_of_the_way_to_the_median_and_no_less_than_the_noise() -> None:
    scores = _scored(0.5, 0.9, 0.3, 0.5, 0.1)
    assert tolerance({"one": scores}, 1) == pytest.approx(0.1 * (0.9 - 0.5))
    noisy = _scored(0.5, 0.9, 0.3, 0.5, 0.1, spread=0.07)
    assert tolerance({"one": noisy}, 1) == pytest.approx(0.07)
    assert tolerance({"one": scores}, -1) == pytest.approx(0.1 * (0.5 - 0.1))


def test_what_is_not_finite_in_the_table_is_no_number() -> None:
    row = {"recipe_id": "r", "number": 0, "variant_id": "v", "values": "{}", "status": "ok"}
    (found,) = read_settings(SETTINGS.frame([{**row, "score": float("inf"), "spread": float("nan")}]))["r"]
    assert found.score is None and found.spread is None
    assert not found.ended
