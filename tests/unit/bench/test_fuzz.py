"""A small part of what `python -m tests.bench.fuzz` tries, and that it tries the same for the same seed."""

from __future__ import annotations

import random

from tests.bench.fuzz import bases, fuzz, mutant


def test_no_mutant_ends_in_a_defect() -> None:
    answers = fuzz(150, seed=1)
    assert answers.defects == []
    assert answers.kinds["planned"] >= 10 and answers.kinds["refused: spec"] >= 10
    assert answers.kinds.total() == 150


def test_mutants_come_from_the_seed_alone() -> None:
    good, wrong = bases()
    made = [[mutant(good, wrong, rng) for _ in range(20)] for rng in (random.Random(3), random.Random(3))]
    assert made[0] == made[1]
    assert len({text for text, _ in made[0]}) > 10
