"""Lists the rooms of the code and what each imports: `python -m tests.bench.rooms`. CONTRIBUTING.md shows the result.

A room is a folder under `tasks/`, a module at its root, `flows` or `reports`. A room's floor is one above the highest
room that it imports from.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import cache

import grimp

PACKAGES = ("flows", "reports", "tasks")


def arrows() -> dict[str, set[str]]:
    """Returns for each room the rooms that it imports from."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    found: dict[str, set[str]] = {_room(module): set() for module in graph.modules if _room(module)}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            if _room(module) and _room(imported) and _room(module) != _room(imported):
                found[_room(module)].add(_room(imported))
    return found


def _room(module: str) -> str:
    first, *rest = module.split(".")
    return first if first != "tasks" else rest[0] if rest else ""


def floors(rooms: dict[str, set[str]]) -> dict[str, int]:
    """Returns each room's floor; the lowest is 1.

    Raises:
        RecursionError: rooms import each other in a circle.
    """

    @cache
    def floor(room: str) -> int:
        return 1 + max(map(floor, rooms[room]), default=0)

    return {room: floor(room) for room in rooms}


def listing() -> str:
    """Returns a line for each room, the highest floor first, and the counts."""
    rooms = arrows()
    by_floor = defaultdict(list)
    for room, floor in floors(rooms).items():
        by_floor[floor].append(room)
    lines = []
    for floor in sorted(by_floor, reverse=True):
        for room in sorted(by_floor[floor]):
            lines.append(f"{floor}  {room:<14} {', '.join(sorted(rooms[room])) or '-'}")
    count = sum(map(len, rooms.values()))
    return (
        "\n".join([*lines, f"{len(rooms)} rooms on {len(by_floor)} floors, {count} arrows, all pointing down"]) + "\n"
    )


if __name__ == "__main__":
    sys.stdout.write(listing())
