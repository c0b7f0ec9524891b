"""What models need: parameters, bytes and time, as stored in verdict.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from tasks.records.documents import OMITTED


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from raw rows to answers, in one call: the median over calls, and the range that holds the run's
    `confidence` of them."""

    median: float
    low: float
    high: float
    calls: int


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What one model needs.

    Args:
        trial_id: The trial that would be shipped.
        parameters: Number of parameters of the network, trained or not, without its preprocessing; None: it is not a
            network.
        model_bytes: Size of the model's saved files, with its preprocessing.
        latency_ms: By number of rows in a call, on the machine that judged. Empty where nothing asked for it.
    """

    trial_id: str
    parameters: int | None
    model_bytes: int
    latency_ms: Mapping[str, Latency] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Footprints:
    """The footprints of all models that were measured. Recipes with the same architecture share one measurement.

    Args:
        models: The shipped model; and the models of all recipes, where architectures differ.
        fronts: The Pareto front for each figure (`parameters`, `model_bytes`, `latency_ms` of one row and of a batch:
            `latency_ms 256`): the `recipe_id` of each recipe for which no other recipe is at least as small and as
            good, and better in one of the two, by means on the judged part.
        smaller: A sentence that names a smaller recipe that can't be told from the leader; None: there is none.
    """

    models: Sequence[Footprint]
    fronts: Annotated[Mapping[str, Sequence[str]] | None, OMITTED] = None
    smaller: Annotated[str | None, OMITTED] = None
