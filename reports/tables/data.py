"""The data: facts about them, and whether they passed their checks."""

from __future__ import annotations

from collections.abc import Sequence

from reports.escape import Html, safe
from reports.markup import badge, bullets, callout, facts, fold, raw, table
from reports.numbers import count, duration
from tasks.records.plan import DataFacts, Plan, SourceColumn
from tasks.records.validation import CheckResult, Validation

_SHOWN = 60  # columns listed by name; image-like tables have hundreds


def data(plan: Plan) -> str:
    """Shows the facts of the data set, and what its reader noticed."""
    about, parts = plan.data, plan.parts
    classes = about.classes
    divided = ", ".join(f"{count(rows)} {part}" for part, rows in parts.items())
    if plan.held_out:
        divided = ", ".join(f"{count(parts[part])} {part}" for part in ("train", "val")) + "; no test part: "
        divided += f"{plan.held_out.folds} folds are held out in turn, {plan.held_out.repeats} times"
    pairs = {
        "Data": about.name,
        "Rows": f"{count(about.rows)} ({divided})",
        "Time": ", ".join(f"{part}: {reach}" for part, reach in plan.reaches.items()) if plan.reaches else None,
        "Target": about.target,
        "Classes": f"{len(classes)}: {_first(classes)}" if classes else None,
        "Class of interest": f"{about.positive} ({about.positive_why})" if about.positive else None,
        "Inputs": _inputs(about),
        "Source": about.source,
        "Licence": about.licence,
        "Digest": Html(f"<code>{safe(about.digest)}</code>"),
    }
    notes = callout("note", "Noticed while reading", bullets(about.notes)) if about.notes else ""
    return raw(facts(pairs)) + notes


def columns(plan: Plan) -> str:
    """Lists the columns of the source and what each was taken for, surprising ones first; folded away. Empty if there
    are none."""
    listed = sorted(plan.data.source_columns, key=lambda column: column.note is None)
    if not listed:
        return ""
    head = ["Column", "Kind", "Because", "#Missing", "#Distinct", "Becomes"]
    rows = [
        (
            _noted(column),
            column.kind,
            column.why,
            column.missing_phrase,
            count(column.distinct) if column.distinct is not None else "",
            column.becomes,
        )
        for column in listed[:_SHOWN]
    ]
    more = f"<p>and {count(len(listed) - _SHOWN)} more</p>" if len(listed) > _SHOWN else ""
    return raw(fold(f"{count(len(listed))} columns", table(head, rows, caption="Columns, surprises first") + more))


def _noted(column: SourceColumn) -> Html:
    note = f'<span class="sentence"><small>{safe(column.note)}</small></span>' if column.note else ""
    return Html(f"{safe(column.name)}{note}")


def validation(validation: Validation | None) -> str:
    """Shows every check of the data: failed ones first, passed ones folded away."""
    if validation is None:
        return callout("note", "Not checked", "This run ended before its data were checked.")
    results = sorted(validation.results, key=lambda result: (result.success, result.severity != "block"))
    failed = [result for result in results if not result.success]
    passed = [result for result in results if result.success]
    said = (
        f"{count(len(results))} checks in {duration(validation.seconds)}: {count(len(passed))} passed, "
        f"{count(sum(r.severity == 'warn' for r in failed))} warned, "
        f"{count(sum(r.severity == 'block' for r in failed))} blocked."
    )
    if validation.sampled:
        said += f" Inputs were checked on a random sample of {count(validation.sampled)} rows."
    html = f"<p>{safe(said)}</p>"
    if failed:
        html += _results(failed, "Checks that failed")
    if passed:
        html += fold(f"{count(len(passed))} checks passed", _results(passed, "Checks that passed"))
    return raw(html)


def _inputs(about: DataFacts) -> str:
    if about.image_shape:
        return " × ".join(map(str, about.image_shape)) + " images"
    if about.text is not None:
        return f"texts: {about.text}"
    if about.sound:
        return f"sounds of {about.sound.seconds:.2f} s, {count(about.sound.rate)} samples a second"
    return f"{len(about.columns)} columns"


def _results(results: list[CheckResult], caption: str) -> Html:
    head = [
        "Result",
        "What it says",
        "Column",
        "Expected",
        "Observed",
        "#Rows",
        "#Unexpected",
    ]
    rows = [
        (
            _result(result),
            _message(result),
            result.column or "",
            result.expected,
            result.observed,
            count(result.rows),
            count(result.unexpected),
        )
        for result in results
    ]
    return table(head, rows, caption=caption)


def _result(result: CheckResult) -> Html:
    if result.success:
        return badge("good", "passed")
    return badge("bad", "blocks") if result.blocks else badge("open", "warns")


def _message(result: CheckResult) -> Html:
    remedy = f"<br>{safe(result.remedy)}" if result.remedy and not result.success else ""
    origin = f"<br><small>{safe(result.check)}, {safe(result.origin)}</small>"
    return Html(f'<span class="sentence">{safe(result.message)}{remedy}{origin}</span>')


def _first(names: Sequence[str], shown: int = 12) -> str:
    return ", ".join(map(str, names[:shown])) + (f" and {len(names) - shown} more" if len(names) > shown else "")
