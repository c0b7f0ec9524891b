"""Compares a batch with the reference of an experiment's champion: keep the model, watch it, or train again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.champions.store import CHAMPIONS, Champion, champion_of
from tasks.errors import BadInput, nearest
from tasks.evaluation import wording
from tasks.evaluation.calibration import asked, calibration_error, calibration_interval
from tasks.evaluation.intervals import NoInterval
from tasks.evaluation.rounding import rounded
from tasks.history import earlier
from tasks.monitoring import expectations
from tasks.monitoring.alarm import RATE, distances
from tasks.monitoring.batch import Batch, read_batch
from tasks.monitoring.measures import (
    FEWEST,
    Judged,
    Key,
    drawn_answers,
    error_name,
    measured,
    of_answers,
    of_columns,
    of_errors,
    watchable,
)
from tasks.monitoring.reference import Reference, read_reference
from tasks.records.estimate import Estimate
from tasks.records.monitoring import ANSWERS, Answer, Measured, Monitored, Noticed, Window
from tasks.records.plan import Plan
from tasks.records.validation import Validation
from tasks.spec.load import parse_spec
from tasks.spec.models import Spec
from tasks.training.exported import Exported, load_exported
from tasks.validation.infer import WIDE
from tasks.validation.suite import Expectation
from tasks.validation.wording import listing

_CONFIDENCE = 0.95
_CHANGES = ("values", "missing", "new values")


@dataclass(frozen=True)
class Watched:
    """A champion with everything that new rows are compared with.

    Args:
        left_out: Inputs that are not compared, because they come from the time that the split was by.
        tested: The rows that the model did not learn from, with its answers.
        expected: The expectations that a window is checked against.
    """

    champion: Champion
    spec: Spec
    exported: Exported
    reference: Reference
    left_out: frozenset[str]
    tested: Judged
    expected: Sequence[Expectation]


def open_champion(home: Path, experiment: str) -> Watched:
    """Loads the champion of an experiment, and computes its answers for its reference.

    Raises:
        BadInput: there is no champion, its data are neither columns nor texts, or its files can't be read.
    """
    champion = _champion(home, experiment)
    exported = load_exported(champion.model)
    if "shape" in exported.signature["inputs"][0]:
        kind = exported.signature["inputs"][0]["kind"]
        raise BadInput("only models of tables and of texts are monitored", where=experiment, got=f"a model of {kind}s")
    reference = read_reference(champion.folder)
    spec = parse_spec(Plan.read(champion.folder).spec)
    columns = exported.signature["columns"]
    left_out = {own for each in columns if each["name"] == spec.data.split.time for own in each["inputs"]}
    rows = np.flatnonzero(reference.tested)
    judged = Judged(
        reference.inputs.iloc[rows],
        reference.target[rows],
        np.asarray(exported.asked(reference.inputs.iloc[rows]), np.float64),
        {name: reference.slices[name].to_numpy()[rows] for name in reference.slices.columns},
    )
    return Watched(
        champion,
        spec,
        exported,
        reference,
        frozenset(left_out),
        judged,
        _expected(champion, spec, [name for name in reference.inputs.columns if name not in left_out]),
    )


def monitor(home: Path, experiment: str, file: Path, size: int | None = None) -> Monitored:
    """Compares a file of new rows with the champion's reference.

    Args:
        size: Rows per window. The file is cut into windows in order; a shorter rest joins the last window. None: the
            file is one window.

    Raises:
        BadInput: as `open_champion`, or as `read_batch`.
    """
    watched = open_champion(home, experiment)
    batch = read_batch(file, watched.exported.signature, watched.spec)
    windows: list[Window] = []
    last = earlier(home, experiment, watched.champion.folder.name)
    before = last.windows[-1] if last else None
    for rows in _cut(len(batch.inputs), size):
        windows.append(_window(watched, batch.window(rows), rows.start + 1, before))
        before = windows[-1]
    answer = max((each.answer for each in windows), key=ANSWERS.index)
    worst = [each for each in windows if each.answer == answer][-1]
    where = f"Rows {worst.first:,} to {worst.first + worst.rows - 1:,}: " if len(windows) > 1 else ""
    return Monitored(
        experiment=experiment,
        champion=watched.champion.folder.name,
        run=watched.champion.promotion.run,
        monitored=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        data=str(file),
        reference_rows=len(watched.reference.inputs),
        rate=RATE,
        answer=answer,
        sentence=where + worst.sentence,
        windows=windows,
    )


def _champion(home: Path, experiment: str) -> Champion:
    known = sorted(path.name for path in (home / CHAMPIONS).glob("*") if path.is_dir())
    champion = champion_of(home, experiment) if experiment in known else None
    if champion is None:
        raise BadInput(
            "the experiment has no champion",
            where=experiment,
            accepted=nearest(experiment, known) if known else None,
            remedy="make a run's model the champion: bakeoff promote RUN",
        )
    return champion


def _expected(champion: Champion, spec: Spec, columns: Sequence[str]) -> list[Expectation]:
    validation = Validation.read_if_there(champion.folder)
    learned: list[Expectation] = []
    if validation and len(columns) <= WIDE:  # wide tables are checked through a profile
        learned = expectations.inferred(validation, columns)
    return [*expectations.written(spec), *learned]


def _cut(rows: int, size: int | None) -> Iterator[slice]:
    count = max(rows // size, 1) if size else 1
    for place in range(count):
        start = place * (size or 0)
        yield slice(start, rows if place == count - 1 else start + (size or 0))


def _window(watched: Watched, batch: Batch, first: int, before: Window | None) -> Window:
    exported = watched.exported
    answers = np.asarray(exported.asked(batch.inputs), np.float64)
    judged = Judged(batch.inputs, batch.target, answers, batch.slices)
    found = _measured(watched, judged)
    signature = exported.signature
    meant = expectations.meaning(batch, signature["target"], signature["classes"])
    noticed = [*batch.noticed, *expectations.broken(batch, meant, watched.expected)]
    labelled = int(np.isfinite(batch.target).sum())
    answer, sentence = _answer(found, noticed, labelled, before, exported)
    if answer == "keep" and len(batch.inputs) < FEWEST:
        few = wording.rows(len(batch.inputs))
        sentence = f"Nothing speaks against the champion, but {few} can hardly tell: at least {FEWEST} are needed."
    columns = [each.name for each in found if each.alarms and each.what in _CHANGES]
    columns += [each.column for each in noticed if each.fault and each.column]
    return Window(
        first=first,
        rows=len(batch.inputs),
        labelled=labelled,
        answer=answer,
        sentence=sentence,
        columns=list(dict.fromkeys(columns)),
        noticed=noticed,
        measured=found,
        calibration=_calibration(watched.tested, judged, exported),
    )


def _measured(watched: Watched, judged: Judged) -> list[Measured]:
    """All measures that can be computed, alarms first."""
    exported, tested = watched.exported, watched.tested
    before, now = (watchable(each, exported, watched.left_out) for each in (watched.reference.inputs, judged.inputs))
    columns = of_columns(before, now)
    answers = of_answers(tested, judged, exported) if len(tested.answers) >= FEWEST else {}
    labelled = np.flatnonzero(np.isfinite(judged.target))
    known = judged.at(labelled)
    errors = of_errors(tested, known, exported) if len(labelled) >= FEWEST <= len(tested.answers) else {}
    groups = [columns, answers, errors]
    found = distances(groups)
    values: dict[Key, tuple[Any, Any]] = {key: (before[key[1]], now[key[1]]) for key in columns if key[0] == "values"}
    values |= {
        key: (drawn_answers(tested, exported, key[1]), drawn_answers(judged, exported, key[1])) for key in answers
    }
    all_of_them = [
        measured(key, measure, found[key], *values.get(key, (None, None)))
        for group in groups
        for key, measure in group.items()
    ]
    return sorted(all_of_them, key=lambda each: (not each.alarms, -(each.distance or 0) / (each.threshold or 1)))


def _answer(
    found: Sequence[Measured],
    noticed: Sequence[Noticed],
    labelled: int,
    before: Window | None,
    exported: Exported,
) -> tuple[Answer, str]:
    """Decides what to do, and says why. With labels, only an increase of errors asks for a new model. Without labels, a
    change of the model's answers does, and so do inputs that changed in two windows in a row."""
    alarms = [each for each in found if each.alarms]
    changed = list(dict.fromkeys(each.name for each in alarms if each.what in _CHANGES))
    worse = next((each for each in alarms if each.what == "errors"), None)
    if worse is not None:
        rose = f"from {rounded(worse.reference)} to {rounded(worse.window)}"
        return "retrain", f"The model has become worse: its {error_name(exported)} rose {rose}.{_also(changed)}"
    if labelled < FEWEST:
        unknown = f"there are {labelled} labels" if labelled else "there are no labels"
        if any(each.what == "answers" for each in alarms):
            return "retrain", f"What the model answers has changed, and {unknown} to tell whether it is right." + _also(
                changed
            )
        again = [name for name in changed if before and name in before.columns]
        if again:
            return "retrain", f"Changed in two windows in a row: {listing(again)}; and {unknown} to tell what it does."
    said = [f"Changed: {listing(changed)}."] if changed else []
    said += [_said(each, exported) for each in alarms if each.what not in _CHANGES]
    said += [each.sentence for each in noticed if each.fault and each.column not in changed]
    if not said:
        right = ", and its errors are as before" if labelled >= FEWEST else ""
        return "keep", f"The data are as in the champion's reference{right}."
    more = f" And {len(said) - 3} more." if len(said) > 3 else ""
    return "watch", " ".join(said[:3]) + more


def _also(changed: Sequence[str]) -> str:
    return f" Changed: {listing(changed)}." if changed else ""


def _said(alarm: Measured, exported: Exported) -> str:
    if alarm.what == "answers":
        return f"What the model answers has changed: {alarm.name}."
    if alarm.what == "calibration":
        fits = "Probabilities no longer fit" if exported.signature["classes"] else "Predictions have become biased"
        return f"{fits}: {alarm.name} is {rounded(alarm.window)} on average, {rounded(alarm.reference)} before."
    return f"More errors where {alarm.name}: {rounded(alarm.window)}, {rounded(alarm.reference)} before."


def _calibration(tested: Judged, judged: Judged, exported: Exported) -> tuple[Estimate, Estimate] | None:
    """The expected calibration errors of reference and window; None for regression, or where one has too few labels."""
    if not exported.signature["classes"]:
        return None
    found = []
    for side in (tested, judged.at(np.flatnonzero(np.isfinite(judged.target)))):
        target = side.target.astype(np.int64)
        if len(target) < FEWEST:
            return None
        error = calibration_error(*asked(target, side.answers))
        try:
            found.append(Estimate(error, *calibration_interval(target, side.answers, _CONFIDENCE, None)))
        except NoInterval:
            found.append(Estimate(error))
    return found[0], found[1]
