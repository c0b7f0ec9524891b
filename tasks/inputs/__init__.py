"""The inputs that trials learn from: preprocessed rows in memory or on disk, and augmented rows."""
