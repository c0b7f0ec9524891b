"""The five workloads: data, network, recipes, budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import constant
from tasks.training.trial import Stopping, Trial
from tests.bench.networks import Cnn, Embedding, Mlp, Network

SHARED = tuple(name for name, make in OPTIMIZERS.items() if make().keras_class)
"""Every optimizer of the table that Keras has too; the others can't be compared with Keras."""

BASIC = ("sgd", "momentum", "rmsprop", "adam")


@dataclass(frozen=True)
class Workload:
    """A comparison of `recipes` recipes under one seed.

    Args:
        data: A name in `data.SOURCES`.
        optimizers: The recipes go through them in turn; each new turn has another learning rate.
    """

    name: str
    title: str
    data: str
    network: Network
    batch_size: int
    recipes: int
    epochs: int
    optimizers: tuple[str, ...]


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "MNIST, 784-10-10", "mnist", Mlp((10,)), 32, 32, 5, SHARED),
        Workload("W2", "shot log, 100-100-2", "shot-log", Mlp((100, 100)), 32, 32, 5, SHARED),
        Workload("W3", "California housing, 256-256-1", "housing", Mlp((256, 256)), 64, 32, 5, SHARED),
        Workload("W4", "MNIST, two convolutions", "mnist-images", Cnn((8, 16)), 32, 8, 2, BASIC),
        Workload("W5", "SMS spam, embedding", "sms", Embedding(8000, 32), 32, 16, 5, BASIC),
    )
}

SAMPLE_EPOCHS = 2
"""Epochs that a sampled peer trains of each recipe: the first one includes compiling, the last one shows the speed."""


@dataclass(frozen=True)
class Recipe:
    """The recipe with number `index` of a workload."""

    index: int
    optimizer: str
    learning_rate: float


def recipes(workload: Workload, count: int) -> list[Recipe]:
    """Returns the first `count` recipes: every optimizer at its first learning rate, then every optimizer at its
    second, and so on. The learning rates of an optimizer lie between a tenth and three times its default, evenly on a
    log scale."""
    turns = -(-count // len(workload.optimizers))
    result = []
    for index in range(count):
        turn, place = divmod(index, len(workload.optimizers))
        name = workload.optimizers[place]
        factor = 10 ** (-1 + 1.5 * (turn + 0.5) / turns)
        result.append(Recipe(index, name, OPTIMIZERS[name]().learning_rate * factor))
    return result


def sample(count: int, turn: int, size: int = 2) -> list[int]:
    """Returns the indices of the recipes that a sampled peer trains in a round: evenly spread, other ones in each
    round."""
    return sorted({(turn + place * count // size) % count for place in range(min(size, count))})


def trials(workload: Workload, chosen: Sequence[Recipe], epochs: int) -> list[Trial]:
    """Returns the recipes as the project's trials. Early stopping is on but never stops: its patience exceeds the
    budget."""
    architecture = workload.network.architecture()
    result = []
    for recipe in chosen:
        optimizer = OPTIMIZERS[recipe.optimizer]()
        result.append(
            Trial(
                trial_id=str(recipe.index),
                variant_id=str(recipe.index),
                seed=0,
                epochs=epochs,
                batch_size=workload.batch_size,
                architecture=architecture,
                optimizer=optimizer,
                learning_rate=recipe.learning_rate,
                schedule=constant(),
                weight_decay=optimizer.weight_decay,
                stopping=Stopping(patience=epochs + 1, min_delta=0.0, restore_best=True),
            )
        )
    return result
