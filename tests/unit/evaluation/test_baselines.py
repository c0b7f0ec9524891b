import json
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.augmentation.imbalance import class_weights
from tasks.evaluation import baselines as module
from tasks.evaluation.baselines import Constant, fit_baselines, of_spectrograms, of_texts

PARTS = {"train": np.arange(0, 200), "val": np.arange(200, 250), "test": np.arange(250, 300)}


def data(seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """Features, and the raw table they stand for: a number with gaps, and a category."""
    rng = np.random.default_rng(seed)
    number, city = rng.normal(size=300), rng.choice(["a", "b", "c"], 300)
    features = np.column_stack([number, city == "a", city == "b", city == "c"]).astype(np.float32)
    table = pd.DataFrame({"number": np.where(rng.random(300) < 0.1, np.nan, number), "city": city})
    table.loc[:9, "city"] = None
    return features, table


def three_classes(features: np.ndarray) -> np.ndarray:
    return (features[:, 0] > 0).astype(np.int64) + features[:, 1].astype(np.int64)


def by_name(found: list) -> dict:
    return {baseline.name: baseline for baseline in found}


def test_classification_equals_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    features, table = data()
    target = three_classes(features)
    found = by_name(fit_baselines(features, target, PARTS, classes=("x", "y", "z"), table=table))

    assert list(found) == ["majority class", "logistic regression", "gradient boosting"]
    shares = np.bincount(target[:200]) / 200
    np.testing.assert_array_equal(found["majority class"].val, np.tile(shares, (50, 1)))
    reference = LogisticRegression().fit(features[:200], target[:200])
    np.testing.assert_allclose(found["logistic regression"].test, reference.predict_proba(features[250:]), atol=1e-6)
    for baseline in found.values():
        assert baseline.val.shape == baseline.test.shape == (50, 3)
        np.testing.assert_allclose(baseline.val.sum(axis=1), 1, atol=1e-6)
        assert baseline.seconds >= 0
        json.dumps(baseline.params, allow_nan=False)
    accuracy = {name: (baseline.test.argmax(axis=1) == target[250:]).mean() for name, baseline in found.items()}
    assert accuracy["majority class"] < 0.7 < accuracy["logistic regression"]
    assert accuracy["gradient boosting"] > 0.8


def test_class_weights_are_scikit_learn_s_balanced():
    from sklearn.linear_model import LogisticRegression

    features, table = data()
    target = (features[:, 0] > 1).astype(np.int64)
    weights = class_weights(target[:200], 2)
    found = by_name(fit_baselines(features, target, PARTS, classes=("x", "y"), table=table, class_weights=weights))
    reference = LogisticRegression(class_weight="balanced").fit(features[:200], target[:200])
    np.testing.assert_allclose(found["logistic regression"].test, reference.predict_proba(features[250:]), atol=1e-4)
    assert found["majority class"].note is None
    for name in ("logistic regression", "gradient boosting"):
        assert "with class weights" in found[name].note


def test_regression_equals_the_least_squares():
    features, table = data()
    target = 3000 + 40.0 * features[:, 0] - 7 * features[:, 2]
    found = by_name(fit_baselines(features, target, PARTS, classes=None, table=table))
    assert list(found) == ["mean", "linear regression", "gradient boosting"]
    np.testing.assert_allclose(found["mean"].test, np.full(50, target[:200].mean()))
    np.testing.assert_allclose(found["linear regression"].val, target[200:250], rtol=1e-6)
    assert found["gradient boosting"].val.shape == (50,)


def test_a_class_absent_from_the_training_part_gets_no_probability():
    features, table = data()
    target = three_classes(features)
    target[target == 1] = 0
    target[-5:] = 1
    for baseline in fit_baselines(features, target, PARTS, classes=("x", "y", "z"), table=table):
        assert baseline.test.shape == (50, 3)
        assert not baseline.test[:, 1].any()
        np.testing.assert_allclose(baseline.test.sum(axis=1), 1, atol=1e-6)


def test_one_class_in_training_leaves_the_constant_alone():
    features, table = data()
    found = fit_baselines(features, np.ones(300, np.int64), PARTS, classes=("x", "y"), table=table)
    assert [baseline.name for baseline in found] == ["majority class"]
    assert found[0].test.tolist() == [[0.0, 1.0]] * 50


def test_only_training_rows_decide():
    features, table = data()
    target = three_classes(features)
    changed = target.copy()
    changed[200:] = 0
    for one, other in zip(
        fit_baselines(features, target, PARTS, classes=("x", "y", "z"), table=table),
        fit_baselines(features, changed, PARTS, classes=("x", "y", "z"), table=table),
        strict=True,
    ):
        np.testing.assert_array_equal(one.test, other.test)


def test_images_have_no_boosting_and_are_flattened():
    features, _ = data()
    found = fit_baselines(features.reshape(300, 2, 2, 1), three_classes(features), PARTS, classes=("x", "y", "z"))
    assert [baseline.name for baseline in found] == ["majority class", "logistic regression"]


def test_boosting_takes_values_unseen_rare_missing_and_infinite():
    rng = np.random.default_rng(0)
    many = np.array([f"v{i:03}" for i in rng.integers(0, 400, 300)], object)
    many[::11] = None
    table = pd.DataFrame(
        {
            "many": many,
            "empty": pd.Series([None] * 300, dtype=object),
            "number": np.where(rng.random(300) < 0.1, np.inf, rng.normal(size=300)),
            "void": np.nan,
        }
    )
    features, _ = data()
    found = by_name(fit_baselines(features, features[:, 0].astype(float), PARTS, classes=None, table=table))
    assert np.isfinite(found["gradient boosting"].test).all()


def test_a_fit_that_is_cut_short_says_so_and_prints_nothing(monkeypatch, capfd):
    monkeypatch.setattr(module, "_LOGISTIC_ITERATIONS", 2)
    monkeypatch.setattr(module, "_LOGISTIC_PRODUCTS", 4 * 3 * 100)
    features, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = by_name(fit_baselines(features, three_classes(features), PARTS, classes=("x", "y", "z")))
    assert found["logistic regression"].note == (
        "trained on a random 100 of 200 training rows; not converged after 2 iterations"
    )
    assert found["majority class"].note is None
    assert capfd.readouterr() == ("", "")


def test_a_sample_holds_every_class_and_repeats(monkeypatch):
    monkeypatch.setattr(module, "_LOGISTIC_PRODUCTS", 4 * 3 * 10)
    features, _ = data()
    target = np.zeros(300, np.int64)
    target[[3, 150]] = 1, 2
    one, other = (
        by_name(fit_baselines(features, target, PARTS, classes=("x", "y", "z"), seed=7))["logistic regression"]
        for _ in range(2)
    )
    assert (one.test > 0).all()
    np.testing.assert_array_equal(one.test, other.test)


def test_boosting_of_many_rows_with_a_class_of_one_row_works():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=12_000)})
    target = (table["x"].to_numpy() > 0).astype(np.int64)
    target[0] = 2
    parts = {"train": np.arange(11_000), "val": np.arange(11_000, 11_500), "test": np.arange(11_500, 12_000)}
    features = table.to_numpy(np.float32)
    found = by_name(fit_baselines(features, target, parts, classes=("x", "y", "z"), table=table))
    assert (found["gradient boosting"].test.argmax(axis=1) == target[11_500:]).mean() > 0.99


@given(st.lists(st.integers(0, 3), min_size=1), st.lists(st.integers(0, 3), min_size=1))
def test_the_constant_loss_of_classes_is_the_shares_cross_entropy(train, val):
    loss = Constant.of(np.array(train), np.array(val), ("a", "b", "c", "d")).loss
    shares = [max(train.count(k) / len(train), 1e-7) for k in range(4)]
    assert loss == pytest.approx(-np.mean([np.log(shares[k]) for k in val]))
    assert np.isfinite(loss)


def test_the_constant_loss_of_a_regression_is_in_units_of_the_standardised_target():
    train = np.array([10.0, 20.0, 30.0])
    assert Constant.of(train, train, None).loss == pytest.approx(1.0)
    assert Constant.of(train, np.array([20 + np.sqrt(200 / 3) * 2]), None).loss == pytest.approx(4.0)


def test_texts_get_a_linear_model_of_their_tfidf():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    words = np.array([["see", "you", "home"], ["win", "cash", "now"]])
    target = np.arange(300) % 2
    texts = pd.Series([" ".join(rng.choice(words[label], 4)) + f" {rng.integers(9)}" for label in target], name="text")
    features = np.zeros((300, 3), np.int32)
    options = {"classes": ("ham", "spam"), "rivals": of_texts, "table": texts.to_frame()}
    found = by_name(fit_baselines(features, target, PARTS, **options))
    assert list(found) == ["majority class", "TF-IDF, logistic regression"]
    reference = TfidfVectorizer(token_pattern=r"\S+", sublinear_tf=True).fit(texts[:200])
    model = LogisticRegression(C=10).fit(reference.transform(texts[:200]), target[:200])
    expected = model.predict_proba(reference.transform(texts[250:]))
    np.testing.assert_allclose(found["TF-IDF, logistic regression"].test, expected, atol=1e-4)

    options |= {"classes": None, "rivals": partial(of_texts, tokens="trigrams")}
    numbers = by_name(fit_baselines(features, 10.0 * target, PARTS, **options))
    assert list(numbers) == ["mean", "TF-IDF, ridge regression"]
    assert np.abs(numbers["TF-IDF, ridge regression"].test - 10.0 * target[250:]).max() < 2


def test_sounds_get_a_linear_model_of_each_bands_mean_and_deviation():
    rng = np.random.default_rng(0)
    target = np.arange(300) % 2
    spectra = rng.normal(size=(300, 20, 5, 1)) * (1 + 2 * target[:, None, None, None])  # told by the deviation alone
    options = {"classes": ("soft", "loud"), "rivals": of_spectrograms}
    found = by_name(fit_baselines(spectra.astype(np.float32), target, PARTS, **options))
    answer = found["log-mel statistics, logistic regression"]
    assert (answer.test.argmax(axis=1) == target[250:]).all()
