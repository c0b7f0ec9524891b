"""Writes an inspection.json for a fabricated run (`tests.synthetic_run`), with inputs along which its shipped model has
residuals."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from reports.run import read_run
from tasks.evaluation.predicted import Predicted
from tasks.evaluation.residuals import by_input
from tasks.records.estimate import Estimate
from tasks.records.inspection import (
    Dependence,
    DependencePoint,
    Dot,
    Example,
    Examples,
    ImportantInput,
    Influence,
    InputResiduals,
    Inspection,
    ResidualLevel,
)


def write_synthetic_inspection(
    folder: Path, *, shown: bool = True, names: tuple[str, str, str] = ("age", "fare", "port")
) -> Inspection:
    """Writes the inspection of the run in `folder`, which must have a shipped model and its predictions.

    Args:
        shown: Whether it holds rows' values.
        names: Names of two numbers and a category; they are also the category's values.
    """
    run = read_run(folder)
    assert run.verdict and run.verdict.shipped
    trial_id = run.verdict.shipped.trial_id
    of = Predicted.read(run.predictions, run.splits, trial_id, run.verdict.part)
    assert of is not None
    rng = np.random.default_rng(0)
    regression = of.prediction.ndim == 1
    inputs = pd.DataFrame(
        {
            names[0]: of.residuals + rng.normal(size=len(of.rows)) if regression else of.losses,
            names[1]: np.where(rng.random(len(of.rows)) < 0.1, np.nan, rng.normal(size=len(of.rows))),
            names[2]: rng.choice(np.array([*names, None], dtype=object), len(of.rows)),
        }
    )
    residuals = None
    if regression:
        found = [by_input(name, inputs[name], of.residuals, 0.95, of.groups) for name in names]
        residuals = [
            InputResiduals(
                name=each.name,
                number=each.number,
                association=each.association,
                levels=[ResidualLevel(**asdict(level)) for level in each.levels],
                dots=[Dot(1.5 if each.number else names[0], -20.0)] if shown else [],
            )
            for each in found
            if each
        ]
    rows = [
        Example(row=int(row), values=[names[0], None, f"{number}"]) for number, row in enumerate(of.hardest(20).rows)
    ]
    made = Inspection(
        trial_id=trial_id,
        examples=Examples(columns=list(names), left_out=2, rows=rows) if shown else None,
        residuals=residuals,
        inputs=3,
        influence=_influence(names, run.verdict.metric, None if regression else names[2]),
    )
    (folder / made.FILE).parent.mkdir(exist_ok=True)
    made.write(folder)
    return made


def _influence(names: tuple[str, str, str], metric: str, of: str | None) -> Influence:
    """Returns an influence in which two inputs together matter and the third can't be told from 0, with a partial
    dependence curve of a number and one of a category."""
    return Influence(
        metric=metric,
        rows=178,
        inputs=[
            ImportantInput(names=names[:2], drop=Estimate(0.11, 0.04, 0.18), matters=True),
            ImportantInput(names=names[2:], drop=Estimate(0.01, -0.02, 0.04), matters=False),
        ],
        left_out=4,
        dependence=[
            Dependence(
                name=names[0],
                points=[
                    DependencePoint(at=at, name=None, mean=0.2 * at, low=0.1 * at, high=0.3 * at)
                    for at in (1.0, 2.0, 3.0)
                ],
            ),
            Dependence(
                name=names[2],
                points=[DependencePoint(at=None, name=each, mean=0.4, low=0.3, high=0.6) for each in names],
            ),
        ],
        of=of,
    )
