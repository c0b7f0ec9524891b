"""Builds networks only to read their layers and the shapes of their weights, which get no values and no memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def shapes_only() -> Iterator[None]:
    """Within this context, Keras layers are built with weights that have no values: an MLP of billions of weights takes
    a hundredth of a second. Such a network has shapes, counts and settings; it can't be run or trained."""
    import keras
    from keras.src.backend.common import global_state

    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        # Keras would give them values at the end of its next such scope.
        global_state.set_global_attribute("uninitialized_variables", [])
