"""The report's tables and texts: each function takes records or data frames of the run and returns Markdown."""

from reports.tables.augmentation import effects, previews
from reports.tables.comparison import comparison, differences
from reports.tables.costs import costs, threshold
from reports.tables.data import columns, data, validation
from reports.tables.footprints import footprints
from reports.tables.out_of_fold import out_of_fold
from reports.tables.predictions import by_class, confused, hardest, recalibration
from reports.tables.reproduce import reproduce
from reports.tables.search import search, search_warnings, sensitivity, settings
from reports.tables.slices import slicing
from reports.tables.trials import skipped, stacks, trials
from reports.tables.verdict import baselines, champion, compared, decision, gates, next_steps, of_run, scope, warnings

__all__ = [
    "baselines",
    "by_class",
    "champion",
    "columns",
    "compared",
    "comparison",
    "confused",
    "costs",
    "data",
    "decision",
    "differences",
    "effects",
    "footprints",
    "gates",
    "hardest",
    "next_steps",
    "of_run",
    "out_of_fold",
    "previews",
    "recalibration",
    "reproduce",
    "scope",
    "search",
    "search_warnings",
    "sensitivity",
    "settings",
    "skipped",
    "slicing",
    "stacks",
    "threshold",
    "trials",
    "validation",
    "warnings",
]
