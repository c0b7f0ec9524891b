"""Networks to be read: their layers and the shapes of their weights, which get no values and take no memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def shapes_only() -> Iterator[None]:
    """A block in which Keras layers that are built get weights without values: an MLP of billions of weights takes a
    hundredth of a second. Such a network tells shapes, numbers and settings; it can't be run or trained."""
    import keras
    from keras.src.backend.common import global_state

    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        # Keras would give them values at the end of its next such scope.
        global_state.set_global_attribute("uninitialized_variables", [])
