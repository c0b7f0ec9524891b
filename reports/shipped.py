"""The section on the shipped model's predictions. Each of its parts is a function from the run to Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reports import figures, tables
from reports.escape import safe
from reports.markup import raw, titled
from reports.metric_names import title
from reports.numbers import count
from reports.run import Run
from tasks.choice import choose
from tasks.evaluation.association import TOGETHER
from tasks.evaluation.calibration import calibration_error, error_by_chance
from tasks.evaluation.permutation import REPEATS
from tasks.evaluation.predicted import Predicted
from tasks.evaluation.priors import weights
from tasks.evaluation.wording import listing, number
from tasks.records.verdict import Verdict

_NOT_KEPT = "No model was shipped, or its predictions were not kept."
_NOT_RECORDED = "An older version made this verdict and did not record this. To get it, run with --from judge."

_AS_ROWS = (
    "Probabilities are corrected to the real shares of the classes, and calibration is at these shares. Precision, F1 "
    "and the precision-recall curve here are those of the rows as they are, without the correction."
)
_PRIVATE = "Their values are not shown, since rows may be private; the spec's report: {show_examples: true} shows them."


@dataclass(frozen=True)
class Decided:
    """The shipped model's predictions on the test part (or out of fold), as classes.

    Args:
        of: Predictions and targets.
        verdict: The verdict that shipped the model.
        classes: Class names, in order.
        positive: Position of the class of interest, if there are two classes; else None.
        answer: Index of the predicted class `[rows]`.
        prior: Each class's real share; None: its share of the rows.
    """

    of: Predicted
    verdict: Verdict
    classes: list[str]
    positive: int | None
    answer: np.ndarray
    prior: Sequence[float] | None = None

    @classmethod
    def read(cls, run: Run) -> Decided | None:
        """Reads them; None if no model was shipped, its predictions were not kept, or there are no classes."""
        predicted = _predicted(run)
        if predicted is None or run.verdict is None or predicted.prediction.ndim == 1:
            return None
        verdict, classes = run.verdict, [str(name) for name in run.plan.data.classes or ()]
        costs = run.plan.decides.costs if run.plan.decides else None
        positive = threshold = None
        if len(classes) == 2:
            positive = classes.index(verdict.positive.name) if verdict.positive else 1
            threshold = verdict.operating_point.threshold if verdict.operating_point else None
        matrix = costs.matrix if costs else None
        answer = choose(predicted.prediction, positive=positive, threshold=threshold, costs=matrix)
        return cls(predicted, verdict, classes, positive, answer, _prior(run))


def _prior(run: Run) -> Sequence[float] | None:
    return run.plan.decides.prior if run.plan.decides else None


def _predicted(run: Run) -> Predicted | None:
    verdict = run.verdict
    if not verdict or not verdict.shipped:
        return None
    return Predicted.read(run.predictions, run.splits, verdict.shipped.trial_id, verdict.part)


def _of_classes(part: Callable[[Decided], str]) -> Callable[[Run], str]:
    """Makes a part for runs whose target has classes. It is empty for other runs."""

    def made(run: Run) -> str:
        found = Decided.read(run)
        return "" if found is None else part(found)

    return made


def about(run: Run) -> str:
    """Says which model and rows the section is about."""
    predicted = _predicted(run)
    if predicted is None or run.verdict is None or run.verdict.shipped is None:
        return raw(f'<p class="quiet">{safe(_NOT_KEPT)}</p>')
    verdict = run.verdict
    said = f"Of {verdict.saved}, on {count(len(predicted.rows))} rows of the {verdict.part} part"
    if verdict.out_of_fold:
        said = (
            f"Of the same recipe and seed in the folds of the first repeat, on {count(len(predicted.rows))} rows, each "
        )
        said += "answered by a model that was not trained on it; intervals are over rows alone"
    decided = Decided.read(run)
    if decided and decided.positive is not None and verdict.operating_point:
        threshold = number(verdict.operating_point.threshold)
        said += f"; {decided.classes[decided.positive]} is predicted from a probability of {threshold} on"
    grouped = " Rows of one group count together in every interval." if predicted.groups is not None else ""
    at_prior = f" {_AS_ROWS}" if _prior(run) else ""
    return raw(f'<p class="under">{safe(f"{said}.{grouped}{at_prior}")}</p>')


def _by_class(decided: Decided) -> str:
    body = tables.by_class(decided.of, decided.answer, decided.classes, decided.verdict.confidence)
    return titled("Class by class", body)


def _confusion(decided: Decided) -> str:
    charts = figures.confusion(decided.of.target, decided.answer, decided.classes)
    chart = figures.tabs(
        charts,
        caption="A row is an actual class, and its cells add up to 100%: the share of its rows that each class was "
        "predicted for, and how many rows these are.",
    )
    return titled("Confusion matrix", chart + tables.confused(decided.of.target, decided.answer, decided.classes))


def _curves(decided: Decided) -> str:
    verdict = decided.verdict
    found = figures.ranking(decided.of, decided.classes, decided.positive, verdict.confidence, verdict.operating_point)
    band = (
        f"The band is pointwise: at any one place of the horizontal axis, chosen beforehand, it holds the curve of all "
        f"such rows in {verdict.confidence:.0%} of test parts or more. The whole curve lies in it less often."
    )
    if decided.positive is not None:
        under = f"{band} The ring is the threshold in use. Dashed: rows ranked at random."
    else:
        under = f"Each class against all others. {found.said} The macro average counts every class alike. {band}"
    return titled("Ranking: ROC and precision-recall", figures.tabs(found.charts, caption=under, empty=found.said))


def _calibration(decided: Decided) -> str:
    confidence, groups, prediction = decided.verdict.confidence, decided.of.groups, decided.of.prediction
    if decided.positive is not None:
        probability, hit = prediction[:, decided.positive], decided.of.target == decided.positive
        words = ("Predicted probability", f"Observed share of {decided.classes[decided.positive]}")
    else:
        probability, hit = prediction.max(axis=1), prediction.argmax(axis=1) == decided.of.target
        words = ("Probability of the predicted class", "Share that was right")
    weight = None if decided.prior is None else weights(decided.of.target, decided.prior)
    error = calibration_error(probability, hit, weight)
    by_chance = (
        ""
        if groups is not None or weight is not None
        else f" Probabilities that are right stay below {error_by_chance(probability, confidence):.1%} on so many rows "
        f"in {confidence:.0%} of cases."
    )
    chart = figures.calibration(probability, hit, groups, confidence, *words, weight)
    bars = "" if weight is not None else f", its bar the {confidence:.0%} interval of that bin"
    under = (
        f"Ten bins of equal width; a dot's size is its rows{bars}. "
        f"On the dashed line, what is predicted happens as often. Expected calibration error: {error:.1%}.{by_chance}"
    )
    effect = decided.verdict.recalibration
    said = raw(f"<p>{safe(effect.sentence)}</p>") + tables.recalibration(effect) if effect else ""
    return titled("Calibration", figures.tabs({"Calibration": chart}, caption=under) + said)


def _residuals(run: Run) -> str:
    predicted = _predicted(run)
    if predicted is None or run.verdict is None or predicted.prediction.ndim > 1:
        return ""
    charts = figures.residuals(predicted, run.plan.data.target, run.verdict.confidence)
    caption = (
        "Residuals are predicted minus actual: above zero, the model says too much. Along the prediction, a black "
        f"point is the mean of about equally many rows, its bar that mean's own {run.verdict.confidence:.0%} interval."
    )
    return titled("Predicted and actual", figures.tabs(charts, caption=caption))


def _residuals_by_input(run: Run) -> str:
    predicted = _predicted(run)
    if predicted is None or run.verdict is None or predicted.prediction.ndim > 1:
        return ""
    recorded = run.inspected
    if recorded is None:
        body = raw(f'<p class="quiet">{safe(_NOT_RECORDED)}</p>')
    elif not recorded.residuals:
        body = raw('<p class="quiet">There are no columns of numbers or categories, or too few rows, to look at.</p>')
    else:
        found = recorded.residuals
        rows = (
            "Dots are some rows."
            if any(each.dots for each in found)
            else "Single rows are not shown; report: {show_examples: true} shows some."
        )
        caption = (
            f"The {len(found)} of {recorded.inputs} inputs that the residuals go with most; the title's percentage is "
            "the share of their variance that lies between parts of the input. Shaded: the middle half of the "
            f"residuals. Black: their mean, with its own {run.verdict.confidence:.0%} interval. {rows}"
        )
        body = figures.tabs(figures.residuals_by_input(found), caption=caption)
    return titled("Residuals by input", body)


def _influence(run: Run) -> str:
    recorded, verdict = run.inspected, run.verdict
    if recorded is None or recorded.influence is None or verdict is None:
        return ""
    found, metric = recorded.influence, title(recorded.influence.metric, verdict.titles)
    told = [", ".join(each.names) for each in found.inputs if each.matters]
    said = f"Shuffled, they make the model worse: {listing(told, most=5)}." if told else "None can be told from 0."
    left_out = f" Left out: {count(found.left_out)} inputs that go with the answers less." if found.left_out else ""
    part = "validation" if verdict.out_of_fold else verdict.part
    caption = (
        f"{said} On {count(found.rows)} rows of the {part} part the values of an input are shuffled among the rows, "
        f"{REPEATS} times; the model stays as it is. Inputs that go together (association of {TOGETHER} or more) "
        f"are shuffled together. Intervals hold {verdict.confidence:.0%} for all lines at once; grey ones reach 0."
        f"{left_out} These are not causes: an input matters here because this model uses it, and another model may do "
        "as well without it."
    )
    body = figures.tabs({metric: figures.influence(found.inputs, metric)}, caption=caption)
    if found.dependence:
        answer = f"Probability of {found.of}" if found.of is not None else f"Predicted {run.plan.data.target}"
        under = (
            "The mean answer where every row is given the same value of one input and keeps its others (partial "
            "dependence). Shaded: the middle half of the rows' own curves, each moved to the same average. Where "
            "inputs go together, some of these rows could not occur."
        )
        body += figures.tabs(figures.dependence(found.dependence, answer), caption=under)
    return titled("Inputs that matter", body)


def _hardest(run: Run) -> str:
    predicted = _predicted(run)
    if predicted is None:
        return ""
    recorded = run.inspected
    asked = bool(run.plan.spec.get("report", {}).get("show_examples"))
    classes = [str(name) for name in run.plan.data.classes or ()]
    decided = Decided.read(run)
    body = tables.hardest(
        predicted,
        None if decided is None else decided.answer,
        classes,
        recorded.examples if recorded else None,
        run.pictures,
    )
    if recorded is None or recorded.examples is None:
        said = _NOT_RECORDED if asked and recorded is None else _PRIVATE
        body += raw(f'<p class="under">{safe(said)}</p>')
    return titled("Rows that the model is most wrong about", body)


PARTS: dict[str, Callable[[Run], str]] = {
    "predictions": about,
    "by class": _of_classes(_by_class),
    "confusion matrix": _of_classes(_confusion),
    "ROC and precision-recall": _of_classes(_curves),
    "calibration": _of_classes(_calibration),
    "residuals": _residuals,
    "residuals by input": _residuals_by_input,
    "inputs that matter": _influence,
    "hardest rows": _hardest,
}
"""The parts by the name under which a failure is reported, in the order of the section."""
