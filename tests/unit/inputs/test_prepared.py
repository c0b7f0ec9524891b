"""Data made ready for training: what is learned from which rows, and how outputs become answers again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax
from sklearn.metrics import log_loss, mean_squared_error

from tasks.dataset import Dataset
from tasks.inputs.prepared import Prepared, prepare
from tests.datasets import made, with_images
from tests.in_memory import in_memory

ROWS = 60
PARTS = np.array(["train"] * 40 + ["val"] * 10 + ["test"] * 10)
SHUFFLED = np.random.default_rng(1).permutation(PARTS)


def splits(parts: np.ndarray = SHUFFLED) -> pd.DataFrame:
    return pd.DataFrame({"row": np.arange(len(parts)), "part": parts})


def people(classes: tuple[str, ...] | None = ("no", "yes", "maybe")) -> Dataset:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(40, 10, ROWS), "city": rng.choice(["Oslo", "Rome"], ROWS)})
    target = np.arange(ROWS) % 3 if classes else rng.normal(3000, 500, ROWS)
    return made("people", table, target, "answer", classes, "digest")


def pictures() -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (ROWS, 4, 5, 3), np.uint8)
    return with_images(replace(people(), table=pd.DataFrame(index=range(ROWS))), images)


def shaped(classes: int) -> Prepared:
    """Three training rows and as many classes as asked; 0 for a regression with mean 10 and deviation 2."""
    names = tuple(f"c{i}" for i in range(classes)) or None
    target = np.arange(3) % classes if classes else np.array([8.0, 10.0, 12.0])
    rows = {part: np.arange(3) for part in ("train", "val", "test")}
    data = made("d", pd.DataFrame(), target, "t", names, "digest")
    return Prepared(data, None, np.zeros((3, 1), "float32"), rows, (0.0, 1.0) if classes else (10.0, 2.0))


def test_each_row_goes_to_its_part() -> None:
    prepared = prepare(people(), splits())
    assert {part: rows.tolist() for part, rows in prepared.rows.items()} == {
        part: np.flatnonzero(part == SHUFFLED).tolist() for part in ("train", "val", "test")
    }
    arrays = in_memory(prepared.arrays())
    np.testing.assert_array_equal(arrays.train.targets, people().target[SHUFFLED == "train"])
    np.testing.assert_array_equal(arrays.val_inputs, prepared.features[SHUFFLED == "val"])
    np.testing.assert_array_equal(prepared.inputs(["test"])["test"], prepared.features[SHUFFLED == "test"])
    assert (len(arrays.train.inputs), len(arrays.val_targets), len(prepared.inputs(["test"])["test"])) == (40, 10, 10)


@pytest.mark.parametrize("data", [people(), people(None)], ids=["classes", "values"])
def test_fewer_training_rows_are_some_of_them_and_all_else_stays(data: Dataset) -> None:
    whole = prepare(data, splits())
    few, more = whole.limited(12), whole.limited(30)
    assert (len(few.rows["train"]), len(more.rows["train"])) == (12, 30)
    assert set(few.rows["train"]) < set(more.rows["train"]) < set(whole.rows["train"])
    assert (np.diff(more.rows["train"]) > 0).all()
    assert few.features is whole.features and few.target_scale == whole.target_scale
    arrays = in_memory(few.arrays())
    np.testing.assert_array_equal(arrays.train.targets, whole.targets[few.rows["train"]])
    np.testing.assert_array_equal(arrays.val_targets, whole.targets[whole.rows["val"]])
    assert few.digest not in (more.digest, whole.digest)
    assert whole.limited(None) is whole.limited(40) is whole.limited(9999) is whole


def test_arrays_are_what_the_trainers_take() -> None:
    arrays = in_memory(prepare(people(), splits()).arrays())
    assert (arrays.train.inputs.dtype, arrays.train.targets.dtype) == (np.float32, np.int64)
    assert (arrays.classes, arrays.target_scale) == (3, 1.0)
    arrays = in_memory(prepare(people(classes=None), splits()).arrays())
    assert (arrays.train.targets.dtype, arrays.classes) == (np.float32, None)


@pytest.mark.parametrize("column", ["age", "city"])
def test_preprocessing_is_learned_from_the_training_part_only(column: str) -> None:
    data = people()
    table = data.table.copy()
    table.loc[SHUFFLED != "train", column] = 1e6 if column == "age" else "Paris"
    train = SHUFFLED == "train"
    np.testing.assert_array_equal(
        prepare(replace(data, table=table), splits()).features[train], prepare(data, splits()).features[train]
    )
    table = data.table.copy()
    table.loc[train, column] = np.arange(train.sum()) ** 2.0 if column == "age" else "Paris"
    assert not np.array_equal(
        prepare(replace(data, table=table), splits()).features[~train], prepare(data, splits()).features[~train]
    )


def test_images_keep_their_shape() -> None:
    prepared = prepare(pictures(), splits())
    assert prepared.features.shape == (ROWS, 4, 5, 3)
    assert prepared.features.dtype == np.float32
    assert np.isfinite(prepared.features).all()


def test_a_regressions_target_is_standardised_by_its_training_part() -> None:
    data = people(classes=None)
    prepared = prepare(data, splits())
    targets = in_memory(prepared.arrays()).train.targets
    assert targets.mean() == pytest.approx(0, abs=1e-6)
    assert targets.std() == pytest.approx(1, rel=1e-5)
    far = data.target.copy()
    far[SHUFFLED == "test"] = 1e9
    assert prepare(replace(data, target=far), splits()).target_scale == prepared.target_scale
    assert prepared.arrays().target_scale == prepared.target_scale[1]


def test_a_perfect_regression_predicts_the_target() -> None:
    data = people(classes=None)
    prepared = prepare(data, splits())
    outputs = prepared.arrays().val_targets[:, None]
    np.testing.assert_allclose(prepared.prediction(outputs), data.target[prepared.rows["val"]], rtol=1e-6)
    assert prepared.loss("val", outputs) == pytest.approx(0, abs=1e-12)


logits = hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e4, 1e4, width=32))


@given(logits)
def test_probabilities_are_the_softmax_and_sum_to_one(outputs: np.ndarray) -> None:
    prediction = shaped(4).prediction(outputs)
    assert prediction.dtype == np.float64
    np.testing.assert_allclose(prediction, softmax(outputs.astype(np.float64), axis=1), atol=1e-15)
    np.testing.assert_allclose(prediction.sum(axis=1), 1, rtol=1e-12)


@given(hnp.arrays(np.float32, (3, 3), elements=st.floats(-15, 15, width=32)))
def test_the_loss_is_the_cross_entropy_of_the_probabilities(outputs: np.ndarray) -> None:
    prepared = shaped(3)
    assert prepared.loss("val", outputs) == pytest.approx(
        log_loss([0, 1, 2], prepared.prediction(outputs), labels=[0, 1, 2]), rel=1e-9, abs=1e-12
    )


def test_the_loss_stays_finite_where_a_probability_is_zero() -> None:
    outputs = np.array([[0, 1e4], [1e4, 0], [0, 0]], np.float32)
    assert shaped(2).loss("val", outputs) == pytest.approx((1e4 + 1e4 + np.log(2)) / 3)


def test_a_regressions_loss_is_in_standardised_units() -> None:
    prepared, outputs = shaped(0), np.array([[0.5], [-1.0], [2.0]], np.float32)
    predicted = prepared.prediction(outputs)
    np.testing.assert_array_equal(predicted, [11.0, 8.0, 14.0])
    assert prepared.loss("test", outputs) == pytest.approx(mean_squared_error([8, 10, 12], predicted) / 2.0**2)
