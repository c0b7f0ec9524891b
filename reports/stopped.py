"""The page of a run that ended before it had a plan: what ended it, what the data checks found, and its spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from reports import pandoc
from reports.escape import safe
from reports.markup import callout, raw
from reports.numbers import moment
from reports.run import environment_of, spec_of, stages_of
from reports.tables.data import validation
from reports.tables.reproduce import of_stopped
from tasks.records.environment import Environment
from tasks.records.validation import Validation
from tasks.run_state import RunState, state_of

_HEADLINES = {
    "blocked": "Nothing was trained: the data failed their checks",
    "failed": "The run failed",
    "stopped": "The run was stopped",
    "killed": "The run was killed",
}
_NEXT = {
    "blocked": "Mend the data, or set a check's severity to warn under data.checks, and run again. What each check "
    "found stands below.",
    "failed": "The reason above says what to mend. If it does not help, the fault is ours: report it with this page.",
}


def can_be_shown(run: Path) -> bool:
    """Whether a folder holds a run that began, but has no plan."""
    return not (run / "plan.json").is_file() and (run / "stages.json").is_file()


def to_html(run: Path, renderer: str) -> str:
    """Returns one page that loads nothing from outside.

    Args:
        run: The run's folder; `can_be_shown(run)` must hold.
        renderer: Name and version of the renderer, for the page.
    """
    state, environment = state_of(run), environment_of(run)
    spec = spec_of(run)
    pieces = [
        "## Verdict {#verdict}\n",
        raw(f'<p class="run">Run <code>{safe(run.name)}</code>{safe(_when(environment) + _of_what(run))}</p>'),
        _headline(state),
        callout("tip", "What to do next", safe(_NEXT[state.ended])) if state.ended in _NEXT else "",
        "## Data {#data}\n",
        validation(Validation.read_if_there(run)),
        "## Reproduce {#reproduce}\n",
        of_stopped(environment, stages_of(run), spec, renderer),
    ]
    return pandoc.to_html("\n\n".join(pieces), {"title": "Bakeoff report", "lang": "en"})


def _headline(state: RunState) -> str:
    said = _HEADLINES.get(state.ended, "The run did not finish")
    where = f"It ended in the stage {state.stage}." if state.stage else ""
    reason = state.reason or where
    return raw(
        f'<div class="verdict verdict-nothing">\n<p class="headline">{safe(said)}</p>\n'
        f'<p class="lead">{safe(reason)}</p>\n</div>'
    )


def _when(environment: Environment) -> str:
    return f", {moment(environment.started)}" if environment.started else ""


def _of_what(run: Path) -> str:
    """Returns the data's name as the spec has it: nothing else is known, since the data may not have been read."""
    data = _spec(run).get("data")
    if not isinstance(data, dict) or not data.get("source"):
        return ""
    target = f", target {data['target']}" if data.get("target") else ""
    return f". Data: {Path(str(data['source'])).name}{target}."


def experiment(run: Path) -> str:
    """Returns the experiment's name as the spec has it, else the folder's name."""
    return str(_spec(run).get("name") or run.name)


def _spec(run: Path) -> dict[str, Any]:
    try:
        spec = yaml.safe_load(spec_of(run))
    except yaml.YAMLError:
        return {}
    return spec if isinstance(spec, dict) else {}
