"""Champions: the model of each experiment that is in use, its history, and whether a new model replaces it."""
