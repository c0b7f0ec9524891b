"""The report's charts: functions that make Altair charts from records and data frames of the run, and put them into the
page (`tabs`)."""

from reports.figures.by_slice import by_slice
from reports.figures.comparison import differences, effects, forest
from reports.figures.costs import cost_curve
from reports.figures.curves import learning_curves
from reports.figures.diagnosis import evidence
from reports.figures.explanation import drawn
from reports.figures.footprints import footprints
from reports.figures.gates import gates
from reports.figures.influence import dependence, influence
from reports.figures.out_of_fold import out_of_fold
from reports.figures.place import library, place, tabs, trusted
from reports.figures.predictions import calibration, confusion
from reports.figures.ranking import ranking
from reports.figures.residuals import residuals, residuals_by_input
from reports.figures.search import importance, learning_rates, progress
from reports.figures.settings import parallel, slices
from reports.figures.weights import histograms, steps, units

__all__ = [
    "by_slice",
    "calibration",
    "confusion",
    "cost_curve",
    "dependence",
    "differences",
    "drawn",
    "effects",
    "evidence",
    "footprints",
    "forest",
    "gates",
    "histograms",
    "importance",
    "influence",
    "learning_curves",
    "learning_rates",
    "library",
    "out_of_fold",
    "parallel",
    "place",
    "progress",
    "ranking",
    "residuals",
    "residuals_by_input",
    "slices",
    "steps",
    "tabs",
    "trusted",
    "units",
]
