"""Runs Great Expectations on a frame: quietly, in memory, leaving nothing behind."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from tasks.errors import BadInput
from tasks.imports import importing
from tasks.validation.wording import shown

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext


@dataclass(frozen=True)
class Expectation:
    """An expectation by its name in `EXPECTATIONS`, and its parameters."""

    name: str
    parameters: Mapping[str, Any]

    def build(self, where: str = "") -> Any:
        """The library's object.

        Raises:
            BadInput: a parameter is missing, or its value is of the wrong type or out of range.
        """
        cls = getattr(_library().expectations, "".join(word.capitalize() for word in self.name.split("_")))
        try:
            return cls(**self.parameters)
        except ValueError as error:  # pydantic's, or raised by a validator
            parameter, reason = _reason(error)
            raise BadInput(
                f"{self.name}: {f'{parameter}: ' if parameter else ''}{reason}",
                where=where or None,
                got=", ".join(f"{key}: {value!r}" for key, value in self.parameters.items()) or "no parameters",
            ) from None


@dataclass(frozen=True)
class Outcome:
    """What the library answered.

    Args:
        success: Whether the expectation holds.
        rows: How many values were looked at (missing ones are not), or None for an aggregate.
        unexpected: How many of them are not as expected, or None for an aggregate.
        examples: Some unexpected values, distinct, in words.
        value: An aggregate's value, in words, or "".
        error: Why it could not be computed on this column, or None.
    """

    success: bool
    rows: int | None
    unexpected: int | None
    examples: tuple[str, ...] = ()
    value: str = ""
    error: str | None = None


def run(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> list[Outcome]:
    """One outcome for each expectation, in their order."""
    if not expectations:
        return []
    gx = _library()
    built = [expectation.build() for expectation in expectations]
    for position, expectation in enumerate(built):
        expectation.meta = {"position": position}  # the library answers in an order of its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asset = _context().data_sources.add_pandas("memory").add_dataframe_asset("frame")
        batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
        answers = batch.validate(gx.ExpectationSuite(name="suite", expectations=built), result_format="BASIC").results
    by_position = {
        answer.expectation_config.meta["position"]: answer for answer in answers if answer.expectation_config
    }
    return [_outcome(by_position[position]) for position in range(len(built))]


@cache
def _library() -> Any:
    """Imports Great Expectations."""
    with importing():
        import great_expectations
        import great_expectations.expectations
    return great_expectations


def _context() -> EphemeralDataContext:
    """A context with stores in memory only. The default one writes a `local_site` and temporary folders."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _outcome(answer: ExpectationValidationResult) -> Outcome:
    result = answer.result
    if error := _exception(answer.exception_info):
        return Outcome(success=False, rows=None, unexpected=None, error=error)
    count, value = result.get("element_count"), result.get("observed_value")
    ignores_missing = "unexpected_percent_nonmissing" in result
    return Outcome(
        success=bool(answer.success),
        rows=None if count is None else int(count) - (int(result["missing_count"]) if ignores_missing else 0),
        unexpected=None if count is None else int(result["unexpected_count"]),
        examples=tuple(dict.fromkeys(_in_words(item) for item in result.get("partial_unexpected_list", ())))[:3],
        value="" if value is None else _in_words(value),
    )


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_in_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple, set)):
        items = list(value)
        return "[" + ", ".join(map(_in_words, items[:10])) + (", ..." if len(items) > 10 else "") + "]"
    return shown(value)


def _exception(info: Mapping[str, Any]) -> str | None:
    """The message of the first exception, or None. The library sometimes nests exceptions under metric names."""
    if "raised_exception" not in info:
        return next((message for item in info.values() if (message := _exception(item))), None)
    if not info["raised_exception"]:
        return None
    return str(info["exception_message"]).strip().splitlines()[-1].rstrip(".")


def _reason(error: ValueError) -> tuple[str, str]:
    """The parameter at fault ("" for the whole) and what is wrong with it."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return "", str(error).strip().splitlines()[-1].rstrip(".")
    first = errors()[0]
    parameter = str(first["loc"][0])
    return ("" if parameter == "__root__" else parameter), str(first["msg"]).rstrip(".")
