import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import BadInput
from tasks.preprocessing.tables import (
    CATEGORIES,
    MAX_CATEGORIES,
    NUMBERS,
    UNSCALED,
    feature_names,
    fit_image_preprocessor,
    fit_preprocessor,
    input_name,
    learn_columns,
    preprocess,
    raw_inputs,
    target_scale,
)

models = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def passengers() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sex": ["male", "female", "female", None, "male"],
            "age": [22.0, np.nan, 26.0, 35.0, 35.0],
            "fare (£)": [7.25, 71.28, 7.92, 53.1, 8.05],
            "alone": [1.0, 0.0, 0.0, 1.0, 1.0],
        }
    )


def transformed(train: pd.DataFrame, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    features = preprocess(fit_preprocessor(train), train if rows is None else rows)
    return pd.DataFrame(features, columns=feature_names(train))


def test_the_features_are_named_in_order():
    assert feature_names(passengers()) == [
        "age", "alone", "fare (£)", "age is missing",
        "sex = (other or missing)", "sex = female", "sex = male",
    ]  # fmt: skip


def test_equals_scikit_learn_on_numbers_and_categories():
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"a": rng.lognormal(size=200), "b": rng.normal(1e4, 3, 200), "c": rng.choice(list("xyz"), 200)}
    )
    table.loc[::7, "a"] = np.nan
    train, rest = table[:120], table[120:]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(train[["a", "b"]])
    categories = OneHotEncoder(sparse_output=False).fit(train[["c"]])

    features = transformed(train, rest)

    assert features.to_numpy().dtype == np.float32
    np.testing.assert_allclose(features[["a", "b"]], numbers.transform(rest[["a", "b"]]), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(features["a is missing"], rest["a"].isna())
    np.testing.assert_array_equal(features[["c = x", "c = y", "c = z"]], categories.transform(rest[["c"]]))


def test_a_table_of_categories_alone_gives_float32_too():
    table = pd.DataFrame({"c": list("xyxy"), "d": list("uuvv")})
    features = transformed(table, table)
    assert features.to_numpy().dtype == np.float32
    np.testing.assert_array_equal(features[["c = x", "d = v"]], [[1, 0], [0, 0], [1, 1], [0, 1]])


def test_a_value_unknown_missing_or_empty_goes_to_the_bucket():
    values: list[str | None] = ["other", None, "", "[UNK]", "male"]
    rows = passengers().assign(sex=values)
    one_hot = transformed(passengers(), rows).filter(like="sex =")
    assert one_hot.to_numpy().tolist() == [[1, 0, 0]] * 4 + [[0, 0, 1]]


def test_a_value_missing_only_in_new_rows_takes_the_training_median():
    train = pd.DataFrame({"x": [0.0, 1.0, 5.0]})
    assert transformed(train, pd.DataFrame({"x": [np.nan]})).equals(transformed(train, pd.DataFrame({"x": [1.0]})))
    assert feature_names(train) == ["x"]


def test_a_large_offset_keeps_its_digits():
    seconds = 1.7e9 + np.arange(100.0)
    expected = (np.arange(100) - 49.5) / np.arange(100).std()
    np.testing.assert_allclose(transformed(pd.DataFrame({"t": seconds}))["t"], expected, rtol=1e-6)


@pytest.mark.parametrize("values", [[3.0, 3.0], [0.1 + 0.2, 0.3], [np.nan, np.nan], [1e-320, 2e-320]])
def test_a_column_that_is_constant_in_training_is_zero_everywhere(values):
    train = pd.DataFrame({"x": values, "y": [0.0, 1.0]})
    assert transformed(train, train.assign(x=[7.0, np.nan]))["x"].tolist() == [0, 0]


def test_a_category_column_without_any_value_has_no_feature():
    train = pd.DataFrame({"empty": [None, None], "y": [0.0, 1.0]}).astype({"empty": object})
    assert transformed(train, train.assign(empty="new")).columns.tolist() == ["y"]
    with pytest.raises(BadInput, match="no column holds a value"):
        fit_preprocessor(train[["empty"]])


def test_too_many_categories_are_refused_by_name():
    table = pd.DataFrame({"id": [f"p{i}" for i in range(MAX_CATEGORIES + 1)]})
    with pytest.raises(BadInput, match=r"column id: has too many categories\n  got: +1,001 different values"):
        fit_preprocessor(table)
    assert len(feature_names(table[1:])) == MAX_CATEGORIES + 1
    said = r"columns id, key: have too many categories\n  got: +id: 1,001, key: 1,001 different values"
    with pytest.raises(BadInput, match=said):
        fit_preprocessor(table.assign(key=table["id"], few="x"))


def test_text_that_ends_with_nul_is_refused():
    with pytest.raises(BadInput, match="column c: holds text that ends with a NUL"):
        fit_preprocessor(pd.DataFrame({"c": ["a", "a\0"]}))


def test_only_the_columns_names_decide_not_their_order():
    shuffled = passengers()[["alone", "fare (£)", "sex", "age"]]
    np.testing.assert_array_equal(transformed(passengers()), transformed(shuffled))
    preprocessor = fit_preprocessor(passengers())
    np.testing.assert_array_equal(preprocess(preprocessor, passengers()), preprocess(preprocessor, shuffled))


def test_columns_that_the_preprocessor_does_not_know_are_ignored():
    preprocessor = fit_preprocessor(passengers())
    cabins: list[str | None] = ["C85", None, None, "E46", "B1"]
    more = passengers().assign(cabin=cabins)
    np.testing.assert_array_equal(preprocess(preprocessor, more), preprocess(preprocessor, passengers()))


def test_the_batch_does_not_matter():
    preprocessor = fit_preprocessor(passengers())
    np.testing.assert_array_equal(
        preprocess(preprocessor, passengers(), batch=2), preprocess(preprocessor, passengers())
    )


# "cast", "where" and the dotted names are names of operations and layers inside the model.
AWKWARD = ["a b", "a/b", "a_b", "a.b", "größe", "身長", "", "_", "cast", "where", "concatenate",
           "preprocess.join", "image", "Image", "1st", "x" * 300]  # fmt: skip


def test_awkward_column_names_stay_apart():
    assert len({input_name(name) for name in AWKWARD}) == len(AWKWARD)
    assert input_name("age") == "age"
    numbers = pd.DataFrame({name: [0.0, float(i + 1)] for i, name in enumerate(AWKWARD)})
    texts = pd.DataFrame({name: ["x", f"{i}"] for i, name in enumerate(AWKWARD)})
    assert transformed(numbers).shape == (2, len(AWKWARD))
    assert transformed(texts).shape == (2, 3 * len(AWKWARD))


def test_a_saved_preprocessor_is_read_without_this_project(tmp_path):
    preprocessor = fit_preprocessor(passengers().assign(note=["a\nb", "[UNK]", "'\"", " ", "日本"]))
    rows = passengers().assign(note=["a\nb", "[UNK]", "'\"", " ", "日本"])
    preprocessor.save(tmp_path / "preprocessor.keras")
    np.savez(tmp_path / "inputs.npz", **raw_inputs(rows))
    program = (
        "import keras, numpy as np\n"
        "model = keras.saving.load_model('preprocessor.keras', safe_mode=True)\n"
        "inputs = dict(np.load('inputs.npz', allow_pickle=True))\n"
        "np.save('features.npy', keras.ops.convert_to_numpy(model(inputs)))\n"
    )
    subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "features.npy"), preprocess(preprocessor, rows))


numbers = st.floats(allow_nan=True, allow_infinity=False) | st.sampled_from([0.0, 1.0, 1e9, 1.7e308, 5e-324])


@models
@given(train=st.lists(numbers, min_size=1, max_size=6), new=st.lists(st.floats(), min_size=1, max_size=6))
def test_whatever_comes_in_finite_features_come_out(train, new):
    train, new = pd.DataFrame({"x": train}), pd.DataFrame({"x": new})
    preprocessor = fit_preprocessor(train)
    assert np.isfinite(preprocess(preprocessor, train)).all()
    assert np.isfinite(preprocess(preprocessor, new)).all()


words = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=4)


@models
@given(train=st.lists(words, min_size=1, max_size=6), new=st.lists(words, min_size=1, max_size=6))
def test_every_category_is_in_exactly_one_bucket(train, new):
    frame = pd.DataFrame({"c": pd.Series(train, dtype=object), "y": 0.0})
    known = sorted({word for word in train if word})
    features = transformed(frame, pd.DataFrame({"c": pd.Series(new, dtype=object), "y": 0.0})).filter(like="c =")
    if known:
        expected = [known.index(word) + 1 if word in known else 0 for word in new]
        assert (features.to_numpy().sum(axis=1) == 1).all()
        assert features.to_numpy().argmax(axis=1).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(5)), st.floats(-1e6, 1e6))
def test_only_training_rows_decide(order, value):
    """What is learned from the first rows is blind to the others, and to the order of the rows."""
    table = pd.concat([passengers(), passengers().assign(age=value, sex="other")], ignore_index=True)
    assert feature_names(table.iloc[order]) == feature_names(passengers())
    (_, found), (_, wanted) = learn_columns(table.iloc[order])[0], learn_columns(passengers())[0]
    for learned, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(
            [learned.median, learned.mean, learned.scale],
            [expected.median, expected.mean, expected.scale],
            rtol=1e-12,
        )


@pytest.mark.parametrize(("dtype", "maximum"), [("uint8", 255), ("float32", 16)])
def test_images_are_divided_by_the_training_maximum(dtype, maximum):
    images = np.arange(maximum + 1).astype(dtype).reshape(-1, 1, 1, 1).repeat(6, axis=1)
    scaled = preprocess(fit_image_preprocessor(images), images)
    assert scaled.shape == (maximum + 1, 6, 1, 1)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[:, 0, 0, 0], np.arange(maximum + 1) / maximum, rtol=1e-6)
    assert (scaled.min(), scaled.max()) == (0, 1)


def test_black_images_stay_black():
    images = np.zeros((2, 3, 3, 1), np.uint8)
    assert not preprocess(fit_image_preprocessor(images), images).any()


def test_the_target_is_scaled_by_mean_and_deviation():
    assert target_scale(np.array([1.0, 3.0])) == (2.0, 1.0)
    assert target_scale(np.array([0.1, 0.1, 0.1]))[1] == 1.0


def test_an_unscaled_number_stays_as_it_is_but_for_what_is_missing_or_beyond_all_bounds():
    train = pd.DataFrame({"a": [1.0, 2.0, np.nan, 6.0], "raw": [3e6, np.nan, -1.0, 0.25], "b": list("xyxy")})
    kinds = [(NUMBERS, ["a"]), (UNSCALED, ["raw"]), (CATEGORIES, ["b"])]
    model = fit_preprocessor(train, kinds)
    assert feature_names(train, kinds)[:4] == ["a", "a is missing", "raw", "raw is missing"]
    rows = train.assign(raw=[3e6, np.nan, -np.inf, 0.25])
    features = preprocess(model, rows)
    np.testing.assert_array_equal(features[:, 2], np.float32([3e6, 0.25, -3e6, 0.25]))
    np.testing.assert_array_equal(features[:, 3], [0, 1, 0, 0])
    alone = preprocess(fit_preprocessor(train[["a", "b"]]), train)
    np.testing.assert_array_equal(features[:, [0, 1, 4, 5, 6]], alone)
