"""The table of search methods. Each asks for settings in batches and is told how they did (`told.py`)."""

from __future__ import annotations

from tasks.search import descent, halving, sequences, tpe, two_stage
from tasks.search.told import Method

GRID, HALVING, GRADIENT = "grid", "successive-halving", "gradient"
"""Methods that plan and trainer treat in a way of their own."""

METHODS: dict[str, Method] = {
    GRID: sequences.GRID,
    "random": sequences.RANDOM,
    "quasi-random": sequences.QUASI_RANDOM,
    "tpe": tpe.TPE,
    "two-stage": two_stage.TWO_STAGE,
    HALVING: halving.SUCCESSIVE_HALVING,
    GRADIENT: descent.GRADIENT,
}
