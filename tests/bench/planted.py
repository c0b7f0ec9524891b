"""Trainings with a known cause of failure, on which `tests.bench.diagnoses` judges the diagnoses.

A *world* is a data set and a network. In each world, causes of failure are planted in recipes that otherwise train
well, under several triplets of seeds; a *case* is one recipe under one triplet. A planted case is kept only if its loss
shows that it fails in comparison with its healthy twin of the same world and seeds, and a healthy case only if its loss
shows that it does not fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.diagnosis.case import Case, Facts, History
from tasks.diagnosis.fit import sure_errors
from tasks.training.feed import Resident
from tasks.training.models import Architecture
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Outcome, Penalties, Trial

HEALTHY = "healthy"
STEPS, BATCH, SEEDS = 400, 32, 3
_ROWS = 400
"""The most rows of the training part, and of the validation part."""


@dataclass(frozen=True)
class Recipe:
    """A recipe for a world's network, with the cause of failure that is planted in it.

    Args:
        kind: The cause of failure; `healthy` if there is none.
        scale: Factor on the scale of the initial kernels that suits the activation.
        bias: Initial bias of the hidden layers.
        data: `plain`, `unscaled`, `mislabelled` or `few` rows.
    """

    kind: str
    optimizer: str = "adam"
    rate: float = 0.003
    schedule: str = "constant"
    schedule_parameters: dict[str, Any] = field(default_factory=dict)
    l2: float = 1e-3
    hidden: tuple[int, ...] | None = None
    activation: str | None = None
    scale: float = 1.0
    bias: float = 0.0
    data: str = "plain"


@dataclass(frozen=True)
class World:
    """Args:
    source: A name in `SOURCES`.
    """

    source: str
    hidden: tuple[int, ...]
    activation: str

    def __str__(self) -> str:
        return f"{self.source}, {self.activation} {'-'.join(map(str, self.hidden))}"


@dataclass(frozen=True)
class PlantedCase:
    """A case with its planted cause.

    Args:
        number: Number of the recipe.
        triplet: Number of the triplet of seeds.
    """

    world: World
    kind: str
    number: int
    triplet: int
    case: Case


def _bundled(name: str) -> Callable[[], tuple[np.ndarray, np.ndarray, int | None]]:
    def load() -> tuple[np.ndarray, np.ndarray, int | None]:
        from sklearn import datasets

        inputs, target = getattr(datasets, f"load_{name}")(return_X_y=True)
        return inputs, target, int(target.max()) + 1

    return load


def _made() -> tuple[np.ndarray, np.ndarray, int | None]:
    from sklearn.datasets import make_classification

    inputs, target = make_classification(
        800, 20, n_informative=8, n_classes=3, class_sep=1.5, flip_y=0.0, random_state=0
    )
    return inputs, target, 3


def _friedman() -> tuple[np.ndarray, np.ndarray, int | None]:
    from sklearn.datasets import make_friedman1

    inputs, target = make_friedman1(800, 8, noise=0.5, random_state=0)
    return inputs, target, None


SOURCES = {
    "digits": _bundled("digits"),
    "made": _made,
    "breast cancer": _bundled("breast_cancer"),
    "wine": _bundled("wine"),
    "friedman": _friedman,
}

NETWORKS = (((32, 32), "relu"), ((32, 32), "tanh"), ((24, 24, 24, 24), "relu"))
TUNED = [World(source, *network) for source in ("digits", "made") for network in NETWORKS[:2]]
"""Worlds on which thresholds were set, with the first two triplets of seeds."""
JUDGED = [World(source, *network) for source in ("breast cancer", "wine", "friedman") for network in NETWORKS]
"""Worlds on which diagnoses are judged, with the other triplets."""
TRIPLETS = {"tuned": (0, 1), "judged": (2, 3, 4, 5)}


def healthy_recipes() -> list[Recipe]:
    cosine = {"schedule": "cosine"}
    return [
        Recipe(HEALTHY),
        Recipe(HEALTHY, rate=0.001),
        Recipe(HEALTHY, rate=0.005, **cosine),
        Recipe(HEALTHY, rate=0.002, l2=1e-2),
        Recipe(HEALTHY, "rmsprop", 0.001),
        Recipe(HEALTHY, "rmsprop", 0.002, **cosine),
        Recipe(HEALTHY, "sgd", 0.05),
        Recipe(HEALTHY, "sgd", 0.1, **cosine),
        Recipe(HEALTHY, "momentum", 0.01),
        Recipe(HEALTHY, "momentum", 0.02, **cosine),
    ]


def planted_recipes(world: World) -> list[Recipe]:
    """Returns recipes with every kind of failure that the network can have."""
    deep, relu = len(world.hidden), world.activation == "relu"
    ends = {"schedule": "exponential", "schedule_parameters": {"decay_rate": 0.5, "decay_steps": 4}}
    found = [
        Recipe("learning_rate_too_low", "sgd", 1e-5),
        Recipe("learning_rate_too_low", "adam", 2e-6),
        Recipe("learning_rate_too_low", "sgd", 2e-3, schedule="cosine"),
        Recipe("learning_rate_too_high", "adam", 1.0),
        Recipe("learning_rate_too_high", "rmsprop", 0.5),
        Recipe("diverged", "sgd", 1e4, l2=1e-2),
        Recipe("diverged", "momentum", 1e3, l2=1e-2),
        Recipe("poor_initialisation", "adam", 1e-4, scale=1e-4),
        Recipe("poor_initialisation", "sgd", 0.05, scale=1e-6),
        Recipe("plateau", **ends),
        Recipe("plateau", "sgd", 0.1, **ends),
        Recipe("underfitting", hidden=(1,) * deep),
        Recipe("underfitting", rate=0.005, hidden=(2,) * deep),
        Recipe("fluctuating_validation_loss", "adam", 0.1, l2=0.0),
        Recipe("fluctuating_validation_loss", "rmsprop", 0.1, l2=0.0),
        Recipe("unscaled_inputs", "sgd", 0.05, data="unscaled"),
        Recipe("unscaled_inputs", "adam", 0.003, data="unscaled"),
        Recipe("wrong_labels", data="mislabelled"),
        Recipe("wrong_labels", "sgd", 0.1, data="mislabelled"),
        Recipe("overfitting", "adam", 0.01, l2=0.0, data="few"),
        Recipe("overfitting", "rmsprop", 0.01, l2=0.0, data="few"),
        Recipe("vanishing_gradients", "sgd", 0.05, hidden=(24,) * 8, activation="sigmoid"),
        Recipe("vanishing_gradients", "adam", 0.0003, hidden=(24,) * 10, activation="sigmoid"),
    ]
    if relu:  # tanh bounds a layer's outputs, and has no dead units
        found += [
            Recipe("exploding_gradients", "sgd", 1e-5, scale=12.0 if deep < 3 else 6.0),
            Recipe("exploding_gradients", "adam", 1e-3, scale=16.0 if deep < 3 else 8.0),
            Recipe("dying_relu", "sgd", 0.05, bias=-8.0),
            Recipe("dying_relu", "adam", 0.003, bias=-12.0),
            Recipe("unstable_under_seeds", "adam", 0.01, hidden=(2,) * deep),
            Recipe("unstable_under_seeds", "sgd", 0.1, hidden=(3,) * deep, bias=-0.5),
        ]
    return found


def network(hidden: Sequence[int], activation: str, scale: float, bias: float) -> Architecture:
    """Returns a multilayer perceptron whose initial kernels are `scale` times as large as suits the activation."""

    def layers(penalties: Penalties, seed: int) -> list[Any]:
        import keras

        found: list[Any] = []
        for index, units in enumerate(hidden):
            drawn = keras.initializers.VarianceScaling(
                scale=(2.0 if activation == "relu" else 1.0) * scale**2,
                mode="fan_in",
                seed=int(np.random.SeedSequence([seed, index]).generate_state(1)[0]) >> 1,
            )
            found.append(
                keras.layers.Dense(
                    units,
                    kernel_initializer=drawn,
                    bias_initializer=keras.initializers.Constant(bias),
                    kernel_regularizer=keras.regularizers.L2(penalties.l2) if penalties.l2 else None,
                )
            )
            found.append(keras.layers.Activation(activation))
        return found

    return Architecture(layers, "glorot_uniform", hidden=tuple(hidden))


def arrays_of(source: str, data: str) -> Arrays:
    inputs, target, classes = SOURCES[source]()
    rng = np.random.default_rng(1)
    order = rng.permutation(len(target))[: 2 * _ROWS]
    inputs, target = inputs[order].astype(np.float64), target[order]
    rows = len(order) * 6 // 10 if len(order) < 2 * _ROWS else _ROWS
    inputs = (inputs - inputs[:rows].mean(0)) / np.maximum(inputs[:rows].std(0), 1e-9)
    if classes is None:
        target = (target - target[:rows].mean()) / target[:rows].std()
    if data == "unscaled":
        inputs = inputs * 10 ** rng.uniform(0, 3, inputs.shape[1]) + 10 ** rng.uniform(0, 3, inputs.shape[1])
    if data == "mislabelled":
        wrong = rng.random(len(target)) < 0.4
        target = target.copy()
        target[wrong] = rng.permutation(target[wrong]) if classes is None else rng.integers(0, classes, wrong.sum())
    inputs = inputs.astype(np.float32)
    target = target.astype(np.int64 if classes else np.float32)
    train = slice(0, 48 if data == "few" else rows)
    val = inputs[rows:], target[rows:]
    return Arrays(Resident(inputs[train], target[train]), *val, classes, to_score={"val": val[0]})


def _trial(world: World, recipe: Recipe, number: int, seed: int, steps_per_epoch: int) -> Trial:
    hidden, activation = recipe.hidden or world.hidden, recipe.activation or world.activation
    return Trial(
        trial_id=f"{number} {seed}",
        variant_id=str(number),
        seed=seed,
        epochs=-(-STEPS // steps_per_epoch),
        batch_size=BATCH,
        architecture=network(hidden, activation, recipe.scale, recipe.bias),
        optimizer=OPTIMIZERS[recipe.optimizer](),
        learning_rate=recipe.rate,
        schedule=SCHEDULES[recipe.schedule](**recipe.schedule_parameters),
        penalties=Penalties(l2=recipe.l2),
    )


def _history(outcome: Outcome) -> History:
    rows: list[tuple[int, str | None, str, float]]
    rows = [(step, None, name, value) for _, step, name, value in outcome.curves]
    rows += [(step, layer, name, value) for _, step, layer, name, value in outcome.signals]
    steps: dict[tuple[str, str | None], list[int]] = {}
    values: dict[tuple[str, str | None], list[float]] = {}
    for step, layer, name, value in sorted(rows, key=lambda row: row[0]):
        steps.setdefault((name, layer), []).append(step)
        values.setdefault((name, layer), []).append(value)
    return History(
        outcome.trial.seed,
        outcome.status,
        {key: np.array(each) for key, each in steps.items()},
        {key: np.array(each) for key, each in values.items()},
        list(dict.fromkeys(layer for _, layer in values if layer)),
    )


def _constant_loss(arrays: Arrays) -> float:
    """Returns the loss of the best constant answer on the validation rows."""
    assert isinstance(arrays.train, Resident)
    targets = arrays.train.targets
    if arrays.classes is None:
        return float(np.mean(np.square(arrays.val_targets - targets.mean())))
    shares = np.bincount(targets, minlength=arrays.classes) + 0.5
    return float(-np.log((shares / shares.sum())[arrays.val_targets]).mean())


def _simple_loss(arrays: Arrays) -> float | None:
    """Returns the loss of logistic regression on the validation rows; None for regression, as in a run."""
    if arrays.classes is None:
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    assert isinstance(arrays.train, Resident)
    model = LogisticRegression(max_iter=2000).fit(arrays.train.inputs, arrays.train.targets)
    return float(log_loss(arrays.val_targets, model.predict_proba(arrays.val_inputs), labels=model.classes_))


def _facts(world: World, recipe: Recipe, arrays: Arrays, outcomes: Sequence[Outcome], epochs: int) -> Facts:
    wrong = None
    outputs = outcomes[0].outputs.get("val")
    if arrays.classes and outputs is not None:
        raised = np.exp(outputs - outputs.max(1, keepdims=True))
        wrong = sure_errors(arrays.val_targets, raised / raised.sum(1, keepdims=True))
    return Facts(
        settings={
            "optimizer": {recipe.optimizer: {"learning_rate": recipe.rate}},
            "model": {"mlp": {"hidden": list(recipe.hidden or world.hidden)}},
        },
        task="classification" if arrays.classes else "regression",
        scale="none" if recipe.data == "unscaled" else "standard",
        epochs=epochs,
        constant_loss=_constant_loss(arrays),
        simple_loss=_simple_loss(arrays),
        sure_errors=wrong,
    )


def train(world: World, triplets: Sequence[int]) -> list[PlantedCase]:
    """Trains and returns all cases of a world, failing or not."""
    recipes = [*healthy_recipes(), *planted_recipes(world)]
    stacks: dict[tuple, list[int]] = {}
    for number, recipe in enumerate(recipes):
        alike: tuple = len(recipe.hidden or world.hidden), recipe.activation or world.activation, recipe.data
        alike += recipe.scale, recipe.bias  # the networks of a stack have the same initial weights
        stacks.setdefault(alike, []).append(number)
    seeds = [SEEDS * triplet + place for triplet in triplets for place in range(SEEDS)]
    found = []
    for numbers in stacks.values():
        arrays = arrays_of(world.source, recipes[numbers[0]].data)
        per_epoch = arrays.steps_per_epoch(BATCH)
        trials = [_trial(world, recipes[number], number, seed, per_epoch) for number in numbers for seed in seeds]
        by_id = {each.trial.trial_id: each for each in train_stack(trials, arrays, xla=False, signals=True)}
        for number in numbers:
            for triplet in triplets:
                own = [by_id[f"{number} {SEEDS * triplet + place}"] for place in range(SEEDS)]
                facts = _facts(world, recipes[number], arrays, own, trials[0].epochs)
                case = Case(facts, [_history(each) for each in own])
                found.append(PlantedCase(world, recipes[number].kind, number, triplet, case))
    return found


def kept(cases: Sequence[PlantedCase]) -> Iterator[PlantedCase]:
    """Yields the planted cases that fail in comparison with their twin, and the healthy ones that do not, by their
    losses alone."""
    twins = {each.triplet: each.case for each in cases if each.number == 0}
    for each in cases:
        if each.kind == HEALTHY:
            if _sound(each.case):
                yield each
        elif fails(each.kind, each.case, twins[each.triplet]):
            yield each


def _losses(case: Case, name: str = "val_loss") -> list[np.ndarray]:
    return [history.of(name) for history in case.histories if len(history.of(name))]


def _sound(case: Case) -> bool:
    """Whether every seed ended without divergence, clearly below the constant answer, and near its own lowest
    validation loss."""
    level = case.facts.constant_loss or 0.0
    ended = all(history.status == "ok" for history in case.histories)
    return ended and all(
        each.min() < 0.6 * level and each[-1] - each.min() < 0.05 * level and each[len(each) // 2 :].max() < 0.7 * level
        for each in _losses(case)
    )


def fails(kind: str, case: Case, twin: Case) -> bool:
    """Whether the losses show that the case fails in the way of its kind, in comparison with its healthy twin."""
    level = case.facts.constant_loss or 0.0
    best = float(np.median([each.min() for each in _losses(twin)]))
    losses = _losses(case)
    if kind == "diverged":
        return not losses or any(history.status == "diverged" for history in case.histories)
    if len(losses) < SEEDS or any(len(each) < 6 for each in losses):
        return False
    end = float(np.median([each[-1] for each in losses]))
    lowest = np.array([each.min() for each in losses])
    if kind == "overfitting":
        return bool(np.median([each[-1] - each.min() for each in losses]) > 0.1 * level)
    if kind == "fluctuating_validation_loss":
        late = [each[len(each) // 2 :] for each in losses]
        return bool(np.median([each.max() - each.min() for each in late]) > 0.25 * level)
    if kind == "unstable_under_seeds":
        return bool(lowest.max() - lowest.min() > 0.3 * level and lowest.max() > 1.5 * lowest.min())
    return end > best + 0.1 * level
