"""The part of verdict.json on training that went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from tasks.records.documents import OMITTED


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One cause of trouble, found in the final trials of one recipe.

    Args:
        kind: The key in `tasks.diagnosis.diagnose.DIAGNOSES`.
        confidence: In (0, 1].
        figure: The number that shows the cause; `evidence` holds it too, under its first name.
        evidence: Every number that was used, by name.
        seen: What is seen, in one sentence.
        why: Why that happens, in one sentence.
        remedy: What to do, in one sentence.
        layer: The layer where it is; None: the whole network, or no single layer.
        step: The training step at which it is seen first; None: over the whole training.
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
    """A recipe and all its diagnoses, the surest first."""

    recipe_id: str
    recipe: str
    found: Sequence[Diagnosis]
