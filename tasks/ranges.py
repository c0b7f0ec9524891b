"""The ranges of factories' parameters. A factory's signature is its schema, so these types stand in signatures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Negative = Annotated[float, Field(lt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
"""In `[0, 1)`: a decay rate such as beta_1, a dropout rate."""
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""In `(0, 1]`."""
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Growth = Annotated[float, Field(ge=1, allow_inf_nan=False)]
