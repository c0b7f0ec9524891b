"""A WordNet of a few words, for machines where none is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.augmentation import wordnet


@contextmanager
def installed_wordnet(folder: Path) -> Iterator[None]:
    """Makes a WordNet available: this machine's own, else a small one that is written to `folder`."""
    if wordnet.folder() is not None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WNSEARCHDIR", str(write_wordnet(folder)))
        yield


def write_wordnet(folder: Path) -> Path:
    """Writes a small WordNet of a few nouns and adjectives in the format of wndb(5WN), with a licence line."""
    licence = "  1 This is a licence.\n"
    sets = {"noun": [["dog", "hound"], ["car", "auto", "motor_car"]], "verb": [], "adv": [], "adj": [["big", "large"]]}
    known = "fox river bank prize yesterday meeting letter tomorrow rest company house garden number week"
    sets["noun"] += [[word, f"un{word}"] for word in known.split()]
    for part, groups in sets.items():
        data, index = licence, []
        for group in groups:
            words = " ".join(f"{word} 0" for word in group)
            index += [f"{word} {part[0]} 1 0 1 0 {len(data):08d}  " for word in group]
            data += f"{len(data):08d} 05 {part[0]} {len(group):02x} {words} 000 | a meaning\n"
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(licence + "".join(f"{line}\n" for line in sorted(index)))
    return folder
