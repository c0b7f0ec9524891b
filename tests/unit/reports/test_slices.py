"""The section on slices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports import tables
from reports.figures import by_slice, place
from reports.run import read_run
from reports.sections import SECTIONS, markdown
from tasks.records.estimate import Estimate
from tasks.records.slices import JudgedSlice, JudgedSlicing, SliceDifference, WorstSlice
from tests.synthetic_run import HOSTILE, write_synthetic_run
from tests.verdicts import verdict_of

SHARE = Estimate(0.5, 0.4, 0.6)


def one(name: str, rows: int = 100, **more: object) -> JudgedSlice:
    return JudgedSlice(name=name, values=[name], rows=rows, few=rows < 30, metric=SHARE, **more)


RATES = {"positives": 40, "selection": SHARE, "true_positive": SHARE, "false_positive": Estimate(None)}
FOUND = JudgedSlicing(
    columns=[HOSTILE[0], HOSTILE[1]],
    slices=[one(HOSTILE[2], **RATES), one(HOSTILE[3], 12, **RATES), one("plain", **RATES)],
    differences=[SliceDifference(metric="x", title="Parity", difference=SHARE, lies=f"between {HOSTILE[0]} and b")],
    worst=WorstSlice(name="b", metric=SHARE, others=SHARE, slices=2, worse=False, sentence=f"Worst: {HOSTILE[1]}"),
)


def test_names_from_data_are_texts_in_tables_charts_and_tabs(tmp_path) -> None:
    run = read_run(write_synthetic_run(tmp_path), "a test")
    assert run.verdict is not None
    shown = replace(run, verdict=replace(run.verdict, slices=[FOUND, replace(FOUND, columns=["plain"])]))
    (_, section, *scripts) = markdown(shown, [SECTIONS["slices"]])
    assert "The shipped model on the test part" in section and scripts
    for text in HOSTILE:
        assert text not in section
    assert not SECTIONS["slices"].shown(run)


def test_a_slice_of_few_rows_is_marked_and_the_limit_said() -> None:
    said = tables.slicing(verdict_of(), FOUND)
    assert said.count("too few to tell") == 2 and "Fewer than 30 rows" in said
    many = tables.slicing(verdict_of(), replace(FOUND, slices=[FOUND.slices[0], FOUND.slices[2]]))
    assert "too few" not in many and 'class="sorted"' in many


@pytest.mark.parametrize(
    ("more", "column"), [({"residual": SHARE}, "Mean residual"), ({"cost": SHARE}, "Cost per case")]
)
def test_columns_are_those_that_a_slice_has(more: dict[str, Estimate], column: str) -> None:
    said = tables.slicing(verdict_of(), replace(FOUND, slices=[one("a", **more), one("b", **more)]))
    assert column in said and "Positives" not in said and "Selection rate" not in said


def test_one_slice_is_not_drawn() -> None:
    assert by_slice(verdict_of(), replace(FOUND, slices=FOUND.slices[:1])) is None
    drawn = by_slice(verdict_of(), FOUND)
    assert drawn is not None and place(drawn)
