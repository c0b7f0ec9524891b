"""Measures the coverage of the interval over folds, and compares with single splits: `python -m tests.bench.folds`.

`coverage`: draws samples of a population (two classes, the positive one in 30% of rows, four inputs), and judges each
out of fold as in a run: folds from `outer_folds`, real networks trained in stacks, and in every fold one of two recipes
and a threshold chosen on the fold's own validation rows, at costs of five to one. The truth is the figure of such a
procedure, trained on n (k - 1) / k rows, on new rows: the mean over all networks of all samples, each on the same
10,000 rows that none has seen. Student's interval without the correction is shown for comparison.

`splits`: judges german-credit with single splits of 200 test rows under split seeds 0 to 9, and shows the gate's
answers.

`noise`: tables whose target is independent of the inputs, searched inside folds by real runs. Shows the accuracy that
the searches report for their best settings, and the accuracy out of fold, where no model can be better than one half.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from flows.experiments import shipped
from tasks.dataset import TEST, TRAIN, VAL
from tasks.datasets.outer_folds import Rows, outer_folds
from tasks.evaluation.decisions import Deciding
from tasks.evaluation.intervals import over_folds, over_seeds
from tasks.evaluation.metrics import METRICS
from tasks.records.decisions import Costs, Decides
from tasks.spec.data import Split
from tasks.spec.load import load_spec
from tasks.spec.models import as_written
from tasks.training.feed import Resident
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Stopping, Trial
from tests.bench.nulls import Rate
from tests.datasets import made
from tests.runs import planned

CONFIDENCE = 0.95
FOLDS = 5
LARGE = 10_000
MEASURED = ("cost_per_case", "accuracy", "log_loss", "roc_auc")
RECIPES = {"adam": 0.03, "momentum": 0.1}
NEW = "new"
"""The part of new rows on which the true figures are measured."""

DECIDING = Deciding(Decides(rule="cost", costs=Costs(matrix=[[0, 1], [5, 0]])), 1)


@dataclass(frozen=True)
class Sample:
    """A data set drawn from the population: inputs `[rows, 4]`, classes `[rows]`, and the rows of its folds."""

    inputs: np.ndarray
    target: np.ndarray
    folds: Sequence[Rows]


def drawn(rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws inputs and classes: a noisy, slightly non-linear function of four inputs, positive in 30% of rows."""
    inputs = rng.normal(size=(rows, 4)).astype(np.float32)
    score = inputs @ [1.0, -0.7, 0.4, 0.0] + 0.8 * np.sin(2 * inputs[:, 0]) + rng.normal(size=rows) * 1.5
    return inputs, (score > 1.17).astype(np.int64)


def sample(rows: int, repeats: int, seed: int) -> Sample:
    inputs, target = drawn(rows, np.random.default_rng(seed))
    table = pd.DataFrame(inputs, columns=list("abcd"))
    dataset = made("made", table, target, "y", ["no", "yes"], str(seed))
    return Sample(inputs, target, outer_folds(dataset, Split(seed=seed), FOLDS, repeats))


def trial(recipe: str, place: int) -> Trial:
    return Trial(
        trial_id=f"{recipe} {place}",
        variant_id=recipe,
        seed=place,
        fold=place,
        epochs=25,
        batch_size=32,
        architecture=MODELS["mlp"](hidden=[8]),
        optimizer=OPTIMIZERS[recipe](),
        learning_rate=RECIPES[recipe],
        schedule=SCHEDULES["constant"](),
        stopping=Stopping(5, 0.0, True),
    )


def scores(
    samples: Sequence[Sample], large: tuple[np.ndarray, np.ndarray]
) -> Iterator[list[dict[str, dict[str, float]]]]:
    """Yields for each sample, by fold, the metrics of the recipe and threshold chosen there, by part: validation rows,
    held-out rows, and the large sample of new rows."""
    arrays: dict[int | None, Arrays] = {}
    places = [(each, rows) for each in samples for rows in each.folds]
    for place, (each, rows) in enumerate(places):
        arrays[place] = Arrays(
            Resident(each.inputs[rows[TRAIN]], each.target[rows[TRAIN]]),
            each.inputs[rows[VAL]],
            each.target[rows[VAL]],
            2,
            to_score={VAL: each.inputs[rows[VAL]], TEST: each.inputs[rows[TEST]], NEW: large[0]},
        )
    trials = [trial(recipe, place) for place in range(len(places)) for recipe in RECIPES]
    outputs = {each.trial.trial_id: each.outputs for each in train_stack(trials, arrays)}
    found = []
    for place, (each, rows) in enumerate(places):
        targets = {VAL: each.target[rows[VAL]], TEST: each.target[rows[TEST]], NEW: large[1]}
        measured = [_measured(outputs[f"{recipe} {place}"], targets) for recipe in RECIPES]
        found.append(min(measured, key=lambda scores: scores[VAL]["cost_per_case"]))
    count = len(samples[0].folds)
    for start in range(0, len(found), count):
        yield found[start : start + count]


def _measured(outputs: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    given = {part: softmax(outputs[part].astype(np.float64), axis=1) for part in targets}
    threshold = DECIDING.threshold(targets[VAL], given[VAL], np.arange(len(targets[VAL])))
    found: dict[str, dict[str, float]] = {}
    for part, target in targets.items():
        answers = DECIDING.answers(target, given[part], np.arange(len(target)), threshold)
        found[part] = {name: METRICS[name].function(target, answers.read_by(METRICS[name]), 1) for name in MEASURED}
    return found


def coverage(rows: int, repeats: int, samples: int, together: int) -> None:
    """Prints a table row for each metric over all samples so far, after each stack."""
    large = drawn(LARGE, np.random.default_rng(10**9))
    found: list[list[dict[str, dict[str, float]]]] = []
    for start in range(0, samples, together):
        some = [sample(rows, repeats, seed) for seed in range(start, min(start + together, samples))]
        found += scores(some, large)
        print(f"{len(found)} of {samples} samples", flush=True)
        _show(found, rows, repeats)


def _show(found: Sequence[Sequence[dict[str, dict[str, float]]]], rows: int, repeats: int) -> None:
    for used in sorted({1, repeats}):
        for name in MEASURED:
            truth = float(np.mean([each[NEW][name] for folds in found for each in folds]))
            held = [np.array([each[TEST][name] for each in folds[: FOLDS * used]]) for folds in found]
            corrected = [over_folds(values, 1 / (FOLDS - 1), CONFIDENCE) for values in held]
            plain = [over_seeds(values, CONFIDENCE) for values in held]
            hits = [sum(each.low <= truth <= each.high for each in some) for some in (corrected, plain)]
            width = np.mean([each.high - each.low for each in corrected])
            mean = np.mean([each.mean for each in corrected])
            print(
                f"| {rows} | {FOLDS} x {used} | {name} | {truth:.4f} | {mean:.4f} | {width:.3f} "
                f"| {Rate(hits[0], len(held))} | {Rate(hits[1], len(held))} |",
                flush=True,
            )


def splits(home: Path, seeds: int) -> None:
    """Judges german-credit under single splits, and prints the figure and the gate's answer for each."""
    spec, _ = load_spec(shipped()["german-credit"])
    for seed in range(seeds):
        written = as_written(spec)
        written["data"]["split"]["seed"] = seed
        run = planned(home / str(seed), written, home=home)
        (gate,) = run.judge(run.tables()).gates
        print(f"| {seed} | {gate.estimate:.3f} [{gate.low:.3f}, {gate.high:.3f}] | {gate.answer} |", flush=True)


def noise(home: Path, samples: int) -> None:
    """Prints after each run, over all runs so far: the mean accuracy of the best setting on the rows that chose it, the
    mean accuracy out of fold with its standard error, and how often the interval contains one half."""
    own: list[float] = []
    outer: list[float] = []
    held = 0
    for seed in range(samples):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(rng.normal(size=(200, 10)), columns=list("abcdefghij"))
        frame["y"] = rng.permutation(np.repeat(["no", "yes"], 100))
        home.mkdir(parents=True, exist_ok=True)
        source = home / f"{seed}.csv"
        frame.to_csv(source, index=False)
        run = planned(home / str(seed), NOISE | {"data": {"source": str(source), "target": "y"}})
        run = run.searched()
        judged = run.judge(run.tables()).out_of_fold
        assert judged and judged.searched
        own.append(float(judged.searched[0].chosen_by or 0.0))
        outer += [float(score or 0.0) for score in judged.scores]
        found = judged.metrics["accuracy"]
        held += bool(found.low is not None and found.high is not None and found.low <= 0.5 <= found.high)
        spread = np.std(outer, ddof=1) / np.sqrt(len(outer))
        print(
            f"| {seed + 1} | {np.mean(own):.3f} | {np.mean(outer):.3f} +- {spread:.3f} | {Rate(held, seed + 1)} |",
            flush=True,
        )


NOISE: dict[str, Any] = {
    "model": {"kind": "mlp", "hidden": [16]},
    "train": {"epochs": 10, "seeds": 1, "optimizer": "adam"},
    "tune": {"trials": 20, "space": {"learning_rate": "auto", "l2": {"low": 1e-6, "high": 0.1, "scale": "log"}}},
    "evaluate": {"folds": FOLDS, "metric": "accuracy"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("coverage", "splits", "noise"))
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--together", type=int, default=20, help="samples whose networks share a stack")
    parser.add_argument("--home", type=Path, default=Path("data/bench/folds"))
    given = parser.parse_args()
    if given.what == "splits":
        splits(given.home, 10)
    elif given.what == "noise":
        noise(given.home / "noise", given.samples)
    else:
        coverage(given.rows, given.repeats, given.samples, given.together)


if __name__ == "__main__":
    main()
