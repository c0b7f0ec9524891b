"""Data: the catalogue, files, splits, and preprocessing."""
