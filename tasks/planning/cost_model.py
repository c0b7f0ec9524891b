"""Which trials share a stack, and whether XLA compiles it: the cheapest division by a small model of cost.

More trials in a stack share its compilation and the cost of each step; fewer keep weights and moments in the
processor's cache, and several stacks keep several cores busy, as a stack's small operations alone can't. Trials whose
optimizers follow one rule lie side by side, because each rule in a stack lengthens its compilation.

The model's figures were measured on a two-core machine; a short probe (`probe`) says how this machine
compares with it on the network at hand. They decide how long a run takes, and through rounding the last digits of its
results; so the division is written to plan.json, and whoever goes on with a run follows the plan, not the probe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heapreplace
from itertools import pairwise
from typing import Generic, TypeVar

from tasks.records.plan import Calibration

T = TypeVar("T")

MAX_TRIALS = 512
"""In one stack, whatever the model says."""
MAX_BYTES = 4 * 2**30
"""Of memory that the stacks side by side may take by arithmetic, data apart."""


def cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


AS_MODELLED = {True: Calibration(), False: Calibration()}


@dataclass(frozen=True)
class Work:
    """What one trial of a stack does.

    Args:
        parameters: Trainable weights.
        flops: Of one row's way forward.
        activations: Numbers that a row makes on its way through the network.
        batch_size: Rows a step.
        steps: Training steps.
        spatial: With convolutions, for which XLA has slow code on a CPU.
        answers: Numbers that the scored rows of all parts get.
        copies: Of the weights, for averages.
        gradients: Of a step, the mean over trials: 1, or up to 2 where some take a second one.
    """

    parameters: int
    flops: int
    activations: int
    batch_size: int
    steps: int
    spatial: bool = False
    answers: int = 0
    copies: int = 0
    gradients: float = 1.0

    @property
    def trial_bytes(self) -> int:
        """float32: weights, kept ones, gradient, up to three moments and averages, the activations forth and back, and
        the answers in pieces and put together."""
        return 4 * ((6 + self.copies) * self.parameters + 4 * self.activations * self.batch_size + 2 * self.answers) + 1

    def compile_seconds(self, rules: int, *, xla: bool) -> float:
        """Of one core, for a stack with so many update rules."""
        if xla:
            return 0.6 + 0.3 * rules + (1.5 if self.spatial else 0)
        return 0.15 + 0.07 * rules

    def step_seconds(self, trials: int, rules: int, *, xla: bool) -> float:
        """Of one core, for one step of all of a stack's trials."""
        megabytes = trials * 16 * self.parameters / 1e6  # weights, gradient, two moments
        out_of_cache = 1 + min(0.02 * megabytes, 0.65)
        flops = 3 * self.flops * self.batch_size * self.gradients  # forward, and twice that backward
        memory = 3e-10 * self.parameters
        if self.spatial:
            overhead = 2e-5 if xla else 1.5e-4 + 4.5e-5 * rules
            return overhead + trials * (flops / (2.5e10 if xla else 1e11) + memory) * out_of_cache
        step = trials * (5e-6 + flops / 1.7e11 + memory) * out_of_cache
        return step if xla else 4.5e-5 * rules + 2.1 * step

    def seconds(self, trials: int, rules: int, *, xla: bool, calibration: Calibration = AS_MODELLED[True]) -> float:
        """A stack's time on one core, compiling included."""
        compiling = calibration.compiling * self.compile_seconds(rules, xla=xla)
        return compiling + self.steps * calibration.stepping * self.step_seconds(trials, rules, xla=xla)


@dataclass(frozen=True)
class Division(Generic[T]):
    """How a group of trials is trained.

    Args:
        stacks: The trials of each stack, a full rectangle of variants and seeds.
        xla: Whether XLA compiles them.
        seconds: What the model expects for all of them, side by side.
    """

    stacks: list[list[T]]
    xla: bool
    seconds: float


def divide(
    columns: Sequence[Sequence[T]],
    rules: Sequence[str],
    work: Work,
    cores: int,
    calibrations: Mapping[bool, Calibration] = AS_MODELLED,
    *,
    share: int | None = None,
) -> Division[T]:
    """Divides trials of equal shapes into stacks.

    Args:
        columns: The trials of each variant, one a seed and fold; each variant has as many.
        rules: Each variant's update rule.
        work: What one trial does.
        cores: How many stacks run side by side, and share the memory.
        calibrations: The machine's, with and without XLA.
        share: How many of the cores are for these trials' stacks; None: all.
    """
    share = share or cores
    order = sorted(range(len(columns)), key=lambda index: (rules[index], index))
    seeds = len(columns[0])
    limit = max(1, min(MAX_TRIALS, MAX_BYTES // cores // work.trial_bytes))
    if seeds > limit:
        lone = [list(columns[index][start : start + limit]) for index in order for start in range(0, seeds, limit)]
        return _cheapest([(lone, [(limit, 1)] * len(lone))], work, share, calibrations)
    fewest = -(-len(columns) // (limit // seeds))
    options = []
    for count in range(fewest, max(fewest, min(len(columns), 8 * share)) + 1):
        parts = _even(order, count)
        stacks = [[trial for index in part for trial in columns[index]] for part in parts]
        sizes = [(len(part) * seeds, len({rules[index] for index in part})) for part in parts]
        options.append((stacks, sizes))
    return _cheapest(options, work, share, calibrations)


def join(
    groups: Sequence[Sequence[str]],
    seeds: int,
    together: Callable[[Sequence[int]], Work],
    cores: int,
    calibrations: Mapping[bool, Calibration] = AS_MODELLED,
    *,
    share: int | None = None,
) -> list[list[int]]:
    """Which groups of trials that agree in all but the widths of their networks are divided into stacks as one.

    Joined, they save compilations, and the steps' fixed cost where XLA compiles none; each trial then costs what the
    widest does. From single groups on, those neighbours are joined whose joining brings the end of all stacks forward
    most, until none does.

    Measured with three hidden layers of 64, 128 and 256 units on 8 features, batches of 32, 1,000 steps, two
    optimizers, without XLA, compiling included: one trial of each takes 4.0 s of a core joined and 5.7 s in three
    stacks; three of each 9.7 s and 8.0 s (under XLA 9.4 s and 7.9 s).

    Args:
        groups: Each variant's update rule, of each group; in the order of widths.
        seeds: Trials of a variant, in every group as many.
        together: What one trial of joined groups does, by their positions; of one position, a trial of that group.
        cores, calibrations, share: As for `divide`.

    Returns:
        Positions of the groups that are one, each position once.
    """

    @cache
    def seconds(part: tuple[int, ...]) -> list[float]:
        """Of each stack of these groups."""
        work, rules = together(part), [rule for index in part for rule in groups[index]]
        division = divide([[rule] * seeds for rule in rules], rules, work, cores, calibrations, share=share)
        return [
            work.seconds(len(stack), len(set(stack)), xla=division.xla, calibration=calibrations[division.xla])
            for stack in division.stacks
        ]

    def end(parts: Sequence[tuple[int, ...]]) -> float:
        return _end([each for part in parts for each in seconds(part)], share or cores)

    parts: list[tuple[int, ...]] = [(index,) for index in range(len(groups))]
    while True:
        options = [
            [*parts[:place], parts[place] + parts[place + 1], *parts[place + 2 :]] for place in range(len(parts) - 1)
        ]
        best = min(options, key=end, default=parts)
        if end(best) >= end(parts):
            return [list(part) for part in parts]
        parts = best


def _cheapest(
    options: Sequence[tuple[list[list[T]], list[tuple[int, int]]]],
    work: Work,
    cores: int,
    calibrations: Mapping[bool, Calibration],
) -> Division[T]:
    """Of the divisions (stacks, with the trials and rules of each) the one that ends first; of equals the first."""
    divisions = [
        Division(stacks, xla, _makespan(sizes, work, cores, xla, calibrations[xla]))
        for stacks, sizes in options
        for xla in (True, False)
    ]
    return min(divisions, key=lambda division: division.seconds)


def _even(order: Sequence[int], count: int) -> list[Sequence[int]]:
    """Consecutive parts whose lengths differ by one at most."""
    bounds = [round(part * len(order) / count) for part in range(count + 1)]
    return [order[start:stop] for start, stop in pairwise(bounds) if stop > start]


def _makespan(sizes: Sequence[tuple[int, int]], work: Work, cores: int, xla: bool, calibration: Calibration) -> float:
    return _end([work.seconds(trials, rules, xla=xla, calibration=calibration) for trials, rules in sizes], cores)


def _end(seconds: Sequence[float], cores: int) -> float:
    """Seconds until the last stack is done, the longest started first."""
    free = [0.0] * cores
    for each in sorted(seconds, reverse=True):
        heapreplace(free, free[0] + each)
    return max(free)
