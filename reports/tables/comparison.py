"""A table of all recipes, and one of the leader against each other recipe."""

from __future__ import annotations

from reports.escape import Html, safe
from reports.markup import answer, badge, raw, recipe, stacked, table
from reports.metric_names import measured, phrase, title
from reports.numbers import count, duration, probability
from reports.recipes import TOLD_APART, recipes_of
from tasks.evaluation.rounding import fixed, interval, places, signed, signed_interval
from tasks.records.plan import Plan
from tasks.records.verdict import JudgedRecipe, Verdict


def comparison(verdict: Verdict | None, plan: Plan) -> str:
    """Shows the recipes by rank: for each metric the mean over seeds and its interval over rows and seeds, or both over
    folds."""
    if not verdict:
        return raw('<p class="quiet">This run was not judged.</p>')
    names = measured(verdict)
    ranked = sorted(verdict.recipes, key=lambda entry: entry.rank)
    decimals = {name: places(entry.metrics.get(name) for entry in ranked) for name in names}
    colours = swatches(plan, verdict)
    head = ["#Rank", "Recipe", *(f"#{title(name, verdict.titles)}" for name in names)]
    head += ["#Seeds", "#Time"]
    rows = [
        (
            count(entry.rank),
            _name(entry, colours),
            *(stacked(interval(entry.metrics.get(name), decimals[name])) for name in names),
            count(entry.seeds),
            duration(entry.seconds),
        )
        for entry in ranked
    ]
    marked = 0 if verdict.winner else None
    caption = f"Recipes by {title(verdict.metric, verdict.titles)} {verdict.where}, mean and interval"
    under = (
        f"Ranked by {phrase(verdict.metric, verdict.titles)} on the validation part; the figures are those of the "
        f"{verdict.part} part: the mean over seeds, and its interval over rows and seeds together, as new data and new "
        "seeds would scatter. So it may be held beside a baseline's interval; two recipes are told apart by their "
        "difference, below."
    )
    if verdict.out_of_fold:
        under = (
            f"Ranked by {phrase(verdict.metric, verdict.titles)} on the validation part; the figures are means over "
            "folds, each on the rows held out, of a recipe's seeds together. Two recipes are told apart by their "
            "difference, below."
        )
    return raw(
        f'{table(head, rows, caption=caption, marked=marked, lists="recipes")}<p class="under">{safe(under)}</p>'
    )


def differences(verdict: Verdict | None) -> str:
    """Compares the leader with every other recipe, paired over seeds or folds."""
    if not verdict or not verdict.comparisons:
        return ""
    found = verdict.comparisons
    estimates = [entry.estimate for entry in found]
    decimals = places(estimates)
    head = ["Against", "Answer", "#Difference", "#p, Holm", "#Effect size"]
    head += ["#Smallest difference"]
    rows = [
        (
            recipe(entry.recipe),
            answer(entry.answer),
            signed_interval(estimate, decimals),
            probability(entry.p_holm),
            signed(entry.effect_size, 1),
            fixed(entry.smallest_difference, decimals),
        )
        for entry, estimate in zip(found, estimates, strict=True)
    ]
    under = (
        "Differences over seeds, given these test rows. Answer, p and interval are adjusted together over all pairs of "
        "recipes (Holm), since the leader was picked among them."
    )
    over = "seeds"
    if verdict.out_of_fold:
        over = "folds"
        under = (
            "Differences over folds; their variance is corrected for the training rows that folds share. Answer, p and "
            "interval are adjusted together over all pairs of recipes (Holm), since the leader was picked among them."
        )
    shown = table(head, rows, caption=f"The leader against each other recipe, paired over {over}", lists="recipes")
    return raw(f'{shown}<p class="under">{safe(under)}</p>')


def swatches(plan: Plan, verdict: Verdict | None) -> dict[str, Html]:
    """Returns each recipe's line in the charts, by recipe name. Only as many leading recipes as can be told apart have
    one."""
    looks = list(recipes_of(plan, verdict).looks.values())[:TOLD_APART]
    return {look.name: _line(look.colour, " ".join(map(str, look.dash)) if look.dash[1] else "none") for look in looks}


def _line(colour: str, dashes: str) -> Html:
    return Html(
        '<svg class="swatch" viewBox="0 0 22 8" aria-hidden="true"><line x1="1" x2="21" y1="4" y2="4" '
        f'stroke="{colour}" stroke-width="3" stroke-dasharray="{dashes}"/></svg>'
    )


def _name(entry: JudgedRecipe, swatches: dict[str, Html]) -> Html:
    """Returns the recipe's line and name, and below them its status and note."""
    return Html(recipe(entry.recipe, swatches.get(entry.recipe, "")) + _note(entry))


def _note(recipe: JudgedRecipe) -> Html:
    if recipe.status != "ok":
        flag = badge("bad", recipe.status)
    else:
        flag = badge("bad", "did not learn") if not recipe.learned else Html("")
    note = safe((recipe.note or "").removeprefix("did not learn: "))
    return Html(f'<span class="sentence">{flag} <small>{note}</small></span>') if flag or note else Html("")
