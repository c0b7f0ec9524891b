"""What goes wrong in training, told from what was recorded of it: pure functions over a run's tables and its plan."""
