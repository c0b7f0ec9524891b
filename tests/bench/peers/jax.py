"""Hand-written JAX: recipes under `vmap`, a whole epoch in one `scan`, optimizers from optax.

Written for speed: one compiled program for an epoch with its validation, state donated, rows drawn on the device, the
first layer's inputs shared by all recipes (so `vmap` makes one wide product of it), recipes ordered by optimizer, and a
program on each core where `probe` finds that faster.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tasks.training.feed import Resident
from tests.bench.networks import Cnn, Embedding, Mlp, Network
from tests.bench.work import Trained, Work, scaled_seconds
from tests.bench.workloads import Recipe

if TYPE_CHECKING:
    import jax

SAMPLED = False
VALIDATION_ROWS = 2048
PROBE_STEPS = 300

Tree = Any


def open_device(work: Work) -> None:
    import jax
    import jax.numpy as jnp
    import optax

    assert optax
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    jnp.zeros(1).block_until_ready()


def optimizers() -> dict[str, Callable[..., Any]]:
    """Returns the table's optimizers in optax, with Keras's constants. Nadam in optax lacks Keras's momentum
    schedule."""
    import optax

    def adamw(learning_rate: Any) -> Any:
        return optax.adamw(learning_rate, eps=1e-7, weight_decay=0.004)

    return {
        "sgd": optax.sgd,
        "momentum": lambda rate: optax.sgd(rate, 0.9),
        "nesterov": lambda rate: optax.sgd(rate, 0.9, nesterov=True),
        "adagrad": lambda rate: optax.adagrad(rate, 0.1, eps=1e-7),
        "adadelta": lambda rate: optax.adadelta(rate, rho=0.95, eps=1e-7),
        "rmsprop": lambda rate: optax.rmsprop(rate, 0.9, eps=1e-7, eps_in_sqrt=True),
        "adam": lambda rate: optax.adam(rate, eps=1e-7),
        "adamw": adamw,
        "adamax": lambda rate: optax.adamax(rate, eps=1e-7),
        "nadam": lambda rate: optax.nadam(rate, eps=1e-7),
        "lion": lambda rate: optax.lion(rate, b1=0.9, b2=0.99, weight_decay=0.0),
    }


def probe(work: Work) -> dict[str, Any]:
    """Measures whether it is faster to run all recipes as one program, or a part of them on each core."""
    rows = min(len(work.arrays.train.targets), PROBE_STEPS * work.workload.batch_size)
    train_rows = Resident(work.arrays.train.inputs[:rows], work.arrays.train.targets[:rows])
    arrays = replace(work.arrays, train=train_rows)
    epochs = work.epochs * len(work.arrays.train.targets) / rows  # as many short epochs as take the same steps

    def seconds(devices: int) -> float:
        started = time.perf_counter()
        trained = train(replace(work, arrays=arrays, epochs=2, choice={"devices": devices}))
        return scaled_seconds(time.perf_counter() - started, trained, 2, len(trained), epochs)

    return {"devices": min((1, os.cpu_count() or 1), key=seconds)}


def train(work: Work) -> list[Trained]:
    import jax

    ordered = sorted(work.recipes, key=lambda recipe: recipe.optimizer)
    count = min(work.choice.get("devices", 1), len(ordered))
    parts = [ordered[len(ordered) * i // count : len(ordered) * (i + 1) // count] for i in range(count)]
    with ThreadPoolExecutor(count) as pool:
        futures = [
            pool.submit(_train_on, device, work, part) for device, part in zip(jax.devices(), parts, strict=False)
        ]
        return [one for future in futures for one in future.result()]


def _train_on(device: jax.Device, work: Work, ordered: list[Recipe]) -> list[Trained]:
    import jax
    import jax.numpy as jnp
    import numpy as np

    with jax.default_device(device):
        epoch, state = _program(work, ordered)
        data = tuple(
            jnp.asarray(array)
            for array in (
                work.arrays.train.inputs,
                work.arrays.train.targets.astype(np.float32 if work.arrays.classes is None else np.int32),
                *_blocks(work.arrays.val_inputs, work.arrays.val_targets),
            )
        )
        metrics, began = [], 0.0
        for number in range(work.epochs):
            began = time.perf_counter()
            state, (waited, _, metric) = epoch(state, jax.random.key(number, impl="rbg"), *data)
            metrics.append(np.asarray(metric))
            if (np.asarray(waited) > work.epochs).all():  # early stopping's patience
                break
        share = (time.perf_counter() - began) / len(work.recipes)
        jax.device_get(state["best"])
        steps = int(state["steps"])
        curves = np.stack(metrics, axis=1) * work.arrays.target_scale
        return [
            Trained(recipe.index, steps, curve.tolist(), share) for recipe, curve in zip(ordered, curves, strict=True)
        ]


def _blocks(x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Returns validation rows in padded blocks: inputs `[blocks, rows, ...]`, targets and a 0/1 mask `[blocks,
    rows]`."""
    import numpy as np

    count = -(-len(y) // VALIDATION_ROWS)
    size = -(-len(y) // count)
    missing = count * size - len(y)
    x = np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)])
    targets = np.concatenate([y, np.zeros(missing, y.dtype)])
    mask = np.concatenate([np.ones(len(y), np.float32), np.zeros(missing, np.float32)])
    targets = targets.astype(np.float32 if y.dtype.kind == "f" else np.int32)
    return x.reshape(count, size, *x.shape[1:]), targets.reshape(count, size), mask.reshape(count, size)


def _program(work: Work, ordered: list[Any]) -> tuple[Callable[..., Any], Tree]:
    """Returns the compiled epoch, and the state before the first one."""
    import functools

    import jax
    import jax.numpy as jnp
    import optax

    table = optimizers()
    groups = [(name, list(members)) for name, members in groupby(ordered, key=lambda recipe: recipe.optimizer)]
    makers = [table[name] for name, _ in groups]
    rates = [jnp.array([recipe.learning_rate for recipe in members]) for _, members in groups]
    rows, size, steps = len(work.arrays.train.targets), work.workload.batch_size, work.steps_per_epoch
    shape, outputs = work.arrays.train.shape, work.arrays.outputs
    apply = _apply(work.workload.network)
    classify = work.arrays.classes is not None

    def row_losses(output: jax.Array, y: jax.Array) -> jax.Array:
        if classify:
            return optax.softmax_cross_entropy_with_integer_labels(output, y)
        return jnp.square(output[:, 0] - y)

    def loss(params: Tree, x: jax.Array, y: jax.Array, mask: jax.Array) -> jax.Array:
        return jnp.sum(row_losses(apply(params, x), y) * mask) / jnp.sum(mask)

    def losses(params: list[Tree], x: jax.Array, y: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        each = jax.vmap(loss, in_axes=(0, None, None, None))(_joined(params), x, y, mask)
        return jnp.sum(each), each

    def updated(make: Any, params: Tree, moments: Tree, gradients: Tree, rate: jax.Array) -> tuple[Tree, Tree]:
        updates, moments = make(rate).update(gradients, moments, params)
        return optax.apply_updates(params, updates), moments

    def validated(params: Tree, x: jax.Array, y: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the sums of one recipe's losses and hits (or squared errors) over one block."""
        output = apply(params, x)
        hits = (jnp.argmax(output, axis=-1) == y) if classify else jnp.square(output[:, 0] - y)
        return jnp.sum(row_losses(output, y) * mask), jnp.sum(hits * mask)

    @functools.partial(jax.jit, donate_argnums=0)
    def epoch(state, key, x, y, val_x, val_y, val_mask):
        order = jnp.pad(jax.random.permutation(key, rows), (0, steps * size - rows)).reshape(steps, size)
        present = (jnp.arange(steps * size) < rows).astype(jnp.float32).reshape(steps, size)

        def step(carry, batch):
            params, moments, total = carry
            picked, mask = batch
            gradients, each = jax.grad(losses, has_aux=True)(params, x[picked], y[picked], mask)
            moved = [
                jax.vmap(functools.partial(updated, make))(*group)
                for make, *group in zip(makers, params, moments, gradients, rates, strict=True)
            ]
            params, moments = [one for one, _ in moved], [one for _, one in moved]
            return (params, moments, total + each * jnp.sum(mask)), None

        start = (state["params"], state["moments"], jnp.zeros(len(ordered)))
        (params, moments, total), _ = jax.lax.scan(step, start, (order, present))
        joined = _joined(params)
        val_loss, hits = jax.lax.map(
            lambda block: jax.vmap(validated, in_axes=(0, None, None, None))(joined, *block), (val_x, val_y, val_mask)
        )
        val_loss, hits = jnp.sum(val_loss, 0) / jnp.sum(val_mask), jnp.sum(hits, 0) / jnp.sum(val_mask)
        better = val_loss < state["lowest"]
        best = jax.tree.map(
            lambda new, old: jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old), joined, state["best"]
        )
        state = {
            "params": params,
            "moments": moments,
            "best": best,
            "lowest": jnp.minimum(val_loss, state["lowest"]),
            "waited": jnp.where(better, 0, state["waited"] + 1),
            "steps": state["steps"] + steps,
        }
        return state, (state["waited"], total / rows, hits if classify else jnp.sqrt(hits))

    @jax.jit
    def initial(first: Tree) -> Tree:
        params = [jax.tree.map(functools.partial(_repeated, len(members)), first) for _, members in groups]
        return {
            "params": params,
            "moments": [jax.vmap(make(0.0).init)(own) for make, own in zip(makers, params, strict=True)],
            "best": _joined(params),
            "lowest": jnp.full(len(ordered), jnp.inf, jnp.float32),
            "waited": jnp.zeros(len(ordered), jnp.int32),
            "steps": jnp.zeros((), jnp.int32),
        }

    return epoch, initial(_initial(work.workload.network, shape, outputs))


def _repeated(count: int, weight: Any) -> Any:
    """Repeats one recipe's weight for `count` recipes, which all start alike."""
    import jax.numpy as jnp

    return jnp.broadcast_to(weight, (count, *weight.shape))


def _joined(groups: list[Tree]) -> Tree:
    """Concatenates the groups' parameters along the recipes' axis."""
    import jax
    import jax.numpy as jnp

    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *groups)


def _initial(network: Network, shape: tuple[int, ...], outputs: int) -> list[Tree]:
    """Returns the initial weights of one recipe, a `(kernel, bias)` for each layer; the embedding has no bias. Drawn by
    NumPy, since compiling JAX's initialisers takes longer than some comparisons."""
    import numpy as np

    rng = np.random.default_rng(0)
    layers: list[Tree] = []
    if isinstance(network, Embedding):
        layers.append((rng.uniform(-0.05, 0.05, (network.vocabulary, network.width)).astype("float32"),))
    for product in network.products(shape, outputs):
        normal = np.clip(rng.normal(size=(product.inputs, product.units)), -2, 2) * np.sqrt(2 / product.inputs)
        layers.append((normal.astype("float32"), np.zeros(product.units, "float32")))
    return layers


def _apply(network: Network) -> Callable[[list[Tree], Any], Any]:
    """Returns one recipe's outputs `[rows, outputs]`."""
    import jax
    import jax.numpy as jnp

    def mlp(params: list[Tree], x: jax.Array) -> jax.Array:
        for kernel, bias in params[:-1]:
            x = jax.nn.relu(x @ kernel + bias)
        kernel, bias = params[-1]
        return x @ kernel + bias

    def cnn(params: list[Tree], x: jax.Array) -> jax.Array:
        for kernel, bias in params[:-1]:
            x = _pooled(jax.nn.relu(_convolved(x, kernel) + bias))
        return mlp(params[-1:], x.reshape(len(x), -1))

    def embedding(params: list[Tree], x: jax.Array) -> jax.Array:
        return mlp(params[1:], jnp.mean(params[0][0][x], axis=1))

    if isinstance(network, Mlp):
        return mlp
    return cnn if isinstance(network, Cnn) else embedding


def _convolved(x: Any, kernel: Any) -> Any:
    """Computes a 3x3 convolution as a product with the nine shifted images. With a kernel for each recipe it would
    otherwise become a grouped convolution, for which XLA has no fast code on a CPU."""
    import jax.numpy as jnp

    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return jnp.concatenate(shifted, axis=-1) @ kernel


def _pooled(x: Any) -> Any:
    """Computes the 2x2 maximum, with the last row or column alone where the size is odd. Two maxima of halves have a
    cheaper gradient than one reduction."""
    import jax.numpy as jnp

    _, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), constant_values=-jnp.inf)
    x = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(x[:, :, ::2], x[:, :, 1::2])
