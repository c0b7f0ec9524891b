"""Entries of `Dataset.columns`: what each column of a source was taken for, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tasks.datasets.columns import Reading
from tasks.datasets.named_rows import MISSING_TEXTS


def of_input(
    column: pd.Series, name: str, reading: Reading, inputs: Sequence[str], frame: Any, *, scaled: bool = True
) -> dict[str, Any]:
    """The entry of a column that is an input, or would be one if a model could use it.

    Args:
        column: As it stands in the source.
        inputs: The inputs that it became; none where it is left out.
        frame: The whole source. Its `attrs` may say which texts were taken as missing.
        scaled: Whether its numbers are brought to a common scale.
    """
    facts = _facts(column, name, reading.kind if inputs else "ignore", reading.why, frame)
    facts["missing_texts"] |= {text: int((column == text).sum()) for text in reading.missing}
    becomes = _becomes(reading, inputs, facts["distinct"]) if inputs else "no input"
    becomes += "" if scaled or not inputs else ", not scaled"
    entry = {"facts": facts | {"becomes": becomes, "note": reading.note}}
    return entry | ({"name": name, "reading": reading.record(), "inputs": list(inputs)} if inputs else {})


def of_text(column: pd.Series, name: str, frame: Any) -> dict[str, Any]:
    """The entry of the text column that is the only input."""
    facts = _facts(column, name, "text", "free text", frame)
    reading = Reading("text", "free text").record()
    return {"facts": facts | {"becomes": "the text", "note": None}, "name": name, "reading": reading, "inputs": [name]}


def of_other(column: pd.Series | None, name: str, kind: str, why: str, becomes: str, frame: Any) -> dict[str, Any]:
    """The entry of a column that is no input: the target, a column that divides the rows, or a dropped one.

    Args:
        column: None where it was not read.
    """
    facts = _facts(column, name, kind, why, frame)
    lost = ", ".join(f"{text!r} in {count:,} rows" for text, count in facts["missing_texts"].items())
    note = f"{lost} is taken as no value: data.read.missing" if lost and kind == "target" else None
    return {"facts": facts | {"becomes": becomes, "note": note}}


def _facts(column: pd.Series | None, name: str, kind: str, why: str, frame: Any) -> dict[str, Any]:
    said: Mapping[str, int] = getattr(frame, "attrs", {}).get(MISSING_TEXTS, {}).get(name, {})
    return {
        "name": name,
        "kind": kind,
        "why": why,
        "missing": None if column is None else float(column.isna().mean()),
        "missing_texts": {text: count for text, count in said.items() if text},
        "distinct": None if column is None else int(column.nunique()),
    }


def _becomes(reading: Reading, inputs: Sequence[str], distinct: int) -> str:
    if reading.kind == "date":
        return ", ".join(inputs)
    if reading.kind == "text":
        return "the numbers of its words or trigrams"
    if reading.meanings:
        return "a number: " + ", ".join(f"{text} = {number:g}" for text, number in reading.meanings.items())
    return "a number" if reading.kind == "number" else f"one of {distinct:,} categories"
