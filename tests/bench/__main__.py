"""`python -m tests.bench`: measures, prints Markdown tables, keeps the figures under data/bench."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from tests.bench import table
from tests.bench.machine import copy_bytes, description, sgemm_flops
from tests.bench.peers import PEERS
from tests.bench.runner import BASE, Bench, MeasurementFailed, bench
from tests.bench.searches import SEARCH_PEERS, SEARCHES
from tests.bench.workloads import SAMPLE_EPOCHS, WORKLOADS

FOLDER = Path("data/bench")
ROUNDS = 3
EVERYTHING = (*WORKLOADS, *SEARCHES)

HOW = (
    "Times from data in memory to trained weights, with compiling, validation after every epoch and early stopping; "
    f"without interpreter start, imports and loading. Peers that train a sample ({SAMPLE_EPOCHS} recipes, first "
    f"{SAMPLE_EPOCHS} epochs) are scaled to the whole. Ratios: their time over this project's, median of the rounds "
    "(smallest-largest)."
)

HOW_SEARCHED = (
    "Searches: times of this project's search stage, with asking, planning and recording, and of the peers' search; "
    "compiling and validation after every epoch included. The peers draw fewer settings of the same space. Ratios: "
    "this project's trials a second over theirs, median of the rounds (smallest-largest)."
)


def main() -> int:
    arguments = _arguments()
    started = time.monotonic()
    with bench(arguments.small, lambda line: print(line, file=sys.stderr, flush=True)) as opened:
        try:
            figures, page = _measured(arguments, opened)
        except MeasurementFailed as failure:
            print(f"bench: {failure}", file=sys.stderr)
            return 1
    page += f"\n\nMeasured in {(time.monotonic() - started) / 60:.0f} minutes."
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = time.strftime("%Y-%m-%d-%H%M%S")
    (FOLDER / f"{name}.json").write_text(json.dumps(figures, indent=1))
    (FOLDER / f"{name}.md").write_text(page + "\n")
    print(f"\n{page}\n\n{FOLDER / name}.json, .md")
    return 0


def _measured(arguments: argparse.Namespace, opened: Bench) -> tuple[dict[str, Any], str]:
    """Returns the measured figures, and the Markdown page made from them."""
    facts = description()
    if arguments.profile:
        return _profile(arguments.profile, opened, facts)
    figures: dict[str, Any] = {"machine": facts}
    if arguments.growth:
        figures |= {"sgemm_flops": sgemm_flops(), "growth": opened.grow("W1")}
        return figures, _page(table.machine(facts, figures["sgemm_flops"]), table.growth(figures["growth"]))
    parts: list[str] = []
    if workloads := [name for name in arguments.workload if name in WORKLOADS]:
        results = opened.compare(workloads, arguments.peer, arguments.rounds)
        sgemm = max(result["sgemm_flops"] for result in results if "sgemm_flops" in result)
        figures |= {"sgemm_flops": sgemm, "results": results}
        parts += [
            table.comparison(results, arguments.peer),
            HOW,
            table.machine(facts, sgemm),
            table.evidence(results, arguments.peer, sgemm),
        ]
    if searches := [name for name in arguments.workload if name in SEARCHES]:
        parts += _searches(searches, arguments, opened, figures)
        if not workloads:
            parts.append(table.machine(facts, sgemm_flops()))
    if arguments.everything:
        figures["growth"] = opened.grow("W1")
        parts.append(table.growth(figures["growth"]))
    return figures, _page(*parts)


def _searches(names: Sequence[str], arguments: argparse.Namespace, opened: Bench, figures: dict[str, Any]) -> list[str]:
    if not os.environ.get("BAKEOFF_DATA"):
        return [f"{', '.join(names)} left out: BAKEOFF_DATA does not say where the data sets are."]
    peers = [peer for peer in arguments.peer if peer in SEARCH_PEERS]
    figures["searches"] = opened.search(names, peers, arguments.rounds)
    return [table.searches(figures["searches"], peers), HOW_SEARCHED]


def _profile(name: str, opened: Bench, facts: dict[str, str]) -> tuple[dict[str, Any], str]:
    before = sgemm_flops()
    result = opened.profile(name)
    sgemm = max(before, sgemm_flops())  # other load makes the machine slower, never faster
    bandwidth = copy_bytes(result["state_bytes"])
    figures = {"machine": facts, "sgemm_flops": sgemm, "copy_bytes": bandwidth, "workload": name, "profile": result}
    return figures, _page(table.machine(facts, sgemm), f"### {name}", table.profile(result, sgemm, bandwidth))


def _page(*parts: str) -> str:
    return "\n\n".join(parts)


def _arguments() -> argparse.Namespace:
    peers = [name for name in PEERS if name != BASE]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--workload", type=_names(EVERYTHING), default=list(EVERYTHING), help="W1,W2 ... S1,S2")
    parser.add_argument("--peer", type=_names(peers), default=peers, help=",".join(peers))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--small", action="store_true", help="4 recipes, 2 epochs of 200 steps: to try the bench")
    parser.add_argument("--growth", action="store_true", help="only: 1, 8, 32, 128, 512 recipes of W1")
    parser.add_argument("--profile", choices=list(WORKLOADS), help="only: where the project's time goes")
    arguments = parser.parse_args()
    arguments.everything = arguments.workload == list(EVERYTHING) and arguments.peer == peers
    return arguments


def _names(known: Collection[str]) -> Any:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}; accepted: {', '.join(known)}")
        return names

    return parse


if __name__ == "__main__":
    sys.exit(main())
