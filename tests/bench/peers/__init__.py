"""The project and its peers, a module each.

A module has `SAMPLED` (whether it trains a sample of the recipes), `open_device(work)` (imports, and what a process
pays once; not timed), `train(work) -> list[Trained]` (timed) and, where it has settings to choose, `probe(work)`.
Those that search, too, have `search(work) -> list[Searched]` (timed).
"""

from __future__ import annotations

PEERS = {
    "bakeoff": "this project",
    "fit": "Model.fit loop",
    "tuned_fit": "tuned Model.fit",
    "keras_tuner": "KerasTuner",
    "optuna": "Optuna + fit",
    "jax": "JAX vmap + scan",
}
"""Module name below to the name in the table; `bakeoff` is what the others are compared with."""
