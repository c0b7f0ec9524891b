"""Measures the coverage of slices' intervals and fairness bounds out of fold: `python -m tests.bench.fold_slices`.

The set-up is that of `coverage` in `tests.bench.folds`: the same networks and choices in every fold. A row is in slice
`a`, `b` or `c` in 60%, 30% and 10% of cases; in `c` the score is noisier, so that this slice is harder. Each sample is
judged by `judge_slicing`, as in a run. The truth of a slice is the mean figure of all networks of all samples on its
rows among 10,000 new ones; the truth of a fairness difference is the difference of the mean rates there. *Told* is the
share of samples that have an interval: where a fold has no row that counts there is none.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from tasks.dataset import TEST, TRAIN, VAL
from tasks.datasets.outer_folds import Rows, outer_folds
from tasks.evaluation.fairness import ODDS, PARITY
from tasks.evaluation.fold_scores import PROCEDURE, FoldScores
from tasks.evaluation.judged_rows import Classes, JudgedRows
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.slices import Slice, Slicing, judge_slicing
from tasks.records.plan import HeldOut
from tasks.records.slices import JudgedSlicing
from tasks.spec.models import Split
from tasks.training.feed import Resident
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays
from tests.bench.folds import CONFIDENCE, DECIDING, FOLDS, LARGE, NEW, RECIPES, trial
from tests.bench.nulls import Rate
from tests.datasets import made

SLICES = ("a", "b", "c")
METRIC = METRICS["accuracy"]
CLASSES = Classes(("no", "yes"), 1, None)


@dataclass(frozen=True)
class Drawn:
    """Rows of the population: inputs `[rows, 4]`, classes `[rows]`, and the index of each row's slice `[rows]`."""

    inputs: np.ndarray
    target: np.ndarray
    of_row: np.ndarray


def drawn(rows: int, rng: np.random.Generator) -> Drawn:
    inputs = rng.normal(size=(rows, 4)).astype(np.float32)
    of_row = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    noise = rng.normal(size=rows) * np.array([0.6, 0.9, 2.5])[of_row]
    score = inputs @ [1.0, -0.7, 0.4, 0.0] + 0.8 * np.sin(2 * inputs[:, 0]) + noise
    inputs[:, 3] = of_row == 2
    return Drawn(inputs, (score > 0.8).astype(np.int64), of_row)


Figures = dict[tuple[str, str], float]
"""By slice and figure."""


def judged(sample: Drawn, folds: Sequence[Rows], repeats: int, rows: Sequence[JudgedRows]) -> JudgedSlicing:
    """Judges the sample's slices, by the recipe and threshold chosen in each fold."""
    slicing = Slicing(("slice",), [Slice((name,), name) for name in SLICES], sample.of_row)
    held = HeldOut(
        folds=FOLDS, repeats=repeats, rows=0, learned_from=(0, 0), ratio=1 / (FOLDS - 1), trials=[], stacks=[]
    )
    first = np.sort(np.concatenate([each[TEST] for each in folds[:FOLDS]]))
    whole = JudgedRows(
        sample.target[first],
        None,
        CLASSES,
        CONFIDENCE,
        {},
        first,
        slicings=[slicing],
        folds=FoldScores(held, {}, []).of_procedure,
        in_folds={PROCEDURE: rows},
    )
    return judge_slicing(slicing, whole, "model", METRIC, costs=True)


def figures(found: JudgedSlicing) -> dict[tuple[str, str], Any]:
    """Returns the estimate of each figure, by slice (`all` for differences) and figure."""
    told = {
        (each.name, name): getattr(each, name)
        for each in found.slices
        for name in ("metric", "cost", "selection", "true_positive", "false_positive")
    }
    return told | {("all", each.metric): each.difference for each in found.differences}


def _on(rows: np.ndarray, target: np.ndarray, given: np.ndarray, threshold: float | None) -> JudgedRows:
    answers = DECIDING.answers(target, given, rows, threshold)
    return JudgedRows(target, None, CLASSES, CONFIDENCE, {PROCEDURE: answers}, rows)


def _truth(new: JudgedRows, of_row: np.ndarray) -> Figures:
    """Returns one network's figures in each slice of the new rows."""
    found: Figures = {}
    answers = new.answers[PROCEDURE]
    predicted = answers.decided[:, 1] == 1
    for place, name in enumerate(SLICES):
        own, positive = of_row == place, new.target == 1
        part = answers.of(own)
        assert part.costs is not None
        found[name, "metric"] = float((part.decided.argmax(axis=1) == new.target[own]).mean())
        found[name, "cost"] = float(part.costs[:, 0].mean())
        found[name, "selection"] = float(predicted[own].mean())
        found[name, "true_positive"] = float(predicted[own & positive].mean())
        found[name, "false_positive"] = float(predicted[own & ~positive].mean())
    return found


def _gaps(truth: Mapping[tuple[str, str], float]) -> Figures:
    def apart(rate: str) -> float:
        return float(np.ptp([truth[name, rate] for name in SLICES]))

    return {
        ("all", PARITY): apart("selection"),
        ("all", ODDS): max(apart("true_positive"), apart("false_positive")),
    }


def samples(rows: int, repeats: int, seeds: Sequence[int], large: Drawn) -> Iterator[tuple[dict[Any, Any], Figures]]:
    """Yields each sample's figures, and the mean of its networks' true figures."""
    made_samples, arrays = [], {}
    for seed in seeds:
        sample = drawn(rows, np.random.default_rng(seed))
        table = pd.DataFrame(sample.inputs, columns=list("abcd"))
        dataset = made("made", table, sample.target, "y", ["no", "yes"], str(seed))
        made_samples.append((sample, outer_folds(dataset, Split(seed=seed), FOLDS, repeats)))
    places = [(sample, each) for sample, folds in made_samples for each in folds]
    for place, (sample, each) in enumerate(places):
        arrays[place] = Arrays(
            Resident(sample.inputs[each[TRAIN]], sample.target[each[TRAIN]]),
            sample.inputs[each[VAL]],
            sample.target[each[VAL]],
            2,
            to_score={part: sample.inputs[each[part]] for part in (VAL, TEST)} | {NEW: large.inputs},
        )
    trials = [trial(recipe, place) for place in range(len(places)) for recipe in RECIPES]
    outputs = {each.trial.trial_id: each.outputs for each in train_stack(trials, arrays)}
    place = 0
    for sample, folds in made_samples:
        parts, truths = [], []
        for each in folds:
            best = min(
                (_read(outputs[f"{recipe} {place}"], sample, each) for recipe in RECIPES), key=lambda one: one[0]
            )
            _, threshold, given = best
            parts.append(_on(each[TEST], sample.target[each[TEST]], given[TEST], threshold))
            truths.append(_truth(_on(np.arange(LARGE), large.target, given[NEW], threshold), large.of_row))
            place += 1
        yield (
            figures(judged(sample, folds, repeats, parts)),
            {key: float(np.mean([each[key] for each in truths])) for key in truths[0]},
        )


def _read(outputs: Mapping[str, np.ndarray], sample: Drawn, rows: Rows) -> tuple[float, float | None, dict[str, Any]]:
    """Returns a network's cost on its fold's validation rows, the threshold chosen there, and its probabilities."""
    given = {part: softmax(values.astype(np.float64), axis=1) for part, values in outputs.items()}
    own, target = rows[VAL], sample.target[rows[VAL]]
    threshold = DECIDING.threshold(target, given[VAL], own)
    answers = DECIDING.answers(target, given[VAL], own, threshold)
    assert answers.costs is not None
    return float(answers.costs[:, 0].mean()), threshold, given


def show(found: Sequence[dict[Any, Any]], truths: Sequence[Figures], rows: int, repeats: int) -> None:
    truth = {key: float(np.mean([each[key] for each in truths])) for key in truths[0]}
    truth |= _gaps(truth)
    for key, true in truth.items():
        told = [each[key] for each in found if key in each and each[key].low is not None]
        held = sum(each.low - 1e-12 <= true <= each.high + 1e-12 for each in told)
        width = np.mean([each.high - each.low for each in told]) if told else np.nan
        rate = Rate(held, len(told)) if told else "never told"
        print(
            f"| {rows} | {FOLDS} x {repeats} | {key[0]} | {key[1]} | {true:.3f} | {len(told) / len(found):.0%} "
            f"| {width:.3f} | {rate} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--together", type=int, default=30, help="samples whose networks share a stack")
    given = parser.parse_args()
    large = drawn(LARGE, np.random.default_rng(10**9))
    found, truths = [], []
    for start in range(0, given.samples, given.together):
        seeds = range(start, min(start + given.together, given.samples))
        for figure, truth in samples(given.rows, given.repeats, seeds, large):
            found.append(figure)
            truths.append(truth)
        print(f"{len(found)} of {given.samples} samples", flush=True)
        show(found, truths, given.rows, given.repeats)


if __name__ == "__main__":
    main()
