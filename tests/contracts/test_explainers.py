"""Every explainer of the table: its lesson, its texts, and what it says of runs that have little to show."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from flows.experiments import shipped
from reports import pandoc
from reports.escape import safe
from reports.explanations import explanations, results_of
from reports.run import Run, read_run
from tasks.datasets.catalogue import CATALOGUE
from tasks.errors import BadInput
from tasks.execution.winner import winner_spec
from tasks.explanations.explainers import EXPLAINERS, refuse_misfits
from tasks.explanations.explanation import Results
from tasks.planning.recipes import recipes_of
from tasks.records import tables
from tasks.records.plan import Recipe
from tasks.run_folder import read_json
from tasks.spec.load import load_spec, parse_spec
from tasks.spec.models import as_written
from tests.flows.command import bakeoff
from tests.plans import made_up
from tests.real_data import needs_data
from tests.synthetic_run import write_synthetic_run

LESSONS = {name: explainer.lesson for name, explainer in EXPLAINERS.items()}


def recipes(name: str) -> list[Recipe]:
    """Of an explainer's lesson."""
    return recipes_of(load_spec(shipped()[LESSONS[name]])[0])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_synthetic_run(tmp_path_factory.mktemp("run"), recipes=1))


@pytest.mark.parametrize("name", EXPLAINERS)
class TestEveryExplainer:
    def test_its_lesson_asks_for_it(self, name: str) -> None:
        assert name in load_spec(shipped()[LESSONS[name]])[0].explain

    def test_its_lesson_fits_it_and_a_single_recipe_without_gradients_does_not(self, name: str) -> None:
        refuse_misfits([name], recipes(name))
        single = replace(recipes(name)[0], optimizer="random_search")
        with pytest.raises(BadInput, match=rf"(?s)explain\[0\]: {name} does not apply.*got:.*accepted:.*remedy:"):
            refuse_misfits([name], [single])

    def test_the_changes_to_try_are_of_its_lesson_and_change_it(self, name: str) -> None:
        path = shipped()[LESSONS[name]]
        as_it_is = load_spec(path)[0]
        for change in EXPLAINERS[name].changes:
            changed = load_spec(path, [change.assignment])[0]
            assert changed != as_it_is
            refuse_misfits([name], recipes_of(changed))

    def test_its_formulas_become_mathml(self, name: str) -> None:
        page = pandoc.to_html(EXPLAINERS[name].theory, {"title": "t", "lang": "en"}).split("<main")[1]
        assert "<math" in page and "$" not in page.split("</main>")[0]
        assert 'class="math' not in page  # TeX that pandoc could not read

    def test_of_trials_that_all_diverged_at_once_it_says_that_nothing_is_met(self, name: str, run: Run) -> None:
        found = recipes(name)
        trials = [
            {"trial_id": f"{each.recipe_id}-{seed}", "recipe_id": each.recipe_id, "recipe": each.recipe, "seed": seed}
            | {"stage": "final", "status": "diverged"}
            for each in found
            for seed in range(2)
        ]
        plan = replace(made_up(spec={"explain": [name]}), recipes=found)
        results = Results(plan=plan, trials=tables.TRIALS.frame(trials), curves=tables.CURVES.frame())
        checks = EXPLAINERS[name].explain(results).checks
        assert checks and not all(check.met for check in checks)
        shown = explanations(replace(run, plan=plan, trials=results.trials, curves=results.curves))
        assert "Not all of this appears here" in shown


def needs_files(lesson: str) -> bool:
    """Whether its data are not bundled."""
    return not CATALOGUE[load_spec(shipped()[lesson])[0].data.source].bundled


@pytest.mark.slow
@pytest.mark.parametrize(
    "lesson",
    [pytest.param(each, marks=needs_data if needs_files(each) else ()) for each in sorted(set(LESSONS.values()))],
)
def test_a_lesson_shows_what_theory_says(lesson: str, tmp_path: Path) -> None:
    done = bakeoff("run", lesson, "--run-dir", tmp_path / "run", home=tmp_path)
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    results = results_of(run)
    names = run.plan.spec["explain"]
    found = [EXPLAINERS[name].explain(results) for name in names]
    assert [check.claim for each in found for check in each.checks if not check.met] == []
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 3_000_000
    section = page.split('<section id="explanations"')[1].split('<section id="data"')[0]
    assert "Not all of this appears here" not in page
    pictures = [picture for each in found for picture in each.pictures]
    assert section.count("<figure") == len(pictures)
    assert all(picture.title in section for picture in pictures)
    made_for_it = [EXPLAINERS[name] for name in names if LESSONS[name] == lesson]
    assert made_for_it
    assert all(safe(shlex.quote(change.assignment)) in section for each in made_for_it for change in each.changes)
    assert read_json(tmp_path / "run" / "stages.json")["stages"]["report"]["status"] == "done"


def test_a_spec_without_explanations_is_written_as_before_and_one_with_them_reads_back() -> None:
    assert "explain" not in as_written(load_spec(shipped()["digits"])[0])
    lesson = load_spec(shipped()["lesson-learning-rate"])[0]
    assert parse_spec(as_written(lesson)).explain == ["learning-rate", "landscape"]


def test_the_winner_of_a_lesson_is_a_spec_that_can_be_run(tmp_path: Path) -> None:
    path = shipped()["lesson-learning-rate"]
    spec = load_spec(path)[0]
    (tmp_path / "winner.yaml").write_text(winner_spec(spec, recipes_of(spec)[0], path.parent), encoding="utf-8")
    winner = load_spec(tmp_path / "winner.yaml")[0]
    refuse_misfits(winner.explain, recipes_of(winner))


def test_a_run_that_trained_nothing_says_so(run: Run) -> None:
    plan = replace(run.plan, spec=run.plan.spec | {"explain": list(EXPLAINERS)})
    assert "Nothing was trained" in explanations(replace(run, plan=plan, trials=pd.DataFrame()))
