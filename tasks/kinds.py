"""The kinds of input, and the forms that inputs have together. To add a kind: an entry in `KINDS`.

A kind of column needs a `preprocessing.tables.ColumnKind` and the form `TABLE_FORM`; another form needs all fields of
`Form`. Texts are a form of their own where they are the only input. Among other columns they are columns of the kind
`words` or `trigrams`, and the data have the form `MIXED_FORM`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.augmentation.preview import NUMBERS_SHOWN, PICTURES, SPECTROGRAMS, WORDS_SHOWN
from tasks.dataset import AUDIO, IMAGE, TABLE, TEXT, TEXT_AND_COLUMNS, Dataset, Facts, Form, Input, Kind, Values
from tasks.evaluation.baselines import Rivals, of_columns, of_mixed, of_spectrograms, of_texts
from tasks.preprocessing.sounds import fit_sound_preprocessor
from tasks.preprocessing.tables import CATEGORIES, NUMBERS, UNSCALED, Grouped, fit_image_preprocessor, fit_preprocessor
from tasks.preprocessing.texts import TRIGRAMS, WORDS, fit_text_preprocessor, text_columns
from tasks.validation import by_profile
from tasks.validation.infer import of_table
from tasks.validation.inferred import Suite

if TYPE_CHECKING:
    import keras

_NUMBER_BYTES = 8
_NOTHING: Mapping[str, Any] = {"columns": [], "image_shape": None, "text": None, "sound": None}
"""The description of inputs in plan.json; each form fills in its own part."""


def grouped(dataset: Dataset) -> Grouped:
    """The columns of a data set's table by kind, in the order of `KINDS`, in the form that `fit_preprocessor` takes."""
    named = [(kind, [name for name, own in dataset.kinds.items() if own is kind]) for kind in KINDS.values()]
    return [(kind.column, names) for kind, names in named if names]


def kinds_of(table: pd.DataFrame) -> dict[str, Kind]:
    """The kind of each column from its values alone: float64 is a number, texts are categories."""
    return {
        str(name): KINDS["number" if pd.api.types.is_numeric_dtype(table[name]) else "category"]
        for name in table.columns
    }


def _alone(dataset: Dataset) -> Input:
    assert dataset.medium is not None
    return dataset.medium


def _array(dataset: Dataset) -> np.ndarray:
    values = _alone(dataset).values
    assert isinstance(values, np.ndarray)
    return values


def _texts(dataset: Dataset) -> pd.Series:
    values = _alone(dataset).values
    assert isinstance(values, pd.Series)
    return values


# Tables


def _fit_table(raw: Any, dataset: Dataset) -> keras.Model:
    return fit_preprocessor(raw, grouped(dataset))


def _numbers(dataset: Dataset, rows: np.ndarray) -> Values:
    return dataset.table[dataset.numbers].iloc[rows].to_numpy(np.float64)


def _with_numbers(dataset: Dataset, values: Values, rows: np.ndarray) -> pd.DataFrame:
    """Rows with changed numbers. Their categories are those of the rows that the numbers came from."""
    table = dataset.table.iloc[rows].reset_index(drop=True)
    table[dataset.numbers] = values
    return table


def _table_suites(dataset: Dataset, train: np.ndarray, held: np.ndarray) -> Iterator[Suite]:
    return of_table(dataset.table, train, held)


def _infinite_numbers(dataset: Dataset) -> dict[str, int]:
    """By column, how many numbers are infinite. Missing numbers are not counted: they are allowed."""
    return {name: int(np.isinf(dataset.table[name].to_numpy(np.float64)).sum()) for name in dataset.numbers}


def _table_described(dataset: Dataset) -> dict[str, Any]:
    return {**_NOTHING, "columns": [{"name": each.name, "kind": each.kind.name} for each in dataset.inputs]}


TABLE_FORM = Form(
    name=TABLE,
    noun="a table",
    cases="rows",
    model="mlp",
    fit=_fit_table,
    facts=lambda dataset: Facts(TABLE, (len(dataset.numbers),), "float64"),
    examples=_numbers,
    restored=_with_numbers,
    suites=_table_suites,
    not_finite=_infinite_numbers,
    described=_table_described,
    row_bytes=lambda dataset: _NUMBER_BYTES * len(dataset.table.columns),
    rivals=lambda dataset: of_columns,
    preview=NUMBERS_SHOWN,
    processes_pay=False,
)


# Images, texts and sounds


def _rows_of_array(dataset: Dataset, rows: np.ndarray) -> Values:
    return _array(dataset)[rows]


def _as_they_are(dataset: Dataset, values: Values, rows: np.ndarray) -> np.ndarray:
    return values


def _array_bytes(dataset: Dataset) -> int:
    return _array(dataset)[:1].nbytes


def _image_suites(dataset: Dataset, train: np.ndarray, held: np.ndarray) -> Iterator[Suite]:
    yield by_profile.of_images(_array(dataset), train, held)


def _odd_pixels(dataset: Dataset) -> dict[str, int]:
    images = _array(dataset)
    return {"the pixels": int((~np.isfinite(images)).sum())} if images.dtype.kind == "f" else {}


IMAGE_FORM = Form(
    name=IMAGE,
    noun="images",
    cases="images",
    model="cnn",
    fit=lambda raw, dataset: fit_image_preprocessor(raw),
    facts=lambda dataset: Facts(IMAGE, _array(dataset).shape[1:], _array(dataset).dtype.name),
    examples=_rows_of_array,
    restored=_as_they_are,
    suites=_image_suites,
    not_finite=_odd_pixels,
    described=lambda dataset: {**_NOTHING, "image_shape": list(_array(dataset).shape[1:])},
    row_bytes=_array_bytes,
    rivals=lambda dataset: of_columns,
    preview=PICTURES,
)


def _text_suites(dataset: Dataset, train: np.ndarray, held: np.ndarray) -> Iterator[Suite]:
    yield by_profile.of_texts(_texts(dataset), train, held)


def _text_bytes(dataset: Dataset) -> int:
    return int(_texts(dataset).to_frame().memory_usage(index=False, deep=True).sum()) // dataset.rows


def _text_rivals(dataset: Dataset) -> Rivals:
    return partial(of_texts, tokens=_alone(dataset).tokens)


TEXT_FORM = Form(
    name=TEXT,
    noun="texts",
    cases="texts",
    model="text",
    fit=lambda raw, dataset: fit_text_preprocessor(raw.iloc[:, 0], _alone(dataset).tokens),
    facts=lambda dataset: Facts(TEXT, (), "str"),
    examples=lambda dataset, rows: _texts(dataset).iloc[rows].tolist(),
    restored=lambda dataset, values, rows: pd.DataFrame({_alone(dataset).name: pd.Series(values, dtype=object)}),
    suites=_text_suites,
    not_finite=lambda dataset: {},
    described=lambda dataset: {**_NOTHING, "text": _alone(dataset).name},
    row_bytes=_text_bytes,
    rivals=_text_rivals,
    preview=WORDS_SHOWN,
)


# Texts and columns


def _columns_and_texts(dataset: Dataset) -> tuple[list[str], list[str]]:
    return [*dataset.numbers, *dataset.categories], dataset.texts


def _mixed_suites(dataset: Dataset, train: np.ndarray, held: np.ndarray) -> Iterator[Suite]:
    columns, texts = _columns_and_texts(dataset)
    yield from of_table(dataset.table[columns], train, held)
    for name in texts:
        yield by_profile.of_texts(dataset.table[name], train, held, f"texts in {name}")


def _mixed_rivals(dataset: Dataset) -> Rivals:
    columns, texts = _columns_and_texts(dataset)
    return partial(of_mixed, columns=columns, texts=[(name, dataset.kinds[name].name) for name in sorted(texts)])


MIXED_FORM = Form(
    name=TEXT_AND_COLUMNS,
    noun="texts beside columns",
    cases="rows",
    model="text",
    fit=_fit_table,
    facts=lambda dataset: Facts(TEXT_AND_COLUMNS, (len(dataset.table.columns),), "object"),
    examples=lambda dataset, rows: dataset.table.iloc[rows],
    restored=lambda dataset, values, rows: values.reset_index(drop=True),
    suites=_mixed_suites,
    not_finite=_infinite_numbers,
    described=_table_described,
    row_bytes=lambda dataset: int(dataset.table.memory_usage(index=False, deep=True).sum()) // dataset.rows,
    rivals=_mixed_rivals,
    preview=NUMBERS_SHOWN,  # no augmenter takes such rows
)


def _rate(dataset: Dataset) -> int:
    rate = _alone(dataset).rate
    assert rate is not None
    return rate


def _sound_suites(dataset: Dataset, train: np.ndarray, held: np.ndarray) -> Iterator[Suite]:
    yield by_profile.of_sounds(_array(dataset), train, held)


def _sound_described(dataset: Dataset) -> dict[str, Any]:
    rate = _rate(dataset)
    return {**_NOTHING, "sound": {"rate": rate, "seconds": _array(dataset).shape[1] / rate}}


SOUND_FORM = Form(
    name=AUDIO,
    noun="sounds",
    cases="sounds",
    model="audio",
    fit=lambda raw, dataset: fit_sound_preprocessor(raw, _rate(dataset)),
    facts=lambda dataset: Facts(AUDIO, _array(dataset).shape[1:], _array(dataset).dtype.name, _rate(dataset)),
    examples=_rows_of_array,
    restored=_as_they_are,
    suites=_sound_suites,
    not_finite=lambda dataset: {"the sounds": int((~np.isfinite(_array(dataset))).sum())},
    described=_sound_described,
    row_bytes=_array_bytes,
    rivals=lambda dataset: of_spectrograms,
    preview=SPECTROGRAMS,
)


def _array_identity(plural: str, each: Input) -> str:
    assert isinstance(each.values, np.ndarray)
    rate = "" if each.rate is None else f" {each.rate}"
    return f"{plural} {list(each.values.shape)} {each.values.dtype.name}{rate}"


def _text_identity(each: Input) -> str:
    return f"text {json.dumps(each.name)} {each.tokens}"


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("number", TABLE_FORM, NUMBERS),
        Kind("unscaled", TABLE_FORM, UNSCALED),
        Kind("category", TABLE_FORM, CATEGORIES),
        Kind(WORDS, MIXED_FORM, text_columns(WORDS)),
        Kind(TRIGRAMS, MIXED_FORM, text_columns(TRIGRAMS)),
        Kind("text", TEXT_FORM, identity=_text_identity),
        Kind("image", IMAGE_FORM, identity=partial(_array_identity, "images")),
        Kind("sound", SOUND_FORM, identity=partial(_array_identity, "sounds")),
    )
}
"""The order of the column kinds here is the order of their features."""

FORMS: tuple[Form, ...] = tuple(dict.fromkeys(kind.form for kind in KINDS.values()))
