"""The glossary: a page for each optimizer and schedule that appears, with its rule, parameters, source and path.

What it says stands in `glossary.json`, which `python -m tasks.lessons.glossary` makes.
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
"""Whose path stands beside the others, in grey."""
_WIDTH, _HEIGHT = 240, 150  # px of a drawing
_WINDOWS = {"bowl": (-1.15, 0.55, 0.75, -0.55), "valley": (-1.6, 1.9, 1.6, -0.6)}
"""Left, upper, right and lower end."""
_NAMES = {"bowl": "a bowl of condition number 10", "valley": "Rosenbrock's bent valley"}
_LEVELS = {"bowl": (0.02, 0.1, 0.3, 0.7, 1.3), "valley": (0.5, 3.0, 12.0, 50.0, 150.0)}
_ROUND = 80
"""Points of half a line of equal height."""


@cache
def _known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


def knows(optimizers: Iterable[str], schedules: Iterable[str] = ()) -> bool:
    """Whether there is anything to say of these names."""
    return any(name in _known()["optimizers"] for name in optimizers) or any(
        name in _known()["schedules"] for name in schedules
    )


def glossary(optimizers: Iterable[str], schedules: Iterable[str] = ()) -> str:
    """Markdown: an entry for each of these names that is known, once."""
    found = _known()
    pieces = [
        raw(f'<svg class="visually-hidden" aria-hidden="true"><defs>{_levels("bowl")}{_levels("valley")}</defs></svg>'),
        *(_optimizer(name, entry) for name, entry in _named(found["optimizers"], optimizers)),
        *(_schedule(name, entry) for name, entry in _named(found["schedules"], schedules)),
    ]
    return "\n\n".join(pieces)


def _named(table: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """The entries of these names, each once."""
    return ((name, table[name]) for name in dict.fromkeys(names) if name in table)


def _optimizer(name: str, entry: Mapping[str, Any]) -> str:
    drawings = "".join(_walk(name, function, drawn) for function, drawn in entry["paths"].items())
    return "\n\n".join([*_page(name, entry), raw(f'<div class="sketches">{drawings}</div>')])


def _schedule(name: str, entry: Mapping[str, Any]) -> str:
    drawing = _curve(name, entry["curve"]) if entry["curve"] else ""
    return "\n\n".join([*_page(name, entry), raw(f'<div class="sketches">{drawing}</div>') if drawing else ""])


def _page(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {safe(name)}\n"
    yield raw(f"<p>{safe(entry['words'])}</p>")
    yield from map(formula, entry["formulas"])
    symbols = _known()["symbols"]
    said = [
        f"{each}{f' ({symbols[each]})' if each in symbols else ''} {_shown(value)}"
        for each, value in entry["parameters"].items()
    ]
    yield raw(facts({"Parameters": ", ".join(said), "Source": entry["source"]}))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return written(value) if isinstance(value, float) else json.dumps(value)


def _walk(name: str, function: str, drawn: Mapping[str, Any]) -> str:
    """An optimizer's path on a function, and that of plain descent."""
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
    """Pixels of a point."""
    left, upper, right, lower = _WINDOWS[function]
    return round(_WIDTH * (x - left) / (right - left), 1), round(_HEIGHT * (upper - y) / (upper - lower), 1)


def _line(function: str, path: Sequence[Sequence[float]], kind: str) -> Html:
    points = " ".join(f"{x},{y}" for x, y in (_at(function, *point) for point in path))
    return Html(f'<polyline class="{kind}" points="{points}"/>')


@cache
def _levels(function: str) -> str:
    """Lines of equal height, in closed form, as an SVG path to refer to."""
    rings = []
    turns = [math.pi * place / _ROUND for place in range(2 * _ROUND + 1)]
    for level in _LEVELS[function]:
        root = math.sqrt(level)
        if function == "bowl":  # (x^2 + 10 y^2) / 2 = level
            ring = [(root * math.sqrt(2) * math.cos(turn), root * math.sin(turn) / math.sqrt(5)) for turn in turns]
        else:  # (1 - x)^2 + 100 (y - x^2)^2 = level
            across = [(1 + root * math.cos(turn), root * math.sin(turn) / 10) for turn in turns]
            ring = [(x, x * x + rise) for x, rise in across]
        rings.append("M" + "L".join("{} {}".format(*_at(function, *point)) for point in ring))
    return f'<path id="levels-{function}" d="{"".join(rings)}"/>'
