"""Optimizers that change the step of another one. They are in the table of `optimizers` like all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Literal

from tasks.ranges import Positive
from tasks.training.optimizer import Optimizer, Update

Wrapped = Literal["adam", "adamw", "lion", "momentum", "nadamw", "ademamix"]


@cache
def _named(update: Update, prefix: str) -> Update:
    """The same update under a name of its own, since recipes are grouped into rules by that name."""

    def named(xp, w, g, slots, lr, t, p):
        return update(xp, w, g, slots, lr, t, p)

    named.__name__ = f"_{prefix}{update.__name__}"
    return named


def cautious_of(table: dict[str, Callable[..., Optimizer]]) -> Callable[..., Optimizer]:
    """The factory of cautious optimizers, over a table of optimizers."""

    def cautious(*, of: Wrapped = "adamw", learning_rate: Positive = 0.001) -> Optimizer:
        """Cautious steps (Liang et al. 2024, "Cautious Optimizers", algorithm 1): where the step of the optimizer `of`
        would go up the present gradient, the weight stays.

        The remaining steps of each weight array are multiplied by the array's size over their number plus one. The
        other parameters of `of` have their defaults; decoupled decay acts on all weights. No Keras twin.
        """
        inner = table[of](learning_rate=learning_rate)
        update = _named(inner.update, "cautious")
        return replace(inner, update=update, keras_class=None, keras_arguments={}, cautious=True)

    return cautious


def sam_of(table: dict[str, Callable[..., Optimizer]]) -> Callable[..., Optimizer]:
    """The factory of sharpness-aware optimizers, over a table of optimizers."""

    def sam(*, of: Wrapped = "adamw", rho: Positive = 0.05, learning_rate: Positive = 0.001) -> Optimizer:
        """SAM (Foret et al. 2021, "Sharpness-Aware Minimization", algorithm 1): the optimizer `of` follows the gradient
        at `w + rho * g / |g|`, the worst place within `rho`, and so keeps to flat regions.

        Each step takes two gradients, which the plan counts in its times. Both have the same penalties and dropout;
        batch normalisation keeps the statistics of the first. The other parameters of `of` have their defaults.
        No Keras twin.
        """
        inner = table[of](learning_rate=learning_rate)
        return replace(
            inner,
            update=_named(inner.update, "sam"),
            inputs={**inner.inputs, "rho": rho},
            keras_class=None,
            keras_arguments={},
            sharp=True,
        )

    return sam
