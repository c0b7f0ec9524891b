"""The search: in each round settings are suggested, trained in stacks, and observed.

A round has every recipe's method suggest its next settings, given the observations so far, and trains them all in
common stacks. Its suggestions, and how they are divided into stacks, are written down before anything trains. Results
are stored stack by stack. So a search that goes on after a kill suggests nothing twice and trains only what is missing:
the methods hold no state, they are given the earlier observations again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import VAL
from tasks.errors import BadInput
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.tried import Tried, ranked, read_settings
from tasks.execution.aside import Train
from tasks.execution.recording import LOSS, gradients_of
from tasks.execution.runner import StackProgress
from tasks.planning.cost_model import AS_MODELLED
from tasks.planning.jobs import Job, beside
from tasks.planning.recipes import identifier
from tasks.planning.searches import FIRST_SEED, Search
from tasks.planning.stacks import PlanContext
from tasks.planning.trials import planned
from tasks.records.plan import PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import SETTINGS, TRIALS
from tasks.records.weights import folder_of
from tasks.run_folder import read_json, write_json
from tasks.search.method import Observation
from tasks.search.methods import METHODS
from tasks.search.space import Setting
from tasks.training.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class Suggestion:
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
    """The result of a variant's trials.

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
class Finished:
    """A suggestion that was trained.

    Args:
        round: Of the search, from 0.
    """

    round: int
    suggestion: Suggestion
    result: Result


@dataclass(frozen=True)
class Round:
    """The suggestions that are trained before any of them is observed.

    Args:
        number: From 0.
        variants: Those of the suggestions, each once, and none that an earlier round trained.
        trials: Of these variants.
    """

    number: int
    suggestions: Sequence[Suggestion]
    variants: Sequence[Recipe]
    trials: Sequence[PlannedTrial]


@dataclass(frozen=True)
class Divided:
    """A round's trials in stacks.

    Args:
        seconds: Expected of them.
    """

    stacks: Sequence[PlannedStack]
    seconds: float


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
    stacks: list[PlannedStack]


@dataclass(frozen=True)
class Tuning:
    """The search of one run. Nothing here changes: what comes next follows from what is finished.

    Args:
        searches: One for each compared recipe.
        context: By fold, or with the run's own validation part under None.
        key: Of the data, for the trials' ids.
        seeds: Under which each setting is trained.
        seed: Of the methods.
    """

    searches: Sequence[Search]
    context: PlanContext
    key: str
    seeds: int
    seed: int

    @property
    def trials(self) -> int:
        """Trials of the whole search, at most: settings times seeds and folds."""
        return sum(search.trials for search in self.searches) * self.seeds * len(self.context.rows)

    @property
    def sign(self) -> int:
        """1 where a greater score is better, else -1."""
        return METRICS[self.context.metrics[0]].sign

    def next_round(self, history: Sequence[Finished]) -> Round | None:
        """The round after what is finished; None where every method is done."""
        number = 1 + max((each.round for each in history), default=-1)
        suggestions = [each for search in self.searches for each in self._suggested(search, number, history)]
        if not suggestions:
            return None
        trained = {each.suggestion.variant.variant_id for each in history}
        variants = {
            each.variant.variant_id: each.variant for each in suggestions if each.variant.variant_id not in trained
        }
        return Round(number, suggestions, list(variants.values()), self._trials(list(variants.values())))

    def _suggested(self, search: Search, number: int, history: Sequence[Finished]) -> Iterator[Suggestion]:
        method = METHODS[search.method]
        sizes = method.batches(search.space, search.trials)
        if number >= len(sizes):
            return
        observations = [self._observation(each) for each in history if each.suggestion.search is search]
        settings = method.suggest(search.space, observations, sizes[number], search.trials, self.seed)
        for place, setting in enumerate(settings, start=len(observations)):
            yield Suggestion(search, place, setting, search.variant(setting))

    def _observation(self, finished: Finished) -> Observation:
        setting, result = finished.suggestion.setting, finished.result
        if result.score is None:
            return Observation(setting, None)
        sound = bool(result.gradients) and result.loss <= self._worst_loss()
        return Observation(setting, self.sign * result.score, result.loss if sound else None, result.gradients)

    def _worst_loss(self) -> float:
        """Twice the loss of predicting the same for every row. Beyond it a loss's derivatives point anywhere."""
        classes = self.context.dataset.classes
        return 2 * math.log(len(classes)) if classes else 2.0

    def _trials(self, variants: Sequence[Recipe]) -> list[PlannedTrial]:
        return [
            planned(variant, FIRST_SEED + seed, self.key, stage="search", fold=fold)
            for variant in variants
            for seed in range(self.seeds)
            for fold in self.context.rows
        ]

    def divide(self, round: Round) -> Divided:
        """The round divided into stacks, each of one way to train. No probe is asked: then the same search is divided
        alike whenever it runs on as many cores, and its results are the same to the last digit.

        Raises:
            BadInput: a method that needs stacks can't train these trials.
        """
        methods = {each.variant.variant_id: each.search.method for each in round.suggestions}
        stacks: list[PlannedStack] = []
        seconds = 0.0
        groups: dict[tuple[str, str], list[Recipe]] = {}
        for variant in round.variants:
            method = methods[variant.variant_id]
            training = METHODS[method].training
            # Derivatives are taken of networks as they are, not of padded ones.
            apart = identifier(variant.settings.part("model")) if training == "gradients" else ""
            groups.setdefault(("" if training == "whole" else method, apart), []).append(variant)
        for (special, _), variants in groups.items():
            trials = self._trials(variants)
            besides = beside(special, self.searches, trials, self.context.metrics[0])
            divided, expected, _ = self.context.stacks(trials, variants, AS_MODELLED, besides)
            if special:
                _refuse_unstacked(special, divided, variants)
            stacks += [replace(stack, search=special) for stack in divided]
            seconds += expected
        return Divided(stacks, seconds)

    def first_round(self) -> tuple[Round, Divided, float]:
        """The first round, its stacks, and the seconds expected of the whole search."""
        first = self.next_round(())
        assert first is not None
        divided = self.divide(first)
        seconds = divided.seconds + _STACK_SECONDS * len(divided.stacks)
        epochs = sum(_epochs(each) for each in first.suggestions)
        return first, divided, seconds * sum(search.epochs for search in self.searches) / max(epochs, 1)


_STACK_SECONDS = 0.6
"""Of a round's stack beyond the model of cost, measured: tracing in Python, one stack at a time, and records."""


def _epochs(suggestion: Suggestion) -> float:
    """Of one seed and fold, on average over the suggestion's search."""
    return suggestion.search.epochs / max(suggestion.search.trials, 1)


def _refuse_unstacked(method: str, stacks: Sequence[PlannedStack], variants: Sequence[Recipe]) -> None:
    """Raises BadInput where trials of a special method can't be stacked, or take no gradients."""
    why = next((stack.why for stack in stacks if not stack.stacked), None)
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


@dataclass(frozen=True)
class RoundStore:
    """The rounds of a search on disk: `checkpoints/wave-000.json` and on in the run's folder."""

    run: Path

    def stacks(self, round: Round, metrics: Sequence[str]) -> list[PlannedStack] | None:
        """The stacks that the round was divided into; None where this round, with these metrics, was not written."""
        path = self._path(round)
        earlier = read_json(path) if path.exists() else {}
        if any(earlier.get(name) != value for name, value in self._wanted(round, metrics).items()):
            return None
        return [PlannedStack(**each) for each in earlier["stacks"]]

    def write(self, round: Round, metrics: Sequence[str], stacks: Sequence[PlannedStack]) -> None:
        write_json(self._path(round), {**self._wanted(round, metrics), "stacks": [asdict(each) for each in stacks]})

    def _path(self, round: Round) -> Path:
        return self.run / "checkpoints" / f"wave-{round.number:03}.json"

    def _wanted(self, round: Round, metrics: Sequence[str]) -> dict[str, Any]:
        return {
            "asked": [[each.search.recipe.recipe_id, each.variant.variant_id] for each in round.suggestions],
            "metrics": list(metrics),  # what was not measured is trained anew
        }


def search(
    tuning: Tuning, run: Path, train: Train, progress: StackProgress | None = None, first: Divided | None = None
) -> Found:
    """Goes through all rounds.

    Args:
        first: The first round's stacks, where they are known.
    """
    store, metrics = RoundStore(run), tuning.context.metrics
    stacks: list[PlannedStack] = []
    history: list[Finished] = []
    results: dict[str, Result] = {}
    total = sum(each.epochs for each in tuning.searches)
    while (round := tuning.next_round(history)) is not None:
        planned_stacks = store.stacks(round, metrics)
        if planned_stacks is None:
            divided = first if first is not None and round.number == 0 else tuning.divide(round)
            planned_stacks = list(divided.stacks)
            store.write(round, metrics, planned_stacks)
        job = Job(round.variants, round.trials, planned_stacks, metrics, tuning.searches)
        done = sum(_epochs(each.suggestion) for each in history)
        share = sum(_epochs(each) for each in round.suggestions)
        train(job, progress and _within(progress, round.number, done / total, share / total))
        results |= results_of(job, run)
        history += [Finished(round.number, each, results[each.variant.variant_id]) for each in round.suggestions]
        stacks += planned_stacks
    table = settings_table(history)
    tried = read_settings(table)
    return Found(
        [_chosen(each, history, tried.get(each.recipe.recipe_id, []), tuning.sign) for each in tuning.searches],
        table,
        stacks,
    )


def _within(progress: StackProgress, number: int, done: float, share: float) -> StackProgress:
    """Progress of one round as part of the whole search."""

    def report(what: str, steps: int, of: int) -> None:
        progress(f"round {number + 1}: {what}", round(1e6 * (done + share * steps / max(of, 1))), 1_000_000)

    return report


def settings_table(history: Sequence[Finished]) -> pd.DataFrame:
    """Table `settings`. A setting that was tried before took no time."""
    rows, tried = [], set[str]()
    for finished in history:
        rows.append(_row(finished, again=finished.suggestion.variant.variant_id in tried))
        tried.add(finished.suggestion.variant.variant_id)
    return SETTINGS.frame(rows)


def _row(finished: Finished, *, again: bool) -> dict[str, Any]:
    suggestion, result = finished.suggestion, finished.result
    return {
        "recipe_id": suggestion.search.recipe.recipe_id,
        "recipe": suggestion.search.recipe.recipe,
        "method": suggestion.search.method,
        "number": suggestion.number,
        "batch": finished.round,
        "variant_id": suggestion.variant.variant_id,
        "values": json.dumps(suggestion.setting),
        "status": result.status,
        "score": result.score,
        "spread": result.spread,
        "loss": result.loss if math.isfinite(result.loss) else None,
        "rung": result.rung,
        "epochs": 0.0 if again else result.epochs,
        "seconds": 0.0 if again else result.seconds,
    }


def _chosen(search: Search, history: Sequence[Finished], tried: Sequence[Tried], sign: int) -> Recipe:
    """The recipe with the best setting put in; as it stands where none ended."""
    best = next(iter(ranked(tried, sign)), None)
    # By its place in this very search: another recipe's may have found the same settings.
    suggestions = (each.suggestion for each in history if each.suggestion.search is search)
    return next((each.variant for each in suggestions if best and each.number == best.number), search.recipe)


def results_of(job: Job, run: Path) -> dict[str, Result]:
    """Each variant's result, read from the records of its stacks."""
    folders = [folder_of(run, stack.stack_id) for stack in job.stacks]
    if not folders:
        return {}
    trials = pd.concat([TRIALS.read(folder) for folder in folders])
    metrics = pd.concat([METRICS_TABLE.read(folder) for folder in folders])
    on_val = metrics[metrics["part"] == VAL]
    values, losses = (
        dict(zip(measured["trial_id"], measured["value"].astype(float), strict=True))
        for measured in (on_val[on_val["metric"] == job.metrics[0]], on_val[on_val["metric"] == LOSS])
    )
    gradients: dict[str, dict[str, float | None]] = {}
    for folder in folders:
        gradients |= gradients_of(folder)
    return {
        str(variant): _result(rows, values, losses, gradients)
        for variant, rows in trials.groupby("variant_id", sort=False)
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
    known = [gradients[each] for each in ids if each in gradients]
    return Result(
        status=status,
        score=float(measured.mean()) if sound else None,
        spread=float(measured.std(ddof=1)) if sound and len(ids) > 1 else None,
        rung=None if trials["rung"].isna().all() else int(trials["rung"].max()),
        epochs=float(trials["epochs"].sum()),
        seconds=float(trials["seconds"].sum()),
        loss=float(np.mean([losses.get(each, np.nan) for each in ids])),
        gradients={
            name: float(np.mean([np.nan if each[name] is None else each[name] for each in known]))
            for name in (known[0] if known else {})
        },
    )
