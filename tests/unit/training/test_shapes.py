"""Networks without values: the same shapes as with them, whatever their size, and nothing left behind."""

from __future__ import annotations

import keras
import pytest

from tasks.planning.groups import work_of
from tasks.training.models import MODELS
from tasks.training.shapes import shapes_only
from tasks.training.stacked_networks import describe, incompatibility

SHAPES = {
    "linear": (5,),
    "mlp": (5,),
    "resnet": (5,),
    "cnn": (8, 8, 1),
    "audio": (8, 8, 1),
    "text": (12,),
    "gru": (12,),
}


def test_every_model_has_its_shape() -> None:
    assert SHAPES.keys() == MODELS.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_what_planning_reads_is_the_same_without_values(name: str) -> None:
    built = MODELS[name]().build(SHAPES[name], 3)
    with shapes_only():
        outline = MODELS[name]().build(SHAPES[name], 3)
    assert work_of(outline, 32, 10) == work_of(built, 32, 10)
    assert incompatibility(outline) == incompatibility(built)
    assert describe(outline) == describe(built)


def test_a_huge_network_takes_no_memory_then_or_later() -> None:
    with shapes_only():
        huge = MODELS["mlp"](hidden=[65_536, 65_536]).build((65_536,), 10)
    assert huge.count_params() > 8e9
    with keras.StatelessScope():  # at whose end Keras gives values to what waits for them
        pass
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
