"""Synonyms from the files of WordNet 3 (Miller 1995; formats: wndb(5WN)), where they are installed.

The database is read as it is: no download, and none of NLTK's rules about where its data may lie.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_PARTS = ("noun", "verb", "adj", "adv")
_DEBIAN = "/usr/share/wordnet"


def folder() -> Path | None:
    """Where WordNet lies: the folder that WNSEARCHDIR names, a folder of NLTK_DATA or ~/nltk_data, or that of Debian's
    wordnet-base; None if there is none."""
    named = os.environ.get("WNSEARCHDIR", "")
    nltk = [f"{each}/corpora/wordnet" for each in os.environ.get("NLTK_DATA", "").split(os.pathsep) if each]
    candidates = [Path(path).expanduser() for path in (named, *nltk, "~/nltk_data/corpora/wordnet", _DEBIAN) if path]
    return next((path for path in candidates if all((path / f"index.{part}").is_file() for part in _PARTS)), None)


@cache
def synonyms(word: str, where: Path) -> tuple[str, ...]:
    """Other words for the commonest sense of `word` (in lower case), single words only, sorted; none where WordNet
    does not know it.

    A word that is both noun and verb counts as the one for which WordNet has more senses.

    Args:
        where: The folder of its files.
    """
    senses = [(len(found), part, found[0]) for part in _PARTS if (found := _index(where, part).get(word))]
    if not senses:
        return ()
    _, part, offset = max(senses, key=lambda sense: (sense[0], -_PARTS.index(sense[1])))
    fields = _data(where, part)[offset : offset + 4096].split(b"\n", 1)[0].decode().split()
    count = int(fields[3], 16)
    names = {name.split("(")[0].lower() for name in fields[4 : 4 + 2 * count : 2]}
    return tuple(sorted(name for name in names if name.isalpha() and name != word))


@cache
def _index(where: Path, part: str) -> dict[str, list[int]]:
    """Word to the positions of its senses in the data file, the commonest first."""
    result = {}
    for line in (where / f"index.{part}").read_text(encoding="ascii").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            result[fields[0]] = [int(offset) for offset in fields[-int(fields[2]) :]]
    return result


@cache
def _data(where: Path, part: str) -> bytes:
    return (where / f"data.{part}").read_bytes()
