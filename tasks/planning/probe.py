"""How fast this machine trains a network: a few steps of a small stack on made-up rows, with XLA and without."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from tasks.training.compilations import compiled_anew
from tasks.training.feed import Resident
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Trial

TRIALS = 4
"""Trials in the probe's stack; all of one optimizer, since each update rule lengthens compiling."""

STEPS = 24
SPANS = 4
"""Spans of `STEPS` steps each. The first one includes compiling; the shortest of the others gives the pace."""


@dataclass(frozen=True)
class Measured:
    """What the probe found.

    Args:
        trials: Trials in its stack.
        compile_seconds: Seconds of one core to compile, tracing included.
        step_seconds: Seconds of one core for a step of all trials.
    """

    trials: int
    compile_seconds: float
    step_seconds: float


def measure(trial: Trial, shape: tuple[int, ...], classes: int | None, *, tokens: int | None, xla: bool) -> Measured:
    """Times a stack of `TRIALS` copies of a trial.

    Compiling is timed as in a first run, whatever earlier runs compiled, so that the plan does not depend on them. The
    time is processor time, not wall-clock time: other work of the machine then matters less, and the model counts in
    seconds of a core.

    Args:
        shape: Of one row's inputs.
        classes: None for regression.
        tokens: Number of different tokens where the inputs are token numbers or end with them.
    """
    rng = np.random.default_rng(0)
    rows, lengths = STEPS * trial.batch_size, sum(trial.architecture.lengths)
    if tokens and not lengths:
        inputs = rng.integers(0, tokens, (rows, *shape), np.int32)
    else:
        inputs = rng.normal(size=(rows, *shape)).astype("float32")
    if tokens and lengths:
        inputs[:, -lengths:] = rng.integers(0, tokens, (rows, lengths))
    targets = rng.integers(0, classes, rows) if classes else rng.normal(size=rows).astype("float32")
    arrays = Arrays(Resident(inputs, targets), inputs[:1], targets[:1], classes)
    copies = [
        replace(
            trial,
            trial_id=str(copy),
            variant_id=str(copy),
            seed=0,
            epochs=SPANS,
            evaluate_every=None,
            target=None,
            stopping=None,
        )
        for copy in range(TRIALS)
    ]
    marks = [time.process_time()]
    with compiled_anew():
        train_stack(copies, arrays, xla=xla, progress=lambda step, steps: marks.append(time.process_time()))
    first, *others = np.diff(marks)
    span = min(others) if others else first  # a stack ends early where all trials diverge or stop
    return Measured(TRIALS, max(first - span, 0.0), span / STEPS)
