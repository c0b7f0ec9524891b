"""What the stage stabilise tried on recipes whose training went wrong: `previews/repairs.json`."""

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
        high: The interval is one of 90%, so this is an upper bound of 95%.
    """

    mean: Number | None
    low: Number | None
    high: Number | None


@dataclass(frozen=True, kw_only=True)
class TriedRepair:
    """A changed recipe against the recipe as it stood, under the same seeds.

    Args:
        words: What was changed, all together.
        restless: Median over seeds of the fluctuation of the validation loss: the standard deviation of the first
            differences of its logarithm over the last half; None where there are too few evaluations.
        restless_change: Of the logarithm of that.
        loss_change: Of the logarithm of the last validation loss, without penalties.
        diverged: Seeds that did.
        found: Whether the diagnosis still holds.
        cured: It does not, and the loss is no worse.
        kept: Whether later rungs build on it.
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
        proof: Where one cured: all changes so far on fresh seeds.
    """

    title: str
    tried: Sequence[TriedRepair]
    proof: TriedRepair | None


@dataclass(frozen=True, kw_only=True)
class Repair:
    """The repair of one recipe.

    Args:
        kind: The diagnosis whose ladder was walked.
        restless, loss: Of the recipe as it stands, median over seeds.
        rungs: As far as the ladder was walked.
        proof: The last of the rungs' proofs; None where no rung cured.
        controls: Random settings that were trained instead, for as many training steps as the ladder took.
        control: The best of them, under the seeds of the ladder.
        control_proof: It on the fresh seeds; None where there is no proof.
        steps, control_steps: Training steps of the ladder and of the control, all seeds.
        settings: The repaired recipe, complete; None where the proof does not hold or there is none.
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
        written: `recipe_id` of the repaired recipe that is in repaired.yaml: of several the one of least validation
            loss; None where none was cured.
    """

    FILE: ClassVar[str] = "previews/repairs.json"

    recipes: Sequence[Repair]
    unrepaired: Sequence[tuple[str, str]]
    written: str | None
    schema_version: int = SCHEMA_VERSION
