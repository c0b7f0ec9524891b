"""Augmentation: examples of training rows before and after it, and its effect on the metric."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from reports.escape import Html, safe
from reports.markup import answer, preview, raw, recipe, table, tabset
from reports.metric_names import phrase
from reports.numbers import count, probability
from tasks.evaluation.rounding import MISSING, fixed, places, signed_interval
from tasks.records.estimate import Estimate
from tasks.records.verdict import Verdict


def effects(verdict: Verdict | None) -> str:
    """Compares each augmented recipe with its twin without augmentation, paired over seeds (or folds). Empty if there
    is none."""
    if not verdict or not verdict.augmentation:
        return ""
    found = verdict.augmentation
    estimates = [entry.estimate for entry in found]
    decimals = places(estimates)
    head = ["Augmented", "Against", "It is", "#Difference", "#p, Holm", "#Seeds"]
    rows = [
        (
            recipe(entry.recipe),
            entry.against,
            answer(entry.answer),
            signed_interval(estimate, decimals),
            probability(entry.p_holm),
            count(entry.pairs),
        )
        for entry, estimate in zip(found, estimates, strict=True)
    ]
    name = phrase(verdict.metric, verdict.titles)
    by = "fold" if verdict.out_of_fold else "seed"
    under = (
        f"Recipes that differ in augmentation alone, paired by {by}, {verdict.where}. Difference in {name}, signed so "
        "that positive means that augmentation is better, with its interval."
    )
    caption = f"The effect of augmentation on {name}"
    return raw(f'{table(head, rows, caption=caption, lists="recipes")}<p class="under">{safe(under)}</p>')


def previews(previews: dict[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Shows some training examples before and after, a tab for each policy. Empty if no recipe augments.

    Args:
        previews: The content of `augmentation.json`, or empty.
        pictures: The PNG files beside it.
    """
    if not previews:
        return ""
    return tabset({policy["name"]: _shown(previews["kind"], policy, pictures) for policy in previews["policies"]})


def _shown(kind: str, policy: dict[str, Any], pictures: Mapping[str, bytes]) -> str:
    how = (
        "a fresh version every epoch, in the example's place"
        if policy["times"] is None
        else f"{count(policy['times'])} {'copy' if policy['times'] == 1 else 'copies'} beside each example"
    )
    if kind == "text":
        body, what = _texts(policy), "Words that are new are marked, those taken out are crossed out."
    elif kind == "table":
        body, what = _cells(policy), "Each number before, and after in its first version."
    else:
        body, what = _picture(policy, pictures), "Above: training examples as they are. Below: what becomes of them."
    under = f"{policy['name']}: {how}. {what}"
    return raw(f'{body}<p class="under">{safe(under)}</p>')


def _picture(policy: dict[str, Any], pictures: Mapping[str, bytes]) -> Html:
    content = pictures.get(policy["picture"])
    if content is None:
        return Html('<p class="quiet">The picture is missing.</p>')
    said = f"Training examples above, {policy['versions']} versions of each below: {policy['name']}"
    return preview(content, said)


def _texts(policy: dict[str, Any]) -> Html:
    rows = [
        (example["before"], marked(example["before"], after))
        for example in policy["examples"]
        for after in example["after"]
    ]
    return table(["Before", "After"], rows, caption=f"Texts before and after {policy['name']}")


def marked(before: str, after: str) -> Html:
    """Returns the words of `after`. New words are marked; words of `before` that are gone are crossed out."""
    old, new = before.split(), after.split()
    parts: list[str] = []
    for change, start, stop, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, there = safe(" ".join(old[start:stop])), safe(" ".join(new[first:last]))
        if change == "equal":
            parts.append(there)
            continue
        parts += [f"<del>{gone}</del>"] if gone else []
        parts += [f"<mark>{there}</mark>"] if there else []
    return Html(" ".join(parts))


def _cells(policy: dict[str, Any]) -> Html:
    decimals = [
        places(Estimate(example["before"][place]) for example in policy["examples"])
        for place in range(len(policy["columns"]))
    ]
    rows = [
        [_cell(*pair) for pair in zip(example["before"], example["after"][0], decimals, strict=True)]
        for example in policy["examples"]
    ]
    return table([f"#{name}" for name in policy["columns"]], rows, caption=f"Rows before and after {policy['name']}")


def _cell(before: float | None, after: float | None, decimals: int) -> str:
    return MISSING if before is None else f"{fixed(before, decimals)} → {fixed(after, decimals)}"
