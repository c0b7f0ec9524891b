"""The report: Quarto documents over the run's tables, and what renders them."""
