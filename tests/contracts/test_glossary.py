"""The glossary: a rule for every optimizer and schedule, drawn by the trainer's own update rules, and current."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import reports.glossary
from reports import pandoc
from reports.glossary import knows
from tasks.lessons.glossary import FUNCTIONS, best_path, glossary
from tasks.lessons.rules import AVERAGING_RULES, GRADIENT_RULES, LOSS_RULES, OPTIMIZER_RULES, SCHEDULE_RULES
from tasks.training.averaging import AVERAGINGS
from tasks.training.losses import LOSSES
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES

RULES = {
    "optimizers": OPTIMIZER_RULES,
    "schedules": SCHEDULE_RULES,
    "averagings": AVERAGING_RULES,
    "losses": LOSS_RULES,
    "gradients": GRADIENT_RULES,
}
FILE = Path(reports.glossary.__file__).with_name("glossary.json")


def test_every_optimizer_and_schedule_has_a_rule() -> None:
    assert list(OPTIMIZER_RULES) == list(OPTIMIZERS)
    assert list(SCHEDULE_RULES) == list(SCHEDULES)
    assert ["none", *AVERAGING_RULES] == list(AVERAGINGS)
    assert ["cross_entropy", *LOSS_RULES] == list(LOSSES)


def test_the_file_is_current() -> None:
    """Exactly, but for the last digits of paths: machines differ in how they round a power."""
    kept, made = json.loads(FILE.read_text(encoding="utf-8")), glossary()
    said = "renew it: python -m tasks.lessons.glossary > reports/glossary.json"
    for name, entry in made["optimizers"].items():
        for function, drawn in entry.pop("paths").items():
            of_file = kept["optimizers"][name]["paths"][function]
            assert of_file["rates"] == drawn["rates"], said
            np.testing.assert_allclose(of_file["path"], drawn["path"], atol=0.02, err_msg=said)
        del kept["optimizers"][name]["paths"]
    assert kept == made, said


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_comes_down_on_both_functions(name: str) -> None:
    for function, (height, _) in FUNCTIONS.items():
        _, path = best_path(name, function)
        assert np.isfinite(path).all()
        assert height(path[-1:])[0] < 0.5 * height(path[:1])[0]
        assert (height(path) <= height(path[:1])).all()


def test_every_page_has_its_formulas_as_mathml_and_its_drawings() -> None:
    page = pandoc.to_html(
        reports.glossary.glossary({kind: [*rules] for kind, rules in RULES.items()}),
        {"title": "Glossary", "lang": "en"},
    )
    every = [rule for rules in RULES.values() for rule in rules.values()]
    assert page.count("<h3") == len(every)
    formulas = sum(len(rule.formulas) for rule in every)
    assert page.count('<math display="block"') == formulas
    shown = re.sub(r"<annotation.*?</annotation>", "", page, flags=re.DOTALL)
    assert not re.search(r"\\(frac|text|sqrt|hat|left)", shown)
    assert page.count('<svg class="sketch"') == 2 * len(OPTIMIZERS) + len(SCHEDULES) - 1  # plateau has none
    assert len(page) < 400_000


def test_only_what_is_known_appears() -> None:
    assert knows({"optimizers": ["my own", "adam"]}) and knows({"optimizers": [], "schedules": ["cosine"]})
    assert not knows({"optimizers": ["my own"], "schedules": ["mine"]})
    assert reports.glossary.glossary({"optimizers": ["my own", "adam", "adam"]}).count("### ") == 1
