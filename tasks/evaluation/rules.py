"""Which rule decided whether to ship: the rules in their order, the finding of each, and which one decided."""

from __future__ import annotations

from collections import Counter

from tasks.evaluation.advice import Findings, decision
from tasks.evaluation.comparison import CANNOT_TELL
from tasks.evaluation.gates import FAIL, PASS, UNDECIDED
from tasks.evaluation.wording import listing, opening
from tasks.records.verdict import DecisionRule, RuleName

_DECIDES: dict[str, RuleName] = {"nothing": "model", "no": "gates", "open": "gates", "ship": "comparison"}
"""Answer of the decision to the name of the rule that decided."""


def rules(found: Findings) -> list[DecisionRule]:
    """The rules with their findings. A failed check of severity `block` stops a run before its evaluation, so the first
    rule, `data`, is always passed here."""
    made = decision(found)
    decided = _DECIDES[made.answer]
    said: dict[RuleName, str] = {
        "data": "no check that blocks failed",
        "model": made.reason if decided == "model" else f"there is one to ship: {_model(found)}",
        "gates": "not asked" if decided == "model" else _gates(found),
        "comparison": _comparison(found) if decided == "comparison" else "not asked",
    }
    return [DecisionRule(name=name, said=opening(each), decided=name == decided) for name, each in said.items()]


def _model(found: Findings) -> str:
    return found.ships or (found.leader.name if found.leader else "")


def _gates(found: Findings) -> str:
    if not found.gates:
        return "the spec has none"
    counts = Counter(gate.answer for gate in found.gates)
    words = {FAIL: ("fails", "fail"), UNDECIDED: ("is undecided", "are undecided"), PASS: ("passes", "pass")}
    return listing([f"{counts[answer]} {words[answer][counts[answer] != 1]}" for answer in words if counts[answer]])


def _comparison(found: Findings) -> str:
    if found.ships:
        return f"the best on the validation part is {found.ships}"
    assert found.leader is not None
    name = found.leader.name
    better = [each for each in found.better_baselines if all(gate.answer == PASS for gate in found.of_baselines[each])]
    if better:
        return f"{found.where} {listing(better)} did better than {name}"
    tied = [result.name for result in found.answered(CANNOT_TELL)]
    if tied:
        return f"the leader is {name}, which can't be told from {listing(tied)}"
    return f"the winner is {name}" if found.winner else f"the leader on the validation part is {name}"
