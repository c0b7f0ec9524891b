"""The search workloads: settings a second, by this project's search stage and by peers around `Model.fit`.

All train networks of the same space with Adam, each setting once and to the end, validated after every epoch; each
draws its own settings at random. The peers draw only as many settings as one round has time for, so trials a second are
compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tests.in_memory import InMemory, in_memory

if TYPE_CHECKING:
    from tasks.inputs.prepared import Prepared
    from tasks.planning.plan import Plan
    from tasks.runs import Run

Drawn = Mapping[str, Any]
"""One setting: a value for each name of the space."""


@dataclass(frozen=True)
class Searching:
    """A search through one recipe's settings.

    Args:
        source: The data set's name in the project's catalogue.
        rows: Size of the sample of rows that is split and trained on; None: all rows.
        model: Parameters of a spec's `model`, which the space may replace.
        space: A spec's `tune.space`: choices, or the ends of a logarithmic range.
        settings: Number of settings that this project searches.
        sample: Number of settings that a peer searches.
    """

    name: str
    title: str
    source: str
    rows: int | None
    model: Mapping[str, Any]
    space: Mapping[str, Any]
    epochs: int
    batch_size: int
    settings: int
    sample: int

    def spec(self, settings: int, epochs: int, seed: int) -> dict[str, Any]:
        """Returns the project's spec. Early stopping is on but never stops, as in the other workloads."""
        return {
            "name": self.name.lower(),
            "data": {"source": self.source, "rows": self.rows},
            "model": {"mlp": dict(self.model)},
            "train": {
                "epochs": epochs,
                "batch_size": self.batch_size,
                "optimizer": "adam",
                "early_stopping": {"patience": epochs + 1},
            },
            "tune": {"method": "random", "trials": settings, "seed": seed, "space": dict(self.space)},
        }

    def drawn(self, choice: Callable[[str, list[Any]], Any], log_range: Callable[[str, float, float], float]) -> Drawn:
        """Draws a setting by a peer's own sampler."""
        return {
            name: choice(name, over) if isinstance(over, list) else log_range(name, over["low"], over["high"])
            for name, over in self.space.items()
        }

    def hidden(self, setting: Drawn) -> list[int]:
        """Returns the units of the hidden layers."""
        if "layers" not in setting:
            return list(self.model["hidden"])
        return [setting["width"]] * setting["layers"]


SEARCHES = {
    search.name: search
    for search in (
        Searching(
            name="S1",
            title="Titanic, 100-100, 30 epochs, learning rates",
            source="titanic",
            rows=None,
            model={"hidden": [100, 100], "initialisation": "he_normal"},
            space={"learning_rate": {"low": 1e-4, "high": 1e-1, "scale": "log"}},
            epochs=30,
            batch_size=32,
            settings=40,
            sample=10,
        ),
        Searching(
            name="S2",
            title="house prices, 27 shapes, 10 epochs of 2,560 rows",
            source="california-housing",
            rows=4000,
            model={"hidden": [64, 64], "initialisation": "he_normal"},
            space={
                "learning_rate": [0.01, 0.001, 0.0001],
                "batch_size": [32, 64, 128],
                "layers": [2, 3, 4],
                "width": [64, 128, 256],
                "dropout": [0.2, 0.3, 0.5],
            },
            epochs=10,
            batch_size=32,
            settings=54,
            sample=18,
        ),
    )
}

SEARCH_PEERS = ("keras_tuner", "optuna")
"""Modules of `peers` that search."""


@dataclass(frozen=True)
class SearchWork:
    """A search that this project or a peer runs.

    Args:
        settings: Number of settings.
        turn: Number of the round; each round draws other settings.
        run, plan, prepared, splits: The inputs of the project's search stage.
    """

    search: Searching
    settings: int
    epochs: int
    turn: int
    run: Run
    plan: Plan
    prepared: Prepared
    splits: pd.DataFrame

    @property
    def arrays(self) -> InMemory:
        """The training and validation data, as the project preprocesses them."""
        return in_memory(self.prepared.arrays())


def opened(search: Searching, settings: int, epochs: int, turn: int, folder: Path) -> SearchWork:
    """Loads, splits and plans a search, up to the search stage."""
    from tasks import runs, stages
    from tasks.spec.load import parse_spec

    spec = parse_spec(search.spec(settings, epochs, turn))
    run = runs.open_run(spec, "", (), folder, folder / "home", folder / "run")
    dataset = stages.load(run)
    splits = stages.split(run, dataset)
    plan, prepared, _ = stages.plan(run, dataset, splits)
    return SearchWork(search, settings, epochs, turn, run, plan, prepared, splits)


@dataclass(frozen=True)
class Searched:
    """The result of one setting.

    Args:
        epochs: Epochs that were trained.
        score: Validation accuracy, or RMSE in the target's unit, of the weights that were kept.
    """

    epochs: float
    score: float


def check(work: SearchWork, searched: Sequence[Searched]) -> None:
    """Checks that every setting was trained to the end.

    Raises:
        ValueError: work is missing, so the times may not be compared.
    """
    scores = np.array([one.score for one in searched])
    if [one.epochs for one in searched] != [work.epochs] * work.settings or not np.isfinite(scores).all():
        raise ValueError(f"searched {searched}, must be {work.settings} settings of {work.epochs} epochs")
