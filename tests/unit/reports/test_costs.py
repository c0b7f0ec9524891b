"""The section on threshold and costs."""

from __future__ import annotations

from dataclasses import replace

from reports import figures, tables
from reports.figures.costs import cost_curve
from reports.sections import SECTIONS
from tasks.records.estimate import Estimate
from tasks.records.verdict import CurvePoint, OperatingPoint, PointCost, PositiveClass, Verdict
from tests.verdicts import verdict_of

HOSTILE = "{{< env HOME >}}"

POINT = OperatingPoint(
    threshold=0.1234,
    low=0.05,
    high=0.2,
    how="chosen for the least cost on the validation part",
    costs=[
        PointCost(name="adam, seed 0, at its threshold", threshold=0.1234, cost=Estimate(0.5, 0.4, 0.6)),
        PointCost(name="bad for every row", threshold=None, cost=Estimate(0.7, 0.6, 0.8)),
        PointCost(name="adam, seed 0, best in hindsight", threshold=0.1, cost=Estimate(0.45, None, None)),
    ],
    curve=[CurvePoint(threshold=each / 10, cost=Estimate(each, each - 0.1, each + 0.1)) for each in range(11)],
)


def verdict() -> Verdict:
    return verdict_of(
        operating_point=POINT,
        positive=PositiveClass(name="bad", why=None, rows=60, of=200),
        titles={"cost_per_case": f"Cost per case in {HOSTILE}"},
    )


def test_the_threshold_is_said_with_how_far_it_moves() -> None:
    said = tables.threshold(verdict())
    assert "0&#46;123&#44; chosen for the least cost" in said and "0&#46;05&#44; 0&#46;2" in said
    fixed = replace(POINT, low=None, high=None, how="as the spec gives it")
    assert "Resamples" not in tables.threshold(replace(verdict(), operating_point=fixed))


def test_an_interval_that_few_positives_chose_says_little() -> None:
    for positives, little in ((4, True), (5, False)):
        own = replace(verdict(), operating_point=replace(POINT, positives=positives))
        assert ("says little" in tables.threshold(own)) == little


def test_each_way_to_decide_is_set_against_the_shipped_model() -> None:
    said = tables.costs(verdict())
    assert said.count("<tr") == 4 and "bad for every row" in said
    assert "&#43;0&#46;20" in said and HOSTILE not in said


def test_the_curve_marks_the_threshold() -> None:
    (chart,) = cost_curve(verdict()).values()
    assert "0.123" in str(chart.to_dict()) and HOSTILE not in figures.tabs(cost_curve(verdict()))


def test_without_a_rule_there_is_no_section() -> None:
    plain = replace(verdict(), operating_point=OperatingPoint(threshold=0.5))
    assert (tables.threshold(plain), tables.costs(plain), cost_curve(plain)) == ("", "", {})
    assert list(SECTIONS).index("costs") < list(SECTIONS).index("predictions")
