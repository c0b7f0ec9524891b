"""`python -m tests.bench.drift`: measures float32 drift under XLA on raw columns, ours and Keras's own.

On columns with scales from 0.01 to 1000, rounding errors can grow from step to step, and XLA rounds at other places.
This project's stack of all optimizers and Keras under `jit_compile=True` are both compared with Keras without XLA, from
the same weights on the same batch: the figures show how much of the drift comes from XLA itself. Nothing is asserted
about them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flows.environment import quieten

STEPS = 200


@dataclass(frozen=True)
class Drift:
    """The training loss of each step, float64 `[STEPS]`, NaN where it is not finite.

    Args:
        name: The optimizer.
        keras: Keras without XLA.
        compiled: Keras under `jit_compile=True`.
        ours: A stack of all optimizers, under XLA.
    """

    name: str
    keras: np.ndarray
    compiled: np.ndarray
    ours: np.ndarray


def measured() -> list[Drift]:
    """Measures every optimizer that Keras has too; takes about half a minute."""
    from tests.contracts.keras_reference import keras_losses
    from tests.contracts.one_batch import TWINS, arrays_of, losses_of, trial_of

    arrays, trials = arrays_of(raw=True), [trial_of(name, steps=STEPS) for name in TWINS]
    return [
        Drift(
            name,
            keras=keras_losses(trial, arrays, "float32"),
            compiled=keras_losses(trial, arrays, "float32", xla=True),
            ours=_whole(ours),
        )
        for name, trial, ours in zip(TWINS, trials, losses_of(trials, arrays, xla=True), strict=True)
    ]


def _whole(losses: np.ndarray) -> np.ndarray:
    """Pads the losses with NaN to `STEPS`, since a trial that diverged ends before its last step."""
    return np.append(losses, np.full(STEPS - len(losses), np.nan))


def table(drifts: list[Drift]) -> str:
    """Returns a Markdown table of relative differences of the loss from Keras without XLA: at the last step, and the
    largest."""
    head = "| optimizer | loss, Keras | ours, last | Keras's, last | ours, largest | Keras's, largest |"
    rows = [[each.name, f"{each.keras[-1]:.4g}", *(f"{figure:.0e}" for figure in _figures(each))] for each in drifts]
    return "\n".join([head, "|---" * 6 + "|", *("| " + " | ".join(row) + " |" for row in rows)])


def _figures(drift: Drift) -> list[float]:
    ours, theirs = (np.abs(each / drift.keras - 1) for each in (drift.ours, drift.compiled))
    return [ours[-1], theirs[-1], ours.max(), theirs.max()]


if __name__ == "__main__":
    quieten()
    print(f"float32, {STEPS} steps on raw columns, against Keras without XLA\n\n{table(measured())}")
