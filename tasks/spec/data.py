"""The spec's part `data`: where the data come from, what columns mean, how rows are divided, what is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tasks.errors import nearest
from tasks.ranges import Count, Fraction, Positive
from tasks.spec.entries import CheckEntry, problem
from tasks.spec.frozen import Frozen
from tasks.spec.labels import Label, as_label
from tasks.spec.sizes import Size

Mark = Literal[".", ",", " "]
"""A sign in a number."""


class Read(Frozen):
    """How a CSV, TSV or Excel file is read. What is None is found out from the file."""

    header: bool = Field(True, description="whether the first line holds the columns' names")
    columns: list[str] | None = Field(
        None, description="column names, for a file without a header or in place of one that repeats names"
    )
    sheet: str | None = Field(None, description="of an Excel file, by name; None: the first")
    separator: str | None = Field(None, description="the character between fields; None: by the file's ending")
    quoting: Literal["minimal", "none"] = Field(
        "minimal", description="whether a field in double quotes may hold separators and line ends"
    )
    missing: list[str] = Field(default=["", "NA", "NaN", "null"], description="texts that mean: no value")
    comment: str | None = Field(None, description="lines that begin so are skipped")
    decimal: Mark | None = Field(None, description="what stands before a fraction, in every column of texts")
    thousands: Mark | None = Field(None, description="what stands between thousands, in every column of texts")

    @model_validator(mode="after")
    def _two_signs(self) -> Self:
        _check_marks(self.decimal, self.thousands)
        return self


class Column(Frozen):
    """What a column means, where that can't be told from its values. A kind alone is enough: `zip: category`."""

    kind: Literal["number", "category", "ordered", "date", "text", "ignore"] = Field(
        description="text: free text, as in data.text; ignore: no input, as in drop"
    )
    decimal: Mark | None = Field(None, description="of a number: what stands before the fraction")
    thousands: Mark | None = Field(None, description="of a number: what stands between thousands")
    scale: Literal["standard", "none"] = Field(
        "standard", description="of a number: standard brings it to mean 0 and deviation 1, none leaves it as it is"
    )
    order: list[Label] | None = Field(None, min_length=2, description="of kind ordered: its values from low to high")
    format: str | None = Field(None, description="of a date: how it is written, as 31122024 is %d%m%Y; None: found out")

    @model_validator(mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if (self.kind == "ordered") != (self.order is not None):
            raise problem("kind ordered needs an order, and only that has one", suffix="order", accepted="[low, high]")
        if self.kind != "number" and (self.decimal or self.thousands or self.scale == "none"):
            raise problem("has an effect on numbers only", got=f"kind: {self.kind}", accepted="kind: number")
        if self.kind != "date" and self.format is not None:
            raise problem(
                "has an effect on dates only", got=f"kind: {self.kind}", accepted="kind: date", suffix="format"
            )
        _check_marks(self.decimal, self.thousands)
        return self


def _check_marks(decimal: str | None, thousands: str | None) -> None:
    if decimal is not None and decimal == thousands:
        raise problem("one sign can't stand for both", got=f"decimal and thousands: {decimal!r}", suffix="thousands")


def _no_list(value: Any) -> Any:
    if isinstance(value, list):
        raise problem(
            "column names belong in data.read.columns; this key says what columns mean",
            got="a list",
            accepted="a mapping, as {zip: category}",
        )
    return value


class Split(Frozen):
    """How rows are divided into train, val and test. Disjoint, and the same for the same seed and data."""

    test: Fraction | None = Field(None, description="share of rows; None: as the source gives it, else 0.2")
    validation: Fraction = Field(0.2, description="share of the rows that are not test rows")
    stratify: bool | None = Field(
        None, description="keep the classes' shares in each part; None: yes, for classes divided at random"
    )
    group: str | None = Field(None, description="rows with one value in this column stay in one part")
    hold_out: list[str] | None = Field(
        None, min_length=1, description="the values of group whose rows are the test part; None: drawn"
    )
    time: str | None = Field(None, description="split in the order of this column: the latest rows are the test part")
    given: str | None = Field(None, description="a column that holds train, val or test for each row")
    seed: int = Field(0, ge=0, description="of the random division")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("group", "time", "given") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise problem("group, time and given exclude each other", got=" and ".join(ways), accepted="one of them")
        if self.stratify and ways:
            raise problem(f"stratify has no effect on a split by {ways[0]}", got="stratify: true", suffix="stratify")
        if self.hold_out is not None and self.group is None:
            raise problem("hold_out names groups, and the split is not by group", suffix="hold_out", remedy="set group")
        if self.hold_out is not None and self.test is not None:
            raise problem(
                "test has no effect where hold_out names the test part", got=f"test: {self.test}", suffix="test"
            )
        if self.given is not None and self.test is not None:
            raise problem("test has no effect where the parts are given", got=f"test: {self.test}", suffix="test")
        return self


def _spellings(value: Any) -> Any:
    """`[a, b]` as `{a: [a], b: [b]}`; one spelling needs no list."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return {as_label(name): each if isinstance(each, list) else [each] for name, each in value.items()}
    return value


class Data(Frozen):
    """Where the data come from, what is predicted, what is checked."""

    source: str = Field(
        description="a catalogue name, a file (.csv, .tsv, .xlsx, .xls, .parquet, .npz), a folder of Parquet or IDX "
        "files, or one with a folder of images or WAV files for each class"
    )
    target: str | None = Field(None, description="the column to predict; None: the catalogue's own")
    task: Literal["classification", "regression"] | None = Field(None, description="None: from the target's values")
    positive: Label | None = Field(
        None,
        description="the class that recall, precision, F1 and PR AUC speak of; None: of 0/1, true/false, yes/no and "
        "the like the true one, else the rarer one in training; of more than two classes: all alike (macro)",
    )
    classes: Annotated[list[Label] | dict[str, list[Label]], BeforeValidator(_spellings)] | None = Field(
        None,
        description="the classes in order, as a list, or as a mapping {yes: [Yes, YES]} that joins spellings; rows of "
        "others are left out; None: all",
    )
    text: Annotated[str | list[str], Field(min_length=1)] | None = Field(
        None, description="the column of free text, or a list of them; the other columns are inputs too"
    )
    tokens: Literal["words", "trigrams"] | None = Field(
        None, description="what texts are divided into: words (None), or every three neighbouring characters"
    )
    features: list[str] | None = Field(None, description="the only columns used as inputs; None: all")
    drop: list[str] = Field(default=[], description="columns not used as inputs")
    columns: Annotated[dict[str, Column], BeforeValidator(_no_list)] = Field(
        default={}, description="what columns mean, by name, where that can't be told from their values"
    )
    rows: Count | None = Field(None, description="use a seeded random sample of so many rows")
    memory: Size | None = Field(
        None, description="Parquet that decoded needs more is streamed; None: a quarter of the machine's, at most 4 GB"
    )
    seconds: Positive | None = Field(
        None, description="length to which sounds are cut or padded with silence; None: the longest one's"
    )
    unreadable: Literal["block", "skip"] = Field(
        "block", description="inputs that can't be used (broken files, blank texts): refuse the data, or leave them out"
    )
    read: Read = Field(Read(), description="how a CSV, TSV or Excel file is read")
    split: Split = Field(Split(), description="how rows are divided into train, val and test")
    checks: list[CheckEntry] = Field(default=[], description="Great Expectations, or this project's checks, by name")

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.features is not None and self.drop:
            raise problem("features and drop exclude each other", got="both", accepted="one of them", suffix="drop")
        self._check_classes()
        self._check_columns()
        self._check_texts()
        return self

    @property
    def texts(self) -> list[str]:
        """The columns that the spec calls texts."""
        named = [self.text] if isinstance(self.text, str) else self.text or []
        return list(dict.fromkeys([*named, *(name for name, meant in self.columns.items() if meant.kind == "text")]))

    def _check_texts(self) -> None:
        for name in self.texts:
            meant = self.columns.get(name)
            if name == self.target:
                raise problem("names the target", got=name, suffix="text", remedy="choose another column")
            if meant is not None and meant.kind != "text":
                raise problem(f"{name} is a text, and a {meant.kind} in columns", suffix="text", remedy="keep one")
            if name in self.drop:
                raise problem(f"{name} is a text, and dropped", suffix="drop", remedy="keep one")
            if self.features is not None and name not in self.features:
                said = f"{name} is a text, and not in features, the only inputs"
                raise problem(said, suffix="features", remedy=f"add {name} to features, or take it out of text")

    def _check_columns(self) -> None:
        for name, meant in self.columns.items():
            used = meant.kind != "ignore"
            if name in self.drop and used:
                raise problem(
                    f"{name} is dropped, and a {meant.kind} here", suffix=f"columns.{name}", remedy="keep one"
                )
            if self.features is not None and (name in self.features) != used:
                said = f"is a {meant.kind} here" if used else "is ignored here"
                other = "not in features" if used else "in features"
                raise problem(f"{name} {said}, and {other}", suffix=f"columns.{name}", remedy="keep one")

    def _check_classes(self) -> None:
        if self.classes is None:
            return
        spelled = [each for spellings in self.spellings.values() for each in spellings]
        twice = sorted({each for each in spelled if spelled.count(each) > 1})
        if twice:
            raise problem("a value means one class", got=f"{twice[0]} twice", suffix="classes", remedy="keep one")
        if len(self.spellings) < 2:
            raise problem("there is nothing to tell apart", got="one class", accepted="two or more", suffix="classes")
        if self.positive is not None and self.positive not in self.spellings:
            accepted = nearest(self.positive, self.spellings)
            raise problem("is none of data.classes", got=self.positive, accepted=accepted, suffix="positive")

    @property
    def spellings(self) -> dict[str, list[str]]:
        """Class to the values that mean it; empty where all values are classes of their own."""
        if isinstance(self.classes, list):
            return {name: [name] for name in self.classes}
        return dict(self.classes or {})
