"""A recipe's hyperparameters, as stored in plan.json and the tables, read by name."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

ABSENT: Mapping[str, Any] = {
    "accumulation": 1,
    "gradient_noise": None,
    "averaging": {"none": {}},
    "augmentation": None,
    "imbalance": "none",
    "loss": {"cross_entropy": {}},
    "rows": None,
    "method": None,
}
"""Values at which a part is left out of a recipe's document. So recipes keep the identifiers that they had before the
part existed."""


class Named(NamedTuple):
    """An entry of a table (an optimizer, a schedule, an average of weights, a model) with all its parameters."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Strengths:
    """The strengths of regularisation: `regularisation` of the spec, every number at least 0."""

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class RecipeSettings:
    """Every hyperparameter of a recipe, and the fixed values that decide its results.

    Args:
        document: Part to value, plain JSON, complete except for values in `ABSENT`. It is never changed in place.
    """

    document: Mapping[str, Any]

    def part(self, name: str) -> Any:
        """The value of a part, as plain JSON.

        Raises:
            KeyError: there is no part of this name.
        """
        return self.document[name] if name in self.document else ABSENT[name]

    def replaced(self, **parts: Any) -> RecipeSettings:
        """These settings with other values of some parts."""
        document = {**self.document, **parts}
        return RecipeSettings({name: value for name, value in document.items() if not absent(name, value)})

    def without(self, names: Collection[str]) -> dict[str, Any]:
        """A copy of the document without some of its parts."""
        return {name: copy.deepcopy(value) for name, value in self.document.items() if name not in names}

    def named(self, part: str) -> Named:
        """The entry of a table (an optimizer, a model and so on) in this part."""
        ((name, parameters),) = self.part(part).items()
        return Named(name, parameters)

    @property
    def optimizer(self) -> Named:
        return self.named("optimizer")

    @property
    def schedule(self) -> Named:
        return self.named("schedule")

    @property
    def averaging(self) -> Named:
        return self.named("averaging")

    @property
    def model(self) -> Named:
        return self.named("model")

    @property
    def learning_rate(self) -> float:
        """The optimizer's learning rate; NaN where it has none."""
        return float(self.optimizer.parameters.get("learning_rate", math.nan))

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of the hidden layers; empty for a linear model, and for a model without this parameter."""
        return tuple(self.model.parameters.get("hidden", ()))

    @property
    def regularisation(self) -> Strengths:
        return Strengths(**self.part("regularisation"))

    @property
    def clipping(self) -> Mapping[str, float | None]:
        """`value`, `norm` and `global_norm`; at most one of them is not None."""
        found: Mapping[str, float | None] = self.part("clipping")
        return found

    @property
    def augmentation(self) -> Mapping[str, Any] | None:
        """`steps`, `times` and `seed` of the policy; None: no augmentation."""
        found: Mapping[str, Any] | None = self.part("augmentation")
        return found

    @property
    def imbalance(self) -> str:
        return str(self.part("imbalance"))

    @property
    def loss(self) -> Named:
        return self.named("loss")

    @property
    def accumulation(self) -> int:
        """The number of steps whose gradients make one update."""
        return int(self.part("accumulation"))

    @property
    def gradient_noise(self) -> Mapping[str, float]:
        """`eta` and `gamma`; empty where there is none."""
        found: Mapping[str, float] = self.part("gradient_noise") or {}
        return found

    @property
    def on_gradients(self) -> list[str]:
        """Which of `accumulation` and `gradient_noise` act on the recipe's gradients."""
        return [name for name in ("accumulation", "gradient_noise") if name in self.document]

    @property
    def rows(self) -> int | None:
        """The number of training rows that the recipe is limited to; None: all rows."""
        rows: int | None = self.part("rows")
        return rows

    @property
    def method(self) -> str | None:
        """The search method, where methods are compared."""
        method: str | None = self.part("method")
        return method

    @property
    def batch_size(self) -> int:
        return int(self.part("batch_size"))

    @property
    def epochs(self) -> int:
        return int(self.part("epochs"))

    @property
    def evaluate_every(self) -> Mapping[str, float | None]:
        """`steps`, `epochs` and `seconds`; one of them is not None."""
        found: Mapping[str, float | None] = self.part("evaluate_every")
        return found

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Makes documents of a run hold the plain mapping."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.dict_schema(core_schema.str_schema()),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda settings: settings.document),
        )


def absent(part: str, value: Any) -> bool:
    """Whether a recipe with this value of a part is the same as a recipe without the part."""
    return part in ABSENT and bool(ABSENT[part] == value)
