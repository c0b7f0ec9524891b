"""Set-up of every test: quiet, offline, and with TensorFlow as Keras's backend."""

import os

import pytest
from hypothesis import settings

from flows.environment import quieten

quieten()
settings.register_profile("shared machine", deadline=None)  # a slow machine is not a failure
settings.load_profile("shared machine")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of its own for runs, cache and champions."""
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
