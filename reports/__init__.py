"""The report: a Quarto document over the run's tables, and the code that renders it."""
