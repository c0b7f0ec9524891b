"""How trials are laid out into stacks: those of equal shapes and rows together, of other widths where padding pays.

The figures of cost are in `cost_model`; here they are filled in from networks and data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from tasks.augmentation.pieces import held_bytes
from tasks.augmentation.policy import example_seconds, policy_of
from tasks.dataset import Dataset
from tasks.errors import BadInput
from tasks.planning import probe
from tasks.planning.cost_model import AS_MODELLED, Calibration, Division, Work, cores, divide, join
from tasks.planning.recipes import Recipe, identifier
from tasks.planning.trials import PlannedStack, PlannedTrial, bind_trial
from tasks.spec.models import Spec
from tasks.training.chunks import CHUNK_BYTES
from tasks.training.models import Architecture
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.scoring import EVALUATION_BYTES
from tasks.training.stacked_layers import incompatibility, joinable, widest
from tasks.training.streaming import CACHED_WINDOWS, window_bytes
from tasks.training.trial import Trial


@dataclass(frozen=True)
class RowCounts:
    """What the data, or those of one fold, are to the trainers.

    Args:
        features: Shape of one preprocessed row.
        classes: None for regression.
        train: How many rows are trained on.
        resampled: The same once classes are made equal.
        scored: Of all parts.
    """

    features: tuple[int, ...]
    classes: int | None
    train: int
    resampled: int
    scored: int

    @classmethod
    def of(
        cls, dataset: Dataset, parts: Mapping[str, int], features: tuple[int, ...], resampled: int | None
    ) -> RowCounts:
        """As `lay_out` takes them."""
        scored = sum(parts.values())
        if dataset.streamed is not None:
            scored += len(dataset.streamed.sample) - parts["train"]
        classes = len(dataset.classes) if dataset.classes else None
        return cls(features, classes, parts["train"], parts["train"] if resampled is None else resampled, scored)


@dataclass(frozen=True)
class PlanContext:
    """What trials are planned on.

    Args:
        rows: By fold; those of trials that are of none under None.
        metrics: What is measured of each trial.
    """

    dataset: Dataset
    rows: Mapping[int | None, RowCounts]
    metrics: tuple[str, ...]

    def key(self, spec: Spec) -> str:
        """What of the data decides a trial's results."""
        split = spec.data.split.model_dump(mode="json")
        return identifier({"data": self.dataset.digest, "split": split, "features": list(self.dataset.table.columns)})

    def stacks(
        self,
        trials: Sequence[PlannedTrial],
        variants: Sequence[Recipe],
        calibrations: Mapping[bool, Calibration] | None = None,
    ) -> tuple[list[PlannedStack], float, dict[str, Any] | None]:
        """How trials of these variants are divided; the seconds expected; and what the probe found, where one was worth
        its time.

        Args:
            calibrations: The machine's, with and without XLA. Then nothing that is measured now decides, not even how
                fast augmentation is: the division follows from the trials, these calibrations and the number of cores
                alone. None: a probe may be asked.

        Raises:
            BadInput: a trial of streamed data can't be stacked.
        """
        seconds = _augmentation_seconds(variants, self.dataset)
        by_id = {variant.variant_id: variant for variant in variants}
        stacks, expected, found = _stacks(trials, by_id, self.rows, self.metrics, seconds, calibrations)
        if self.dataset.streamed is not None:
            stacks = _streamed(stacks, self.rows[None].features)
        return stacks, expected, found


def _streamed(stacks: Sequence[PlannedStack], features: tuple[int, ...]) -> list[PlannedStack]:
    """The stacks with the memory of the windows that each holds.

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
    rows: Mapping[int | None, RowCounts],
    metrics: Sequence[str],
    augmentation_seconds: Mapping[str, float],
    calibrations: Mapping[bool, Calibration] | None,
) -> tuple[list[PlannedStack], float, dict[str, Any] | None]:
    """Trials of equal shapes and rows together, and of other widths where that pays (see `cost_model`), what can't be
    stacked one by one.

    Args:
        augmentation_seconds: By variant, of one core for one row.
    """
    families: dict[str, dict[str, list[PlannedTrial]]] = {}
    for trial in trials:
        family, shape = _shape(variants[trial.variant_id].settings, rows[trial.fold])
        families.setdefault(family, {}).setdefault(shape, []).append(trial)
    grouped = _Grouping(variants, rows, augmentation_seconds)
    alike = [[grouped.of(each) for each in by_shape.values()] for by_shape in families.values()]
    for group in (group for groups in alike for group in groups):
        _refuse_without_twin(group, variants)
    timed, found = calibrations is None, None
    if calibrations is None:
        calibrations, found = _calibrations([group for groups in alike for group in groups])
    stacks: list[PlannedStack] = []
    seconds = 0.0
    for groups, share in zip(alike, _core_shares(alike, calibrations), strict=True):
        for group in _joined(groups, grouped, calibrations, share):
            division, longest = group.divided(calibrations, share, timed=timed)
            settings = variants[group.trials[0].variant_id].settings
            every = evaluation_steps(settings["evaluate_every"], group.steps_per_epoch, group.work, longest)
            # Stacks for a share of the cores leave the others to other families.
            seconds += group.seconds(division) * (1 if group.why else share / cores())
            stacks += [_stack(part, group, division.xla, every, metrics) for part in division.stacks]
    return stacks, seconds, found


def _core_shares(alike: Sequence[Sequence[_Group]], calibrations: Mapping[bool, Calibration]) -> list[int]:
    """How many cores the groups of each family are divided for. Where other families' stacks keep the cores busy, what
    ends first is what takes the least time of all cores: a division for one core, with fewer to compile. Twice a
    family's share of the work is counted, so that the last stacks end at about the same time."""
    if len(alike) == 1:
        return [cores()]
    seconds = [sum(group.divided(calibrations, 1)[0].seconds for group in groups if not group.why) for groups in alike]
    whole = sum(seconds) or 1.0  # what goes through `Model.fit` waits until all stacks are done
    return [min(cores(), max(1, math.ceil(2 * cores() * each / whole))) for each in seconds]


def _refuse_without_twin(group: _Group, variants: Mapping[str, Recipe]) -> None:
    """Raises BadInput where Keras is to train with an optimizer that it does not have."""
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


def _shape(settings: Mapping[str, Any], rows: RowCounts) -> tuple[str, str]:
    """What trials of one group agree in, and before it what groups agree in that differ in widths at most."""
    shape = {name: settings.get(name) for name in ("model", "batch_size", "epochs", "augmentation")}
    shape["resampled"] = settings.get("imbalance") == "resample"
    shape["rows"] = [rows.features, rows.train, rows.scored, rows.resampled if shape["resampled"] else None]
    models = {
        name: {**parameters, "hidden": len(parameters.get("hidden", []))}
        for name, parameters in settings["model"].items()
    }
    return identifier({**shape, "model": models}), identifier(shape)


@dataclass(frozen=True)
class _Grouping:
    """What makes a group of trials: the arguments of `_stacks`."""

    variants: Mapping[str, Recipe]
    rows: Mapping[int | None, RowCounts]
    augmentation_seconds: Mapping[str, float]
    built: dict[str, Any] = field(default_factory=dict)

    def of(self, trials: list[PlannedTrial]) -> _Group:
        seconds = self.augmentation_seconds[trials[0].variant_id]
        return _group(trials, self.variants, self.rows[trials[0].fold], seconds, self.network)

    def network(self, architecture: Architecture, model: Mapping[str, Any], data: RowCounts) -> Any:
        """The network of a recipe's `model`, which many groups may share: built once, since that takes a while."""
        outputs = data.classes or 1
        key = identifier([model, data.features, outputs])
        if key not in self.built:
            self.built[key] = architecture.build(data.features, outputs)
        return self.built[key]


def _joined(
    groups: Sequence[_Group], grouped: _Grouping, calibrations: Mapping[bool, Calibration], share: int
) -> list[_Group]:
    """Groups that differ in widths at most, some of them as one where that pays on so many cores."""
    replicas = {frozenset((trial.seed, trial.fold) for trial in group.trials) for group in groups}
    one_by_one = any(group.why for group in groups) or joinable([group.network for group in groups])
    if len(groups) == 1 or len(replicas) > 1 or one_by_one:
        return list(groups)
    groups = sorted(groups, key=lambda group: (group.work.parameters, group.first.architecture.hidden))

    def together(part: Sequence[int]) -> Work:
        first = groups[part[0]].work
        found = work_of(widest([groups[index].network for index in part]), first.batch_size, first.steps)
        return replace(found, answers=first.answers)

    rules = [list(group.rules.values()) for group in groups]
    return [
        groups[part[0]] if len(part) == 1 else grouped.of([trial for index in part for trial in groups[index].trials])
        for part in join(rules, _replicas(groups[0].trials), together, cores(), calibrations, share=share)
    ]


@dataclass(frozen=True)
class _Group:
    """Trials of equal shapes and rows, padded to the widest network's where widths differ.

    Args:
        network: The widest.
        first: One of them, bound.
        unpadded: What a trial of each variant would do in its own width.
        rules: Update rule by variant.
        features: Shape of one preprocessed row.
        rows: Of an epoch.
        replica_bytes: Memory that the augmented rows of one replica take in a stack.
        augmentation: Seconds of one core for what one replica sees.
        once: Whether augmented rows are made once for all stacks, not in each.
        tokens: How many there are, where the inputs are token numbers.
    """

    trials: list[PlannedTrial]
    network: Any
    first: Trial
    rules: dict[str, str]
    why: str | None
    work: Work
    features: tuple[int, ...]
    unpadded: dict[str, Work]
    rows: int
    steps_per_epoch: int
    replica_bytes: int
    augmentation: float
    once: bool
    classes: int | None
    tokens: int | None

    def divided(
        self, calibrations: Mapping[bool, Calibration], share: int, *, timed: bool = True
    ) -> tuple[Division[PlannedTrial], float]:
        """The stacks for so many cores, and the seconds that the longest is expected to take.

        Args:
            timed: Whether augmentation's measured pace decides for how many cores trials are divided. Else those that
                see fresh rows are divided for one: to make the rows takes longer than to train on them, as a rule.
        """
        if self.why:
            longest = self.work.steps * _FIT_STEP_SECONDS
            return Division([[trial] for trial in self.trials], False, len(self.trials) * longest), longest
        columns: dict[str, list[PlannedTrial]] = {}
        for trial in self.trials:
            columns.setdefault(trial.variant_id, []).append(trial)
        # Each stack makes its own rows, on the cores that no stack trains on.
        counts = sorted({1, share}) if self.augmentation else [share]
        if not timed:
            counts = counts[:1] if not self.once else counts[-1:]
        divisions = [
            divide(
                list(columns.values()),
                [self.rules[each] for each in columns],
                self.work,
                cores(),
                calibrations,
                share=side_by_side,
            )
            for side_by_side in counts
        ]
        division = min(divisions, key=self.seconds)
        return division, max(
            self.work.seconds(
                len(part),
                len({self.rules[each.variant_id] for each in part}),
                xla=division.xla,
                calibration=calibrations[division.xla],
            )
            for part in division.stacks
        )

    def seconds(self, division: Division[PlannedTrial]) -> float:
        """Expected of a division, augmentation included."""
        if self.once:
            return division.seconds + self.augmentation * _replicas(self.trials) / cores()
        making = self.augmentation * sum(map(_replicas, division.stacks))
        busy = 1 if self.why else min(len(division.stacks), cores())
        return max(division.seconds, (division.seconds * busy + making) / cores())


def _replicas(trials: Sequence[PlannedTrial]) -> int:
    """Trials of one seed, and of one fold, see the same rows."""
    return len({(trial.seed, trial.fold) for trial in trials})


def _group(
    trials: list[PlannedTrial],
    variants: Mapping[str, Recipe],
    data: RowCounts,
    augmentation_seconds: float,
    network: Callable[[Architecture, Mapping[str, Any], RowCounts], Any],
) -> _Group:
    bound = [bind_trial(trial, variants[trial.variant_id]) for trial in trials]
    outputs = data.classes or 1
    widths = {trial.architecture.hidden: trial for trial in bound}
    models = {
        hidden: network(trial.architecture, variants[trial.variant_id].settings["model"], data)
        for hidden, trial in widths.items()
    }
    model = widest(list(models.values()))
    recipe = variants[trials[0].variant_id]
    augmentation = recipe.settings.get("augmentation")
    times = augmentation["times"] if augmentation else None
    originals = data.resampled if recipe.settings.get("imbalance") == "resample" else data.train
    rows = originals * (1 + (times or 0))
    versions = originals * bound[0].epochs if times is None else data.train * times
    row_bytes = 4 * math.prod(data.features)
    ahead = held_bytes(rows, row_bytes, CHUNK_BYTES // _replicas(trials)) if augmentation else 0
    steps_per_epoch = -(-rows // bound[0].batch_size)
    steps = bound[0].epochs * steps_per_epoch
    work = work_of(model, bound[0].batch_size, steps)
    works = {hidden: work_of(each, bound[0].batch_size, steps) for hidden, each in models.items()}
    return _Group(
        trials=trials,
        network=model,
        first=bound[0],
        rules={trial.variant_id: trial.optimizer.update.__name__ for trial in bound},
        why=incompatibility(model),
        unpadded={trial.variant_id: works[trial.architecture.hidden] for trial in bound},
        work=replace(work, answers=data.scored * outputs),
        features=data.features,
        rows=rows,
        steps_per_epoch=steps_per_epoch,
        replica_bytes=ahead if times is None else data.train * times * row_bytes,
        augmentation=augmentation_seconds * versions,
        once=times is not None,
        classes=data.classes,
        tokens=getattr(model.layers[0], "input_dim", None),
    )


PROBE_SHARE = 0.1
"""Of the time that the trials are expected to take: what a probe may take at most. Shorter runs go by the model."""


def _probe_seconds(work: Work, xla: bool) -> float:
    """Of one core, by the model."""
    steps = probe.STEPS * probe.SPANS
    return work.compile_seconds(1, xla=xla) + steps * work.step_seconds(probe.TRIALS, 1, xla=xla)


def _calibrations(groups: Sequence[_Group]) -> tuple[Mapping[bool, Calibration], dict[str, Any] | None]:
    """The machine's pace on the network that is most of the work, and the probe's figures for plan.json."""
    stacked = [(group.divided(AS_MODELLED, cores())[0].seconds, group) for group in groups if not group.why]
    if not stacked:
        return AS_MODELLED, None
    _, group = max(stacked, key=lambda each: each[0])
    pays = PROBE_SHARE * sum(seconds for seconds, _ in stacked)
    if sum(_probe_seconds(group.work, xla) for xla in (True, False)) > pays:
        return AS_MODELLED, None
    calibrations, found = {}, {}
    for xla, name in _PROBED.items():
        measured = probe.measure(group.first, group.features, group.classes, tokens=group.tokens, xla=xla)
        calibrations[xla] = Calibration(
            measured.compile_seconds / group.work.compile_seconds(1, xla=xla),
            measured.step_seconds / group.work.step_seconds(measured.trials, 1, xla=xla),
        )
        found[name] = asdict(measured) | {"pace": asdict(calibrations[xla])}
    return calibrations, found


def calibrations_of(probe: Mapping[str, Any] | None) -> Mapping[bool, Calibration]:
    """What a probe found, from its figures in plan.json; as modelled where none was asked."""
    if probe is None:
        return AS_MODELLED
    return {xla: Calibration(**probe[name]["pace"]) for xla, name in _PROBED.items()}


_PROBED = {True: "xla", False: "graph"}
"""How plan.json calls a probe's figures with and without XLA."""

_FIT_STEP_SECONDS = 2.5e-3
"""Of one step of `Model.fit` with a small network, for the estimate and evaluations counted in seconds."""


def evaluation_steps(every: Mapping[str, Any], steps_per_epoch: int, work: Work, seconds: float) -> int:
    """Steps from one evaluation to the next, at most all of them.

    Trials of equal shapes are evaluated at the same steps, whichever stack they are in, since patience counts
    evaluations and recipes are to have the same.

    Args:
        every: `evaluate_every` of the spec.
        seconds: What the slowest stack of such trials is expected to take.
    """
    if every["seconds"]:
        steps = round(every["seconds"] / (seconds / work.steps))
    else:
        steps = every["steps"] or every["epochs"] * steps_per_epoch
    return max(1, min(steps, work.steps))


def work_of(model: Any, batch_size: int, steps: int) -> Work:
    """What training a network costs, read from its layers."""
    flops = activations = 0
    for layer in model.layers:
        shape = layer.output.shape[1:]
        activations += math.prod(shape)
        for kernel in layer.trainable_weights[:1]:
            if len(kernel.shape) > 1 and type(layer).__name__ != "Embedding":  # which looks up, not multiplies
                flops += 2 * math.prod(kernel.shape) * math.prod(shape[:-1])
    parameters = sum(math.prod(each.shape) for each in model.trainable_weights)
    spatial = any("conv" in type(layer).__name__.lower() for layer in model.layers)
    return Work(parameters, flops, activations, batch_size, steps, spatial)


def _augmentation_seconds(recipes: Sequence[Recipe], dataset: Dataset) -> dict[str, float]:
    """By variant, what augmenting one example takes one core; 0 without augmentation."""
    few = dataset.form.examples(dataset, np.arange(min(_EXAMPLES_TRIED, dataset.rows)))
    taken: dict[str, float] = {}
    for recipe in recipes:
        document = recipe.settings.get("augmentation")
        policy = policy_of(document)
        if policy and identifier(document) not in taken:
            taken[identifier(document)] = example_seconds(policy, few)
    documents = {recipe.variant_id: recipe.settings.get("augmentation") for recipe in recipes}
    return {name: taken[identifier(document)] if document else 0.0 for name, document in documents.items()}


_EXAMPLES_TRIED = 64


def _stack(
    trials: Sequence[PlannedTrial], group: _Group, xla: bool, every: int, metrics: Sequence[str]
) -> PlannedStack:
    """A stack is identified by all that stands in its records: what was trained, and what was measured and when."""
    ids, work = [trial.trial_id for trial in trials], group.work
    replicas = _replicas(trials)
    unpadded = {trial.trial_id: group.unpadded[trial.variant_id] for trial in trials}
    return PlannedStack(
        stack_id=identifier({"trials": ids, "metrics": list(metrics), "xla": xla, "every": every}),
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
        augmentation_seconds=round(group.augmentation * replicas, 3),
        evaluate_every=every,
        memory_bytes=work.trial_bytes * len(ids) + CHUNK_BYTES + EVALUATION_BYTES + group.replica_bytes * replicas,
        narrower={name: each.parameters for name, each in unpadded.items() if each.parameters < work.parameters},
        fill=sum(each.flops for each in unpadded.values()) / (work.flops * len(ids)),
    )
