"""Promotes a run's model to champion of its experiment."""

from __future__ import annotations

import getpass
import os
import shutil
import time
from pathlib import Path

from tasks.champions.card import CARD, model_card
from tasks.champions.store import MODEL, Champion, add_entry, champion_of
from tasks.errors import BadInput
from tasks.records.champion import Promotion
from tasks.records.plan import Plan
from tasks.records.verdict import Verdict
from tasks.run_folder import held_by_another, write_text
from tasks.training.exported import read_signature

_KEPT = ("spec.yaml", "plan.json", "verdict.json", "splits.parquet", "validation.json", "checkpoints/reference.parquet")
"""Files of the run that are kept beside its model."""


def promote(run: Path, home: Path, *, why: str | None = None) -> Champion:
    """Makes the model of a finished run the champion of its experiment.

    Args:
        run: The run's folder.
        home: The home folder, which holds the champions.
        why: Why the model is promoted although a blocking gate does not pass; None: then it is not promoted.

    Raises:
        BadInput: the run is not finished, is a lesson's, shipped no model or is the champion already; or a blocking
            gate does not pass and no reason is given.
    """
    plan, verdict = _judged(run)
    name = run.resolve().name
    if verdict.closed and not why:
        raise BadInput(
            "a blocking gate does not pass",
            where=str(run),
            got=" ".join(verdict.closed),
            remedy="train a better model; or promote this one all the same, on record: --force --why TEXT",
        )
    present = champion_of(home, plan.experiment)
    if present and present.promotion.run == name and _same(present.folder, run):
        raise BadInput(
            "its model is the champion already", where=str(run), got=f"promoted {present.promotion.promoted}"
        )
    promotion = Promotion(
        experiment=plan.experiment,
        run=name,
        promoted=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        by=_user(),
        closed=verdict.closed,
        why=why if verdict.closed else None,
    )

    def write(entry: Path) -> None:
        shutil.copytree(run / MODEL, entry / MODEL)
        for file in _KEPT:
            if (run / file).is_file():
                shutil.copy2(run / file, entry / Path(file).name)
        write_text(entry / CARD, model_card(plan, verdict, promotion, read_signature(entry / MODEL)))
        promotion.write(entry)

    return Champion(add_entry(home, plan.experiment, write), promotion)


def _judged(run: Path) -> tuple[Plan, Verdict]:
    """Reads plan and verdict of a run that shipped a model.

    Raises:
        BadInput: as `promote`.
    """
    if held_by_another(run):
        raise BadInput("the run is still going on", where=str(run), remedy="wait until it ends")
    if not (run / Plan.FILE).is_file() or not (run / Verdict.FILE).is_file():
        raise BadInput("this is no finished run", where=str(run), accepted="a folder with plan.json and verdict.json")
    plan, verdict = Plan.read(run), Verdict.read(run)
    if plan.spec.get("lesson"):
        raise BadInput("a lesson's model is not promoted", where=str(run), accepted="the run of an experiment")
    if verdict.shipped is None or not (run / MODEL / "signature.json").is_file():
        raise BadInput("the run shipped no model", where=str(run), remedy="its report says why")
    return plan, verdict


def _same(entry: Path, run: Path) -> bool:
    return (entry / Verdict.FILE).read_bytes() == (run / Verdict.FILE).read_bytes()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
