"""What verdict.json holds of a procedure that is judged out of fold."""

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
        folds: In how many of the folds.
        whole: Whether the search on all rows, which what is shipped comes from, chose it too.
    """

    values: Mapping[str, Any]
    folds: int
    whole: bool


@dataclass(frozen=True, kw_only=True)
class ChosenSettings:
    """What a recipe's searches chose, one in each fold, on the rows left to it.

    Args:
        settings: The most frequent first.
        folds: In which a setting ended well.
        chosen_by: The best setting's score in a fold, the mean over folds: on the rows that chose it.
    """

    recipe_id: str
    recipe: str
    settings: Sequence[ChosenSetting]
    folds: int
    chosen_by: float | None


@dataclass(frozen=True, kw_only=True)
class VarianceShares:
    """What makes one recipe's score in a fold differ.

    Args:
        folds, seeds: How many scores that was found from.
        split: Standard deviation by another split into rows that are learned from and held out.
        seed: By another seed: initial weights, order of batches, and whatever else training draws.
        share: Of the split in the variance of both, in [0, 1].
    """

    recipe: str
    folds: int
    seeds: int
    split: float
    seed: float
    share: Estimate


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """The whole procedure, done anew without each fold, on the rows of that fold.

    Args:
        folds, repeats: As the spec has them.
        rows: Judged in each repeat.
        learned_from: The fewest and the most rows that a fold learned from: the figures are those of a procedure that
            has so many.
        metrics: The mean over folds, with the corrected resampled t interval (Nadeau and Bengio 2003).
        spread: Standard deviation of the deciding metric between folds.
        scores: The deciding metric in each fold, the first repeat's first; None where it is undefined.
        chosen: By name of a recipe, or of a baseline that may be shipped, in how many folds it was chosen.
        searched: Where something is tuned, what the searches chose, by recipe.
        variance: Of the leading recipe's scores, where it was trained under several seeds.
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
        """What the figures are of."""
        searching, own = ("searching, ", ", with a search of its own") if self.searched else ("", "")
        return (
            f"There is no test part: in {self.way}, {self.rows:,} rows were held out in turn, and everything was done "
            f"anew without them (preparing, {searching}training, choosing recipe, seed and threshold). So the figures "
            f"are of that procedure on {self.learned} rows. What is shipped is the same procedure on all rows{own}; a "
            "part of them chose and did not train."
        )
