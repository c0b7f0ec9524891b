"""A colour and a dash for each recipe, the same in every chart of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Okabe & Ito (2008): readers with any colour blindness can tell these colours apart. Yellow is left out, since it is
# too faint as a line on white; grey replaces black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b6470")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3))

BETTER, WORSE, OPEN, INK, FAINT = "#0072b2", "#d55e00", "#7a828c", "#23282e", "#c9ced4"


@dataclass(frozen=True)
class Palette:
    """Names in order, with the colour (hex) and the dash (pixels on, off, ...) of each."""

    names: tuple[str, ...]
    colours: tuple[str, ...]
    dashes: tuple[tuple[int, ...], ...]


def palette(names: Sequence[str]) -> Palette:
    """Returns a colour and a dash for each name. The first seven differ by colour, further ones by dash too. There are
    28 combinations; then they repeat."""
    rounds = [divmod(position, len(COLOURS)) for position in range(len(names))]
    return Palette(
        names=tuple(names),
        colours=tuple(COLOURS[colour] for _, colour in rounds),
        dashes=tuple(DASHES[lap % len(DASHES)] for lap, _ in rounds),
    )
