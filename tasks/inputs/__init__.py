"""What trials learn from: preprocessed rows in memory or on disk, augmented rows."""
