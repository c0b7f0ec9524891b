"""The search: settings are asked for, trained in stacks, and told, wave by wave.

A wave asks every recipe's method for its next settings, given what was told before, and trains them all in common
stacks. What was asked, and how it is divided into stacks, is written down before anything trains; results are stored
stack by stack. So whoever goes on after a kill asks nothing twice and trains only what is missing: the methods hold no
state, they are told the earlier waves again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import VAL
from tasks.errors import BadInput
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.tried import Tried, ranked, read_settings
from tasks.execution.recording import LOSS, folder_of, gradients_of
from tasks.execution.runner import StackProgress
from tasks.planning.cost_model import AS_MODELLED
from tasks.planning.plan import Plan
from tasks.planning.recipes import Recipe, identifier
from tasks.planning.searches import FIRST_SEED, Search
from tasks.planning.stacks import PlanContext
from tasks.planning.trials import PlannedStack, PlannedTrial, planned
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import SETTINGS, TRIALS
from tasks.run_folder import read_json, write_json
from tasks.search.method import Observation
from tasks.search.methods import METHODS
from tasks.search.space import Setting
from tasks.spec.tune import Tune
from tasks.training.optimizers import OPTIMIZERS

Train = Callable[[Plan, StackProgress | None], None]
"""Trains the stacks of a plan whose results are not there yet."""


@dataclass(frozen=True)
class Asked:
    """One setting that a recipe's search tries.

    Args:
        number: Its place in the search, from 0.
        variant: The recipe with the setting put in.
    """

    search: Search
    number: int
    setting: Setting
    variant: Recipe


@dataclass(frozen=True)
class Result:
    """What became of a variant's trials.

    Args:
        status: `ok`, `diverged` if any did, or `pruned` if it left at a rung.
        score: Mean over seeds and folds of the deciding metric on the validation rows; None where it diverged, or the
            metric is not defined on some of them (the area under the curve, where all rows are of one class).
        spread: Their standard deviation (n - 1); None for a single one.
        rung: The last one reached; None without rungs.
        epochs, seconds: Of all its trials.
        loss: Mean of the validation loss without penalties.
        gradients: Of that loss with respect to what is searched, means; empty where they were not asked for.
    """

    status: str
    score: float | None
    spread: float | None
    rung: int | None
    epochs: float
    seconds: float
    loss: float
    gradients: Mapping[str, float]


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        recipes: Each compared recipe with its best setting put in; as it stands where all settings diverged.
        settings: Table `settings`.
        stacks: Those that were trained, as in plan.json.
    """

    recipes: list[Recipe]
    settings: pd.DataFrame
    stacks: list[dict[str, Any]]


class Tuning:
    """The search of one run.

    Args:
        plan: Laid out, with what is searched.
        searches: One for each of the plan's recipes.
        context: By fold, or with the run's own validation part under None.
        key: Of the data, for the trials' ids.
    """

    def __init__(
        self, plan: Plan, searches: Sequence[Search], context: PlanContext, key: str, tune: Tune, run: Path
    ) -> None:
        self._plan, self._searches, self._context, self._key = plan, searches, context, key
        self._tune, self._run = tune, run
        self._results: dict[str, Result] = {}
        self._asked: list[tuple[int, Asked]] = []
        self._first: tuple[Plan, float] | None = None

    @property
    def trials(self) -> int:
        """Trials of the whole search, at most: settings times seeds and folds."""
        return sum(search.trials for search in self._searches) * self._tune.seeds * len(self._context.rows)

    def first_wave(self) -> tuple[Plan, float]:
        """The first wave's variants, trials and stacks, and the seconds expected of the whole search."""
        asked = self._next(0)
        self._first = wave, seconds = self._divided(asked)
        seconds += _STACK_SECONDS * len(wave.stacks)
        epochs = sum(each.search.epochs / max(each.search.trials, 1) for each in asked)
        return wave, seconds * sum(search.epochs for search in self._searches) / max(epochs, 1)

    def search(self, train: Train, progress: StackProgress | None = None) -> Found:
        """Goes through all waves. `train` is given each one as a plan."""
        stacks: list[PlannedStack] = []
        total = sum(search.epochs for search in self._searches)
        number = 0
        while asked := self._next(number):
            wave = self._taken_up(number, asked)
            done = sum(self._cost(each) for _, each in self._asked)
            share = sum(self._cost(each) for each in asked)
            train(wave, progress and _within(progress, number, done / total, share / total))
            self._results |= results_of(wave, self._run)
            self._asked += [(number, each) for each in asked]
            stacks += wave.stacks
            number += 1
        table = self._table()
        tried = read_settings(table)
        return Found(
            [self._chosen(search, tried.get(search.recipe.recipe_id, [])) for search in self._searches],
            table,
            [asdict(each) for each in stacks],
        )

    def _cost(self, asked: Asked) -> float:
        return asked.search.epochs / asked.search.trials

    def _next(self, wave: int) -> list[Asked]:
        """What each recipe's method asks for next, nothing where it is done."""
        return [asked for search in self._searches for asked in self._asked_of(search, wave)]

    def _asked_of(self, search: Search, wave: int) -> Iterator[Asked]:
        method = METHODS[search.method]
        sizes = method.batches(search.space, search.trials)
        if wave >= len(sizes):
            return
        told = [self._told(each) for _, each in self._asked if each.search is search]
        settings = method.suggest(search.space, told, sizes[wave], search.trials, self._tune.seed)
        for number, setting in enumerate(settings, start=len(told)):
            values = search.variant(setting)
            variant = replace(
                search.recipe, variant_id=identifier(values), settings=values, schedule=next(iter(values["schedule"]))
            )
            yield Asked(search, number, setting, variant)

    def _told(self, asked: Asked) -> Observation:
        result, sign = self._results[asked.variant.variant_id], METRICS[self._plan.metric].sign
        if result.score is None:
            return Observation(asked.setting, None)
        sound = bool(result.gradients) and result.loss <= self._worst()
        loss = result.loss if sound else None
        return Observation(asked.setting, sign * result.score, loss, result.gradients)

    def _worst(self) -> float:
        """Twice the loss of predicting the same for every row: beyond it a loss's derivatives point anywhere."""
        classes = self._plan.data["classes"]
        return 2 * math.log(len(classes)) if classes else 2.0

    # -- one wave --

    def _taken_up(self, number: int, asked: Sequence[Asked]) -> Plan:
        """The wave as a plan: as it was written down, or planned and written down now."""
        path = self._run / "checkpoints" / f"wave-{number:03}.json"
        wanted = {
            "asked": [[each.search.recipe.recipe_id, each.variant.variant_id] for each in asked],
            "metrics": list(self._context.metrics),  # what was not measured is trained anew
        }
        earlier = read_json(path) if path.exists() else {}
        if all(earlier.get(name) == value for name, value in wanted.items()):
            stacks = [PlannedStack(**each) for each in earlier["stacks"]]
            return self._as_plan(asked, stacks)
        wave, _ = self._first if self._first and number == 0 else self._divided(asked)
        write_json(path, {**wanted, "stacks": [asdict(each) for each in wave.stacks]})
        return wave

    def _as_plan(self, asked: Sequence[Asked], stacks: list[PlannedStack]) -> Plan:
        variants = self._untried(asked)
        return replace(self._plan, recipes=variants, trials=self._trials(variants), stacks=stacks)

    def _untried(self, asked: Sequence[Asked]) -> list[Recipe]:
        """Each variant once, and none that was trained in an earlier wave."""
        found = {each.variant.variant_id: each.variant for each in asked}
        return [variant for name, variant in found.items() if name not in self._results]

    def _trials(self, variants: Sequence[Recipe]) -> list[PlannedTrial]:
        return [
            planned(variant, FIRST_SEED + seed, self._key, stage="search", fold=fold)
            for variant in variants
            for seed in range(self._tune.seeds)
            for fold in self._context.rows
        ]

    def _divided(self, asked: Sequence[Asked]) -> tuple[Plan, float]:
        """The wave divided into stacks, each of them of one way to train. No probe is asked: then the same search is
        divided alike whenever it runs on as many cores, and its results are the same to the last digit."""
        methods = {each.variant.variant_id: each.search.method for each in asked}
        variants = self._untried(asked)
        stacks: list[PlannedStack] = []
        seconds = 0.0
        groups: dict[tuple[str, str], list[Recipe]] = {}
        for variant in variants:
            special = _special(methods[variant.variant_id])
            # Derivatives are taken of networks as they are, not of padded ones.
            apart = (
                identifier(variant.settings["model"]) if special and METHODS[special].training == "gradients" else ""
            )
            groups.setdefault((special, apart), []).append(variant)
        for (special, _), own in groups.items():
            divided, expected, _ = self._context.stacks(self._trials(own), own, AS_MODELLED)
            if special:
                _refuse_unstacked(special, divided, own)
            stacks += [replace(stack, search=special) for stack in divided]
            seconds += expected
        return self._as_plan(asked, stacks), seconds

    # -- what comes of it --

    def _table(self) -> pd.DataFrame:
        """Table `settings`. On one that was tried before no time was spent."""
        rows, tried = [], set[str]()
        for wave, asked in self._asked:
            rows.append(self._row(wave, asked, again=asked.variant.variant_id in tried))
            tried.add(asked.variant.variant_id)
        return SETTINGS.frame(rows)

    def _row(self, wave: int, asked: Asked, *, again: bool) -> dict[str, Any]:
        result = self._results[asked.variant.variant_id]
        return {
            "recipe_id": asked.search.recipe.recipe_id,
            "recipe": asked.search.recipe.recipe,
            "method": asked.search.method,
            "number": asked.number,
            "batch": wave,
            "variant_id": asked.variant.variant_id,
            "values": json.dumps(asked.setting),
            "status": result.status,
            "score": result.score,
            "spread": result.spread,
            "loss": result.loss if math.isfinite(result.loss) else None,
            "rung": result.rung,
            "epochs": 0.0 if again else result.epochs,
            "seconds": 0.0 if again else result.seconds,
        }

    def _chosen(self, search: Search, tried: Sequence[Tried]) -> Recipe:
        """The recipe with the best setting put in; as it stands where none ended."""
        best = next(iter(ranked(tried, METRICS[self._plan.metric].sign)), None)
        # By its place in this very search: another recipe's may have found the same settings.
        own = (asked for _, asked in self._asked if asked.search is search)
        return next((asked.variant for asked in own if best and asked.number == best.number), search.recipe)


_STACK_SECONDS = 0.6
"""Of a wave's stack beyond the model of cost, measured: tracing in Python, one stack at a time, and records."""


def _refuse_unstacked(method: str, stacks: Sequence[PlannedStack], variants: Sequence[Recipe]) -> None:
    """Raises BadInput where trials of a special method can't be stacked, or take no gradients."""
    why = next((stack.why for stack in stacks if stack.trainer == "fit"), None)
    if METHODS[method].training == "gradients":
        searching = [each.recipe for each in variants if OPTIMIZERS[each.optimizer]().searches]
        why = why or (f"{searching[0]} takes no gradients" if searching else None)
    if why:
        raise BadInput(
            f"{method} can't train these trials",
            where="tune.method",
            got=why,
            accepted="another method, such as random",
        )


def _special(method: str) -> str:
    return method if METHODS[method].training != "whole" else ""


def _within(progress: StackProgress, wave: int, done: float, share: float) -> StackProgress:
    """Progress of one wave as part of the whole search."""

    def report(what: str, steps: int, of: int) -> None:
        progress(f"wave {wave + 1}: {what}", round(1e6 * (done + share * steps / max(of, 1))), 1_000_000)

    return report


def results_of(wave: Plan, run: Path) -> dict[str, Result]:
    """Each variant's result, read from the records of the wave's stacks."""
    folders = [folder_of(run, stack.stack_id) for stack in wave.stacks]
    if not folders:
        return {}
    trials = pd.concat([TRIALS.read(folder) for folder in folders])
    metrics = pd.concat([METRICS_TABLE.read(folder) for folder in folders])
    on_val = metrics[metrics["part"] == VAL]
    values, losses = (
        dict(zip(own["trial_id"], own["value"].astype(float), strict=True))
        for own in (on_val[on_val["metric"] == wave.metric], on_val[on_val["metric"] == LOSS])
    )
    gradients: dict[str, dict[str, float | None]] = {}
    for folder in folders:
        gradients |= gradients_of(folder)
    return {
        str(variant): _result(own, values, losses, gradients)
        for variant, own in trials.groupby("variant_id", sort=False)
    }


def _result(
    trials: pd.DataFrame,
    values: Mapping[str, float],
    losses: Mapping[str, float],
    gradients: Mapping[str, Mapping[str, float | None]],
) -> Result:
    ids = sorted(trials["trial_id"])
    measured = np.array([values.get(each, np.nan) for each in ids])
    statuses = set(trials["status"])
    sound = bool(np.isfinite(measured).all()) and "diverged" not in statuses
    status = next((each for each in ("diverged", "pruned") if each in statuses), "ok")
    own = [gradients[each] for each in ids if each in gradients]
    return Result(
        status=status,
        score=float(measured.mean()) if sound else None,
        spread=float(measured.std(ddof=1)) if sound and len(ids) > 1 else None,
        rung=None if trials["rung"].isna().all() else int(trials["rung"].max()),
        epochs=float(trials["epochs"].sum()),
        seconds=float(trials["seconds"].sum()),
        loss=float(np.mean([losses.get(each, np.nan) for each in ids])),
        gradients={
            name: float(np.mean([np.nan if each[name] is None else each[name] for each in own]))
            for name in (own[0] if own else {})
        },
    )
