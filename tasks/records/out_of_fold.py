"""The part of verdict.json on a procedure that is judged out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from tasks.records.documents import OMITTED
from tasks.records.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class ChosenSetting:
    """A setting that a recipe's searches chose.

    Args:
        folds: The number of folds in which it was chosen.
        whole: Whether the search on all rows, which the shipped model comes from, chose it too.
    """

    values: Mapping[str, Any]
    folds: int
    whole: bool


@dataclass(frozen=True, kw_only=True)
class ChosenSettings:
    """The settings that a recipe's searches chose. There is one search in each fold, on the rows left to it.

    Args:
        settings: The settings, the most frequent first.
        folds: The number of folds in which a setting ended well.
        chosen_by: Mean over folds of the best setting's score in a fold, on the rows that chose it.
    """

    recipe_id: str
    recipe: str
    settings: Sequence[ChosenSetting]
    folds: int
    chosen_by: float | None


@dataclass(frozen=True, kw_only=True)
class VarianceShares:
    """The sources of variation of one recipe's score in a fold.

    Args:
        folds, seeds: The numbers of folds and of seeds that were used.
        split: Standard deviation from another split into rows that are learned from and held out.
        seed: Standard deviation from another seed: initial weights, order of batches, and other random draws of
            training.
        share: Share of the split in the variance of both, in [0, 1].
        initial, order: Standard deviation from other initial weights alone, on the same batches, and from all other
            draws of a seed alone, from the same initial weights; None where the spec does not ask for them
            (`evaluate.seed_sources`). Their squares need not add up to that of `seed`: the effect of the one may depend
            on the other.
    """

    recipe: str
    folds: int
    seeds: int
    split: float
    seed: float
    share: Estimate
    initial: Annotated[Estimate | None, OMITTED] = None
    order: Annotated[Estimate | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """The results of the whole procedure, repeated without each fold and judged on the rows of that fold.

    Args:
        folds, repeats: As in the spec.
        rows: The number of rows judged in each repeat.
        learned_from: The fewest and the most rows that a fold learned from. The figures are those of a procedure with
            so many rows.
        metrics: The mean over folds, with the corrected resampled t interval (Nadeau and Bengio 2003).
        spread: Standard deviation of the deciding metric between folds.
        scores: The deciding metric in each fold, the first repeat's first; None where it is undefined.
        chosen: By name of a recipe, or of a baseline that may be shipped: in how many folds it was chosen.
        searched: Where something is tuned, the settings that the searches chose, by recipe.
        variance: The variation of the leading recipe's scores, where it was trained under several seeds.
    """

    folds: int
    repeats: int
    rows: int
    learned_from: tuple[int, int]
    metrics: Mapping[str, Estimate]
    spread: float | None
    scores: Sequence[float | None]
    chosen: Mapping[str, int]
    searched: Annotated[Sequence[ChosenSettings] | None, OMITTED] = None
    variance: Annotated[VarianceShares | None, OMITTED] = None

    @property
    def way(self) -> str:
        """`5 folds, 10 times`."""
        return f"{self.folds} folds" + (f", {self.repeats} times" if self.repeats > 1 else "")

    @property
    def learned(self) -> str:
        """How many rows a fold learned from: `800`, or `200 to 800`."""
        fewest, most = self.learned_from
        return f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"

    @property
    def sentence(self) -> str:
        """What the figures mean, in words."""
        searching, own = ("searching, ", ", with a search of its own") if self.searched else ("", "")
        return (
            f"There is no test part: in {self.way}, {self.rows:,} rows were held out in turn, and everything was done "
            f"anew without them (preparing, {searching}training, choosing recipe, seed and threshold). So the figures "
            f"are of that procedure on {self.learned} rows. The shipped model comes from the same procedure on all "
            f"rows{own}; a part of them was used to choose, not to train."
        )
