"""The shipped model's predictions in figures: by class, which classes it confuses, where it is most wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reports.escape import Html, safe
from reports.markup import picture, raw, table
from reports.numbers import count
from tasks.evaluation.rounding import MISSING, fixed, interval, rounded
from tasks.evaluation.shares import of_one_class
from tasks.records.inspection import Examples
from tasks.records.verdict import Recalibration

if TYPE_CHECKING:
    import numpy as np

    from tasks.evaluation.intervals import Interval
    from tasks.evaluation.predicted import Predicted

_CLASSES = 100  # most classes that are listed: those with the lowest F1
_PAIRS = 20
_MATRIX = 15  # most classes for which the confusion matrix shows numbers
_ROWS = 20


def by_class(of: Predicted, answer: np.ndarray, classes: Sequence[str], confidence: float) -> str:
    """Shows precision, recall and F1 of each class, with intervals, and the number of rows they rest on.

    Args:
        of: Predictions and targets.
        answer: Index of the predicted class `[rows]`.
        classes: Class names, in order.
        confidence: Of each interval, in (0, 1).
    """
    found = [of_one_class(of.target == k, answer == k, confidence, of.groups) for k in range(len(classes))]
    order = list(range(len(classes)))
    if len(order) > _CLASSES:
        order = sorted(order, key=lambda k: (found[k]["f1"].mean != found[k]["f1"].mean, found[k]["f1"].mean))
    rows = [
        (
            classes[k],
            count(int((of.target == k).sum())),
            count(int((answer == k).sum())),
            *(_cell(found[k][name]) for name in ("precision", "recall", "f1")),
        )
        for k in order[:_CLASSES]
    ]
    head = ["Class", "#Rows", "#Predicted", "#Precision", "#Recall", "#F1"]
    html: str = table(head, rows, caption="Precision, recall and F1 of each class")
    if len(rows) > _MATRIX:
        html = f'<div class="tall">{html}</div>'
    under = f"Brackets hold the {confidence:.0%} interval of each figure on its own, not of all at once."
    if len(order) > _CLASSES:
        under += f" The {_CLASSES} classes with the least F1 of {count(len(order))}."
    return raw(f'{html}<p class="under">{safe(under)}</p>')


def recalibration(effect: Recalibration) -> str:
    """Shows the Brier score and the calibration error before and after calibrating."""
    names = {"brier_score": "Brier score", "calibration_error": "Expected calibration error"}
    rows = [(title, interval(effect.before[each]), interval(effect.after[each])) for each, title in names.items()]
    head = ["On the same rows", "#Before calibrating", "#After"]
    return raw(table(head, rows, caption="Before and after calibrating"))


def _cell(of: Interval) -> str:
    return interval(of.estimate(), 3)


def confused(actual: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> str:
    """Lists the pairs of classes that are confused most. Empty if the confusion matrix can show its numbers."""
    import numpy as np

    if len(classes) <= _MATRIX:
        return ""
    pairs, rows = np.unique(np.stack([actual, predicted])[:, actual != predicted], axis=1, return_counts=True)
    if not len(rows):
        return raw('<p class="quiet">No row is confused.</p>')
    of_class = np.bincount(actual, minlength=len(classes))
    order = np.argsort(-rows, kind="stable")[:_PAIRS]
    cells = [
        (
            classes[pairs[0, at]],
            classes[pairs[1, at]],
            count(int(rows[at])),
            f"{rows[at] / of_class[pairs[0, at]]:.1%}",
        )
        for at in order
    ]
    head = ["Actual", "Predicted", "#Rows", "#Share of the actual class"]
    return raw(table(head, cells, caption="Classes that are confused most"))


def hardest(
    of: Predicted,
    answer: np.ndarray | None,
    classes: Sequence[str],
    examples: Examples | None,
    pictures: Mapping[str, bytes],
) -> str:
    """Lists the rows with the largest loss: their number, and their own values if those were recorded.

    Args:
        of: Predictions and targets.
        answer: Index of the predicted class `[rows]`; None for regression.
        classes: Class names, in order.
        examples: The rows' values; None if they must not be shown.
        pictures: PNG files, by name.
    """
    worst = of.hardest(_ROWS)
    shown = {each.row: each for each in examples.rows} if examples else {}
    columns = list(examples.columns) if examples else []
    drawn = any(each.picture for each in shown.values())
    answered = None if answer is None else dict(zip(of.rows.tolist(), answer.tolist(), strict=True))
    figures = ["#Residual"] if answered is None else ["#Probability of the actual class"]
    head = [*(["Input"] if drawn else []), "#Row", _head("Actual", answered), _head("Predicted", answered), *figures]
    rows = []
    for at, row in enumerate(worst.rows.tolist()):
        example = shown.get(row)
        own = list(example.values) if example else []
        if answered is None:
            said = [rounded(worst.target[at]), rounded(worst.prediction[at]), rounded(worst.residuals[at])]
        else:
            actual = int(worst.target[at])
            said = [classes[actual], classes[answered[row]], fixed(float(worst.prediction[at, actual]), 4)]
        values = [MISSING if value is None else value for value in own] or [MISSING] * len(columns)
        picture = [_picture(example.picture if example else None, row, pictures)] if drawn else []
        rows.append([*picture, str(row), *said, *values])
    # A column's own name may begin with `#`, which would mark a column of numbers: so it is passed as Html.
    head += [Html(safe(name)) for name in columns]
    html = table(head, rows, caption="Rows that the model is most wrong about")
    loss = "the largest error" if answered is None else "the least probability for their class"
    under = f"The {len(rows)} rows with {loss}. Row: its position in the data as they were read, from 0."
    if examples and examples.left_out:
        under += f" {count(examples.left_out)} further columns are not shown."
    return raw(f'{html}<p class="under">{safe(under)}</p>')


def _head(words: str, answered: object) -> str:
    return f"#{words}" if answered is None else words


def _picture(name: str | None, row: int, pictures: Mapping[str, bytes]) -> Html:
    content = pictures.get(name or "")
    if content is None:
        return Html(MISSING)
    return picture(content, f"row {row}", "example")
