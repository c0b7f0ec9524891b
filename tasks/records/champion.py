"""promotion.json of a champion: which run's model it is, and when, by whom and why it was promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from tasks.records.documents import OMITTED, RunDocument

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Promotion(RunDocument):
    """promotion.json.

    Args:
        experiment: The experiment whose champion it became.
        run: Name of the run's folder.
        promoted: The time of the promotion, in UTC.
        by: The user's name on the machine.
        closed: Sentences of the blocking gates that did not pass.
        why: Why it was promoted although gates did not pass; None where all of them passed.
    """

    FILE: ClassVar[str] = "promotion.json"

    schema_version: int = SCHEMA_VERSION
    experiment: str
    run: str
    promoted: str
    by: str
    closed: Sequence[str]
    why: Annotated[str | None, OMITTED] = None
