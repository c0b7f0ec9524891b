"""The section on the shipped model's predictions, on fabricated runs."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from reports import figures, tables
from reports.run import Run, read_run
from reports.shipped import PARTS, Decided
from tests.synthetic_inspection import write_synthetic_inspection
from tests.synthetic_run import HOSTILE, write_synthetic_run

SHAPES: dict[str, dict[str, Any]] = {
    "binary": {},
    "groups": {"groups": True},
    "five classes": {"classes": 5},
    "thirty classes": {"classes": 30, "rows": 3000},
    "sixty classes": {"classes": 60, "rows": 3000},
    "regression": {"task": "regression"},
    "regression in groups": {"task": "regression", "groups": True},
    "hostile": {"hostile": True},
    "hostile regression": {"hostile": True, "task": "regression"},
}


def made(folder: Path, shape: str, *, shown: bool = True) -> Run:
    options = SHAPES[shape]
    write_synthetic_run(folder, recipes=1, seeds=2, **options)
    write_synthetic_inspection(folder, shown=shown, **({"names": HOSTILE[:3]} if options.get("hostile") else {}))
    return read_run(folder)


@pytest.fixture(scope="module", params=SHAPES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("run"), request.param)


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("run"), "binary")


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("run"), "five classes")


def text(markdown: str) -> str:
    """What a reader would read."""
    return html.unescape(re.sub(r"<[^>]+>", " ", markdown))


def charts(markdown: str) -> list[dict[str, Any]]:
    return [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', markdown)]


def section(run: Run) -> str:
    return "\n".join(part(run) for part in PARTS.values())


def test_no_string_of_the_run_gets_through_and_every_chart_has_a_name(run: Run) -> None:
    page = section(run)
    assert "{{<" not in page and "<script>alert" not in page and "</table><!--" not in page
    assert page.count("</table>") == page.count("<table ")
    drawn = charts(page)
    assert drawn and all(chart["description"] for chart in drawn) and 'alt=""' not in page


def test_the_page_stays_small(run: Run) -> None:
    page = section(run)
    assert len(page) < 1_700_000
    for chart in charts(page):
        for rows in chart["datasets"].values() if "datasets" in chart else []:
            assert len(rows) <= 2000


def test_the_rows_of_a_confusion_matrix_add_up_and_hold_every_test_row(five: Run) -> None:
    decided = Decided.read(five)
    chart = figures.confusion(decided.of.target, decided.answer, decided.classes)["Confusion matrix"].to_dict()
    (cells,) = chart["datasets"].values()
    assert len(cells) == 25
    assert sum(cell["rows"] for cell in cells) == five.plan.parts["test"]
    for name in decided.classes:
        assert sum(cell["share"] for cell in cells if cell["actual"] == name) == pytest.approx(1, abs=1e-4)
    right = sum(cell["rows"] for cell in cells if cell["actual"] == cell["predicted"])
    assert right / five.plan.parts["test"] == pytest.approx(five.verdict.shipped.metrics["accuracy"].mean)


def test_many_classes_list_the_pairs_that_are_confused_most(tmp_path: Path, five: Run) -> None:
    run = made(tmp_path, "sixty classes")
    decided = Decided.read(run)
    assert figures.confusion(decided.of.target, decided.answer, decided.classes) == {}
    shown = tables.confused(decided.of.target, decided.answer, decided.classes)
    both = zip(decided.of.target.tolist(), decided.answer.tolist(), strict=True)
    pairs = Counter((decided.classes[a], decided.classes[b]) for a, b in both if a != b)
    actual, predicted, rows = re.findall(r"<td[^>]*>(.*?)</td>", shown)[:3]
    assert int(rows) == max(pairs.values()) == pairs[actual, predicted]
    few = Decided.read(five)
    assert tables.confused(few.of.target, few.answer, few.classes) == ""


def test_the_table_of_classes_has_their_figures_and_the_exact_intervals(five: Run) -> None:
    decided = Decided.read(five)
    shown = text(tables.by_class(decided.of, decided.answer, decided.classes, 0.95))
    precision, recall, f1, support = precision_recall_fscore_support(decided.of.target, decided.answer)
    hits = int(((decided.of.target == 0) & (decided.answer == 0)).sum())
    exact = binomtest(hits, int(support[0])).proportion_ci(method="exact")
    assert f"{recall[0]:.3f} [{exact.low:.3f}, {exact.high:.3f}]" in shown
    for figure in (*precision, *recall, *f1):
        assert f"{figure:.3f} [" in shown


def test_the_areas_are_scikit_learns(five: Run, binary: Run) -> None:
    decided = Decided.read(five)
    shown = section(five)
    for k, name in enumerate(decided.classes):
        actual, score = decided.of.target == k, decided.of.prediction[:, k]
        assert f"{name}: {roc_auc_score(actual, score):.3f}" in shown
        assert f"{name}: {average_precision_score(actual, score):.3f}" in shown
    decided = Decided.read(binary)
    actual, score = decided.of.target == 1, decided.of.prediction[:, 1]
    titles = [chart["title"]["text"] for chart in charts(section(binary)) if "title" in chart]
    assert f"yes: area {roc_auc_score(actual, score):.3f}" in titles
    assert f"yes: average precision {average_precision_score(actual, score):.3f}" in titles


def test_the_threshold_in_use_lies_on_both_curves(binary: Run) -> None:
    decided = Decided.read(binary)
    found = figures.ranking(decided.of, decided.classes, 1, 0.95, binary.verdict.operating_point).charts
    recall = ((decided.answer == 1) & (decided.of.target == 1)).sum() / (decided.of.target == 1).sum()
    rings = [
        rows[0]
        for chart in found.values()
        for rows in chart.to_dict()["datasets"].values()
        if len(rows) == 1 and "threshold" in rows[0]
    ]
    assert (rings[0]["y"], rings[1]["x"]) == (pytest.approx(recall, abs=1e-4), pytest.approx(recall, abs=1e-4))


def test_a_part_of_one_class_has_no_curve_but_says_why(binary: Run) -> None:
    decided = Decided.read(binary)
    of = replace(decided.of, target=np.ones_like(decided.of.target))
    found = figures.ranking(of, decided.classes, 1, 0.95, None)
    assert found.charts == {} and "nothing to rank" in found.said


def test_calibration_bins_have_the_intervals_of_shares_and_count_groups(binary: Run) -> None:
    def bars(run: Run) -> list[dict[str, Any]]:
        (found,) = charts(PARTS["calibration"](run))
        return next(rows for rows in found["datasets"].values() if "rows" in rows[0])

    for each in bars(binary):
        exact = binomtest(round(each["observed"] * each["rows"]), each["rows"]).proportion_ci(method="exact")
        assert (each["low"], each["high"]) == pytest.approx((exact.low, exact.high), abs=1e-4)
    alone = bars(replace(binary, splits=binary.splits.assign(group="lucas")))
    assert all(each["low"] is each["high"] is None for each in alone)
    few = bars(replace(binary, splits=binary.splits.assign(group=(binary.splits["row"] % 3).astype(str))))
    assert any(each["high"] - each["low"] > 0.8 for each in few)


def test_calibration_of_several_classes_is_that_of_the_likeliest(five: Run) -> None:
    shown = text(PARTS["calibration"](five))
    assert "Expected calibration error" in shown and "Probabilities that are right stay below" in shown
    (found,) = charts(PARTS["calibration"](five))
    bins = next(rows for rows in found["datasets"].values() if "rows" in rows[0])
    assert sum(each["rows"] for each in bins) == five.plan.parts["test"]
    assert all(each["predicted"] >= 0.2 for each in bins)  # of five classes the likeliest has a fifth or more


def test_rows_are_shown_by_number_and_with_their_values_where_asked(run: Run) -> None:
    shown = text(PARTS["hardest rows"](run))
    assert run.inspection is not None and run.inspection.examples is not None
    examples = run.inspection.examples
    assert all(f" {each.row} " in shown for each in examples.rows)
    assert all(name in shown for name in examples.columns)
    assert "2 further columns are not shown" in shown
    without = text(PARTS["hardest rows"](replace(run, inspection=replace(run.inspection, examples=None))))
    assert all(f" {each.row} " in without for each in examples.rows)
    assert "rows may be private" in without and "show_examples: true" in without


def test_a_column_whose_name_begins_with_a_hash_keeps_it(binary: Run) -> None:
    assert binary.inspection is not None and binary.inspection.examples is not None
    examples = replace(binary.inspection.examples, columns=["#a", "b", "c"])
    shown = PARTS["hardest rows"](replace(binary, inspection=replace(binary.inspection, examples=examples)))
    assert '<th scope="col">&#35;a</th>' in shown


def test_the_worst_row_is_the_one_with_the_least_probability(binary: Run) -> None:
    decided = Decided.read(binary)
    own = decided.of.prediction[np.arange(len(decided.of.rows)), decided.of.target]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", PARTS["hardest rows"](binary))
    assert cells[0] == str(decided.of.rows[own.argmin()])


def test_residuals_of_an_older_run_are_said_to_be_missing(tmp_path: Path) -> None:
    run = replace(made(tmp_path, "regression"), inspection=None)
    assert "did not record this" in text(PARTS["residuals by input"](run))
    assert charts(PARTS["residuals"](run))
    recorded = read_run(tmp_path).inspection
    assert recorded is not None
    other = replace(recorded, trial_id="another")
    assert "did not record this" in text(PARTS["residuals by input"](replace(run, inspection=other)))


def test_inputs_that_matter_stand_in_groups_and_are_no_causes(tmp_path: Path) -> None:
    shown = PARTS["inputs that matter"](made(tmp_path, "binary"))
    said = text(shown)
    assert "Shuffled, they make the model worse: age, fare." in said and "These are not causes" in said
    assert "Left out: 4 inputs" in said
    assert [chart["description"] for chart in charts(shown)] == [
        "How much worse the model does where an input is shuffled: age, fare 0.110 [0.040, 0.180] comes first",
        "Probability of port along age: from 0.2000 to 0.6000",
        "Probability of port along port: from 0.4000 to 0.4000",
    ]


def test_without_a_shipped_model_a_sentence_stands_there(binary: Run) -> None:
    assert binary.verdict is not None
    for verdict in (None, replace(binary.verdict, shipped=None)):
        shown = {name: part(replace(binary, verdict=verdict)) for name, part in PARTS.items()}
        assert "No model was shipped" in shown.pop("predictions")
        assert set(shown.values()) == {""}
