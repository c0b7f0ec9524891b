"""Prefect flows, the command, and the shipped experiments."""
