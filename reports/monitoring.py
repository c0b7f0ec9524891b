"""The page of `bakeoff monitor`: the answer, what changed, and the answers over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports import pandoc
from reports.escape import Html, safe
from reports.markup import badge, bullets, facts, raw, table
from reports.render import headed
from tasks.evaluation.rounding import MISSING, interval, rounded
from tasks.records.monitoring import ANSWERS, Measured, Monitored, Window
from tasks.run_folder import write_text

HEADLINES = {
    "keep": "Keep the champion",
    "watch": "Keep the champion, and watch the data",
    "retrain": "Train a new model",
}
KINDS = {"keep": "good", "watch": "open", "retrain": "bad"}
"""Kind of the badge of each answer."""
_LOOKS = {"keep": "ship", "watch": "open", "retrain": "no"}
_HOW = (
    "Of values, the distance is the largest one between the two cumulative shares (numbers), or the total variation "
    "(categories); of all else, the difference of two means. Thresholds come from stretches of consecutive rows of the "
    "reference, put together to windows of this size: {rate:.0%} of windows of unchanged data raise any alarm. The "
    "effect is the Wasserstein distance in standard deviations of the reference."
)


def write_page(path: Path, past: Sequence[Monitored]) -> Path:
    """Writes the page of an experiment's last monitoring. `past` holds all of its monitorings, the oldest first."""
    now = past[-1]
    worst = now.worst
    pieces = [
        raw(_head(now)),
        "## What was compared {#compared}\n",
        _noticed(worst),
        raw(_measured(worst.measured)),
        raw(f'<p class="under">{safe(_HOW.format(rate=now.rate))}</p>'),
        "## Values {#values}\n",
        raw(_drawings(worst.measured)),
        *(["## Windows {#windows}\n", raw(_windows(now.windows))] if len(now.windows) > 1 else []),
        "## Over time {#history}\n",
        raw(_history(past)),
    ]
    page = pandoc.to_html("\n\n".join(pieces), {"title": "Bakeoff report", "lang": "en"})
    return write_text(path, headed(page, now.experiment, "New rows against the champion's reference"))


def strip(past: Sequence[Monitored], most: int = 60) -> Html:
    """Returns the answers of the last `most` windows as a row of bars, the latest at the right. A higher bar is a worse
    answer."""
    answers = [window.answer for each in past for window in each.windows][-most:]
    width, height = 6, 12
    bars = "".join(
        f'<rect class="{answer}" x="{place * width}" width="{width - 1}" '
        f'y="{height * (2 - ANSWERS.index(answer))}" height="{height * (1 + ANSWERS.index(answer))}"/>'
        for place, answer in enumerate(answers)
    )
    counted = ", ".join(f"{answers.count(each)} {each}" for each in ANSWERS if each in answers)
    return Html(
        f'<svg class="answers" role="img" aria-label="{safe(f"The last {len(answers)} windows: {counted}")}" '
        f'width="{width * len(answers)}" height="{3 * height}" viewBox="0 0 {width * len(answers)} {3 * height}">'
        f"{bars}</svg>"
    )


def _head(now: Monitored) -> Html:
    worst = now.worst
    rows, labelled = sum(each.rows for each in now.windows), sum(each.labelled for each in now.windows)
    told = facts(
        {
            "data": now.data,
            "rows": f"{rows:,}, {labelled:,} with a label",
            "windows": f"{len(now.windows):,}" if len(now.windows) > 1 else None,
            "champion": f"{now.champion}, of run {now.run}",
            "reference": f"{now.reference_rows:,} rows",
            "calibration error": _calibration(worst),
            "looked at": now.monitored,
        }
    )
    return Html(
        f'<div class="verdict verdict-{_LOOKS[now.answer]}"><p class="headline">{safe(HEADLINES[now.answer])}</p>'
        f'<p class="lead">{safe(now.sentence)}</p></div>\n{told}'
    )


def _calibration(window: Window) -> str | None:
    if window.calibration is None:
        return None
    before, now = window.calibration
    return f"{interval(now)}; of the reference {interval(before)}"


def _noticed(window: Window) -> str:
    return bullets(each.sentence for each in window.noticed) if window.noticed else ""


def _measured(measured: Sequence[Measured]) -> Html:
    rows = [
        [
            badge("bad", "changed") if each.alarms else badge("quiet", "as before"),
            each.what,
            each.name,
            rounded(each.distance),
            rounded(each.threshold),
            MISSING if each.p is None else f"{each.p:.3f}",
            rounded(each.effect),
            rounded(each.reference),
            rounded(each.window),
        ]
        for each in measured
    ]
    head = ["Answer", "What", "Of", "#Distance", "#Alarms from", "#As far by chance", "#Effect (SD)", "#Before", "#Now"]
    return table(head, rows, caption="What was compared, the alarms first", lists="slices")


def _drawings(measured: Sequence[Measured]) -> Html:
    drawn = [each for each in measured if each.bars]
    if not drawn:
        return Html("<p>Nothing can be drawn: the columns hold one value.</p>")
    key = '<p class="under">Grey: the reference. Coloured: the new rows. Shares of the values that are there.</p>'
    return Html(f'{key}<div class="cards">{"".join(map(_drawing, drawn))}</div>')


_WIDTH, _HEIGHT = 168, 48
"""Size of a drawing, in pixels."""


def _drawing(each: Measured) -> str:
    most = max(max(bar.reference, bar.window) for bar in each.bars) or 1.0
    step = _WIDTH / len(each.bars)
    shapes = []
    for place, bar in enumerate(each.bars):
        for kind, share, left in (("before", bar.reference, 0.08), ("now", bar.window, 0.5)):
            high = _HEIGHT * share / most
            said = f"{bar.label}: {bar.reference:.1%} before, {bar.window:.1%} now"
            shapes.append(
                f'<rect class="{kind}" x="{step * (place + left):.1f}" y="{_HEIGHT - high:.1f}" '
                f'width="{0.42 * step:.1f}" height="{high:.1f}"><title>{safe(said)}</title></rect>'
            )
    first, last = each.bars[0].label, each.bars[-1].label
    label = safe(f"{each.name}: shares of the reference and of the new rows")
    return (
        f'<div class="card"><p class="name">{safe(each.name)}</p><p class="note">{safe(each.what)}, '
        f'{"changed" if each.alarms else "as before"}</p><svg class="shares" role="img" aria-label="{label}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}">{"".join(shapes)}</svg>'
        f'<p class="note">{safe(first)} … {safe(last)}</p></div>'
    )


def _windows(windows: Sequence[Window]) -> Html:
    rows = [
        [
            f"{each.first:,}",
            f"{each.rows:,}",
            badge(KINDS[each.answer], each.answer),
            ", ".join(each.columns),
            each.sentence,
        ]
        for each in windows
    ]
    return table(["#First row", "#Rows", "Answer", "Columns", "Why"], rows, caption="Windows, in order", lists="slices")


def _history(past: Sequence[Monitored]) -> Html:
    rows = [
        [
            each.monitored.replace("T", " ").removesuffix("Z"),
            badge(KINDS[each.answer], each.answer),
            each.data,
            each.champion,
            each.sentence,
        ]
        for each in reversed(past)
    ]
    head = ["Looked at (UTC)", "Answer", "Data", "Champion", "Why"]
    return Html(strip(past) + table(head, rows, caption="Monitorings, the latest first", lists="slices"))
