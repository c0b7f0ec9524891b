"""The verdict in words and figures: which recipe won, by how much, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Mapping

from reports.escape import Html, safe
from reports.markup import bullets, callout, gate_answer, raw
from reports.metric_names import phrase, title
from reports.numbers import count, moment
from tasks.evaluation.rounding import MISSING, fixed, interval, places
from tasks.evaluation.wording import listing, opening, percent
from tasks.records.environment import Environment
from tasks.records.estimate import Estimate
from tasks.records.plan import Plan
from tasks.records.verdict import BaselineDifference, Shipped, Verdict

_ANSWERS = {
    "better": ("good", "network better by"),
    "worse": ("bad", "network worse by"),
    "can't tell": ("open", "can't tell: difference"),
}


def of_run(name: str, plan: Plan, environment: Environment) -> str:
    """Says which run this is, when it started, and on which data.

    Args:
        name: The name of the run's folder.
        environment: Holds the start.
    """
    data, started = plan.data, environment.started
    when = f", {moment(started)}" if started else ""
    said = f"{when}. Data: {data.name}, {count(data.rows)} rows, target {data.target}."
    return raw(f'<p class="run">Run <code>{safe(name)}</code>{safe(said)}</p>')


def decision(verdict: Verdict | None) -> str:
    """Says whether to ship, in one sentence with its reason; or that there is no verdict."""
    if not verdict:
        return callout(
            "important",
            "No verdict",
            "This run ended before its recipes were judged. The sections below show what it got to.",
        )
    made = verdict.decision
    return raw(
        f'<div class="verdict verdict-{made.answer}">\n<p class="headline">{safe(made.sentence)}</p>\n'
        f'<p class="lead">{safe(opening(made.reason))}.{_accuracy(verdict)}</p>\n'
        f"{_rules(verdict)}</div>"
    )


_RULES = {"data": "Data", "model": "Model", "gates": "Gates", "comparison": "Comparison"}


def _rules(verdict: Verdict) -> Html:
    """Lists the rules in order, each with its answer, and marks the one that decided."""
    if not verdict.rules:
        return Html("")
    mark = " <b>This decided.</b>"
    items = "".join(
        f"<li>{safe(f'{_RULES[each.name]}: {each.said}.')}{mark if each.decided else ''}</li>" for each in verdict.rules
    )
    return Html(f'<ol class="rules" aria-label="Rules in order">{items}</ol>\n')


def _accuracy(verdict: Verdict) -> Html:
    """Gives the deciding metric of the model in `model/`: one of the leader's seeds, or a baseline."""
    shipped = verdict.shipped
    estimate = shipped.metrics.get(verdict.metric) if shipped else None
    if shipped is None or estimate is None:
        return Html("")
    if verdict.out_of_fold:
        return Html(
            f" The procedure that made the saved model ({safe(verdict.saved)}) has "
            f"{safe(phrase(verdict.metric, verdict.titles))} <b>{safe(interval(estimate))}</b> out of fold."
        )
    return Html(
        f" The saved model ({safe(verdict.saved)}) has {safe(phrase(verdict.metric, verdict.titles))} "
        f"<b>{safe(interval(estimate))}</b> {safe(verdict.where)}."
    )


def compared(verdict: Verdict | None) -> str:
    """Shows the answer of the comparison, and the difference between the leader and its strongest rival."""
    if not verdict:
        return ""
    margin = _margin(verdict)
    return raw(
        f'<div class="compared"><p><b>Which recipe is better?</b> {safe(verdict.sentence)}</p>'
        + (f"<p>{margin}</p>" if margin else "")
        + "</div>"
    )


def champion(verdict: Verdict | None) -> str:
    """Says whether the shipped model should replace the experiment's champion."""
    found = verdict.champion if verdict else None
    if found is None:
        return ""
    return raw(f'<div class="compared"><p><b>Replace the champion?</b> {safe(found.sentence)}</p></div>')


def scope(verdict: Verdict | None, plan: Plan) -> str:
    """Says what the figures were measured on."""
    return raw(f'<p class="under">{_scope(verdict, plan)}</p>') if verdict else ""


def _margin(verdict: Verdict) -> Html:
    """Says how far the leader, chosen on the validation part, is ahead of the strongest other recipe, or behind it."""
    known = [(each.difference, each) for each in verdict.comparisons if each.difference is not None]
    if not known or not any(each.learned for each in verdict.recipes):
        return Html("")
    least, rival = min(known, key=lambda pair: pair[0])
    behind = least < 0
    difference = safe(interval(rival.estimate.flipped() if behind else rival.estimate))
    lies = "behind" if behind else "ahead of" if least else "from"
    return Html(
        f"{safe(verdict.name_of(verdict.leader or ''))} is <b>{difference}</b> {lies} "
        f"<b>{safe(rival.recipe)}</b>, the strongest rival {safe(verdict.where)}, in "
        f"{safe(phrase(verdict.metric, verdict.titles))}."
    )


def _scope(verdict: Verdict, plan: Plan) -> Html:
    seeds = {recipe.seeds for recipe in verdict.recipes}
    trained = f"{'up to ' if len(seeds) > 1 else ''}{max(seeds, default=0)}"
    rows = plan.parts.get(verdict.part)
    recipes = f"{len(verdict.recipes)} recipe{'' if len(verdict.recipes) == 1 else 's'}"
    interest = verdict.positive
    of_class = (
        f" Class of interest: {interest.name}, {count(interest.rows)} of {count(interest.of)} {verdict.part} rows "
        f"({interest.why})."
        if interest
        else ""
    )
    real = f" {at_real_shares(plan)}" if at_real_shares(plan) else ""
    if verdict.out_of_fold:
        return safe(
            f"{recipes}, {trained} seeds each, judged by {phrase(verdict.metric, verdict.titles)}. "
            f"{verdict.out_of_fold.sentence} Brackets hold {verdict.confidence:.0%} intervals over folds."
            f"{of_class.replace('test rows', 'rows')}{real}"
        )
    return safe(
        f"{recipes}, {trained} seeds each, judged by {phrase(verdict.metric, verdict.titles)} on "
        f"{count(rows)} {verdict.part} rows. Brackets hold {verdict.confidence:.0%} intervals: over test rows, and of "
        f"a recipe's mean over test rows and seeds together.{of_class}{real}"
    )


def at_real_shares(plan: Plan) -> str:
    """Names the real shares of the classes that the figures are corrected to; empty if they are not corrected."""
    prior = plan.decides.prior if plan.decides else None
    if prior is None:
        return ""
    shares = listing([f"{name} {percent(share)}" for name, share in zip(plan.data.classes or (), prior, strict=True)])
    return (
        f"Probabilities are corrected to the real shares of the classes ({shares}), and in every figure of a model the "
        "classes count with these shares, not with those of the rows; slices count their rows as they are."
    )


def baselines(verdict: Verdict | None) -> str:
    """Shows a card with the shipped model's deciding metric, and beside it a card for each baseline."""
    if not verdict:
        return ""
    metric, shipped = verdict.metric, verdict.shipped
    estimates = [entry.metrics.get(metric) for entry in (*verdict.baselines, shipped) if entry]
    decimals = places(estimates)
    answers = {entry.name: entry for entry in verdict.against_baselines}
    cards = [_shipped(verdict, shipped, decimals, answers)] if shipped else []
    for entry in verdict.baselines:
        if shipped and entry.name == shipped.baseline:
            continue
        against = answers.get(entry.name)
        cards.append(_card("Baseline", entry.name, entry.metrics.get(metric), decimals, _answer(against, decimals)))
    return (
        raw(f'<div class="cards" aria-label="{safe(title(metric, verdict.titles))}">{"".join(cards)}</div>')
        if cards
        else ""
    )


def _shipped(verdict: Verdict, shipped: Shipped, decimals: int, answers: Mapping[str, BaselineDifference]) -> Html:
    """Makes the saved model's card. If the model is a baseline, adds the leading network's difference from it."""
    name, note = verdict.saved or "", safe(f"{title(verdict.metric, verdict.titles)} {verdict.where}")
    if shipped.baseline and shipped.baseline in answers:
        note = Html(f"{note}. {_answer(answers[shipped.baseline], decimals)}")
    kind = "Procedure of the shipped model" if verdict.out_of_fold else "Shipped model"
    return _card(kind, name, shipped.metrics.get(verdict.metric), decimals, note, "card-shipped")


def _card(kind: str, name: str, estimate: Estimate | None, decimals: int, note: Html, style: str = "") -> Html:
    mean = fixed(estimate.mean, decimals) if estimate else MISSING
    bounds = interval(estimate, decimals).removeprefix(mean).strip()
    return Html(
        f'<div class="card {style}"><p class="kind">{safe(kind)}</p><p class="name">{safe(name)}</p>'
        f'<p class="figure">{safe(mean)} <small>{safe(bounds)}</small></p><p class="note">{note}</p></div>'
    )


def _answer(against: BaselineDifference | None, decimals: int) -> Html:
    if against is None:
        return Html("")
    kind, words = _ANSWERS[against.answer]
    estimate = against.estimate.flipped() if against.answer == "worse" else against.estimate
    return Html(f'<span class="text-{kind}">{safe(words)} {safe(interval(estimate, decimals))}</span>')


def gates(verdict: Verdict | None) -> str:
    """Lists the gates, each with its answer as a badge and its sentence."""
    if not verdict:
        return ""
    if not verdict.gates:
        return raw('<p class="quiet">The spec sets no gates: nothing says how good is good enough.</p>')
    items = "".join(f"<li>{gate_answer(gate)}</li>" for gate in verdict.gates)
    return raw(f'<ul class="gates" aria-label="Gates">{items}</ul>')


def warnings(verdict: Verdict | None) -> str:
    """Lists what the reader must know before trusting the verdict."""
    found = verdict.warnings if verdict else ()
    return callout("warning", "Read this first", bullets(found)) if found else ""


def next_steps(verdict: Verdict | None) -> str:
    """Lists what to do next, without the step that the decision states already."""
    steps = verdict.next[0 if verdict.decision.answer == "open" else 1 :] if verdict else ()
    return callout("tip", "What to do next", bullets(steps)) if steps else ""
