"""The search: in each round settings are suggested, trained in stacks, and observed.

In each round, every recipe's method suggests its next settings from the observations so far. All of them are trained in
common stacks. The suggestions, and how they are divided into stacks, are written down before training begins. Results
are stored stack by stack. So a search that goes on after a kill suggests the same settings and trains only what is
missing. The methods hold no state: they are given the earlier observations again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.errors import BadInput
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.tried import ranked, read_settings
from tasks.execution.aside import Train
from tasks.execution.board import StackProgress
from tasks.execution.results import Records, Result
from tasks.planning.cost_model import AS_MODELLED
from tasks.planning.jobs import Job, beside
from tasks.planning.recipes import identifier
from tasks.planning.searches import Search
from tasks.planning.stacks import PlanContext
from tasks.planning.trials import planned
from tasks.records.documents import document_of
from tasks.records.plan import FoldChoice, PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack
from tasks.records.tables import SETTINGS
from tasks.run_folder import read_json, write_json
from tasks.search.method import Observation
from tasks.search.methods import METHODS
from tasks.search.space import Setting
from tasks.training.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class Suggestion:
    """One setting that a recipe's search tries.

    Args:
        number: The position in the search, from 0.
        variant: The recipe with the setting put in.
    """

    search: Search
    number: int
    setting: Setting
    variant: Recipe

    @property
    def place(self) -> Place:
        return self.search.folds, self.variant.variant_id


Place = tuple[tuple[int | None, ...] | None, str]
"""The folds in which a variant is tried, and its id. The same variant in other folds is trained and scored again."""


@dataclass(frozen=True)
class Finished:
    """A suggestion that was trained.

    Args:
        round: The round of the search, from 0.
    """

    round: int
    suggestion: Suggestion
    result: Result


def _by_search(history: Sequence[Finished]) -> dict[int, list[Finished]]:
    """Groups by the `id` of the search object, since the searches of two recipes may be equal. Keeps the order of
    suggestion."""
    found: dict[int, list[Finished]] = {}
    for each in history:
        found.setdefault(id(each.suggestion.search), []).append(each)
    return found


@dataclass(frozen=True)
class Round:
    """The suggestions that are trained before any of them is observed.

    Args:
        number: The number of the round, from 0.
        variants: Variants of the suggestions that no earlier round trained in the same place, each once.
        trials: The trials of these variants, in their places.
    """

    number: int
    suggestions: Sequence[Suggestion]
    variants: Sequence[Recipe]
    trials: Sequence[PlannedTrial]


@dataclass(frozen=True)
class Divided:
    """A round's trials in stacks.

    Args:
        seconds: The expected training time.
    """

    stacks: Sequence[PlannedStack]
    seconds: float


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        recipes: Each compared recipe with its best setting put in; unchanged where all its settings diverged.
        settings: Table `settings` of the search on all rows that don't judge.
        stacks: The stacks that were trained, as in plan.json.
        in_folds: By fold that judges, as `recipes`.
        choices: The settings chosen in these folds.
    """

    recipes: list[Recipe]
    settings: pd.DataFrame
    stacks: list[PlannedStack]
    in_folds: Mapping[int, list[Recipe]] = field(default_factory=dict)
    choices: Sequence[FoldChoice] = ()


@dataclass(frozen=True)
class Tuning:
    """The search of one run. It holds no changing state: the next round follows from the finished ones.

    Args:
        searches: One for each compared recipe; where folds judge, also one for each recipe in each fold.
        context: By fold, or with the run's own validation part under None.
        key: The key of the data, used in the trials' ids.
        seeds: The number of seeds under which each setting is trained.
        seed: The seed of the methods.
    """

    searches: Sequence[Search]
    context: PlanContext
    key: str
    seeds: int
    seed: int

    @property
    def trials(self) -> int:
        """Trials of the whole search, at most: settings times seeds and folds."""
        return sum(search.trials * len(self._folds(search)) for search in self.searches) * self.seeds

    @property
    def sign(self) -> int:
        """1 where a greater score is better, else -1."""
        return METRICS[self.context.metrics[0]].sign

    def next_round(self, history: Sequence[Finished]) -> Round | None:
        """The round after the finished ones; None where every method is done."""
        number = 1 + max((each.round for each in history), default=-1)
        finished = _by_search(history)
        suggestions = [
            each for search in self.searches for each in self._suggested(search, number, finished.get(id(search), []))
        ]
        if not suggestions:
            return None
        trained = {each.suggestion.place for each in history}
        new = {each.place: each for each in suggestions if each.place not in trained}
        variants = {each.variant.variant_id: each.variant for each in new.values()}
        trials = [trial for each in new.values() for trial in self._trials(each)]
        return Round(number, suggestions, list(variants.values()), trials)

    def _suggested(self, search: Search, number: int, history: Sequence[Finished]) -> Iterator[Suggestion]:
        """The suggestions of one search in a round, given what that search has finished."""
        method = METHODS[search.method]
        sizes = method.batches(search.space, search.trials)
        if number >= len(sizes):
            return
        observations = [self._observation(each) for each in history]
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
        """Twice the loss of predicting the same for every row. Above it, derivatives of the loss are not reliable."""
        classes = self.context.dataset.classes
        return 2 * math.log(len(classes)) if classes else 2.0

    def _trials(self, suggestion: Suggestion) -> list[PlannedTrial]:
        search = suggestion.search
        return [
            planned(suggestion.variant, search.first_seed + seed, self.key, stage="search", fold=fold)
            for seed in range(self.seeds)
            for fold in self._folds(search)
        ]

    def _folds(self, search: Search) -> Sequence[int | None]:
        return list(self.context.rows) if search.folds is None else search.folds

    def divide(self, round: Round) -> Divided:
        """Divides the round into stacks, each trained in one way. Uses no probe of the machine's speed. So the same
        search is divided in the same way on any machine with as many cores, and its results are the same to the last
        digit.

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
            # Derivatives are computed for networks as they are, not for padded ones.
            apart = identifier(variant.settings.part("model")) if training == "gradients" else ""
            groups.setdefault(("" if training == "whole" else method, apart), []).append(variant)
        for (special, _), variants in groups.items():
            together = {variant.variant_id for variant in variants}
            trials = [trial for trial in round.trials if trial.variant_id in together]
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
"""Measured seconds per stack of a round that the cost model leaves out: tracing in Python, one stack at a time, and
records."""


def _epochs(suggestion: Suggestion) -> float:
    """Epochs of one seed and fold, on average over the suggestion's search."""
    return suggestion.search.epochs / max(suggestion.search.trials, 1)


def _refuse_unstacked(method: str, stacks: Sequence[PlannedStack], variants: Sequence[Recipe]) -> None:
    """Raises BadInput where trials of a special method can't be stacked, or where their optimizer takes no
    gradients."""
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
    """The rounds of a search on disk: `checkpoints/wave-000.json`, `wave-001.json`, ... in the run's folder."""

    run: Path

    def stacks(self, round: Round, metrics: Sequence[str]) -> list[PlannedStack] | None:
        """The stacks of the round as written before; None where this round, with these metrics, was not written."""
        path = self._path(round)
        earlier = read_json(path) if path.exists() else {}
        if any(earlier.get(name) != value for name, value in self._wanted(round, metrics).items()):
            return None
        return [document_of(each, PlannedStack) for each in earlier["stacks"]]

    def write(self, round: Round, metrics: Sequence[str], stacks: Sequence[PlannedStack]) -> None:
        write_json(self._path(round), {**self._wanted(round, metrics), "stacks": [asdict(each) for each in stacks]})

    def _path(self, round: Round) -> Path:
        return self.run / "checkpoints" / f"wave-{round.number:03}.json"

    def _wanted(self, round: Round, metrics: Sequence[str]) -> dict[str, Any]:
        return {
            "asked": [_asked(each) for each in round.suggestions],
            "metrics": list(metrics),  # with other metrics, the round is trained anew
        }


def _asked(suggestion: Suggestion) -> list[Any]:
    search = suggestion.search
    outer = [] if search.outer is None else [search.outer]
    return [search.recipe.recipe_id, suggestion.variant.variant_id, *outer]


def search(
    tuning: Tuning, run: Path, train: Train, progress: StackProgress | None = None, first: Divided | None = None
) -> Found:
    """Goes through all rounds.

    Args:
        first: The first round's stacks, where they are known already.
    """
    store, metrics = RoundStore(run), tuning.context.metrics
    stacks: list[PlannedStack] = []
    history: list[Finished] = []
    results: dict[Place, Result] = {}
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
        results |= _results_by_place(job, round, run)
        history += [Finished(round.number, each, results[each.place]) for each in round.suggestions]
        stacks += planned_stacks
    return _found(tuning, history, stacks)


def _found(tuning: Tuning, history: Sequence[Finished], stacks: list[PlannedStack]) -> Found:
    """Collects the best setting of each search, on all rows and in each fold that judges."""
    recipes: dict[int | None, list[Recipe]] = {}
    choices: list[FoldChoice] = []
    finished = _by_search(history)
    for search in tuning.searches:
        best = _best(finished.get(id(search), []), tuning.sign)
        recipes.setdefault(search.outer, []).append(best.suggestion.variant if best else search.recipe)
        if search.outer is not None and best:
            choices.append(_fold_choice(search.outer, best))
    whole = [each for each in history if each.suggestion.search.outer is None]
    in_folds = {outer: found for outer, found in recipes.items() if outer is not None}
    return Found(recipes[None], settings_table(whole), stacks, in_folds, choices)


def _fold_choice(outer: int, best: Finished) -> FoldChoice:
    found = best.suggestion
    return FoldChoice(
        fold=outer,
        recipe_id=found.search.recipe.recipe_id,
        variant_id=found.variant.variant_id,
        number=found.number,
        values=found.setting,
        score=best.result.score,
    )


def _within(progress: StackProgress, number: int, done: float, share: float) -> StackProgress:
    """Reports the progress of one round as part of the whole search."""

    def report(what: str, steps: int, of: int) -> None:
        progress(f"round {number + 1}: {what}", round(1e6 * (done + share * steps / max(of, 1))), 1_000_000)

    return report


def settings_table(history: Sequence[Finished]) -> pd.DataFrame:
    """Table `settings`. A setting that was trained before counts no epochs and no seconds."""
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


def _best(history: Sequence[Finished], sign: int) -> Finished | None:
    """The best setting of one search; None where no trial ended well."""
    tried = [each for of_recipe in read_settings(settings_table(history)).values() for each in of_recipe]
    best = next(iter(ranked(tried, sign)), None)
    return next((each for each in history if best and each.suggestion.number == best.number), None)


def _results_by_place(job: Job, round: Round, run: Path) -> dict[Place, Result]:
    """The results of a round's variants, by place."""
    records = Records.read(job, run)
    found: dict[Place, Result] = {}
    for folds in dict.fromkeys(each.search.folds for each in round.suggestions):
        own = {trial.trial_id for trial in round.trials if folds is None or trial.fold in folds}
        found |= {(folds, variant): result for variant, result in records.by_variant(own).items()}
    return found
