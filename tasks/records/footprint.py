"""What models take: parameters, bytes and time, as verdict.json holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from tasks.records.documents import OMITTED


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from raw rows to answers, in one call: the median over calls, with its interval."""

    mean: float
    low: float | None
    high: float | None
    calls: int


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What one model takes.

    Args:
        trial_id: The trial that would be shipped.
        parameters: Of the network, trained or not, without its preprocessing; None: it is no network.
        model_bytes: Of the model's files as they are saved, with its preprocessing.
        latency_ms: By rows in a call. On the machine that judged.
    """

    trial_id: str
    parameters: int | None
    model_bytes: int
    latency_ms: Mapping[str, Latency]


@dataclass(frozen=True, kw_only=True)
class Footprints:
    """Every model that was measured. Recipes of one architecture share what was measured.

    Args:
        models: The shipped one, those of all recipes where architectures differ, and those that a gate asks about.
        front: `recipe_id` of those that no other recipe is both as small and as good as, on the judged part.
        smaller: Names a smaller recipe that can't be told from the leader; None: there is none.
    """

    models: Sequence[Footprint]
    front: Sequence[str] = ()
    smaller: Annotated[str | None, OMITTED] = None
