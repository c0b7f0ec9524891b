"""Quiet, offline, and on TensorFlow, for every test."""

import os

import pytest
from hypothesis import settings

from flows.environment import quieten

quieten()
settings.register_profile("shared machine", deadline=None)  # a loaded machine is no defect
settings.load_profile("shared machine")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of its own for runs, cache and champions."""
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
