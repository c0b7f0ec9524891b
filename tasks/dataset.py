"""One data set: its inputs, each of a kind, and what is to be predicted; in memory, or streamed from disk.

What a kind of input asks of the rest of the product stands with it (`Kind`, `Form`), so that nobody else needs to ask
what the data are. The kinds themselves are listed in `kinds.KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import keras

TRAIN, VAL, TEST = "train", "val", "test"
TABLE, IMAGE, TEXT, AUDIO = "table", "image", "text", "audio"
TEXT_AND_COLUMNS = "text and columns"
"""Names of the forms that a data set's inputs have together."""

Values = Any
"""Raw examples, one after the other, as augmenters take them:

- image: uint8 in [0, 255], or float32 in [0, 1], `[n, height, width, channels]`
- text: a list of `n` str
- audio: float32 in [-1, 1] `[n, samples]`
- table: the numeric columns, float64 `[n, columns]`, NaN where a value is missing
"""


@dataclass(frozen=True)
class Facts:
    """What is known of the data when the plan is made.

    Args:
        kind: Name of the data's form.
        shape: Of one example: (height, width, channels), (samples,), (numeric columns,), or () for a text.
        dtype: Of the values, as NumPy names it; `str` for texts.
        sample_rate: Of sound, in Hz, else None.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    sample_rate: int | None = None


@dataclass(frozen=True)
class Preview:
    """How a report shows examples before and after augmentation.

    Args:
        of_features: Whether it shows what the network is given, else the raw examples.
        show: From the examples, a list of versions of them, and the data set: a picture, uint8
            `[height, width, channels]`, or what previews/augmentation.json holds of them.
    """

    of_features: bool
    show: Callable[[Any, list[Any], Dataset], np.ndarray | dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """What inputs are together: columns are a table, and images, texts or sounds stand alone.

    Args:
        name: As plan.json calls it.
        noun: What a model takes: `a table`, `images`.
        cases: What the rows are called: `rows`, `images`.
        model: The one that is trained where the spec names none.
        fit: Learns the preprocessing from the raw training rows (`Columns`, or as `Dataset.raw`) of a data set.
        facts: What augmenters are told of a data set.
        examples: The raw examples of a data set at these positions.
        restored: Changed examples of these positions as a preprocessor takes them.
        suites: What is expected of a data set's inputs, for training rows and held-back ones.
        not_finite: By name, how many of the inputs' numbers are not finite.
        described: What plan.json says of the inputs.
        row_bytes: About what the raw inputs of a row take in memory.
        rivals: What `evaluation.baselines.fit_baselines` trains beside the constant answer.
        preview: How augmented examples are shown.
        processes_pay: Whether augmenting an example takes longer than sending it to another process.
    """

    name: str
    noun: str
    cases: str
    model: str
    fit: Callable[[Any, Dataset], keras.Model]
    facts: Callable[[Dataset], Facts]
    examples: Callable[[Dataset, np.ndarray], Values]
    restored: Callable[[Dataset, Values, np.ndarray], pd.DataFrame | np.ndarray]
    suites: Callable[[Dataset, np.ndarray, np.ndarray], Iterator[tuple[pd.DataFrame, list[Any]]]]
    not_finite: Callable[[Dataset], dict[str, int]]
    described: Callable[[Dataset], dict[str, Any]]
    row_bytes: Callable[[Dataset], int]
    rivals: Callable[[Dataset], Callable[..., list[Any]]]
    preview: Preview
    processes_pay: bool = True


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Args:
        name: number, unscaled (a number as it is), category, text, image or sound; words or trigrams: a text among
            other columns.
        form: What inputs of this kind are together.
        column: How a column of a table becomes features (a `preprocessing.tables.ColumnKind`), else None.
        identity: What of an input, beside its values, decides results: it enters the data's digest. Of columns None.
    """

    name: str
    form: Form
    column: Any = None
    identity: Callable[[Input], str] | None = None


@dataclass(frozen=True)
class Input:
    """One input.

    Args:
        name: As its column is called; `image` or `sound` where there is none.
        values: Of all rows (of streamed data: of the sample). A number is float64 (NaN = missing), booleans 0/1; a
            category or a text among other columns `str` (None = missing); a text alone `str`, never missing or blank;
            images uint8 or float32
            `[rows, height, width, channels]`; sounds float32 in [-1, 1] `[rows, samples]`, padded with zeros.
        tokens: What texts are divided into for a model: `words` or `trigrams`.
        rate: Samples a second of sounds, else None.
    """

    name: str
    kind: Kind
    values: pd.Series | np.ndarray
    tokens: str = "words"
    rate: int | None = None


class Columns(Protocol):
    """Raw columns that are not in memory together. What is said of `Dataset.table`'s columns holds for these."""

    @property
    def columns(self) -> list[str]: ...

    def __getitem__(self, name: str) -> pd.Series:
        """A whole column."""
        ...


class RawColumns(Columns, Protocol):
    """Columns whose rows can be read piece by piece, too."""

    def chunks(self) -> Iterator[pd.DataFrame]:
        """All rows in order, some at a time."""
        ...


@dataclass(frozen=True)
class Streamed:
    """Where the rows are that are too many to be in memory together.

    Args:
        raw: All rows, on disk.
        sample: Positions of the rows that `Dataset.table` holds, int64, ascending: a random sample of each part.
        cache: The folder in which preprocessed rows may be kept.
    """

    raw: RawColumns
    sample: np.ndarray
    cache: Path


@dataclass(frozen=True)
class Positive:
    """The class that recall, precision, F1 and the areas under curves speak of.

    Args:
        index: Its position in the data set's classes.
        why: How it was chosen, and how to choose another.
    """

    index: int
    why: str


def always_meant(index: int | None, classes: int) -> bool:
    """Whether no class of interest, or the last of two, is meant: as before it could be named. Identifiers of such data
    do not mention it."""
    return index is None or (classes, index) == (2, 1)


@dataclass(frozen=True)
class Dataset:
    """Raw inputs and target, aligned by row position.

    Args:
        name: The catalogue's name, or the file's.
        table: The inputs that are columns, `[rows, columns]`, each as `Input.values` says. Without columns where the
            inputs are images, texts or sounds. Of streamed data only a sample of the rows (`streamed.sample`).
        target: Class index (int64, position in `classes`) or the value (float64). Shape `[rows]`, never missing.
        target_name: The target's column name.
        classes: Class names in order, or None for regression.
        positive: The class that is of interest; None for regression, for more than two classes unless one is named,
            and as long as only the training part can tell (see `datasets.positive`).
        digest: SHA-256 (hex) of the content that decides results: inputs, target, column names and order.
        kinds: The kind of each column of `table`.
        medium: The one input where it is images, texts or sounds, else None.
        given_part: `train`, `val` or `test` of each row where the source comes already split, else None.
        extras: Columns that steer the split (groups, time, parts), aligned with `table`.
        written: Every column of the source as it was read, before its values were given a meaning: texts with None
            where missing, or numbers. Aligned with `table`; without columns for streamed data, images and sounds.
        columns: Of a table or of texts: of each column of the source, in JSON values, `facts` (a records.SourceColumn)
            and of an input its `name`, the `reading` of its values and the `inputs` that it became.
        group: The column of `extras` whose rows stay in one part unless the spec splits by another, else None.
        source: Where it came from: an address or a path, for the report.
        licence: As its source states it.
        notes: What the reader did or noticed ("2 rows without target left out").
        streamed: Where all rows are, if not in `table`.
    """

    name: str
    table: pd.DataFrame
    target: np.ndarray
    target_name: str
    classes: tuple[str, ...] | None
    digest: str
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    medium: Input | None = None
    positive: Positive | None = None
    given_part: np.ndarray | None = None
    extras: pd.DataFrame = field(default_factory=pd.DataFrame)
    written: pd.DataFrame = field(default_factory=pd.DataFrame)
    columns: Sequence[Mapping[str, Any]] = ()
    group: str | None = None
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    streamed: Streamed | None = None

    @property
    def rows(self) -> int:
        return len(self.target)

    def raw_at(self, rows: np.ndarray) -> pd.DataFrame | np.ndarray:
        """The raw inputs at these positions."""
        raw = self.raw
        return raw[rows] if isinstance(raw, np.ndarray) else raw.iloc[rows]

    def raw_pieces(self, rows: np.ndarray) -> Iterator[pd.DataFrame | np.ndarray]:
        """The raw inputs at these positions, which ascend; of streamed data piece by piece."""
        if self.streamed is None:
            yield self.raw_at(rows)
            return
        start = 0
        for chunk in self.streamed.raw.chunks():
            yield chunk.iloc[rows[(rows >= start) & (rows < start + len(chunk))] - start]
            start += len(chunk)

    @property
    def beside(self) -> pd.DataFrame:
        """The columns of the source that are neither inputs nor the target, and steer nothing."""
        used = {*self.table.columns, *self.extras.columns, self.target_name}
        return self.written[[name for name in self.written.columns if name not in used]]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All inputs, in order."""
        if self.medium is not None:
            return (self.medium,)
        return tuple(Input(str(name), self.kinds[name], self.table[name]) for name in self.table.columns)

    @property
    def form(self) -> Form:
        """What the inputs are together."""
        if self.medium is not None:
            return self.medium.kind.form
        forms = {kind.form.name: kind.form for kind in self.kinds.values()}
        return forms.get(TEXT_AND_COLUMNS) or forms[TABLE]

    @property
    def raw(self) -> pd.DataFrame | np.ndarray:
        """The inputs as a preprocessor takes them: the table, images or sounds; texts as a table of one column."""
        if self.medium is None:
            return self.table
        values = self.medium.values
        return values.to_frame() if isinstance(values, pd.Series) else values

    @property
    def task(self) -> str:
        """`classification` or `regression`."""
        return "regression" if self.classes is None else "classification"

    @property
    def positive_class(self) -> str | None:
        """The name of the class of interest."""
        return self.classes[self.positive.index] if self.classes and self.positive else None

    @property
    def numbers(self) -> list[str]:
        """Names of the numeric columns, in order."""
        return [name for name in self.table.columns if pd.api.types.is_numeric_dtype(self.table[name])]

    @property
    def categories(self) -> list[str]:
        """Names of the category columns, in order."""
        numbers = set(self.numbers)
        return [name for name in self.table.columns if name not in numbers and self.kinds[name].form.name == TABLE]

    @property
    def texts(self) -> list[str]:
        """Names of the columns of texts among others, in order."""
        return [name for name in self.table.columns if self.kinds[name].form.name == TEXT_AND_COLUMNS]

    def in_memory(self, splits: pd.DataFrame) -> tuple[Dataset, pd.DataFrame]:
        """The rows that `table` holds as a data set of their own, with their part of `splits`; else what was given.

        Args:
            splits: Columns of records.SPLITS, one row for each of the data set's, in its order.
        """
        if self.streamed is None:
            return self, splits
        sample = self.streamed.sample
        held = replace(
            self,
            target=self.target[sample],
            given_part=None if self.given_part is None else self.given_part[sample],
            extras=self.extras.iloc[sample].reset_index(drop=True),
            streamed=None,
        )
        return held, splits.iloc[sample].reset_index(drop=True).assign(row=np.arange(len(sample)))
