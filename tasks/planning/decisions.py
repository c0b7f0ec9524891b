"""From the spec's `evaluate` to how a run decides: its costs by class, and the rule for the threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.dataset import Dataset
from tasks.errors import BadInput, nearest
from tasks.evaluation.metrics import CLASSIFICATION, REGRESSION
from tasks.evaluation.wording import listing
from tasks.records.decisions import Costs, Decides
from tasks.spec.decisions import Cost
from tasks.spec.evaluate import Evaluate


def decides_of(evaluate: Evaluate, dataset: Dataset) -> Decides:
    """How classes are chosen and what answers cost, for this data set.

    Args:
        dataset: With its class of interest.

    Raises:
        BadInput: what the spec says does not fit this target.
    """
    _check(evaluate, dataset)
    costs = _costs(evaluate, dataset) if evaluate.cost else None
    prior = _prior(evaluate.real_prior, dataset.classes) if evaluate.real_prior else None
    threshold = evaluate.threshold
    if dataset.classes is None or (costs is None and threshold is None):
        return Decides(costs=costs, prior=prior, calibrate=evaluate.calibrate)
    rule, limit = threshold.chosen if threshold else ("cost", None)
    return Decides(rule=rule, value=limit, costs=costs, prior=prior, calibrate=evaluate.calibrate)


def _check(evaluate: Evaluate, dataset: Dataset) -> None:
    cost, classes = evaluate.cost, dataset.classes
    if evaluate.currency is not None and cost is None:
        raise BadInput("has no effect without costs", where="evaluate.currency", remedy="add evaluate.cost")
    if cost is not None and (cost.over is None) == (classes is None):
        raise BadInput(
            f"these costs are not for {REGRESSION if classes is None else CLASSIFICATION}",
            where="evaluate.cost",
            accepted="over and under" if classes is None else "false_negative and false_positive, or matrix",
        )
    if evaluate.calibrate and classes is None:
        raise BadInput(
            "probabilities are calibrated, and a quantity has none", where="evaluate.calibrate", remedy="take it out"
        )
    if evaluate.threshold is None:
        return
    if classes is None or len(classes) != 2:
        raise BadInput(
            "a threshold is for two classes",
            where="evaluate.threshold",
            got="a quantity" if classes is None else f"{len(classes)} classes",
            remedy="take it out; for more than two classes, evaluate.cost predicts the class of least expected cost",
        )
    if evaluate.threshold.chosen[0] == "cost" and cost is None:
        raise BadInput("there are no costs to choose by", where="evaluate.threshold", remedy="add evaluate.cost")


def _prior(named: Mapping[str, float], classes: Sequence[str] | None) -> list[float]:
    """The real share of every class: one that is not named gets what the others leave."""
    where = "evaluate.real_prior"
    if classes is None:
        raise BadInput("shares of classes are not for regression", where=where, remedy="take it out")
    for name in named:
        if name not in classes:
            raise BadInput("there is no such class", where=f"{where}.{name}", got=name, accepted=nearest(name, classes))
    missing = [name for name in classes if name not in named]
    left = 1 - math.fsum(named.values())
    if len(missing) > 1:
        raise BadInput(
            "several classes have no share",
            where=where,
            got=f"none for {listing(missing)}",
            accepted="a share for each class; one may be left out, and gets the rest",
        )
    if missing and left < _LEAST:
        raise BadInput(
            f"leaves nothing for {missing[0]}", where=where, got=f"{1 - left:.6g} in all", accepted="less than 1 in all"
        )
    if not missing and abs(left) > _LEAST:
        raise BadInput(
            "the shares of all classes must add up to 1",
            where=where,
            got=f"{1 - left:.6g}",
            remedy="leave one class out: it gets the rest",
        )
    return [named.get(name, left) for name in classes]


_LEAST = 1e-6
"""The smallest share that a class may have, and the tolerance for shares that must add up to 1."""


def _costs(evaluate: Evaluate, dataset: Dataset) -> Costs:
    cost = evaluate.cost
    assert cost is not None
    if dataset.classes is None:
        return Costs(over=cost.over, under=cost.under, currency=evaluate.currency)
    if cost.matrix is not None:
        return Costs(matrix=_matrix(cost.matrix, dataset.classes), currency=evaluate.currency)
    if len(dataset.classes) != 2 or dataset.positive is None:
        raise BadInput(
            "are the mistakes of two classes",
            where="evaluate.cost",
            got=f"{len(dataset.classes)} classes",
            accepted="matrix: {ACTUAL: {PREDICTED: cost}}",
        )
    matrix, columns = _of_two(cost, dataset.positive.index)
    return Costs(matrix=matrix, columns=columns, currency=evaluate.currency)


def _of_two(cost: Cost, positive: int) -> tuple[list[list[float]], dict[str, str]]:
    """The cost matrix, and by place in it the columns of the table that hold costs."""
    negative = 1 - positive
    places = {
        "false_negative": (positive, negative),
        "false_positive": (negative, positive),
        "true_negative": (negative, negative),
        "true_positive": (positive, positive),
    }
    matrix, columns = [[0.0, 0.0], [0.0, 0.0]], {}
    for name, (actual, predicted) in places.items():
        value = getattr(cost, name)
        if isinstance(value, str):
            columns[f"{actual},{predicted}"] = value
        elif value is not None:
            matrix[actual][predicted] = value
    return matrix, columns


def _matrix(matrix: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> list[list[float]]:
    found = [[0.0] * len(classes) for _ in classes]
    for actual, row in matrix.items():
        for predicted, value in row.items():
            found[_place(actual, classes, actual)][_place(predicted, classes, f"{actual}.{predicted}")] = value
    if all(value == row[0] for row in found for value in row):
        raise BadInput("every answer costs the same", where="evaluate.cost.matrix", got=str(found[0][0]))
    return found


def _place(name: str, classes: Sequence[str], where: str) -> int:
    if name not in classes:
        raise BadInput(
            "there is no such class", where=f"evaluate.cost.matrix.{where}", got=name, accepted=nearest(name, classes)
        )
    return list(classes).index(name)


def identity(decides: Decides) -> dict[str, Any] | None:
    """The part of it that decides a trial's metrics; None: the likeliest class is predicted, and nothing has a cost."""
    if decides == Decides():
        return None
    found = {"rule": decides.rule, "value": decides.value, "costs": _numbers(decides)}
    if decides.prior is not None:
        found["prior"] = list(decides.prior)
    return found if decides.calibrate is None else found | {"calibrate": decides.calibrate}


def _numbers(decides: Decides) -> Any:
    costs = decides.costs
    return costs and [costs.matrix, dict(costs.columns), costs.over, costs.under]
