"""Compiled functions with the same names in every process, so that XLA's persistent cache finds them again.

TensorFlow names a function, and each body of a loop in it, with a number that all threads of a process count up
together. The names go into what XLA compiles, and so into the key of its cache: the program of a second run would have
another key than that of the first. Here the names are made of what is compiled and of a count of its own. Names decide
nothing else: XLA compares the program that it finds under a key, instruction by instruction, with the wanted one.

If a later TensorFlow makes its names elsewhere, programs are compiled again; no result changes.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_named = threading.local()
"""For each thread: `base`, the prefix of names while it calls a compiled function; `anew`, that of `never_found`."""
_counts: Counter[str] = Counter()
"""How many names of each base were given: no two functions of a process may have the same."""
_counting = threading.Lock()


class NamedFunction:
    """A `tf.function`, named in the same way in every process.

    Args:
        body: A function of tensors.
        of: Text of all that decides the program, beside the body. Functions of equal `of` get equal names, in the order
            in which they are traced.
        options: Options of `tf.function`.
    """

    def __init__(self, body: Callable[..., Any], of: str, options: dict[str, Any]) -> None:
        import tensorflow as tf

        _take_over_naming()
        self._function = tf.function(body, **options)
        self._base = hashlib.sha256(f"{body.__qualname__} {of}".encode()).hexdigest()[:16]

    def __call__(self, *arguments: Any) -> Any:
        before = getattr(_named, "base", None)
        _named.base = getattr(_named, "anew", None) or self._base
        try:
            return self._function(*arguments)
        finally:
            _named.base = before

    @property
    def traces(self) -> int:
        """How many programs were made of it so far: one for each kind of arguments."""
        count: int = self._function.experimental_get_tracing_count()
        return count


@contextmanager
def never_found() -> Iterator[None]:
    """Within this context the thread's functions get names that no cache has."""
    _named.anew = uuid.uuid4().hex
    try:
        yield
    finally:
        _named.anew = None


def _number() -> str | None:
    """Returns the suffix of the next name. None outside of compiled functions, where TensorFlow's number is used."""
    base = getattr(_named, "base", None)
    if base is None:
        return None
    with _counting:
        _counts[base] += 1
        return f"{base}_{_counts[base]}"


@cache
def _take_over_naming() -> None:
    """Replaces TensorFlow's two functions that make names, where this TensorFlow has them."""
    try:
        from tensorflow.python.eager.polymorphic_function import concrete_function
        from tensorflow.python.ops import control_flow_util_v2
    except ImportError:
        return
    function_name = getattr(concrete_function, "_inference_name", None)
    body_name = getattr(control_flow_util_v2, "unique_fn_name", None)
    if function_name is None or body_name is None:
        return

    def named(name: str) -> str:
        number = _number()
        return function_name(name) if number is None else f"__inference_{name}_{number}"

    def named_body(scope: str, name: str) -> str:
        number = _number()
        return body_name(scope, name) if number is None else f"{scope}{name}_{number}".replace("/", "_")

    concrete_function._inference_name = named
    control_flow_util_v2.unique_fn_name = named_body
