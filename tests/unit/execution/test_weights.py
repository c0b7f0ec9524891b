"""What the shipped network learned, in inspection.json and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.execution.weights import BINS, LAYERS, weights_of
from tasks.records.inspection import Inspection, NetworkWeights
from tests.runs import WINE, planned


def learned(folder: Path, spec: dict[str, object]) -> NetworkWeights:
    run = planned(folder, spec)
    assert run.judge(run.tables()).shipped
    found = Inspection.read(folder).network
    assert found is not None
    return found


def test_histograms_hold_every_weight_and_count_exact_zeros(tmp_path: Path) -> None:
    import keras

    prepared = planned(tmp_path, WINE).prepared
    model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(3, name="output")])
    kernel = np.linspace(-1, 1.1, 39, dtype=np.float32).reshape(13, 3)
    kernel[4:6] = 0
    model.set_weights([kernel, np.ones(3, np.float32)])
    found = weights_of(model, prepared, tmp_path)
    (layer,) = found.layers
    assert (layer.name, layer.weights, layer.zeros) == ("output", 39, 6)
    counts, edges = np.histogram(kernel, BINS)
    assert list(layer.counts) == counts.tolist() and layer.edges == pytest.approx(edges, rel=1e-5, abs=1e-6)
    assert found.filters is None and found.left_out == 0


def test_of_deep_networks_the_first_layers_and_the_last_are_shown(tmp_path: Path) -> None:
    model = {"mlp": {"hidden": [16] * (LAYERS + 2), "initialisation": "he_normal"}}
    found = learned(tmp_path, WINE | {"model": model, "train": {"epochs": 20, "seeds": 1, "learning_rate": 0.003}})
    assert [each.name for each in found.layers] == [
        *(f"dense_{number}" for number in range(1, LAYERS // 2 + 1)),
        *(f"dense_{number}" for number in range(LAYERS // 2 + 4, LAYERS + 3)),
        "output",
    ]
    assert found.left_out == 3


def test_a_pixel_that_raises_a_class_is_blue_in_its_tile_and_one_that_lowers_it_is_orange(tmp_path: Path) -> None:
    import cv2
    import keras

    spec = {"data": {"source": "digits", "rows": 300}, "model": "linear", "train": {"epochs": 30, "seeds": 1}}
    found = learned(tmp_path, spec | {"report": {"show_examples": True}})
    assert found.filters is not None and found.filters.shown == found.filters.units == 10 and not found.filters.colours
    picture = cv2.imread(str(tmp_path / "previews" / found.filters.picture))[..., ::-1].astype(int)
    model = keras.models.load_model(tmp_path / "model" / "model.keras")
    kernel = next(np.asarray(each) for each in model.weights if each.path.endswith("kernel"))
    largest = int(np.square(kernel).sum(0).argmax())
    tile = kernel[:, largest].reshape(8, 8)
    side = 40 // 8
    drawn = picture[:40, :40][side // 2 :: side, side // 2 :: side]
    bluer = drawn[..., 2] - drawn[..., 0]
    assert (np.sign(bluer)[np.abs(tile) > 0.05] == np.sign(tile)[np.abs(tile) > 0.05]).all()


def test_what_a_hidden_unit_adds_is_its_mean_answer_times_its_outgoing_weights(tmp_path: Path) -> None:
    import keras

    prepared = planned(tmp_path, WINE).prepared
    layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((13,)), *layers])
    model.set_weights([*model.get_weights()[:3], np.array([1.0, 2.0, 3.0], np.float32)])
    found = weights_of(model, prepared, tmp_path).hidden
    assert found is not None
    kernel, bias, outgoing, _ = model.get_weights()
    answers = np.maximum(prepared.features[prepared.rows["train"]] @ kernel + bias, 0)
    order = np.argsort(-np.square(kernel).sum(0))
    added = answers.mean(0)[:, None] * outgoing
    expected = (added - added.mean(1, keepdims=True))[order]
    assert np.array(found.added) == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert list(found.active) == pytest.approx((answers > 0).mean(0)[order].tolist(), rel=1e-3)
    assert (found.units, found.rows, list(found.outputs)) == (4, len(answers), list(prepared.dataset.classes or ()))


def test_a_linear_model_has_no_hidden_units(tmp_path: Path) -> None:
    assert learned(tmp_path, WINE | {"train": {"epochs": 30, "seeds": 1, "learning_rate": 0.05}}).hidden is None
