"""The division of trials into stacks."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tasks.stacking import MAX_BYTES, MAX_TRIALS, Division, Work, divide

SMALL = Work(parameters=8_000, flops=16_000, activations=20, batch_size=32, steps=7_500)
RULES = ["adam", "lion", "sgd", "nadam"]


def grid(variants: int, seeds: int) -> list[list[tuple[int, int]]]:
    return [[(variant, seed) for seed in range(seeds)] for variant in range(variants)]


def rules_of(variants: int) -> list[str]:
    return [RULES[variant % len(RULES)] for variant in range(variants)]


works = st.builds(
    Work,
    parameters=st.integers(10, 10**7),
    flops=st.integers(10, 10**8),
    activations=st.integers(1, 10**5),
    batch_size=st.integers(1, 512),
    steps=st.integers(1, 10**5),
)


@given(st.integers(1, 40), st.integers(1, 12), works, st.integers(1, 16))
def test_stacks_hold_each_trial_once_as_rectangles_within_the_limits(
    variants: int, seeds: int, work: Work, cores: int
) -> None:
    division = divide(grid(variants, seeds), rules_of(variants), work, cores)
    assert sorted(trial for stack in division.stacks for trial in stack) == [
        (variant, seed) for variant in range(variants) for seed in range(seeds)
    ]
    for stack in division.stacks:
        rows, columns = {variant for variant, _ in stack}, {seed for _, seed in stack}
        assert len(stack) == len(rows) * len(columns)
        assert len(stack) <= MAX_TRIALS
        assert len(stack) == 1 or len(stack) * work.trial_bytes <= MAX_BYTES / cores
    assert division.seconds > 0


@given(st.integers(1, 40), st.integers(1, 5), works)
def test_the_same_trials_are_always_divided_alike(variants: int, seeds: int, work: Work) -> None:
    one, other = (divide(grid(variants, seeds), rules_of(variants), work, 2) for _ in range(2))
    assert one == other


def test_trials_of_one_rule_lie_side_by_side() -> None:
    division = divide(grid(32, 1), rules_of(32), SMALL, cores=2)
    rules = [[RULES[variant % len(RULES)] for variant, _ in stack] for stack in division.stacks]
    assert len(rules) == 2  # one a core
    assert all(each == sorted(each) for each in rules)
    assert set(rules[0]) & set(rules[1]) == set()


def sizes(division: Division) -> list[int]:
    return [len(stack) for stack in division.stacks]


def test_long_trainings_of_large_networks_make_small_stacks_that_stay_in_the_cache() -> None:
    large = Work(parameters=70_000, flops=140_000, activations=500, batch_size=64, steps=100_000)
    assert max(sizes(divide(grid(32, 1), rules_of(32), large, 2))) <= 8
    assert max(sizes(divide(grid(32, 1), rules_of(32), SMALL, 2))) == 16


def test_short_trainings_are_not_compiled() -> None:
    assert divide(grid(10, 2), rules_of(10), SMALL, 2).xla
    assert not divide(grid(10, 2), rules_of(10), replace(SMALL, steps=50), 2).xla


def test_a_network_too_large_to_share_memory_stands_alone() -> None:
    giant = replace(SMALL, parameters=200_000_000)
    assert sizes(divide(grid(3, 2), rules_of(3), giant, 2)) == [1] * 6
