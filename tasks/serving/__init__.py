"""A saved model's answers for files of new rows. The files are read in the same way as the training data."""
