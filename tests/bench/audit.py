"""What each optimizer is in its paper, in Keras and here, and how far apart they are: `python -m tests.bench.audit`.

All three take 200 steps in float64 on one small problem, softmax regression on 64 rows of 6 standardised numbers with 3
classes, from the same weights at the same learning rate, each with its own default constants. A distance is the norm of
the difference of the weights over the norm of the weights of the second. Not in the table: `ftrl`, which is no step
from where the weights are (held to Keras bit for bit), `random_search`, and those with contract tests of their own:
`sgd_hd`, `adam_hd`, `schedule_free_sgd`, `schedule_free_adamw`, `muon`, `lamb`, `adafactor`, `prodigy`, `cautious` and
`sam`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tasks.training.optimizers import OPTIMIZERS
from tests.contracts.keras_reference import floatx
from tests.contracts.paper_rules import LATER, TWINS
from tests.contracts.softmax_regression import softmax_regression

STEPS, RATE = 200, 0.01
SIGNS = {"lion": 0.001, "signum": 0.001}
"""Learning rates of those whose step is the learning rate itself."""

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
    "radam": "epsilon beside the root, as in Adam",
}
"""Ours from the paper. The distance is to the rule with our constants where Keras lacks it, so that is 0 there."""

Gradients = Callable[[np.ndarray], np.ndarray]


def problem() -> tuple[Gradients, np.ndarray]:
    """The gradient at weights, and the weights to start from; all in one array."""
    gradient, start = softmax_regression()
    cut, shape = start[0].size, start[0].shape

    def at(weights: np.ndarray) -> np.ndarray:
        _, found = gradient([weights[:cut].reshape(shape), weights[cut:]])
        return np.concatenate([each.ravel() for each in found])

    return at, np.concatenate([each.ravel() for each in start])


def papers(name: str) -> np.ndarray:
    """The weights after the paper's steps."""
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
    """The weights after our steps."""
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
    """The weights after the steps of Keras's twin, or None."""
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
        if name not in TWINS and name not in LATER:
            continue
        summary = " ".join((factory.__doc__ or "").split("\n\n")[0].split())
        paper, mine, twin = papers(name), ours(name), keras(name)
        apart = (distance(twin, paper), distance(mine, paper), distance(mine, twin))
        lines.append(f"| `{name}` | {summary} | {' | '.join(apart)} | {DEPARTURES.get(name, 'the same rule')} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
