"""Calibrates a model's probabilities, in the same way in evaluation and in a shipped model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, kw_only=True)
class Calibrator:
    """A map from probabilities to probabilities, one of:

    Args:
        temperature: The divisor of the logits, above 0 (Guo et al. 2017, eq. 9). Above 1 it makes a model less sure.
            The likeliest class stays the same.
        knots: For each class, a piecewise linear map of its probability: given values and answered values, both rising;
            constant beyond the ends. The classes' results are then divided by their sum (Zadrozny & Elkan 2002,
            section 3).
    """

    temperature: float | None = None
    knots: Sequence[tuple[Sequence[float], Sequence[float]]] | None = None

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Returns the calibrated probabilities, float64 `[rows, classes]`."""
        given = probability.astype(np.float64)
        if self.temperature is not None:
            logits = np.log(np.maximum(given, _TINY)) / self.temperature
            found = np.exp(logits - logits.max(axis=1, keepdims=True))
        else:
            assert self.knots is not None
            found = np.column_stack([np.interp(given[:, k], *of_class) for k, of_class in enumerate(self.knots)])
        return found / found.sum(axis=1, keepdims=True)

    def as_json(self) -> dict[str, Any]:
        """The calibrator as plain values, for `of_json`."""
        if self.temperature is not None:
            return {"temperature": self.temperature}
        return {"knots": [[list(map(float, each)) for each in of_class] for of_class in self.knots or ()]}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Calibrator:
        """The calibrator from the values of `as_json`."""
        return cls(temperature=found.get("temperature"), knots=found.get("knots"))
