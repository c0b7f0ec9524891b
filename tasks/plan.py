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
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import BaseModel

from tasks.dataset import AUDIO, IMAGE, TABLE, TEXT, Dataset
from tasks.errors import BadInput
from tasks.evaluation.metrics import check_metric, default_metrics
from tasks.spec.entries import Entry, bind
from tasks.spec.models import Clipping, Compare, EarlyStopping, Regularisation, Spec, as_written
from tasks.stacking import Division, Work, cores, divide
from tasks.training.models import DEFAULT_MODELS, MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stacked_layers import why_not
from tasks.training.trial import Clip, Stopping, Trial

SCHEMA_VERSION = 1
MAX_TRIALS = 5_000
AXES = tuple(Compare.model_fields)
"""What a recipe consists of, in the order in which labels name it."""


@dataclass(frozen=True)
class Recipe:
    """One arm of the comparison, every hyperparameter bound.

    Args:
        recipe: Readable: what tells it from the other recipes.
        settings: Axis to value, plain JSON; complete.
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
        parameters: Trainable weights of one trial.
        steps: Training steps of one trial.
        batch_size: Rows a step.
        memory_bytes: The most it should need, by arithmetic.
    """

    stack_id: str
    trainer: str
    why: str
    xla: bool
    trials: list[str]
    lanes: int
    size: int
    parameters: int
    steps: int
    batch_size: int
    memory_bytes: int


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
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> dict[str, Any]:
        value = asdict(self)
        for recipe in value["recipes"]:
            recipe["params"] = recipe.pop("settings")
        return value

    def following(self, earlier: dict[str, Any]) -> Plan:
        """This plan with the stacks of an earlier plan.json, where that has the same trials and measures the same.

        Stacks are divided for the machine at hand; whoever goes on with a run keeps the division it was begun with.
        """
        same = [{each["trial_id"] for each in earlier["trials"]}, earlier["metric"], earlier["also"]]
        if same != [{each.trial_id for each in self.trials}, self.metric, self.also]:
            return self
        return replace(self, stacks=[PlannedStack(**each) for each in earlier["stacks"]], cost=earlier["cost"])

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
        settings = _settings(chosen)
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
    if isinstance(value, Entry):
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


def lay_out(spec: Spec, dataset: Dataset, parts: Mapping[str, int], features: tuple[int, ...]) -> Plan:
    """The whole plan.

    Args:
        parts: Rows of train, val and test.
        features: Shape of one preprocessed row.

    Raises:
        BadInput: no recipe fits the data, or a metric doesn't fit the task.
    """
    metric, also = _metrics(spec, dataset.task)
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
    stacks, seconds = _stacks(trials, by_id, features, len(dataset.classes or (0,)), parts["train"], [metric, *also])
    steps = sum(stack.steps * stack.size for stack in stacks)
    return Plan(
        experiment=spec.name,
        description=spec.description,
        spec=as_written(spec),
        task=dataset.task,
        metric=metric,
        also=also,
        confidence=spec.evaluate.confidence,
        data=_described(dataset),
        parts=dict(parts),
        recipes=recipes,
        trials=trials,
        stacks=stacks,
        skipped=skipped,
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
    return None


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


def bind_trial(planned: PlannedTrial, recipe: Recipe) -> Trial:
    """The trial as the trainers take it: every name replaced by what it stands for."""
    settings = recipe.settings
    optimizer = OPTIMIZERS[recipe.optimizer](**_parameters(recipe, "optimizer"))
    (model,) = settings["model"]
    regularisation, stopping = settings["regularisation"], settings["early_stopping"]
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
    )


def _stacks(
    trials: Sequence[PlannedTrial],
    recipes: Mapping[str, Recipe],
    features: tuple[int, ...],
    outputs: int,
    train_rows: int,
    metrics: Sequence[str],
) -> tuple[list[PlannedStack], float]:
    """Trials of equal shapes together (see `stacking`), what can't be stacked one by one; and the seconds expected."""
    groups: dict[str, list[PlannedTrial]] = {}
    for trial in trials:
        settings = recipes[trial.recipe_id].settings
        shape = {name: settings[name] for name in ("model", "batch_size", "epochs")}
        groups.setdefault(identifier(shape), []).append(trial)
    stacks: list[PlannedStack] = []
    seconds = 0.0
    for group in groups.values():
        bound = [bind_trial(trial, recipes[trial.recipe_id]) for trial in group]
        model = bound[0].architecture.build(features, outputs)
        work = work_of(model, bound[0].batch_size, bound[0].epochs * -(-train_rows // bound[0].batch_size))
        why = why_not(model)
        if why:
            division = Division([[trial] for trial in group], False, len(group) * work.steps * _FIT_STEP_SECONDS)
        else:
            columns: dict[str, list[PlannedTrial]] = {}
            for trial in group:
                columns.setdefault(trial.variant_id, []).append(trial)
            rules = {trial.variant_id: trial.optimizer.update.__name__ for trial in bound}
            division = divide(list(columns.values()), [rules[each] for each in columns], work, cores())
        seconds += division.seconds
        stacks += [_stack(part, why, division.xla, work, metrics) for part in division.stacks]
    return stacks, seconds


_FIT_STEP_SECONDS = 2.5e-3
"""Of one step of `Model.fit` with a small network, for the estimate; no result depends on it."""


def work_of(model: Any, batch_size: int, steps: int) -> Work:
    """What training a network costs, read from its layers."""
    flops = activations = 0
    for layer in model.layers:
        shape = layer.output.shape[1:]
        activations += math.prod(shape)
        for kernel in layer.trainable_weights[:1]:
            if len(kernel.shape) > 1 and not hasattr(layer, "embeddings"):  # which are looked up, not multiplied
                flops += 2 * math.prod(kernel.shape) * math.prod(shape[:-1])
    return Work(sum(math.prod(each.shape) for each in model.trainable_weights), flops, activations, batch_size, steps)


def _stack(
    trials: Sequence[PlannedTrial], why: str | None, xla: bool, work: Work, metrics: Sequence[str]
) -> PlannedStack:
    """A stack is identified by all that stands in its records: what was measured, as well as what was trained."""
    ids = [trial.trial_id for trial in trials]
    return PlannedStack(
        stack_id=identifier({"trials": ids, "metrics": list(metrics), "xla": xla}),
        trainer="fit" if why else "stack",
        why=why or "",
        xla=xla,
        trials=ids,
        lanes=len({trial.seed for trial in trials}),
        size=len(ids),
        parameters=work.parameters,
        steps=work.steps,
        batch_size=work.batch_size,
        memory_bytes=work.trial_bytes * len(ids),
    )
