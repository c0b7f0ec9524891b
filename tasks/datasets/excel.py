"""Reads a sheet of an Excel file as a frame of texts, with the same meaning as the same texts in a CSV file."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.datasets.columns import said
from tasks.datasets.named_rows import frame_of, names_of
from tasks.errors import BadInput, nearest

if TYPE_CHECKING:
    from tasks.spec.data import Read

ENDINGS = (".xlsx", ".xls")
OF_TEXT_FILES = {"separator": None, "quoting": "minimal", "comment": None}
"""Keys of `data.read` that apply to text files only, with their defaults."""
_BEGIN = (b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1"), b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")
"""First bytes of a zip archive, of an OLE file, and of the sheets of before 1997."""
_EXACT = 1e15
"""Numbers from here on are rounded in Excel, so their digits are no code."""


def read_excel(
    path: Path, read: Read, shown: str, *, texts: Collection[str] = ()
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The sheet's columns as `frame_of` gives them, and a note where the file has several sheets.

    Numbers are written as programs write them, dates in ISO 8601 (without the time where it is 0:00), truth values as
    `true` or `false`, and formulas as their results. Blank rows, and columns without a name and a value, are skipped.

    Args:
        path: An .xlsx or .xls file.
        read: Which sheet, and how it is written.
        shown: The file's name as the user knows it, for messages.
        texts: Columns of free text, as for `frame_of`.

    Raises:
        BadInput: the file can't be read, has no such sheet, or that is empty.
    """
    for key, unsaid in OF_TEXT_FILES.items():
        if getattr(read, key) != unsaid:
            raise BadInput("has no effect on an Excel file", where=f"data.read.{key}", remedy="take it out")
    cells, sheet, sheets = _cells(path, read.sheet, shown)
    where = f"{shown}, sheet {sheet}"
    rows = [[_text(cell) for cell in row] for row in cells.itertuples(index=False)]
    rows = [row for row in rows if any(row)]
    if not rows:
        raise BadInput("the sheet is empty", where=where, **_others(sheets, sheet))
    used = [place for place, column in enumerate(zip(*rows, strict=True)) if any(column)]
    first, *others = [[row[place] for place in used] for row in rows]
    names = names_of(first, read, f"{where}, header")
    body = others if read.header else [first, *others]
    if not body:
        raise BadInput("has a header but no rows", where=where, **_others(sheets, sheet))
    several = f"sheet {sheet} is read, of {len(sheets)}: {', '.join(sheets)}; data.read.sheet chooses"
    return frame_of(names, body, read, texts), (several,) if len(sheets) > 1 and read.sheet is None else ()


def _cells(path: Path, sheet: str | None, shown: str) -> tuple[pd.DataFrame, str, list[str]]:
    """The cells as pandas reads them, "" where one is blank; the name of their sheet; the names of all sheets."""
    with path.open("rb") as stream:
        begins = stream.read(max(map(len, _BEGIN)))
    if not begins.startswith(_BEGIN):
        raise BadInput(
            "is no Excel file", where=shown, got=f"it begins with {begins[:4]!r}" if begins else "no content"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what openpyxl drops: formats, validation, pictures
            with pd.ExcelFile(path) as file:
                sheets = [str(name) for name in file.sheet_names]
                if sheet is None or sheet in sheets:
                    taken = sheet or sheets[0]
                    cells = file.parse(taken, header=None, dtype=object, na_filter=False)
                    return cells, taken, sheets
    except Exception as error:  # broken files make openpyxl and xlrd raise whatever their parsers meet
        raise BadInput(
            "can't be read as an Excel file",
            where=shown,
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            remedy="if it opens in Excel: save it without a password, or as CSV",
        ) from error
    raise BadInput("there is no such sheet", where="data.read.sheet", got=sheet, accepted=nearest(str(sheet), sheets))


def _others(sheets: list[str], sheet: str) -> dict[str, str]:
    others = [name for name in sheets if name != sheet]
    return {"remedy": f"choose another with data.read.sheet: {', '.join(others)}"} if others else {}


def _text(cell: Any) -> str:
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell)).lower()
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(sep=" ")
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):  # NaN: a cell that holds an error, as #N/A
        return ""
    if isinstance(cell, (int, float)) and abs(cell) >= _EXACT:
        return repr(float(cell))
    return said(cell).strip()
