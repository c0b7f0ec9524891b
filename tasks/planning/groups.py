"""Trials of equal shapes and rows, as one group to be divided into stacks, with what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.augmentation.pieces import held_bytes
from tasks.dataset import Dataset
from tasks.planning.cost_model import MOMENTS, Division, Work, divide
from tasks.planning.recipes import identifier
from tasks.planning.trials import bind_trial
from tasks.records.plan import Calibration, PlannedTrial, Recipe
from tasks.training.chunks import CHUNK_BYTES
from tasks.training.models import Architecture
from tasks.training.rectangle import Replica, in_columns, kind_of
from tasks.training.shapes import shapes_only
from tasks.training.stacked_networks import incompatibility, layers_of, widest
from tasks.training.trial import Trial

_FIT_STEP_SECONDS = 2.5e-3
"""Seconds of one step of `Model.fit` with a small network, for estimates and for evaluations counted in seconds."""


@dataclass(frozen=True)
class RowCounts:
    """Sizes that the trainers need, of the data or of one fold.

    Args:
        features: Shape of one preprocessed row.
        classes: None for regression.
        train: How many rows are trained on.
        resampled: The same after resampling to equal classes.
        scored: Rows of all parts that are scored.
        validated: Rows of the validation part.
        lengths: Tokens of each text in a row (see `Architecture.lengths`).
    """

    features: tuple[int, ...]
    classes: int | None
    train: int
    resampled: int
    scored: int
    lengths: tuple[int, ...] = ()
    validated: int = 0

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        parts: Mapping[str, int],
        features: tuple[int, ...],
        resampled: int | None,
        lengths: tuple[int, ...] = (),
    ) -> RowCounts:
        """From what `lay_out` takes."""
        scored = sum(parts.values())
        if dataset.streamed is not None:
            scored += len(dataset.streamed.sample) - parts["train"]
        classes = len(dataset.classes) if dataset.classes else None
        equal = parts["train"] if resampled is None else resampled
        return cls(features, classes, parts["train"], equal, scored, lengths, parts.get("val", 0))

    def limited(self, rows: int | None) -> RowCounts:
        """The counts for trials on so many training rows, which are not resampled; as `Prepared.limited`."""
        if rows is None or rows >= self.train:
            return self
        return replace(self, train=rows, resampled=rows, scored=self.scored - self.train + rows)


@dataclass(frozen=True)
class Grouping:
    """Makes groups of trials.

    Args:
        variants: By their id.
        rows: By fold.
        augmentation_seconds: By variant, seconds of one core to augment one row.
        cores: Cores of the machine.
        sharing: How many of them share one memory.
        built: Networks that were built already, by an identifier, since groups may share one.
    """

    variants: Mapping[str, Recipe]
    rows: Mapping[int | None, RowCounts]
    augmentation_seconds: Mapping[str, float]
    cores: int
    sharing: int
    built: dict[str, Any] = field(default_factory=dict)

    def rectangles(self, trials: list[PlannedTrial]) -> list[Group]:
        """Groups, each of which has trials that can be in one stack."""
        whole = self.of(trials)
        parts = [trials] if whole.why else whole.rectangles()
        return [whole] if len(parts) == 1 else [self.of(part) for part in parts]

    def of(self, trials: list[PlannedTrial]) -> Group:
        seconds = self.augmentation_seconds[trials[0].variant_id]
        return _group(trials, self.variants, self.rows[trials[0].fold], seconds, self.network, self.cores, self.sharing)

    def network(self, architecture: Architecture, model: Mapping[str, Any], data: RowCounts) -> Any:
        """The network of a recipe's `model`, its weights without values. It is built once for all groups that share it,
        since building takes a while."""
        outputs = data.classes or 1
        key = identifier([model, data.features, data.lengths, outputs])
        if key not in self.built:
            with shapes_only():
                self.built[key] = architecture.build(data.features, outputs)
        return self.built[key]


@dataclass(frozen=True)
class MadeRows:
    """Augmented rows of a group; all 0 without augmentation.

    Args:
        replica_bytes: Bytes that the rows of one replica take in a stack.
        seconds: Seconds of one core to make the rows that one replica sees.
        once: Whether they are made once for all stacks, not in each.
    """

    replica_bytes: int
    seconds: float
    once: bool


@dataclass(frozen=True)
class Group:
    """Trials of equal shapes and rows, padded to the widest network's where widths differ.

    Args:
        network: The widest.
        first: One of the trials, bound.
        unpadded: By variant, the work of a trial in its own width.
        rules: Update rule by variant.
        kinds: By variant, the result of `tasks.training.rectangle.kind_of`.
        why: Why they can't be stacked, or None.
        rows: Rows of an epoch.
        data: Sizes of what they are trained on.
        made: Their augmented rows.
        cores, sharing: As for `Grouping`.
    """

    trials: list[PlannedTrial]
    network: Any
    first: Trial
    rules: dict[str, str]
    kinds: dict[str, Hashable]
    why: str | None
    work: Work
    unpadded: dict[str, Work]
    rows: int
    data: RowCounts
    made: MadeRows
    cores: int
    sharing: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.rows // self.first.batch_size)

    @property
    def tokens(self) -> int | None:
        """Number of different tokens, where the inputs are token numbers or end with them; else None."""
        return next((layer.input_dim for layer in self.network.layers if hasattr(layer, "input_dim")), None)

    def columns(self) -> list[dict[Replica, PlannedTrial]]:
        """As `tasks.training.rectangle.in_columns`."""
        return in_columns(self.trials, lambda trial: trial.variant_id, lambda trial: self.kinds[trial.variant_id])

    def rectangles(self) -> list[list[PlannedTrial]]:
        """The trials by columns of the same replicas: what can be in one stack."""
        alike: dict[frozenset[Replica], list[PlannedTrial]] = {}
        for column in self.columns():
            alike.setdefault(frozenset(column), []).extend(column.values())
        return list(alike.values())

    def divided(
        self, calibrations: Mapping[bool, Calibration], share: int, *, timed: bool = True
    ) -> tuple[Division[PlannedTrial], float]:
        """Divides the trials into stacks for `share` cores. Also returns the expected seconds of the longest stack.

        Args:
            timed: Whether the measured speed of augmentation decides for how many cores trials are divided. If not,
                trials that see fresh rows are divided for one core, since making rows usually takes longer than
                training on them.
        """
        if self.why:
            longest = self.work.steps * _FIT_STEP_SECONDS
            return Division([[trial] for trial in self.trials], False, len(self.trials) * longest), longest
        columns = [list(column.values()) for column in self.columns()]
        # Each stack makes its own rows, on the cores that no stack trains on.
        counts = sorted({1, share}) if self.made.seconds else [share]
        if not timed:
            counts = counts[:1] if not self.made.once else counts[-1:]
        divisions = [
            divide(
                columns,
                [self.rules[column[0].variant_id] for column in columns],
                self.work,
                self.sharing,
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
        """The expected seconds of a division, augmentation included."""
        if self.made.once:
            return division.seconds + self.made.seconds * replicas_of(self.trials) / self.cores
        making = self.made.seconds * sum(map(replicas_of, division.stacks))
        busy = 1 if self.why else min(len(division.stacks), self.cores)
        return max(division.seconds, (division.seconds * busy + making) / self.cores)


def _group(
    trials: list[PlannedTrial],
    variants: Mapping[str, Recipe],
    data: RowCounts,
    augmentation_seconds: float,
    network: Callable[[Architecture, Mapping[str, Any], RowCounts], Any],
    cores: int,
    sharing: int,
) -> Group:
    recipe = variants[trials[0].variant_id]
    data = data.limited(recipe.settings.rows)
    bound = [bind_trial(trial, variants[trial.variant_id], lengths=data.lengths) for trial in trials]
    outputs = data.classes or 1
    widths = {trial.architecture.hidden: trial for trial in bound}
    models = {
        hidden: network(trial.architecture, variants[trial.variant_id].settings.part("model"), data)
        for hidden, trial in widths.items()
    }
    with shapes_only():
        model = widest(list(models.values()))
    augmentation = recipe.settings.augmentation
    times = augmentation["times"] if augmentation else None
    originals = data.resampled if recipe.settings.imbalance == "resample" else data.train
    rows = originals * (1 + (times or 0))
    versions = originals * bound[0].epochs if times is None else data.train * times
    row_bytes = 4 * math.prod(data.features)
    ahead = held_bytes(rows, row_bytes, CHUNK_BYTES // replicas_of(trials)) if augmentation else 0
    steps = bound[0].epochs * -(-rows // bound[0].batch_size)
    work = work_of(model, bound[0].batch_size, steps, copies=max(map(_copies, bound)))
    works = {hidden: work_of(each, bound[0].batch_size, steps) for hidden, each in models.items()}
    return Group(
        trials=trials,
        network=model,
        first=bound[0],
        rules={trial.variant_id: trial.optimizer.update.__name__ for trial in bound},
        kinds={trial.variant_id: kind_of(trial) for trial in bound},
        why=incompatibility(model),
        unpadded={trial.variant_id: works[trial.architecture.hidden] for trial in bound},
        work=replace(work, answers=data.scored * outputs, gradients=sum(map(gradients_of, bound)) / len(bound)),
        rows=rows,
        data=data,
        made=MadeRows(
            replica_bytes=ahead if times is None else data.train * times * row_bytes,
            seconds=augmentation_seconds * versions,
            once=times is not None,
        ),
        cores=cores,
        sharing=sharing,
    )


def replicas_of(trials: Sequence[PlannedTrial]) -> int:
    """The number of replicas: trials of one seed and one fold see the same rows."""
    return len({(trial.seed, trial.fold) for trial in trials})


def _copies(trial: Trial) -> int:
    """Further copies of a trial's weights: for averages, the average itself and the ends of epochs that it is made of;
    for gradients of more than one step, their sum; the arrays of an optimizer's state beyond three."""
    accumulated = int(trial.accumulation > 1)
    beyond = max(trial.optimizer.state_arrays - MOMENTS, 0)
    return trial.averaging.copies(trial.epochs) + int(trial.averaging.averages) + accumulated + beyond


def gradients_of(trial: Trial) -> int:
    """Gradients that one step of a trial takes."""
    return 2 if trial.optimizer.sharp else 1


def work_of(model: Any, batch_size: int, steps: int, *, copies: int = 0) -> Work:
    """The work of training a network, computed from its layers.

    Args:
        copies: As in `Work`.
    """
    flops = activations = 0
    for layer in layers_of(model):
        shape = layer.output.shape[1:]
        activations += math.prod(shape)
        for kernel in layer.trainable_weights[:1]:
            if len(kernel.shape) > 1 and type(layer).__name__ != "Embedding":  # it looks up and does not multiply
                meets = () if kernel.shape == shape else shape[:-1]  # numbers that are embedded one by one meet it once
                flops += 2 * math.prod(kernel.shape) * math.prod(meets)
    parameters = sum(math.prod(each.shape) for each in model.trainable_weights)
    spatial = any("conv" in type(layer).__name__.lower() for layer in layers_of(model))
    return Work(parameters, flops, activations, batch_size, steps, spatial, copies=copies)
