"""What models take: parameters, bytes and time, as verdict.json holds them."""

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
    """What one model takes.

    Args:
        trial_id: The trial that would be shipped.
        parameters: Of the network, trained or not, without its preprocessing; None: it is no network.
        model_bytes: Of the model's files as they are saved, with its preprocessing.
        latency_ms: By rows in a call, on the machine that judged. Empty where nothing asked for it.
    """

    trial_id: str
    parameters: int | None
    model_bytes: int
    latency_ms: Mapping[str, Latency] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Footprints:
    """Every model that was measured. Recipes of one architecture share what was measured.

    Args:
        models: The shipped one, and those of all recipes where architectures differ.
        fronts: By figure (`parameters`, `model_bytes`, `latency_ms` of one row and of a batch: `latency_ms 256`) the
            `recipe_id` of those that no other recipe is as small and as good as, and better in one, by the means on
            the judged part.
        smaller: Names a smaller recipe that can't be told from the leader; None: there is none.
    """

    models: Sequence[Footprint]
    fronts: Annotated[Mapping[str, Sequence[str]] | None, OMITTED] = None
    smaller: Annotated[str | None, OMITTED] = None
