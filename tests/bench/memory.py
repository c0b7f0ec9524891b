"""Compares the memory of a run on streamed data with its plan: `python -m tests.bench.memory [--rows 3000000]`.

Makes a Parquet file of float columns, a category, a column of dates and two classes, in a temporary folder. Runs two
recipes on it for one epoch, streamed. Prints the peak of the command's process (or of its largest child, if that is
more), the memory in plan.json, and their ratio. Exits with 1 if the ratio is above `FACTOR` or below 1 / `FACTOR`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.run_folder import read_json
from tests.flows.command import BAKEOFF, PROJECT

FACTOR = 1.5
PIECE = 250_000
"""Rows that are written at a time."""
SPEC = """
name: memory
data: {source: rows.parquet, target: left, memory: 100 MB}
model: {kind: mlp, hidden: [16]}
train: {epochs: 1, seeds: 2, batch_size: 1024}
compare: {optimizer: [sgd, adam]}
"""


def write_rows(path: Path, rows: int, columns: int) -> None:
    """Writes `columns` float columns, `region`, `day` (dates as texts), and `left`, which depends in part on two of the
    numbers."""
    rng, writer = np.random.default_rng(0), None
    for start in range(0, rows, PIECE):
        count = min(PIECE, rows - start)
        numbers = {f"x{index}": rng.normal(size=count) for index in range(columns)}
        days = np.datetime64("2020-01-01") + rng.integers(0, 1_500, count).astype("timedelta64[D]")
        left = numbers["x0"] + numbers["x1"] + rng.normal(size=count) > 0
        region = rng.choice(["north", "south", "east", "west"], count)
        table = pa.table({**numbers, "region": region, "day": days.astype(str), "left": np.where(left, "yes", "no")})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def measured(rows: int, columns: int) -> tuple[int, int]:
    """Runs the command; returns the peak memory in bytes, and the bytes in plan.json.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    with tempfile.TemporaryDirectory(prefix="bakeoff-memory-") as made:
        folder = Path(made)
        write_rows(folder / "rows.parquet", rows, columns)
        (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
        run = ["run", str(folder / "spec.yaml"), "--home", str(folder / "home"), "--run-dir", str(folder / "run")]
        subprocess.run([*BAKEOFF, *run], cwd=PROJECT, stdout=subprocess.DEVNULL, check=True)
        said = read_json(folder / "run" / "plan.json")["cost"]["memory_bytes"]
    return 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--columns", type=int, default=12)
    chosen = parser.parse_args()
    peak, said = measured(chosen.rows, chosen.columns)
    ratio = peak / said
    print(f"{chosen.rows:,} rows: peak {peak / 1e9:.2f} GB, plan.json says {said / 1e9:.2f} GB, ratio {ratio:.2f}")
    return int(not 1 / FACTOR <= ratio <= FACTOR)


if __name__ == "__main__":
    sys.exit(main())
