"""Which trials share a stack, and whether XLA compiles it: the cheapest division by a small model of cost.

With many trials in a stack, they share its compilation and the fixed cost of each step. With few, weights and moments
stay in the processor's cache; and several stacks keep several cores busy, which the small operations of one stack
can't. Trials whose optimizers follow one rule are side by side, because each rule in a stack lengthens its compilation.

The model's figures were measured on a two-core machine. A short probe (`probe`) says how this machine compares with it
on the network at hand. The figures decide how long a run takes, and through rounding the last digits of its results. So
the division is written to plan.json, and a run that is resumed follows the plan, not the probe.
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
"""The most trials in one stack, whatever the model says."""
MAX_BYTES = 4 * 2**30
"""The most bytes that the stacks side by side may take by arithmetic, without the data."""


def cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


MOMENTS = 3
"""Arrays of an optimizer's state that every trial is taken to have; what more it has counts as copies."""
AS_MODELLED = {True: Calibration(), False: Calibration()}


@dataclass(frozen=True)
class Work:
    """What one trial of a stack does.

    Args:
        parameters: Trainable weights.
        flops: Operations of one row's forward pass.
        activations: Numbers that all layers output for one row.
        batch_size: Rows a step.
        steps: Training steps.
        spatial: Whether there are convolutions, for which XLA has slow code on a CPU.
        answers: Numbers that the network outputs for the scored rows of all parts.
        copies: Further copies of the weights, for averages, accumulated gradients and a large optimizer state.
        gradients: Gradients of a step, the mean over trials: 1, or up to 2 where some trials take a second one.
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
        """Bytes of a trial in float32: weights, kept weights, gradient, moments, `copies`, the activations forward and
        backward, and the answers in slices and joined."""
        return (
            4
            * (
                (3 + MOMENTS + self.copies) * self.parameters
                + 4 * self.activations * self.batch_size
                + 2 * self.answers
            )
            + 1
        )

    def compile_seconds(self, rules: int, *, xla: bool) -> float:
        """Seconds that one core compiles a stack with so many update rules."""
        if xla:
            return 0.6 + 0.3 * rules + (1.5 if self.spatial else 0)
        return 0.15 + 0.07 * rules

    def step_seconds(self, trials: int, rules: int, *, xla: bool) -> float:
        """Seconds of one core for one step of all of a stack's trials."""
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
        columns: The trials of each variant, one a seed and fold; each variant has equally many.
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
    """Chooses which groups of trials are joined, to be divided into stacks as one group. The groups differ only in the
    widths of their networks.

    Joined groups save compilations, and the fixed cost of steps where XLA is not used; but each trial then costs as
    much as the widest. The search starts from single groups. It joins the two neighbours whose joining brings the end
    of all stacks forward most, and repeats this until no joining helps.

    Measured with three hidden layers of 64, 128 and 256 units on 8 features, batches of 32, 1,000 steps, two
    optimizers, without XLA, compiling included: one trial of each takes 4.0 s of a core joined and 5.7 s in three
    stacks; three of each 9.7 s and 8.0 s (under XLA 9.4 s and 7.9 s).

    Args:
        groups: For each group the update rule of each variant; groups are in the order of widths.
        seeds: Trials of a variant, the same number in every group.
        together: From positions of groups to the work of one trial once they are joined; one position: of a trial of
            that group alone.
        cores, calibrations, share: As for `divide`.

    Returns:
        Positions of the groups that are joined, each position once.
    """

    @cache
    def seconds(part: tuple[int, ...]) -> list[float]:
        """Expected seconds of each stack of these groups."""
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
    """Returns the division that ends first, the first one of equals. Options are stacks, with counts of trials and
    rules for each."""
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
