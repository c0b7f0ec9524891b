"""The files that a run writes for others to read: its tables with their columns, and its documents."""
