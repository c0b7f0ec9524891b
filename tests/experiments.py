"""The shipped experiments: those on data, and separately the lessons that need no data."""

from __future__ import annotations

from flows.experiments import shipped
from tasks.spec.lessons import LessonSpec
from tasks.spec.load import load_experiment

SPECS = {name: load_experiment(path)[0] for name, path in shipped().items()}
WITHOUT_DATA = sorted(name for name, spec in SPECS.items() if isinstance(spec, LessonSpec))
ON_DATA = sorted(set(SPECS) - set(WITHOUT_DATA))
