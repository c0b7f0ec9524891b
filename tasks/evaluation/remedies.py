"""Advice for recipes that did not learn: from their diagnosis, or else from how their weights and loss changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tasks.diagnosis.diagnose import DIAGNOSES
from tasks.evaluation.baselines import Constant
from tasks.evaluation.learning import Seen
from tasks.evaluation.recipe_results import RecipeResult
from tasks.evaluation.wording import listing
from tasks.records.diagnosis import Diagnosis

_TOO_LITTLE = "Raise the learning rate of {names}, or train longer: {they} did not learn{why}."
_TRAINING_ONLY = (
    "Give {names} fewer epochs, a smaller network or more rows: {they} learned the training rows, whose loss fell, and "
    "nothing that holds on the validation rows."
)
_WILD = "Lower the learning rate of {names}, or look at the inputs: the weights moved, but the loss did not fall."


def for_idle(
    idle: Sequence[RecipeResult], seen: Mapping[str, Seen], diagnosed: Mapping[str, Diagnosis], constant: Constant
) -> Iterable[str]:
    """Yields a sentence for each remedy, with its cause and the recipes that it is for.

    Args:
        idle: The recipes that did not learn.
        seen: `recipe_id` to what its training showed.
        diagnosed: `recipe_id` to its most certain diagnosis, where there is one.
        constant: Scores of an answer that ignores the inputs.
    """
    remedies: dict[str, list[RecipeResult]] = {}
    for result in idle:
        told = diagnosed.get(result.id)
        remedy = _of(seen.get(result.id), constant) if told is None else _by(told)
        remedies.setdefault(remedy, []).append(result)
    for remedy, results in remedies.items():
        they = "it" if len(results) == 1 else "they"
        yield remedy.replace("{names}", listing([result.name for result in results])).replace("{they}", they)


def _by(told: Diagnosis) -> str:
    title = DIAGNOSES[told.kind].title
    return f"{{names}} did not learn: {title[0].lower()}{title[1:]}. {told.remedy}"


def _of(seen: Seen | None, constant: Constant) -> str:
    if seen is None:
        return _TOO_LITTLE.replace("{why}", "")
    if seen.stood_still:
        return _TOO_LITTLE.replace("{why}", ", since the weights hardly moved")
    if not seen.fell:
        return _WILD
    return (
        _TRAINING_ONLY if seen.last < constant.loss else _TOO_LITTLE.replace("{why}", ", though the loss was falling")
    )
