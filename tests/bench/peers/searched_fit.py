"""The shared parts of the search peers: one setting of a search through `Model.fit`."""

from __future__ import annotations

from typing import Any

from tasks.training.models import MODELS, Penalties
from tests.bench.searches import Drawn, Searched, SearchWork
from tests.in_memory import InMemory


def compiled(work: SearchWork, arrays: InMemory, setting: Drawn) -> Any:
    """Returns the setting's compiled Keras model, ready for `fit`."""
    import keras

    search = work.search
    architecture = MODELS["mlp"](hidden=search.hidden(setting), initialisation=search.model["initialisation"])
    penalties = Penalties(dropout=setting.get("dropout", 0.0))
    model = architecture.build(arrays.train.shape, arrays.outputs, penalties=penalties)
    if arrays.classes is None:
        loss, metric = keras.losses.MeanSquaredError(), keras.metrics.RootMeanSquaredError(name="rmse")
    else:
        loss, metric = keras.losses.SparseCategoricalCrossentropy(from_logits=True), "accuracy"
    model.compile(keras.optimizers.Adam(setting["learning_rate"]), loss, metrics=[metric])
    return model


def arguments(work: SearchWork, arrays: InMemory) -> dict[str, Any]:
    """Returns the arguments of `fit`, except for the batch size."""
    import keras

    return {
        "x": arrays.train.inputs,
        "y": arrays.train.targets,
        "epochs": work.epochs,
        "validation_data": (arrays.val_inputs, arrays.val_targets),
        "callbacks": [keras.callbacks.EarlyStopping("val_loss", patience=work.epochs + 1, restore_best_weights=True)],
        "verbose": 0,
    }


def outcome(arrays: InMemory, history: dict[str, list[float]]) -> Searched:
    """Returns the score of the epoch with the least validation loss."""
    best = min(range(len(history["val_loss"])), key=history["val_loss"].__getitem__)
    metric = "val_rmse" if arrays.classes is None else "val_accuracy"
    return Searched(len(history["val_loss"]), history[metric][best] * arrays.target_scale)
