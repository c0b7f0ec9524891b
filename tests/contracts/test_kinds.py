"""Every kind of input keeps what `Kind` and `Form` promise, on small data of each form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tasks.augmentation.table import AUGMENTERS
from tasks.dataset import Dataset
from tasks.datasets.digest import ContentDigest
from tasks.kinds import FORMS, KINDS, grouped
from tasks.preprocessing.tables import feature_names, preprocess
from tasks.training.models import MODELS
from tests.datasets import made, with_images, with_sounds, with_texts

ROWS = 24
TRAIN, HELD = np.arange(16), np.arange(16, ROWS)


def empty(table: pd.DataFrame | None = None) -> Dataset:
    frame = pd.DataFrame(index=range(ROWS)) if table is None else table
    return made("made", frame, np.arange(ROWS) % 2, "answer", ("no", "yes"), "")


def mixed() -> Dataset:
    rng = np.random.default_rng(0)
    colours = pd.Series(rng.choice(["red", "blue"], ROWS), dtype=object)
    return empty(
        pd.DataFrame({"colour": colours, "size": np.where(np.arange(ROWS) == 3, np.nan, rng.normal(size=ROWS))})
    )


def pictures() -> Dataset:
    return with_images(empty(), np.random.default_rng(0).integers(0, 255, (ROWS, 6, 5, 3), np.uint8))


def notes() -> Dataset:
    rng = np.random.default_rng(0)
    return with_texts(empty(), pd.Series([" ".join(rng.choice(["a", "b", "c"], 5)) for _ in range(ROWS)], name="note"))


def clips() -> Dataset:
    return with_sounds(empty(), np.random.default_rng(0).uniform(-1, 1, (ROWS, 400)).astype(np.float32), 2_000)


def letters() -> Dataset:
    """Two columns of texts, one missing in places, beside the columns of a table."""
    rng = np.random.default_rng(1)
    texts = [pd.Series([" ".join(rng.choice(["a", "b", "c"], 5)) for _ in range(ROWS)], dtype=object) for _ in "12"]
    dataset = empty(mixed().table.assign(title=texts[0].where(np.arange(ROWS) % 5 > 0, None), body=texts[1]))
    return replace(dataset, kinds={**dataset.kinds, "title": KINDS["words"], "body": KINDS["words"]})


MADE: dict[str, Callable[[], Dataset]] = {
    "table": mixed,
    "image": pictures,
    "text": notes,
    "text and columns": letters,
    "audio": clips,
}
EACH = pytest.mark.parametrize("name", list(MADE))


def test_every_kind_has_one_of_the_forms_and_every_form_a_kind() -> None:
    assert {kind.form.name for kind in KINDS.values()} == {form.name for form in FORMS} == set(MADE)
    assert all(name == kind.name for name, kind in KINDS.items())


@EACH
def test_the_default_model_takes_the_form(name: str) -> None:
    form = MADE[name]().form
    assert form.name == name
    assert name in MODELS[form.model]().takes


@EACH
def test_what_is_learned_gives_finite_features_of_every_row(name: str) -> None:
    dataset = MADE[name]()
    model = dataset.form.fit(dataset.raw_at(TRAIN), dataset)
    features = preprocess(model, dataset.raw)
    assert len(features) == ROWS and np.isfinite(features).all()


@EACH
def test_examples_that_are_not_changed_come_back_as_they_were(name: str) -> None:
    dataset = MADE[name]()
    restored = dataset.form.restored(dataset, dataset.form.examples(dataset, HELD), HELD)
    raw = dataset.raw
    if isinstance(raw, np.ndarray):
        np.testing.assert_array_equal(restored, raw[HELD])
    else:
        pd.testing.assert_frame_equal(restored, raw.iloc[HELD].reset_index(drop=True), check_dtype=False)


@EACH
def test_facts_are_those_of_an_example(name: str) -> None:
    dataset = MADE[name]()
    facts = dataset.form.facts(dataset)
    assert facts.kind == name
    if name == "text and columns":
        return  # no augmenter takes these
    (example,) = dataset.form.examples(dataset, TRAIN[:1])
    assert facts.shape == (() if isinstance(example, str) else example.shape)
    assert any(augmenter().kind == name for augmenter in AUGMENTERS.values()), "something changes such examples"


@EACH
def test_a_preview_shows_the_examples_and_their_versions(name: str) -> None:
    dataset = MADE[name]()
    if name == "text and columns":
        return  # none is shown
    preview = dataset.form.preview
    raw = dataset.raw
    model = dataset.form.fit(raw, dataset)
    shown = preprocess(model, raw)[:2] if preview.of_features else dataset.form.examples(dataset, TRAIN[:2])
    found = preview.show(shown, [shown, shown], dataset)
    if isinstance(found, np.ndarray):
        assert found.dtype == np.uint8 and found.ndim == 3
    else:
        assert [len(each["after"]) for each in found["examples"]] == [2, 2]


@EACH
def test_values_that_are_not_finite_are_counted(name: str) -> None:
    dataset = MADE[name]()
    assert not any(dataset.form.not_finite(dataset).values())
    if name == "audio":
        dataset.raw[0, 0] = np.inf
        assert dataset.form.not_finite(dataset) == {"the sounds": 1}
    if name == "table":
        dataset.table.loc[0, "size"] = -np.inf
        assert dataset.form.not_finite(dataset) == {"size": 1}


@EACH
def test_the_digest_sees_the_inputs(name: str) -> None:
    dataset = MADE[name]()
    if dataset.medium is None:
        return  # columns enter one by one while they are read
    values = dataset.medium.values
    other = values[::-1] if isinstance(values, np.ndarray) else pd.Series(values.to_numpy()[::-1], name=values.name)
    turned = {"image": with_images, "text": with_texts}.get(name, lambda data, array: with_sounds(data, array, 2_000))
    assert ContentDigest().finish(dataset) != ContentDigest().finish(turned(dataset, other))


def test_the_columns_of_a_table_are_grouped_by_kind_in_the_order_of_the_table_of_kinds() -> None:
    dataset = mixed()
    assert [names for _, names in grouped(dataset)] == [["size"], ["colour"]]
    assert feature_names(dataset.table, grouped(dataset)) == [
        "size",
        "size is missing",
        "colour = (other or missing)",
        "colour = blue",
        "colour = red",
    ]
