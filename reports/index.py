"""`index.html` of the home folder: every run with its decision, and each experiment's figures over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reports import pandoc, stopped
from reports.escape import Html, safe
from reports.markup import badge, raw, table
from reports.metric_names import phrase
from reports.monitoring import KINDS, strip
from reports.run import document, environment_of
from tasks.errors import BadInput
from tasks.evaluation.rounding import MISSING, interval, known
from tasks.evaluation.wording import opening
from tasks.history import MONITORING, REPORT, experiments, past
from tasks.records.estimate import Estimate
from tasks.records.lesson import Lesson
from tasks.records.monitoring import Monitored
from tasks.records.verdict import Verdict
from tasks.run_folder import write_text
from tasks.run_state import state_of

INDEX = "index.html"
_SCRIPT = Path(__file__).parent / "figures" / "recipes.js"
_DECISIONS = {"ship": ("good", "ship"), "no": ("bad", "do not ship"), "nothing": ("bad", "nothing to ship")}
_OPEN = ("open", "open")
_ANSWERS = {"pass": "good", "fail": "bad", "undecided": "open"}


@dataclass(frozen=True)
class Listed:
    """A run in the index.

    Args:
        name: The name of its folder.
        experiment: The experiment's name, from its plan or its spec.
        started: UTC, to the minute, `2026-11-27 04:44`; empty if not known.
        verdict: None if there is none, or it can't be read.
        ended: How the run ended, if there is no verdict.
        reported: Whether it has a report.
    """

    name: str
    experiment: str
    started: str
    verdict: Verdict | None
    ended: str
    reported: bool

    @property
    def figure(self) -> Estimate | None:
        """The deciding metric of the shipped model, else of the leader."""
        if self.verdict is None:
            return None
        if self.verdict.shipped:
            return self.verdict.shipped.metrics.get(self.verdict.metric)
        leader = next((each for each in self.verdict.recipes if each.recipe_id == self.verdict.leader), None)
        return leader.metrics.get(self.verdict.metric) if leader else None


def write_index(home: Path) -> Path:
    """Writes the index anew: all runs under `home/runs`, and the monitored experiments. Returns its path."""
    watched = {name: found for name in experiments(home) if (found := past(home, name))}
    path = write_text(home / INDEX, to_html(listed(home), watched))
    path.chmod(0o600)
    return path


def listed(home: Path) -> list[Listed]:
    """Returns every run of a home folder, the newest first."""
    folders = (path for path in (home / "runs").glob("*") if path.is_dir() and (path / "stages.json").is_file())
    return [_listed(folder) for folder in sorted(folders, key=lambda path: path.name, reverse=True)]


def to_html(runs: Sequence[Listed], watched: Mapping[str, Sequence[tuple[Path, Monitored]]] | None = None) -> str:
    """Returns one page that loads nothing from outside. It links to the runs' reports.

    Args:
        watched: For each experiment whose champion was monitored: folder and record of each monitoring, the latest
            last.
    """
    script = raw(f"<script>\n{_SCRIPT.read_text(encoding='utf-8')}</script>")
    body = [
        "## Experiments {#experiments}\n",
        raw(_experiments(runs)) if runs else "Nothing has run yet.",
        *(["## Champions and new data {#monitoring}\n", raw(_monitoring(watched))] if watched else []),
        "## All runs {#runs}\n",
        raw(_runs(runs)) if runs else "",
        script,
    ]
    metadata = {"title": "Runs", "lang": "en", "brand": "Bakeoff", "contents": "On this page"}
    return pandoc.to_html("\n\n".join(body), metadata)


def outcome(folder: Path) -> Verdict | str:
    """Returns a run's verdict, or, without one that can be read, how the run ended."""
    try:
        verdict = Verdict.read_if_there(folder)
        if verdict or not (folder / Lesson.FILE).is_file():
            return verdict or state_of(folder).phrase
        return Lesson.read(folder).phrase
    except BadInput:
        return "its verdict can't be read"


def _listed(folder: Path) -> Listed:
    found, started = outcome(folder), _started(folder)
    return Listed(
        name=folder.name,
        experiment=str(_experiment(folder)),
        started=started[:16].replace("T", " "),
        verdict=found if isinstance(found, Verdict) else None,
        ended="" if isinstance(found, Verdict) else found,
        reported=(folder / "report.html").is_file(),
    )


def _started(folder: Path) -> str:
    """Returns the run's start (UTC, ISO 8601), or an empty string if it is not known."""
    try:
        return environment_of(folder).started or ""
    except (OSError, BadInput):
        return ""


def _experiment(folder: Path) -> object:
    named = (_document(folder, name).get("experiment") for name in ("plan", "lesson"))
    return next(filter(None, named), stopped.experiment(folder))


def _document(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = document(folder, name)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _runs(runs: Iterable[Listed]) -> Html:
    head = ["Started (UTC)", "Experiment", "Decision", "Winner", "Metric", "#Of the saved model", "Gates", "Folder"]
    rows = [_row(run) for run in runs]
    return table(head, rows, caption="All runs, the newest first", lists="runs")


def _row(run: Listed) -> list[object]:
    when = safe(run.started or MISSING)
    if run.reported:
        said = f"Report of {run.experiment}, {run.started}"
        when = Html(f'<a href="runs/{_in_address(run.name)}/report.html" aria-label="{safe(said)}">{when}</a>')
    verdict = run.verdict
    if verdict is None:
        return [when, run.experiment, badge("quiet", run.ended), "", "", MISSING, "", run.name]
    kind, text = _DECISIONS.get(verdict.decision.answer, _OPEN)
    winner = verdict.name_of(verdict.winner) if verdict.winner else "can't tell"
    metric = opening(phrase(verdict.metric, verdict.titles))
    return [when, run.experiment, badge(kind, text), winner, metric, interval(run.figure), _gates(verdict), run.name]


def _gates(verdict: Verdict) -> Html:
    counts = {answer: sum(gate.answer == answer for gate in verdict.gates) for answer in _ANSWERS}
    return Html(" ".join(badge(_ANSWERS[answer], f"{count} {answer}") for answer, count in counts.items() if count))


def _experiments(runs: Sequence[Listed]) -> Html:
    """Returns a table with a row for each experiment, the one that ran last first."""
    by_name: dict[str, list[Listed]] = {}
    for run in runs:
        by_name.setdefault(run.experiment, []).append(run)
    rows = [[name, len(each), *_latest(each), _trend(name, each)] for name, each in by_name.items()]
    head = ["Experiment", "#Runs", "Last decision", "#Last figure", "Over time"]
    return table(head, rows, caption="Experiments, the one that ran last first")


def _latest(runs: Sequence[Listed]) -> list[object]:
    last = next((run for run in runs if run.verdict), None)
    if last is None or last.verdict is None:
        return [badge("quiet", runs[0].ended), MISSING]
    return [safe(last.verdict.decision.sentence), interval(last.figure)]


def _monitoring(watched: Mapping[str, Sequence[tuple[Path, Monitored]]]) -> Html:
    """Returns a table with a row for each experiment whose champion was monitored: the last answer, and the earlier
    ones."""
    rows = []
    for name, found in watched.items():
        folder, last = found[-1]
        when = safe(last.monitored[:16].replace("T", " "))
        address = f"{MONITORING}/{_in_address(name)}/{_in_address(folder.name)}/{REPORT}"
        said = safe(f"Monitoring of {name}, {last.monitored}")
        link = Html(f'<a href="{address}" aria-label="{said}">{when}</a>')
        over_time = strip([each for _, each in found])
        rows.append([name, link, badge(KINDS[last.answer], last.answer), last.sentence, over_time])
    head = ["Experiment", "Last looked at (UTC)", "Answer", "Why", "Over time"]
    return table(head, rows, caption="Champions and new data")


_WIDTH, _HEIGHT, _MARGIN, _MOST = 160, 36, 4, 40
"""Width, height and margin of a trend, in pixels; and the most runs that it shows, the latest ones."""


def _trend(experiment: str, runs: Sequence[Listed]) -> Html:
    """Draws the deciding metric over the last runs, with its intervals. Goes back only as far as the runs have the same
    deciding metric as the last one."""
    told = [run for run in reversed(runs) if run.verdict and run.figure and known(run.figure.mean)]
    _, same = next(iter(groupby(reversed(told), key=lambda run: run.verdict and run.verdict.metric)), (None, ()))
    shown = list(same)[:_MOST][::-1]
    if len(shown) < 2:
        return safe(MISSING)
    figures = [run.figure or Estimate(None) for run in shown]
    means = [float(each.mean or 0.0) for each in figures]
    bars = [_bounds(each, mean) for each, mean in zip(figures, means, strict=True)]
    least, most = min(low for low, _ in bars), max(high for _, high in bars)
    span = (most - least) or 1.0

    def y(value: float) -> str:
        return f"{_MARGIN + (_HEIGHT - 2 * _MARGIN) * (most - value) / span:.1f}"

    step = (_WIDTH - 2 * _MARGIN) / (len(shown) - 1)
    xs = [f"{_MARGIN + step * place:.1f}" for place in range(len(shown))]
    points = " ".join(f"{x},{y(mean)}" for x, mean in zip(xs, means, strict=True))
    lines = "".join(
        f'<line x1="{x}" x2="{x}" y1="{y(low)}" y2="{y(high)}"/>' for x, (low, high) in zip(xs, bars, strict=True)
    )
    said = ", ".join(interval(each) for each in figures[-3:])
    verdict = shown[-1].verdict
    metric = phrase(verdict.metric, verdict.titles) if verdict else ""
    label = safe(f"{experiment}: {metric} over {len(shown)} runs, the last ones {said}")
    last = f'<circle cx="{xs[-1]}" cy="{y(means[-1])}" r="3"/>'
    return Html(
        f'<svg class="trend" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}">{lines}<polyline points="{points}"/>{last}</svg>'
    )


def _bounds(estimate: Estimate, mean: float) -> tuple[float, float]:
    low, high = estimate.low, estimate.high
    return (low if low is not None and known(low) else mean, high if high is not None and known(high) else mean)


def _in_address(name: str) -> str:
    """Quotes a folder's name for a link."""
    return quote(name, safe="")
