"""The stages of a run in order, as plain functions over a run folder. Each is one Prefect task (see `steps`).

load -> split -> validate -> plan -> search (where something is tuned) -> train -> stabilise (where the spec says so) ->
evaluate -> judge -> report
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from reports.kernel import Kernel
from reports.render import Rendered, render
from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.errors import Blocked
from tasks.evaluation.fold_rows import FoldAnswers
from tasks.evaluation.fold_scores import PROCEDURE, FoldScores
from tasks.evaluation.judged_rows import JudgedRows
from tasks.execution.archive import Archive
from tasks.execution.aside import own_context, resampled_count, row_counts, trainer
from tasks.execution.baselines import train_baselines
from tasks.execution.board import StackProgress
from tasks.execution.influence import Answer
from tasks.execution.inspection import write_inspection
from tasks.execution.landscape import Looking
from tasks.execution.nested import nested, searched_rows
from tasks.execution.out_of_fold import fold_answers
from tasks.execution.previews import write_previews
from tasks.execution.range_test import RangeTests, asking, ranged
from tasks.execution.recording import ANSWERS, UNCALIBRATED, PreparedByFold, collect
from tasks.execution.runner import train as train_trials
from tasks.execution.scoring import score_final_trials
from tasks.execution.stabilising import Workshop, write_repaired
from tasks.execution.tuning import Divided, Found, Tuning
from tasks.execution.tuning import search as run_search
from tasks.execution.winner import winner_spec
from tasks.inputs.prepared import Prepared
from tasks.monitoring.reference import IN_RUN, write_reference
from tasks.planning.jobs import Job
from tasks.planning.plan import Commonest, lay_out, lay_out_chosen
from tasks.planning.recipes import identifier
from tasks.planning.searches import searches_of
from tasks.planning.stacks import PlanContext
from tasks.preparation import prepared_for_training, with_positive
from tasks.records.decisions import Decides
from tasks.records.documents import as_json
from tasks.records.footprint import Footprints
from tasks.records.plan import Cost, Plan, Probe, RangeTestCost, SearchCost
from tasks.records.repairs import Repairs
from tasks.records.search_plan import RangeTest
from tasks.records.tables import SETTINGS, SPLITS
from tasks.records.validation import ColumnStrength, Validation
from tasks.records.verdict import AgainstChampion, Recalibration, Verdict
from tasks.run_folder import STAGES, Stage, write_text
from tasks.runs import LessonRun, Run
from tasks.shipping import answer, answering, calibrator, kept, measuring, network, parameters, ship
from tasks.spec.models import implied_task

Bytes = Callable[[int, int | None], None]


def load(run: Run, progress: Bytes | None = None) -> Dataset:
    from tasks.datasets.load import load_dataset

    task = implied_task(run.spec)
    return load_dataset(run.spec.data, home=run.home, progress=progress, base=run.base, implied_task=task)


def split(run: Run, dataset: Dataset) -> pd.DataFrame:
    from tasks.datasets.division import divided_rows
    from tasks.validation.rows import row_digests

    splits = SPLITS.frame(divided_rows(run.spec, dataset))
    splits = splits.assign(content=row_digests(dataset))
    SPLITS.write(splits, run.folder)
    return splits


def validate(run: Run, dataset: Dataset, splits: pd.DataFrame) -> Validation:
    """Writes validation.json. Without a test part, the first fold that is held out is checked in its place.

    Raises:
        Blocked: a check of severity `block` failed.
    """
    from tasks.datasets.outer_folds import first_fold
    from tasks.validation.validate import outcome_table
    from tasks.validation.validate import validate as run_checks

    checked = first_fold(splits) if run.spec.evaluate.folds else splits
    validation = run_checks(dataset, checked, run.spec.data.checks)
    validation.write(run.folder)
    if validation.outcome == "blocked":
        blocked = Blocked(
            "the data failed validation: nothing was trained",
            where="data",
            got="; ".join(result.message for result in validation.blocking),
            remedy="mend the data, or set the check's severity to warn under data.checks",
        )
        blocked.table = tuple(outcome_table(validation.results))
        raise blocked
    return validation


@dataclass(frozen=True)
class Searching:
    """A planned search.

    Args:
        by_fold: The data that its trials learn from: by fold, or the run's own parts under None.
        tests: The range tests to do first, by fold that judges, and under None for all rows. Until then the searches
            use the optimizers' own ranges.
        first: The first round's stacks, if planning made them and no range test will change them.
    """

    tuning: Tuning
    by_fold: PreparedByFold
    tests: Mapping[int | None, RangeTests]
    first: Divided | None = None


def plan(run: Run, dataset: Dataset, splits: pd.DataFrame) -> tuple[Plan, Prepared, Searching | None]:
    """Writes plan.json, before anything is trained. A run that goes on keeps its stacks. Where something is tuned, the
    plan becomes complete only in the stage `search`, which takes the last item of the result."""
    from tasks.datasets.slices import slicings_of

    dataset = with_positive(dataset, splits)
    slicings_of(run.spec, dataset)  # reports errors in the slices before anything is trained
    prepared = prepared_for_training(run.spec, dataset, splits)
    laid_out = _laid_out(run, prepared)
    earlier = Plan.read_if_there(run.folder)
    searched = plan_search(run, laid_out, prepared, splits) if laid_out.search else None
    if searched is None:
        laid_out = laid_out.following(earlier) if earlier else laid_out
        laid_out.write(run.folder)
    elif earlier:
        laid_out = replace(laid_out, cost=earlier.cost)
    else:
        cost, first = _with_search(laid_out.cost, searched.tuning, searched.tests.values())
        laid_out, searched = replace(laid_out, cost=cost), replace(searched, first=None if searched.tests else first)
        laid_out.write(run.folder)
    return laid_out, prepared, searched


def _laid_out(run: Run, prepared: Prepared, found: Found | None = None, probe: Probe | None = None) -> Plan:
    from tasks.datasets.splits import reaches

    parts = {part: len(prepared.rows[part]) for part in (TRAIN, VAL, TEST)}
    folds = run.spec.evaluate.folds
    if folds:
        parts[TEST] = sum(len(each.rows[TEST]) for each in prepared.held_out[:folds])
    data = (run.spec, prepared.dataset, parts, prepared.features.shape[1:])
    known: dict[str, Any] = {
        "earlier": archive_of(run, prepared.by_fold, "train").stacks,
        "machine": run.executor.machine(),
        "resampled": resampled_count(prepared),
        "lengths": prepared.lengths,
        "commonest": Commonest.among(prepared.dataset, prepared.rows[TRAIN], prepared.deciding.prior),
        "held_out": [row_counts(each) for each in prepared.held_out],
    }
    if found is None:
        laid_out = lay_out(*data, **known)
    else:
        known |= {"in_folds": found.in_folds, "choices": found.choices}
        laid_out = lay_out_chosen(*data, found.recipes, probe, **known)
    return replace(laid_out, reaches=reaches(prepared.dataset, prepared.rows, run.spec.data.split))


def archive_of(run: Run, prepared: PreparedByFold, stage: Stage) -> Archive:
    """The trials that earlier runs trained, as far as this stage may reuse them."""
    anew = run.anew is not None and STAGES.index(run.anew) <= STAGES.index(stage)
    return Archive.of(run.home, prepared, run.folder, anew=anew)


def _with_search(cost: Cost, tuning: Tuning, tests: Collection[RangeTests]) -> tuple[Cost, Divided]:
    """The expected cost of a plan including its search; and the first round's stacks."""
    _, divided, seconds = tuning.first_round()
    testing = None
    if tests:
        expected = sum(each.divide().seconds for each in tests)
        testing = RangeTestCost(sum(each.trials for each in tests), round(expected, 1))
        seconds += testing.seconds
    searching = SearchCost(
        trials=tuning.trials, seconds=round(seconds, 1), first_wave=divided.stacks, range_tests=testing
    )
    with_search = replace(cost, seconds=round(cost.seconds + seconds, 1), search=searching)
    return with_search, divided


def plan_search(run: Run, laid_out: Plan, prepared: Prepared, splits: pd.DataFrame) -> Searching:
    """Prepares the search of a plan. Trains and writes nothing."""
    tune, dataset, evaluated = run.spec.tune, prepared.dataset, run.spec.evaluate
    assert tune is not None
    by_fold, places = searched_rows(prepared, splits, run.spec.data.split, tune.folds)
    rows = {fold: row_counts(of_fold) for fold, of_fold in by_fold.items()}
    decides = laid_out.decides or Decides()
    archive = archive_of(run, by_fold, "search")
    context = PlanContext(dataset, rows, laid_out.metrics, run.executor.machine(), decides, archive.stacks)
    searches = searches_of(run.spec, laid_out.recipes)
    key = context.key(run.spec)
    # The keys include the number of folds: the first of three folds is not the first of five.
    divided = {"folds": tune.folds, "held out": evaluated.folds}
    divided = {name: folds for name, folds in divided.items() if folds}
    key = identifier({"data": key} | divided) if divided else key
    tests = {
        outer: RangeTests(tested, replace(context, rows={folds[0]: rows[folds[0]]}), key, name=_test_name(outer))
        for outer, folds in places.items()
        if (tested := asking(searches))
    }
    searches = nested(searches, places, tune.seeds) if prepared.held_out else searches
    return Searching(Tuning(searches, context, key, tune.seeds, tune.seed), by_fold, tests)


def _test_name(outer: int | None) -> str:
    return "range-test" if outer is None else f"range-test-{outer:03}"


def range_tests(run: Run, laid_out: Plan, prepared: Prepared, progress: StackProgress | None = None) -> list[RangeTest]:
    """Does range tests of the learning rates of all recipes of the plan, without a search."""
    context = own_context(laid_out, prepared)
    tests = RangeTests(laid_out.recipes, context, context.key(run.spec))
    return tests.run(run.folder, trainer(prepared, run.folder, run.home), progress)


def search(
    run: Run, laid_out: Plan, prepared: Prepared, searched: Searching, progress: StackProgress | None = None
) -> Plan:
    """Finds the best setting of each recipe, completes plan.json with it, and writes table `settings`. Does the range
    tests first, where there are any."""

    def train(job: Job, report: StackProgress | None) -> None:
        train_trials(job, searched.by_fold, run.folder, run.home, report, archive, run.executor)

    archive = archive_of(run, searched.by_fold, "search")
    tests = {outer: each.run(run.folder, train, progress) for outer, each in searched.tests.items()}
    by_recipe = {outer: {each.recipe_id: each for each in found} for outer, found in tests.items()}
    searches = [ranged(each, by_recipe.get(each.outer, {})) for each in searched.tuning.searches]
    found = run_search(replace(searched.tuning, searches=searches), run.folder, train, progress, searched.first)
    SETTINGS.write(found.settings, run.folder)
    earlier = Plan.read(run.folder)
    complete = _laid_out(run, prepared, found, earlier.probe).following(earlier)
    assert complete.search is not None
    complete = replace(
        complete,
        search=replace(
            complete.search,
            recipes=[each.planned() for each in searches if each.outer is None],
            stacks=found.stacks,
            range_tests=tests.get(None),
        ),
        cost=replace(complete.cost, search=laid_out.cost.search),
    )
    complete.write(run.folder)
    return complete


def train(run: Run, laid_out: Plan, prepared: Prepared, progress: StackProgress | None = None) -> None:
    """Trains the plan's trials. Also writes `previews/`: some training rows before and after augmentation."""
    write_previews(laid_out, prepared, run.folder / "previews")
    archive = archive_of(run, prepared.by_fold, "train")
    train_trials(Job.of(laid_out), prepared.by_fold, run.folder, run.home, progress, archive, run.executor)


def stabilise(run: Run, laid_out: Plan, prepared: Prepared, progress: StackProgress | None = None) -> Repairs:
    """Repairs recipes whose training went wrong. Writes previews/repairs.json and, if one was cured, repaired.yaml.
    Uses no test row."""
    archive = archive_of(run, {None: prepared}, "stabilise")
    shop = Workshop.of(run.spec, laid_out, prepared, run.folder, run.home, progress, archive, run.executor)
    repairs = shop.repair()
    repairs.write(run.folder)
    write_repaired(repairs, laid_out, run.spec, run.base, run.folder)
    return repairs


def evaluate(run: Run, laid_out: Plan, prepared: Prepared) -> dict[str, pd.DataFrame]:
    """Scores the test rows, once, with the weights that the final trials kept; trains the baselines, and writes the
    run's tables. No other stage scores trials on test rows."""
    score_final_trials(laid_out, prepared, run.folder)
    train_baselines(laid_out, prepared, run.folder)
    return collect(laid_out, run.folder)


def judge(
    run: Run, laid_out: Plan, prepared: Prepared, tables: dict[str, pd.DataFrame], splits: pd.DataFrame
) -> Verdict:
    """Writes verdict.json and, where a model can be shipped, `model/` and `previews/inspection.json`.

    Its `test_evaluations` is the number of times the test part was looked at in this folder. To see the same verdict
    again, for example when a killed run goes on, is not another look: nothing was learned from it.
    """
    from tasks.datasets.slices import slicings_of
    from tasks.evaluation.baselines import Constant
    from tasks.evaluation.verdict import judge as decide

    earlier = Verdict.read_if_there(run.folder)
    looks = earlier.test_evaluations if earlier else 1
    dataset, rows = prepared.dataset, prepared.rows
    measure = measuring(run, laid_out, prepared, earlier.footprints if earlier else None)
    slicings = slicings_of(run.spec, dataset)
    verdict = decide(
        laid_out,
        tables,
        splits,
        constant=Constant.of(dataset.target[rows[TRAIN]], dataset.target[rows[VAL]], dataset.classes),
        moved=lambda trial_id: _moved(run, laid_out, prepared, trial_id),
        strengths=_strengths(run),
        test_evaluations=looks,
        deciding=prepared.deciding,
        slicings=slicings,
        measure=measure,
        fold_answers=_fold_answers(laid_out, prepared, run) if laid_out.held_out and slicings else None,
    )
    if laid_out.search:
        from tasks.evaluation.search import judge_search

        found = judge_search(laid_out.search, SETTINGS.read(run.folder))
        verdict = replace(verdict, search=found, warnings=[*verdict.warnings, *found.warnings])
    tables = {**tables, "splits": splits}
    verdict = replace(verdict, champion=_against_champion(run, laid_out, prepared, verdict, tables))
    _nothing_shipped(run)  # removes what an earlier verdict shipped
    asked = model = None
    if verdict.shipped:
        model = answering(run, laid_out, prepared, verdict.shipped)
        ship(run, laid_out, prepared, verdict, model)
        write_reference(run.folder, dataset, _not_learned_from(splits), run.spec, slicings)
        asked = answer(run, laid_out, prepared, verdict.shipped, model)
        if verdict.footprints is None:
            own = measure.saved(verdict.shipped.trial_id, run.folder / "model", parameters(model))
            verdict = replace(verdict, footprints=Footprints(models=[own]))
        effect = _recalibration(run, laid_out, prepared, verdict, tables, model)
        verdict = replace(verdict, recalibration=effect)
    if verdict.shipped and not verdict.shipped.baseline:
        leader = next(recipe for recipe in laid_out.recipes if recipe.recipe_id == verdict.leader)
        write_text(run.folder / "winner.yaml", winner_spec(run.spec, leader, run.base))
    if earlier and as_json(verdict) != as_json(earlier):
        verdict = replace(verdict, test_evaluations=looks + 1)
    verdict.write(run.folder)
    _inspect(run, laid_out, prepared, verdict, tables, asked, model)
    return verdict


def _fold_answers(laid_out: Plan, prepared: Prepared, run: Run, name: str = ANSWERS) -> FoldAnswers:
    rows = [of_fold.rows[TEST] for of_fold in prepared.held_out]
    return FoldAnswers(prepared.dataset.target, rows, fold_answers(laid_out, run.folder, name))


def _not_learned_from(splits: pd.DataFrame) -> pd.DataFrame:
    """The splits. Without a test part, the validation rows take its place: the shipped model's answers for them are the
    nearest to its answers for new rows."""
    if (splits["part"] == TEST).any():
        return splits
    parts = splits["part"].to_numpy(str)
    return splits.assign(part=np.where(parts == VAL, TEST, parts))


def _inspect(
    run: Run,
    laid_out: Plan,
    prepared: Prepared,
    verdict: Verdict,
    tables: dict[str, pd.DataFrame],
    asked: Answer | None,
    model: Any,
) -> None:
    """Writes inspection.json: what the report says of the shipped model beyond the tables. Computes the loss surface
    where the spec asks for it to be explained."""
    network = None if verdict.shipped is None or verdict.shipped.baseline else model
    landscape = between = None
    if network is not None and verdict.shipped:
        looking = Looking(run.folder, laid_out, prepared, tables["trials"])
        if "landscape" in run.spec.explain:
            landscape = looking.landscape(verdict.shipped.trial_id, tables["curves"])
        if "overparameterisation" in run.spec.explain:
            between = looking.between()
    write_inspection(
        run.folder,
        prepared,
        verdict,
        tables["predictions"],
        tables["splits"],
        asked,
        network,
        shown=run.spec.report.show_examples,
        landscape=landscape,
        between=between,
    )


def _recalibration(
    run: Run,
    laid_out: Plan,
    prepared: Prepared,
    verdict: Verdict,
    tables: dict[str, pd.DataFrame],
    model: Any,
) -> Recalibration | None:
    """The effect of calibration on the shipped model, whose uncalibrated answers are computed again, or out of fold on
    the procedure. None where the shipped model is not calibrated."""
    from tasks.evaluation.recalibrated import judge_in_folds, judge_recalibration

    by = calibrator(run, laid_out, verdict.shipped) if verdict.shipped else None
    if verdict.shipped is None or by is None:
        return None
    judged = JudgedRows.of_shipped(laid_out, verdict, prepared.deciding, tables)
    if laid_out.held_out:
        scores = FoldScores.read(laid_out, tables["trials"], tables["metrics"], {}, {})
        was, now = (
            _fold_answers(laid_out, prepared, run, name).in_folds(scores, judged, prepared.deciding, {})[PROCEDURE]
            for name in (UNCALIBRATED, ANSWERS)
        )
        return judge_in_folds(scores, was, now, prepared.deciding, laid_out.confidence, by)
    asked = answer(run, laid_out, prepared, verdict.shipped, model, calibrate=False)
    before = np.concatenate([asked(each) for each in prepared.dataset.raw_pieces(judged.rows)])
    return judge_recalibration(judged, verdict.shipped.trial_id, before, prepared.deciding, by)


def _against_champion(
    run: Run, laid_out: Plan, prepared: Prepared, verdict: Verdict, tables: dict[str, pd.DataFrame]
) -> AgainstChampion | None:
    """Compares the shipped model with the experiment's champion; None where there is no champion, or it is this run's
    own model."""
    from tasks.champions.store import champion_of

    champion = champion_of(run.home, run.spec.name) if verdict.shipped else None
    if champion is None or champion.promotion.run == run.folder.resolve().name:
        return None
    from tasks.champions.comparison import compare_with_champion

    in_folds = _fold_answers(laid_out, prepared, run) if laid_out.held_out else None
    return compare_with_champion(champion, laid_out, prepared.dataset, prepared.deciding, verdict, tables, in_folds)


def _strengths(run: Run) -> Sequence[ColumnStrength]:
    validation = Validation.read_if_there(run.folder)
    return validation.strengths if validation else ()


def _nothing_shipped(run: Run) -> None:
    shutil.rmtree(run.folder / "model", ignore_errors=True)
    (run.folder / "model").mkdir()
    for name in ("winner.yaml", IN_RUN):
        (run.folder / name).unlink(missing_ok=True)


def _moved(run: Run, laid_out: Plan, prepared: Prepared, trial_id: str) -> float:
    """How far a final trial's weights moved from their initial values."""
    from tasks.evaluation.learning import distance

    return distance(kept(run, laid_out, trial_id), network(laid_out, prepared, trial_id).get_weights())


def report(run: Run | LessonRun, made_ready: Kernel | None = None) -> Rendered:
    """Writes report.html; `made_ready` as in `render`."""
    return render(run.folder, made_ready=made_ready)
