"""Explanations: why a run had its results, with pictures and checks against theory, from the run's tables alone."""
