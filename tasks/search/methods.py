"""The table of search methods. It is the only place that names them; `method.py` says what a method is."""

from __future__ import annotations

from tasks.search import descent, halving, sequences, tpe, two_stage
from tasks.search.method import Method

METHODS: dict[str, Method] = {
    "grid": sequences.GRID,
    "random": sequences.RANDOM,
    "quasi-random": sequences.QUASI_RANDOM,
    "tpe": tpe.TPE,
    "two-stage": two_stage.TWO_STAGE,
    "successive-halving": halving.SUCCESSIVE_HALVING,
    "gradient": descent.GRADIENT,
}
