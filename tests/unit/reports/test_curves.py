"""Learning curves where seeds stop at different epochs, and of many recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figures.curves import aggregate
from reports.recipes import TOP

SEEDS = st.lists(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12),
    min_size=1,
    max_size=5,
)


def lines(seeds: Mapping[str, Sequence[float]], status: str = "ok", leading: Sequence[str] = ()) -> pd.DataFrame:
    """The lines of seeds named `recipe/seed`, which were evaluated after every epoch until they stopped."""
    trials = pd.DataFrame({"trial_id": list(seeds), "recipe": [name.split("/")[0] for name in seeds]})
    points = [
        {"trial_id": trial, "epoch": epoch, "layer": None, "name": "val_loss", "value": value}
        for trial, values in seeds.items()
        for epoch, value in enumerate(values, start=1)
    ]
    return aggregate(pd.DataFrame(points), trials.assign(stage="final", status=status), leading)


@given(SEEDS)
def test_the_mean_is_over_the_same_seeds_at_every_epoch(seeds: list[list[float]]) -> None:
    found = lines({f"adam/{place}": values for place, values in enumerate(seeds)})
    last = max(map(len, seeds))
    carried = np.array([values + values[-1:] * (last - len(values)) for values in seeds])
    assert found["epoch"].tolist() == list(range(1, last + 1))
    np.testing.assert_allclose(found["mean"], carried.mean(axis=0), rtol=1e-9, atol=1e-9)
    assert (found["low"].to_numpy() == carried.min(axis=0)).all()
    assert (found["high"].to_numpy() == carried.max(axis=0)).all()


def test_the_point_from_which_values_are_carried_is_marked() -> None:
    found = lines({"adam/0": [4, 3, 2, 1], "adam/1": [4, 2]})
    assert found["training"].tolist() == [2, 2, 1, 1]
    assert found["stop"].tolist() == [False, True, False, False]
    assert not lines({"adam/0": [4, 3], "adam/1": [4, 2]})["stop"].any()


def test_where_all_diverged_the_line_ends_with_the_first() -> None:
    found = lines({"sgd/0": [4, 40, 400, 4000], "sgd/1": [4, 80]}, status="diverged")
    assert found["mean"].tolist() == [4, 60]


def test_seeds_evaluated_at_their_own_times_are_read_between_their_points() -> None:
    trials = pd.DataFrame({"trial_id": ["a", "b"], "recipe": "adam", "stage": "final", "status": "ok"})
    points = [("a", 0.5, 1.0), ("a", 1.5, 3.0), ("b", 1.0, 10.0), ("b", 2.0, 12.0)]
    curves = pd.DataFrame(points, columns=["trial_id", "epoch", "value"]).assign(layer=None, name="val_loss")
    found = aggregate(curves, trials)
    assert found["epoch"].tolist() == [1.0, 1.5, 2.0]
    assert found["mean"].tolist() == pytest.approx([(2 + 10) / 2, (3 + 11) / 2, (3 + 12) / 2])


def test_of_many_recipes_the_leading_ones_keep_most_points() -> None:
    names = [f"recipe {place}" for place in range(300)]
    found = lines({f"{name}/0": [1.0] * 200 for name in names}, leading=names[::-1])
    points = found.groupby("recipe").size()
    assert set(points[names[-TOP:]]) == {120} and set(points[names[:-TOP]]) == {12}
    assert found.groupby("recipe")["epoch"].agg(["min", "max"]).drop_duplicates().values.tolist() == [[1, 200]]
