"""Expectations about wide tables, images, texts and sounds, on a profile: a frame with a row for each column or input.

A wide table would else need thousands of expectations. They would take minutes, and nobody would read them.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from tasks.records.validation import Severity
from tasks.validation.inferred import MISSING, UNSEEN, Inferred, Suite, bounds, values
from tasks.validation.suite import Expectation
from tasks.validation.wording import listing, of, shown

STRANGE = 0.5
"""Share of a text's words that training has not seen, above which the text is strange."""
CLIPPED = 0.01
"""Share of a sound's samples at full scale above which it is clipped."""

_FULL_SCALE = 0.999
_DTYPES = ["float64", "str"]
_BETWEEN = "expect_column_values_to_be_between"


def of_wide_table(table: pd.DataFrame, train: np.ndarray, held: np.ndarray) -> Suite:
    """Types, missing shares, and values that training has not seen. `train`, `held`: row positions, int64."""
    learn, judge = table.iloc[train], table.iloc[held]
    profile = pd.DataFrame(
        {
            "type": [str(dtype) for dtype in table.dtypes],
            "missing": table.isna().mean().to_numpy(),
            "present": learn.notna().sum().to_numpy(),
            "new": [_is_new(learn[name], judge[name]) for name in table.columns],
        }
    )
    names = np.array(table.columns, dtype=object)
    return profile, [
        _of_columns(
            Expectation("expect_column_values_to_be_in_set", {"column": "type", "value_set": _DTYPES}),
            "block",
            names[~profile["type"].isin(_DTYPES)],
            "hold neither numbers nor categories",
            remedy="see how the file was read: data.read",
        ),
        _of_columns(
            Expectation(_BETWEEN, {"column": "missing", "max_value": MISSING}),
            "warn",
            names[profile["missing"] > MISSING],
            f"are missing in more than {MISSING:.0%} of the rows",
            remedy="find out why: missing numbers are filled in by the model",
        ),
        _of_columns(
            Expectation(_BETWEEN, {"column": "present", "min_value": 1}),
            "block",
            names[profile["present"] < 1],
            "have no value at all in the training part",
            remedy="drop them: data.drop",
        ),
        _of_columns(
            Expectation("expect_column_values_to_be_in_set", {"column": "new", "value_set": [False]}),
            "warn",
            names[profile["new"]],
            "have values in the validation and test parts far outside what training sees",
            remedy="look at these rows: errors of measurement, or cases that training should see too",
        ),
    ]


def of_images(images: np.ndarray, train: np.ndarray, held: np.ndarray) -> Suite:
    """Range of the pixels, blank images, and brightness. `images`: `[rows, height, width, channels]`."""
    flat = images.reshape(len(images), -1)
    smallest, largest = flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)
    brightness = flat.mean(axis=1, dtype=np.float64)
    low, high = bounds(brightness[train]) or (0.0, 255.0)
    judged = np.full(len(images), np.nan)  # the library ignores missing values
    judged[held] = brightness[held]
    profile = pd.DataFrame(
        {"smallest": smallest, "largest": largest, "contrast": largest - smallest, "brightness": judged}
    )
    return profile, [
        _of_images(
            {"column": "smallest", "min_value": 0, "max_value": 255},
            "have pixels below 0",
            remedy="scale the pixels to 0 to 255",
        ),
        _of_images(
            {"column": "largest", "min_value": 0, "max_value": 255},
            "have pixels above 255",
            remedy="scale the pixels to 0 to 255",
        ),
        _of_images(
            {"column": "contrast", "min_value": 0, "strict_min": True},
            "are blank: every pixel has the same shade",
            remedy="take them out of the data",
        ),
        _of_images(
            {"column": "brightness", "min_value": low, "max_value": high},
            "of the validation and test parts are far brighter or darker than any that training sees "
            f"(mean pixel not within {shown(low)} and {shown(high)})",
            remedy="look at these images: training should see such ones too",
        ),
    ]


def of_texts(texts: pd.Series, train: np.ndarray, held: np.ndarray, noun: str = "texts") -> Suite:
    """Length of the texts, and the share of words in validation and test texts that training never sees.

    Args:
        texts: `str`, or None where a text is missing: nothing is expected of those.
        noun: What the texts are called in messages.
    """
    missing = texts.isna().to_numpy()
    words = [re.findall(r"\w+", text.lower()) for text in texts.fillna("")]
    lengths = np.where(missing, np.nan, [len(each) for each in words])
    vocabulary = {word for row in train for word in words[row]}
    unknown, judged = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
    for row in held[~missing[held]]:
        unknown[row] = sum(word not in vocabulary for word in words[row]) / max(len(words[row]), 1)
        judged[row] = lengths[row]
    _, high = bounds(lengths[train]) or (0.0, 0.0)
    profile = pd.DataFrame({"words": lengths, "judged": judged, "unknown": unknown})
    return profile, [
        _of_inputs(
            {"column": "words", "min_value": 1},
            noun,
            "hold no word, only signs",
            remedy="the model sees them all alike; take them out if they say nothing",
        ),
        _of_inputs(
            {"column": "judged", "max_value": high},
            noun,
            f"of the validation and test parts are far longer than any that training sees (above {shown(high)} words)",
            remedy="look at these texts: training should see such ones too",
        ),
        Inferred(
            Expectation(_BETWEEN, {"column": "unknown", "max_value": STRANGE, "mostly": 1 - MISSING}),
            severity="warn",
            expected=f"in all but {MISSING:.0%} of the other parts' {noun}, training has seen half of the words",
            observed=lambda outcome: of(outcome.unexpected or 0, outcome.rows or 0, noun),
            passed=f"Training sees most words of all or nearly all {noun} in the validation and test parts.",
            failed=lambda outcome: (
                f"{of(outcome.unexpected or 0, outcome.rows or 0, noun)} of the validation and test parts are "
                "written mostly in words that training never sees."
            ),
            remedy="look at these texts: another language or subject? Or more training data",
        ),
    ]


def of_sounds(sounds: np.ndarray, train: np.ndarray, held: np.ndarray) -> Suite:
    """Silent and clipped sounds, and loudness. `sounds`: `[rows, samples]` in [-1, 1]."""
    peak = np.abs(sounds).max(axis=1).astype(np.float64)
    clipped = (np.abs(sounds) >= _FULL_SCALE).mean(axis=1)
    sounding = np.maximum((sounds != 0).sum(axis=1), 1)  # without the silence of padding
    power = np.square(sounds, dtype=np.float64).sum(axis=1) / sounding
    loudness = 10 * np.log10(np.maximum(power, 1e-12))
    low, high = bounds(loudness[train]) or (-120.0, 0.0)
    judged = np.full(len(sounds), np.nan)
    judged[held] = loudness[held]
    profile = pd.DataFrame({"peak": peak, "clipped": clipped, "loudness": judged})
    return profile, [
        _of_inputs(
            {"column": "peak", "min_value": 0, "strict_min": True},
            "sounds",
            "are silent: every sample is zero",
            remedy="take them out of the data",
        ),
        _of_inputs(
            {"column": "clipped", "max_value": CLIPPED},
            "sounds",
            f"are clipped: more than {CLIPPED:.0%} of their samples stand at full scale",
            remedy="record them with less gain",
        ),
        _of_inputs(
            {"column": "loudness", "min_value": low, "max_value": high},
            "sounds",
            "of the validation and test parts are far louder or softer than any that training hears "
            f"(not within {shown(round(low, 1))} and {shown(round(high, 1))} dB of full scale)",
            remedy="look at these sounds: training should hear such ones too",
        ),
    ]


def _is_new(train: pd.Series, held: pd.Series) -> bool:
    """Whether held values lie beyond training's bounds, or too many are categories that training has not seen."""
    if not pd.api.types.is_numeric_dtype(train):
        return bool((held.notna() & ~held.isin(train.unique())).sum() > UNSEEN * held.notna().sum())
    seen = bounds(train.to_numpy(np.float64))
    return seen is not None and bool(((held < seen[0]) | (held > seen[1])).any())


def _of_columns(
    expectation: Expectation, severity: Severity, failing: np.ndarray, what: str, *, remedy: str
) -> Inferred:
    return Inferred(
        expectation,
        severity=severity,
        expected=f"no columns {what}",
        observed=lambda outcome: of(outcome.unexpected or 0, outcome.rows or 0, "columns"),
        passed=f"No columns {what}.",
        failed=lambda outcome: f"Columns that {what}: {listing(failing)} ({len(failing):,}).",
        remedy=remedy,
    )


def _of_images(parameters: dict[str, object], what: str, *, remedy: str) -> Inferred:
    return _of_inputs(parameters, "images", what, remedy=remedy)


def _of_inputs(parameters: dict[str, object], inputs: str, what: str, *, remedy: str) -> Inferred:
    return Inferred(
        Expectation(_BETWEEN, parameters),
        severity="warn",
        expected=f"no {inputs} {what}",
        observed=values,
        passed=f"No {inputs} {what}.",
        failed=lambda outcome: f"{of(outcome.unexpected or 0, outcome.rows or 0, inputs)} {what}.",
        remedy=remedy,
    )
