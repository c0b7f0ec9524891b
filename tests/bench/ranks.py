"""Ranks optimizers of 2026 over data sets, beside their published ranks: `python -m tests.bench.ranks [SET ...]`.

Seven recipes of one small network, each with its learning rate (and an average's decay) searched by the same number of
settings on the validation part, then trained under fresh seeds and scored on the test part. With names of data sets,
the command runs these and adds the results to a file; in any case it prints that file as a table. So a busy machine can
do one set at a time. Sets that are not bundled need `BAKEOFF_DATA`.

A recipe's rank on a set is the rank of its mean test score over the seeds, by the metric that a run takes for the data
by itself. Intervals are percentile bootstraps of sets and of the seeds within each, resampled together. The published
ranks are the mean ranks of arXiv 2604.15297 (15 optimizers, and averages of AdamW's and Muon's weights, on 17 tables),
ranked again among the seven.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from tasks.evaluation.metrics import METRICS

SETS = {
    "digits": 32,
    "titanic": 32,
    "german-credit": 32,
    "california-housing": 128,
    "mammography": 128,
    "electricity": 256,
    "births": 256,
    "adult": 256,
    "shot-log": 512,
}
"""Data sets, with the rows of a batch."""
RESULTS = Path(__file__).with_name("ranks.json")
RESAMPLES = 2_000

PUBLISHED = {
    "Muon + EMA": 4.65,
    "AdamW + EMA": 5.00,
    "Muon": 5.12,
    "Schedule-Free AdamW": 5.71,
    "AdamW": 9.65,
    "Lion": 11.18,
    "SGD with momentum": 11.82,
}
"""Mean ranks among 16 (arXiv 2604.15297, April 2026)."""

NAMES = {
    "adamw": "AdamW",
    "muon": "Muon",
    "schedule_free_adamw": "Schedule-Free AdamW",
    "lion": "Lion",
    "momentum": "SGD with momentum",
}

PARTS: tuple[dict[str, Any], ...] = (
    {"optimizer": ["adamw", "muon"], "averaging": ["none", "ema"]},
    {"optimizer": ["schedule_free_adamw", "lion", "momentum"]},
)
"""The `compare` of each of a set's two runs."""


@dataclass(frozen=True)
class Budget:
    """The budget of each recipe: settings that are tried, epochs of each at most, evaluations without a gain after
    which a training stops, and seeds under which the best is trained."""

    settings: int
    epochs: int
    patience: int
    seeds: int


def spec(source: str, compare: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
    """Returns the spec of one of a set's experiments."""
    space: dict[str, Any] = {"learning_rate": "auto"}
    if "averaging" in compare:
        space["ema.decay"] = [0.9, 0.97, 0.99, 0.997]
    return {
        "name": f"ranks-{source}",
        "data": {"source": source},
        "model": {"mlp": {"hidden": [64, 64]}},
        "train": {
            "epochs": budget.epochs,
            "batch_size": SETS[source],
            "seeds": budget.seeds,
            "early_stopping": {"patience": budget.patience},
        },
        "compare": dict(compare),
        "tune": {"method": "random", "trials": budget.settings, "space": space},
    }


def scored(source: str, budget: Budget) -> dict[str, Any]:
    """Returns each recipe's test scores `[seeds]` (greater is better), the seconds of its final trials, and the wall
    seconds.

    Calls the stages of a run, without Prefect, checks of the data and the report.
    """
    from tests.runs import planned

    scores: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        for number, compare in enumerate(PARTS):
            run = planned(Path(home, str(number)), spec(source, compare, budget))
            run = run.searched()
            tables = run.tables()
            metric = run.plan.metric
            test = tables["metrics"].query("part == 'test' and metric == @metric")
            values = test[test["slice"].isna()].set_index("trial_id")["value"]
            final = tables["trials"].query("stage == 'final'")
            for (recipe, optimizer), trials in final.groupby(["recipe", "optimizer"]):
                name = NAMES[optimizer] + (" + EMA" if "ema" in recipe else "")
                sign = 1 if METRICS[metric].greater_is_better else -1
                scores[name] = [sign * float(values[trial]) for trial in trials.sort_values("seed")["trial_id"]]
                seconds[name] = round(float(trials["seconds"].sum()), 2)
    wall = round(time.monotonic() - started, 1)
    return {"budget": vars(budget), "metric": metric, "scores": scores, "seconds": seconds, "wall": wall}


def mean_ranks(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Returns mean ranks over sets `[..., recipes]` (1 is the best), from each set's scores `[..., recipes, seeds]`."""
    ranks = [rankdata(-each.mean(axis=-1), axis=-1) for each in scores]
    return np.mean(ranks, axis=0)


def intervals(scores: Sequence[np.ndarray], seed: int = 0) -> np.ndarray:
    """Returns the 95% bootstrap interval of each recipe's mean rank, `[recipes, 2]`."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        drawn = [scores[place] for place in rng.integers(0, len(scores), len(scores))]
        found.append(mean_ranks([each[:, rng.integers(0, each.shape[1], each.shape[1])] for each in drawn]))
    return np.quantile(found, [0.025, 0.975], axis=0).T


def table(results: Mapping[str, Any]) -> str:
    """Returns the ranks as a Markdown table."""
    names = list(PUBLISHED)
    scores = [np.array([one["scores"][name] for name in names]) for one in results.values()]
    ranks, ends = mean_ranks(scores), intervals(scores)
    published = rankdata(list(PUBLISHED.values()))
    heads = [f"{name} ({one['metric']})" for name, one in results.items()]
    lines = [
        f"| recipe | mean rank on {len(scores)} sets | 95% interval | published, of 16 | published, of these | "
        f"{' | '.join(heads)} | seconds of training |",
        "|---" * (6 + len(results)) + "|",
    ]
    for place, name in enumerate(names):
        each = " | ".join(f"{abs(of_set[place].mean()):.4g}" for of_set in scores)
        spent = sum(one["seconds"][name] for one in results.values())
        low, high = ends[place]
        ours = f"{ranks[place]:.2f} | {low:.1f} to {high:.1f}"
        lines.append(f"| {name} | {ours} | {PUBLISHED[name]:.2f} | {published[place]:.0f} | {each} | {spent:.1f} |")
    walls = ", ".join(f"{name} {one['wall']:.0f} s" for name, one in results.items())
    return "\n".join([*lines, "", f"Wall seconds of a set's two runs, searches included: {walls}."])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--settings", type=int, default=16, help="tried for each recipe")
    parser.add_argument("--epochs", type=int, default=40, help="of each training, at most")
    parser.add_argument("--patience", type=int, default=6, help="evaluations without a gain after which it stops")
    parser.add_argument("--seeds", type=int, default=10, help="that the best setting is trained under")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file that results are kept in")
    asked = parser.parse_args()
    if unknown := [name for name in asked.sets if name not in SETS]:
        parser.error(f"unknown {', '.join(unknown)}: of {', '.join(SETS)}")
    results = json.loads(asked.results.read_text(encoding="utf-8")) if asked.results.exists() else {}
    for source in asked.sets:
        results[source] = scored(source, Budget(asked.settings, asked.epochs, asked.patience, asked.seeds))
        asked.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if results:
        print(table(results))


if __name__ == "__main__":
    main()
