"""Writes inspection.json: what the report says of the shipped network beyond the run's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.dataset import VAL, Dataset
from tasks.evaluation.predicted import Predicted
from tasks.evaluation.residuals import FEWEST, MISSING, OTHERS, ByInput, by_input
from tasks.execution.influence import Answer, influence, rows_of
from tasks.execution.weights import PICTURE, weights_of
from tasks.inputs.prepared import Prepared
from tasks.records.inspection import Dot, Example, Examples, InputResiduals, Inspection
from tasks.records.landscape import Between, Landscape
from tasks.records.verdict import Verdict
from tasks.run_folder import write_bytes

if TYPE_CHECKING:
    import keras

EXAMPLES = 20
COLUMNS = 40
"""Columns shown of a row, at most."""

LETTERS = 300
"""Characters shown of a value, at most."""

PIXELS = 96
"""The longer side of a picture in pixels, at most."""

INPUTS = 6
DOTS = 250


def write_inspection(
    run: Path,
    prepared: Prepared,
    verdict: Verdict,
    predictions: pd.DataFrame,
    splits: pd.DataFrame,
    answer: Answer | None,
    network: keras.Model | None,
    *,
    shown: bool,
    landscape: Landscape | None = None,
    between: Sequence[Between] | None = None,
) -> None:
    """Writes inspection.json for the shipped network, and with `shown` the pictures of its examples. First deletes what
    an earlier verdict of this run wrote, so that values of rows do not stay once they are no longer asked for.

    Args:
        run: The run's folder.
        predictions, splits: The run's tables.
        answer: The shipped model; None where there is none.
        network: The shipped model, where it is a network.
        shown: Whether values of single rows may be written.
        landscape, between: What was found of the loss surface, where it was looked at.
    """
    (run / Inspection.FILE).unlink(missing_ok=True)
    for old in [*(run / "previews").glob("example-*.png"), run / "previews" / PICTURE]:
        old.unlink(missing_ok=True)
    if not verdict.shipped or answer is None:
        return
    predicted = Predicted.read(predictions, splits, verdict.shipped.trial_id, verdict.part)
    if predicted is None:
        return
    # A model that learned from every row is asked only about the validation rows, which did no more than choose it.
    asked: Predicted | None = predicted
    if verdict.out_of_fold is not None:
        asked = Predicted.read(predictions, splits, verdict.shipped.trial_id, VAL)
    inputs = prepared.dataset.numbers + prepared.dataset.categories
    regression = prepared.dataset.classes is None and bool(inputs)
    Inspection(
        trial_id=verdict.shipped.trial_id,
        examples=_examples(run, prepared, predicted.hardest(EXAMPLES)) if shown else None,
        residuals=_residuals(prepared, inputs, predicted, verdict.confidence, shown) if regression else None,
        inputs=len(inputs),
        influence=influence(prepared, verdict, asked, answer) if asked else None,
        network=None if network is None else weights_of(network, prepared, run / "previews"),
        landscape=landscape,
        between=between,
    ).write(run)


def _examples(run: Path, prepared: Prepared, predicted: Predicted) -> Examples:
    dataset = prepared.dataset
    if dataset.medium is not None and isinstance(dataset.medium.values, np.ndarray):
        pictures = [_picture(prepared, row, run / "previews" / f"example-{row}.png") for row in predicted.rows]
        shown = [
            Example(row=int(row), values=[], picture=picture)
            for row, picture in zip(predicted.rows, pictures, strict=True)
        ]
        return Examples(columns=[], left_out=0, rows=shown)
    table = _table(dataset, predicted.rows)
    columns = [name for name in table.columns if name != dataset.target_name]
    values = table[columns[:COLUMNS]].itertuples(index=False, name=None)
    return Examples(
        columns=[str(name) for name in columns[:COLUMNS]],
        left_out=max(0, len(columns) - COLUMNS),
        rows=[
            Example(row=int(row), values=[_text(value) for value in each])
            for row, each in zip(predicted.rows, values, strict=True)
        ],
    )


def _table(dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
    """These rows of the source's columns as they were written, or of the raw inputs where the source was not kept."""
    if dataset.streamed is not None:
        found, start = [], 0
        for chunk in dataset.streamed.raw.chunks():
            inside = rows[(rows >= start) & (rows < start + len(chunk))]
            found.append(chunk.iloc[inside - start].set_axis(inside))
            start += len(chunk)
        return pd.concat(found).loc[rows]
    source = dataset.written if len(dataset.written.columns) else dataset.raw
    assert isinstance(source, pd.DataFrame)
    return source.iloc[rows]


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}…"


def _picture(prepared: Prepared, row: int, path: Path) -> str:
    """Writes an image or a spectrogram as the network receives it. Returns the file's name."""
    import cv2

    picture = prepared.dataset.form.preview.show(prepared.features[[row]], [], prepared.dataset)
    assert isinstance(picture, np.ndarray)
    factor = PIXELS / max(picture.shape[:2])
    if factor < 1:
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    done, content = cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)
    if not done:
        raise RuntimeError(f"OpenCV can't write {path}")
    path.parent.mkdir(exist_ok=True)
    return write_bytes(path, content.tobytes()).name


def _residuals(
    prepared: Prepared, names: list[str], predicted: Predicted, confidence: float, shown: bool
) -> list[InputResiduals]:
    """The inputs that the residuals are most associated with."""
    table, predicted = rows_of(prepared, predicted)
    if len(predicted.rows) < 2 * FEWEST:
        return []
    found = [by_input(name, table[name], predicted.residuals, confidence, predicted.groups) for name in names]
    ranked = sorted((each for each in found if each), key=lambda each: -each.association)[:INPUTS]
    return [
        InputResiduals(
            name=each.name,
            number=each.number,
            association=each.association,
            levels=each.levels,
            dots=_dots(table[each.name], each, predicted) if shown else [],
        )
        for each in ranked
    ]


def _dots(values: pd.Series, of: ByInput, predicted: Predicted) -> list[Dot]:
    """Some rows at random; for a number, only rows with a value."""
    places = np.flatnonzero(values.notna().to_numpy()) if of.number else np.arange(len(values))
    if len(places) > DOTS:
        places = np.sort(np.random.default_rng(0).choice(places, DOTS, replace=False))
    names = {level.name for level in of.levels}
    residual = predicted.residuals

    def value(place: int) -> float | str:
        found = values.iloc[place]
        if of.number:
            return float(found)
        return MISSING if pd.isna(found) else str(found) if str(found) in names else OTHERS

    return [Dot(value(int(place)), float(residual[place])) for place in places]
