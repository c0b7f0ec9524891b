"""Two runs side by side: spec, data, recipes, figures and gates; as rows for a terminal, and as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports import pandoc
from reports.escape import Html, safe
from reports.markup import raw, table
from reports.metric_names import title
from reports.numbers import figure
from tasks.errors import BadInput
from tasks.evaluation.footprint import reading
from tasks.evaluation.gates import limit
from tasks.evaluation.rounding import MISSING, interval
from tasks.records.estimate import Estimate
from tasks.records.lesson import Lesson
from tasks.records.plan import Plan
from tasks.records.verdict import GateResult, Verdict


@dataclass(frozen=True)
class Side:
    """One of the two runs, which may be unfinished.

    Args:
        name: The name of its folder.
        verdict: None if the run has none.
    """

    name: str
    plan: Plan
    verdict: Verdict | None


@dataclass(frozen=True)
class Part:
    """A part of the comparison.

    Args:
        rows: The name of a thing, and its value in either run.
        note: A remark on the rows.
    """

    title: str
    rows: list[tuple[str, str, str]]
    note: str = ""


@dataclass(frozen=True)
class LessonSide:
    """A finished lesson; `name` is the name of its folder."""

    name: str
    lesson: Lesson


AnySide = Side | LessonSide


def read_sides(one: Path, other: Path) -> tuple[AnySide, AnySide]:
    """Reads two runs' folders.

    Raises:
        BadInput: one of them is no run's folder, its run ended before it had a plan, or only one is a lesson.
    """
    sides = _read_side(one), _read_side(other)
    if isinstance(sides[0], LessonSide) != isinstance(sides[1], LessonSide):
        lesson = next(side.name for side in sides if isinstance(side, LessonSide))
        raise BadInput("a lesson has nothing in common with a run on data", where=lesson, accepted="two lessons")
    return sides


def _read_side(folder: Path) -> AnySide:
    if (folder / Lesson.FILE).is_file():
        return LessonSide(folder.resolve().name, Lesson.read(folder))
    if not (folder / Plan.FILE).is_file():
        raise BadInput("the run has no plan to compare", where=str(folder), accepted=f"a folder with {Plan.FILE}")
    return Side(folder.resolve().name, Plan.read(folder), Verdict.read_if_there(folder))


def compare_runs(one: AnySide, other: AnySide) -> list[Part]:
    """Returns the parts of the comparison that are not empty. Both runs must be lessons, or neither."""
    if isinstance(one, LessonSide) or isinstance(other, LessonSide):
        assert isinstance(one, LessonSide) and isinstance(other, LessonSide)
        return [part for part in _of_lessons(one.lesson, other.lesson) if part.rows or part.note]
    parts = [
        _of_maps("Result", _result(one), _result(other)),
        _differing(one.plan.spec, other.plan.spec),
        _of_maps("Data", _data(one), _data(other)),
        _of_maps("Recipes", _recipes(one), _recipes(other), _judged_by(one, other)),
        _of_maps("Figures of the shipped model", _figures(one), _figures(other), _same_rows(one, other)),
        _of_maps("Gates", _gates(one), _gates(other)),
    ]
    return [part for part in parts if part.rows or part.note]


def _of_lessons(one: Lesson, other: Lesson) -> list[Part]:
    return [
        _of_maps("Result", _seen(one), _seen(other)),
        _differing(one.spec, other.spec),
        _of_maps("Checks against theory", _checked(one), _checked(other)),
    ]


def _seen(lesson: Lesson) -> dict[str, str]:
    return {"experiment": lesson.experiment, "seen": lesson.headline, "checks": f"{lesson.counted} met"}


def _checked(lesson: Lesson) -> dict[str, str]:
    return {each.what: f"{figure(each.measured)} ({'met' if each.met else 'not met'})" for each in lesson.checks}


def to_html(one: AnySide, other: AnySide) -> str:
    """Returns one page that loads nothing from outside."""
    pieces = []
    for place, part in enumerate(compare_runs(one, other)):
        note = raw(f"<p>{safe(part.note)}</p>") if part.note else ""
        cells = [[_marked(cell, row) if at else cell for at, cell in enumerate(row)] for row in part.rows]
        shown = raw(table(["", Html(safe(one.name)), Html(safe(other.name))], cells, caption=part.title))
        pieces.append(f"## {safe(part.title)} {{#part-{place}}}\n\n{note}\n\n{shown if part.rows else ''}")
    return pandoc.to_html("\n\n".join(pieces), {"title": "Two runs side by side", "lang": "en"})


def _marked(cell: str, row: tuple[str, str, str]) -> Html:
    return safe(cell) if row[1] == row[2] else Html(f"<b>{safe(cell)}</b>")


def _of_maps(name: str, one: Mapping[str, str], other: Mapping[str, str], note: str = "") -> Part:
    """Makes a part with a row for each key, in the order of the keys."""
    keys = dict.fromkeys([*one, *other])
    return Part(name, [(key, one.get(key, MISSING), other.get(key, MISSING)) for key in keys], note)


def _result(side: Side) -> dict[str, str]:
    verdict = side.verdict
    if verdict is None:
        return {"experiment": side.plan.experiment, "decision": "not judged"}
    found = {
        "experiment": side.plan.experiment,
        "decision": verdict.decision.sentence,
        "comparison": verdict.sentence,
        "shipped": verdict.saved or "nothing",
    }
    return found | ({"champion": verdict.champion.sentence} if verdict.champion else {})


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Part:
    """Makes the part with the keys in which two specs differ. Every default is filled in."""
    mine, yours = dict(_leaves(one)), dict(_leaves(other))
    keys = dict.fromkeys([*mine, *yours])
    differing = [
        (key, mine.get(key, MISSING), yours.get(key, MISSING)) for key in keys if mine.get(key) != yours.get(key)
    ]
    return Part("Spec", differing, f"{len(keys) - len(differing)} of {len(keys)} keys are equal in both.")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields the paths of a spec and their values as JSON. A list counts as one value."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _data(side: Side) -> dict[str, str]:
    data, parts = side.plan.data, side.plan.parts
    return {
        "name": data.name,
        "rows": f"{data.rows:,}",
        "train, val, test": ", ".join(f"{parts[part]:,}" for part in ("train", "val", "test")),
        "target": data.target,
        "classes": ", ".join(data.classes) if data.classes else "a value",
        "inputs": ", ".join(f"{column.name} ({column.kind})" for column in data.columns) or data.kind,
        "content": data.digest[:12],
    }


def _recipes(side: Side) -> dict[str, str]:
    verdict = side.verdict
    if verdict is None:
        return {recipe.recipe: "not judged" for recipe in side.plan.recipes}
    ranked = {each.recipe: f"{each.rank}: {interval(each.metrics.get(verdict.metric))}" for each in verdict.recipes}
    simple = {f"baseline: {each.name}": interval(each.metrics.get(verdict.metric)) for each in verdict.baselines}
    return ranked | simple


def _judged_by(one: Side, other: Side) -> str:
    names = list(dict.fromkeys(title(side.plan.metric, _titles(side)) for side in (one, other)))
    return f"Rank, then {' and '.join(names)} on the test part with intervals."


def _figures(side: Side) -> dict[str, str]:
    shipped = side.verdict.shipped if side.verdict else None
    if shipped is None:
        return {}
    return {title(name, _titles(side)): interval(estimate) for name, estimate in shipped.metrics.items()}


def _same_rows(one: Side, other: Side) -> str:
    plans = [side.plan for side in (one, other)]
    same = _rows(plans[0]) == _rows(plans[1])
    if same:
        return "Both were measured on the same test rows."
    return "They were measured on different test rows, so a difference may come from the rows."


def _rows(plan: Plan) -> Any:
    """Returns the parts of a plan that decide which rows are in the test part."""
    return plan.data.digest, plan.parts, plan.spec["data"].get("split")


def _gates(side: Side) -> dict[str, str]:
    gates = side.verdict.gates if side.verdict else []
    return {_gate(gate, side): f"{gate.answer}: {_estimated(gate)}" for gate in gates}


def _gate(gate: GateResult, side: Side) -> str:
    blocks = ", blocks" if gate.severity == "block" else ""
    asked = limit(gate.metric, gate.bound, gate.threshold)
    return f"{title(gate.metric, _titles(side))}{gate.of} {asked}{blocks}"


def _estimated(gate: GateResult) -> str:
    return reading(gate.metric, Estimate(gate.estimate, gate.low, gate.high))


def _titles(side: Side) -> Mapping[str, str]:
    return side.verdict.titles if side.verdict else {}
