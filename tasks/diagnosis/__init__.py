"""Finds out what went wrong in training, from its records: pure functions over a run's tables and its plan."""
