"""What a run writes for others to read: its tables and their columns, and its documents."""
