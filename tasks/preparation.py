"""Makes the data that a run's trials learn from, given the spec, the data set and the split of its rows. The process
that runs the experiment does this, and so does every process that trains for it; all get the same digests."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tasks.dataset import TRAIN, Dataset
from tasks.evaluation.decisions import Deciding
from tasks.inputs.prepared import Prepared, prepare, prepare_held_out
from tasks.planning.decisions import decides_of
from tasks.spec.models import Spec


def prepared_for_training(spec: Spec, dataset: Dataset, splits: pd.DataFrame) -> Prepared:
    """Prepares the run's own parts, and the folds that are held out in turn where the spec asks for them.

    Args:
        dataset: The data set, with its class of interest (see `with_positive`).

    Raises:
        BadInput: the spec's entries on answers and costs do not fit these data.
    """
    prepared = prepare(dataset, splits, _deciding(spec, dataset))
    if spec.evaluate.folds is not None:
        prepared = replace(prepared, held_out=_held_out(spec, prepared))
    return prepared


def with_positive(dataset: Dataset, splits: pd.DataFrame) -> Dataset:
    """The data set with its class of interest. Where it is not set yet, `rarer` chooses it from the training part."""
    from tasks.datasets.positive import rarer

    if dataset.classes is None or dataset.positive is not None:
        return dataset
    train = splits.loc[(splits["part"] == TRAIN).to_numpy(bool), "row"].to_numpy()
    return replace(dataset, positive=rarer(dataset.classes, dataset.target[train]))


def _held_out(spec: Spec, prepared: Prepared) -> tuple[Prepared, ...]:
    from tasks.datasets.outer_folds import outer_folds

    evaluate = spec.evaluate
    assert evaluate.folds is not None
    folds = outer_folds(prepared.dataset, spec.data.split, evaluate.folds, evaluate.repeats)
    return prepare_held_out(prepared.dataset, folds, prepared.deciding)


def _deciding(spec: Spec, dataset: Dataset) -> Deciding:
    """How classes are chosen and what answers cost, for a data set with its class of interest."""
    from tasks.datasets.amounts import amounts

    decides = decides_of(spec.evaluate, dataset)
    columns = decides.costs.columns if decides.costs else {}
    positive = dataset.positive.index if dataset.positive else None
    return Deciding(decides, positive, amounts(dataset, columns, spec.data))
