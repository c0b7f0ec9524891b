"""The report's charts: from the run's dicts and frames to Altair charts, and into the page (`tabs`)."""

from reports.figures.comparison import differences, effects, forest
from reports.figures.curves import learning_curves
from reports.figures.gates import gates
from reports.figures.place import library, place, tabs
from reports.figures.predictions import predictions

__all__ = ["differences", "effects", "forest", "gates", "learning_curves", "library", "place", "predictions", "tabs"]
