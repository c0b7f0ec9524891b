"""Entries: a factory's signature is the schema of what an author may write."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from tasks.augmentation.mixup import MIXERS
from tasks.augmentation.table import AUGMENTERS
from tasks.errors import BadInput
from tasks.ranges import Fraction, Positive
from tasks.spec.entries import Check, Entry, bind, dotted
from tasks.spec.load import parse_spec
from tasks.spec.models import Spec
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.validation.checks import CHECKS

FACTORIES = {**OPTIMIZERS, **SCHEDULES, **MODELS, **AUGMENTERS, **MIXERS}


def factory(*, rate: Positive = 0.5, share: Fraction = 0.0, widths: list[int] = [4], name: str | None = None) -> None:  # noqa: B006
    """Nothing in particular."""


def required(*, rate: Positive) -> None:
    """Without a default."""


def refused(parameters: dict[str, Any], of: Callable[..., Any] = factory) -> dict[str, Any]:
    """The facts of the error that binding raises."""
    with pytest.raises(PydanticCustomError) as error:
        bind(of, "it", parameters)
    assert error.value.context is not None
    return error.value.context


def test_every_parameter_is_bound_and_the_defaults_are_copies() -> None:
    bound = bind(factory, "it", {"rate": 2})
    assert bound == {"rate": 2.0, "share": 0.0, "widths": [4], "name": None}
    bound["widths"].append(5)
    assert bind(factory, "it", {})["widths"] == [4]


def test_an_unknown_parameter_is_named_with_the_nearest_known() -> None:
    facts = refused({"raet": 1})
    assert facts["text"] == "it has no parameter raet"
    assert facts["accepted"].startswith("did you mean rate?")


@pytest.mark.parametrize(
    ("parameters", "text", "accepted"),
    [
        ({"rate": 0}, "is out of range", "greater than 0"),
        ({"share": 1}, "is out of range", "less than 1"),
        ({"rate": "fast"}, "is of the wrong type", "a number"),
        ({"rate": True}, "is of the wrong type", "a number"),
        ({"rate": float("nan")}, "is of the wrong type", "a finite number"),
        ({"widths": 4}, "is of the wrong type", "a list"),
        ({"name": 4}, "is of the wrong type", "a text"),
    ],
)
def test_a_wrong_value_is_said_with_what_is_accepted(parameters: dict[str, Any], text: str, accepted: str) -> None:
    facts = refused(parameters)
    assert (facts["text"], facts["accepted"], facts["suffix"]) == (text, accepted, next(iter(parameters)))


def test_the_place_inside_a_list_is_said() -> None:
    assert refused({"widths": [4, 4.5]})["suffix"] == "widths[1]"


def test_a_parameter_without_a_default_must_be_given() -> None:
    assert refused({}, required)["suffix"] == "rate"
    assert bind(required, "it", {"rate": 1}) == {"rate": 1.0}


@pytest.mark.parametrize("name", FACTORIES)
def test_a_factorys_own_defaults_are_accepted_and_make_it(name: str) -> None:
    """`bind` gives plain values that the factory takes, and that bind to themselves."""
    bound = bind(FACTORIES[name], name, {})
    assert bound == bind(FACTORIES[name], name, bound)
    FACTORIES[name](**bound)


@pytest.mark.parametrize("name", FACTORIES)
def test_a_factory_is_keyword_only_documented_and_typed(name: str) -> None:
    made = FACTORIES[name]
    assert made.__doc__
    for parameter in inspect.signature(made).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY, parameter
        assert parameter.annotation is not parameter.empty, parameter


# --- in a spec -----------------------------------------------------------------------------------------------


def spec_with(**train: Any) -> Spec:
    return parse_spec({"data": {"source": "wine"}, "train": train})


@pytest.mark.parametrize(
    "written",
    [
        "momentum",
        {"momentum": None},
        {"momentum": {}},
        {"kind": "momentum"},
        {"momentum": {"momentum": 0.9}},
        {"kind": "momentum", "momentum": 0.9},
    ],
)
def test_an_entry_is_a_name_or_a_name_with_its_parameters(written: object) -> None:
    entry = spec_with(optimizer=written).train.optimizer
    assert (entry.name, entry.parameters) == ("momentum", {"learning_rate": 0.01, "momentum": 0.9})


@pytest.mark.parametrize(
    "written",
    [
        {"flip": None, "noise": {"std": 0.2}},
        {"steps": ["flip", {"noise": {"std": 0.2}}]},
        {"steps": [{"kind": "flip"}, {"kind": "noise", "std": 0.2}], "times": None, "seed": 0},
    ],
)
def test_an_augmentation_has_short_forms(written: object) -> None:
    augmentation = spec_with(augmentation=written).train.augmentation
    assert augmentation is not None
    assert [step.parameters for step in augmentation.steps] == [{"axis": "horizontal", "p": 0.5}, {"std": 0.2}]
    assert str(augmentation) == "flip + noise (std 0.2)"
    assert spec_with(augmentation="flip") == spec_with(augmentation={"kind": "flip"})
    assert spec_with(augmentation="none").train.augmentation is spec_with(augmentation=None).train.augmentation is None


@pytest.mark.parametrize(
    "written",
    [
        3,
        "",
        [],
        ["flip"],
        {},
        {"flip": 3},
        {3: {}},
        {"steps": "flip"},
        {"steps": [[]]},
        {"kind": []},
        {"steps": [None]},
    ],
)
def test_what_is_no_augmentation_is_refused(written: object) -> None:
    with pytest.raises(BadInput, match="augmentation"):
        spec_with(augmentation=written)


def test_an_entry_reads_as_its_author_wrote_it() -> None:
    def said(written: object) -> str:
        return str(spec_with(optimizer=written).train.optimizer)

    assert said("adam") == "adam"
    assert said({"adam": {"beta_1": 0.9}}) == "adam (beta_1 0.9)"
    assert said({"adam": {"beta_2": 0.9, "learning_rate": 1}}) == "adam (learning rate 1, beta_2 0.9)"
    assert said({"adam": {"learning_rate": 0.000001}}) == "adam (learning rate 0.000001)"


@pytest.mark.parametrize(
    "written", [3, None, [], ["adam"], {}, {"adam": {}, "sgd": {}}, {"adam": 3}, {"kind": 3}, "Adam"]
)
def test_what_is_no_entry_is_refused(written: object) -> None:
    with pytest.raises(BadInput) as error:
        spec_with(optimizer=written)
    assert error.value.where == "spec: train.optimizer"
    assert error.value.accepted


def check(written: object) -> Check:
    spec = parse_spec({"data": {"source": "wine", "checks": [written]}})
    return spec.data.checks[0]


def test_an_expectation_warns_unless_it_is_to_block() -> None:
    written = {"expect_column_to_exist": {"column": "ash"}}
    assert check(written).severity == "warn"
    assert check(written | {"severity": "block"}).severity == "block"


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_of_our_own_keeps_its_severity_unless_given_another(name: str) -> None:
    assert check(name).severity == CHECKS[name].severity
    other = "warn" if CHECKS[name].severity == "block" else "block"
    assert check({name: {}, "severity": other}).severity == other


@pytest.mark.parametrize(
    "written",
    [
        3,
        None,
        ["target_leak"],
        {},
        {"severity": "warn"},
        {"target_leak": {}, "severity": "fatal"},
        {"target_leak": {}, "severity": []},
        {"target_leak": {"nonsense": 1}},
        {"expect_column_to_exist": {}},
        {"expect_column_to_exist": {"colum": "ash"}},
        {"expect_column_to_exist": {1: 2}},
        "expect_a_miracle",
    ],
)
def test_what_is_no_check_is_refused(written: object) -> None:
    with pytest.raises(BadInput) as error:
        check(written)
    assert str(error.value.where).startswith("spec: data.checks[0]")


def test_entries_and_checks_come_back_as_written() -> None:
    entry = Entry(name="sgd", parameters={"learning_rate": 0.1})
    assert entry.model_dump() == {"sgd": {"learning_rate": 0.1}}
    written = {"expect_column_to_exist": {"column": "ash"}, "severity": "warn"}
    assert check(written).model_dump() == written


def test_a_path_reads_as_in_the_yaml() -> None:
    assert dotted(("compare", "optimizer", 1, "beta_1")) == "compare.optimizer[1].beta_1"
    assert dotted(()) == ""
