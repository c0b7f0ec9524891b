"""The mark of tests that read public data sets, which are not part of the project."""

import os

import pytest

needs_data = pytest.mark.skipif(not os.environ.get("BAKEOFF_DATA"), reason="needs BAKEOFF_DATA")
