"""What is wrong with a small table, found before anything slow is started."""

from __future__ import annotations

from pathlib import Path

from tasks.datasets.load import load_dataset
from tasks.datasets.sources import small_table
from tasks.datasets.splits import fold_rows, split_rows
from tasks.planning.plan import measured
from tasks.spec.models import Spec


def check_table(spec: Spec, base: Path, home: Path) -> None:
    """Reads the table, where it is a small file, and divides its rows, as the run will again: that takes less time than
    the start of TensorFlow and Prefect, which a mistake would else wait for.

    Raises:
        BadInput: as the stages load and split, and for metrics that don't fit the task.
    """
    if not small_table(spec.data, base):
        return
    dataset = load_dataset(spec.data, home=home, base=base)
    measured(spec, dataset.task)
    splits = split_rows(dataset, spec.data.split)
    if spec.tune and spec.tune.folds:
        fold_rows(dataset, splits, spec.tune.folds, spec.data.split)
