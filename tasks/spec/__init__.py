"""The spec: one experiment as its author wrote it."""
