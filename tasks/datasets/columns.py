"""What a column's values mean as an input: numbers, categories, or nothing a model can use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tasks.datasets.dates import ISO, Unclear, date_parts, days, format_of, instants
from tasks.datasets.notation import Ambiguous, Notation, is_code, looks_like_number, notation_of
from tasks.errors import BadInput

if TYPE_CHECKING:
    from tasks.spec.data import Column, Read

# A text column whose distinct values exceed both limits (a count, and a share of its rows) holds names, identifiers or
# free text: no category repeats often enough to learn from.
MAX_FREE_CATEGORIES = 50
MAX_DISTINCT_SHARE = 0.2
MOSTLY_NUMBERS = 0.9  # a text column with this share of numbers was meant as numbers
# So was a text column with at least this share of numbers, at least so many different ones, and at most so many
# different words (which then mean "no value").
LEAST_NUMBERS, FEWEST_MEASURED, MOST_WORDS = 0.5, 20, 3

_BOOLEANS = ({"true": 1.0, "false": 0.0}, {"yes": 1.0, "no": 0.0})


@dataclass(frozen=True)
class Reading:
    """How a column's values are read: decided over the whole column, applied to any of its rows.

    Args:
        kind: `number`, `category`, `date` (days since 1970), `text` (free text), or `ignore`: no input.
        why: How that was decided.
        notation: How numbers are written, where they are texts.
        form: How dates are written, as `dates.format_of` gives it.
        meanings: Text to number, where each text has one: truth values, ordered grades.
        missing: Texts that mean no value in this column, besides those that mean it in all columns.
        note: What a user should know about the column, or None.
    """

    kind: Literal["number", "category", "date", "text", "ignore"]
    why: str
    notation: Notation = Notation()
    form: str = ISO
    meanings: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    note: str | None = None

    def record(self) -> dict[str, Any]:
        """The reading as JSON, for `signature.json`: all that `read` needs."""
        return {
            "kind": self.kind,
            "notation": asdict(self.notation),
            "format": self.form,
            "meanings": dict(self.meanings),
            "missing": list(self.missing),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Reading:
        """Rebuilds a reading from the result of `record`."""
        notation = Notation(**record["notation"] | {"units": tuple(record["notation"]["units"])})
        missing = tuple(record["missing"])
        return cls(record["kind"], "", notation, record["format"], record["meanings"], missing)

    def read(self, column: pd.Series) -> pd.Series:
        """The column, or rows of it, as float64 with NaN where missing, or as texts with None (dtype object).

        Args:
            column: float64, integer or bool, or texts with None where missing (dtype object).
        """
        if self.kind == "date":
            return days(instants(as_written(column), self.form))
        if column.dtype != object:
            return column.astype(np.float64) if self.kind == "number" else as_written(column)
        if self.kind in ("category", "text"):
            return column
        if self.meanings:
            return column.map(dict(self.meanings)).astype(np.float64)
        column = column.where(~column.isin(self.missing), None) if self.missing else column
        if self.notation.plain:
            return pd.to_numeric(column, errors="coerce").astype(np.float64)
        return self.notation.read(column)


def inputs_of(name: str, reading: Reading, values: pd.Series) -> dict[str, pd.Series]:
    """The inputs that a column becomes once it is read, by name: the column itself, or the parts of its dates."""
    return date_parts(name, values) if reading.kind == "date" else {name: values}


def as_input(
    column: pd.Series, where: str, meant: Column | None = None, read: Read | None = None
) -> tuple[pd.Series | None, Reading]:
    """The column as a model's input, and how it was read.

    Numbers and booleans (also the texts true/false or yes/no, in any case, and numbers in other notations) become
    float64 with NaN where missing, other texts become categories: dtype object, `str` or None.

    Args:
        column: float64, integer or bool, or texts with None where missing (dtype object).
        where: File and column, for messages.
        meant: What the spec says of the column.
        read: What the spec says of the file's numbers.

    Returns:
        The column, or None where it is no input.

    Raises:
        BadInput: an infinite value, numbers that can be read in two ways or with texts among them, or values that are
            not what the spec says.
    """
    reading = reading_of(column, where, meant, read)
    if reading.kind == "ignore":
        return None, reading
    values = reading.read(column)
    return finite(values, where) if reading.kind == "number" else values, reading


def reading_of(column: pd.Series, where: str, meant: Column | None = None, read: Read | None = None) -> Reading:
    """How a column is read. Arguments and errors are those of `as_input`."""
    present = column.dropna()
    if meant is not None:
        return _as_meant(present, where, meant, read)
    if present.empty:
        return Reading("ignore", "no value", note="has no value in any row")
    if column.dtype == bool:  # a text file would hold the texts True and False
        return Reading("number", "truth values", meanings={"True": 1.0, "False": 0.0})
    if column.dtype != object:
        return Reading("number", "numbers in the file")
    booleans = as_truth_values(present)
    if booleans is not None:
        return Reading("number", "truth values", meanings=booleans)
    distinct = [str(value) for value in present.unique()]
    numbers = pd.to_numeric(pd.Series(distinct), errors="coerce")
    if numbers.notna().all() and not _marked(read, distinct):
        because = is_code(distinct)
        if because is None:
            return Reading("number", "numbers in the file")
        said = f"is read as codes, since {because} (as numbers: data.columns: {{{present.name}: number}})"
        return _as_category(present, f"codes: {because}", said)
    if (form := _dates(distinct, where, str(present.name))) is not None:
        return _as_dates(present, form, "texts that are dates")
    numeric = looks_like_number(distinct) | numbers.notna().to_numpy()
    if not numeric.any():
        return _as_category(present, "texts")
    return _mostly_numbers(present, np.array(distinct, dtype=object), numeric, where, read)


def _dates(distinct: Sequence[str], where: str, name: str) -> str | None:
    try:
        return format_of(distinct)
    except Unclear as choices:
        raise BadInput(
            f"holds dates that can be read in two ways: {choices}",
            where=where,
            got=some(np.array(distinct, dtype=object)),
            remedy=f'say which: data.columns: {{{name}: {{kind: date, format: "%d/%m/%Y"}}}}, or {{{name}: ignore}}',
        ) from None


def _as_dates(present: pd.Series, form: str, why: str) -> Reading:
    note = (
        f"is read as dates ({form}), whose year, month, day, weekday, hour and days are inputs where they vary; if "
        f"later rows are to be predicted, split by time: data.split.time: {present.name}"
    )
    return Reading("date", why, form=form, note=note)


def numbers_of(
    column: pd.Series, meant: Column | None = None, read: Read | None = None
) -> tuple[Reading, np.ndarray | None]:
    """How a column is read, and its numbers: float64 `[rows]`, NaN where missing; None if its values are no numbers.
    The column need not be an input."""
    reading = reading_of(column, f"column {column.name}", meant, read)
    if reading.kind != "number":
        return reading, None
    return reading, reading.read(column).to_numpy(np.float64, na_value=np.nan)


def as_quantity(
    column: pd.Series, where: str, meant: Column | None = None, read: Read | None = None
) -> tuple[pd.Series, str | None]:
    """Reads a target whose texts are numbers in a notation for people (`1.234,5`): float64, and a note on the notation.
    Any other target is returned as it is, without a note.

    Args:
        column: No value is missing. Its name is the target's.

    Raises:
        BadInput: as `as_input`.
    """
    if meant is not None and meant.kind != "number":
        raise BadInput(
            "data.task decides how the target is read, not data.columns",
            where=f"data.columns.{column.name}",
            got=meant.kind,
            remedy="take it out; data.task: classification or regression chooses",
        )
    if meant is not None and meant.scale == "none":
        raise BadInput("has no effect on the target", where=f"data.columns.{column.name}.scale", remedy="take it out")
    distinct = [str(value) for value in column.unique()] if column.dtype == object else []
    plain = pd.to_numeric(pd.Series(distinct, dtype=object), errors="coerce").notna().all() and not _marked(
        read, distinct
    )
    if not distinct or (meant is None and (plain or not looks_like_number(distinct).all())):
        return column, None
    reading = reading_of(column, where, meant, read)
    if reading.kind != "number" or reading.meanings:
        return column, None
    note = (
        None
        if reading.notation.plain
        else f"read as numbers ({reading.notation}); as classes: data.task: classification"
    )
    return finite(reading.read(column), where), note


def _marked(read: Column | Read | None, texts: Sequence[str]) -> bool:
    """Whether the marks that the spec gives for numbers matter for these texts: one of the marks occurs in them."""
    signs = {read.decimal, read.thousands} - {None, "."} if read else set()
    swapped = read is not None and (read.thousands == "." or read.decimal == ",")
    return any(sign in text for sign in (*signs, *("." if swapped else "")) if sign for text in texts)


def _mostly_numbers(
    present: pd.Series, distinct: np.ndarray, numeric: np.ndarray, where: str, read: Read | None
) -> Reading:
    """How a column of texts is read if some of them are numbers, perhaps in another notation."""
    if present.isin(set(distinct[numeric])).mean() < LEAST_NUMBERS:
        return _as_category(present, "texts")
    notation = _notation(distinct[numeric], where, present, read)
    numeric[numeric] = notation.read(pd.Series(distinct[numeric], dtype=object)).notna().to_numpy()
    strangers = distinct[~numeric]
    share = float(present.isin(set(distinct[numeric])).mean())
    words = len(strangers) <= MOST_WORDS and not any(re.search(r"\d", word) for word in strangers)
    measured = share >= LEAST_NUMBERS and words and numeric.sum() >= FEWEST_MEASURED
    if not len(strangers) or measured:
        said = [f"is read as numbers ({notation})"] if not notation.plain else []
        if len(strangers):
            rows = int(present.isin(set(strangers)).sum())
            said.append(f"holds {some(strangers)} in {rows:,} {'row' if rows == 1 else 'rows'}, read as no value")
        note = " and ".join(said) + f"; else data.columns: {{{present.name}: category}}"
        return Reading("number", "texts that are numbers", notation, missing=tuple(strangers), note=note)
    mostly = share >= MOSTLY_NUMBERS
    if len(distinct) <= MAX_FREE_CATEGORIES:
        note = f"is read as categories, since {some(strangers)} is no number"
        return Reading("category", "texts", note=note if mostly else None)
    if mostly:
        raise mixed(strangers, where)
    return _as_category(present, "texts")


def _notation(texts: np.ndarray, where: str, column: pd.Series, read: Column | Read | None) -> Notation:
    decimal, thousands = (read.decimal, read.thousands) if read else (None, None)
    try:
        return notation_of(list(texts), decimal, thousands)
    except Ambiguous as choices:
        raise BadInput(
            f"holds numbers that can be read in two ways: {choices}",
            where=where,
            got=some(texts),
            remedy=f'say which: data.columns: {{{column.name}: {{kind: number, thousands: ","}}}}, or decimal: ","; or '
            f"leave it out: data.drop: [{column.name}]",
        ) from None


def _as_category(present: pd.Series, why: str, note: str | None = None) -> Reading:
    distinct = present.nunique()
    if distinct > MAX_FREE_CATEGORIES and distinct > MAX_DISTINCT_SHARE * len(present):
        text = f"is text with {distinct:,} distinct values in {len(present):,} rows"
        return Reading("ignore", "text that hardly repeats", note=f"{note}; it {text}" if note else text)
    return Reading("category", why, note=note)


def _as_meant(present: pd.Series, where: str, meant: Column, read: Read | None) -> Reading:
    """How a column is read if the spec says how."""
    why = "data.columns says so"
    if meant.kind in ("ignore", "category"):
        return Reading(meant.kind, why)
    if meant.kind == "text":
        return _as_text(present, where)
    if meant.kind == "date":
        texts = as_written(present)
        form = meant.format or _dates(list(texts.unique()), where, str(present.name))
        others = texts if form is None else texts[instants(texts, form).isna()]
        if len(others):
            raise BadInput(
                "holds values that are no such dates",
                where=where,
                got=some(others.unique()),
                accepted=form or "2024-12-31, or 31.12.2024",
                remedy=f'data.columns: {{{present.name}: {{kind: date, format: "%d%m%Y"}}}}',
            )
        return _as_dates(present, form or ISO, why)
    if meant.order is not None:
        codes = {text: float(place) for place, text in enumerate(meant.order)}
        lacking = [text for text in as_written(present).unique() if text not in codes]
        if lacking:
            raise BadInput(
                "holds values that its order lacks",
                where=where,
                got=some(np.array(lacking, dtype=object)),
                accepted=", ".join(meant.order),
                remedy=f"name them in data.columns.{present.name}.order",
            )
        return Reading("number", f"{why}, in order", meanings=codes)
    if present.dtype != object:
        return Reading("number", why)
    if booleans := as_truth_values(present):
        return Reading("number", why, meanings=booleans)
    distinct = np.array([str(value) for value in present.unique()], dtype=object)
    marks = meant if meant.decimal is not None or meant.thousands is not None else read
    reading = Reading("number", why)
    if not pd.to_numeric(pd.Series(distinct), errors="coerce").notna().all() or _marked(marks, list(distinct)):
        numeric = distinct[looks_like_number(distinct)]
        reading = replace(reading, notation=_notation(numeric, where, present, marks))
    unread = distinct[reading.read(pd.Series(distinct, dtype=object)).isna().to_numpy()]
    if len(unread):
        raise mixed(unread, where)
    return reading


def _as_text(present: pd.Series, where: str) -> Reading:
    if present.dtype != object or not present.map(lambda value: isinstance(value, str)).all():
        got = some(present.unique()) if len(present) else "no value"
        raise BadInput("holds no text", where=where, got=got, remedy="name a column of texts")
    return Reading("text", "free text, as the spec says")


def as_written(column: pd.Series) -> pd.Series:
    """Values as texts: texts as they are, numbers without a needless `.0`; None where missing.

    >>> list(as_written(pd.Series([1.0, 2.5]))), list(as_written(pd.Series(["0100", "1e2"], dtype=object)))
    (['1', '2.5'], ['0100', '1e2'])
    """
    codes, values = pd.factorize(column)  # a text for each row would take more memory than the whole column
    texts = np.array([*(said(value) for value in values), None], dtype=object)
    return pd.Series(texts[codes], index=column.index, dtype=object, name=column.name)


def said(value: object) -> str:
    """A value as a text."""
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value)


def mixed(strangers: np.ndarray, where: str) -> BadInput:
    return BadInput(
        "holds numbers, but not in every row",
        where=where,
        got=some(strangers),
        remedy="add what means 'no value' to data.read.missing, or the column to data.drop",
    )


def seconds(column: pd.Series, where: str) -> pd.Series:
    """As `as_seconds`, but refuses texts that are no time.

    Raises:
        BadInput: a text is no time.
    """
    values = as_seconds(column)
    wrong = column.notna() & values.isna()
    if wrong.any():
        raise BadInput("is no time", where=where, got=some(column[wrong].unique()), accepted="minutes:seconds, as 1:09")
    return values


def as_seconds(column: pd.Series) -> pd.Series:
    """`minutes:seconds` texts as seconds: float64, NaN where missing or no such text."""
    parts = column.str.extract(r"^(\d+):(\d\d)$").astype(np.float64)
    return parts[0] * 60 + parts[1]


def as_truth_values(present: pd.Series) -> dict[str, float] | None:
    """Each text's meaning where all are true/false or all yes/no, in any case; else None."""
    texts = present.unique()
    lower = {text.lower() for text in texts} if len(texts) <= 6 else set()  # true True TRUE false False FALSE
    meaning = next((words for words in _BOOLEANS if lower and lower <= words.keys()), None)
    return {text: meaning[text.lower()] for text in texts} if meaning else None


def finite(numbers: pd.Series, where: str) -> pd.Series:
    infinite = np.flatnonzero(np.isinf(numbers.to_numpy()))
    if infinite.size:
        first = infinite[0]
        raise BadInput(
            "holds an infinite value",
            where=where,
            got=f"{numbers.iloc[first]} in row {numbers.index[first] + 1} ({infinite.size} in all)",
            remedy="mend these rows, or add the column to data.drop",
        )
    return numbers


def some(values: np.ndarray) -> str:
    shown = ", ".join(repr(value) for value in values[:3])
    return f"{shown} and {len(values) - 3} more" if len(values) > 3 else shown
