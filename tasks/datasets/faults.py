"""Inputs that can't be used: counted, named, and refused or left out, as the spec says."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeVar

from tasks.errors import BadInput

T = TypeVar("T", bound=Hashable)
Decoded = TypeVar("Decoded")

Unreadable = Literal["block", "skip"]
"""The values of `data.unreadable`."""

_NAMED = 5


class Unusable(Exception):
    """One input can't be used; the message says why, as in `is no image`."""


class Fault(NamedTuple):
    """An input that can't be used: its file or row, and why."""

    name: str
    why: str


def decoded(
    contents: Iterable[tuple[str, bytes | Unusable]], decode: Callable[[bytes], Decoded]
) -> tuple[dict[str, Decoded], list[Fault]]:
    """Decodes each file's content. Returns the results by path, and the faults: files that could not be read or for
    which `decode` raised `Unusable`."""
    usable: dict[str, Decoded] = {}
    faults: list[Fault] = []
    for path, content in contents:
        try:
            if isinstance(content, Unusable):
                raise content
            usable[path] = decode(content)
        except Unusable as error:
            faults.append(Fault(path, str(error)))
    return usable, faults


def settle(faults: Sequence[Fault], of: int, what: str, shown: str, unreadable: Unreadable) -> tuple[str, ...]:
    """Refuses the faults, or returns a note on the inputs that are left out (no note if there are no faults).

    Args:
        faults: In the order of the inputs.
        of: How many inputs there are in all.
        what: What the inputs are, in the plural: `images`.
        shown: Where they lie, for messages.

    Raises:
        BadInput: there are faults, and the spec does not say to skip them or no usable input is left.
    """
    if not faults:
        return ()
    named = "; ".join(f"{name} {why}" for name, why in faults[:_NAMED])
    more = f"; and {len(faults) - _NAMED:,} more" if len(faults) > _NAMED else ""
    if unreadable == "skip" and len(faults) < of:
        return (f"{len(faults):,} of {of:,} {what} left out, as data.unreadable says: {named}{more}",)
    raise BadInput(
        f"{len(faults):,} of {of:,} {what} can't be used",
        where=shown,
        got=named + more,
        remedy="mend or remove them, or leave them out with data.unreadable: skip" if len(faults) < of else None,
    )


def commonest(values: Sequence[T]) -> T:
    """The value that occurs most often; of equally common ones, the first."""
    counts: dict[T, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return max(counts, key=lambda value: counts[value])
