"""The plan: the spec resolved before anything is trained.

`recipes_of` needs no data: it multiplies out what is compared and binds every parameter. `lay_out` adds what depends on
the data: which recipes don't fit (with the reason), trials, stacks, cost.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from pydantic import BaseModel

from tasks.augmentation.examples import examples, facts
from tasks.augmentation.pieces import held_bytes
from tasks.augmentation.policy import example_seconds, policy_of
from tasks.dataset import AUDIO, IMAGE, TABLE, TEXT, Dataset
from tasks.errors import BadInput
from tasks.evaluation.metrics import check_metric, default_metrics
from tasks.spec.entries import Entry, bind
from tasks.spec.models import Augmentation, Clipping, Compare, EarlyStopping, Regularisation, Spec, as_written
from tasks.stacking import AS_MODELLED, Division, Pace, Work, cores, divide, join
from tasks.training import probe
from tasks.training.models import DEFAULT_MODELS, MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import CHUNK_BYTES, EVALUATION_BYTES
from tasks.training.stacked_layers import joinable, why_not, widest
from tasks.training.streaming import CACHED_WINDOWS, shuffle_policy, window_bytes
from tasks.training.trial import MEASURED, Clip, Stopping, Target, Trial

SCHEMA_VERSION = 1
MAX_TRIALS = 5_000
AXES = tuple(Compare.model_fields)
"""What a recipe consists of, in the order in which labels name it."""
_HELD_STILL = ("evaluate_every", "stop_at")
"""What decides a recipe's results as well and is the same for all recipes of a spec."""


@dataclass(frozen=True)
class Recipe:
    """One arm of the comparison, every hyperparameter bound.

    Args:
        recipe: Readable: what tells it from the other recipes.
        settings: Axis to value, and what is held still but decides results; plain JSON, complete.
    """

    recipe_id: str
    recipe: str
    optimizer: str
    schedule: str
    variant_id: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class PlannedTrial:
    trial_id: str
    recipe_id: str
    variant_id: str
    stage: str
    seed: int
    fold: int | None
    epochs: int


@dataclass(frozen=True)
class PlannedStack:
    """Trials that run together.

    Args:
        trainer: `stack`, or `fit` where `why` says what can't be stacked.
        xla: Whether XLA compiles the stack's program.
        lanes: Number of seeds; each lane of the stack sees batches of its own.
        size: Number of trials.
        parameters: Trainable weights of one trial; where widths differ, of the network that all are padded to.
        narrower: Trainable weights of the trials that have fewer, by trial.
        fill: Share of the arithmetic that is not padding, in (0, 1]; 1 where all trials are equally wide.
        rows: Of an epoch, augmented copies included.
        steps: Training steps of one trial.
        batch_size: Rows a step.
        augmentation_seconds: Expected of one core, to augment what all its seeds see.
        evaluate_every: Steps from one evaluation to the next, at most all of them.
        memory_bytes: The most it should need, by arithmetic: its trials, the chunks of rows in their hands, and of
            streamed data the windows that are shuffled.
    """

    stack_id: str
    trainer: str
    why: str
    xla: bool
    trials: list[str]
    lanes: int
    size: int
    parameters: int
    rows: int
    steps: int
    batch_size: int
    augmentation_seconds: float
    evaluate_every: int
    memory_bytes: int
    narrower: Mapping[str, int] = field(default_factory=dict)
    fill: float = 1.0

    def parameters_of(self, trial_id: str) -> int:
        """Trainable weights of one trial, its own."""
        return self.narrower.get(trial_id, self.parameters)


@dataclass(frozen=True)
class Plan:
    """Everything that will be done, as in plan.json."""

    experiment: str
    description: str
    spec: dict[str, Any]
    task: str
    metric: str
    also: list[str]
    confidence: float
    data: dict[str, Any]
    parts: dict[str, int]
    recipes: list[Recipe]
    trials: list[PlannedTrial]
    stacks: list[PlannedStack]
    skipped: list[dict[str, str]]
    cost: dict[str, Any]
    probe: dict[str, Any] | None = None
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> dict[str, Any]:
        value = asdict(self)
        for recipe in value["recipes"]:
            recipe["params"] = recipe.pop("settings")
        return value

    def following(self, earlier: dict[str, Any]) -> Plan:
        """This plan with the stacks of an earlier plan.json, where that has the same trials and measures the same.

        Stacks are divided for the machine at hand, and evaluated at steps that may come from its pace; whoever goes on
        with a run keeps the division and the steps it was begun with.
        """
        same = [{each["trial_id"] for each in earlier["trials"]}, earlier["metric"], earlier["also"]]
        if same != [{each.trial_id for each in self.trials}, self.metric, self.also]:
            return self
        return replace(
            self,
            stacks=[PlannedStack(**each) for each in earlier["stacks"]],
            cost=earlier["cost"],
            probe=earlier["probe"],
        )

    def recipe(self, recipe_id: str) -> Recipe:
        return next(recipe for recipe in self.recipes if recipe.recipe_id == recipe_id)


def identifier(value: Any) -> str:
    """The first 12 hex digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def recipes_of(spec: Spec, kind: str = TABLE) -> list[Recipe]:
    """Every combination of what is compared, in the order written, each once.

    Args:
        kind: Of the data; it decides which model is meant where the spec names none.

    Raises:
        BadInput: a learning rate is given both on the optimizer and beside it, or there are too many trials.
    """
    axes = [getattr(spec.compare, axis) or [_held_still(spec, axis, kind)] for axis in AXES]
    count = spec.train.seeds
    for values in axes:
        count *= len(values)
    if count > MAX_TRIALS:
        raise BadInput(
            "the comparison is too large",
            where="compare",
            got=f"{count:,} trials",
            accepted=f"at most {MAX_TRIALS:,}",
            remedy="compare fewer values or use fewer seeds",
        )
    compared = [axis for axis in AXES if len(getattr(spec.compare, axis) or []) > 1]
    recipes: dict[str, Recipe] = {}
    for values in itertools.product(*axes):
        chosen = dict(zip(AXES, values, strict=True))
        settings = _settings(chosen) | {name: _plain(getattr(spec.train, name)) for name in _HELD_STILL}
        variant_id = identifier(settings)
        recipe = Recipe(
            recipe_id=variant_id,
            recipe=_label(chosen, compared),
            optimizer=chosen["optimizer"].name,
            schedule=chosen["schedule"].name,
            variant_id=variant_id,
            settings=settings,
        )
        recipes.setdefault(variant_id, recipe)
    return list(recipes.values())


def _held_still(spec: Spec, axis: str, kind: str) -> Any:
    if axis != "model":
        return getattr(spec.train, axis)
    name = DEFAULT_MODELS[kind]
    return spec.model or Entry(name=name, parameters=bind(MODELS[name], name, {}))


def _settings(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe as plain values; the learning rate stands once, with the optimizer."""
    optimizer: Entry = chosen["optimizer"]
    rate = chosen["learning_rate"]
    if rate is not None:
        if "learning_rate" in optimizer.given:
            raise BadInput(
                f"{optimizer.name}'s learning rate is given twice",
                where="train.learning_rate or compare.learning_rate",
                got=f"{optimizer.parameters['learning_rate']} with the optimizer and {rate} beside it",
                remedy="keep one of them",
            )
        optimizer = optimizer.model_copy(update={"parameters": {**optimizer.parameters, "learning_rate": rate}})
    plain = {axis: _plain(value) for axis, value in chosen.items() if axis != "learning_rate"}
    for axis, nothing in (("augmentation", None), ("imbalance", "none")):
        if plain[axis] == nothing:  # so that a recipe without it is identified as before there was any
            del plain[axis]
    return {**plain, "optimizer": _plain(optimizer)}


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _label(chosen: Mapping[str, Any], compared: Sequence[str]) -> str:
    """`adam · cosine (warmup 0.1) · batch size 64`: the optimizer, and whatever else is compared."""
    parts = [str(chosen["optimizer"])]
    for axis in compared:
        if axis != "optimizer":
            parts.append(_part(axis, chosen[axis]))
    return " · ".join(parts)


def _part(axis: str, value: Any) -> str:
    if isinstance(value, Entry | Augmentation):
        return str(value)
    kind = axis.replace("_", " ")
    if isinstance(value, EarlyStopping):
        said = [name for name in type(value).model_fields if name == "patience" or name in value.model_fields_set]
        return f"{kind} {_listed(value, said)}"
    if isinstance(value, Regularisation | Clipping):
        said = [name for name, item in value if item]
        return _listed(value, said) if isinstance(value, Regularisation) and said else f"{kind} {_listed(value, said)}"
    return f"{kind} {'none' if value is None else value}"


def _listed(value: BaseModel, names: Sequence[str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {getattr(value, name)}" for name in names) or "none"


def lay_out(
    spec: Spec,
    dataset: Dataset,
    parts: Mapping[str, int],
    features: tuple[int, ...],
    *,
    resampled: int | None = None,
) -> Plan:
    """The whole plan.

    Args:
        parts: Rows of train, val and test.
        features: Shape of one preprocessed row.
        resampled: Rows of train once its classes are made equal; None: they are.

    Raises:
        BadInput: no recipe fits the data, or a metric doesn't fit the task.
    """
    metric, also = _metrics(spec, dataset.task)
    _check_target(spec, dataset.task)
    recipes, skipped = _fitting(recipes_of(spec, dataset.kind), dataset)
    if not recipes:
        reasons = "; ".join(f"{item['recipe']}: {item['reason']}" for item in skipped)
        raise BadInput(
            "no recipe fits the data", where="compare", got=reasons, remedy="change the model or the recipes"
        )
    split = spec.data.split.model_dump(mode="json")
    key = identifier({"data": dataset.digest, "split": split, "features": list(dataset.table.columns)})
    trials = [_planned(recipe, seed, key) for recipe in recipes for seed in range(spec.train.seeds)]
    by_id = {recipe.recipe_id: recipe for recipe in recipes}
    scored = sum(parts.values())
    if dataset.streamed is not None:
        scored += len(dataset.streamed.sample) - parts["train"]
    rows = _Rows(
        features=features,
        classes=len(dataset.classes) if dataset.classes else None,
        train=parts["train"],
        resampled=parts["train"] if resampled is None else resampled,
        scored=scored,
        augmentation_seconds=_augmentation_seconds(recipes, dataset),
    )
    stacks, seconds, probed = _stacks(trials, by_id, rows, [metric, *also])
    if dataset.streamed is not None:
        stacks = _streamed(stacks, features)
    steps = sum(stack.steps * stack.size for stack in stacks)
    return Plan(
        experiment=spec.name,
        description=spec.description,
        spec=as_written(spec),
        task=dataset.task,
        metric=metric,
        also=also,
        confidence=spec.evaluate.confidence,
        data=_described(dataset) | _held(dataset, parts, features),
        parts=dict(parts),
        recipes=recipes,
        trials=trials,
        stacks=stacks,
        skipped=skipped,
        probe=probed,
        cost={"trials": len(trials), "steps": steps, "seconds": round(seconds, 1)},
    )


def _metrics(spec: Spec, task: str) -> tuple[str, list[str]]:
    """The deciding metric and the others; gates' metrics are measured too. Checks that each fits the task."""
    named = [("evaluate.metric", spec.evaluate.metric)] if spec.evaluate.metric else []
    named += [(f"evaluate.also[{index}]", name) for index, name in enumerate(spec.evaluate.also)]
    named += [(f"gates[{index}].metric", gate.metric) for index, gate in enumerate(spec.gates)]
    for where, name in named:
        check_metric(name, task, where)
    metric = spec.evaluate.metric or default_metrics(task)[0]
    others = [*(spec.evaluate.also or default_metrics(task)), *(gate.metric for gate in spec.gates)]
    return metric, [name for name in dict.fromkeys(others) if name != metric]


def _check_target(spec: Spec, task: str) -> None:
    target = spec.train.stop_at
    if target and task not in MEASURED[target.metric].tasks:
        raise BadInput(
            f"{target.metric} is not measured while training on {task}",
            where="train.stop_at.metric",
            got=target.metric,
            accepted="one of " + ", ".join(name for name, measured in MEASURED.items() if task in measured.tasks),
        )


def _described(dataset: Dataset) -> dict[str, Any]:
    numbers = set(dataset.numbers)
    return {
        "name": dataset.name,
        "rows": dataset.rows,
        "digest": dataset.digest,
        "target": dataset.target_name,
        "classes": list(dataset.classes) if dataset.classes else None,
        "source": dataset.source,
        "licence": dataset.licence,
        "notes": list(dataset.notes),
        "columns": [
            {"name": str(name), "kind": "number" if name in numbers else "category"} for name in dataset.table.columns
        ],
        "kind": dataset.kind,
        "image_shape": list(dataset.images.shape[1:]) if dataset.images is not None else None,
        "text": None if dataset.texts is None else str(dataset.texts.name),
        "sound": None
        if dataset.sounds is None or dataset.rate is None
        else {"rate": dataset.rate, "seconds": dataset.sounds.shape[1] / dataset.rate},
    }


def _held(dataset: Dataset, parts: Mapping[str, int], features: tuple[int, ...]) -> dict[str, Any]:
    """How the rows are held and shuffled.

    `memory_bytes` is about what the data take beside the stacks: some numbers for every row, and of the rows in memory
    the raw and the preprocessed inputs, the latter as a whole and once or twice by parts.
    """
    held = dataset.rows if dataset.streamed is None else len(dataset.streamed.sample)
    inputs = dataset.raw
    if isinstance(inputs, np.ndarray):
        raw = inputs[:1].nbytes
    elif dataset.texts is not None:
        raw = int(inputs.memory_usage(index=False, deep=True).sum()) // dataset.rows
    else:
        raw = 8 * len(inputs.columns)
    copies = 3 if dataset.streamed is None else 2
    return {
        "streamed": dataset.streamed is not None,
        "shuffle": "whole" if dataset.streamed is None else shuffle_policy(parts["train"], math.prod(features)),
        "memory_bytes": held * (raw + copies * 4 * math.prod(features)) + _ROW_BYTES * dataset.rows,
    }


_ROW_BYTES = 150
"""Of each row whatever its width, measured: its target and part in several forms while the rows are divided."""


def _streamed(stacks: Sequence[PlannedStack], features: tuple[int, ...]) -> list[PlannedStack]:
    """The stacks with the memory of the windows that each holds.

    Raises:
        BadInput: one goes through `Model.fit`, which takes whole epochs.
    """
    unfit = next((stack.why for stack in stacks if stack.trainer == "fit"), None)
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


def _fitting(recipes: Iterable[Recipe], dataset: Dataset) -> tuple[list[Recipe], list[dict[str, str]]]:
    """The recipes that can be trained on these data, and the others with the reason."""
    fitting, skipped = [], []
    for recipe in recipes:
        reason = _misfit(recipe, dataset)
        if reason is None:
            fitting.append(recipe)
        else:
            skipped.append({"recipe": recipe.recipe, "reason": reason})
    return fitting, skipped


_INPUTS = {TABLE: "a table", IMAGE: "images", TEXT: "texts", AUDIO: "sounds"}


def _misfit(recipe: Recipe, dataset: Dataset) -> str | None:
    regularisation = recipe.settings["regularisation"]
    (model, _), *_ = recipe.settings["model"].items()
    takes = MODELS[model](**recipe.settings["model"][model]).takes
    if dataset.kind not in takes:
        return (
            f"{model} takes {' or '.join(_INPUTS[kind] for kind in takes)}, and these data are {_INPUTS[dataset.kind]}"
        )
    if regularisation["dropout"] and not recipe.settings["model"][model].get("hidden"):
        return f"dropout {regularisation['dropout']} would have no effect: the model has no hidden layer"
    if regularisation["label_smoothing"] and dataset.task == "regression":
        return "label smoothing is for classification, and this is regression"
    if regularisation["weight_decay"] and OPTIMIZERS[recipe.optimizer](**_parameters(recipe, "optimizer")).weight_decay:
        return f"{recipe.optimizer} brings its own weight decay: set it there"
    imbalance = recipe.settings.get("imbalance")
    if imbalance and dataset.task == "regression":
        return f"imbalance {imbalance} is for classes, and this is regression"
    if imbalance == "resample" and dataset.streamed is not None:
        return "streamed rows are not resampled: use class_weight"
    policy = policy_of(recipe.settings.get("augmentation"))
    if policy and dataset.streamed is not None:
        return "streamed rows are not augmented: let the data be in memory (data.memory, data.rows)"
    return policy.why_not(facts(dataset)) if policy else None


def _planned(recipe: Recipe, seed: int, data_key: str) -> PlannedTrial:
    facts = {
        "variant": recipe.variant_id,
        "seed": seed,
        "fold": None,
        "stage": "final",
        "epochs": recipe.settings["epochs"],
        "data": data_key,
    }
    return PlannedTrial(
        trial_id=identifier(facts),
        recipe_id=recipe.recipe_id,
        variant_id=recipe.variant_id,
        stage="final",
        seed=seed,
        fold=None,
        epochs=recipe.settings["epochs"],
    )


def _parameters(recipe: Recipe, axis: str) -> dict[str, Any]:
    (parameters,) = recipe.settings[axis].values()
    return parameters


def bind_trial(planned: PlannedTrial, recipe: Recipe, evaluate_every: int | None = None) -> Trial:
    """The trial as the trainers take it: every name replaced by what it stands for.

    Args:
        evaluate_every: Steps, as the plan has it for the trial's stack; None: an epoch.
    """
    settings = recipe.settings
    optimizer = OPTIMIZERS[recipe.optimizer](**_parameters(recipe, "optimizer"))
    (model,) = settings["model"]
    regularisation, stopping, target = (settings[name] for name in ("regularisation", "early_stopping", "stop_at"))
    return Trial(
        trial_id=planned.trial_id,
        variant_id=planned.variant_id,
        seed=planned.seed,
        epochs=planned.epochs,
        batch_size=settings["batch_size"],
        architecture=MODELS[model](**settings["model"][model]),
        optimizer=optimizer,
        learning_rate=optimizer.learning_rate,
        schedule=SCHEDULES[recipe.schedule](**_parameters(recipe, "schedule")),
        penalties=Penalties(regularisation["l1"], regularisation["l2"], regularisation["dropout"]),
        weight_decay=regularisation["weight_decay"] or optimizer.weight_decay,
        label_smoothing=regularisation["label_smoothing"],
        clip=Clip(**settings["clipping"]),
        stopping=Stopping(**stopping) if stopping else None,
        evaluate_every=evaluate_every,
        target=Target(**target) if target else None,
        class_weights=settings.get("imbalance") == "class_weight",
    )


@dataclass(frozen=True)
class _Rows:
    """What the data are to the trainers.

    Args:
        features: Shape of one preprocessed row.
        classes: None for regression.
        train: How many rows are trained on.
        resampled: The same once classes are made equal.
        scored: Of all parts.
        augmentation_seconds: By recipe, of one core for one row.
    """

    features: tuple[int, ...]
    classes: int | None
    train: int
    resampled: int
    scored: int
    augmentation_seconds: Mapping[str, float]


def _stacks(
    trials: Sequence[PlannedTrial], recipes: Mapping[str, Recipe], rows: _Rows, metrics: Sequence[str]
) -> tuple[list[PlannedStack], float, dict[str, Any] | None]:
    """Trials of equal shapes and rows together, and of other widths where that pays (see `stacking`), what can't be
    stacked one by one; the seconds expected; and what the probe found, where one was worth its time."""
    families: dict[str, dict[str, list[PlannedTrial]]] = {}
    for trial in trials:
        family, shape = _shape(recipes[trial.recipe_id].settings)
        families.setdefault(family, {}).setdefault(shape, []).append(trial)
    alike = [[_group(each, recipes, rows) for each in by_shape.values()] for by_shape in families.values()]
    paces, probed = _paces([group for groups in alike for group in groups], rows.features)
    stacks: list[PlannedStack] = []
    seconds = 0.0
    for group in (joined for groups in alike for joined in _joined(groups, recipes, rows, paces)):
        division, longest = group.divided(paces)
        settings = recipes[group.trials[0].recipe_id].settings
        every = evaluation_steps(settings["evaluate_every"], group.steps_per_epoch, group.work, longest)
        seconds += group.seconds(division)
        stacks += [_stack(part, group, division.xla, every, metrics) for part in division.stacks]
    return stacks, seconds, probed


def _shape(settings: Mapping[str, Any]) -> tuple[str, str]:
    """What trials of one group agree in, and before it what groups agree in that differ in widths at most."""
    shape = {name: settings.get(name) for name in ("model", "batch_size", "epochs", "augmentation")}
    shape["resampled"] = settings.get("imbalance") == "resample"
    models = {
        name: {**parameters, "hidden": len(parameters.get("hidden", []))}
        for name, parameters in settings["model"].items()
    }
    return identifier({**shape, "model": models}), identifier(shape)


def _joined(
    groups: Sequence[_Group], recipes: Mapping[str, Recipe], data: _Rows, paces: Mapping[bool, Pace]
) -> list[_Group]:
    """Groups that differ in widths at most, some of them as one where that pays."""
    lanes = {tuple(sorted({trial.seed for trial in group.trials})) for group in groups}
    one_by_one = any(group.why for group in groups) or joinable([group.network for group in groups])
    if len(groups) == 1 or len(lanes) > 1 or one_by_one:
        return list(groups)
    groups = sorted(groups, key=lambda group: (group.work.parameters, group.first.architecture.hidden))

    def together(part: Sequence[int]) -> Work:
        first = groups[part[0]].work
        found = work_of(widest([groups[index].network for index in part]), first.batch_size, first.steps)
        return replace(found, answers=first.answers)

    rules = [list(group.rules.values()) for group in groups]
    return [
        groups[part[0]]
        if len(part) == 1
        else _group([trial for index in part for trial in groups[index].trials], recipes, data)
        for part in join(rules, _lanes(groups[0].trials), together, cores(), paces)
    ]


@dataclass(frozen=True)
class _Group:
    """Trials of equal shapes and rows, padded to the widest network's where widths differ.

    Args:
        network: The widest.
        first: One of them, bound.
        own: What a trial of each variant would do in its own width.
        rules: Update rule by variant.
        rows: Of an epoch.
        lane_bytes: Memory that the augmented rows of one seed take in a stack.
        augmentation: Seconds of one core for what one seed sees.
        once: Whether augmented rows are made once for all stacks, not in each.
        tokens: How many there are, where the inputs are token numbers.
    """

    trials: list[PlannedTrial]
    network: Any
    first: Trial
    rules: dict[str, str]
    why: str | None
    work: Work
    own: dict[str, Work]
    rows: int
    steps_per_epoch: int
    lane_bytes: int
    augmentation: float
    once: bool
    classes: int | None
    tokens: int | None

    def divided(self, paces: Mapping[bool, Pace]) -> tuple[Division[PlannedTrial], float]:
        """The stacks, and the seconds that the longest is expected to take."""
        if self.why:
            longest = self.work.steps * _FIT_STEP_SECONDS
            return Division([[trial] for trial in self.trials], False, len(self.trials) * longest), longest
        columns: dict[str, list[PlannedTrial]] = {}
        for trial in self.trials:
            columns.setdefault(trial.variant_id, []).append(trial)
        # Each stack makes its own rows, on the cores that no stack trains on.
        divisions = [
            divide(list(columns.values()), [self.rules[each] for each in columns], self.work, side_by_side, paces)
            for side_by_side in ([1, cores()] if self.augmentation else [cores()])
        ]
        division = min(divisions, key=self.seconds)
        return division, max(
            self.work.seconds(
                len(part),
                len({self.rules[each.variant_id] for each in part}),
                xla=division.xla,
                pace=paces[division.xla],
            )
            for part in division.stacks
        )

    def seconds(self, division: Division[PlannedTrial]) -> float:
        """Expected of a division, augmentation included."""
        if self.once:
            return division.seconds + self.augmentation * _lanes(self.trials) / cores()
        making = self.augmentation * sum(map(_lanes, division.stacks))
        busy = 1 if self.why else min(len(division.stacks), cores())
        return max(division.seconds, (division.seconds * busy + making) / cores())


def _lanes(trials: Sequence[PlannedTrial]) -> int:
    """Trials of one seed see the same rows."""
    return len({trial.seed for trial in trials})


def _group(trials: list[PlannedTrial], recipes: Mapping[str, Recipe], data: _Rows) -> _Group:
    bound = [bind_trial(trial, recipes[trial.recipe_id]) for trial in trials]
    outputs = data.classes or 1
    widths = {trial.architecture.hidden: trial.architecture for trial in bound}
    models = {hidden: architecture.build(data.features, outputs) for hidden, architecture in widths.items()}
    model = widest(list(models.values()))
    recipe = recipes[trials[0].recipe_id]
    augmentation = recipe.settings.get("augmentation")
    times = augmentation["times"] if augmentation else None
    originals = data.resampled if recipe.settings.get("imbalance") == "resample" else data.train
    rows = originals * (1 + (times or 0))
    versions = originals * bound[0].epochs if times is None else data.train * times
    row_bytes = 4 * math.prod(data.features)
    ahead = held_bytes(rows, row_bytes, CHUNK_BYTES // _lanes(trials)) if augmentation else 0
    steps_per_epoch = -(-rows // bound[0].batch_size)
    steps = bound[0].epochs * steps_per_epoch
    work = work_of(model, bound[0].batch_size, steps)
    works = {hidden: work_of(each, bound[0].batch_size, steps) for hidden, each in models.items()}
    return _Group(
        trials=trials,
        network=model,
        first=bound[0],
        rules={trial.variant_id: trial.optimizer.update.__name__ for trial in bound},
        why=why_not(model),
        own={trial.variant_id: works[trial.architecture.hidden] for trial in bound},
        work=replace(work, answers=data.scored * outputs),
        rows=rows,
        steps_per_epoch=steps_per_epoch,
        lane_bytes=ahead if times is None else data.train * times * row_bytes,
        augmentation=data.augmentation_seconds[recipe.recipe_id] * versions,
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


def _paces(groups: Sequence[_Group], features: tuple[int, ...]) -> tuple[Mapping[bool, Pace], dict[str, Any] | None]:
    """The machine's pace on the network that is most of the work, and the probe's figures for plan.json."""
    stacked = [(group.divided(AS_MODELLED)[0].seconds, group) for group in groups if not group.why]
    if not stacked:
        return AS_MODELLED, None
    _, group = max(stacked, key=lambda each: each[0])
    pays = PROBE_SHARE * sum(seconds for seconds, _ in stacked)
    if sum(_probe_seconds(group.work, xla) for xla in (True, False)) > pays:
        return AS_MODELLED, None
    paces, found = {}, {}
    for xla, name in ((True, "xla"), (False, "graph")):
        measured = probe.measure(group.first, features, group.classes, tokens=group.tokens, xla=xla)
        paces[xla] = Pace(
            measured.compile_seconds / group.work.compile_seconds(1, xla=xla),
            measured.step_seconds / group.work.step_seconds(measured.trials, 1, xla=xla),
        )
        found[name] = asdict(measured) | {"pace": asdict(paces[xla])}
    return paces, found


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
    """By recipe, what augmenting one example takes one core; 0 without augmentation."""
    few = examples(dataset, np.arange(min(_EXAMPLES_TRIED, dataset.rows)))
    taken: dict[str, float] = {}
    for recipe in recipes:
        document = recipe.settings.get("augmentation")
        policy = policy_of(document)
        if policy and identifier(document) not in taken:
            taken[identifier(document)] = example_seconds(policy, few)
    documents = {recipe.recipe_id: recipe.settings.get("augmentation") for recipe in recipes}
    return {name: taken[identifier(document)] if document else 0.0 for name, document in documents.items()}


_EXAMPLES_TRIED = 64


def _stack(
    trials: Sequence[PlannedTrial], group: _Group, xla: bool, every: int, metrics: Sequence[str]
) -> PlannedStack:
    """A stack is identified by all that stands in its records: what was trained, and what was measured and when."""
    ids, work = [trial.trial_id for trial in trials], group.work
    lanes = _lanes(trials)
    own = {trial.trial_id: group.own[trial.variant_id] for trial in trials}
    return PlannedStack(
        stack_id=identifier({"trials": ids, "metrics": list(metrics), "xla": xla, "every": every}),
        trainer="fit" if group.why else "stack",
        why=group.why or "",
        xla=xla,
        trials=ids,
        lanes=lanes,
        size=len(ids),
        parameters=work.parameters,
        rows=group.rows,
        steps=work.steps,
        batch_size=work.batch_size,
        augmentation_seconds=round(group.augmentation * lanes, 3),
        evaluate_every=every,
        memory_bytes=work.trial_bytes * len(ids) + CHUNK_BYTES + EVALUATION_BYTES + group.lane_bytes * lanes,
        narrower={name: each.parameters for name, each in own.items() if each.parameters < work.parameters},
        fill=sum(each.flops for each in own.values()) / (work.flops * len(ids)),
    )
