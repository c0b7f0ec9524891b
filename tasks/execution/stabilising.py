"""Repairs recipes whose training went wrong. Each diagnosis has a ladder of changes; its rungs are tried until one
cures, and the cure is proved on fresh seeds.

Only training and validation rows are used. A repaired recipe is tuned more than the others, so it is shown and written
down, but not compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.dataset import TRAIN, VAL
from tasks.diagnosis.measures import wanders
from tasks.evaluation.baselines import Constant
from tasks.evaluation.diagnoses import diagnosed
from tasks.evaluation.intervals import over_seeds
from tasks.execution.archive import Archive
from tasks.execution.aside import Aside, Train, own_context, recorded, trainer
from tasks.execution.board import StackProgress
from tasks.execution.executors import LOCAL, Executor
from tasks.execution.recording import LOSS
from tasks.execution.winner import winner_spec
from tasks.inputs.prepared import Prepared
from tasks.planning.jobs import Job
from tasks.planning.ladders import LADDERS, Candidate, at_random
from tasks.planning.recipes import identifier, variant_of
from tasks.planning.stacks import PlanContext
from tasks.records.plan import Plan, Recipe
from tasks.records.repairs import Change, Repair, Repairs, TriedRepair, TriedRung
from tasks.records.tables import CURVES, METRICS, PREDICTIONS, TRIALS
from tasks.run_folder import write_text
from tasks.spec.models import Spec

REPAIRED = "repaired.yaml"
SEEDS = 5
FIRST_SEED, PROOF_SEED = 3000, 4000
"""First seeds of the ladders, and of the proof. They are fresh: a recipe that was diagnosed under some seeds does
better under others, and a change that was chosen under some seeds does worse under others."""
SLACK = math.log(1.02)
"""The loss counts as no worse where the upper 95% bound of its paired log ratio is at most this."""
INTERVAL = 0.9
"""Confidence of the interval of a paired log ratio: its upper end is a one-sided 95% bound."""


@dataclass(frozen=True)
class Trained:
    """One variant's trials, by seed: the last validation loss without penalties, how much the loss fluctuated, and the
    diagnoses of the variant. A seed that diverged has no numbers."""

    recipe: Recipe
    losses: Mapping[int, float]
    restless: Mapping[int, float]
    kinds: frozenset[str]
    steps: int


@dataclass(frozen=True)
class Workshop:
    """The workshop: all that is needed to repair a run's recipes.

    Args:
        plan: The plan, with its final trials, which are trained.
        context: The run's own parts.
        key: The key of the data, used in the trials' ids.
        constant: The score of the best constant answer on the validation part.
        run: The run's folder.
    """

    plan: Plan
    context: PlanContext
    key: str
    constant: Constant
    run: Path
    train: Train
    progress: StackProgress | None = None

    @classmethod
    def of(
        cls,
        spec: Spec,
        plan: Plan,
        prepared: Prepared,
        run: Path,
        home: Path,
        progress: StackProgress | None = None,
        archive: Archive | None = None,
        executor: Executor = LOCAL,
    ) -> Workshop:
        """The workshop of a run whose final trials are trained."""
        target, rows, classes = prepared.dataset.target, prepared.rows, prepared.dataset.classes
        constant = Constant.of(target[rows[TRAIN]], target[rows[VAL]], classes)
        context = own_context(plan, prepared, archive, executor)
        train = trainer(prepared, run, home, archive, executor)
        return cls(plan, context, context.key(spec), constant, run, train, progress)

    def repair(self) -> Repairs:
        """Repairs each recipe that has a diagnosis with a ladder. Uses the surest such diagnosis of each recipe."""
        found = self._found(Job.of(self.plan), self.plan)
        repairs, unrepaired = [], []
        for each in found:
            kind = next((one.kind for one in each.found if one.kind in LADDERS), None)
            if kind is None:
                unrepaired.append((each.recipe, each.found[0].kind))
                continue
            recipe = next(one for one in self.plan.recipes if one.recipe_id == each.recipe_id)
            repairs.append(self.walk(recipe, kind))
        best = min((each for each in repairs if each.cured), key=_loss_after, default=None)
        return Repairs(recipes=repairs, unrepaired=unrepaired, written=best.recipe_id if best else None)

    def walk(self, recipe: Recipe, kind: str) -> Repair:
        """Tries the ladder of a diagnosis on a recipe."""
        return _Walk(self, recipe, kind).repair()

    def trained(self, name: str, recipes: Sequence[Recipe], first_seed: int) -> list[Trained]:
        """Trains variants under `SEEDS` seeds and reads their results."""

        def report(what: str, done: int, total: int) -> None:
            if self.progress:
                self.progress(f"{name}: {what}", done, total)

        once = list({each.variant_id: each for each in recipes}.values())
        seeds = range(first_seed, first_seed + SEEDS)
        aside = Aside(
            f"repair-{identifier([each.variant_id for each in once])}-{first_seed}",
            once,
            seeds,
            "repair",
            self.context,
            self.key,
        )
        job = aside.train(self.run, self.train, report)
        plan = replace(self.plan, recipes=[replace(each, recipe_id=each.variant_id) for each in once])
        kinds = {each.recipe_id: frozenset(one.kind for one in each.found) for each in self._found(job, plan)}
        trials, curves, metrics = (recorded(job, self.run, table) for table in (TRIALS, CURVES, METRICS))
        ended = trials[trials["status"] == "ok"]
        losses = metrics[(metrics["metric"] == LOSS) & (metrics["part"] == VAL)].set_index("trial_id")["value"]
        val = curves[curves["name"] == "val_loss"].sort_values("step").groupby("trial_id")["value"]
        restless = {trial: wanders(values.to_numpy(np.float64)) for trial, values in val}
        found = {}
        for each in once:
            own = ended[ended["variant_id"] == each.variant_id]
            pairs = list(zip(own["seed"].astype(int), own["trial_id"], strict=True))
            found[each.variant_id] = Trained(
                each,
                {seed: float(losses[trial]) for seed, trial in pairs if math.isfinite(losses.get(trial, np.nan))},
                {seed: restless[trial] for seed, trial in pairs if math.isfinite(restless.get(trial, np.nan))},
                kinds.get(each.variant_id, frozenset()),
                int(trials.loc[trials["variant_id"] == each.variant_id, "steps"].sum()),
            )
        return [found[each.variant_id] for each in recipes]

    def _found(self, job: Job, plan: Plan) -> list[Any]:
        """The diagnoses of a job's recipes, which have the same ids in `plan`."""
        tables = {
            "trials": recorded(job, self.run, TRIALS),
            "curves": recorded(job, self.run, CURVES),
            "metrics": recorded(job, self.run, METRICS),
            "predictions": PREDICTIONS.frame(),
        }
        own = tables["trials"]
        if job.trials and job.trials[0].stage != "final":
            tables["trials"] = own.assign(stage="final", recipe_id=own["variant_id"])
        return diagnosed(plan, tables, self.constant, {})


def _loss_after(repair: Repair) -> float:
    """The validation loss of a repaired recipe; infinite where it is not known, because the recipe diverged before."""
    change = repair.proof.loss_change.mean if repair.proof else None
    return math.inf if repair.loss is None or change is None else repair.loss * math.exp(change)


@dataclass(frozen=True)
class _Walk:
    """One recipe's walk up its ladder."""

    shop: Workshop
    recipe: Recipe
    kind: str

    def repair(self) -> Repair:
        (base,) = self.shop.trained("as it stands", [self.recipe], FIRST_SEED)
        rungs: list[TriedRung] = []
        settings, steps = self.recipe.settings, 0
        kept: list[str] = []
        cured = None
        for rung in LADDERS[self.kind]:
            candidates = rung.changes(settings)
            if not candidates:
                continue
            trained = self._trained(rung.title, candidates, FIRST_SEED)
            steps += sum(each.steps for each in trained)
            tried = [
                self._compared(", ".join([*kept, each.words]), found, base)
                for each, found in zip(candidates, trained, strict=True)
            ]
            chosen = _chosen(tried, self.kind)
            if chosen is not None:
                tried[chosen] = replace(tried[chosen], kept=True)
                settings, kept = candidates[chosen].settings, [*kept, candidates[chosen].words]
            cures = chosen is not None and tried[chosen].cured
            proof = self._proved(Candidate(", ".join(kept), settings)) if cures else None
            rungs.append(TriedRung(rung.title, tried, proof))
            if proof and proof.cured:
                cured = settings
                break
        proof = next((each.proof for each in reversed(rungs) if each.proof), None)
        number = max(1, round(steps / max(base.steps, 1)))
        controls = at_random(self.recipe.settings, number, seed=0)
        randomly = self._trained("control", controls, FIRST_SEED)
        compared = [self._compared(each.words, found, base) for each, found in zip(controls, randomly, strict=True)]
        best = min(range(number), key=lambda place: _order(compared[place], self.kind))
        return Repair(
            recipe_id=self.recipe.recipe_id,
            recipe=self.recipe.recipe,
            kind=self.kind,
            seeds=SEEDS,
            restless=_median(base.restless),
            loss=_median(base.losses),
            rungs=rungs,
            proof=proof,
            controls=number,
            control=compared[best],
            control_proof=self._proved(controls[best]) if proof else None,
            steps=steps,
            control_steps=sum(each.steps for each in randomly),
            settings=cured,
        )

    def _trained(self, name: str, candidates: Sequence[Candidate], first_seed: int) -> list[Trained]:
        return self.shop.trained(name, [variant_of(self.recipe, each.settings) for each in candidates], first_seed)

    def _proved(self, candidate: Candidate) -> TriedRepair:
        """Compares a candidate with the recipe as it stands, both on fresh seeds."""
        base, found = self.shop.trained("proof", [self.recipe, variant_of(self.recipe, candidate.settings)], PROOF_SEED)
        return self._compared(candidate.words, found, base)

    def _compared(self, words: str, found: Trained, base: Trained) -> TriedRepair:
        loss = _change(found.losses, base.losses)
        diverged = SEEDS - len(found.losses)
        still = self.kind in found.kinds or bool(diverged)
        no_worse = loss.high is not None and loss.high <= SLACK
        # Where the recipe itself diverges, there is no loss to compare with.
        sound = not diverged and (no_worse or len(base.losses) < 2)
        return TriedRepair(
            words=words,
            restless=_median(found.restless),
            restless_change=_change(found.restless, base.restless),
            loss_change=loss,
            diverged=diverged,
            found=still,
            cured=not still and sound,
        )


def _chosen(tried: Sequence[TriedRepair], kind: str) -> int | None:
    """The change of a rung that later rungs build on: the best that cures, else the best that helps; None where none
    helps. For a fluctuating loss, a change helps if the loss gets calmer and no worse; for other diagnoses, if the loss
    gets lower."""
    place = min(range(len(tried)), key=lambda each: _order(tried[each], kind))
    best = tried[place]
    change = best.restless_change if kind == _FLUCTUATES else best.loss_change
    helps = change.high is not None and change.high < 0 and not _worse(best)
    return place if best.cured or helps else None


def _order(tried: TriedRepair, kind: str) -> tuple[bool, bool, float, float]:
    """Sort key: cured changes first, by loss; then changes with no worse loss, by what the diagnosis is about; then
    others."""
    loss, calm = tried.loss_change.mean, tried.restless_change.mean
    level = math.inf if loss is None else loss
    by_calm = kind == _FLUCTUATES and not tried.cured and calm is not None
    return not tried.cured, _worse(tried), calm if by_calm and calm is not None else level, level


def _worse(tried: TriedRepair) -> bool:
    """Whether the loss may be worse than that of the recipe as it stands. Also true where it is not known."""
    return tried.diverged > 0 or tried.loss_change.high is None or tried.loss_change.high > SLACK


_FLUCTUATES = "fluctuating_validation_loss"


def _change(one: Mapping[int, float], other: Mapping[int, float]) -> Change:
    """The mean paired log ratio over seeds, with its interval; all None where a seed lacks one of the two values."""
    seeds = [seed for seed in one.keys() & other.keys() if one[seed] > 0 and other[seed] > 0]
    if len(seeds) < SEEDS:
        return Change(None, None, None)
    ratios = np.array([math.log(one[seed] / other[seed]) for seed in sorted(seeds)])
    found = over_seeds(ratios, INTERVAL)
    return Change(found.mean, found.low, found.high)


def _median(values: Mapping[int, float]) -> float | None:
    return float(np.median(list(values.values()))) if values else None


def write_repaired(repairs: Repairs, plan: Plan, spec: Spec, base: Path, run: Path) -> None:
    """Writes repaired.yaml into the run's folder. Where nothing was cured, deletes an earlier one."""
    (run / REPAIRED).unlink(missing_ok=True)
    for each in repairs.recipes:
        if each.recipe_id == repairs.written:
            recipe = next(one for one in plan.recipes if one.recipe_id == each.recipe_id)
            repaired = replace(recipe, settings=each.settings or recipe.settings)
            write_text(run / REPAIRED, winner_spec(spec, repaired, base, name=REPAIRED, said="repaired it"))
