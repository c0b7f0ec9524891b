"""`bakeoff promote`: finds the run, and makes its model the champion."""

from __future__ import annotations

from pathlib import Path

import typer

from flows.predicting import finished_run
from tasks.errors import BadInput, plain


def promote_run(run: str, home: Path, *, force: bool, why: str | None) -> None:
    """Promotes a run's model and prints the path of its model card. Notes go to stderr.

    Raises:
        BadInput: there is no such run, only one of `force` and `why` is given, or as in `promote`.
    """
    from tasks.champions.card import CARD
    from tasks.champions.promotion import promote

    folder = finished_run(run, home)
    if force != bool(why and why.strip()):
        remedy = "give --why TEXT, which is kept on record" if force else "give --force too, or leave --why out"
        raise BadInput("--force and --why belong together", where="bakeoff promote", remedy=remedy)
    champion = promote(folder, home, why=why.strip() if why else None)
    promotion = champion.promotion
    typer.echo(plain(f"champion of {promotion.experiment}: {promotion.run}"), err=True)
    for sentence in promotion.closed:
        typer.echo(plain(f"note: promoted all the same, on record: {sentence}"), err=True)
    typer.echo(plain(champion.folder / CARD))
