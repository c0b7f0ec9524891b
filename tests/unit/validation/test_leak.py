"""What gives the target away is found in every form, and named; what is merely strong is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dataset import Dataset
from tasks.validation.copies import Sum, copies, exact_sum
from tasks.validation.finding import Finding
from tasks.validation.leak import evidence, target_leak
from tasks.validation.repeats import intraclass, repeated_id
from tasks.validation.strength import Rows, screened
from tests.datasets import made
from tests.unit.validation.test_checks import classified, measured, split, text


def leak_of(dataset: Dataset, **parameters: float) -> Finding:
    found = target_leak(dataset, split(dataset.rows), **parameters)
    assert found is not None
    return found


def assert_blocks(dataset: Dataset, *columns: str) -> None:
    found = leak_of(dataset)
    assert not found.success and found.severity is None
    assert found.remedy is not None and f"data.drop: [{', '.join(columns)}]" in found.remedy


def assert_warns(dataset: Dataset, *phrases: str) -> None:
    found = leak_of(dataset)
    assert not found.success and found.severity == "warn"
    assert all(phrase in found.message for phrase in phrases)


# --- copies


@pytest.mark.parametrize("rows", [20, 50, 200, 400])
def test_a_copy_of_the_classes_blocks_from_20_rows_on(rows: int) -> None:
    target = classified(rows).target
    for copy in (target * 1.0, 7 - 2.0 * target, text(np.where(target, "GEWONNEN", "verloren"))):
        assert_blocks(classified(rows, copy=copy), "copy")


def test_fewer_rows_are_no_proof() -> None:
    assert leak_of(classified(15, copy=classified(15).target * 1.0)).success


@pytest.mark.parametrize(
    "written",
    [
        lambda value: f"${value:,.0f}",
        lambda value: f"{value:.2f} EUR",
        lambda value: f"{value:.1f}".replace(".", ","),
        lambda value: f"about {value:.0f} (net)",
    ],
)
def test_a_copy_of_a_number_blocks_in_any_format(written) -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(100, 1000, 300) * 1000.0
    table = pd.DataFrame({"area": rng.normal(size=300), "label": text([written(value) for value in target])})
    assert_blocks(made("made", table, target, "price", None, "0"), "label")


@pytest.mark.parametrize(
    "change", [np.log, np.sqrt, lambda y: -3 * y + 2, lambda y: y**3], ids=["log", "root", "linear", "cube"]
)
def test_a_rescaled_copy_of_a_number_blocks(change) -> None:
    assert_blocks(measured(copy=change(measured().target)), "copy")


def test_codes_of_a_number_s_values_block() -> None:
    levels = np.random.default_rng(0).permutation(12)
    target = np.random.default_rng(1).integers(0, 12, 200).astype(float)
    table = pd.DataFrame({"code": text([f"level {levels[int(value)]}" for value in target])})
    assert_blocks(made("made", table.assign(x=np.arange(200) % 7 * 1.0), target, "grade", None, "0"), "code")


def test_a_column_of_other_names_is_no_copy() -> None:
    table = pd.DataFrame({"name": text([f"case {i}" for i in range(1000)])})
    assert not list(copies(table, np.random.default_rng(0).normal(size=1000), number=True))
    assert not list(copies(table, np.arange(1000) % 2, number=False))


@given(st.integers(0, 2**32 - 1))
def test_luck_is_no_copy_however_wide_the_table(seed: int) -> None:
    """Of 300 columns of coin flips on 20 rows, none is called a copy, though one may agree with a rare class."""
    rng = np.random.default_rng(seed)
    target = (np.arange(20) < 2).astype(np.int64)
    table = pd.DataFrame(rng.integers(0, 2, (20, 300)), dtype=np.float64).rename(columns=str)
    assert not list(copies(table, target, number=False))


# --- rules


def test_a_threshold_and_a_missing_value_that_make_no_error_block() -> None:
    target, noise = classified().target, np.random.default_rng(1).uniform(0.01, 1, 1000)
    assert_blocks(classified(score=np.where(target, noise, -noise)), "score")
    assert_blocks(classified(absent=np.where(target, np.nan, noise)), "absent")


def test_two_columns_that_make_no_error_together_block() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 2, (2, 1000))
    table = pd.DataFrame({"one": text(np.where(one, "x", "y")), "other": text(np.where(other, "p", "q"))})
    table["noise"] = rng.normal(size=1000)
    assert_blocks(made("made", table, one ^ other, "y", ("a", "b"), "0"), "one", "other")


def test_a_difference_that_makes_no_error_blocks() -> None:
    rng = np.random.default_rng(0)
    paid, due = rng.uniform(0, 100, (2, 1000))
    table = pd.DataFrame({"paid": paid, "due": due, "age": rng.normal(size=1000)})
    assert_blocks(made("made", table, (paid < due).astype(np.int64), "late", ("no", "yes"), "0"), "due", "paid")


def test_few_held_out_rows_without_error_only_warn() -> None:
    target, noise = classified(200).target, np.random.default_rng(1).uniform(0.01, 1, 200)
    assert_warns(classified(200, score=np.where(target, noise, -noise)), "score (100% of the errors of guessing)")


@pytest.mark.parametrize(("wrong", "warns"), [(0.02, True), (0.05, False)])
def test_nine_tenths_of_the_errors_are_warned_of(wrong: float, warns: bool) -> None:
    target = classified().target
    flipped = np.random.default_rng(1).random(1000) < wrong
    found = leak_of(classified(honest=np.where(flipped, 1 - target, target).astype(float)))
    assert (not found.success, found.severity) == (warns, "warn" if warns else None)


def test_missing_values_that_tell_the_class_are_warned_of() -> None:
    rng, target = np.random.default_rng(0), classified().target
    refund = np.where((rng.random(1000) < 0.03) ^ (target == 1), rng.normal(size=1000), np.nan)
    assert_warns(classified(refund=refund), "whether refund is missing (9")


def test_a_rare_class_is_not_given_away_by_guessing_the_common_one() -> None:
    rng = np.random.default_rng(0)
    target = (np.arange(5000) % 250 == 0).astype(np.int64)
    table = pd.DataFrame({"noise": rng.normal(size=5000), "city": text(rng.choice(list("abcdef"), 5000))})
    assert leak_of(made("rare", table, target, "y", ("a", "b"), "0")).success


def test_the_threshold_is_a_parameter() -> None:
    assert leak_of(classified()).success
    assert not leak_of(classified(), strength=0.01).success


@pytest.mark.parametrize("bundled", ["load_breast_cancer", "load_wine", "load_iris", "load_digits", "load_diabetes"])
def test_honest_public_data_are_not_blocked(bundled: str) -> None:
    import sklearn.datasets

    source = getattr(sklearn.datasets, bundled)(as_frame=True)
    classes = tuple(map(str, source.target_names)) if bundled != "load_diabetes" else None
    target = source.target.to_numpy(np.int64 if classes else np.float64)
    dataset = made(bundled, source.data, target, "y", classes, "0")
    for seed in range(3):
        found = target_leak(dataset, split(dataset.rows, seed=seed))
        assert found is not None and (found.success or found.severity == "warn")
        # One width of iris is worth 94% of the errors of guessing, which is true and worth a look.
        assert found.success or bundled == "load_iris"


def test_a_sample_of_many_rows_finds_the_leak_too() -> None:
    leaky = classified(rows=60_000, copy=classified(rows=60_000).target * 1.0)
    first, second = (leak_of(leaky) for _ in range(2))
    assert first == second
    assert (first.column, first.rows) == ("copy", 20_000)


def test_what_a_wide_table_leaves_out_is_said() -> None:
    rng = np.random.default_rng(0)
    found = leak_of(classified(**{f"noise{i}": rng.normal(size=1000) for i in range(20)}))
    assert found.observed.endswith("; pairs of the 8 strongest of 21 columns only")


# --- sums


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (lambda t: t["booked"] + t["walk_in"], {"booked + walk_in", "walk_in + booked"}),
        (lambda t: t["booked"] - t["walk_in"], {"booked - walk_in", "-walk_in + booked"}),
        (lambda t: 0.2 * t["booked"] + 3, {"0.2 * booked + 3"}),
    ],
    ids=["sum", "difference", "rescaled"],
)
def test_a_sum_without_rest_blocks_and_is_named(target, said: set[str]) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 300, (400, 3)) * 1.0, columns=["booked", "hour", "walk_in"])
    found = exact_sum(table, target(table).to_numpy(), np.arange(400) % 3 == 0)
    assert str(found) in said
    dataset = made("made", table, target(table).to_numpy(), "visitors", None, "0")
    assert not leak_of(dataset).success and leak_of(dataset).severity is None


def test_a_sum_with_a_rest_is_none() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(400, 3)), columns=list("abc"))
    target = table.sum(axis=1).to_numpy() + rng.normal(0, 1e-4, 400)
    assert exact_sum(table, target, np.arange(400) % 3 == 0) is None


@given(st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_every_linear_rule_of_few_columns_is_found(factors: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(200, 8)) * 10.0 ** rng.integers(-2, 3, 8), columns=list("abcdefgh"))
    used = list(table.columns[: len(factors)])
    found = exact_sum(table, (table[used] @ factors).to_numpy() + 7, np.arange(200) % 3 == 0)
    assert found is not None and dict(found.terms) == dict(zip(used, map(float, factors), strict=True))
    assert found.constant == pytest.approx(7, rel=1e-4) or max(abs(t) for t in found.terms[0][1:]) == 0


def test_a_sum_reads_as_it_is_written() -> None:
    assert str(Sum([("a", 1.0), ("b", -1.0), ("c", 2.5)], -3.0)) == "a - b + 2.5 * c - 3"
    assert str(Sum([("a", -1.0)], 0.0)) == "-a"


def test_the_strengths_are_those_of_the_rules() -> None:
    found = evidence(classified(), split(1000))
    assert found.strengths[0].share == max(each.share for each in found.strengths)
    assert all(0 <= each.share <= 1 for each in found.strengths)


# --- repeated ids


def customers(each: int, *, shared: float, rows: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ids of `each` rows, and a class that is the customer's own in `shared` of the rows."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(rows // each), each)
    own = rng.integers(0, 2, rows // each)[ids]
    return ids, np.where(rng.random(rows) < shared, own, rng.integers(0, 2, rows))


def with_ids(ids: object, target: np.ndarray, **more: object) -> Dataset:
    table = pd.DataFrame({"x": np.random.default_rng(1).normal(size=len(target)), **more})
    return made("made", table.assign(account=ids) if ids is not None else table, target, "churn", ("no", "yes"), "0")


@pytest.mark.parametrize("each", [2, 4, 20])
@pytest.mark.parametrize("words", [False, True], ids=["numbers", "texts"])
def test_ids_whose_rows_share_the_target_are_named(each: int, words: bool) -> None:
    ids, target = customers(each, shared=0.9)
    names = np.random.default_rng(2).permutation(100_000)[: len(ids)][ids]
    dataset = with_ids(text([f"K{name}" for name in names]) if words else names * 1.0, target)
    found = repeated_id(dataset, split(len(ids)))
    assert found is not None and not found.success and found.column == "account"
    assert found.remedy is not None and found.remedy.startswith("data.split.group: account")
    assert repeated_id(dataset, split(len(ids), group=[f"{i}" for i in ids])) is None


def test_an_id_that_is_no_input_is_looked_at_too() -> None:
    from dataclasses import replace

    ids, target = customers(4, shared=0.9)
    written = pd.DataFrame({"patient": text([f"P{i:05}" for i in ids])})
    found = repeated_id(replace(with_ids(None, target), written=written), split(len(ids)))
    assert found is not None and found.column == "patient"


def test_ids_whose_rows_share_nothing_are_not() -> None:
    for seed in range(5):
        ids, target = customers(4, shared=0.0, seed=seed)
        found = repeated_id(with_ids(ids * 1.0, target), split(len(ids)))
        assert found is not None and found.success


def test_a_quantity_is_no_id() -> None:
    """Ages repeat and share the target, but so do their neighbours."""
    rng = np.random.default_rng(0)
    age = rng.integers(18, 90, 1000)
    target = (rng.random(1000) < 1 / (1 + np.exp(-(age - 50) / 5))).astype(np.int64)
    found = repeated_id(with_ids(age * 1.0, target), split(1000))
    assert found is not None and found.success


@given(st.integers(0, 2**32 - 1))
def test_the_intraclass_correlation_is_that_of_the_analysis_of_variance(seed: int) -> None:
    """Of equal groups: (F - 1) / (F - 1 + size)."""
    from scipy.stats import f_oneway

    rng = np.random.default_rng(seed)
    values = rng.normal(size=(12, 5)) + rng.normal(size=(12, 1))
    f = f_oneway(*values).statistic
    found = intraclass(np.repeat(np.arange(12), 5), values.reshape(-1, 1))
    assert found == pytest.approx((f - 1) / (f - 1 + 5))


@pytest.mark.parametrize("classes", [True, False])
def test_of_many_numbers_those_that_tell_most_are_looked_at(classes: bool) -> None:
    """A rule that is no straight line, and whether there is a value, among numbers that say nothing."""
    rng = np.random.default_rng(0)
    inputs = pd.DataFrame(rng.normal(size=(400, 300))).rename(columns=lambda place: f"x{place}")
    target = (inputs["x7"].abs() > 0.7).astype(int) if classes else np.square(inputs["x7"]) + 0.0
    inputs.loc[(target if classes else inputs["x9"]) > 0.5, "x200"] = np.nan
    rows = Rows(target.to_numpy(), np.arange(400) >= 250, 2 if classes else None)
    found = screened(inputs, rows, 10)
    assert "x7" in found and ("x200" in found or not classes)
    assert found == [name for name in inputs.columns if name in found]


def test_a_leak_in_a_very_wide_table_is_found() -> None:
    rng = np.random.default_rng(0)
    inputs = pd.DataFrame(rng.normal(size=(300, 1500))).rename(columns=lambda place: f"x{place}")
    target = (inputs["x777"].abs() > 0.7).astype(int)
    found = leak_of(made("made", inputs, target.to_numpy(np.int64), "sold", ("no", "yes"), "0"))
    assert not found.success and "x777" in found.message and "of 1,500 numbers the 1,000 likeliest" in found.observed
