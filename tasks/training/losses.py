"""The losses that a classifier's steps can minimise. Validation always measures the cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

Power = Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)]


@dataclass(frozen=True)
class Minimised:
    """The loss, in the fields that `Trial` has for it; neither set: the cross-entropy."""

    squared_error: bool = False
    focal: float = 0.0


def cross_entropy() -> Minimised:
    """Minus the logarithm of the true class's probability."""
    return Minimised()


def squared_error() -> Minimised:
    """The mean squared error of the probabilities over the classes."""
    return Minimised(squared_error=True)


def focal(*, gamma: Power = 2.0) -> Minimised:
    """Focal loss (Lin et al. 2017, who found gamma 2 best): the cross-entropy times (1 - p)^gamma, p the true class's
    probability, so that rows that are sure already count little."""
    return Minimised(focal=gamma)


LOSSES: dict[str, Callable[..., Minimised]] = {
    "cross_entropy": cross_entropy,
    "squared_error": squared_error,
    "focal": focal,
}

BEFORE: dict[str, dict[str, dict[str, Any]]] = {
    "squared_error": {"squared_error": {}},
    "focal": {"focal": {"gamma": 2.0}},
}
"""How a recipe's loss was written before losses had parameters. Recipes are still identified by it, so that their
identifiers stay the same."""
