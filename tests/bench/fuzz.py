"""Tests that no spec ends in a traceback: `python -m tests.bench.fuzz [--mutants 10000] [--seed 0]`.

Mutants of the shipped specs, the tests' specs and the wrong specs are loaded and planned, on small generated data of
each kind. A mutant may be planned or refused (BadInput). Any other exception is a defect, and so is a mutant that takes
longer than `SECONDS`. Prints the count of each outcome, each defect with its mutant, and the peak memory. Exits with 1
if there is a defect.
"""

from __future__ import annotations

import argparse
import copy
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pandas as pd
import soundfile
import yaml

from flows.environment import load_tensorflow, quieten
from flows.experiments import shipped
from tasks import runs, stages
from tasks.datasets.sources import check_source
from tasks.errors import BadInput
from tasks.planning.probe import Measured
from tasks.planning.searches import check_search
from tasks.search.methods import METHODS
from tasks.spec.load import at_lines, load_spec, parse_spec
from tasks.spec.reference import keys

SECONDS = 30
"""Limit of processor seconds for one mutant; not of wall time, which is much longer on a busy machine."""
MEMORY = 12 * 2**30
"""Limit of the process's address space in bytes; TensorFlow maps some of it."""
TESTS = Path(__file__).resolve().parents[1]

MADE: dict[str, dict[str, Any]] = {
    "table": {"source": "table.csv", "target": "kind"},
    "quantity": {"source": "table.csv", "target": "price", "split": {"group": "house"}},
    "time": {"source": "table.csv", "target": "price", "split": {"time": "day"}},
    "parquet": {"source": "table.parquet", "target": "kind"},
    "text": {"source": "table.csv", "target": "kind", "text": ["note"]},
    "image": {"source": "images"},
    "sound": {"source": "sounds"},
    "digits": {"source": "digits"},
}
"""Values of the spec's key `data`, by name; the files are those of `write_data`."""
_PATHS = [key.path.replace("[]", "") for key in keys()]

_HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 0.0, 0.5, -0.5, 1e-300, 1e-9, 1e300, 2**31, 2**63, 10**400),
    *(float("nan"), float("inf"), float("-inf"), "", " ", "none", "auto", "null", "0", "1e-3", "adam", "accuracy"),
    *("<script>alert(1)</script>", "{{< env HOME >}}", "```{=html}", "\u202eabc", "a\0b", "é" * 50, "x" * 10_000),
    *("../../etc/passwd", "~nobody-of-this-name/x", "/dev/null", "kind", "price", "table.csv"),
    *([], {}, [[]], [None], {"": 1}, {"a": {"b": {"c": 1}}}, [1, 1], [0.1, "a"], [{"adam": {}}], {"low": 0, "high": 1}),
    *(
        {"low": 1, "high": 10**9, "step": 1},
        {"low": 1e-5, "high": 1, "scale": "log"},
        {"low": 0.1, "high": 0.9, "step": 1e-12},
    ),
)
_RANGES: tuple[Any, ...] = (
    *("auto", [1, 2], [0.1, 0.01], {"low": 1e-4, "high": 1, "scale": "log"}, {"low": 1, "high": 10**9}),
    *({"low": 1, "high": 8, "step": 2}, {"low": 0, "high": 0.9, "step": 1e-9}, {"low": 0.1, "high": 0.2}),
    *(
        {"low": 1, "high": 65_536},
        {"low": 1, "high": 3, "when": {"optimizer": "adam"}},
        [[4], [4, 4]],
        ["relu", "tanh"],
    ),
)
_SEARCHED = (
    *("learning_rate", "layers", "width", "hidden", "dropout", "l2", "batch_size", "epochs", "momentum", "adam.beta_1"),
    *("activation", "optimizer", "schedule", "augmentation", "imbalance", "weight_decay", "initialisation", "filters"),
)
_USUAL: tuple[Any, ...] = (
    *("adam", "cosine", "mlp", "cnn", "linear", "text", "gru", "flip", "rmse", "accuracy", "class_weight", "resample"),
    *(True, 1, 2, 5, 32, 0.1, 0.5, {"patience": 2}, {"steps": 3}, {"seconds": 0.1}, ["adam", "sgd"], [1, 2]),
    *({"mlp": {"hidden": [65_536] * 8}}, {"low": 1, "high": 3}, {"l2": 0.1}, {"norm": 1.0}, {"dropout": 0.5}),
    *({"kind": "mlp", "hidden": []}, {"cosine": {"warmup": 0.1}}, {"metric": "accuracy", "value": 0.9}),
)


@dataclass
class Answers:
    """Outcomes of the mutants.

    Args:
        kinds: Count of each outcome: `planned`, `refused: STAGE` or `defect: EXCEPTION`.
        defects: Traceback and mutant of each defect.
        seconds: Processor seconds of the slowest mutant.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    defects: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


def write_data(folder: Path) -> None:
    """Writes a table of 60 rows with every kind of column, as CSV and Parquet, and images and sounds of two classes."""
    rng = np.random.default_rng(0)
    rows = 60
    number = rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "size": number.round(3),
            "rooms": rng.integers(1, 6, rows),
            "city": rng.choice(["Rome", "Oslo", "Bern"], rows),
            "note": [" ".join(rng.choice(["good", "bad", "new", "old", "red"], 4)) for _ in range(rows)],
            "day": pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d"),
            "house": rng.integers(0, 20, rows),
            "kind": np.where(number + rng.normal(size=rows) > 0, "yes", "no"),
            "price": (100 + 10 * number + rng.normal(size=rows)).round(2),
        }
    )
    table.to_csv(folder / "table.csv", index=False)
    table.to_parquet(folder / "table.parquet", index=False)
    for index in range(24):
        name = ("cat", "dog")[index % 2]
        for kind in ("images", "sounds"):
            (folder / kind / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / name / f"{index}.png"), rng.integers(0, 255, (8, 8, 3), np.uint8))
        soundfile.write(folder / "sounds" / name / f"{index}.wav", rng.uniform(-0.5, 0.5, 800), 8_000)


def bases() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the specs that mutants are made from: the shipped ones with those of tests, and the wrong ones."""
    return _written([*shipped().values(), *TESTS.glob("flows/*.yaml")]), _written(TESTS.glob("bad_specs/*/spec.yaml"))


def _written(files: Iterable[Path]) -> list[dict[str, Any]]:
    found = []
    for file in sorted(files):
        with suppress(yaml.YAMLError, ValueError):  # some wrong specs are wrong YAML on purpose
            value = yaml.safe_load(file.read_text(encoding="utf-8"))
            if isinstance(value, dict) and isinstance(value.get("data"), dict):
                found.append(value)
    return found


def mutant(
    good: Sequence[dict[str, Any]], wrong: Sequence[dict[str, Any]], rng: random.Random
) -> tuple[str, list[str]]:
    """Returns a mutant's text and overrides: one of the specs on generated data, changed in one to four places."""
    spec = copy.deepcopy(rng.choice(good if rng.random() < 0.85 else wrong))
    kept = {key: value for key, value in spec["data"].items() if key in ("rows", "split") and rng.random() < 0.3}
    spec["data"] = copy.deepcopy(MADE[_suited(spec, rng)]) | kept
    if "tune" not in spec and rng.random() < 0.4:
        spec["tune"] = {"method": rng.choice(list(METHODS)), "trials": rng.randint(1, 5)}
        if rng.random() < 0.5:
            spec["tune"]["space"] = {rng.choice(_SEARCHED): copy.deepcopy(rng.choice(_RANGES)) for _ in range(2)}
    train = spec.get("train")
    spec["train"] = (train if isinstance(train, dict) else {}) | {"epochs": rng.choice((1, 2, 1000)), "seeds": 1}
    overrides = []
    accepted = rng.random() < 0.7
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        spec = _changed(spec, rng, accepted=accepted)
    if rng.random() < 0.1:
        overrides.append(f"{rng.choice(_PATHS)}={_flow(rng.choice(_HOSTILE))}")
    text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=10**6)
    if rng.random() < 0.05:
        text = _garbled(text, rng)
    return text, overrides


def _changed(spec: dict[str, Any], rng: random.Random, *, accepted: bool) -> dict[str, Any]:
    """Returns the spec with one change; `accepted`: with a change under which it is still valid, so that planning is
    tested."""
    for _ in range(20 if accepted else 1):
        changed = copy.deepcopy(spec)
        rng.choice((_replace, _replace, _remove, _add, _add, _move, _number, _number, _wrap))(changed, rng)
        if not accepted:
            return changed
        try:
            parse_spec(copy.deepcopy(changed))
        except BadInput:
            continue
        except Exception:  # a defect: it is found again when the mutant is tried
            return changed
        return changed
    return spec


def _suited(spec: dict[str, Any], rng: random.Random) -> str:
    """Returns the name of data that suit the spec's model and metrics; in a tenth of cases any data."""
    said = str(spec)
    if rng.random() < 0.1:
        return rng.choice(list(MADE))
    if any(metric in said for metric in ("rmse", "mae", "r2")):
        return rng.choice(("quantity", "time"))
    if any(word in said for word in ("cnn", "augmentation", "rotation")):
        return rng.choice(("image", "digits"))
    if "audio" in said or "seconds" in spec["data"]:
        return "sound"
    return "text" if "'text'" in said else rng.choice(("table", "parquet", "digits"))


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).removesuffix("...\n").strip()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each mapping or list inside a value, with each of its keys or positions."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, child in pairs:
        yield value, key
        yield from _places(child)


def _place(spec: dict[str, Any], rng: random.Random) -> tuple[Any, Any]:
    spec = spec or {"name": "empty"}
    return rng.choice(list(_places(spec)))


def _replace(spec: dict[str, Any], rng: random.Random) -> None:
    holder, key = _place(spec, rng)
    holder[key] = copy.deepcopy(rng.choice(_HOSTILE))


def _remove(spec: dict[str, Any], rng: random.Random) -> None:
    holder, key = _place(spec, rng)
    del holder[key]


def _add(spec: dict[str, Any], rng: random.Random) -> None:
    """Adds a key of the spec with any value."""
    holder: Any = spec
    *parents, last = rng.choice(_PATHS).split(".")
    for parent in parents:
        if not isinstance(holder.setdefault(parent, {}), dict):
            holder[parent] = {}
        holder = holder[parent]
    holder[last] = copy.deepcopy(rng.choice(rng.choice((_HOSTILE, _RANGES, _USUAL))))


def _move(spec: dict[str, Any], rng: random.Random) -> None:
    """Copies a part of the spec to the place of another."""
    (holder, key), (other, name) = _place(spec, rng), _place(spec, rng)
    holder[key] = copy.deepcopy(other[name])


def _number(spec: dict[str, Any], rng: random.Random) -> None:
    numbers = [(holder, key) for holder, key in _places(spec) if type(holder[key]) in (int, float)]
    if numbers:
        holder, key = rng.choice(numbers)
        number = holder[key]
        with suppress(OverflowError):  # a whole number of hundreds of digits
            holder[key] = rng.choice((number * 10**6, -number, number * 1e-6, number * 2, str(number)[:40]))


def _wrap(spec: dict[str, Any], rng: random.Random) -> None:
    holder, key = _place(spec, rng)
    holder[key] = rng.choice(([holder[key]], {"kind": holder[key]}, [holder[key], holder[key]]))


def _garbled(text: str, rng: random.Random) -> str:
    """Returns the text with a piece of it removed, doubled or replaced by a character that has a meaning in YAML."""
    start = rng.randrange(len(text))
    stop = min(len(text), start + rng.randint(1, 20))
    return text[:start] + rng.choice(("", 2 * text[start:stop], *"{}[]:-&*!|>'\"%@\t\n#,")) + text[stop:]


def answer(text: str, overrides: Sequence[str], folder: Path) -> str:
    """Loads and plans a spec; returns `planned`, or `refused: ` and the stage.

    Args:
        folder: Folder with the data of `write_data`; the spec and a run's folder are made in it.

    Raises:
        Exception: any other exception, which is a defect.
    """
    path, stage = folder / "spec.yaml", "spec"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    try:
        spec, written = load_spec(path, list(overrides))
        with at_lines(path.name, written):
            check_search(spec)
            check_source(spec.data, folder)
            opened = runs.open_run(spec, written, overrides, folder, folder / "home", run)
            stage = "load"
            dataset = stages.load(opened)
            stage = "split"
            splits = stages.split(opened, dataset)
            stage = "plan"
            stages.plan(opened, dataset, splits)
    except BadInput as error:
        error.message()
        return f"refused: {stage}"
    return "planned"


def _no_probe(*_: object, **__: object) -> Measured:
    """Replaces the probe, the one part of planning that trains."""
    return Measured(4, 1.0, 1e-4)


def _offline(*_: object, **__: object) -> Path:
    raise BadInput("nothing is downloaded here")


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in the block after so many seconds of processor time."""

    def late(*_: object) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fuzz(mutants: int, seed: int, hear: Callable[[int, Answers], None] = lambda done, answers: None) -> Answers:
    """Tries `mutants` mutants, the same ones for the same seed; calls `hear` after each with the count so far."""
    rng, answers = random.Random(seed), Answers()
    good, wrong = bases()
    with (
        tempfile.TemporaryDirectory(prefix="bakeoff-fuzz-") as made,
        mock.patch("tasks.planning.probe.measure", _no_probe),
        mock.patch("tasks.datasets.sources.fetch", _offline),
    ):
        write_data(Path(made))
        for done in range(mutants):
            text, overrides = mutant(good, wrong, rng)
            started = time.process_time()
            try:
                with limited(SECONDS):
                    answers.kinds[answer(text, overrides, Path(made))] += 1
            except Exception as error:
                answers.kinds[f"defect: {type(error).__name__}"] += 1
                shown = "\n".join(["--- mutant", text, *(f"--set {each}" for each in overrides)])
                answers.defects.append(("".join(traceback.format_exception(error)[-6:]), shown))
            answers.seconds = max(answers.seconds, time.process_time() - started)
            hear(done + 1, answers)
    return answers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    quieten()
    load_tensorflow()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def hear(done: int, answers: Answers) -> None:
        for trace, text in answers.defects[len(shown) :]:
            shown.append(text)
            print(f"{trace}\n{text[:3000]}\n", flush=True)
        if done % 500 == 0:
            print(f"{done:,} mutants, {len(answers.defects)} defects", file=sys.stderr, flush=True)

    shown: list[str] = []
    started = time.monotonic()
    answers = fuzz(chosen.mutants, chosen.seed, hear)
    for kind, count in answers.kinds.most_common():
        print(f"{count:>7,}  {kind}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{time.monotonic() - started:,.0f} s, the slowest {answers.seconds:.1f} s; {peak:.1f} GB at most")
    return 1 if answers.defects else 0


if __name__ == "__main__":
    sys.exit(main())
