"""The paired comparison against scipy and closed forms; its hard cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tasks.evaluation.comparison import (
    Comparison,
    compare_differences,
    compare_with_each,
    holm,
    seeds_needed,
    smallest_difference,
    step_levels,
)


def _by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def _compare(leader: dict[int, float], *others: dict[int, float], **options) -> list[Comparison]:
    named = {f"recipe {i}": other for i, other in enumerate(others)}
    return list(compare_with_each(leader, named, **({"sign": 1, "confidence": 0.95} | options)).values())


def _smallest(spread: float, pairs: int, level: float) -> float:
    found = smallest_difference(spread, pairs, level)
    assert found is not None
    return found


LEADER = _by_seed(0.90, 0.91, 0.89, 0.92, 0.90)
NEAR = _by_seed(0.90, 0.90, 0.90, 0.91, 0.89)
FAR = _by_seed(0.60, 0.62, 0.61, 0.63, 0.60)


def test_is_the_paired_t_test():
    (found,) = _compare(LEADER, NEAR)
    reference = stats.ttest_rel(list(LEADER.values()), list(NEAR.values()))
    interval = reference.confidence_interval(0.95)
    differences = np.array(list(LEADER.values())) - np.array(list(NEAR.values()))
    assert found.pairs == 5
    assert found.p == found.p_holm == pytest.approx(reference.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert found.answer == "can't tell"


def test_a_clear_difference_is_better_and_its_mirror_worse():
    assert _compare(LEADER, FAR)[0].answer == "better"
    (mirrored,) = _compare(FAR, LEADER)
    assert mirrored.answer == "worse"
    assert mirrored.difference == pytest.approx(-_compare(LEADER, FAR)[0].difference)


def test_where_smaller_is_better_positive_still_means_the_leader():
    (found,) = _compare(FAR, LEADER, sign=-1)
    assert found.difference > 0
    assert found.answer == "better"


def test_pairs_by_seed_not_by_order():
    shuffled = {seed: NEAR[seed] for seed in (3, 0, 4, 2, 1)}
    assert _compare(LEADER, shuffled) == _compare(LEADER, NEAR)


def test_a_recipe_with_fewer_seeds_is_compared_on_the_common_ones():
    fewer = {seed: FAR[seed] for seed in (1, 2, 4)} | {9: 0.99}
    (found,) = _compare(LEADER, fewer)
    assert found.pairs == 3
    assert found.difference == pytest.approx(np.mean([LEADER[seed] - FAR[seed] for seed in (1, 2, 4)]))


def test_one_common_seed_shows_a_difference_but_decides_nothing():
    (found,) = _compare(LEADER, {2: 0.5})
    assert found.difference == pytest.approx(0.39)
    assert (found.low, found.p, found.p_holm, found.effect_size, found.smallest_difference) == (None,) * 5
    assert found.answer == "can't tell"


def test_no_common_seed_has_no_numbers():
    (found,) = _compare(LEADER, {7: 0.5})
    assert found.pairs == 0
    assert found.difference is None
    assert found.answer == "can't tell"


def test_two_seeds_can_decide_only_what_is_huge():
    assert _compare(_by_seed(0.90, 0.91), _by_seed(0.80, 0.85))[0].answer == "can't tell"
    assert _compare(_by_seed(0.90, 0.91), _by_seed(0.10, 0.111))[0].answer == "better"


def test_recipes_without_a_test_do_not_count_in_holm():
    alone, beside = _compare(LEADER, NEAR)[0], _compare(LEADER, NEAR, {0: 0.1})[0]
    assert alone == beside


class TestWithoutSpread:
    """The same difference in every seed."""

    same = _by_seed(*[0.8] * 5)
    lower = _by_seed(*[0.7] * 5)

    def test_no_difference_at_all(self):
        (found,) = _compare(self.same, self.same)
        assert (found.difference, found.p, found.low, found.high) == (0.0, 1.0, 0.0, 0.0)
        assert found.effect_size is None
        assert found.answer == "can't tell"

    def test_of_a_smooth_metric_leaves_no_doubt(self):
        (found,) = _compare(self.same, self.lower)
        assert found.p == 0.0
        assert found.effect_size is None
        assert (found.low, found.high) == pytest.approx((0.1, 0.1))
        assert found.answer == "better"

    def test_by_one_row_in_two_seeds_is_no_proof(self):
        (found,) = _compare(_by_seed(0.8, 0.8), _by_seed(0.79, 0.79), resolution=0.01)
        assert found.answer == "can't tell"
        assert found.low < 0 < found.high

    def test_by_many_rows_is(self):
        (found,) = _compare(self.same, self.lower, resolution=0.01)
        assert found.answer == "better"

    def test_rounding_errors_are_not_spread(self):
        leader = _by_seed(0.1 + 0.2, 0.3, 0.6 - 0.3)
        (found,) = _compare(leader, _by_seed(0.2, 0.1 + 0.1, 0.2))
        assert found.effect_size is None


def test_holm_golden():
    """Holm (1979), as in R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


SAMPLES = st.lists(st.lists(st.floats(-1, 1, width=16), min_size=3, max_size=3), min_size=1, max_size=8)


@given(SAMPLES)
def test_an_interval_holds_zero_exactly_where_the_answer_is_open(samples: list[list[float]]):
    found = compare_differences({str(i): np.array(d) for i, d in enumerate(samples)}, confidence=0.9)
    for each in found.values():
        assert (each.low <= 0 <= each.high) == (each.answer == "can't tell") or each.p in (0, 1)


@given(SAMPLES)
def test_the_levels_are_those_of_holms_steps(samples: list[list[float]]):
    p_values = [abs(sample[0]) for sample in samples]
    levels = step_levels(p_values, 0.3)
    assert [p <= level for p, level in zip(p_values, levels, strict=True)] == [q <= 0.3 for q in holm(p_values)]
    assert all(0.3 / len(p_values) <= level <= 0.3 for level in levels)


def test_every_pair_of_recipes_counts_in_holm():
    found = _compare(LEADER, NEAR, FAR)
    values = [np.array(list(each.values())) for each in (LEADER, NEAR, FAR)]
    every = [stats.ttest_rel(values[i], values[j]).pvalue for i, j in ((0, 1), (0, 2), (1, 2))]
    assert [each.p_holm for each in found] == pytest.approx(holm(every)[:2])
    assert {each.family for each in found} == {3}


@pytest.mark.parametrize("together", [0.0, 1.0])
@pytest.mark.parametrize("recipes", [2, 10])
def test_of_equal_recipes_the_luckiest_is_rarely_called_better(recipes: int, together: float):
    """The leader is chosen on a validation part that goes with the test part, or has nothing to do with it."""
    rng, claimed, experiments = np.random.default_rng(0), 0, 400
    for _ in range(experiments):
        test = rng.normal(size=(recipes, 5))
        val = together * test + (1 - together) * rng.normal(size=(recipes, 5))
        leader, *others = (_by_seed(*test[i]) for i in np.argsort(-val.mean(axis=1)))
        claimed += any(found.answer != "can't tell" for found in _compare(leader, *others))
    assert claimed / experiments < 0.08


@pytest.mark.parametrize("pairs", [2, 3, 5, 20])
def test_the_smallest_difference_is_found_in_four_of_five_repeats(pairs: int):
    rng = np.random.default_rng(0)
    difference = _smallest(2.0, pairs, 0.05)
    samples = rng.normal(difference, 2.0, size=(20_000, pairs))
    found = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_the_smallest_difference_needs_two_seeds_and_grows_with_the_spread():
    assert smallest_difference(1.0, 1, 0.05) is None
    assert smallest_difference(0.0, 5, 0.05) == 0.0
    assert smallest_difference(3.0, 5, 0.05) == pytest.approx(3 * _smallest(1.0, 5, 0.05))
    assert _smallest(1.0, 5, 0.005) > _smallest(1.0, 5, 0.05)


def test_the_smallest_difference_is_at_holms_first_step():
    found = _compare(LEADER, NEAR, FAR)
    assert found[0].smallest_difference == pytest.approx(smallest_difference(found[0].spread, 5, 0.05 / 3))


@given(difference=st.floats(0.05, 5), spread=st.floats(0.01, 1))
def test_seeds_needed_are_the_fewest(difference: float, spread: float):
    seeds = seeds_needed(difference, spread, 0.01)
    if seeds is None:
        assert _smallest(spread, 1000, 0.01) > difference
    else:
        assert _smallest(spread, seeds, 0.01) <= difference
        assert seeds == 2 or _smallest(spread, seeds - 1, 0.01) > difference
