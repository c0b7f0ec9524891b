"""The plan: the recipes (`tasks.planning.recipes`) resolved for the data before anything is trained: which don't fit
(with the reason), trials, stacks, cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.augmentation.policy import policy_of
from tasks.dataset import Dataset
from tasks.errors import BadInput
from tasks.evaluation.metrics import COST, METRICS, check_metric, deciding_metric, default_metrics
from tasks.explanations.explainers import refuse_misfits
from tasks.kinds import FORMS
from tasks.planning.decisions import decides_of
from tasks.planning.groups import RowCounts
from tasks.planning.peak import peak_bytes, predicted_values
from tasks.planning.recipes import identifier, recipes_of
from tasks.planning.searches import Search, searches_of
from tasks.planning.stacks import Earlier, Machine, PlanContext, calibrations_of
from tasks.planning.trials import planned
from tasks.records.decisions import Decides
from tasks.records.plan import (
    FOLD,
    MIXED,
    Column,
    Cost,
    DataDescription,
    DataFacts,
    FoldChoice,
    FoldSearches,
    HeldOut,
    Plan,
    Probe,
    Recipe,
    Skipped,
    Sound,
    SourceColumn,
)
from tasks.records.search_plan import SearchPlan
from tasks.records.settings import absent
from tasks.search.space import Choices
from tasks.spec.models import Spec, as_written, metrics_named
from tasks.spec.places import drops, place_of
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.streaming import shuffle_policy
from tasks.training.trial import MEASURED


def lay_out(
    spec: Spec,
    dataset: Dataset,
    parts: Mapping[str, int],
    features: tuple[int, ...],
    *,
    resampled: int | None = None,
    lengths: tuple[int, ...] = (),
    commonest: Commonest | None = None,
    machine: Machine | None = None,
    earlier: Earlier | None = None,
    held_out: Sequence[RowCounts] = (),
) -> Plan:
    """Lays out the whole plan. Where something is tuned, the plan has no trials yet, and their cost is estimated with
    the recipes as the spec has them.

    Args:
        parts: Rows of train, val and test.
        features: Shape of one preprocessed row.
        resampled: Rows of train after resampling to equal classes; None: as many as before.
        lengths: Tokens of each text at a row's end (see `Architecture.lengths`).
        commonest: The class that most training rows are of; None for regression.
        machine: The machine that the trials are laid out for; None: this one.
        earlier: Finds the trials that are trained already.
        held_out: Row counts of the outer folds, where the procedure is judged out of fold; empty: the verdict is
            computed on the test part.

    Raises:
        BadInput: no recipe fits the data, a metric doesn't fit the task, or a search can't be done.
    """
    rows = RowCounts.of(dataset, parts, features, resampled, lengths)
    machine = machine or Machine()
    plan = _planned(spec, dataset, parts, rows, machine, commonest, earlier)
    if held_out:
        plan = _with_held_out(plan, spec, dataset, rows, held_out, machine, earlier)
    if plan.search is None:
        return plan
    judged = plan.held_out and replace(plan.held_out, trials=[], stacks=[])
    return replace(plan, trials=[], stacks=[], held_out=judged)


def _with_held_out(
    plan: Plan,
    spec: Spec,
    dataset: Dataset,
    rows: RowCounts,
    held_out: Sequence[RowCounts],
    machine: Machine,
    earlier: Earlier | None,
    chosen: Mapping[int, Sequence[Recipe]] = {},
    choices: Sequence[FoldChoice] = (),
) -> Plan:
    """Adds to the plan the trials of folds that are held out in turn.

    Args:
        rows: Row counts of the run's own parts.
        held_out: Row counts of each fold.
        chosen: By fold, the recipes with what their searches chose there; empty: the plan's recipes.
        choices: What was chosen, for plan.json.
    """
    folds, repeats, seeds = spec.evaluate.folds, spec.evaluate.repeats, spec.train.seeds
    assert folds is not None
    by_fold: dict[int | None, RowCounts] = {None: rows, **dict(enumerate(held_out))}
    context = PlanContext(dataset, by_fold, plan.metrics, machine, plan.decides or Decides(), earlier)
    # The number of folds is in the key: the first of three folds is not the first of five.
    key = identifier({"data": context.key(spec), "held out": folds})
    trials = [
        planned(recipe, fold * seeds + seed, key, stage=FOLD, fold=fold)
        for fold in range(folds * repeats)
        for recipe in chosen.get(fold, plan.recipes)
        for seed in range(seeds)
    ]
    if spec.evaluate.seed_sources:
        trials += [
            planned(recipe, fold * seeds, key, stage=MIXED, fold=fold, initial=fold * seeds + 1)
            for fold in range(folds * repeats)
            for recipe in chosen.get(fold, plan.recipes)
        ]
    found = {each.variant_id: each for of_fold in chosen.values() for each in of_fold}
    variants = list(({each.variant_id: each for each in plan.recipes} | found).values())
    stacks, seconds, _ = context.stacks(trials, variants, calibrations_of(plan.probe))
    learned = [each.train + each.validated for each in held_out]
    judged = [each.scored - count for each, count in zip(held_out, learned, strict=True)]
    judging = HeldOut(
        folds=folds,
        repeats=repeats,
        rows=sum(judged[:folds]),
        learned_from=(min(learned), max(learned)),
        ratio=float(np.mean(np.divide(judged, learned))),
        trials=trials,
        stacks=stacks,
        searched=FoldSearches(list(found.values()), list(choices)) if chosen else None,
    )
    cost = Cost(
        trials=plan.cost.trials + len(trials),
        steps=plan.cost.steps + sum(stack.steps_taken for stack in stacks),
        seconds=round(plan.cost.seconds + seconds, 1),
        memory_bytes=plan.cost.memory_bytes,
    )
    return replace(plan, held_out=judging, cost=cost)


def lay_out_chosen(
    spec: Spec,
    dataset: Dataset,
    parts: Mapping[str, int],
    features: tuple[int, ...],
    chosen: Sequence[Recipe],
    probe: Probe | None,
    *,
    resampled: int | None = None,
    lengths: tuple[int, ...] = (),
    commonest: Commonest | None = None,
    machine: Machine | None = None,
    earlier: Earlier | None = None,
    held_out: Sequence[RowCounts] = (),
    in_folds: Mapping[int, Sequence[Recipe]] = {},
    choices: Sequence[FoldChoice] = (),
) -> Plan:
    """Lays out the plan after a search, with its trials.

    Args:
        parts, features, resampled, lengths, commonest, machine, earlier, held_out: As for `lay_out`.
        chosen: The recipes with what the search chose for each.
        in_folds: By outer fold, the recipes with what the search in that fold chose for each.
        choices: What was chosen in outer folds, for plan.json.
        probe: The probe of the plan before the search. It was written down before anything was trained, so a search
            that was killed and resumed gets the same stacks.
    """
    rows = RowCounts.of(dataset, parts, features, resampled, lengths)
    machine = machine or Machine()
    plan = _planned(spec, dataset, parts, rows, machine, commonest, earlier, chosen, probe)
    if not held_out:
        return plan
    return _with_held_out(plan, spec, dataset, rows, held_out, machine, earlier, in_folds, choices)


def _planned(
    spec: Spec,
    dataset: Dataset,
    parts: Mapping[str, int],
    rows: RowCounts,
    machine: Machine,
    commonest: Commonest | None,
    earlier: Earlier | None,
    chosen: Sequence[Recipe] | None = None,
    probe: Probe | None = None,
) -> Plan:
    metric, also = measured(spec, dataset.task, commonest)
    decides = decides_of(spec.evaluate, dataset)
    compared, misfits = _fitting(recipes_of(spec, dataset.form.model), dataset, parts["train"])
    _refuse_misfits(spec, compared, misfits)
    refuse_misfits(spec.explain, compared)
    searches = searches_of(spec, compared)
    _check_searched(searches, dataset, parts["train"])
    recipes = list(chosen or compared)
    context = PlanContext(dataset, {None: rows}, (metric, *also), machine, decides, earlier)
    trials = [planned(recipe, seed, context.key(spec)) for recipe in recipes for seed in range(spec.train.seeds)]
    stacks, seconds, probed = context.stacks(trials, recipes, calibrations_of(probe) if chosen else None)
    steps = sum(stack.steps_taken for stack in stacks)
    facts = _facts(dataset, parts, rows.features)
    predicted = predicted_values(dataset, parts, len(trials), len(recipes))
    peak = peak_bytes(dataset, facts.memory_bytes, predicted, stacks, machine.sharing)
    return Plan(
        experiment=spec.name,
        description=spec.description,
        spec=as_written(spec),
        task=dataset.task,
        metric=metric,
        also=also,
        metric_why=commonest.why if commonest and _by_imbalance(spec, dataset.task, commonest) else None,
        confidence=spec.evaluate.confidence,
        decides=None if decides == Decides() else decides,
        ship="best" if spec.evaluate.ship == "best" else None,
        data=facts,
        parts=dict(parts),
        recipes=recipes,
        trials=trials,
        stacks=stacks,
        skipped=[Skipped(recipe, misfit.reason) for recipe, misfit in misfits.items()],
        probe=probe if chosen and probe else probed,
        cost=Cost(trials=len(trials), steps=steps, seconds=round(seconds, 1), memory_bytes=peak),
        search=_search(spec, searches, metric) if searches else None,
    )


def _refuse_misfits(spec: Spec, recipes: Sequence[Recipe], misfits: Mapping[str, Misfit]) -> None:
    """Raises BadInput where no recipe is left."""
    if not recipes:
        raise BadInput(
            "no recipe fits the data",
            where=_place(spec, next(iter(misfits.values())).axis),
            got="; ".join(f"{recipe}: {misfit.reason}" for recipe, misfit in misfits.items()),
            remedy="change the model or the recipes",
        )


def _search(spec: Spec, searches: Sequence[Search], metric: str) -> SearchPlan:
    """The search as the plan has it."""
    assert spec.tune is not None
    methods = dict.fromkeys(search.method for search in searches)
    return SearchPlan(
        method=", ".join(methods),
        trials=spec.tune.trials or max(search.trials for search in searches),
        seeds=spec.tune.seeds,
        folds=spec.tune.folds,
        metric=metric,
        greater_is_better=METRICS[metric].greater_is_better,
        cost=spec.tune.cost,
        recipes=[search.planned() for search in searches],
        stacks=[],
    )


@dataclass(frozen=True)
class Commonest:
    """The commonest class and its share: among the training rows, or by the real shares where the spec has them."""

    name: str
    share: float
    of: str = "the training rows"

    @property
    def why(self) -> str:
        """Why accuracy does not decide."""
        return f"{self.share:.0%} of {self.of} are of {self.name}, so accuracy would say little"

    @classmethod
    def among(cls, dataset: Dataset, train: np.ndarray, prior: Sequence[float] | None = None) -> Commonest | None:
        """Finds it among the rows `train` (positions in the data set), or by the real shares; None for regression."""
        if prior is not None and dataset.classes is not None:
            return cls(dataset.classes[int(np.argmax(prior))], max(prior), "real cases")
        if dataset.classes is None or not len(train):
            return None
        counts = np.bincount(dataset.target[train], minlength=len(dataset.classes))
        return cls(dataset.classes[int(counts.argmax())], float(counts.max() / len(train)))


def measured(spec: Spec, task: str, commonest: Commonest | None = None) -> tuple[str, list[str]]:
    """The deciding metric and the others; gates' metrics are measured too.

    Args:
        commonest: None where it is not known yet: then unbalanced classes are not noticed.

    Raises:
        BadInput: one of them, or that of `stop_at`, doesn't fit the task.
    """
    _check_target(spec, task)
    for where, name in metrics_named(spec).items():
        check_metric(name, task, where)
    metric = spec.evaluate.metric or (COST if spec.evaluate.cost else _usual(task, commonest))
    unbalanced = _by_imbalance(spec, task, commonest)
    others = [
        *([COST] if spec.evaluate.cost else []),
        *(spec.evaluate.also or [*default_metrics(task), *(_BESIDE if unbalanced else ())]),
        *(["accuracy"] if unbalanced else []),  # to say what always predicting the commonest class would get
        *(gate.metric for gate in spec.gates if gate.metric in METRICS),
    ]
    return metric, [name for name in dict.fromkeys(others) if name != metric]


def _usual(task: str, commonest: Commonest | None) -> str:
    return deciding_metric(task, commonest.share if commonest else None)


def _by_imbalance(spec: Spec, task: str, commonest: Commonest | None) -> bool:
    """Whether the deciding metric follows from unbalanced classes."""
    named = spec.evaluate.metric is not None or spec.evaluate.cost is not None
    return not named and _usual(task, commonest) != _usual(task, None)


_BESIDE = ("pr_auc", "mcc")
"""Metrics that are added where classes are unbalanced."""


def _check_target(spec: Spec, task: str) -> None:
    target = spec.train.stop_at
    if target and task not in MEASURED[target.metric].tasks:
        raise BadInput(
            f"{target.metric} is not measured while training on {task}",
            where="train.stop_at.metric",
            got=target.metric,
            accepted="one of " + ", ".join(name for name, measured in MEASURED.items() if task in measured.tasks),
        )


def described(dataset: Dataset) -> DataDescription:
    """What plan.json says of the data, except how they are held in memory."""
    inputs = dataset.form.described(dataset)
    return DataDescription(
        name=dataset.name,
        rows=dataset.rows,
        digest=dataset.digest,
        target=dataset.target_name,
        classes=list(dataset.classes) if dataset.classes else None,
        positive=dataset.positive_class,
        positive_why=dataset.positive.why if dataset.positive else None,
        source=dataset.source,
        licence=dataset.licence,
        notes=list(dataset.notes),
        columns=[Column(**column) for column in inputs["columns"]],
        kind=dataset.form.name,
        image_shape=inputs["image_shape"],
        text=inputs["text"],
        sound=Sound(**inputs["sound"]) if inputs["sound"] else None,
        source_columns=[SourceColumn(**column["facts"]) for column in dataset.columns],
    )


def _facts(dataset: Dataset, parts: Mapping[str, int], features: tuple[int, ...]) -> DataFacts:
    """The data, and how their rows are held and shuffled.

    `memory_bytes` is about what the data take beside the stacks: some numbers for every row, and of the rows in memory
    the raw and the preprocessed inputs, the latter as a whole and by parts.
    """
    held = dataset.rows if dataset.streamed is None else len(dataset.streamed.sample)
    raw = dataset.form.row_bytes(dataset)
    return DataFacts(
        **vars(described(dataset)),
        streamed=dataset.streamed is not None,
        shuffle="whole" if dataset.streamed is None else shuffle_policy(parts["train"], math.prod(features)),
        memory_bytes=held * (raw + 2 * 4 * math.prod(features)) + _ROW_BYTES * dataset.rows,
    )


_ROW_BYTES = 150
"""Bytes of each row, whatever its width (measured): its target and part in several forms while rows are divided."""


@dataclass(frozen=True)
class Misfit:
    """Why a recipe can't be trained on the data.

    Args:
        axis: Which part of the recipe does not fit, one of `AXES`.
    """

    axis: str
    reason: str


def _fitting(recipes: Iterable[Recipe], dataset: Dataset, train: int) -> tuple[list[Recipe], dict[str, Misfit]]:
    """The recipes that can be trained on these data, and the others, by name, with the reason.

    Args:
        train: Rows of the training part.
    """
    fitting, misfits = [], {}
    for recipe in recipes:
        misfit = _misfit(recipe, dataset, train)
        if misfit is None:
            fitting.append(recipe)
        else:
            misfits[recipe.recipe] = misfit
    return fitting, misfits


def _place(spec: Spec, axis: str) -> str:
    """The key of the spec that sets this axis of a recipe."""
    if getattr(spec.compare, axis):
        return f"compare.{axis}"
    return axis if axis == "model" else f"train.{axis}"


def _check_searched(searches: Sequence[Search], dataset: Dataset, train: int) -> None:
    """Checks the ends or choices of what is searched, one by one, against the data.

    Raises:
        BadInput: no recipe with such a value can be trained on them.
    """
    for search in searches:
        for dimension in search.space:
            if place_of(dimension.name, search.recipe.settings) is None:
                continue  # it comes with a searched schedule or augmentation, which is tried itself
            over = dimension.over
            for value in over.values if isinstance(over, Choices) else (over.low, over.high):
                tried = search.variant({dimension.name: value})
                misfit = _misfit(tried, dataset, train)
                if misfit is not None:
                    raise BadInput(
                        f"a searched value does not fit the data: {misfit.reason}",
                        where=f"tune.space.{dimension.name}",
                        got=str(value),
                        remedy="take it out",
                    )


def _misfit(recipe: Recipe, dataset: Dataset, train: int) -> Misfit | None:
    """Why a recipe does not fit the data; None where it fits. `train` as for `_fitting`."""
    checks = (
        _model_misfit,
        _gradient_misfit,
        _regularisation_misfit,
        _loss_misfit,
        _imbalance_misfit,
        _augmentation_misfit,
    )
    found = next((misfit for check in checks if (misfit := check(recipe, dataset)) is not None), None)
    return found or _rows_misfit(recipe, dataset, train)


def _model_misfit(recipe: Recipe, dataset: Dataset) -> Misfit | None:
    model, parameters = recipe.settings.model
    takes = MODELS[model](**parameters).takes
    if dataset.form.name in takes:
        return None
    nouns = {form.name: form.noun for form in FORMS}
    taken = " or ".join(nouns[name] for name in takes)
    return Misfit("model", f"{model} takes {taken}, and these data are {dataset.form.noun}")


def _gradient_misfit(recipe: Recipe, dataset: Dataset) -> Misfit | None:
    """A setting that acts on gradients does not fit an optimizer that takes none."""
    acting = next(iter(recipe.settings.on_gradients), None)
    if acting and OPTIMIZERS[recipe.optimizer](**recipe.settings.optimizer.parameters).searches:
        return Misfit(acting, f"{recipe.optimizer} takes no gradients, which {acting.replace('_', ' ')} is of")
    return None


def _regularisation_misfit(recipe: Recipe, dataset: Dataset) -> Misfit | None:
    regularisation, parameters = recipe.settings.regularisation, recipe.settings.optimizer.parameters
    reason = None
    if regularisation.dropout and not drops(recipe.settings.model.parameters):
        reason = f"dropout {regularisation.dropout} would have no effect: the model has no hidden layer"
    elif regularisation.label_smoothing and dataset.task == "regression":
        reason = "label smoothing is for classification, and this is regression"
    elif regularisation.weight_decay and OPTIMIZERS[recipe.optimizer](**parameters).weight_decay:
        reason = f"{recipe.optimizer} brings its own weight decay: set it there"
    return Misfit("regularisation", reason) if reason else None


def _loss_misfit(recipe: Recipe, dataset: Dataset) -> Misfit | None:
    name = recipe.settings.loss.name
    if name != "cross_entropy" and dataset.task == "regression":
        return Misfit("loss", f"loss {name} is for classes: regression has the squared error anyway")
    return None


def _imbalance_misfit(recipe: Recipe, dataset: Dataset) -> Misfit | None:
    imbalance = recipe.settings.imbalance
    if not absent("imbalance", imbalance) and dataset.task == "regression":
        return Misfit("imbalance", f"imbalance {imbalance} is for classes, and this is regression")
    if imbalance == "resample" and dataset.streamed is not None:
        return Misfit("imbalance", "streamed rows are not resampled: use class_weight")
    return None


def _rows_misfit(recipe: Recipe, dataset: Dataset, train: int) -> Misfit | None:
    rows, least, reason = recipe.settings.rows, len(dataset.classes or "1"), None
    if rows is None:
        return None
    if dataset.streamed is not None:
        reason = "streamed rows are not limited for one recipe: data.rows takes a sample for all"
    elif recipe.settings.imbalance == "resample":
        reason = "a limited number of rows is not resampled: use class_weight"
    elif not least <= rows <= train:
        reason = f"the training part has {train:,} rows: train on {least:,} to {train:,} of them"
    return Misfit("rows", reason) if reason else None


def _augmentation_misfit(recipe: Recipe, dataset: Dataset) -> Misfit | None:
    policy = policy_of(recipe.settings.augmentation)
    if policy is None:
        return None
    if dataset.streamed is not None:
        reason: str | None = "streamed rows are not augmented: let the data be in memory (data.memory, data.rows)"
    else:
        reason = policy.incompatibility(dataset.form.facts(dataset))
    return Misfit("augmentation", reason) if reason else None
