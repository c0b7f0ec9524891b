"""The shipped model: assembled from what the run stored, saved, and asked for answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.calibrator import Calibrator
from tasks.dataset import TRAIN
from tasks.execution.footprints import Measuring
from tasks.execution.influence import Answer
from tasks.execution.recording import baselines_id, counted_alike, kept_calibrators, kept_estimator
from tasks.inputs.prepared import Prepared
from tasks.planning.trials import bind_trial
from tasks.records.footprint import Footprints
from tasks.records.plan import Plan, counts_alike
from tasks.records.verdict import Shipped, Verdict
from tasks.records.weights import folder_of, kept_weights
from tasks.run_folder import write_text
from tasks.runs import Run

if TYPE_CHECKING:
    import keras


def network(laid_out: Plan, prepared: Prepared, trial_id: str) -> keras.Model:
    """The Keras model of a final trial, with its initial weights."""
    planned = next(trial for trial in laid_out.trials if trial.trial_id == trial_id)
    trial = bind_trial(planned, laid_out.variant(planned.variant_id), lengths=prepared.lengths)
    classes = prepared.dataset.classes
    shape, outputs = prepared.features.shape[1:], len(classes) if classes else 1
    return trial.architecture.build(shape, outputs, penalties=trial.penalties, seed=trial.seed)


def kept(run: Run, laid_out: Plan, trial_id: str) -> list[np.ndarray]:
    """The weights that a final trial kept."""
    return kept_weights(run.folder, laid_out.stack_of(trial_id).stack_id)[trial_id]


def answering(run: Run, laid_out: Plan, prepared: Prepared, shipped: Shipped) -> Any:
    """The model to ship: the estimator of a baseline, or the Keras model of a final trial."""
    if shipped.baseline:
        return kept_estimator(run.folder, laid_out, shipped.trial_id)
    model = network(laid_out, prepared, shipped.trial_id)
    model.set_weights(kept(run, laid_out, shipped.trial_id))
    return model


def calibrator(run: Run, laid_out: Plan, shipped: Shipped) -> Calibrator | None:
    """The calibrator of the shipped model's probabilities; None where they are not calibrated."""
    name = baselines_id(laid_out) if shipped.baseline else laid_out.stack_of(shipped.trial_id).stack_id
    return kept_calibrators(folder_of(run.folder, name)).get(shipped.trial_id)


def answer(
    run: Run, laid_out: Plan, prepared: Prepared, shipped: Shipped, model: Any, *, calibrate: bool = True
) -> Answer:
    """Returns the shipped model, from `answering`, as a function of raw rows.

    Args:
        calibrate: Whether probabilities are calibrated, where the model has a calibrator.
    """
    from tasks.preprocessing.estimators import Estimator
    from tasks.preprocessing.tables import preprocess

    classes, alike = prepared.dataset.classes, _alike(laid_out, shipped)
    by = calibrator(run, laid_out, shipped) if calibrate else None

    def asked(table: pd.DataFrame | np.ndarray) -> np.ndarray:
        features = preprocess(prepared.preprocessor, table)
        if isinstance(model, Estimator):
            columns = table if isinstance(table, pd.DataFrame) else None
            return prepared.corrected(
                model.answers(model.given(features, columns), len(classes) if classes else None), alike, by
            )
        return prepared.prediction(model.predict(features, batch_size=4096, verbose=0), alike, by)

    return asked


def ship(run: Run, laid_out: Plan, prepared: Prepared, verdict: Verdict, model: Any) -> None:
    """Writes the folder `model/` from the result of `answering`."""
    from tasks.serving.readme import README, readme
    from tasks.serving.standalone import write_program
    from tasks.training.exported import read_signature

    shipped, folder = verdict.shipped, run.folder / "model"
    assert shipped is not None
    _export(run, laid_out, prepared, shipped, model, folder, _choice(laid_out, verdict))
    signature = read_signature(folder)
    write_text(folder / README, readme(signature, prepared.dataset.table))
    write_program(folder, signature["inputs"][0]["kind"], estimator=shipped.baseline is not None)


def measuring(run: Run, laid_out: Plan, prepared: Prepared, earlier: Footprints | None) -> Measuring:
    """Returns the `Measuring` of the trials' models. It exports each model to a temporary folder of its own."""

    def export(trial_id: str, folder: Path) -> int | None:
        recipe = next((each.recipe_id for each in laid_out.trials if each.trial_id == trial_id), None)
        one = Shipped(
            trial_id=trial_id, baseline=None if recipe else trial_id, recipe_id=recipe or "", seed=0, metrics={}
        )
        model = answering(run, laid_out, prepared, one)
        _export(run, laid_out, prepared, one, model, folder, None)
        return parameters(model)

    return Measuring(laid_out, _training_rows(prepared, 256), export, earlier)


def parameters(model: Any) -> int | None:
    """The number of parameters of a result of `answering`; None where it is not a network."""
    count = getattr(model, "count_params", None)
    return int(count()) if count else None


def _training_rows(prepared: Prepared, most: int) -> pd.DataFrame | np.ndarray:
    """Raw training rows, at most `most`; of streamed data, only rows that are in memory."""
    dataset, rows = prepared.dataset, prepared.rows[TRAIN]
    if dataset.streamed is not None:
        rows = np.flatnonzero(np.isin(dataset.streamed.sample, rows))
    return dataset.raw_at(rows[:most])


def _choice(laid_out: Plan, verdict: Verdict) -> dict[str, Any] | None:
    """The rule by which the shipped model chooses a class; None where it chooses the likeliest one."""
    if laid_out.decides is None or laid_out.decides.rule is None:
        return None
    point, costs = verdict.operating_point, laid_out.decides.costs
    if point is not None and point.how:
        return {"threshold": point.threshold, "how": point.how}
    return {"costs": costs.matrix, "how": "the class of least expected cost"} if costs else None


def _alike(laid_out: Plan, shipped: Shipped) -> bool:
    """Whether classes counted alike when the shipped model was trained."""
    if shipped.baseline:
        return counted_alike(laid_out)
    return counts_alike(next(each for each in laid_out.recipes if each.recipe_id == shipped.recipe_id))


def _real_prior(laid_out: Plan, factors: Sequence[float] | None) -> dict[str, Any] | None:
    """The real share of each class, and the factors that correct probabilities; None where there is no correction."""
    if factors is None or laid_out.decides is None or laid_out.decides.prior is None:
        return None
    shares = dict(zip(laid_out.data.classes or (), laid_out.decides.prior, strict=True))
    return {"shares": shares, "factors": list(factors)}


def _export(
    run: Run,
    laid_out: Plan,
    prepared: Prepared,
    shipped: Shipped,
    model: Any,
    folder: Path,
    choice: Mapping[str, Any] | None,
) -> None:
    """Writes a model, the result of `answering`, with its signature."""
    from tasks.datasets.catalogue import CATALOGUE, Entry
    from tasks.training.export import export_model

    entry = CATALOGUE.get(run.spec.data.source, Entry(read=run.spec.data.read))
    dataset = prepared.dataset
    calibrated_by = calibrator(run, laid_out, shipped)
    factors = prepared.factors(_alike(laid_out, shipped) and calibrated_by is None)
    export_model(
        prepared.preprocessor,
        model,
        folder,
        columns=list(dataset.raw.columns) if isinstance(dataset.raw, pd.DataFrame) else [],
        target_name=dataset.target_name,
        classes=dataset.classes,
        target_scale=prepared.target_scale,
        positive=dataset.positive_class,
        rate=dataset.medium.rate if dataset.medium else None,
        factors=None if calibrated_by else factors,
        exact=calibrated_by is not None,
        reading={
            "columns": [
                {key: column[key] for key in ("name", "reading", "inputs")}
                for column in dataset.columns
                if "inputs" in column
            ],
            "read": entry.read.model_dump(mode="json"),
            "rename": dict(entry.rename),
            "clock": list(entry.clock),
            "choice": choice,
            "calibration": calibrated_by.as_json() if calibrated_by else None,
            "real_prior": _real_prior(laid_out, factors),
            "text": [dataset.medium.name] if dataset.columns and dataset.medium else dataset.texts,
            "others": [
                each["facts"]["name"]
                for each in dataset.columns
                if "inputs" not in each and each["facts"]["name"] != dataset.target_name
            ],
        },
    )
