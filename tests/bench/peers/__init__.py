"""The project and its peers, one module for each.

A module has `SAMPLED` (whether it trains a sample of the recipes), `open_device(work)` (imports and other one-time
costs of a process; not timed), `train(work) -> list[Trained]` (timed) and, if it has settings to choose, `probe(work)`.
Modules that also search have `search(work) -> list[Searched]` (timed).
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
"""Name in the table, by module name; the others are compared with `bakeoff`."""
