"""What brings a model's probabilities to what happens, alike in evaluation and in a shipped model."""

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
        temperature: What logits are divided by, above 0 (Guo et al. 2017, eq. 9): above 1 makes a model less sure. The
            likeliest class stays.
        knots: Of each class, where its probability is taken to: pairs of a given and an answered probability, both
            rising; straight lines between them, level beyond the ends. Then the classes are made to add up to 1
            (Zadrozny & Elkan 2002, section 3).
    """

    temperature: float | None = None
    knots: Sequence[tuple[Sequence[float], Sequence[float]]] | None = None

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 `[rows, classes]`, of those given."""
        given = probability.astype(np.float64)
        if self.temperature is not None:
            logits = np.log(np.maximum(given, _TINY)) / self.temperature
            found = np.exp(logits - logits.max(axis=1, keepdims=True))
        else:
            assert self.knots is not None
            found = np.column_stack([np.interp(given[:, k], *of_class) for k, of_class in enumerate(self.knots)])
        return found / found.sum(axis=1, keepdims=True)

    def as_json(self) -> dict[str, Any]:
        """As `of_json` reads it."""
        if self.temperature is not None:
            return {"temperature": self.temperature}
        return {"knots": [[list(map(float, each)) for each in of_class] for of_class in self.knots or ()]}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Calibrator:
        """What `as_json` gave."""
        return cls(temperature=found.get("temperature"), knots=found.get("knots"))
