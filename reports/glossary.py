"""The glossary: an entry for each optimizer, schedule, averaging, loss and change of gradients in a run: its rule,
parameters, source and path.

Its texts come from `glossary.json`, which `python -m tasks.lessons.glossary` makes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from reports.escape import Html, safe
from reports.markup import facts, formula, raw
from tasks.evaluation.wording import written

_FILE = Path(__file__).with_name("glossary.json")
_PLAIN = "sgd"
"""The optimizer whose path is drawn in grey beside that of each other one."""
_WIDTH, _HEIGHT = 240, 150  # px of a drawing
_WINDOWS = {"bowl": (-1.15, 0.55, 0.75, -0.55), "valley": (-1.6, 1.9, 1.6, -0.6)}
"""Left, upper, right and lower end of each drawing, in the function's coordinates."""
_NAMES = {"bowl": "a bowl of condition number 10", "valley": "Rosenbrock's bent valley"}
_LEVELS = {"bowl": (0.02, 0.1, 0.3, 0.7, 1.3), "valley": (0.5, 3.0, 12.0, 50.0, 150.0)}
_POINTS = 60
"""Line segments in each half, upper and lower, of a contour line."""
_CHOSEN = (
    "Each path is drawn at the learning rate, of 1, 2 and 5 times powers of ten, that is lowest on average over the "
    "steps without ever rising above its start."
)


@cache
def _known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


Named = Mapping[str, Iterable[str]]
"""Names by kind: optimizers, schedules, averagings, losses, gradients (what changes gradients)."""


def knows(named: Named) -> bool:
    """Whether the glossary has an entry for any of these names."""
    return any(name in _known()[kind] for kind, names in named.items() for name in names)


def glossary(named: Named) -> str:
    """Returns Markdown with one entry for each of these names that is known."""
    made = {"optimizers": _optimizer, "schedules": _schedule}
    pieces = [
        raw(f'<svg class="visually-hidden" aria-hidden="true"><defs>{_levels("bowl")}{_levels("valley")}</defs></svg>'),
        raw(f'<p class="quiet">{safe(_CHOSEN)}</p>'),
        *(
            made.get(kind, _plain_page)(name, entry)
            for kind, names in named.items()
            for name, entry in _named(_known()[kind], names)
        ),
    ]
    return "\n\n".join(pieces)


def _named(table: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Returns the known entries of these names, each once."""
    return ((name, table[name]) for name in dict.fromkeys(names) if name in table)


def _optimizer(name: str, entry: Mapping[str, Any]) -> str:
    drawings = "".join(_walk(name, function, drawn) for function, drawn in entry["paths"].items())
    return "\n\n".join([*_page(name, entry), raw(f'<div class="sketches">{drawings}</div>')])


def _schedule(name: str, entry: Mapping[str, Any]) -> str:
    drawing = _curve(name, entry["curve"]) if entry["curve"] else ""
    return "\n\n".join([*_page(name, entry), raw(f'<div class="sketches">{drawing}</div>') if drawing else ""])


def _plain_page(name: str, entry: Mapping[str, Any]) -> str:
    return "\n\n".join(_page(name, entry))


def _page(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {safe(name)}\n"
    yield raw(f"<p>{safe(entry['words'])}</p>")
    yield from map(formula, entry["formulas"])
    symbols = _known()["symbols"]
    said = [
        f"{each}{f' ({symbols[each]})' if each in symbols else ''} {_shown(value)}"
        for each, value in entry["parameters"].items()
    ]
    yield raw(facts({**({"Parameters": ", ".join(said)} if said else {}), "Source": entry["source"]}))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return written(value) if isinstance(value, float) else json.dumps(value)


def _walk(name: str, function: str, drawn: Mapping[str, Any]) -> str:
    """Draws an optimizer's path on a function, and that of plain gradient descent."""
    plain = _known()["optimizers"][_PLAIN]["paths"][function]
    rates = ", ".join(f"{key.replace('_', ' ')} {written(value)}" for key, value in drawn["rates"].items())
    label = f"{name} on {_NAMES[function]}: {drawn['steps']} steps, {rates}"
    beside = "" if name == _PLAIN else _line(function, plain["path"], "plain")
    end = _at(function, *drawn["path"][-1])
    inside = (
        f'<use class="level" href="#levels-{function}"/>{beside}{_line(function, drawn["path"], "own")}'
        f'<circle cx="{end[0]}" cy="{end[1]}" r="3"/>'
    )
    grey = "" if name == _PLAIN else "; grey: plain descent"
    return _sketch(label, inside, f"{label}{grey}")


def _curve(name: str, curve: Sequence[float]) -> str:
    most = max(curve) or 1.0
    across, down = (_WIDTH - 16) / (len(curve) - 1), _HEIGHT - 16
    points = " ".join(f"{8 + across * at:.1f},{8 + down * (1 - value / most):.1f}" for at, value in enumerate(curve))
    label = f"{name}: the learning rate over a run, as a share of the highest"
    return _sketch(label, f'<polyline class="own" points="{points}"/>', label)


def _sketch(label: str, inside: str, caption: str) -> str:
    return (
        f'<figure><svg class="sketch" role="img" aria-label="{safe(label)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}">{inside}</svg><figcaption>{safe(caption)}</figcaption></figure>'
    )


def _at(function: str, x: float, y: float) -> tuple[float, float]:
    """Returns the pixel coordinates of a point."""
    left, upper, right, lower = _WINDOWS[function]
    return round(_WIDTH * (x - left) / (right - left), 1), round(_HEIGHT * (upper - y) / (upper - lower), 1)


def _line(function: str, path: Sequence[Sequence[float]], kind: str) -> Html:
    points = " ".join(f"{x},{y}" for x, y in (_at(function, *point) for point in path))
    return Html(f'<polyline class="{kind}" points="{points}"/>')


@cache
def _levels(function: str) -> str:
    """Returns the contour lines, in closed form, as an SVG path with an id that drawings refer to."""
    left, _, right, _ = _WINDOWS[function]
    pieces = []
    for level in _LEVELS[function]:
        middle, reach = (0.0, math.sqrt(2 * level)) if function == "bowl" else (1.0, math.sqrt(level))
        low, high = max(left, middle - reach), min(right, middle + reach)
        across = [low + (high - low) * (1 - math.cos(math.pi * at / _POINTS)) / 2 for at in range(_POINTS + 1)]
        for side in (1, -1):
            line = [(x, _height(function, level, x, side)) for x in across]
            pieces.append("M" + "L".join("{} {}".format(*_at(function, *point)) for point in line))
    return f'<path id="levels-{function}" d="{"".join(pieces)}"/>'


def _height(function: str, level: float, x: float, side: int) -> float:
    """Returns y of a level's contour line at x, on its upper side (1) or its lower side (-1)."""
    if function == "bowl":  # (x^2 + 10 y^2) / 2 = level
        return side * math.sqrt(max(2 * level - x * x, 0) / 10)
    return x * x + side * math.sqrt(max(level - (1 - x) ** 2, 0)) / 10  # (1 - x)^2 + 100 (y - x^2)^2 = level
