"""`previews/repairs.json`: what the stage stabilise tried on recipes whose training went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tasks.records.documents import Number, RunDocument
from tasks.records.settings import RecipeSettings

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Change:
    """A paired difference over seeds, with its interval (Student's t); None where a trial diverged.

    Args:
        high: The interval has a confidence of 90%, so this is a one-sided 95% bound.
    """

    mean: Number | None
    low: Number | None
    high: Number | None


@dataclass(frozen=True, kw_only=True)
class TriedRepair:
    """A changed recipe compared with the recipe as it stood, under the same seeds.

    Args:
        words: All changes together, in words.
        restless: Median over seeds of the fluctuation of the validation loss: the standard deviation of the first
            differences of its logarithm over the last half; None where there are too few evaluations.
        restless_change: Change of the logarithm of `restless`.
        loss_change: Change of the logarithm of the last validation loss, without penalties.
        diverged: Number of seeds that diverged.
        found: Whether the diagnosis still holds.
        cured: Whether the diagnosis no longer holds, and the loss is no worse.
        kept: Whether later rungs build on this change.
    """

    words: str
    restless: Number | None
    restless_change: Change
    loss_change: Change
    diverged: int
    found: bool
    cured: bool
    kept: bool = False


@dataclass(frozen=True)
class TriedRung:
    """One step of a ladder: changes of one kind, trained in a stack.

    Args:
        proof: Where a change cured: the test of all changes so far on fresh seeds.
    """

    title: str
    tried: Sequence[TriedRepair]
    proof: TriedRepair | None


@dataclass(frozen=True, kw_only=True)
class Repair:
    """The repair of one recipe.

    Args:
        kind: The diagnosis whose ladder was tried.
        restless, loss: Values of the recipe as it stands, median over seeds.
        rungs: The rungs that were tried.
        proof: The last of the rungs' proofs; None where no rung cured.
        controls: Number of random settings that were trained for comparison, with as many training steps as the ladder
            took.
        control: The best of them, under the seeds of the ladder.
        control_proof: The same setting on the fresh seeds; None where there is no proof.
        steps, control_steps: Training steps of the ladder and of the control, over all seeds.
        settings: All settings of the repaired recipe; None where there is no proof or it does not hold.
    """

    recipe_id: str
    recipe: str
    kind: str
    seeds: int
    restless: Number | None
    loss: Number | None
    rungs: Sequence[TriedRung]
    proof: TriedRepair | None
    controls: int
    control: TriedRepair | None
    control_proof: TriedRepair | None
    steps: int
    control_steps: int
    settings: RecipeSettings | None

    @property
    def cured(self) -> bool:
        return self.settings is not None


@dataclass(frozen=True, kw_only=True)
class Repairs(RunDocument):
    """previews/repairs.json.

    Args:
        unrepaired: Recipes with a diagnosis that no ladder fits: the recipe and the diagnosis.
        written: `recipe_id` of the repaired recipe in repaired.yaml: of several, the one of least validation loss; None
            where none was cured.
    """

    FILE: ClassVar[str] = "previews/repairs.json"

    recipes: Sequence[Repair]
    unrepaired: Sequence[tuple[str, str]]
    written: str | None
    schema_version: int = SCHEMA_VERSION
