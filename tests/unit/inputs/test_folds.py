"""Cross-validation: how folds are drawn, what each learns from, and that a stack of folds trains each as if alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.augmentation.imbalance import resampled_rows
from tasks.dataset import Dataset, Streamed
from tasks.datasets.splits import fold_rows, split_rows
from tasks.errors import BadInput
from tasks.execution import runner
from tasks.inputs.prepared import Prepared, prepare_folds
from tasks.planning.cost_model import AS_MODELLED
from tasks.planning.groups import RowCounts
from tasks.planning.jobs import Job
from tasks.planning.plan import lay_out
from tasks.planning.stacks import PlanContext
from tasks.records.plan import Plan, PlannedTrial
from tasks.records.tables import METRICS, SPLITS, TRIALS
from tasks.spec.data import Split
from tasks.spec.load import parse_spec
from tasks.training.feed import Resident
from tasks.training.fit import train_fit
from tasks.training.models import MODELS, Penalties
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Trial
from tests.datasets import made, with_images
from tests.small_trials import assert_same, trial_of
from tests.unit.datasets.test_splits import classes_of, steered_by

LEFT = -1


def folds_of(dataset: Dataset, folds: int, **split: object) -> tuple[np.ndarray, np.ndarray]:
    """Each row's part and fold, -1 for null."""
    splits = split_rows(dataset, Split(**split))
    frame = fold_rows(dataset, splits, folds, Split(**split))
    pd.testing.assert_frame_equal(frame.drop(columns="fold"), splits.drop(columns="fold"))
    assert list(frame.columns) == [*SPLITS.columns, "schema_version"]
    part, fold = frame["part"].to_numpy(str), frame["fold"].fillna(LEFT).to_numpy(int)
    assert set(fold) - {LEFT} == set(range(folds)), "each fold validates something"
    assert (fold[part == "test"] == LEFT).all()
    return part, fold


def sizes(fold: np.ndarray) -> list[int]:
    return list(Counter(fold[fold != LEFT].tolist()).values())


# --- how folds are drawn ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(8, 40), min_size=2, max_size=5), st.integers(2, 6), st.integers(0, 3))
def test_stratified_folds_are_equal_and_have_the_classes_shares(counts: list[int], folds: int, seed: int) -> None:
    target = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    dataset = classes_of(target)
    assume(
        all((target[split_rows(dataset, Split(seed=seed))["part"] != "test"] == c).sum() >= folds for c in set(target))
    )
    part, fold = folds_of(dataset, folds, seed=seed)
    learnable = part != "test"
    assert len(set(sizes(fold))) == 1
    assert (fold[learnable] == LEFT).sum() == learnable.sum() % folds
    for label in set(target):
        own = fold[learnable & (target == label)]
        of_class = [(own == number).sum() for number in range(folds)]
        assert max(of_class) - min(of_class) <= 1
        assert min(of_class) >= 1, "each class is validated in each fold"


@given(st.integers(20, 200), st.integers(2, 10), st.integers(0, 3))
def test_random_folds_are_equal(rows: int, folds: int, seed: int) -> None:
    part, fold = folds_of(classes_of(np.arange(rows) % 2), folds, seed=seed, stratify=False)
    learnable = part != "test"
    assert set(sizes(fold)) == {learnable.sum() // folds}


def test_a_rare_class_is_never_what_is_left_over() -> None:
    """101 and 6 rows to learn from and 4 folds: the rows too many are of the large class."""
    target = np.array([0] * 121 + [1] * 6)
    part = np.array(["train"] * 101 + ["test"] * 20 + ["train"] * 6)
    splits = SPLITS.frame(pd.DataFrame({"row": np.arange(127), "part": part}))
    fold = fold_rows(classes_of(target), splits, 4, Split())["fold"]
    assert fold[target == 1].notna().all()
    assert fold[part == "train"].isna().sum() == 107 % 4


@given(st.lists(st.integers(0, 12), min_size=30, max_size=120), st.integers(2, 5), st.integers(0, 3))
def test_groups_stay_whole_and_folds_even(groups: list[int], folds: int, seed: int) -> None:
    names = np.array([f"g{group}" for group in groups])
    assume(len(set(groups)) >= 10)
    dataset = steered_by(g=names.tolist())
    part, fold = folds_of(dataset, folds, group="g", seed=seed)
    for name in set(names):
        assert len(set(fold[names == name])) == 1
    learnable = part != "test"
    largest = max(Counter(names[learnable].tolist()).values())
    assert max(sizes(fold)) - min(sizes(fold)) <= largest
    left = (fold[learnable] == LEFT).sum()
    assert left < folds
    assert left == 0 or len(set(sizes(fold))) == 1, "rows are left over only where that makes folds equal"
    order = np.random.default_rng(seed).permutation(len(groups))
    _, shuffled = folds_of(steered_by(g=names[order].tolist()), folds, group="g", seed=seed)
    assert shuffled.tolist() == fold[order].tolist(), "the rows' order does not matter"


def test_copies_among_lone_rows_leave_folds_equal() -> None:
    """As with messages of which some occur twice: 83 groups of 90 rows, and most of them train."""
    names = [f"{i}" for i in range(83)] + [f"{i}" for i in range(7)]
    dataset = replace(steered_by(g=names), group="g")
    part, fold = folds_of(dataset, 4)
    assert set(sizes(fold)) == {(part != "test").sum() // 4}


@given(st.lists(st.integers(0, 40), min_size=12, max_size=80), st.integers(2, 5))
def test_in_time_a_fold_comes_after_all_that_it_trains_on(times: list[int], folds: int) -> None:
    dataset, values = steered_by(t=[str(time) for time in times]), np.array(times)
    assume(len(set(times)) >= 3)
    part = split_rows(dataset, Split(time="t"))["part"].to_numpy(str)
    assume(len(set(values[part != "test"])) > folds)
    part, fold = folds_of(dataset, folds, time="t")
    learnable = part != "test"
    for number in range(folds):
        earlier = values[learnable & (fold < number)]
        assert len(earlier) and earlier.max() < values[fold == number].min()
    assert (fold[learnable] == LEFT).any(), "the first block is validated in none"


def test_blocks_in_time_are_even_without_ties() -> None:
    part, fold = folds_of(steered_by(t=[str(i) for i in range(125)]), 4, time="t")
    assert fold[part != "test"].tolist() == np.repeat([LEFT, 0, 1, 2, 3], 20).tolist()


@pytest.mark.parametrize("way", [{}, {"stratify": False}, {"group": "g"}])
def test_seeds_decide_folds(way: dict[str, Any]) -> None:
    dataset = steered_by(g=[str(i // 2) for i in range(100)])
    splits = split_rows(dataset, Split(**way))
    folds = [fold_rows(dataset, splits, 4, Split(seed=seed, **way))["fold"].tolist() for seed in (0, 0, 1)]
    assert folds[0] == folds[1] != folds[2]


DAYS = {"t": [str(i // 20) for i in range(100)]}


@pytest.mark.parametrize(
    ("dataset", "folds", "split", "message"),
    [
        (
            classes_of([0] * 60 + [1] * 6),
            6,
            {},
            "more folds than rows in a class\n  got:      6 folds, 5 rows of class 1",
        ),
        (classes_of([0, 1] * 8), 20, {"stratify": False}, "more folds than rows\n  got:      20 folds, 13 rows"),
        (
            steered_by(g=[str(i // 20) for i in range(100)]),
            5,
            {"group": "g"},
            "more folds than groups\n  got:      5 f",
        ),
        (steered_by(**DAYS), 4, {"time": "t"}, "more folds than times\n  got:      4 folds, 4 distinct times"),
    ],
    ids=["class", "rows", "groups", "times"],
)
def test_too_many_folds_are_refused(dataset: Dataset, folds: int, split: dict[str, Any], message: str) -> None:
    splits = split_rows(dataset, Split(**split))
    with pytest.raises(BadInput) as caught:
        fold_rows(dataset, splits, folds, Split(**split))
    assert caught.value.message().startswith(f"tune.folds: {message}")
    assert "remedy:   use fewer folds" in caught.value.message()


def test_streamed_data_are_not_cross_validated(tmp_path: Path) -> None:
    dataset = classes_of(np.arange(40) % 2)
    streamed = replace(dataset, streamed=Streamed(None, np.arange(40), tmp_path))
    with pytest.raises(BadInput, match="streamed data are not cross-validated"):
        fold_rows(streamed, split_rows(dataset, Split()), 2, Split())


# --- what a fold learns from -----------------------------------------------------------------------------------

ROWS = 62


def people(classes: tuple[str, ...] | None = ("no", "yes")) -> Dataset:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(40, 10, ROWS), "city": rng.choice(["Oslo", "Rome"], ROWS)})
    target = np.arange(ROWS) % 2 if classes else rng.normal(3000, 500, ROWS)
    return made("people", table, target, "answer", classes, "digest")


def folded(dataset: Dataset, folds: int = 3, **split: object) -> pd.DataFrame:
    way = Split(**split)
    return fold_rows(dataset, split_rows(dataset, way), folds, way)


def test_folds_train_on_all_that_they_do_not_validate_but_the_test_part() -> None:
    dataset = people()
    splits = folded(dataset)
    prepared = prepare_folds(dataset, splits)
    learnable = np.flatnonzero(splits["part"] != "test")
    assert list(prepared) == [0, 1, 2]
    for number, fold in prepared.items():
        assert set(fold.rows) == {"train", "val"} == set(fold.arrays().to_score)
        np.testing.assert_array_equal(fold.rows["val"], np.flatnonzero((splits["fold"] == number).fillna(False)))
        np.testing.assert_array_equal(np.sort(np.concatenate(list(fold.rows.values()))), learnable)
    assert len({len(fold.rows["train"]) for fold in prepared.values()}) == 1


def test_folds_in_time_train_on_what_comes_before_only() -> None:
    times = pd.DataFrame({"t": np.random.default_rng(2).permutation(ROWS).astype(str)})
    dataset = replace(people(), extras=times)
    for fold in prepare_folds(dataset, folded(dataset, time="t"), forward=True).values():
        before, then = (times["t"].astype(int).to_numpy()[fold.rows[part]] for part in ("train", "val"))
        assert before.max() < then.min()


@pytest.mark.parametrize("classes", [("no", "yes"), None])
def test_a_fold_learns_nothing_from_what_it_validates(classes: tuple[str, ...] | None) -> None:
    dataset = people(classes)
    splits = folded(dataset)
    plain = prepare_folds(dataset, splits)
    for number, fold in plain.items():
        table, target = dataset.table.copy(), dataset.target.copy()
        hidden = np.setdiff1d(np.arange(ROWS), fold.rows["train"])
        table.loc[hidden, "age"], table.loc[hidden, "city"] = 1e6, "Paris"
        target = target if classes else np.where(np.isin(np.arange(ROWS), hidden), 1e9, target)
        spoilt = prepare_folds(replace(dataset, table=table, target=target), splits)[number]
        train = fold.rows["train"]
        np.testing.assert_array_equal(spoilt.features[train], fold.features[train])
        assert spoilt.target_scale == fold.target_scale
        np.testing.assert_array_equal(spoilt.features[fold.rows["val"], 0] > 1000, True)


def test_folds_of_images_share_their_memory() -> None:
    images = np.random.default_rng(0).integers(0, 255, (ROWS, 4, 4, 1), np.uint8)
    images[:, 0, 0] = 255
    dataset = with_images(replace(people(), table=pd.DataFrame(index=range(ROWS))), images)
    first, *others = prepare_folds(dataset, folded(dataset)).values()
    assert all(each.features is first.features for each in others)


# --- a stack of folds ------------------------------------------------------------------------------------------


def folds_arrays(shape: tuple[int, ...], classes: int | None = 3, folds: int = 3) -> dict[int | None, Arrays]:
    """Folds with rows, standardisation and class weights of their own; batches of 16 leave a partial one."""
    rng = np.random.default_rng(0)
    made: dict[int | None, Arrays] = {}
    for fold in range(folds):
        inputs = rng.normal(size=(61, *shape)).astype("float32")
        scores = inputs.reshape(61, -1)[:, :3] + rng.normal(size=(61, 3))
        targets = scores.argmax(1) if classes else scores[:, 0].astype("float32")
        made[fold] = Arrays(
            Resident(inputs[:40], targets[:40]),
            inputs[40:],
            targets[40:],
            classes,
            target_scale=2.0 + fold,
            class_weights=rng.uniform(0.5, 2, classes) if classes else None,
            to_score={"train": inputs[:40], "val": inputs[40:]},
        )
    return made


NETWORKS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "mlp, dropout": ((5,), {"penalties": Penalties(dropout=0.3), "class_weights": True}),
    "mlp, batch normalisation": ((70,), {"architecture": MODELS["mlp"](hidden=[8], batch_normalisation=True)}),
    "cnn": ((6, 6, 1), {"architecture": MODELS["cnn"](filters=[3], hidden=[4]), "penalties": Penalties(dropout=0.2)}),
}


def in_folds(name: str, folds: int = 3, **changes: Any) -> list[Trial]:
    trials = [trial_of(name, seed=seed, batch_size=16, epochs=3, **changes) for seed in (0, 1)]
    return [
        replace(trial, fold=fold, trial_id=f"{trial.trial_id}-{fold}")
        for fold in reversed(range(folds))
        for trial in trials
    ]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_trial_among_folds_is_the_trial_alone_on_its_fold(network: str) -> None:
    """float64. Two seeds times three folds are six replicas, in whatever order they come."""
    shape, changes = NETWORKS[network]
    arrays = folds_arrays(shape)
    trials = [*in_folds("adam", **changes), *in_folds("sgd", **changes)]
    together = train_stack(trials, arrays, dtype="float64", xla=False)
    assert [outcome.trial for outcome in together] == trials
    for chosen in (3, 11):
        fold = trials[chosen].fold
        lone = replace(trials[chosen], fold=None)
        (alone,) = train_stack([lone], arrays[fold], dtype="float64", xla=False)
        assert_same(together[chosen], alone, 1e-9)
        for part in ("train", "val"):
            np.testing.assert_allclose(together[chosen].outputs[part], alone.outputs[part], rtol=1e-6, atol=1e-9)
    weights = [outcome.weights[0] for outcome in together]
    assert all(np.abs(weights[0] - other).max() > 1e-3 for other in weights[1:])


def test_folds_of_a_regression_have_their_own_units() -> None:
    arrays, trials = folds_arrays((5,), classes=None), in_folds("adam", folds=2)[::2]
    for ours, theirs in zip(train_stack(trials, arrays), train_fit(trials, arrays), strict=True):
        assert_same(ours, theirs, 2e-5)


def test_folds_of_unequal_rows_are_refused() -> None:
    arrays = folds_arrays((5,))
    shorter = replace(arrays[0], val_inputs=arrays[0].val_inputs[:5], val_targets=arrays[0].val_targets[:5])
    with pytest.raises(ValueError, match="equally many rows"):
        train_stack(in_folds("adam"), {**arrays, 1: shorter})
    with pytest.raises(ValueError, match="every variant under every seed and fold"):
        train_stack([*in_folds("adam"), *in_folds("sgd")[1:]], arrays)


# --- from plan to records --------------------------------------------------------------------------------------

SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": "linear",
    "train": {"epochs": 150, "seeds": 1, "optimizer": {"adam": {"learning_rate": 0.05}}},
    "evaluate": {"metric": "accuracy", "also": ["log_loss"]},
}


def searched(dataset: Dataset, prepared: dict[int | None, Prepared], **changes: Any) -> Plan:
    """A plan whose trials are one search trial a recipe and fold."""
    spec = parse_spec(SPEC | changes)
    any_fold = prepared[0]
    parts = {part: len(any_fold.rows.get(part, ())) for part in ("train", "val", "test")}
    plan = lay_out(spec, dataset, parts, any_fold.features.shape[1:])
    trials = [
        PlannedTrial(f"{recipe.recipe_id}-{fold}", recipe.recipe_id, recipe.variant_id, "search", 1000, fold, 150)
        for recipe in plan.recipes
        for fold in prepared
    ]
    rows = {
        fold: RowCounts(
            features=each.features.shape[1:],
            classes=len(dataset.classes or ()),
            train=len(each.rows["train"]),
            resampled=resampled_rows(dataset.target[each.rows["train"]]),
            scored=sum(map(len, each.rows.values())),
        )
        for fold, each in prepared.items()
    }
    stacks, _, _ = PlanContext(dataset, rows, ("accuracy",)).stacks(trials, plan.recipes, AS_MODELLED)
    return replace(plan, trials=trials, stacks=stacks)


@pytest.fixture(scope="module")
def wine() -> Dataset:
    from tasks.datasets.load import load_dataset

    return load_dataset(parse_spec(SPEC).data, home=Path("nowhere"))


def test_equal_folds_share_a_stack_and_others_do_not(wine: Dataset) -> None:
    prepared = prepare_folds(wine, folded(wine, 4))
    (stack,) = searched(wine, prepared).stacks
    assert (stack.lanes, stack.size) == (4, 4)
    fewer = replace(prepared[1], rows={**prepared[1].rows, "train": prepared[1].rows["train"][:-3]})
    stacks = searched(wine, {**prepared, 1: fewer}).stacks
    assert sorted(stack.lanes for stack in stacks) == [1, 3]


def test_trials_in_folds_are_recorded_and_score_as_scikit_learn_does(wine: Dataset, tmp_path: Path) -> None:
    """A linear model without penalty: its mean over the folds is that of a logistic regression on the same ones."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (tmp_path / "checkpoints").mkdir()
    prepared = prepare_folds(wine, folded(wine, 4))
    plan = searched(wine, prepared)
    runner.train(Job.of(plan), prepared, tmp_path, tmp_path)
    (folder,) = (tmp_path / "checkpoints").iterdir()
    trials, metrics = TRIALS.read(folder), METRICS.read(folder)
    assert trials["fold"].tolist() == [0, 1, 2, 3]
    assert set(trials["stage"]) == {"search"}
    assert set(metrics["part"]) == {"val"}, "which alone decides a search"
    assert not (folder / "predictions.parquet").exists()
    for trial in trials.itertuples():
        own = metrics[metrics["trial_id"] == trial.trial_id]
        assert set(own["rows"]) == {len(prepared[trial.fold].rows["val"])}
    ours = metrics[(metrics["part"] == "val") & (metrics["metric"] == "accuracy")]["value"].mean()
    theirs = []
    for fold in prepared.values():
        train, val = (fold.rows[part] for part in ("train", "val"))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1e4, max_iter=1000))
        model.fit(wine.table.iloc[train], wine.target[train])
        theirs.append(model.score(wine.table.iloc[val], wine.target[val]))
    assert ours == pytest.approx(np.mean(theirs), abs=0.03)


NOISE = {"steps": ["gaussian_noise"]}


@pytest.mark.parametrize(
    ("changed", "copied"),
    [({"augmentation": NOISE}, 0), ({"augmentation": {**NOISE, "times": 1}}, 3), ({"imbalance": "resample"}, 0)],
    ids=["fresh", "copies", "resampled"],
)
def test_augmented_and_resampled_folds_see_their_own_rows(
    wine: Dataset, tmp_path: Path, changed: dict[str, Any], copied: int
) -> None:
    """A fold's trial in the stack is that of a run with this fold alone. Folds whose largest classes differ by a row
    have more or fewer rows once they are resampled."""
    (tmp_path / "checkpoints").mkdir()
    prepared = prepare_folds(wine, folded(wine, 3))
    plan = searched(wine, prepared, train={**SPEC["train"], **changed})
    plan = replace(plan, trials=[replace(each, epochs=2) for each in plan.trials])
    stack = max(plan.stacks, key=lambda each: each.size)
    last = next(trial for trial in plan.trials if trial.trial_id == stack.trials[-1])
    assert stack.size == (2 if "imbalance" in changed else 3)
    runner.train(Job.of(plan), prepared, tmp_path, tmp_path)
    lone = replace(stack, stack_id="lone", trials=[last.trial_id], size=1, lanes=1)
    runner.train(Job.of(replace(plan, stacks=[lone])), {last.fold: prepared[last.fold]}, tmp_path, tmp_path)
    ours, theirs = (METRICS.read(tmp_path / "checkpoints" / name) for name in (stack.stack_id, "lone"))
    ours = ours[ours["trial_id"] == last.trial_id]
    np.testing.assert_allclose(ours["value"], theirs["value"], rtol=1e-4)
    assert len(list((tmp_path / "cache" / "augmented").glob("*"))) == copied, "copies of each fold, made once"
