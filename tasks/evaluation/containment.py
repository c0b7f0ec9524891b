"""Optimizers that contain others: well tuned, they can't be worse. Where one is worse, its search was too small.

After Choi et al. (2020), "On Empirical Comparisons of Optimizers for Deep Learning", whose hierarchy orders update
rules: a rule contains another if some setting makes it equal to the other, or approach it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.evaluation.tried import Tried
from tasks.search.space import Choices, Dimension, Setting, Space


@dataclass(frozen=True)
class Inclusion:
    """`outer` is `inner` where `parameter` takes `value`.

    Args:
        parameter: Hyperparameter of `outer`; it must have been searched.
        value: The range of `parameter` must reach this value: down to it if the inclusion is exact, else up to it.
        exact: False where the inclusion holds only in the limit of large values.
        renamed: Name of a hyperparameter in `inner` to its name in `outer`. These must have been searched in both.
        averaged: Name in `inner` of the decay of a sum of gradients, where `outer` takes a mean. For an equal step
            `outer` needs a learning rate 1 / (1 - decay) times as large.
        why: Why the inclusion holds.
    """

    outer: str
    inner: str
    parameter: str
    value: float
    exact: bool
    why: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    averaged: str | None = None


# Left out: Nadam contains neither Adam nor Nesterov, since Keras's schedule changes its beta_1. Adamax uses a norm,
# Lion a sign and Adadelta a ratio, whatever their parameters. For the inclusions in the limit, epsilon or the
# accumulator must reach 1: the squared gradients of a network that learns are small beside 1.
INCLUSIONS: tuple[Inclusion, ...] = (
    Inclusion("momentum", "sgd", "momentum", 0.0, True, "m = -lr * g with momentum 0"),
    Inclusion("nesterov", "sgd", "momentum", 0.0, True, "w -= lr * g with momentum 0"),
    Inclusion("adamw", "adam", "weight_decay", 0.0, True, "Adam's step follows a decay of 0"),
    Inclusion("rmsprop", "sgd", "epsilon", 1.0, False, "lr * g / sqrt(v + epsilon) nears lr / sqrt(epsilon) * g"),
    Inclusion(
        "rmsprop",
        "momentum",
        "epsilon",
        1.0,
        False,
        "with momentum on its step, lr * g / sqrt(v + epsilon) nears lr / sqrt(epsilon) * g",
        renamed={"momentum": "momentum"},
    ),
    Inclusion("adagrad", "sgd", "initial_accumulator_value", 1.0, False, "lr * g / sqrt(a) nears a constant times g"),
    Inclusion(
        "adam",
        "momentum",
        "epsilon",
        1.0,
        False,
        "m / (sqrt(v) + epsilon) nears m / epsilon, and m is momentum's times 1 - beta_1",
        renamed={"momentum": "beta_1"},
        averaged="momentum",
    ),
)


def reachable(inclusion: Inclusion, space: Space, inner: Setting) -> bool:
    """Whether the outer optimizer's search could have found the inner one's best setting.

    The range of `parameter` must reach `value`, and every value of `inner` must lie in the range of the matching
    dimension of `space`. The learning rate and the renamed hyperparameters must be among the values of `inner`. Where
    the inner optimizer's learning rate was not searched, it is not known here, so the answer is no.

    Args:
        space: The outer optimizer's search space.
        inner: The inner optimizer's best setting.
    """
    over = {_own(dimension.name, inclusion.outer): dimension for dimension in space}
    values = {_own(name, inclusion.inner): value for name, value in inner.items()}
    parameter = over.get(inclusion.parameter)
    if parameter is None or not _reaches(parameter, inclusion):
        return False
    if not {"learning_rate", *inclusion.renamed} <= values.keys():
        return False
    for name, value in values.items():
        dimension = over.get(inclusion.renamed.get(name, name))
        wanted = value
        if name == "learning_rate" and inclusion.averaged:
            wanted = value / (1 - values[inclusion.averaged])
        if dimension is None or not _covers(dimension, wanted):
            return False
    return True


def _own(name: str, optimizer: str) -> str:
    """The name that the optimizer's factory uses: `beta_1` for `adam.beta_1` and for `optimizer.beta_1`."""
    return name.removeprefix(f"{optimizer}.").removeprefix("optimizer.")


def noise(outer: Tried, inner: Tried) -> float | None:
    """The difference that two equally good settings may show, in the metric's unit: the standard deviation, over seeds
    and folds, of the difference between one training of each. None where a setting was trained only once."""
    if outer.spread is None or inner.spread is None:
        return None
    return math.hypot(outer.spread, inner.spread)


def _reaches(dimension: Dimension, inclusion: Inclusion) -> bool:
    if isinstance(dimension.over, Choices):
        ends = [value for value in dimension.over.values if isinstance(value, int | float)]
        low, high = (min(ends), max(ends)) if ends else (math.inf, -math.inf)
    else:
        low, high = dimension.over.low, dimension.over.high
    return low <= inclusion.value if inclusion.exact else high >= inclusion.value


def _covers(dimension: Dimension, value: object) -> bool:
    if isinstance(dimension.over, Choices):
        return value in dimension.over.values
    return isinstance(value, int | float) and dimension.over.low <= value <= dimension.over.high
