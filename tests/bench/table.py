"""Results as Markdown tables, ready for README.md beside this file."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from tests.bench.networks import step_flops
from tests.bench.peers import PEERS
from tests.bench.profiling import by_kind
from tests.bench.runner import BASE
from tests.bench.searches import SEARCHES
from tests.bench.workloads import WORKLOADS

Results = Sequence[dict[str, Any]]


def machine(facts: dict[str, str], sgemm: float) -> str:
    """Returns a paragraph with the machine and the versions."""
    hardware = f"{facts['processor']}, {facts['cores']} cores, {facts['memory']}, {facts['system']}"
    versions = ", ".join(f"{name} {facts[name]}" for name in list(facts)[4:])
    return f"{hardware}; float32 matrix product {sgemm / 1e9:.0f} GFLOP/s. {versions}."


def comparison(results: Results, peers: Sequence[str]) -> str:
    """Returns how many times as long each peer takes: the median of the rounds, and the smallest and largest."""
    rows = []
    for name in _workloads(results):
        ours = _runs(results, name, BASE)
        if "incompatibility" in ours[0]:
            rows.append([_title(name), f"not stacked: {ours[0]['incompatibility']}", *[""] * len(peers)])
            continue
        own = f"{_median(run['seconds'] for run in ours):.1f} s"
        rows.append([_title(name), own, *(_ratio(ours, _runs(results, name, peer)) for peer in peers)])
    return _markdown(["workload", PEERS[BASE], *(PEERS[peer] for peer in peers)], rows)


def evidence(results: Results, peers: Sequence[str], sgemm: float) -> str:
    """Returns details of the times: how much of each workload was measured, validation results, speed, memory."""
    rows = []
    for name in _workloads(results):
        ours = {run["round"]: run for run in _runs(results, name, BASE)}
        for peer in [BASE, *peers]:
            runs = [run for run in _runs(results, name, peer) if "seconds" in run]
            if not runs:
                continue
            first, workload = runs[0], WORKLOADS[name]
            recipes, epochs = _whole(results, name)
            steps = recipes * epochs * first["steps_per_epoch"]
            flops = step_flops(workload.network, tuple(first["shape"]), first["outputs"], workload.batch_size)
            speed = steps / _median(run["seconds"] for run in runs)
            rows.append(
                [
                    name,
                    PEERS[peer] + _choice(results, name, peer),
                    f"{first['recipes']} of {recipes} recipes, {first['epochs']} of {epochs} epochs",
                    f"{_median(run['measured_seconds'] for run in runs):.1f} s",
                    f"{speed:,.0f}",
                    f"{100 * speed * flops / sgemm:.1f}%",
                    _metric(runs, ours),
                    f"{max(run['peak_bytes'] for run in runs) / 2**20:,.0f} MiB",
                ]
            )
    header = ["", "", "measured", "in", "steps/s", "of sgemm", "validation: theirs / ours", "peak memory"]
    return _markdown(header, rows)


def growth(results: Results) -> str:
    """Returns the time by number of recipes."""
    rows = []
    for result in results:
        steps = result["recipes"] * result["steps_per_epoch"]
        rows.append(
            [
                str(result["recipes"]),
                str(result["stacks"]),
                f"{result['seconds']:.1f} s",
                f"{1000 * result['seconds'] / result['recipes']:,.0f} ms",
                f"{1e6 * result['last_epoch_core_seconds'] / steps:.1f} us",
                f"{result['peak_bytes'] / 2**20:,.0f} MiB",
            ]
        )
    header = [
        "recipes",
        "stacks",
        "in all",
        "a recipe, compiling included",
        "core time of a recipe's step",
        "peak memory",
    ]
    return _markdown(header, rows)


def searches(results: Results, peers: Sequence[str]) -> str:
    """Returns this project's trials a second, and how many times as many that is as a peer's: the median of the rounds,
    the smallest and the largest; the core seconds of one trial, which other load changes less; and the median score of
    the settings, which each side draws for itself."""
    rows = []
    for name in _workloads(results):
        ours = _runs(results, name, BASE)
        row = [f"{name} {SEARCHES[name].title}", f"{_median(run['rate'] for run in ours):.2g}/s"]
        row += [_ratio(ours, _runs(results, name, peer), per_setting=True) for peer in peers]
        scores = [
            _median(score for run in _runs(results, name, peer) for score in run["scores"]) for peer in [BASE, *peers]
        ]
        busy = [
            _median(run["core_seconds"] / run["settings"] for run in _runs(results, name, peer))
            for peer in [BASE, *peers]
        ]
        rows.append([*row, _each(busy, ".2g"), f"{ours[0]['metric']} {_each(scores, ',.4g')}"])
    header = ["searches", PEERS[BASE], *(PEERS[peer] for peer in peers), "core seconds a trial", "median score"]
    return _markdown(header, rows)


def _each(values: Sequence[float], form: str) -> str:
    """Formats the project's value and the peers' values."""
    return " / ".join(format(value, form) for value in values)


def profile(result: dict[str, Any], sgemm: float, bandwidth: float) -> str:
    """Returns core seconds by kind, and the floors: the least seconds that the whole comparison can take."""
    parts = {**by_kind(result["compiled"]), **{f"host: {name}": value for name, value in result["host"].items()}}
    total, busy = result["seconds"], sum(parts.values())
    rows = [[name, f"{value:.2f} s", _percent(value, busy)] for name, value in parts.items() if value > 0.005]
    arithmetic, traffic = result["flops"] / sgemm, result["bytes"] / bandwidth
    floors = [
        ["in all, wall clock", f"{total:.2f} s", f"{busy / total:.1f} cores busy"],
        [f"floor by arithmetic: {result['flops'] / 1e9:,.0f} GFLOP at sgemm's rate", f"{arithmetic:.2f} s", ""],
        [
            f"floor by bytes: weights and moments of all recipes ({result['state_bytes'] / 1e6:.1f} MB) read and "
            f"written each step, at {bandwidth / 1e9:.0f} GB/s for that size",
            f"{traffic:.2f} s",
            "",
        ],
    ]
    for floor, seconds in zip(floors[1:], (arithmetic, traffic), strict=True):
        floor[2] = f"{_percent(seconds, total)} of the wall clock"
    return _markdown(["", "core seconds", "share"], [*rows, *floors])


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}%"


def _workloads(results: Results) -> list[str]:
    return list(dict.fromkeys(result["workload"] for result in results if "workload" in result))


def _runs(results: Results, name: str, peer: str) -> list[dict[str, Any]]:
    wanted = (name, peer)
    return [run for run in results if (run.get("workload"), run.get("peer")) == wanted and "round" in run]


def _whole(results: Results, name: str) -> tuple[int, int]:
    """Returns the recipes and epochs of the whole comparison, all of which the project trains."""
    ours = _runs(results, name, BASE)[0]
    return ours["recipes"], ours["epochs"]


def _title(name: str) -> str:
    return f"{name} {WORKLOADS[name].title}"


def _ratio(ours: Results, theirs: Results, *, per_setting: bool = False) -> str:
    """Formats the ratio of times. Ratios are taken within a round, since other load in a round slows both sides."""

    def seconds(run: dict[str, Any]) -> float:
        return run["seconds"] / run["settings"] if per_setting else run["seconds"]

    own = {run["round"]: seconds(run) for run in ours}
    ratios = [seconds(run) / own[run["round"]] for run in theirs]
    if len(ratios) == 1:
        return f"{_two_digits(ratios[0])}x"
    return f"{_two_digits(_median(ratios))}x ({_two_digits(min(ratios))}-{_two_digits(max(ratios))})"


def _two_digits(value: float) -> str:
    """Formats with two significant digits or more, never as a power of ten."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"


def _choice(results: Results, name: str, peer: str) -> str:
    found = [
        run["choice"] for run in results if (run.get("workload"), run.get("peer")) == (name, peer) and "choice" in run
    ]
    return "".join(f", {key} {value}" for key, value in found[0].items()) if found else ""


def _metric(runs: Results, ours: dict[int, dict[str, Any]]) -> str:
    """Formats both sides' medians of accuracy or RMSE over the recipes that both trained, after the last common
    epoch."""
    theirs, own = [], []
    for run in runs:
        by_recipe = {one["recipe"]: one["metrics"] for one in ours[run["round"]]["trained"]}
        for one in run["trained"]:
            theirs.append(one["metrics"][-1])
            own.append(by_recipe[one["recipe"]][len(one["metrics"]) - 1])
    places = 3 if runs[0]["metric"] == "val_accuracy" else 0
    return f"{_median(theirs):,.{places}f} / {_median(own):,.{places}f}"


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
