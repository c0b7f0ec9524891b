"""Compares each optimizer here with its paper's rule and with Keras: `python -m tests.bench.audit`.

All three versions take 200 steps in float64 on one small problem, softmax regression on 64 rows of 6 standardised
numbers with 3 classes, from the same weights at the same learning rate, each with its own default constants. A distance
is the norm of the difference of the weights over the norm of the weights of the second.

Optimizers whose step is not elementwise (sums over all weights, norms and rows of an array, two gradients, an average
that is evaluated) are run on the same rows with a network of one hidden layer of 8 ReLU units, so that there is a
hidden kernel; ours is trained in a stack. Not in the table: `ftrl`, whose update is not a step from the present weights
(tests compare it with Keras bit for bit), and `random_search`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.stack import train_stack
from tests.contracts import array_rules, one_batch, paper_rules
from tests.contracts.keras_reference import floatx
from tests.contracts.paper_rules import LATER, TWINS
from tests.contracts.softmax_regression import hidden_layer, softmax_regression

STEPS, RATE, UNITS = 200, 0.01, 8
SIGNS = {"lion": 0.001, "signum": 0.001}
"""Learning rates of optimizers whose step has the size of the learning rate."""

DEPARTURES = {
    "momentum": "Keras rounds momentum through float32",
    "nesterov": "Keras rounds momentum through float32",
    "adagrad": "the sum of squares starts at 0.1, not 0; epsilon inside the root",
    "adadelta": "epsilon 1e-7, not 1e-6; the paper's learning rate is 1",
    "rmsprop": "epsilon inside the root, the lecture has none",
    "adam": "the order of section 2: epsilon 1e-7 outside the uncorrected root, not 1e-8 outside the corrected one",
    "adamw": "as adam; the default decay is 0.004, the paper names none",
    "adamax": "epsilon 1e-7 beside the infinity norm",
    "nadam": "beta_1 0.9 * (1 - 0.5 * 0.96^t), the paper 0.99 * (1 - 0.5 * 0.96^(t / 250))",
    "ademamix": "alpha and beta_3 are constant, the paper lets them grow",
    "adan": "the averages start at 0 with Adam's bias correction, as in the authors' code, not at the first gradient",
    "sgd_hd": "the same rule",
    "adam_hd": "epsilon where adam has it, in both columns",
    "schedule_free_sgd": "the same rule",
    "schedule_free_adamw": "the same rule; Keras's weights stay at y, and its decay never reaches z",
    "muon": "Adam's part as adam; Keras's with its output layer excluded, which it would make orthogonal",
    "lamb": "the same rule; Keras's takes the decay off before the step is scaled",
    "adafactor": "the same rule",
    "prodigy": "the same rule",
    "cautious": "around adamw, whose epsilon it has",
    "sam": "around adamw, whose epsilon it has",
    "radam": "epsilon beside the root, as in Adam",
}
"""How ours departs from the paper, and Keras where it departs too. For optimizers that Keras lacks, the paper's rule is
run with our constants, so the distance is 0 there."""

Gradients = Callable[[np.ndarray], np.ndarray]


def problem() -> tuple[Gradients, np.ndarray]:
    """Returns the function from weights to their gradient, and the initial weights; all weights are in one array."""
    gradient, start = softmax_regression()
    cut, shape = start[0].size, start[0].shape

    def at(weights: np.ndarray) -> np.ndarray:
        _, found = gradient([weights[:cut].reshape(shape), weights[cut:]])
        return np.concatenate([each.ravel() for each in found])

    return at, np.concatenate([each.ravel() for each in start])


def papers(name: str) -> np.ndarray:
    """Returns the weights after `STEPS` steps of the paper's rule."""
    gradient, weights = problem()
    decay = OPTIMIZERS[name]().weight_decay
    rate = SIGNS.get(name, RATE)

    def gradients() -> Iterator[np.ndarray]:
        while True:
            yield gradient(weights)

    if name in LATER:
        bound = {key: each for key, each in OPTIMIZERS[name]().inputs.items() if not key.startswith("one_minus_")}
        steps = LATER[name](gradients(), **bound)
    else:
        steps = TWINS[name](gradients())
    for _, step in zip(range(STEPS), steps, strict=False):
        weights = weights - rate * (step + decay * weights)
    return weights


def ours(name: str) -> np.ndarray:
    """Returns the weights after `STEPS` steps of our optimizer."""
    gradient, weights = problem()
    optimizer, rate = OPTIMIZERS[name](), np.array(SIGNS.get(name, RATE))
    p = {key: np.array(value) for key, value in optimizer.inputs.items()}
    slots = optimizer.slots(np, weights, p)
    for step in range(1, STEPS + 1):
        g = gradient(weights)
        weights = weights - weights * optimizer.weight_decay * rate
        weights, slots = optimizer.update(np, weights, g, slots, rate, float(step), p)
    return weights


def keras(name: str) -> np.ndarray | None:
    """Returns the weights after `STEPS` steps of the Keras optimizer of the same rule; None if Keras has none."""
    import keras

    optimizer = OPTIMIZERS[name]()
    if optimizer.keras_class is None:
        return None
    gradient, start = problem()
    with floatx("float64"):
        weights = keras.Variable(start, dtype="float64")
        twin = getattr(keras.optimizers, optimizer.keras_class)(
            learning_rate=SIGNS.get(name, RATE),
            weight_decay=optimizer.weight_decay or None,
            **optimizer.keras_arguments,
        )
        twin.build([weights])
        for _ in range(STEPS):
            twin.apply([keras.ops.convert_to_tensor(gradient(weights.numpy()))], [weights])
        return weights.numpy()


_ADAM = {"decay": 0.004, "rule": paper_rules.adam}
ARRAY_RULES: dict[str, tuple[array_rules.Rule, dict[str, Any]]] = {
    "sgd_hd": (array_rules.sgd_hd, {"learning_rate": RATE, "beta": "hyper_rate"}),
    "adam_hd": (array_rules.adam_hd, {"learning_rate": RATE, "beta": "hyper_rate"}),
    "schedule_free_sgd": (array_rules.schedule_free, {"beta_1": "momentum", "decay": 0.0}),
    "schedule_free_adamw": (
        array_rules.schedule_free,
        {"beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon", "decay": 0.004},
    ),
    "muon": (array_rules.muon, {"decay": 0.004}),
    "lamb": (array_rules.lamb, {"decay": 0.004}),
    "adafactor": (array_rules.adafactor, {}),
    "prodigy": (array_rules.prodigy, {"decay": 0.0}),
    "cautious": (array_rules.cautious, _ADAM),
    "sam": (array_rules.sam, {**_ADAM, "rho": "rho"}),
}
"""Each rule with the paper's parameters; a string names the input of our optimizer that gives the value."""

CLASSES_OF_KERAS = {
    "schedule_free_adamw": "ScheduleFreeAdamW",
    "muon": "Muon",
    "lamb": "Lamb",
    "adafactor": "Adafactor",
}
RATES = {"prodigy": 1.0}


def papers_of_arrays(name: str) -> np.ndarray:
    """Returns the evaluated weights after the steps of the paper's rule on the network."""
    rule, given = ARRAY_RULES[name]
    bound = OPTIMIZERS[name]().inputs
    constants = {key: bound[value] if isinstance(value, str) else value for key, value in given.items()}
    *_, (_, weights) = rule(*hidden_layer(UNITS), [RATES.get(name, RATE)] * STEPS, **constants)
    return _flat(weights)


def ours_in_a_stack(name: str) -> np.ndarray:
    """Returns the weights that a stack keeps after the same steps."""
    decay = ARRAY_RULES[name][1].get("decay", 0.0)
    trial = one_batch.trial_of(
        name,
        steps=STEPS,
        architecture=MODELS["mlp"](hidden=[UNITS]),
        learning_rate=RATES.get(name, RATE),
        weight_decay=decay,
    )
    (outcome,) = train_stack([trial], one_batch.arrays_of(), dtype="float64", xla=False)
    assert outcome.weights is not None
    return _flat(outcome.weights)


def keras_of_arrays(name: str) -> np.ndarray | None:
    """Returns the weights after the steps of Keras's optimizer in `CLASSES_OF_KERAS`, or None."""
    import keras

    if name not in CLASSES_OF_KERAS:
        return None
    gradient, start = hidden_layer(UNITS)
    decay = ARRAY_RULES[name][1].get("decay", 0.0)
    excluded = {"exclude_layers": ["output"], "adam_weight_decay": decay} if name == "muon" else {}
    with floatx("float64"):
        names = ("hidden", "hidden_bias", "output", "output_bias")
        weights = [keras.Variable(each, dtype="float64", name=own) for each, own in zip(start, names, strict=True)]
        twin = getattr(keras.optimizers, CLASSES_OF_KERAS[name])(
            learning_rate=RATES.get(name, RATE), weight_decay=decay or None, **excluded
        )
        twin.build(weights)
        for _ in range(STEPS):
            _, found = gradient([each.numpy() for each in weights])
            twin.apply([keras.ops.convert_to_tensor(each) for each in found], weights)
        return _flat([each.numpy() for each in weights])


def _flat(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(each, np.float64).ravel() for each in arrays])


def distance(one: np.ndarray | None, other: np.ndarray | None) -> str:
    if one is None or other is None:
        return "-"
    found = float(np.linalg.norm(one - other) / np.linalg.norm(other))
    return "0" if found == 0 else f"{found:.0e}"


def table() -> str:
    """The audit in Markdown."""
    lines = [
        "| optimizer | the paper's rule | Keras, from the paper | ours, from the paper | ours, from Keras | why |",
        "|---|---|---|---|---|---|",
    ]
    for name, factory in OPTIMIZERS.items():
        if name in ARRAY_RULES:
            paper, mine, twin = papers_of_arrays(name), ours_in_a_stack(name), keras_of_arrays(name)
        elif name in TWINS or name in LATER:
            paper, mine, twin = papers(name), ours(name), keras(name)
        else:
            continue
        summary = " ".join((factory.__doc__ or "").split("\n\n")[0].split()).replace("|", "\\|")
        apart = (distance(twin, paper), distance(mine, paper), distance(mine, twin))
        lines.append(f"| `{name}` | {summary} | {' | '.join(apart)} | {DEPARTURES.get(name, 'the same rule')} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
