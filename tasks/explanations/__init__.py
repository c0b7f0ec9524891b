"""Explanations: why a run went as it did, drawn and checked against theory, from the run's tables alone."""
