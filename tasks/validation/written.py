"""The expectations that the spec's author wrote, run on the raw table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

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
"""Expectations for which a column that is not there is an answer, not a mistake."""


def raw_table(dataset: Dataset) -> pd.DataFrame:
    """All columns that an expectation can name: inputs (texts too), target (class names, or their numbers), extras."""
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
    return pd.DataFrame({name: column.array for name, column in columns.items()})


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
    frame = raw_table(dataset)
    _raise([error for where, item in expectations.items() if (error := _wrong(item, where, frame))])
    outcomes = run(frame, list(expectations.values()))
    answers = list(zip(expectations.items(), outcomes, strict=True))
    _raise([_not_computed(item, where, outcome.error) for (where, item), outcome in answers if outcome.error])
    return [_finding(frame, item, outcome) for (_, item), outcome in answers]


def _raise(errors: Sequence[BadInput]) -> None:
    if errors:
        raise errors[0] if len(errors) == 1 else Several(errors)


def _wrong(expectation: Expectation, where: str, frame: pd.DataFrame) -> BadInput | None:
    """What is wrong with an expectation, before it is run."""
    parameters = expectation.parameters
    for key, value in parameters.items():
        if isinstance(value, Mapping) and key != "quantile_ranges":  # the library would evaluate such a one
            return BadInput(
                f"{expectation.name}: {key} must be a plain value", where=where, got=f"{key}: {dict(value)!r}"
            )
    unknown = [name for name in _columns(expectation) if not (isinstance(name, str) and name in frame.columns)]
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


def _columns(expectation: Expectation) -> list[Any]:
    """The columns that an expectation names and that must be there."""
    if expectation.name in _ABOUT_THE_COLUMNS:
        return []
    parameters = expectation.parameters
    single = [parameters[key] for key in ("column", "column_A", "column_B") if key in parameters]
    several = parameters.get("column_list", [])
    return single + (list(several) if isinstance(several, (list, tuple)) else [several])


def _not_computed(expectation: Expectation, where: str, error: str | None) -> BadInput:
    return BadInput(
        f"{expectation.name} can't be computed on {listing(map(str, _columns(expectation))) or 'the table'}",
        where=where,
        got=error,
        remedy="see that the column holds the kind of values that this expectation is about",
    )


def _finding(frame: pd.DataFrame, expectation: Expectation, outcome: Outcome) -> Finding:
    columns = [str(name) for name in _columns(expectation)]
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
        given = (f"{key} {_plainly(value)}" for key, value in parameters.items() if key not in named)
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
