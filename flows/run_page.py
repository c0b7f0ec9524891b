"""A run's page in Prefect's UI: its name, tags, log lines and how it ended; and the events others listen to."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import get_client, get_run_logger, runtime
from prefect.context import FlowRunContext
from prefect.events import emit_event

from reports.numbers import duration
from tasks.errors import BadInput, plain
from tasks.records.lesson import Lesson
from tasks.records.monitoring import Monitored
from tasks.records.verdict import Verdict

GATE_FAILED, WRONG_INPUT = "Gate failed", "Wrong input"
"""Names of final states beside Prefect's own. Both are of type FAILED."""

_OUTCOMES = {"ship": "ship", "no": "do not ship", "nothing": "nothing to ship", "open": "open"}
_FOLDER = "folder:"
_SECONDS_BETWEEN_LINES = 10.0


def first_name() -> str:
    """Returns a flow run's name until its plan is known: what was asked for."""
    request = runtime.flow_run.parameters.get("request")
    asked: Mapping[str, Any] = request if isinstance(request, Mapping) else dict(request or {})
    return plain("a spec" if asked.get("spec") else Path(asked.get("path") or asked.get("experiment", "")).stem)


def full_name(experiment: str, recipes: int, seeds: int) -> str:
    """Returns a flow run's name once its plan is known.

    >>> full_name("titanic", 13, 5), full_name("churn", 1, 1)
    ('titanic · 13 recipes x 5 seeds', 'churn · 1 recipe x 1 seed')
    """
    counted = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in ((recipes, "recipe"), (seeds, "seed"))]
    return f"{experiment} · {' x '.join(counted)}"


class GateFailed(Exception):
    """A blocking gate failed or is undecided, or nothing can be shipped, and the request asked to fail then."""

    def __init__(self, folder: Path, sentences: str) -> None:
        super().__init__(sentences)
        self.folder = folder


class _Worded(logging.Filter):
    """Removes the tracebacks of errors that a user can mend. A task's log keeps the message. The flow's own record is
    dropped as a whole, since the page has logged the message."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, BadInput | GateFailed):
            return True
        record.msg, record.args, record.exc_info, record.exc_text = str(error), (), None, None
        return record.name != "prefect.flow_runs"


class RunPage:
    """The page of the current flow run. Without a flow run, as in a notebook, every method does nothing.

    The page only informs: a server that does not answer must not end a training.
    """

    def __init__(self) -> None:
        context = FlowRunContext.get()
        self._run = context.flow_run if context else None
        self._logger: logging.Logger | logging.LoggerAdapter[Any] = (
            get_run_logger() if self._run else logging.getLogger(__name__)
        )
        self._tags = set(self._run.tags) if self._run else set()
        for name in ("prefect.flow_runs", "prefect.task_runs") if self.deployed else ():
            logging.getLogger(name).addFilter(_Worded())
        self._begun: dict[str, float] = {}
        self._written = 0.0

    @property
    def deployed(self) -> bool:
        """Whether a worker runs this, not somebody at a terminal."""
        return bool(self._run and self._run.deployment_id)

    @property
    def earlier_folder(self) -> str | None:
        """Name of the folder of an earlier attempt at this flow run, which a retry goes on in."""
        return next((tag.removeprefix(_FOLDER) for tag in self._tags if tag.startswith(_FOLDER)), None)

    def log(self, line: str) -> None:
        if self._run:
            self._logger.info(plain(line))

    def refused(self, error: BadInput) -> None:
        if self._run:
            self._logger.error(error.message())

    def rename(self, name: str) -> None:
        self._update(name=plain(name))

    def tag(self, *tags: str) -> None:
        self._tags |= {plain(tag) for tag in tags}
        self._update(tags=sorted(self._tags))

    def begins(self, experiment: str, folder: Path) -> None:
        self.tag(f"experiment:{experiment}", f"{_FOLDER}{folder.name}")

    def hear(self, stage: str, what: str, share: float | None) -> None:
        """Receives a stage's progress, as a `tasks.steps.Listener`, from any thread. Not every line is worth a log."""
        now = time.monotonic()
        begun = self._begun.setdefault(stage, now)
        if what == "done":
            self.log(f"{stage}: done in {duration(now - begun)}")
        elif what.startswith("note:"):
            self.log(what.removeprefix("note:").strip())
        elif share and now - max(self._written, begun) > _SECONDS_BETWEEN_LINES:
            self._written = now
            self.log(f"{stage}: {what}, {share:.0%}, about {duration((now - begun) * (1 - share) / share)} left")

    def judged(self, experiment: str, verdict: Verdict, folder: Path, report: str) -> None:
        """Logs leader, gates and report, tags the outcome, and sends an event."""
        if verdict.leader:
            self.log(f"Leader: {verdict.name_of(verdict.leader)}. {verdict.sentence}")
        for gate in verdict.gates:
            self.log(f"Gate, {gate.answer}: {gate.sentence}")
        self.log(f"Decision: {verdict.decision.sentence}. Report: {report}")
        self.tag(f"outcome:{_OUTCOMES[verdict.decision.answer]}")
        self._emit("bakeoff.run.finished", experiment, figures(experiment, verdict, folder))

    def taught(self, lesson: Lesson, report: str) -> None:
        """Logs what a lesson found, and tags whether its effect appeared. It has no decision, so no event is sent."""
        self.log(f"{lesson.headline}. {lesson.counted} met. Report: {report}")
        self.tag(f"outcome:{'the effect appeared' if lesson.appeared else 'no effect'}")

    def gate_failed(self, experiment: str, verdict: Verdict, folder: Path, sentence: str) -> None:
        self.tag("gate failed")
        self._emit("bakeoff.gate.failed", experiment, {**figures(experiment, verdict, folder), "sentence": sentence})

    def drifted(self, found: Monitored, folder: Path) -> None:
        """Sends the event that new rows ask for a new model."""
        worst = found.worst
        payload = {
            "experiment": found.experiment,
            "champion": found.champion,
            "monitoring": folder.name,
            "answer": found.answer,
            "sentence": found.sentence,
            "columns": list(worst.columns),
            "rows": worst.rows,
        }
        self._emit("bakeoff.drift.detected", found.experiment, payload)

    def _update(self, **changes: Any) -> None:
        if self._run:
            with suppress(Exception), get_client(sync_client=True) as client:
                client.update_flow_run(self._run.id, **changes)

    def _emit(self, event: str, experiment: str, payload: dict[str, Any]) -> None:
        if self._run:
            resource = {"prefect.resource.id": f"bakeoff.experiment.{experiment}", "prefect.resource.name": experiment}
            with suppress(Exception):
                emit_event(event, resource, payload=payload | {"flow_run": str(self._run.id)})


def figures(experiment: str, verdict: Verdict, folder: Path) -> dict[str, Any]:
    """Returns what an event says about a run, as values of JSON."""
    estimate = verdict.shipped.metrics.get(verdict.metric) if verdict.shipped else None
    return {
        "experiment": experiment,
        "run": folder.name,
        "decision": verdict.decision.answer,
        "winner": verdict.name_of(verdict.winner) if verdict.winner else None,
        "leader": verdict.name_of(verdict.leader) if verdict.leader else None,
        "metric": verdict.metric,
        "estimate": estimate.mean if estimate else None,
        "low": estimate.low if estimate else None,
        "high": estimate.high if estimate else None,
        "gates": [
            {
                "metric": gate.metric + gate.of,
                "answer": gate.answer,
                "severity": gate.severity,
                "estimate": gate.estimate,
            }
            for gate in verdict.gates
        ],
    }
