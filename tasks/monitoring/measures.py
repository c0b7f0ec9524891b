"""The measures that compare a reference and a window: each column, the model's answers, and its errors against
labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from tasks.monitoring.alarm import Array, Distance, Distribution, Mean, Measure, number_places
from tasks.records.monitoring import Bar, Measured, What
from tasks.serving.answers import chosen_classes
from tasks.training.exported import Exported

Key = tuple[What, str]

FEWEST = 30
"""The least number of labelled rows for a comparison of errors."""
_CATEGORIES = 50
"""Categories of a column that are counted separately, the most frequent ones; all others are counted together."""
_BARS = 12


@dataclass(frozen=True)
class Judged:
    """Rows with the model's answers.

    Args:
        inputs: The rows as the model takes them.
        target: Class index or value, float64 `[rows]`; NaN without a label.
        answers: Class probabilities `[rows, classes]`, or values `[rows]`.
        slices: The name of each row's slice, for each slicing.
    """

    inputs: pd.DataFrame
    target: Array
    answers: Array
    slices: Mapping[str, Array]

    def at(self, rows: Array) -> Judged:
        """Some of the rows."""
        return Judged(
            self.inputs.iloc[rows],
            self.target[rows],
            self.answers[rows],
            {name: values[rows] for name, values in self.slices.items()},
        )


def watchable(inputs: pd.DataFrame, exported: Exported, left_out: frozenset[str]) -> pd.DataFrame:
    """The inputs that are compared; for texts, their number of words.

    Args:
        left_out: Columns that always change, such as the time of a split by time.
    """
    kinds = {each["name"]: each["kind"] for each in exported.signature["inputs"]}
    found = inputs[[name for name in inputs.columns if name not in left_out]]
    texts = [name for name in found.columns if kinds[name] not in ("number", "category")]
    return found.assign(**{name: found[name].map(_words, na_action="ignore").astype("float64") for name in texts})


def _words(text: str) -> int:
    return len(text.split())


def of_columns(reference: pd.DataFrame, window: pd.DataFrame) -> dict[Key, Measure]:
    """Measures of the inputs from `watchable`."""
    found: dict[Key, Measure] = {}
    for name in map(str, reference.columns):
        before, now = reference[name], window[name]
        missing: list[Array] = [each.isna().to_numpy(np.float64) for each in (before, now)]
        if missing[0].any() or missing[1].any():
            found["missing", name] = Mean(missing[0], missing[1])
        if pd.api.types.is_numeric_dtype(before):
            found["values", name] = _numbers(before, now)
        else:
            found["values", name] = _categories(before, now)
            new = [np.where(each.isna(), np.nan, ~each.isin(before.unique())) for each in (before, now)]
            found["new values", name] = Mean(new[0], new[1], one_sided=True)
    return found


def of_answers(reference: Judged, window: Judged, exported: Exported) -> dict[Key, Measure]:
    """Measures of the model's answers."""
    classes = exported.signature["classes"]
    if not classes:
        return {("answers", "prediction"): _numbers(reference.answers, window.answers)}
    if len(classes) == 2:
        place = _of_interest(exported)
        values = [each.answers[:, place] for each in (reference, window)]
        return {("answers", f"probability of {classes[place]}"): _numbers(*values)}
    chosen = [each.answers.argmax(axis=1) for each in (reference, window)]
    largest = [each.answers.max(axis=1) for each in (reference, window)]
    return {
        ("answers", "class"): Distribution(chosen[0], chosen[1], len(classes), ordered=False),
        ("answers", "largest probability"): _numbers(*largest),
    }


def of_errors(reference: Judged, window: Judged, exported: Exported) -> dict[Key, Measure]:
    """Measures of the model's errors and calibration, on rows that have a label."""
    classes = exported.signature["classes"]
    wrong = [_wrong(each, exported) for each in (reference, window)]
    unit = 1.0 if classes else float(np.std(reference.target))
    found: dict[Key, Measure] = {("errors", error_name(exported)): Mean(wrong[0], wrong[1], one_sided=True, unit=unit)}
    if classes:
        gaps = [_gap(each, exported) for each in (reference, window)]
        found["calibration", "what happened less what was predicted"] = Mean(gaps[0], gaps[1])
    else:
        found["calibration", "value less prediction"] = Mean(
            reference.target - reference.answers, window.target - window.answers, unit=unit
        )
    for slicing in reference.slices.keys() & window.slices.keys():
        sides = (reference.slices[slicing], window.slices[slicing])
        for name in sorted(set(sides[1])):
            inside = [each == name for each in sides]
            if min(each.sum() for each in inside) >= FEWEST:
                parts = [np.where(at, each, np.nan) for at, each in zip(inside, wrong, strict=True)]
                found["errors of a slice", f"{slicing.removeprefix('slices by ')}: {name}"] = Mean(
                    parts[0], parts[1], one_sided=True
                )
    return found


def error_name(exported: Exported) -> str:
    """The name of the error measure."""
    return "error rate" if exported.signature["classes"] else "mean absolute error"


def measured(key: Key, measure: Measure, distance: Distance, before: object = None, now: object = None) -> Measured:
    """The record of one measure.

    Args:
        before, now: The values of reference and window, where they are to be drawn.
    """
    what, name = key
    means: list[float | None] = [None, None]
    if isinstance(measure, Mean):
        means = [_mean(measure.reference), _mean(measure.window)]
    drawn = what in ("values", "answers") and before is not None and now is not None
    return Measured(
        what=what,
        name=name,
        distance=_plain(distance.value),
        threshold=float(distance.threshold),
        p=distance.p,
        alarms=distance.alarms,
        effect=_effect(before, now) if drawn else None,
        reference=means[0],
        window=means[1],
        bars=_bars(before, now) if drawn else (),
    )


def drawn_answers(judged: Judged, exported: Exported, name: str) -> object:
    """The values that `of_answers` compares under this name."""
    classes = exported.signature["classes"]
    if not classes:
        return judged.answers
    if name == "class":
        return np.array(classes, object)[judged.answers.argmax(axis=1)]
    return judged.answers.max(axis=1) if len(classes) > 2 else judged.answers[:, _of_interest(exported)]


def _of_interest(exported: Exported) -> int:
    classes, positive = exported.signature["classes"], exported.signature["positive"]
    return classes.index(positive) if positive in classes else len(classes) - 1


def _numbers(before: object, now: object) -> Distribution:
    cells, places = number_places(*(np.asarray(each, np.float64) for each in (before, now)))
    return Distribution(places[0], places[1], cells, ordered=True)


def _categories(before: pd.Series, now: pd.Series) -> Distribution:
    place = {name: at for at, name in enumerate(before.value_counts().index[:_CATEGORIES])}
    known = set(before.dropna().unique())
    codes = []
    for column in (before, now):
        other = np.where(column.isin(known), len(place), len(place) + 1)
        code = column.map(place).to_numpy(np.float64, na_value=np.nan)
        code = np.where(np.isnan(code), other, code)
        codes.append(np.where(column.isna(), -1, code).astype(np.int64))
    return Distribution(codes[0], codes[1], len(place) + 2, ordered=False)


def _wrong(judged: Judged, exported: Exported) -> Array:
    if not exported.signature["classes"]:
        return np.abs(judged.target - judged.answers)
    return (chosen_classes(judged.answers, exported) != judged.target).astype(np.float64)


def _gap(judged: Judged, exported: Exported) -> Array:
    classes = exported.signature["classes"]
    if len(classes) == 2:
        place = _of_interest(exported)
        return (judged.target == place) - judged.answers[:, place]
    likeliest = judged.answers.argmax(axis=1)
    return (likeliest == judged.target) - judged.answers.max(axis=1)


def _effect(before: object, now: object) -> float | None:
    """The Wasserstein distance of numbers, in standard deviations of the reference; None where there is none."""
    values = [np.asarray(each) for each in (before, now)]
    if any(each.dtype.kind not in "fiub" for each in values):
        return None
    known = [each[np.isfinite(each)].astype(np.float64) for each in values]
    if not all(map(len, known)) or not (spread := known[0].std()):
        return None
    return _plain(float(stats.wasserstein_distance(known[0], known[1]) / spread))


def _bars(before: object, now: object) -> tuple[Bar, ...]:
    values = [pd.Series(np.asarray(each)) for each in (before, now)]
    if all(pd.api.types.is_numeric_dtype(each) for each in values):
        known = [each[np.isfinite(each)].to_numpy(np.float64) for each in values]
        both = np.concatenate(known)
        if not len(both) or np.ptp(both) == 0:
            return ()
        edges = np.histogram_bin_edges(both, _BARS)
        shares: list[Array] = [np.histogram(each, edges)[0] / max(len(each), 1) for each in known]
        labels = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
    else:
        counts = [each.dropna().astype(str).value_counts(normalize=True) for each in values]
        union = counts[0].add(counts[1], fill_value=0).sort_values(ascending=False).index[:_BARS]
        labels = list(map(str, union))
        shares = [each.reindex(union).fillna(0).to_numpy() for each in counts]
    return tuple(
        Bar(label=label, reference=float(one), window=float(two))
        for label, one, two in zip(labels, *shares, strict=True)
    )


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
