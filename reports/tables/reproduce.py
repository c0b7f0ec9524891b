"""How to get the same result again."""

from __future__ import annotations

from collections.abc import Mapping

from reports.escape import Html, safe, safe_lines
from reports.markup import facts, fold, raw, recipe, table
from reports.numbers import count, duration
from reports.settings import named
from tasks.evaluation.rounding import MISSING
from tasks.records.environment import Environment
from tasks.records.plan import DataFacts, Plan
from tasks.records.stage_records import StageRecords


def reproduce(plan: Plan, environment: Environment, stages: StageRecords, spec: str, renderer: str) -> str:
    """Shows command, spec, seeds, digests, versions, and the time of each stage."""
    return raw(
        facts(_facts(plan, environment, renderer))
        + _listing("Spec as written", spec, opened=True)
        + _stages(stages)
        + _versions(environment)
        + fold("Recipes in full", _recipes(plan))
    )


def of_stopped(environment: Environment, stages: StageRecords, spec: str, renderer: str) -> str:
    """Shows the same for a run without a plan: one that ended early, or a lesson."""
    return raw(
        facts(_circumstances(environment, renderer))
        + _listing("Spec as written", spec, opened=True)
        + _stages(stages)
        + _versions(environment)
    )


def _facts(plan: Plan, environment: Environment, renderer: str) -> Mapping[str, object]:
    about, seeds = _circumstances(environment, renderer), sorted({trial.seed for trial in plan.trials})
    own = {
        "Seeds": ", ".join(map(str, seeds[:20])) + (f" and {len(seeds) - 20} more" if len(seeds) > 20 else ""),
        "Data digest": Html(f"<code>{safe(plan.data.digest)}</code>"),
        "Shuffle": _shuffle(plan.data),
        "Reused": plan.reuse,
    }
    first = ("Command", "Set on the command line")
    return {name: about[name] for name in first} | own | about


def _circumstances(environment: Environment, renderer: str) -> dict[str, object]:
    """Returns command, machine and code version."""
    command, git = environment.command, environment.git
    return {
        "Command": Html(f"<code>{safe(command)}</code>") if command else None,
        "Set on the command line": ", ".join(environment.overrides),
        "Started": environment.started,
        "Python": environment.python,
        "Machine": f"{environment.platform}, {count(environment.cpus)} CPUs",
        "Code": f"{git.commit}{' with uncommitted changes' if git.changed else ''}" if git else None,
        "Report made by": renderer,
    }


def _shuffle(data: DataFacts) -> str:
    whole = data.shuffle == "whole"
    how = "all training rows anew in every epoch" if whole else f"in every epoch by {data.shuffle}, in random order"
    return f"{how}, by seed and epoch; rows {'streamed from disk' if data.streamed else 'in memory'}"


def _listing(summary: str, text: str, *, opened: bool = False) -> Html:
    block = f'<pre class="listing" tabindex="0"><code>{safe_lines(text)}</code></pre>'
    return fold(summary, block, opened=opened) if text.strip() else Html("")


def _stages(stages: StageRecords) -> Html:
    found = stages.stages
    total = sum(stage.seconds or 0.0 for stage in found.values())
    rows = [
        (name, stage.status, duration(stage.seconds), _share(stage.seconds, total)) for name, stage in found.items()
    ]
    return fold("Stages", table(["Stage", "Status", "#Time", "Share"], rows, caption="Stages")) if rows else Html("")


def _share(seconds: float | None, total: float) -> Html:
    """Returns a bar and a percentage. The report's own stage has no time yet, since it is not over."""
    if seconds is None or not total:
        return safe(MISSING)
    percent = 100 * seconds / total
    return Html(f'<span class="bar" style="width:{percent * 0.06:.2f}rem"></span> {percent:.0f}%')


def _versions(environment: Environment) -> Html:
    rows = sorted(environment.versions.items(), key=lambda item: item[0].lower())
    return fold("Versions", table(["Package", "Version"], rows, caption="Versions")) if rows else Html("")


def _recipes(plan: Plan) -> Html:
    """Shows every hyperparameter of every recipe: once if all recipes have the same value, else in the recipe's row."""
    settings = [named(each.settings.document) for each in plan.recipes]
    alike = {
        name: value
        for name, value in (settings[0] if len(settings) > 1 else {}).items()
        if all(each.get(name) == value for each in settings)
    }
    rows = [
        (
            recipe(each.recipe),
            Html(f"<code>{safe(each.variant_id)}</code>"),
            Html("<br>".join(f"<small>{safe(name)}: {safe(value)}</small>" for name, value in own.items())),
        )
        for each, known in zip(plan.recipes, settings, strict=True)
        for own in [{name: value for name, value in known.items() if name not in alike}]
    ]
    head = ["Recipe", "Variant", "What differs" if alike else "Every hyperparameter"]
    shared = f"<p>Alike in all recipes:</p>{facts(alike)}" if alike else ""
    return Html(f"{shared}{table(head, rows, caption='Recipes in full', lists='recipes')}")
