"""The audit of optimizers against their papers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.audit import ours, papers
from tests.contracts.paper_rules import LATER


@pytest.mark.parametrize("name", LATER)
def test_what_keras_lacks_does_not_depart_from_its_paper(name: str) -> None:
    """In NumPy alone, with the default constants."""
    np.testing.assert_allclose(ours(name), papers(name), rtol=1e-9, atol=1e-12)


def test_a_distance_is_seen_where_keras_departs() -> None:
    paper, mine = papers("adagrad"), ours("adagrad")
    assert np.linalg.norm(mine - paper) > 0.05 * np.linalg.norm(paper)
