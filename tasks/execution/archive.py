"""Trained trials of earlier runs, kept under `cache/trials` of the home folder. A run finds a trial again by its key.

Each trial has one file, named by the trial's key (`tasks.execution.deciding`). A file is written whole or not at all,
so runs that read or write at the same time do not disturb each other. The file holds what the trainer returned, before
any metric is computed, and the stack that the trial was trained in. So a run of the same spec gets the same stacks, and
a run with other metrics measures again without training again. The file holds no test row, since training never sees
one. For a trial of a fold that is held out, it holds the trial's answers for the rows of that fold.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.execution.deciding import trial_key
from tasks.execution.recording import PreparedByFold, Searched
from tasks.planning.jobs import Job
from tasks.planning.recipes import identifier
from tasks.planning.stacks import stack_identifier
from tasks.planning.trials import bind_trial
from tasks.records.plan import FINAL, WITHOUT_A_FOLD, PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack
from tasks.run_folder import private_folder
from tasks.sealed import read_sealed, write_sealed
from tasks.training.trial import Outcome

FOLDER = "trials"
"""Below `cache/` of the home folder."""


@dataclass(frozen=True)
class Kept:
    """What the file of one trial holds.

    Args:
        run: The name of the run that trained it.
        stack: Its stack, with the trials' keys in place of their ids.
        place: The stack's position among the stacks of its job, from 0.
        outcome: Status, curves and the other plain fields.
        arrays: Arrays under `weights/NUMBER` and `outputs/PART`; empty where they were not read.
        rung: The last rung that it reached in a search, else None.
        gradients: The derivatives, in a search that asks for them; else None.
    """

    run: str
    stack: PlannedStack
    place: int
    outcome: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    rung: int | None
    gradients: Mapping[str, float] | None

    @property
    def together(self) -> str:
        """An identifier that is equal for trials of one stack, whichever run trained it."""
        return identifier([self.stack.trials, self.stack.xla, self.stack.evaluate_every, self.place])


@dataclass(frozen=True)
class Archive:
    """The trained trials of a home folder, for one run.

    Args:
        folder: Where the trials' files lie.
        prepared: What trials learn from, by fold.
        run: The run's name, stored with each trial that it trains.
        anew: Whether stored trials are ignored and replaced.
    """

    folder: Path
    prepared: PreparedByFold
    run: str
    anew: bool = False

    @classmethod
    def of(cls, home: Path, prepared: PreparedByFold, run: Path, *, anew: bool = False) -> Archive:
        """The archive of a home folder, for the run in a run's folder."""
        return cls(home / "cache" / FOLDER, prepared, run.resolve().name, anew)

    def stacks(
        self,
        trials: Sequence[PlannedTrial],
        variants: Mapping[str, Recipe],
        metrics: Sequence[str],
        beside: Mapping[str, Any] = {},
    ) -> list[PlannedStack]:
        """Returns the stacks of those trials that are already trained (see `tasks.planning.stacks.Earlier`). Where more
        than their own settings decides the trials (`beside`), all of them are reused or none."""
        if self.anew:
            return []
        found: dict[str, tuple[PlannedTrial, Kept]] = {}
        for trial in trials:
            key = self.key(trial, variants[trial.variant_id], beside)
            kept = _read(self.folder / key, arrays=False) if key else None
            if key and kept:
                found[key] = (trial, kept)
        if beside and len(found) < len(trials):
            return []
        groups: dict[str, list[tuple[str, PlannedTrial, Kept]]] = {}
        for key, (trial, kept) in found.items():
            groups.setdefault(kept.together, []).append((key, trial, kept))
        stacks = [(group[0][2].place, _stack_of(group, metrics)) for group in groups.values()]
        return [stack for _, stack in sorted(stacks, key=lambda each: each[0])]

    def outcomes(self, stack: PlannedStack, job: Job) -> tuple[list[Outcome], Searched] | None:
        """Returns the stored results of a stack that is reused, its trials bound as they are planned now; None where a
        trial's file is gone."""
        planned, beside = {trial.trial_id: trial for trial in job.trials}, job.beside(stack)
        outcomes: list[Outcome] = []
        rungs: dict[str, int] = {}
        gradients: dict[str, Mapping[str, float]] = {}
        for each in stack.trials:
            recipe = job.variant(planned[each].variant_id)
            key = self.key(planned[each], recipe, beside)
            kept = _read(self.folder / key) if key else None
            if kept is None:
                return None
            with suppress(OSError):  # the new time marks the file as used
                os.utime(self.folder / str(key))
            lengths = self.prepared[planned[each].fold].lengths
            trial = bind_trial(planned[each], recipe, stack.evaluate_every, lengths=lengths)
            outcomes.append(Outcome(trial, weights=_weights(kept), outputs=_outputs(kept), **kept.outcome))
            if kept.rung is not None:
                rungs[each] = kept.rung
            if kept.gradients is not None:
                gradients[each] = kept.gradients
        return outcomes, Searched(gradients, rungs)

    def keep(self, stack: PlannedStack, outcomes: Sequence[Outcome], job: Job, searched: Searched) -> None:
        """Stores what was trained of a stack. If the disk is full, nothing is stored, and the run goes on."""
        planned, beside = {trial.trial_id: trial for trial in job.trials}, job.beside(stack)
        keys = {each: self.key(planned[each], job.variant(planned[each].variant_id), beside) for each in stack.trials}
        if None in keys.values():
            return
        facts = asdict(stack) | {
            "trials": [keys[each] for each in stack.trials],
            "narrower": {keys[each]: count for each, count in stack.narrower.items()},
            "stack_id": "",
            "reused": None,
            "after": None,
            "shared": None,
        }
        place = [each.stack_id for each in job.stacks].index(stack.stack_id)
        with suppress(OSError):
            private_folder(self.folder)
            for outcome in outcomes:
                trial_id = outcome.trial.trial_id
                path = self.folder / str(keys[trial_id])
                if path.exists() and not self.anew and read_sealed(path):
                    continue  # another run was faster
                of_trial = {
                    "run": self.run,
                    "stack": facts,
                    "place": place,
                    "outcome": outcome.plain(),
                    "rung": searched.rungs.get(trial_id),
                    "gradients": searched.gradients.get(trial_id),
                }
                final = planned[trial_id].stage == FINAL  # weights of other trials are never used
                write_sealed(path, _packed(of_trial, outcome, weights=final))

    def key(self, trial: PlannedTrial, recipe: Recipe, beside: Mapping[str, Any] = {}) -> str | None:
        """The key of a trial with its recipe, as `trial_key`.

        Args:
            beside: By `recipe_id`, what else decides the trials.
        """
        own = self.prepared[trial.fold]
        data = own.judged_digest if trial.stage in WITHOUT_A_FOLD else own.digest
        return trial_key(trial, recipe, data, beside.get(trial.recipe_id))


def _stack_of(group: Sequence[tuple[str, PlannedTrial, Kept]], metrics: Sequence[str]) -> PlannedStack:
    """The stack that these trials were trained in, cut down to the trials that are wanted now, under their present
    ids."""
    stack, present = group[0][2].stack, {key: trial for key, trial, _ in group}
    ids = [present[key].trial_id for key in stack.trials if key in present]
    return replace(
        stack,
        stack_id=stack_identifier(ids, metrics, xla=stack.xla, every=stack.evaluate_every),
        trials=ids,
        size=len(ids),
        lanes=len({(trial.seed, trial.fold) for trial in present.values()}),
        narrower={present[key].trial_id: count for key, count in stack.narrower.items() if key in present},
        reused=", ".join(sorted({kept.run for _, _, kept in group})),
    )


def _packed(facts: Mapping[str, Any], outcome: Outcome, *, weights: bool) -> bytes:
    arrays = {f"outputs/{part}": values for part, values in outcome.outputs.items()}
    if weights:
        arrays |= {f"weights/{number}": values for number, values in enumerate(outcome.weights or [])}
    text = zlib.compress(json.dumps(facts, default=_plain).encode())  # weights are not compressed: they hardly shrink
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, facts=np.frombuffer(text, np.uint8), **arrays)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """Converts NumPy's numbers, which JSON does not know."""
    return value.item()


def _read(path: Path, *, arrays: bool = True) -> Kept | None:
    """Reads a trial's file, with or without its arrays; None where the file is missing or incomplete."""
    payload = read_sealed(path)
    if payload is None:
        return None
    with np.load(io.BytesIO(payload), allow_pickle=False) as file:
        facts = json.loads(zlib.decompress(file["facts"].tobytes()))
        held = {name: file[name] for name in file.files if arrays and name != "facts"}
    return Kept(**facts | {"stack": PlannedStack(**facts["stack"]), "arrays": held})


def _weights(kept: Kept) -> list[np.ndarray] | None:
    names = [name for name in kept.arrays if name.startswith("weights/")]
    return [kept.arrays[name] for name in sorted(names, key=lambda name: int(name.rpartition("/")[2]))] or None


def _outputs(kept: Kept) -> dict[str, np.ndarray]:
    return {name.partition("/")[2]: values for name, values in kept.arrays.items() if name.startswith("outputs/")}
