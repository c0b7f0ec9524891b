"""The spec's `tune`: how a fair search is done for each compared recipe, and over what."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_serializer, model_validator
from pydantic_core import PydanticKnownError

from tasks.ranges import Count, Positive, Whole
from tasks.search.methods import METHODS
from tasks.spec.entries import problem
from tasks.spec.frozen import Frozen


def _known_method(name: Any, kind: str = "searcher") -> Any:
    """Looks up a search method when the spec is read, as is done with all names of tables."""
    if not isinstance(name, str) or name not in METHODS:
        listed = [repr(each) for each in METHODS]
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(listed[:-1])} or {listed[-1]}"})
    return name


Method = Annotated[str, BeforeValidator(partial(_known_method, kind="searcher"))]
"""A search method's name."""


def _number(value: Any) -> Any:
    if isinstance(value, int) and abs(value) >= 10**15:
        raise problem("is out of range", got=repr(value)[:40], accepted="whole numbers of at most 15 digits")
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    ):
        quoted = isinstance(value, str) and re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", value, re.IGNORECASE)
        raise problem(
            "is not a finite number",
            got=repr(value),
            accepted="a number",
            remedy="write it without quotes" if quoted else "",
        )
    return value


Number = Annotated[Any, BeforeValidator(_number)]
"""A number. A whole number stays one, since it says that whole numbers are searched."""


RANGE_TEST = "range-test"

OTHER_WORDS = {
    **dict.fromkeys(("min", "min_value", "lower"), "low"),
    **dict.fromkeys(("max", "max_value", "upper"), "high"),
    **dict.fromkeys(("log", "sampling", "distribution"), "scale: log"),
    "values": "choices",
}
"""Other tuners' names for keys of this spec."""


class Searched(Frozen):
    """The values of one hyperparameter: a range, or choices. Short forms: a list of choices; `auto`, the optimizer's
    own range of learning rates; `range-test`, the range that a learning-rate range test finds before the search."""

    low: Number | None = Field(None, description="the lower end of a range; whole numbers if both ends are")
    high: Number | None = Field(None, description="the upper end, included")
    scale: Literal["linear", "log"] = Field("linear", description="on which values are drawn evenly")
    step: Positive | None = Field(None, description="from low in such steps; None: any number between")
    choices: list[Any] | None = Field(None, min_length=1, description="the values, instead of a range")
    range_test: bool = Field(
        False, description="of a learning rate: its range is found by a range test before the search"
    )
    when: dict[str, Any] = Field(
        default={}, description="searched only where these others have the given value, or one of a list of values"
    )

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, value: Any) -> Any:
        others = [key for key in value if key in OTHER_WORDS] if isinstance(value, dict) else []
        if others:
            ours = ", ".join(dict.fromkeys(OTHER_WORDS[key] for key in others))
            raise problem("unknown key", got=", ".join(others), accepted=ours, suffix=others[0])
        return value

    @model_serializer
    def _as_written(self) -> Any:
        """The shortest form that reads the same."""
        if self.choices is not None:
            over: dict[str, Any] = {"choices": self.choices}
        elif self.low is None:
            over = {"range_test": True} if self.range_test else {}
        else:
            over = {"low": self.low, "high": self.high, "scale": self.scale}
            over |= {} if self.step is None else {"step": self.step}
        if self.when:
            return {**over, "when": self.when}
        if self.range_test:
            return RANGE_TEST
        return self.choices if self.choices is not None else over or "auto"

    @property
    def own(self) -> bool:
        """Whether the range is the optimizer's own."""
        return self.low is None and self.choices is None and not self.range_test

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        ends = [name for name in ("low", "high") if getattr(self, name) is not None]
        if self.range_test and (self.choices is not None or ends or self.step is not None or self.scale != "linear"):
            raise problem("a range test finds the range itself", accepted=RANGE_TEST, suffix="range_test")
        if self.choices is not None and (ends or self.step is not None or self.scale != "linear"):
            raise problem("has both a range and choices", accepted="low and high, or choices", suffix="choices")
        if len(ends) == 1:
            raise problem("a range has two ends", got=f"only {ends[0]}", accepted="low and high")
        if self.low is not None and self.high is not None:
            self._check_range(self.low, self.high)
        elif self.choices is None and (self.step is not None or self.scale != "linear"):
            raise problem("a range has two ends", got="none", accepted="low and high")
        seen: list[Any] = []
        for index, value in enumerate(self.choices or []):
            if value in seen and type(value) is type(seen[seen.index(value)]):
                raise problem("stands twice", got=repr(value), suffix=f"choices[{index}]", remedy="keep one of them")
            seen.append(value)
        return self

    def _check_range(self, low: float, high: float) -> None:
        if not low < high:  # also refuses NaN
            raise problem("the range is empty", got=f"low {low}, high {high}", accepted="low below high", suffix="low")
        if self.scale == "log" and low <= 0:
            raise problem(
                "a logarithmic scale has no zero",
                got=f"low {low}",
                accepted="low above 0",
                suffix="low",
                remedy="raise low, or use scale: linear",
            )
        if self.step is not None and self.scale == "log":
            raise problem(
                "steps are for a linear scale",
                got=f"step {self.step}",
                suffix="step",
                remedy="take step out, or list the choices",
            )
        if self.step is not None and self.step > high - low:
            raise problem(
                "the step is longer than the range",
                got=f"step {self.step}",
                accepted=f"at most {high - low:g}",
                suffix="step",
            )


def _searched(value: Any) -> Any:
    """The short forms written out."""
    if value == "auto":
        return {}
    if value == RANGE_TEST:
        return {"range_test": True}
    if isinstance(value, list):
        return {"choices": value}
    if isinstance(value, str | int | float):
        raise problem(
            "is no range", got=repr(value), accepted="{low, high, scale}, a list of choices, auto, or range-test"
        )
    if isinstance(value, dict) and value and all(isinstance(each, dict | list) for each in value.values()):
        inside = [str(key) for key in value if key not in Searched.model_fields]
        if inside:
            raise problem(
                "is no range",
                got=f"a mapping with {', '.join(inside)}",
                accepted="{low, high, scale}, a list of choices, auto, or range-test",
                remedy="join names with a dot, such as adam.beta_1",
            )
    return value


def _one_method(value: Any) -> Any:
    if isinstance(value, list):
        raise problem("is one method", got=repr(value), remedy="list several under compare.method, without tune.method")
    return value


class Tune(Frozen):
    """Each recipe is searched with the same number of settings and epochs; the best of each is trained again on fresh
    seeds, and only that is compared."""

    method: Annotated[Method, BeforeValidator(_one_method)] = Field("random", description="how settings are chosen")
    trials: Count | None = Field(None, description="settings tried for each recipe; None: 20, or every point of a grid")
    seeds: Annotated[int, Field(ge=1, le=100)] = Field(1, description="under which each setting is trained")
    folds: Annotated[int, Field(ge=2, le=100)] | None = Field(
        None, description="of cross-validation over the rows that don't judge; None: the validation part decides"
    )
    cost: Literal["seconds"] | None = Field(None, description="beside the metric: what is best at each cost is shown")
    seed: Whole = Field(0, description="of the search: which settings are drawn")
    space: dict[str, Annotated[Searched, BeforeValidator(_searched)]] = Field(
        default={}, description="hyperparameter to its range or choices; empty: each optimizer's own learning rates"
    )
