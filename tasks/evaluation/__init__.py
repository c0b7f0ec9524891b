"""Evaluation: metrics, intervals, baselines, comparison, gates, verdict."""
