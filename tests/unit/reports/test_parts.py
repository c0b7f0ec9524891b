"""The report's tables and charts, on a fabricated run."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports import figures, tables
from reports.figures.curves import aggregate, in_epochs
from reports.figures.encoding import logarithmic
from reports.figures.place import place
from reports.markup import titled
from reports.palette import palette
from reports.run import Run, read_run
from tasks.errors import BadInput
from tasks.records.documents import as_json, document_of
from tasks.records.plan import Plan, Reach
from tasks.records.search_verdict import Importance
from tasks.records.tables import CURVES
from tasks.records.verdict import BaselineDifference, Verdict
from tests.synthetic_run import HOSTILE, write_synthetic_run

SHAPES: dict[str, dict[str, Any]] = {
    "binary": {"recipes": 8},
    "multiclass": {"recipes": 4, "classes": 5},
    "regression": {"recipes": 6, "task": "regression"},
    "one recipe, one seed": {"recipes": 1, "seeds": 1},
    "hostile": {"recipes": 5, "hostile": True},
    "augmented": {"recipes": 5, "hostile": True, "augmented": True},
    "no gates": {"recipes": 2, "gates": []},
    "searched": {"recipes": 5, "search": 9},
    "searched, hostile": {"recipes": 5, "hostile": True, "task": "regression", "search": 9},
    "searched by halving": {"recipes": 2, "search": 9, "search_options": {"method": "successive-halving", "folds": 3}},
    "searched once": {"recipes": 1, "search": 1, "search_options": {"dimensions": 1, "seeds": 1, "cost": None}},
}


@pytest.fixture(scope="module", params=SHAPES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_synthetic_run(tmp_path_factory.mktemp("run"), **SHAPES[request.param]))


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_synthetic_run(tmp_path_factory.mktemp("run"), **SHAPES["binary"]))


def judged(run: Run) -> Verdict:
    assert run.verdict
    return run.verdict


def judged_search(run: Run, **changes: Any) -> Verdict:
    """The verdict with changes in what it says of the search."""
    verdict = judged(run)
    assert verdict.search
    return replace(verdict, search=replace(verdict.search, **changes))


def all_tables(run: Run) -> dict[str, str]:
    return {
        "run": tables.of_run(run.folder.name, run.plan, run.environment),
        "decision": tables.decision(run.verdict),
        "compared": tables.compared(run.verdict),
        "scope": tables.scope(run.verdict, run.plan),
        "baselines": tables.baselines(run.verdict),
        "gates": tables.gates(run.verdict),
        "warnings": tables.warnings(run.verdict),
        "next": tables.next_steps(run.verdict),
        "data": tables.data(run.plan),
        "columns": tables.columns(run.plan),
        "validation": tables.validation(run.validation),
        "comparison": tables.comparison(run.verdict, run.plan),
        "differences": tables.differences(run.verdict),
        "effects": tables.effects(run.verdict),
        "previews": tables.previews(run.previews, run.pictures),
        "search": tables.search(run.plan, run.verdict),
        "search warnings": tables.search_warnings(run.verdict),
        "settings": tables.settings(run.verdict, run.plan),
        "sensitivity": tables.sensitivity(run.verdict, run.plan),
        "trials": tables.trials(run.trials, run.metrics, run.plan.metric, {}),
        "stacks": tables.stacks(run.plan),
        "skipped": tables.skipped(run.plan),
        "reproduce": tables.reproduce(run.plan, run.environment, run.stages, run.spec, "tests"),
    }


def all_charts(run: Run) -> dict[str, Any]:
    return {
        **figures.forest(run.verdict, run.plan, run.trials, run.metrics),
        **{f"Difference, {name}": chart for name, chart in figures.differences(run.verdict, run.plan).items()},
        **figures.effects(run.verdict, run.plan),
        **search_charts(run),
        **figures.learning_curves(run.curves, run.trials, run.plan, run.verdict),
    }


def search_charts(run: Run) -> dict[str, Any]:
    return {
        **figures.progress(run.verdict, run.plan, run.settings),
        **{f"Settings of {name}": chart for name, chart in figures.parallel(*searched(run)).items()},
        **figures.importance(run.verdict, run.plan),
        **figures.slices(*searched(run)),
        **figures.learning_rates(*searched(run)),
    }


def searched(run: Run) -> tuple[Any, Any, Any]:
    return run.verdict, run.plan, run.settings


def text(markdown: str) -> str:
    """What a reader would read."""
    return html.unescape(re.sub(r"<[^>]+>", " ", markdown))


def test_no_table_lets_a_string_of_the_run_through(run: Run) -> None:
    for name, markdown in all_tables(run).items():
        assert "{{<" not in markdown, name
        assert "<script" not in markdown, name
        assert markdown.count("</table>") == markdown.count("<table "), name
        assert markdown.count("<!--") == 0, name


def test_every_recipe_stands_in_the_comparison_with_its_metrics(run: Run) -> None:
    shown = text(tables.comparison(run.verdict, run.plan))
    for recipe in run.verdict.recipes:
        assert recipe.recipe in shown
    assert shown.count("[") >= sum(len(recipe.metrics) > 0 for recipe in run.verdict.recipes if recipe.seeds > 1)


def test_every_chart_can_be_drawn(run: Run) -> None:
    for title, chart in all_charts(run).items():
        markdown = place(chart, HOSTILE[0])
        assert "data:image/svg+xml;base64," in markdown, title
        assert 'alt=""' not in markdown, title
        body = markdown.split('<script type="application/json">')[1].split("</script>")[0]
        assert json.loads(body)["width"], title
        assert "{{<" not in markdown and "<script>alert" not in markdown, title


def test_a_run_that_stopped_early_still_has_a_report(tmp_path: Path) -> None:
    """Blocked by its data: neither tables nor a verdict."""
    write_synthetic_run(tmp_path, recipes=2)
    for path in [*tmp_path.glob("*.parquet"), tmp_path / "verdict.json"]:
        path.unlink()
    run = read_run(tmp_path)
    assert "No verdict" in all_tables(run)["decision"]
    assert all_charts(run) == {}
    assert "No trial was trained" in all_tables(run)["trials"]
    assert "No trial" in figures.tabs({}, empty="No trial")


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no plan\.json"):
        read_run(tmp_path)


def test_the_decision_comes_first_with_its_reason_and_the_saved_model_s_figure(binary: Run) -> None:
    verdict = judged(binary)
    shown = text(tables.decision(verdict))
    assert shown.index(verdict.decision.sentence) < shown.lower().index(verdict.decision.reason.lower())
    assert verdict.shipped and f"seed {verdict.shipped.seed}) has accuracy" in shown
    assert verdict.sentence in text(tables.compared(verdict))
    first = verdict.next[0] if verdict.decision.answer != "open" else None
    assert first is None or first not in text(tables.next_steps(verdict))  # it would be said twice


def test_a_split_by_time_says_when_each_part_is(binary: Run) -> None:
    assert "train: " not in html.unescape(tables.data(binary.plan))
    reaches = {"train": Reach("2019", "2022"), "val": Reach("2023", "2023"), "test": Reach("2024", "2025")}
    said = html.unescape(tables.data(replace(binary.plan, reaches=reaches)))
    assert "train: 2019 to 2022, val: 2023 to 2023, test: 2024 to 2025" in said


def test_a_baseline_that_is_better_says_so(binary: Run) -> None:
    against = [BaselineDifference(name="gradient boosting", difference=-0.05, low=-0.08, high=-0.02, answer="worse")]
    shown = text(tables.baselines(replace(judged(binary), against_baselines=against)))
    assert "network worse by 0.050 [0.020, 0.080]" in shown


def test_failed_checks_come_first_and_blocking_ones_before_warnings(binary: Run) -> None:
    assert binary.validation is not None
    results = [
        replace(binary.validation.results[0], success=success, severity=severity, message=message)
        for success, severity, message in (
            (True, "block", "fine"),
            (False, "warn", "odd"),
            (False, "block", "wrong"),
        )
    ]
    shown = text(tables.validation(replace(binary.validation, results=results)))
    assert shown.index("wrong") < shown.index("odd") < shown.index("fine")
    assert "1 passed, 1 warned, 1 blocked" in shown


def test_diverged_trials_come_first_with_their_reason(binary: Run) -> None:
    shown = text(tables.trials(binary.trials, binary.metrics, "accuracy", {}))
    assert shown.index("the loss was not finite in epoch 3") < shown.index("ok")


def test_curves_are_means_over_seeds(binary: Run) -> None:
    over_seeds = aggregate(binary.curves, binary.trials)
    row = over_seeds[(over_seeds["name"] == "val_loss") & (over_seeds["epoch"] == 7)].iloc[0]
    trials = binary.trials.loc[binary.trials["recipe"] == row["recipe"], "trial_id"]
    wanted = (binary.curves["name"] == "val_loss") & (binary.curves["epoch"] == 7)
    values = binary.curves.loc[wanted & binary.curves["trial_id"].isin(trials), "value"]
    assert row["mean"] == pytest.approx(values.mean())
    assert (row["low"], row["high"]) == (values.min(), values.max())


def test_one_diverged_seed_is_not_all_of_the_mean(binary: Run) -> None:
    """Momentum diverged in one seed, SGD at 1 in all: the one is left out, the other is drawn."""
    losses = aggregate(binary.curves, binary.trials).query("name == 'val_loss'").groupby("recipe")["high"].max()
    assert losses["momentum"] < 10
    assert losses["sgd (learning rate 1)"] > 1000


def test_many_epochs_are_thinned_and_keep_both_ends(binary: Run) -> None:
    trial = binary.trials["trial_id"].iloc[0]
    curves = (
        binary.curves.head(0)
        .reindex(range(1000))
        .assign(trial_id=trial, name="val_loss", value=1.0, epoch=range(1, 1001))
    )
    epochs = aggregate(curves, binary.trials)["epoch"]
    assert (epochs.min(), epochs.max()) == (1, 1000)
    assert len(epochs) <= 120


def test_several_points_an_epoch_are_drawn_where_they_lie(binary: Run) -> None:
    (stack,) = binary.plan.stacks
    length = stack.steps // binary.plan.trials[0].epochs
    steps = [length // 2, length, length + length // 2]
    trials = binary.trials.query("recipe == @binary.trials.recipe.iloc[0]")["trial_id"]
    points = [
        {"trial_id": trial, "epoch": -(-step // length), "step": step, "name": "val_loss", "value": float(step)}
        for trial in trials
        for step in steps
    ]
    curves = CURVES.frame(points)
    lines = aggregate(in_epochs(curves, binary.plan), binary.trials)
    assert lines["epoch"].tolist() == [step / length for step in steps]
    assert lines["mean"].tolist() == steps, "points of one epoch are not averaged"
    charts = figures.learning_curves(curves, binary.trials, binary.plan, binary.verdict)
    (rows,) = charts["Loss, validation"].to_dict()["datasets"].values()
    assert [row["epoch"] for row in rows] == [round(step / length, 4) for step in steps]


def test_each_line_is_thinned_by_its_own_points(binary: Run) -> None:
    """Recipes evaluated at other steps (another batch size, say) keep theirs."""
    one, other = binary.trials.drop_duplicates("recipe")["trial_id"].iloc[:2]
    points = [(one, step / 500) for step in range(1, 1001)] + [(other, 1 / 3), (other, 1.0), (other, 1.77)]
    curves = CURVES.frame([{"trial_id": trial, "name": "val_loss", "value": 1.0} for trial, _ in points])
    lines = aggregate(curves.assign(epoch=[epoch for _, epoch in points]), binary.trials)
    assert sorted(lines.groupby("recipe").size()) == [3, 120]


def test_the_learning_rate_is_drawn_where_it_changes(binary: Run) -> None:
    assert "Learning rate" not in figures.learning_curves(binary.curves, binary.trials, binary.plan, binary.verdict)
    changed = binary.curves.copy()
    rates = changed["name"] == "learning_rate"
    changed.loc[rates, "value"] /= changed.loc[rates, "epoch"]
    assert "Learning rate" in figures.learning_curves(changed, binary.trials, binary.plan, binary.verdict)


def test_recipes_keep_their_own_colour_and_dash() -> None:
    many = palette([f"recipe {i}" for i in range(28)])
    assert len(set(zip(many.colours, many.dashes, strict=True))) == 28
    assert palette(["a", "b"]).colours == palette(["a", "b", "c"]).colours[:2]


# --- augmentation --------------------------------------------------------------------------------------------


def test_the_effect_of_augmentation_is_shown_with_its_interval(tmp_path: Path) -> None:
    run = read_run(write_synthetic_run(tmp_path, recipes=3, augmented=True))
    (entry,) = run.verdict.augmentation
    assert (entry.recipe_id, entry.against_id) == ("recipe-1", "recipe-0")
    shown = text(tables.effects(run.verdict))
    assert entry.recipe in shown and entry.against in shown and entry.answer in shown
    assert re.search(r"\d \[\S*\d, \S*\d\]", shown)


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a b c", "a x c", "a <del>b</del> <mark>x</mark> c"),
        ("a b", "a b", "a b"),
        ("a", "a b", "a <mark>b</mark>"),
        ("a b", "b", "<del>a</del> b"),
        ("<b>", "{{<", "<del>&#60;b&#62;</del> <mark>&#123;&#123;&#60;</mark>"),
    ],
)
def test_words_that_change_are_marked(before: str, after: str, shown: str) -> None:
    assert tables.augmentation.marked(before, after) == shown


def test_previews_of_images_and_tables() -> None:
    picture = {"kind": "image", "policies": [{"name": "flip", "times": 1, "versions": 1, "picture": "a.png"}]}
    assert 'src="data:image/png;base64,cG5n"' in tables.previews(picture, {"a.png": b"png"})
    assert "1 copy beside each example" in text(tables.previews(picture, {"a.png": b"png"}))
    assert "The picture is missing" in tables.previews(picture, {})
    rows = {"columns": ["age", "fare"], "examples": [{"before": [30.0, None], "after": [[30.52, None]]}]}
    shown = text(tables.previews({"kind": "table", "policies": [{"name": "n", "times": None, **rows}]}, {}))
    assert "age" in shown and "30.00 → 30.52" in shown and "every epoch" in shown
    assert tables.previews({}, {}) == ""


# --- search --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_synthetic_run(tmp_path_factory.mktemp("run"), **SHAPES["searched"]))


def test_without_a_search_nothing_of_it_is_shown(binary: Run) -> None:
    assert search_charts(binary) == {}
    assert tables.search(binary.plan, binary.verdict) == ""
    assert tables.search_warnings(binary.verdict) == ""
    assert tables.settings(binary.verdict, binary.plan) == tables.sensitivity(binary.verdict, binary.plan) == ""
    assert titled("Best settings", "") == ""


def test_a_search_that_was_not_judged_still_says_what_it_was(tuned: Run) -> None:
    run = replace(tuned, verdict=None)
    assert "9 settings × 2 seeds" in text(tables.search(run.plan, run.verdict))
    assert search_charts(run) == {}
    assert tables.settings(run.verdict, run.plan) == ""


def test_the_budget_and_the_ranges_are_said(tuned: Run) -> None:
    shown = text(tables.search(tuned.plan, tuned.verdict))
    assert (
        "Each recipe was given 9 settings × 2 seeds, 180 epochs under each seed, the same for each, by random search"
        in shown
    )
    assert "0.00001 to 1, logarithmic" in shown and "the optimizer's own" in shown
    assert "where layers is 2 or 3" in shown
    assert "16, 32, 64 or 128" in shown and "0 to 0.2, steps of 0.05" in shown


def test_the_best_settings_are_ranked_and_their_edges_marked(tuned: Run) -> None:
    shown = text(tables.settings(tuned.verdict, tuned.plan))
    found = tuned.verdict.search.recipes
    order = sorted(found, key=lambda each: -each.best.score)
    places = [shown.index(f"best settings of {each.recipe}") for each in order]
    assert places == sorted(places)
    marked = sum(len(each.edges) for each in found)
    assert marked and shown.count("↑") + shown.count("↓") == marked


def test_every_setting_is_drawn_once_and_the_diverged_one_at_the_edge(tuned: Run) -> None:
    chart = figures.progress(*searched(tuned))["Every setting"].to_dict()
    points, steps = chart["datasets"].values()
    assert len(points) == len(tuned.settings)
    low, _ = chart["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert all(row["score"] == low for row in points if row["status"] == "diverged")
    best = {each.recipe: each.best.score for each in tuned.verdict.search.recipes}
    assert {row["recipe"]: row["score"] for row in steps} == pytest.approx(best, rel=1e-4)


def test_the_front_of_score_and_time_is_ringed(tuned: Run) -> None:
    chart = figures.progress(*searched(tuned))["Score against time"].to_dict()
    line, rings, _ = sorted(chart["datasets"].values(), key=len)
    assert len(line) == len(rings) == len(tuned.verdict.search.pareto)
    unpriced = judged_search(tuned, pareto=None)
    assert "Score against time" not in figures.progress(unpriced, tuned.plan, tuned.settings)


def test_parallel_axes_stand_in_the_spaces_order_with_the_real_values(tuned: Run) -> None:
    chart = figures.parallel(*searched(tuned))["adam"].to_dict()
    data = list(chart["datasets"].values())
    heads = next(rows for rows in data if rows[0].get("text") == "learning_rate")
    space = tuned.plan.search.recipes[0].space
    assert [row["text"] for row in heads] == [*(each.name for each in space), "Accuracy"]
    lines = next(rows for rows in data if "values" in rows[0])
    assert lines[-1]["x8"] == 1.0, "the best is drawn last, on top of its axis"
    off = {row["number"] for row in lines if row["x3"] < 0}
    own = tuned.settings.query("recipe == 'adam' and status == 'ok'")
    assert off == {int(number) + 1 for number in own.loc[own["values"].str.contains('"layers": 1'), "number"]}


def test_each_hyperparameter_has_its_slice(tuned: Run) -> None:
    slices = figures.slices(*searched(tuned))
    names = {each.name for recipe in tuned.plan.search.recipes for each in recipe.space}
    assert set(slices) == names
    assert slices["l2"].to_dict()["encoding"]["x"]["scale"]["type"] == "log"
    columns = slices["batch_size"].to_dict()["encoding"]["x"]
    assert columns["type"] == "nominal" and columns["sort"] == ["16", "32", "64", "128"]


def test_choices_that_begin_alike_have_columns_of_their_own(tuned: Run) -> None:
    long = {number: f"cosine with a warmup of {number}" for number in (16, 32, 64, 128)}
    written = as_json(tuned.plan)
    for recipe in written["search"]["recipes"]:
        for dimension in recipe["space"]:
            if dimension["name"] == "batch_size":
                dimension["choices"] = list(long.values())
    plan = document_of(written, Plan)
    values = [json.loads(each) for each in tuned.settings["values"]]
    renamed = [
        json.dumps({name: long[value] if name == "batch_size" else value for name, value in each.items()})
        for each in values
    ]
    slices = figures.slices(tuned.verdict, plan, tuned.settings.assign(values=renamed))
    drawn = slices["batch_size"].to_dict()
    (rows,) = drawn["datasets"].values()
    assert {row["at"] for row in rows} == set(drawn["encoding"]["x"]["sort"]) == set(long.values())


def test_importance_bars(tuned: Run) -> None:
    shares = [Importance("learning_rate", 0.8, 30), Importance("l2", 0.1, 30)]
    recipes = [replace(each, importance=shares) for each in tuned.verdict.search.recipes]
    verdict = judged_search(tuned, recipes=recipes)
    chart = figures.importance(verdict, tuned.plan)["Importance"]
    assert chart.to_dict()["encoding"]["y"]["sort"] == ["learning_rate", "l2"]
    assert "data:image/svg+xml;base64," in place(chart)


def test_the_warnings_are_those_of_the_verdict(tuned: Run) -> None:
    shown = text(tables.search_warnings(tuned.verdict))
    assert tuned.verdict.search.warnings
    assert all(warning in shown for warning in tuned.verdict.search.warnings)


def test_trials_of_the_search_are_counted_not_listed(tuned: Run) -> None:
    shown = text(tables.trials(tuned.trials, tuned.metrics, "accuracy", {}))
    assert "The search trained 90 more" in shown


@pytest.mark.slow
def test_a_thousand_settings_stay_small(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    run = read_run(write_synthetic_run(tmp_path, recipes=4, search=250))
    charts = search_charts(run)
    assert len(charts) >= 3 + 4 + 1 + 9
    written = [place(chart) for chart in charts.values()]
    assert sum(map(len, written)) < 2_500_000
    assert len(tables.search(run.plan, run.verdict) + tables.settings(run.verdict, run.plan)) < 100_000


@pytest.mark.parametrize(
    ("values", "labelled"),
    [([0.001, 0.3, 1.0], [0.001, 0.01, 0.1, 1.0]), ([2e-5, 0.05], [0.0001, 0.001, 0.01]), ([16, 64], None)],
)
def test_a_logarithmic_axis_labels_powers_of_ten(values: list[float], labelled: list[float] | None) -> None:
    axis = logarithmic("at:Q", "l2", values).to_dict()["axis"]
    assert axis.get("values") == (None if labelled is None else pytest.approx(labelled))
    assert ("tickCount" in axis) == (labelled is None)
