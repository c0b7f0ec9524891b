"""Data sets: the catalogue, readers of files, column types, the target, and splits."""
