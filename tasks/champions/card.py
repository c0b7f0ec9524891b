"""A model card in Markdown, made from a run (Mitchell et al. 2019, doi:10.1145/3287560.3287596)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from tasks.evaluation.rounding import interval
from tasks.records.champion import Promotion
from tasks.records.estimate import Estimate
from tasks.records.plan import Plan
from tasks.records.slices import JudgedSlicing
from tasks.records.verdict import Verdict

CARD = "card.md"
_COLUMNS = 50
"""Columns named in the card, at most."""


def model_card(plan: Plan, verdict: Verdict, promotion: Promotion, signature: Mapping[str, Any]) -> str:
    """The card of a promoted model: what it is, what it was made from, how good it is, and what its limits are.

    Args:
        plan, verdict: Of the run that shipped the model.
        signature: The model's signature.
    """
    sections = {
        "Model": _model(plan, verdict, promotion),
        "Data": _data(plan, signature),
        "Recipe": _recipe(plan, verdict),
        "Figures": _figures(plan, verdict),
        "Gates": _gates(verdict, promotion),
        "Slices": "\n\n".join(_slicing(each, verdict) for each in verdict.slices or ()),
        "Limits": _limits(plan, verdict),
        "How to use it": _use(plan),
    }
    head = f"# Model card: {text(plan.experiment)}"
    return "\n\n".join([head, *(f"## {title}\n\n{body}" for title, body in sections.items() if body)]) + "\n"


def text(value: object) -> str:
    r"""Escapes a text for Markdown, so that it reads as it is, on one line, and nothing in it is markup.

    >>> text("a*b* <i>")
    'a\\*b\\* \\<i\\>'
    """
    line = "".join(each if each.isprintable() else " " for each in " ".join(str(value).split()))
    return re.sub(r"([\\`*_{}\[\]<>#|~$&@!^])", r"\\\1", line)


def _model(plan: Plan, verdict: Verdict, promotion: Promotion) -> str:
    described = f"{text(plan.description)}\n\n" if plan.description else ""
    predicts = f"one of {len(plan.data.classes)} classes" if plan.data.classes else "a value"
    facts = {
        "model": verdict.saved,
        "predicts": f"{plan.data.target}, {predicts}",
        "run": promotion.run,
        "promoted": f"{promotion.promoted}, by {promotion.by}",
        "decision of the run": verdict.decision.sentence,
    }
    return described + _listed(f"{name}: {text(value)}" for name, value in facts.items())


def _data(plan: Plan, signature: Mapping[str, Any]) -> str:
    data, parts = plan.data, plan.parts
    inputs = [str(each["name"]) for each in signature["inputs"] if "name" in each] or [data.kind]
    left = f" and {len(inputs) - _COLUMNS} more" if len(inputs) > _COLUMNS else ""
    facts = [
        f"{text(data.name)}: {data.rows:,} rows, from {text(data.source)}",
        f"licence: {text(data.licence)}" if data.licence else "",
        f"learned from {parts['train']:,} rows; chosen on {parts['val']:,}; {_measured(plan)}",
        f"inputs: {', '.join(map(text, inputs[:_COLUMNS]))}{left}",
        f"classes: {', '.join(map(text, data.classes))}" if data.classes else "",
        *(f"{part} reaches from {text(reach)}" for part, reach in (plan.reaches or {}).items()),
        *map(text, data.notes),
        f"SHA-256 of the content: `{data.digest}`",
    ]
    return _listed(filter(None, facts))


def _measured(plan: Plan) -> str:
    """The rows that the model was measured on, to follow the rows that it learned from."""
    if plan.held_out is None:
        return f"measured on {plan.parts['test']:,} that nothing was learned from"
    return "there was no test part: the procedure that made this model was measured out of fold, not the model itself"


def _recipe(plan: Plan, verdict: Verdict) -> str:
    shipped = verdict.shipped
    assert shipped is not None
    if shipped.baseline:
        return f"{text(shipped.baseline)} of scikit-learn, a baseline of the run: no network was better."
    recipe = next(each for each in plan.recipes if each.recipe_id == shipped.recipe_id)
    settings = yaml.safe_dump(
        dict(recipe.settings.document), allow_unicode=True, default_flow_style=None, sort_keys=True
    )
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", settings)), default=0))
    return f"{text(recipe.recipe)}, seed {shipped.seed}.\n\n{fence}yaml\n{settings}{fence}"


def _figures(plan: Plan, verdict: Verdict) -> str:
    shipped = verdict.shipped
    assert shipped is not None
    models: dict[str, Mapping[str, Estimate]] = {verdict.saved or "": shipped.metrics}
    models |= {f"baseline: {each.name}": each.metrics for each in verdict.baselines if each.name != shipped.baseline}
    rows = [
        [_title(verdict, name), *(interval(metrics.get(name)) for metrics in models.values())]
        for name in shipped.metrics
    ]
    said = f"On {plan.parts[verdict.part]:,} rows of the {verdict.part} part; brackets hold {verdict.confidence:.0%} "
    said += f"intervals over rows. The first metric decided. The part was looked at {_times(verdict.test_evaluations)}."
    if verdict.out_of_fold:
        said = f"{verdict.out_of_fold.sentence} Brackets hold {verdict.confidence:.0%} intervals over folds; the first "
        said += "metric decided."
    point = verdict.operating_point
    if point is not None and point.how:
        said += (
            f" The class of interest is predicted at a probability of {point.threshold:.4g} or more, {text(point.how)}."
        )
    return f"{said}\n\n{_table(['metric', *models], rows)}"


def _gates(verdict: Verdict, promotion: Promotion) -> str:
    said = [
        f"{gate.answer}{' (blocks)' if gate.severity == 'block' else ''}: {text(gate.sentence)}"
        for gate in verdict.gates
    ]
    if promotion.why:
        said.append(f"promoted all the same by {text(promotion.by)}, because: {text(promotion.why)}")
    return _listed(said) if said else "None: the spec does not say how good is good enough."


def _slicing(slicing: JudgedSlicing, verdict: Verdict) -> str:
    title = " and ".join(slicing.columns)
    rows = [
        [each.name, f"{each.rows:,}{' (few)' if each.few else ''}", interval(each.metric)] for each in slicing.slices
    ]
    worst = f"\n\n{text(slicing.worst.sentence)}" if slicing.worst else ""
    differences = "".join(f"\n\n{text(each.title)}: {interval(each.difference)}." for each in slicing.differences)
    return f"By {text(title)}:\n\n{_table([title, 'rows', _title(verdict, verdict.metric)], rows)}{worst}{differences}"


def _limits(plan: Plan, verdict: Verdict) -> str:
    fixed = [
        f"The figures hold for rows like those of {plan.data.name}. They say nothing about other people, places or "
        "times.",
        "The effects of the answers on the people concerned were not measured.",
    ]
    if not verdict.slices:
        fixed.append("Slices were not measured separately: a group may have worse figures than all rows together.")
    return _listed(text(each) for each in [*fixed, *verdict.warnings])


def _use(plan: Plan) -> str:
    meant = f"Meant for {text(plan.data.target)} of new rows of the same kind."
    file = (
        "FILE is written as the training data were. `model/README.md` has an example, and says what each input holds."
    )
    return f"{meant}\n\n```sh\npython model/predict.py FILE\n```\n\n{file}"


def _title(verdict: Verdict, metric: str) -> str:
    return verdict.titles.get(metric, metric)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(
        f"| {' | '.join(cells)} |"
        for cells in (map(text, head), ["---"] * len(head), *([*map(text, row)] for row in rows))
    )
