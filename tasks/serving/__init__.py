"""A saved model's answers for files of new rows, read as its training data were."""
