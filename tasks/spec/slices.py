"""Keys that say how rows are divided into slices: `evaluate.slices`, and `by` and `slice` of gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from tasks.evaluation.fairness import FAIRNESS
from tasks.spec.entries import problem
from tasks.spec.gates import Gate
from tasks.spec.labels import as_label

MOST_PARTS = 20
"""The most quantiles of a number."""

_FORMS = "a column; two columns, as [sex, race]; or a number's quantiles, as {age: 4}"


def _form(value: Any) -> Any:
    """Checks a slicing, and returns it with its columns as texts."""
    if isinstance(value, list):
        if len(value) != 2 or not all(isinstance(as_label(name), str) for name in value):
            raise problem("slices are by one column or by two", got=str(value), accepted=_FORMS)
        if value[0] == value[1]:
            raise problem("names one column twice", got=str(value), accepted=_FORMS)
        return [as_label(name) for name in value]
    if isinstance(value, dict):
        if len(value) != 1:
            raise problem("quantiles are of one column", got=str(value), accepted=_FORMS)
        ((column, parts),) = value.items()
        if isinstance(parts, bool) or not isinstance(parts, int) or not 2 <= parts <= MOST_PARTS:
            accepted = f"2 to {MOST_PARTS}"
            raise problem("is no number of quantiles", got=str(parts), accepted=accepted, suffix=str(column))
        return {as_label(column): parts}
    if not isinstance(as_label(value), str):
        raise problem("is nothing to slice by", got=str(value), accepted=_FORMS)
    return as_label(value)


SliceEntry = Annotated[str | list[str] | dict[str, int], BeforeValidator(_form)]


def columns_of(entry: str | Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that a slicing divides rows by.

    >>> columns_of("sex"), columns_of(["sex", "race"]), columns_of({"age": 4})
    (('sex',), ('sex', 'race'), ('age',))
    """
    return (entry,) if isinstance(entry, str) else tuple(entry)


def no_slicing_twice(entries: Sequence[Any]) -> None:
    """Refuses two slicings by the same columns: a gate could not say which one it means."""
    seen: list[set[str]] = []
    for entry in entries:
        if set(columns_of(entry)) in seen:
            raise problem("names the same columns twice", got=" and ".join(columns_of(entry)))
        seen.append(set(columns_of(entry)))


def check_gates(gates: Sequence[Gate], entries: Sequence[Any]) -> None:
    """Refuses gates on slices that `evaluate.slices` does not make."""
    known = [columns_of(entry) for entry in entries]
    listed = "; ".join(" and ".join(columns) for columns in known)
    for index, gate in enumerate(gates):
        fair = gate.metric in FAIRNESS
        if not known and (fair or gate.slice is not None):
            place = "metric" if fair else "slice"
            raise problem(
                "needs evaluate.slices, which says by what rows are divided",
                got=gate.metric if fair else " and ".join(gate.slice or ()),
                suffix=f"gates[{index}].{place}",
                remedy="add evaluate.slices, such as [sex]",
            )
        if fair and gate.by is None and len(known) > 1:
            raise problem(
                "there are several slicings: say which one", suffix=f"gates[{index}].by", got="none", accepted=listed
            )
        named = gate.by if gate.by is not None else gate.slice
        if named is not None and set(columns_of(named)) not in [set(columns) for columns in known]:
            raise problem(
                "evaluate.slices has no such slicing",
                got=" and ".join(columns_of(named)),
                accepted=listed,
                suffix=f"gates[{index}].{'slice' if gate.by is None else 'by'}",
            )
