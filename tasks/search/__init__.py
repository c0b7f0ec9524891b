"""Hyperparameter search: what is searched, and which settings are tried next. Knows nothing of training."""
