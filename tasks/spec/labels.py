"""A class as its file writes it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def as_label(value: Any) -> Any:
    """Turns YAML's 1 and true into texts, as a data file holds them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


Label = Annotated[str, BeforeValidator(as_label)]
