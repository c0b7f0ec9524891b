"""Simulates three scheduled nights with generated drift: `python -m tests.bench.nights`.

The first model is made the champion. Each night brings 2,000 new rows. In the first night they are as before; in the
second and third, incomes have grown by one standard deviation, and who pays back depends on age as well. Every night
`bakeoff monitor` checks the new rows, and `bakeoff run` trains on them and compares with the champion on test rows that
are new to both. `bakeoff promote` follows if the answer is to replace it. Prints a Markdown table.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.evaluation.rounding import interval, signed_interval
from tasks.records.monitoring import Monitored
from tasks.records.verdict import Verdict
from tests.flows.command import bakeoff

ROWS = 2000
SPEC = """\
name: loans
data:
  source: {source}
  target: paid
model: {{kind: mlp, hidden: [32]}}
train: {{epochs: 30, seeds: 3}}
evaluate: {{metric: log_loss, also: [accuracy]}}
"""


@dataclass(frozen=True)
class World:
    """The distribution of a night's rows.

    Args:
        grown: Growth of all incomes, in standard deviations.
        age: Weight of age in who pays back; the weight of income is 1.
    """

    name: str
    grown: float = 0.0
    age: float = 0.0


NIGHTS = (World("as before"), World("changed", grown=1.0, age=1.5), World("as the night before", grown=1.0, age=1.5))


def rows(world: World, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    income, age, noise = rng.normal(size=(3, ROWS))
    paid = np.where(income + world.age * age + 0.5 * noise > 0, "yes", "no")
    return pd.DataFrame({"income": (income + world.grown).round(6), "age": age.round(6), "paid": paid})


def command(home: Path, *words: object, codes: tuple[int, ...] = (0,)) -> str:
    """Runs a command; returns the last line that it prints, which is a path."""
    done = bakeoff(*words, home=home)
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def night(home: Path, folder: Path, number: int, world: World) -> tuple[str, ...]:
    """Runs one night; returns its table row, cell by cell."""
    source, spec = folder / f"night-{number}.csv", folder / "loans.yaml"
    rows(world, seed=number).to_csv(source, index=False)
    spec.write_text(SPEC.format(source=source), encoding="utf-8")
    page = Path(command(home, "monitor", "loans", "--data", source, codes=(0, 4, 5)))
    seen = Monitored.read(page.parent)
    report = Path(command(home, "run", spec))
    found = Verdict.read(report.parent).champion
    assert found is not None and found.difference is not None
    if found.answer == "replace":
        command(home, "promote", report.parent)
    columns = ", ".join(dict.fromkeys(each.name for each in seen.worst.alarms)) or "none"
    return (
        f"{number}: {world.name}",
        seen.answer,
        columns,
        interval(found.champion),
        interval(found.challenger),
        signed_interval(found.difference),
        f"{found.rows:,}",
        found.answer,
    )


HEADS = "night", "monitor", "alarms", "champion's log loss", "challenger's", "gain", "test rows new to both", "answer"


def main() -> None:
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        first, spec = folder / "first.csv", folder / "loans.yaml"
        rows(World("first"), seed=0).to_csv(first, index=False)
        spec.write_text(SPEC.format(source=first), encoding="utf-8")
        home = folder / "home"
        command(home, "promote", Path(command(home, "run", spec)).parent)
        for number, world in enumerate(NIGHTS, start=1):
            print(f"| {' | '.join(night(home, folder, number, world))} |", flush=True)


if __name__ == "__main__":
    main()
