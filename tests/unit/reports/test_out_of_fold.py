"""The report's section of what was judged out of fold, on a fabricated run."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reports import figures, tables
from reports.run import Run, read_run
from reports.sections import SECTIONS
from tasks.records.estimate import Estimate
from tasks.records.out_of_fold import ChosenSetting, ChosenSettings, VarianceShares
from tasks.records.verdict import Verdict
from tests.synthetic_run import HOSTILE, write_synthetic_run
from tests.verdicts import out_of_fold


def settings(verdict: Verdict, count: int) -> ChosenSettings:
    """So many settings of the first recipe, of which the last was chosen on all rows."""
    first = verdict.recipes[0]
    each = [ChosenSetting(values={HOSTILE[0]: 0.1 * n}, folds=1, whole=n == count - 1) for n in range(count)]
    return ChosenSettings(recipe_id=first.recipe_id, recipe=first.recipe, settings=each, folds=count, chosen_by=0.9)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_synthetic_run(tmp_path_factory.mktemp("run"), recipes=3, hostile=True))


def judged(run: Run) -> Verdict:
    assert run.verdict
    return run.verdict


def rows_of(markdown: str, caption: str) -> list[list[str]]:
    """The cells of the rows of a table, as a reader sees them."""
    (found,) = [each for each in re.findall(r"<table.*?</table>", markdown, re.DOTALL) if caption in each]
    body = found.partition("</thead>")[2]
    return [
        [
            html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def test_it_is_shown_only_where_folds_judged(run: Run) -> None:
    section = SECTIONS["out of fold"]
    assert not section.shown(run) and tables.out_of_fold(run.verdict) == "" and figures.out_of_fold(run.verdict) == {}
    assert section.shown(replace(run, verdict=replace(judged(run), out_of_fold=out_of_fold(judged(run)))))


def test_its_tables_say_what_was_measured_and_chosen(run: Run) -> None:
    verdict = replace(judged(run), out_of_fold=out_of_fold(judged(run)))
    shown = tables.out_of_fold(verdict)
    ((_, mean),) = rows_of(shown, "The procedure out of fold")
    assert re.fullmatch(r"[\d.]+ \[[\d.]+, [\d.]+\]", mean)
    ((_, folds, share),) = rows_of(shown, "What the procedure chose in each fold")
    assert (folds, share) == ("3", "75%"), "in one of the four folds nothing was chosen"
    assert "What the searches chose" not in shown
    assert "in 2 folds, 2 times, 200 rows were held out in turn" in html.unescape(shown)
    assert "{{<" not in shown and "<script" not in shown


@pytest.mark.parametrize(
    ("count", "rows", "last"), [(3, 3, ("1", "yes")), (8, 6, ("3", "one of them")), (0, 1, ("0", "no"))]
)
def test_searches_say_how_often_each_setting_was_chosen(run: Run, count: int, rows: int, last: tuple[str, str]) -> None:
    verdict = judged(run)
    verdict = replace(verdict, out_of_fold=out_of_fold(verdict, searched=[settings(verdict, count)]))
    shown = tables.out_of_fold(verdict)
    found = rows_of(shown, "What the searches chose in each fold")
    assert len(found) == rows
    assert tuple(found[-1][2:]) == last
    assert "{{<" not in shown and "<script" not in shown
    assert ("with a search of its own" in html.unescape(shown)) and "0.9" in html.unescape(shown)


def test_what_another_seed_and_another_split_change_is_told(run: Run) -> None:
    share = Estimate(0.8, 0.55, 0.93)
    variance = VarianceShares(recipe=HOSTILE[0], folds=10, seeds=2, split=0.04, seed=0.02, share=share)
    verdict = judged(run)
    shown = tables.out_of_fold(replace(verdict, out_of_fold=out_of_fold(verdict, variance=variance)))
    split, seed = rows_of(shown, "What changes the score of a fold")
    assert (split[0][:13], float(split[1]), split[2]) == ("another split", 0.04, "80%")
    assert (seed[0][:12], float(seed[1]), seed[2]) == ("another seed", 0.02, "20%")
    assert "with a 95% interval of 55% to 93%" in html.unescape(shown)
    assert "evaluate.seed_sources: true does so" in html.unescape(shown)
    assert "{{<" not in shown and "<script" not in shown
    apart = replace(variance, initial=Estimate(0.01, 0.007, 0.018), order=Estimate(0.02, 0.014, 0.037))
    shown = tables.out_of_fold(replace(verdict, out_of_fold=out_of_fold(verdict, variance=apart)))
    *_, initial, order = rows_of(shown, "What changes the score of a fold")
    assert (initial[1:], order[1:]) == (["0.0100 [0.0070, 0.0180]", "5%"], ["0.020 [0.014, 0.037]", "20%"])
    assert "need not add up" in html.unescape(shown)


def test_its_chart_has_a_dot_for_each_fold_that_has_a_score(run: Run) -> None:
    verdict = replace(judged(run), out_of_fold=out_of_fold(judged(run)))
    ((_, chart),) = figures.out_of_fold(verdict).items()
    spec = chart.to_dict()
    values = [row for data in spec["datasets"].values() for row in data if "fold" in row]
    assert [(row["repeat"], row["fold"]) for row in values if row["score"] is not None] == [(1, 1), (1, 2), (2, 1)]


def test_the_plan_and_its_documents_keep_it(run: Run, tmp_path: Path) -> None:
    verdict = replace(judged(run), out_of_fold=out_of_fold(judged(run), searched=[settings(judged(run), 2)]))
    verdict.write(tmp_path)
    assert Verdict.read(tmp_path).out_of_fold == verdict.out_of_fold
