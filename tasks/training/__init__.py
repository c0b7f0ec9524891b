"""Training: models, optimizers, schedules, and the two trainers (stack and fit)."""
