"""Settings of the process: quiet, offline, with TensorFlow. Apply them before any heavy import. Importing this module
sets nothing."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.imports import importing

_SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # V2 calls out from the browser even with analytics off
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
}


def load_tensorflow(home: Path | None = None) -> None:
    """Imports TensorFlow without its greeting ("oneDNN custom operations are on"), which its C++ part writes to file
    descriptor 2 before it reads any setting. Python's own output is still shown.

    Args:
        home: The home folder with the compiled programs of earlier runs, for XLA to reuse; None: it compiles anew.
    """
    from tasks.training.compilations import open_cache

    if home is not None:
        open_cache(home)
    with _descriptor_muted(), importing():
        import tensorflow  # noqa: F401


@contextmanager
def _descriptor_muted() -> Iterator[None]:
    python = sys.stderr
    try:
        shows_python = python.fileno() == 2
    except (OSError, AttributeError, ValueError):
        shows_python = False
    python.flush()
    with open(os.devnull, "w") as nothing, os.fdopen(os.dup(2), "w", buffering=1) as shown:
        os.dup2(nothing.fileno(), 2)
        if shows_python:
            sys.stderr = shown
        try:
            yield
        finally:
            os.dup2(shown.fileno(), 2)
            sys.stderr = python


def home_folder() -> Path:
    """Returns the folder of all state: runs, cache, champions."""
    return Path(os.environ.get("BAKEOFF_HOME") or "data")


def for_workers() -> dict[str, str]:
    """Returns the environment variables that other training processes take over from this one: its settings, and where
    its data lie."""
    return {name: os.environ[name] for name in (*_SETTINGS, "BAKEOFF_DATA") if name in os.environ}


def quieten() -> None:
    """Sets the variables that the user has not set, and hides TensorFlow's warnings."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    tensorflow = logging.getLogger("tensorflow")
    if tensorflow.level == logging.NOTSET:
        tensorflow.setLevel(logging.ERROR)  # it warns about each stack's program: "excessive retracing"
