"""One data set: its inputs, each of a kind, and the target that is predicted; in memory, or streamed from disk.

Everything that a kind of input needs from the rest of the product is in its `Kind` and `Form`, so that other code need
not ask what the data are. The kinds themselves are listed in `kinds.KINDS`.
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
    """Facts about the data that are known when the plan is made.

    Args:
        kind: Name of the data's form.
        shape: Shape of one example: (height, width, channels), (samples,), (numeric columns,), or () for a text.
        dtype: NumPy's name of the values' type; `str` for texts.
        sample_rate: Sample rate of sound, in Hz, else None.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    sample_rate: int | None = None


@dataclass(frozen=True)
class Preview:
    """How a report shows examples before and after augmentation.

    Args:
        of_features: Whether it shows what the network receives, else the raw examples.
        show: Called with the examples, a list of versions of them, and the data set. Returns a picture, uint8
            `[height, width, channels]`, or the entry of previews/augmentation.json.
    """

    of_features: bool
    show: Callable[[Any, list[Any], Dataset], np.ndarray | dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """What a data set's inputs are together: columns form a table; images, texts or sounds stand alone.

    Args:
        name: The name in plan.json.
        noun: What a model takes: `a table`, `images`.
        cases: What the rows are called: `rows`, `images`.
        model: The model that is trained where the spec names none.
        fit: Fits the preprocessing to the raw training rows (`Columns`, or as `Dataset.raw`) of a data set.
        facts: The facts about a data set that augmenters are given.
        examples: The raw examples of a data set at these positions.
        restored: Turns changed examples of these positions into the preprocessor's input.
        suites: The expectations of a data set's inputs, for training rows and held-back rows.
        not_finite: By name, how many of the inputs' numbers are not finite.
        described: The description of the inputs in plan.json.
        row_bytes: About how many bytes of memory the raw inputs of one row take.
        rivals: The baselines that `evaluation.baselines.fit_baselines` trains beside the constant answer.
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
        form: The form of data with inputs of this kind.
        column: How a column of a table becomes features (a `preprocessing.tables.ColumnKind`), else None.
        identity: A text of what decides results besides the input's values; it is part of the data's digest. None for
            columns.
    """

    name: str
    form: Form
    column: Any = None
    identity: Callable[[Input], str] | None = None


@dataclass(frozen=True)
class Input:
    """One input.

    Args:
        name: The column's name; `image` or `sound` where there is no column.
        values: Values of all rows (of streamed data: of the sample). A number is float64 (NaN = missing), booleans 0/1;
            a category or a text among other columns is `str` (None = missing); a text alone is `str`, never missing or
            blank; images are uint8 or float32 `[rows, height, width, channels]`; sounds are float32 in [-1, 1]
            `[rows, samples]`, padded with zeros.
        tokens: The tokens that texts are divided into for a model: `words` or `trigrams`.
        rate: Sample rate of sounds, in Hz, else None.
    """

    name: str
    kind: Kind
    values: pd.Series | np.ndarray
    tokens: str = "words"
    rate: int | None = None


class Columns(Protocol):
    """Raw columns that are not in memory together. They have the same meaning as the columns of `Dataset.table`."""

    @property
    def columns(self) -> list[str]: ...

    def __getitem__(self, name: str) -> pd.Series:
        """A whole column."""
        ...


class RawColumns(Columns, Protocol):
    """Columns whose rows can also be read piece by piece."""

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Yields all rows in order, a piece at a time."""
        ...


@dataclass(frozen=True)
class Streamed:
    """Where the rows are stored that do not fit in memory together.

    Args:
        raw: All rows, on disk.
        sample: Positions of the rows that `Dataset.table` holds, int64, ascending: a random sample of each part.
        cache: The folder in which preprocessed rows may be stored.
    """

    raw: RawColumns
    sample: np.ndarray
    cache: Path


@dataclass(frozen=True)
class Positive:
    """The class that recall, precision, F1 and the areas under curves refer to.

    Args:
        index: Its position in the data set's classes.
        why: How it was chosen, and how to choose another.
    """

    index: int
    why: str


def always_meant(index: int | None, classes: int) -> bool:
    """Whether there is no class of interest, or it is the last of two. Before the class could be named, these were the
    only cases. Identifiers of such data do not mention the class."""
    return index is None or (classes, index) == (2, 1)


@dataclass(frozen=True)
class Dataset:
    """Raw inputs and target, aligned by row position.

    Args:
        name: The catalogue's name, or the file's.
        table: The inputs that are columns, `[rows, columns]`, with values as in `Input.values`. It has no columns where
            the inputs are images, texts or sounds. For streamed data it holds a sample of the rows (`streamed.sample`).
        target: Class index (int64, position in `classes`) or the value (float64). Shape `[rows]`, never missing.
        target_name: The target's column name.
        classes: Class names in order, or None for regression.
        positive: The class of interest. None for regression, for more than two classes unless one is named, and as long
            as only the training part can decide it (see `datasets.positive`).
        digest: SHA-256 (hex) of the content that decides results: inputs, target, column names and order.
        kinds: The kind of each column of `table`.
        medium: The only input, where it is images, texts or sounds, else None.
        given_part: `train`, `val` or `test` of each row where the source is already split, else None.
        extras: Columns that control the split (groups, time, parts), aligned with `table`.
        written: Every column of the source as it was read, before its values were interpreted: texts with None where
            missing, or numbers. Aligned with `table`; without columns for streamed data, images and sounds.
        columns: For tables and texts: an entry for each column of the source, in JSON values. It has `facts` (a
            records.SourceColumn); for an input also its `name`, the `reading` of its values and the `inputs` made from
            it.
        group: The column of `extras` whose rows stay in one part unless the spec splits by another column, else None.
        source: Where the data came from: an address or a path, for the report.
        licence: The licence as the source states it.
        notes: What the reader did or noticed ("2 rows without target left out").
        streamed: Where all rows are stored, if `table` does not hold them.
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
        """Yields the raw inputs at these positions, which must be ascending; streamed data come piece by piece."""
        if self.streamed is None:
            yield self.raw_at(rows)
            return
        start = 0
        for chunk in self.streamed.raw.chunks():
            yield chunk.iloc[rows[(rows >= start) & (rows < start + len(chunk))] - start]
            start += len(chunk)

    @property
    def beside(self) -> pd.DataFrame:
        """The columns of the source that are neither inputs nor the target, and do not control the split."""
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
        """The form of the inputs together."""
        if self.medium is not None:
            return self.medium.kind.form
        forms = {kind.form.name: kind.form for kind in self.kinds.values()}
        return forms.get(TEXT_AND_COLUMNS) or forms[TABLE]

    @property
    def raw(self) -> pd.DataFrame | np.ndarray:
        """The inputs in the form that a preprocessor takes: the table, images or sounds; texts as a table of one
        column."""
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
        """Returns the rows that `table` holds as a data set, with their rows of `splits`; unchanged where nothing is
        streamed.

        Args:
            splits: Columns of records.SPLITS, one row for each row of the data set, in its order.
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
