"""Lays out trials into stacks: trials of equal shapes and rows together, and of different widths where padding pays.

The model of cost is in `cost_model`; this module gives it the figures of networks and data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from tasks.augmentation.policy import Policy, example_seconds, policy_of
from tasks.dataset import Dataset, Values, always_meant
from tasks.errors import BadInput
from tasks.memory import gigabytes, memory_bytes
from tasks.planning import probe
from tasks.planning.branches import branching, divided_alike, going_on_from, longest_twins
from tasks.planning.cost_model import AS_MODELLED, Division, Work, cores, join
from tasks.planning.decisions import identity
from tasks.planning.groups import Group, Grouping, RowCounts, gradients_of, replicas_of, work_of
from tasks.planning.recipes import identifier
from tasks.records.decisions import Decides
from tasks.records.plan import MIXED, Calibration, PlannedTrial, Probe, Probed, Recipe
from tasks.records.settings import RecipeSettings
from tasks.records.stacks import PlannedStack
from tasks.spec.models import Spec
from tasks.training.chunks import CHUNK_BYTES
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.scoring import EVALUATION_BYTES
from tasks.training.shapes import shapes_only
from tasks.training.stacked_networks import joinable, widest
from tasks.training.streaming import CACHED_WINDOWS, window_bytes

PROBE_SHARE = 0.1
"""The largest share of the trials' expected time that a probe may take. In shorter runs only the cost model decides."""


@dataclass(frozen=True)
class Machine:
    """The machine that trials are laid out for; `Machine()` is this one.

    Args:
        cores: How many cores the stacks may use.
        probe_share: The largest share of the trials' expected time that measuring the machine may take. With 0 the cost
            model alone decides.
        example_seconds: How long one core takes to augment one example: from a policy and some examples.
        memory: Bytes that a trial may take at most.
        together: How many of the cores share one memory; None: all. Workers on other machines have memory of their own.
    """

    cores: int = field(default_factory=cores)
    probe_share: float = PROBE_SHARE
    example_seconds: Callable[[Policy, Values], float] = example_seconds
    memory: int = field(default_factory=memory_bytes)
    together: int | None = None

    @property
    def sharing(self) -> int:
        """Stacks that are trained at a time in one memory."""
        return self.together or self.cores


Beside = Mapping[str, Any]
"""By `recipe_id`, what else decides the results of trials that a search does not simply train to their end: see
`jobs.beside`."""

Earlier = Callable[[Sequence[PlannedTrial], Mapping[str, Recipe], Sequence[str], Beside], list[PlannedStack]]
"""Finds those of some trials that are trained already, as the stacks that they were trained in: from the trials, their
variants, their metrics, and what else decides their results."""


@dataclass(frozen=True)
class PlanContext:
    """What trials are planned on.

    Args:
        rows: Row counts by fold; under None those of trials without a fold.
        metrics: What is measured of each trial.
        machine: The machine that the trials are laid out for.
        decides: How answers are made from the trials' outputs.
        earlier: Finds the trials that are trained already; None: all are still to be trained.
    """

    dataset: Dataset
    rows: Mapping[int | None, RowCounts]
    metrics: tuple[str, ...]
    machine: Machine = field(default_factory=Machine)
    decides: Decides = Decides()
    earlier: Earlier | None = None

    def key(self, spec: Spec) -> str:
        """Identifies everything in the data, and in how they are used, that decides a trial's results."""
        split = spec.data.split.model_dump(mode="json")
        decides: dict[str, Any] = {
            "data": self.dataset.digest,
            "split": split,
            "features": list(self.dataset.table.columns),
        }
        positive = self.dataset.positive.index if self.dataset.positive else None
        if not always_meant(positive, len(self.dataset.classes or ())):
            decides["positive"] = positive
        if (how := identity(self.decides)) is not None:
            decides["answers"] = how
        return identifier(decides)

    def stacks(
        self,
        trials: Sequence[PlannedTrial],
        variants: Sequence[Recipe],
        calibrations: Mapping[bool, Calibration] | None = None,
        beside: Mapping[str, Any] = {},
    ) -> tuple[list[PlannedStack], float, Probe | None]:
        """Divides trials of these variants into stacks. Also returns the expected seconds, and what the probe found,
        where one was worth its time. Trials that are trained already stay in their stacks, and take no time.

        Args:
            beside: As `Earlier` takes it.
            calibrations: The machine's, with and without XLA. With them no measurement of this process counts, not even
                the speed of augmentation: the division follows from the trials, these calibrations and the number of
                cores alone. None: a probe may run.

        Raises:
            BadInput: a trial of streamed data can't be stacked.
        """
        by_id = {variant.variant_id: variant for variant in variants}
        reused = self.earlier(trials, by_id, self.metrics, beside) if self.earlier else []
        there = {trial for stack in reused for trial in stack.trials}
        left = [trial for trial in trials if trial.trial_id not in there]
        if not left:
            return reused, 0.0, None
        wanted = dict.fromkeys(trial.variant_id for trial in left)
        seconds = _augmentation_seconds([by_id[each] for each in wanted], self.dataset, self.machine)
        branches = branching(left, by_id) if not beside else frozenset()  # what pauses at rungs has no time for others
        stacks, expected, found = _stacks(left, by_id, self, seconds, calibrations, branches)
        if self.dataset.streamed is not None:
            stacks = _streamed(stacks, self.rows[None].features)
        return [*reused, *stacks], expected, found


def _streamed(stacks: Sequence[PlannedStack], features: tuple[int, ...]) -> list[PlannedStack]:
    """Adds to each stack's memory that of the windows that it holds.

    Raises:
        BadInput: one goes through `Model.fit`, which takes whole epochs.
    """
    unfit = next((stack.why for stack in stacks if not stack.stacked), None)
    if unfit is not None:
        raise BadInput(
            "a model that can't be stacked can't be trained on streamed data",
            where="model",
            got=unfit,
            remedy="choose another model, or let the data be in memory (data.memory, data.rows)",
        )
    windows = window_bytes(math.prod(features))
    return [
        replace(stack, memory_bytes=stack.memory_bytes + windows * min(stack.lanes, CACHED_WINDOWS)) for stack in stacks
    ]


def _stacks(
    trials: Sequence[PlannedTrial],
    variants: Mapping[str, Recipe],
    context: PlanContext,
    augmentation_seconds: Mapping[str, float],
    calibrations: Mapping[bool, Calibration] | None,
    branches: frozenset[str],
) -> tuple[list[PlannedStack], float, Probe | None]:
    """Puts trials of equal shapes and rows together, and of different widths where that pays (see `cost_model`). Trials
    that can't be stacked stay alone.

    Args:
        augmentation_seconds: By variant, seconds of one core to augment one row.
        branches: Variants that share steps with variants of longer budgets.
    """
    families: dict[str, dict[str, list[PlannedTrial]]] = {}
    for trial in trials:
        # A mixed trial stands beside the trial whose batches it learns from, not in that trial's place of a stack.
        apart = {"budget": trial.variant_id in branches, "mixed": trial.stage == MIXED}
        family, shape = _shape(variants[trial.variant_id].settings, context.rows[trial.fold], apart)
        families.setdefault(family, {}).setdefault(shape, []).append(trial)
    machine = context.machine
    grouped = Grouping(variants, context.rows, augmentation_seconds, machine.cores, machine.sharing)
    alike = [
        [group for each in by_shape.values() for group in grouped.rectangles(each)] for by_shape in families.values()
    ]
    _refuse_too_large([group.work for groups in alike for group in groups], machine.memory)
    for group in (group for groups in alike for group in groups):
        _refuse_without_twin(group, variants)
        _refuse_without_update(group)
    timed, found = calibrations is None, None
    if calibrations is None:
        calibrations, found = _calibrations([group for groups in alike for group in groups], machine)
    laid = [
        (group, share)
        for groups, share in zip(alike, _core_shares(alike, calibrations, machine.cores), strict=True)
        for group in _joined(groups, grouped, calibrations, share)
    ]
    stacks, seconds = _divided(laid, variants, context, calibrations, branches, timed=timed)
    return stacks, seconds, found


def _divided(
    laid: Sequence[tuple[Group, int]],
    variants: Mapping[str, Recipe],
    context: PlanContext,
    calibrations: Mapping[bool, Calibration],
    branches: frozenset[str],
    *,
    timed: bool,
) -> tuple[list[PlannedStack], float]:
    """The stacks of groups, each with the cores that it is divided for; and the seconds expected."""
    twins = longest_twins([group for group, _ in laid], variants, branches)
    divisions: dict[int, Division[PlannedTrial]] = {}
    stacks: dict[int, list[PlannedStack]] = {}
    seconds = 0.0
    for place in sorted(range(len(laid)), key=lambda each: each in twins):  # those that others go on from come first
        group, share = laid[place]
        division, slowest = group.divided(calibrations, share, timed=timed)
        if place in twins:
            division = divided_alike(group, laid[twins[place]][0], divisions[twins[place]], variants)
        settings = variants[group.trials[0].variant_id].settings
        every = evaluation_steps(settings.evaluate_every, group.steps_per_epoch, group.work, slowest)
        found = [_stack(part, group, division.xla, every, context.metrics) for part in division.stacks]
        if place in twins:
            found = [
                going_on_from(longest, stack, part, variants)
                for longest, stack, part in zip(stacks[twins[place]], found, division.stacks, strict=True)
            ]
        divisions[place], stacks[place] = division, found
        left = sum(stack.steps_taken for stack in found) / sum(stack.steps * stack.size for stack in found)
        # Stacks for a share of the cores leave the others to other families.
        seconds += left * group.seconds(division) * (1 if group.why else share / context.machine.cores)
    return [stack for place in sorted(stacks) for stack in stacks[place]], seconds


def _core_shares(alike: Sequence[Sequence[Group]], calibrations: Mapping[bool, Calibration], cores: int) -> list[int]:
    """For how many cores the groups of each family are divided. Where other families' stacks keep the cores busy, the
    division with the least total core time ends first: that for one core, with fewer stacks to compile. Each family
    gets twice its share of the work, so that the last stacks end at about the same time."""
    if len(alike) == 1:
        return [cores]
    seconds = [sum(group.divided(calibrations, 1)[0].seconds for group in groups if not group.why) for groups in alike]
    whole = sum(seconds) or 1.0  # what goes through `Model.fit` waits until all stacks are done
    return [min(cores, max(1, math.ceil(2 * cores * each / whole))) for each in seconds]


def _refuse_too_large(works: Sequence[Work], memory: int) -> None:
    """Raises BadInput where one trial takes more bytes than there are."""
    largest = max(works, key=lambda work: work.trial_bytes)
    if largest.trial_bytes > memory:
        raise BadInput(
            "a network takes more memory than there is",
            where="model",
            got=f"{largest.parameters:,} weights, {largest.activations:,} activations a row in batches of "
            f"{largest.batch_size:,}: about {gigabytes(largest.trial_bytes)} to train",
            accepted=f"at most {gigabytes(memory)}, the memory of this machine or container",
            remedy="fewer or narrower layers, a smaller batch_size, or a machine with more memory",
        )


def _refuse_without_twin(group: Group, variants: Mapping[str, Recipe]) -> None:
    """Raises BadInput where Keras would have to train with an optimizer that it does not have."""
    lacking = [
        variants[each].optimizer for each in group.rules if not OPTIMIZERS[variants[each].optimizer]().keras_class
    ]
    if group.why and lacking:
        raise BadInput(
            f"{lacking[0]} is none of Keras's optimizers, and Keras is to train this model",
            where="compare.optimizer or train.optimizer",
            got=group.why,
            remedy="choose another optimizer, or a model that can be stacked",
        )


def _refuse_without_update(group: Group) -> None:
    """Raises BadInput where a trial ends before its first update."""
    if group.first.accumulation > group.work.steps:
        raise BadInput(
            "no update is made: one takes more steps than the training has",
            where="train.accumulation or compare.accumulation",
            got=f"{group.first.accumulation:,} steps to an update, {group.work.steps:,} in all",
            accepted=f"at most {group.work.steps:,}",
            remedy="a smaller accumulation or batch_size, or more epochs",
        )


def _shape(settings: RecipeSettings, rows: RowCounts, apart: Mapping[str, bool]) -> tuple[str, str]:
    """Two identifiers: first of the family, groups that differ in widths at most; then of the shape, the trials of one
    group.

    Args:
        apart: What keeps trials apart from those that differ in it, among others whether they share steps with trials
            of another budget.
    """
    shape = {name: settings.document.get(name) for name in ("model", "batch_size", "epochs", "augmentation")}
    rows = rows.limited(settings.rows)
    shape["resampled"] = settings.imbalance == "resample"
    resampled = rows.resampled if shape["resampled"] else None
    shape["rows"] = [rows.features, rows.train, rows.validated, rows.scored, resampled]
    shape["apart"] = apart
    if settings.accumulation > 1:
        shape["accumulation"] = settings.accumulation
    if rows.lengths:
        shape["lengths"] = rows.lengths
    name, parameters = settings.model
    models = {name: {**parameters, "hidden": len(settings.hidden)}}
    return identifier({**shape, "model": models}), identifier(shape)


def _joined(
    groups: Sequence[Group], grouped: Grouping, calibrations: Mapping[bool, Calibration], share: int
) -> list[Group]:
    """Joins some of the groups, which differ in widths at most, where that pays on `share` cores."""
    replicas = {frozenset((trial.seed, trial.fold) for trial in group.trials) for group in groups}
    one_by_one = any(group.why for group in groups) or joinable([group.network for group in groups])
    if len(groups) == 1 or len(replicas) > 1 or one_by_one:
        return list(groups)
    groups = sorted(groups, key=lambda group: (group.work.parameters, group.first.architecture.hidden))

    def together(part: Sequence[int]) -> Work:
        first = groups[part[0]].work
        with shapes_only():
            network = widest([groups[index].network for index in part])
        found = work_of(network, first.batch_size, first.steps)
        works = [groups[index].work for index in part]
        copies, gradients = max(each.copies for each in works), max(each.gradients for each in works)
        return replace(found, answers=first.answers, copies=copies, gradients=gradients)

    rules = [list(group.rules.values()) for group in groups]
    return [
        groups[part[0]] if len(part) == 1 else grouped.of([trial for index in part for trial in groups[index].trials])
        for part in join(rules, replicas_of(groups[0].trials), together, grouped.sharing, calibrations, share=share)
    ]


def _probe_seconds(work: Work, xla: bool) -> float:
    """Expected seconds of a probe on one core, by the cost model."""
    steps = probe.STEPS * probe.SPANS
    return work.compile_seconds(1, xla=xla) + steps * work.step_seconds(probe.TRIALS, 1, xla=xla)


def _calibrations(groups: Sequence[Group], machine: Machine) -> tuple[Mapping[bool, Calibration], Probe | None]:
    """The machine's pace on the network that is most of the work, and the probe's figures for plan.json."""
    stacked = [(group.divided(AS_MODELLED, machine.cores)[0].seconds, group) for group in groups if not group.why]
    if not stacked:
        return AS_MODELLED, None
    _, group = max(stacked, key=lambda each: each[0])
    pays = machine.probe_share * sum(seconds for seconds, _ in stacked)
    too_large = probe.TRIALS * group.work.trial_bytes > machine.memory
    if too_large or sum(_probe_seconds(group.work, xla) for xla in (True, False)) > pays:
        return AS_MODELLED, None
    calibrations, found = {}, {}
    alone = replace(group.work, gradients=gradients_of(group.first))
    for xla, name in _PROBED.items():
        measured = probe.measure(group.first, group.data.features, group.data.classes, tokens=group.tokens, xla=xla)
        calibrations[xla] = Calibration(
            measured.compile_seconds / group.work.compile_seconds(1, xla=xla),
            measured.step_seconds / alone.step_seconds(measured.trials, 1, xla=xla),
        )
        found[name] = Probed(**asdict(measured), pace=calibrations[xla])
    return calibrations, Probe(**found)


def calibrations_of(probe: Probe | None) -> Mapping[bool, Calibration]:
    """What a probe found, from its figures in plan.json; the cost model's own figures where there was no probe."""
    if probe is None:
        return AS_MODELLED
    return {True: probe.xla.pace, False: probe.graph.pace}


_PROBED = {True: "xla", False: "graph"}
"""The names in plan.json of a probe's figures with and without XLA."""


def evaluation_steps(every: Mapping[str, Any], steps_per_epoch: int, work: Work, seconds: float) -> int:
    """Steps from one evaluation to the next, at most all of them.

    Trials of equal shapes are evaluated at the same steps, whichever stack they are in, since patience counts
    evaluations and must mean the same for all recipes.

    Args:
        every: `evaluate_every` of the spec.
        seconds: What the slowest stack of such trials is expected to take.
    """
    if every["seconds"]:
        steps = round(every["seconds"] / (seconds / work.steps))
    else:
        steps = every["steps"] or every["epochs"] * steps_per_epoch
    return max(1, min(steps, work.steps))


def _augmentation_seconds(recipes: Sequence[Recipe], dataset: Dataset, machine: Machine) -> dict[str, float]:
    """By variant, the seconds that one core takes to augment one example; 0 without augmentation."""
    few = dataset.form.examples(dataset, np.arange(min(_EXAMPLES_TRIED, dataset.rows)))
    taken: dict[str, float] = {}
    for recipe in recipes:
        document = recipe.settings.augmentation
        policy = policy_of(document)
        if policy and identifier(document) not in taken:
            taken[identifier(document)] = machine.example_seconds(policy, few)
    documents = {recipe.variant_id: recipe.settings.augmentation for recipe in recipes}
    return {name: taken[identifier(document)] if document else 0.0 for name, document in documents.items()}


_EXAMPLES_TRIED = 64


def stack_identifier(trials: Sequence[str], metrics: Sequence[str], *, xla: bool, every: int) -> str:
    """The identifier of all that is in a stack's records: what was trained, and what was measured and when."""
    return identifier({"trials": list(trials), "metrics": list(metrics), "xla": xla, "every": every})


def _stack(trials: Sequence[PlannedTrial], group: Group, xla: bool, every: int, metrics: Sequence[str]) -> PlannedStack:
    ids, work = [trial.trial_id for trial in trials], group.work
    replicas = replicas_of(trials)
    unpadded = {trial.trial_id: group.unpadded[trial.variant_id] for trial in trials}
    return PlannedStack(
        stack_id=stack_identifier(ids, metrics, xla=xla, every=every),
        trainer="fit" if group.why else "stack",
        why=group.why or "",
        xla=xla,
        trials=ids,
        lanes=replicas,
        size=len(ids),
        parameters=work.parameters,
        rows=group.rows,
        steps=work.steps,
        batch_size=work.batch_size,
        augmentation_seconds=round(group.made.seconds * replicas, 3),
        evaluate_every=every,
        memory_bytes=work.trial_bytes * len(ids) + CHUNK_BYTES + EVALUATION_BYTES + group.made.replica_bytes * replicas,
        narrower={name: each.parameters for name, each in unpadded.items() if each.parameters < work.parameters},
        fill=sum(each.flops for each in unpadded.values()) / (work.flops * len(ids)),
    )
