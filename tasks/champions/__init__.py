"""Champions: the model of each experiment that is in use, how it came to be, and whether a new one replaces it."""
