"""Measures a report of many recipes: its size, the time until it responds in a browser, and axe-core's findings.

`python -m tests.bench.report` trains 300 recipes (ten optimizers, five learning rates, three schedules, two batch
sizes) of a network of 16 units with three seeds on scikit-learn's digits, which takes a minute or two, and opens the
report that pandoc makes in headless Chromium. `--recipes 100` trains fewer; `--run FOLDER` renders and measures an
existing run.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from reports.render import render
from tests.flows.command import BAKEOFF, PROJECT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VIEWS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
LOADS = 5

_OPTIMIZERS = ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "adamax", "nadam", "adagrad", "lion"]
_RATES = [0.0003, 0.001, 0.003, 0.01, 0.03]

# Long tasks block the page for 50 ms or more (W3C, Long Tasks API).
_WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longTasks.push(task.startTime + task.duration);
}).observe({ type: "longtask", buffered: true });
"""
# As Lighthouse's time to interactive: the end of the last long task before a quiet window, here of a second.
_INTERACTIVE = """
() => new Promise((done) => {
  const look = () => {
    const [entry] = performance.getEntriesByType("navigation");
    const last = Math.max(entry.domContentLoadedEventEnd, ...window.longTasks);
    if (entry.loadEventEnd && performance.now() - last > 1000) done(last / 1000);
    else setTimeout(look, 100);
  };
  look();
})
"""


def specification(recipes: int) -> dict[str, Any]:
    """Returns a spec of about `recipes` recipes, at most 300."""
    batch_sizes, schedules = [32, 64], ["constant", {"cosine": {"warmup": 0.1}}, "polynomial"]
    optimizers = _OPTIMIZERS[: max(1, round(recipes / (len(_RATES) * len(schedules) * len(batch_sizes))))]
    return {
        "name": "many-recipes",
        "data": {"source": "digits"},
        "model": {"kind": "mlp", "hidden": [16]},
        "train": {"epochs": 12, "seeds": 3, "early_stopping": {"patience": 3}},
        "compare": {
            "optimizer": optimizers,
            "learning_rate": _RATES,
            "schedule": schedules,
            "batch_size": batch_sizes,
        },
        "evaluate": {"metric": "accuracy", "also": ["log_loss", "f1"]},
        "gates": [{"metric": "accuracy", "at_least": 0.9}],
    }


def train(recipes: int, folder: Path) -> Path:
    """Runs the spec and returns the run's folder."""
    spec, run = folder / "many.yaml", folder / "run"
    spec.write_text(yaml.safe_dump(specification(recipes)), encoding="utf-8")
    command = [*BAKEOFF, "run", str(spec), "--home", str(folder / "home"), "--run-dir", str(run)]
    subprocess.run(command, check=True, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run


def interactive(browser: Any, page: Path) -> float:
    """Returns the seconds from the start of navigation until the page responds, at 1280 px: the median of five
    loads."""
    found = []
    for _ in range(LOADS):
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        opened.add_init_script(_WATCH)
        opened.goto(page.as_uri())
        found.append(float(opened.evaluate(_INTERACTIVE)))
        opened.close()
    return statistics.median(found)


def findings(browser: Any, page: Path, width: int, scheme: str) -> Counter[str]:
    """Counts the elements that break a rule of axe-core, by impact."""
    from axe_playwright_python.sync_playwright import Axe

    opened = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened.goto(page.as_uri())
    opened.wait_for_timeout(1000)
    found: Counter[str] = Counter()
    for violation in Axe().run(opened).response["violations"]:
        found[violation["impact"]] += len(violation["nodes"])
    opened.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=int, default=300)
    parser.add_argument("--run", type=Path)
    chosen = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as folder, sync_playwright() as playwright:
        run = chosen.run or train(chosen.recipes, Path(folder))
        made = render(run, renderer="pandoc")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        size = made.path.stat().st_size / 1e6
        seconds = interactive(browser, made.path)
        print(f"{size:.2f} MB, rendered in {made.seconds:.1f} s, interactive after {seconds:.2f} s")
        for width, scheme in VIEWS:
            counts = findings(browser, made.path, width, scheme)
            print(f"axe-core, {width} px, {scheme}: {dict(counts) or 'nothing'}")


if __name__ == "__main__":
    main()
