"""Simulates many workers: when the last stack is done, from measured costs. Nothing is trained here."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from tasks.planning.cost_model import Division, Work, divide

UPDATE_RULES = 4
"""Number of different update rules among a workload's recipes."""


@dataclass(frozen=True)
class Costs:
    """Costs of training in other processes.

    Args:
        handing: Seconds that the scheduler and the process that runs the experiment spend on one job; jobs are handled
            one after the other.
        start: Seconds from a worker's first order to its first step without reading: imports, preparing the rows.
        reads: Bytes that each worker reads once from the shared storage ("store").
        writes: Bytes that a job writes there.
        store: Bytes a second that the store reads and writes, for all workers together.
        spread: Standard deviation of the logarithm of a job's time around its planned time.
        slow: Share of the workers that take twice as long.
    """

    handing: float
    start: float
    reads: float
    writes: float
    store: float = 2e8
    spread: float = 0.1
    slow: float = 0.02


@dataclass(frozen=True)
class Workload:
    """Trials of equal shapes.

    Args:
        recipes: Number of compared recipes, or of settings of a round.
        seeds: Seeds of each recipe.
        work: The work of one trial.
        by_seed: Whether a stack may hold only some of a recipe's seeds. The real plan does not do that.
    """

    title: str
    recipes: int
    seeds: int
    work: Work
    by_seed: bool = False

    def on_one_machine(self, cores: int) -> Division[int]:
        """Returns the plan's stacks for a machine whose cores share its memory; a stack is the list of its trials'
        recipes."""
        return self._divided(cores, cores)

    def seconds(self, workers: int) -> list[float]:
        """Returns the seconds of each stack of the plan for `workers` workers with memory of their own: compiling and
        training on one core, by the cost model."""
        division = self._divided(1, workers)
        rules = [len({recipe % UPDATE_RULES for recipe in stack}) for stack in division.stacks]
        return [
            self.work.seconds(len(stack), count, xla=division.xla)
            for stack, count in zip(division.stacks, rules, strict=True)
        ]

    def _divided(self, sharing: int, cores: int) -> Division[int]:
        each = 1 if self.by_seed else self.seeds
        columns = [[recipe] * each for recipe in range(self.recipes) for _ in range(self.seeds // each)]
        rules = [str(column[0] % UPDATE_RULES) for column in columns]
        return divide(columns, rules, self.work, sharing, share=cores)


@dataclass(frozen=True)
class Result:
    """The result of one simulation.

    Args:
        seconds: Until the last stack was done.
        jobs: Stacks.
        handing, store: Shares of that time in which the scheduler, or the store, was busy.
        straggling: Share of that time after half of the workers had finished their last job.
    """

    seconds: float
    jobs: int
    handing: float
    store: float
    straggling: float


def simulate(seconds: Sequence[float], workers: int, costs: Costs, seed: int) -> Result:
    """Simulates one run: jobs are handed out the longest first, one to each free worker, as the executor does it."""
    rng = np.random.default_rng(seed)
    pace = np.where(rng.random(workers) < costs.slow, 2.0, 1.0)
    taken = np.array(sorted(seconds, reverse=True)) * np.exp(rng.normal(0.0, costs.spread, len(seconds)))
    number, next_job = count(), iter(range(len(seconds)))
    events: list[tuple[float, int, str, int, int]] = [(0.0, next(number), "free", each, -1) for each in range(workers)]
    handing = store = handed = stored = 0.0
    begun: set[int] = set()
    idle: list[float] = []
    end = 0.0

    def to_store(now: float, amount: float) -> float:
        nonlocal store, stored
        store = max(store, now) + amount / costs.store
        stored += amount / costs.store
        return store

    while events:
        now, _, kind, worker, job = heapq.heappop(events)
        if kind == "free":
            job = next(next_job, -1)
            if job < 0:
                if worker in begun:
                    idle.append(now)
                continue
            handing = max(handing, now) + costs.handing
            handed += costs.handing
            heapq.heappush(events, (handing, next(number), "ordered", worker, job))
        elif kind == "ordered":
            first = worker not in begun
            begun.add(worker)
            ready = to_store(now, costs.reads) + costs.start if first else now
            heapq.heappush(events, (ready + taken[job] * pace[worker], next(number), "trained", worker, job))
        else:
            end = max(end, now := to_store(now, costs.writes))
            heapq.heappush(events, (now, next(number), "free", worker, -1))
    half = sorted(idle)[len(idle) // 2]
    return Result(end, len(seconds), handed / end, stored / end, max(0.0, end - half) / end)


def median_of(seconds: Sequence[float], workers: int, costs: Costs, runs: int) -> Result:
    """Returns the simulation with the median time among `runs` of them."""
    results = sorted((simulate(seconds, workers, costs, seed) for seed in range(runs)), key=lambda each: each.seconds)
    return results[len(results) // 2]


WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
MLP = Work(parameters=10_000, flops=20_000, activations=200, batch_size=32, steps=30 * 1250)
"""Like a 784-10-10 network, which has 7,960 parameters, on 40,000 rows for 30 epochs."""

WORKLOADS = (
    Workload("13 recipes x 5 seeds, 25 epochs of 570 rows (titanic)", 13, 5, replace(MLP, steps=25 * 18)),
    Workload("50 recipes x 10 seeds, 30 epochs of 40,000 rows", 50, 10, MLP),
    Workload("the same, if stacks could be divided by seeds", 50, 10, MLP, by_seed=True),
    Workload("1,000 settings x 3 seeds, 30 epochs of 40,000 rows", 1000, 3, MLP),
    Workload(
        "50 recipes x 10 seeds, convolutions on 28x28, 10 epochs of 60,000 rows",
        50,
        10,
        replace(MLP, parameters=50_000, flops=5_000_000, activations=20_000, steps=10 * 1875, spatial=True),
    ),
)
