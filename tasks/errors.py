"""Errors that a user can cause, reported so that the user can correct them.

Every such error is a `BadInput`: the command prints its message without a traceback and exits with code 2. Any other
error that reaches the command is a defect of this project (exit code 1, with the traceback).
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from pathlib import Path


class BadInput(Exception):
    """The spec or the data is wrong.

    Args:
        problem: What is wrong, in one sentence without a full stop.
        where: Where it is: a path in the YAML (`train.epochs`), a file (with line), a column.
        got: The offending value, as the user wrote it.
        accepted: The values that are accepted.
        remedy: What the user can do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        got: str | None = None,
        accepted: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.where, self.got, self.accepted, self.remedy = problem, where, got, accepted, remedy
        super().__init__(self.message())

    def message(self) -> str:
        """The whole message: one line for the problem, and one line for each further fact that is known."""
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        facts = (("got", self.got), ("accepted", self.accepted), ("remedy", self.remedy))
        return plain("\n".join([head, *(f"  {name + ':':<10}{fact}" for name, fact in facts if fact)]))


class Several(BadInput):
    """Several things are wrong; all are reported at once."""

    def __init__(self, errors: Iterable[BadInput]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} things are wrong")

    def message(self) -> str:
        return "\n".join(error.message() for error in self.errors)


class Blocked(BadInput):
    """A `block` check of the data failed. `table` holds all results for display, failed ones first. `report` is the
    path of the report, once it is written."""

    table: tuple[dict[str, str], ...] = ()
    report: Path | None = None


class Locked(BadInput):
    """The run folder is in use by another process."""


LISTED = 30
"""Names listed, at most."""


def nearest(name: str, accepted: Iterable[str]) -> str:
    """Lists the accepted names, with the nearest one first: `did you mean adam? one of adadelta, adagrad, adam`.

    Of more than `LISTED` names, only the nearest are listed.

    >>> nearest("adm", ["adam", "sgd"])
    'did you mean adam? one of adam, sgd'
    """
    names = sorted(accepted)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if len(names) > LISTED:
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.0)
        return (f"did you mean {close[0]}? " if close else "") + f"{len(names)} names, such as {', '.join(near)}"
    listing = "one of " + ", ".join(names) if len(names) > 1 else ", ".join(names) or "nothing"
    return f"did you mean {close[0]}? {listing}" if close else listing


_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of controls, surrogates (halves of characters), and line and paragraph separators."""
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "L", "R", "AL"})
"""Bidirectional classes of the format characters that change the direction of text."""


def plain(text: object) -> str:
    r"""Makes a text from data, a spec or a file's name safe to show on a terminal.

    A terminal obeys control characters (they move the cursor, hide lines, rename the window), and direction marks make
    a name look like another one. Each such character is written as in a Python string; line breaks and tabs stay.

    >>> plain("\x1b[31mred")
    '\\x1b[31mred'
    """
    return "".join(map(_seen, str(text)))


def _seen(letter: str) -> str:
    kind = unicodedata.category(letter)
    hidden = kind in _HIDDEN or (kind == "Cf" and unicodedata.bidirectional(letter) in _TURNING)
    return letter.encode("unicode_escape").decode("ascii") if hidden and letter not in "\n\t" else letter
