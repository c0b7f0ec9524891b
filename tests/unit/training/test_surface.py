"""Heights and curvature against closed forms, and against TensorFlow's own Hessian."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.training.models import MODELS, Penalties
from tasks.training.surface import WHOLE, Surface

ROWS, INPUTS = 60, 4


def rows(classes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = (rng.standard_normal([ROWS, INPUTS]) * [1, 2, 0.5, 1]).astype(np.float32)
    if classes:
        return x, rng.integers(0, classes, ROWS)
    return x, (x @ [1, -1, 0.5, 2] + rng.standard_normal(ROWS)).astype(np.float32)


def made(kind: str, classes: int | None = None, xla: bool = True, **settings: object):
    """A surface, and weights away from its minimum."""
    x, y = rows(classes)
    model = MODELS[kind](**settings).build((INPUTS,), classes or 1, penalties=Penalties(), seed=3)
    return Surface(model, x, y, classes, xla=xla), [each.numpy() for each in model.weights]


@pytest.mark.parametrize("xla", [True, False])
def test_of_a_linear_model_the_hessian_is_that_of_least_squares(xla: bool) -> None:
    surface, weights = made("linear", xla=xla)
    x, _ = rows()
    design = np.hstack([x.astype(np.float64), np.ones([ROWS, 1])])
    hessian = 2 * design.T @ design / ROWS
    found = surface.spectrum(weights)
    assert found.all == pytest.approx(np.linalg.eigvalsh(hessian), rel=1e-4)
    assert surface.times_hessian(weights, np.eye(INPUTS + 1)) == pytest.approx(hessian, abs=1e-4)
    assert abs(found.steepest @ np.linalg.eigh(hessian)[1][:, -1]) == pytest.approx(1, rel=1e-4)


def test_at_the_minimum_of_least_squares_the_loss_is_the_paraboloid_of_its_hessian() -> None:
    surface, _ = made("linear")
    x, y = rows()
    design = np.hstack([x.astype(np.float64), np.ones([ROWS, 1])])
    best = np.linalg.lstsq(design, y.astype(np.float64), rcond=None)[0]
    weights = [best[:-1].reshape(-1, 1).astype(np.float32), best[-1:].astype(np.float32)]
    floor = np.square(design @ best - y).mean()
    first, second = np.random.default_rng(0).standard_normal([2, INPUTS + 1])
    at = np.array([-1.0, 0.0, 0.5])
    hessian = 2 * design.T @ design / ROWS
    expected = [
        [floor + (a * first + b * second) @ hessian @ (a * first + b * second) / 2 for a in at] for b in (-0.5, 2)
    ]
    assert surface.plane(weights, first, second, at, np.array([-0.5, 2])) == pytest.approx(np.array(expected), rel=1e-4)
    found = surface.spectrum(weights)
    rise = surface.along(weights, found.steepest, np.array([0.0, 0.3]))
    assert rise[1] - rise[0] == pytest.approx(found.largest * 0.3**2 / 2, rel=1e-3)


@pytest.mark.parametrize("classes", [None, 3])
def test_of_a_small_network_the_hessian_is_tensorflows_own(classes: int | None) -> None:
    import tensorflow as tf

    surface, weights = made("mlp", classes, hidden=[3], activation="tanh", batch_normalisation=True)
    x, y = rows(classes)
    model = MODELS["mlp"](hidden=[3], activation="tanh", batch_normalisation=True).build(
        (INPUTS,), classes or 1, penalties=Penalties(), seed=3
    )
    variables = model.trainable_variables
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            outputs = model(x, training=False)
            losses = (
                tf.square(outputs[:, 0] - y)
                if classes is None
                else tf.nn.sparse_softmax_cross_entropy_with_logits(y, outputs)
            )
            loss = tf.reduce_mean(losses)
        gradients = tf.concat([tf.reshape(each, [-1]) for each in inner.gradient(loss, variables)], 0)
    blocks = outer.jacobian(gradients, variables)
    whole = np.hstack([each.numpy().reshape(len(gradients), -1) for each in blocks])
    assert surface.times_hessian(weights, np.eye(len(whole))) == pytest.approx(whole, abs=1e-5)
    assert surface.along(weights, np.zeros(len(whole)), np.zeros(1))[0] == pytest.approx(float(loss), rel=1e-5)


def test_the_iteration_finds_the_eigenvalue_of_the_whole_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    surface, weights = made("mlp", hidden=[12])
    assert len(surface.vector(weights)) <= WHOLE
    whole = surface.spectrum(weights)
    monkeypatch.setattr("tasks.training.surface.WHOLE", 5)
    found = surface.spectrum(weights)
    assert found.all is None and found.largest == pytest.approx(whole.largest, rel=1e-3)
    assert abs(found.steepest @ whole.steepest) == pytest.approx(1, rel=1e-2)


def test_a_random_direction_has_each_units_length_and_no_biases() -> None:
    surface, weights = made("mlp", 3, hidden=[7])
    direction = surface.filter_normalised(weights, np.random.default_rng(0))
    kernel = direction[: INPUTS * 7].reshape(INPUTS, 7)
    assert np.linalg.norm(kernel, axis=0) == pytest.approx(np.linalg.norm(weights[0], axis=0), rel=1e-5)
    assert not direction[INPUTS * 7 : INPUTS * 7 + 7].any()
