"""The expectations that the spec's author wrote, run on the file's columns.

Expectations about texts (regular expressions, lengths, formats of dates, sets of texts) see values as the file writes
them. Bounds, statistics and sets of numbers see the numbers that the values mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype as is_number

from tasks.dataset import Dataset
from tasks.errors import BadInput, Several, nearest
from tasks.validation.finding import Finding
from tasks.validation.suite import Expectation, Outcome, run
from tasks.validation.wording import listing, of, shown

_ABOUT_THE_COLUMNS = {
    "expect_column_to_exist",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
}
"""Expectations for which a missing column is a result, not a mistake in the spec."""


_ABOUT_TEXTS = (
    "_match_regex",
    "_match_strftime",
    "_value_lengths_",
    "_dateutil_parseable",
    "_match_like",
    "_regex_list",
)
"""Parts of the names of expectations that are about texts."""


def raw_table(dataset: Dataset) -> pd.DataFrame:
    """All columns that an expectation can name, with interpreted values: inputs (texts too), target (class names, or
    their numbers), extras, and the file's other columns."""
    target: pd.Series
    if dataset.classes is None:
        target = pd.Series(dataset.target)
    else:
        labels = pd.Series(dataset.classes, dtype="str")
        numbers = pd.to_numeric(labels, errors="coerce")
        target = (labels if numbers.isna().any() else numbers).iloc[dataset.target]
    raw = dataset.raw if isinstance(dataset.raw, pd.DataFrame) else dataset.table
    columns = {**{str(name): raw[name] for name in raw.columns}, dataset.target_name: target}
    columns |= {name: dataset.extras[name] for name in dataset.extras.columns if name not in columns}
    columns |= {str(name): _numbers(column) for name, column in dataset.beside.items() if name not in columns}
    return pd.DataFrame({name: column.array for name, column in columns.items()})


def _numbers(column: pd.Series) -> pd.Series:
    """A column as numbers if every value is one, else as texts."""
    if column.dtype != object:
        return column
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().equals(column.notna()) else column.astype("str").where(column.notna())


def written_table(dataset: Dataset, meant: pd.DataFrame) -> pd.DataFrame:
    """The columns of `meant` as texts: as the file writes them, where that is known.

    Args:
        meant: What `raw_table` gives.
    """
    known = {name for name in dataset.written.columns if name != dataset.target_name}
    return pd.DataFrame(
        {name: _texts(dataset.written[name] if name in known else meant[name]).array for name in meant.columns}
    )


def _texts(column: pd.Series) -> pd.Series:
    """A column as texts: whole numbers without a needless `.0`; missing stays missing."""
    if not is_number(column) or pd.api.types.is_bool_dtype(column):
        return column.astype("str").where(column.notna())
    plain = column.map(lambda value: f"{value:.0f}" if value == value // 1 else repr(value), na_action="ignore")
    return plain.astype("str").where(column.notna())


def is_about_texts(expectation: Expectation) -> bool:
    """Whether an expectation sees values as the file writes them, not their meaning."""
    values = expectation.parameters.get("value_set")
    words = isinstance(values, (list, tuple)) and any(isinstance(value, str) for value in values)
    return words or any(part in expectation.name for part in _ABOUT_TEXTS)


def findings(dataset: Dataset, expectations: Mapping[str, Expectation]) -> list[Finding]:
    """One finding for each expectation, in their order.

    Args:
        expectations: By their path in the YAML.

    Raises:
        BadInput: an expectation names a column that is not there, has a wrong parameter, or can't be computed
            on its column (`Several` where more than one does).
    """
    if not expectations:
        return []
    meant = raw_table(dataset)
    _raise([error for where, item in expectations.items() if (error := _wrong(item, where, meant))])
    textual = {where for where, item in expectations.items() if is_about_texts(item)}
    texts = written_table(dataset, meant) if textual else meant
    outcomes: dict[str, Outcome] = {}
    for frame, wanted in ((meant, expectations.keys() - textual), (texts, textual)):
        places = [where for where in expectations if where in wanted]
        answers = run(frame, [expectations[where] for where in places]) if places else []
        outcomes |= dict(zip(places, answers, strict=True))
    failed = {where: outcome.error for where, outcome in outcomes.items() if outcome.error}
    _raise([_not_computed(item, where, failed[where]) for where, item in expectations.items() if where in failed])
    return [
        finding_of(texts if where in textual else meant, item, outcomes[where]) for where, item in expectations.items()
    ]


def _raise(errors: Sequence[BadInput]) -> None:
    if errors:
        raise errors[0] if len(errors) == 1 else Several(errors)


def _wrong(expectation: Expectation, where: str, frame: pd.DataFrame) -> BadInput | None:
    """What is wrong with an expectation, before it is run; None if nothing is."""
    parameters = expectation.parameters
    for key, value in parameters.items():
        if isinstance(value, Mapping) and key != "quantile_ranges":  # the library would evaluate a mapping
            return BadInput(
                f"{expectation.name}: {key} must be a plain value", where=where, got=f"{key}: {dict(value)!r}"
            )
    unknown = [name for name in columns_of(expectation) if not (isinstance(name, str) and name in frame.columns)]
    if unknown:
        return BadInput(
            f"{expectation.name}: there is no column {unknown[0]!r}",
            where=where,
            got=str(unknown[0]),
            accepted=nearest(str(unknown[0]), map(str, frame.columns)),
        )
    low, high = parameters.get("min_value"), parameters.get("max_value")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        return BadInput(
            f"{expectation.name}: min_value is above max_value",
            where=where,
            got=f"min_value: {low}, max_value: {high}",
        )
    try:
        expectation.build(where)
    except BadInput as error:
        return error
    return None


def columns_of(expectation: Expectation) -> list[Any]:
    """The columns that an expectation names and that must exist."""
    if expectation.name in _ABOUT_THE_COLUMNS:
        return []
    parameters = expectation.parameters
    single = [parameters[key] for key in ("column", "column_A", "column_B") if key in parameters]
    several = parameters.get("column_list", [])
    return single + (list(several) if isinstance(several, (list, tuple)) else [several])


def _not_computed(expectation: Expectation, where: str, error: str | None) -> BadInput:
    return BadInput(
        f"{expectation.name} can't be computed on {listing(map(str, columns_of(expectation))) or 'the table'}",
        where=where,
        got=error,
        remedy="see that the column holds the kind of values that this expectation is about",
    )


def finding_of(frame: pd.DataFrame, expectation: Expectation, outcome: Outcome) -> Finding:
    """An expectation's outcome on a frame, in words that fit any expectation."""
    columns = [str(name) for name in columns_of(expectation)]
    subject = listing(columns) or "the table"
    expected = _expected(expectation)
    observed = _observed(frame, expectation, outcome)
    if outcome.success:
        message = f"{subject}: as expected, {expected}."
    elif outcome.unexpected is None:
        message = f"{subject}: expected {expected}" + (
            f", but it is {observed}." if observed else ", but it is not so."
        )
    else:
        such_as = f", such as {listing(outcome.examples)}" if outcome.examples else ""
        many = of(outcome.unexpected, outcome.rows or 0, "values")
        message = f"{subject}: {many} are not as expected ({expected}){such_as}."
    return Finding(
        success=outcome.success,
        expected=expected,
        observed=observed,
        rows=len(frame) if outcome.rows is None else outcome.rows,
        unexpected=outcome.unexpected,
        message=message,
        remedy="mend these rows at their source, or change the expectation",
        column=columns[0] if len(columns) == 1 else None,
    )


def _expected(expectation: Expectation) -> str:
    """`between 0 and 100, in at least 95% of the values`; other names in their own words."""
    parameters = expectation.parameters
    words = expectation.name.removeprefix("expect_").replace("_", " ")
    low, high, mostly = (parameters.get(key) for key in ("min_value", "max_value", "mostly"))
    if expectation.name.endswith("_between"):
        subject = words.removesuffix(" to be between").removeprefix("column ")
        subject = "" if subject == "values" else f"{subject} "
        bounds = [("above" if parameters.get("strict_min") else "at least", low)] if low is not None else []
        bounds += [("below" if parameters.get("strict_max") else "at most", high)] if high is not None else []
        if len(bounds) == 2 and not parameters.get("strict_min") and not parameters.get("strict_max"):
            text = f"{subject}between {shown(low)} and {shown(high)}"
        else:
            text = subject + " and ".join(f"{word} {shown(bound)}" for word, bound in bounds)
    else:
        named = {"column", "column_A", "column_B", "column_list", "mostly"}
        given = (f"{key.replace('_', ' ')} {_plainly(value)}" for key, value in parameters.items() if key not in named)
        text = ", ".join([words, *given])
    return text if mostly in (None, 1) else f"{text}, in at least {100 * mostly:.4g}% of the values"


def _plainly(value: Any) -> str:
    return f"[{listing(map(shown, value), most=10)}]" if isinstance(value, (list, tuple)) else shown(value)


def _observed(frame: pd.DataFrame, expectation: Expectation, outcome: Outcome) -> str:
    if outcome.value:
        return outcome.value
    column = expectation.parameters.get("column")
    if expectation.name == "expect_column_values_to_be_between" and frame[column].notna().any():
        return f"min {shown(frame[column].min())}, max {shown(frame[column].max())}"
    if outcome.unexpected is None:
        return ""
    return f"{outcome.unexpected:,} unexpected" + (f", such as {listing(outcome.examples)}" if outcome.examples else "")
