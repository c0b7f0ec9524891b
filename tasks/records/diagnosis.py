"""What verdict.json holds of training that went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from tasks.records.documents import OMITTED


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One cause of trouble, found in the final trials of one recipe.

    Args:
        kind: Its name in `tasks.diagnosis.diagnose.DIAGNOSES`.
        confidence: In (0, 1].
        figure: The number that tells it; `evidence` holds it too, under the name that comes first.
        evidence: Every number that was looked at, by name.
        seen: What is seen, in one sentence.
        why: Why that happens, in one sentence.
        remedy: What to do, in one sentence.
        layer: Where it is; None: the whole network, or not in a layer.
        step: When it is seen first; None: over the whole training.
    """

    kind: str
    confidence: float
    figure: float
    evidence: Mapping[str, float]
    seen: str
    why: str
    remedy: str
    layer: Annotated[str | None, OMITTED] = None
    step: Annotated[int | None, OMITTED] = None


@dataclass(frozen=True)
class DiagnosedRecipe:
    """A recipe, and all that was found of it, the surest first."""

    recipe_id: str
    recipe: str
    found: Sequence[Diagnosis]
