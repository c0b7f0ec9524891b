"""What a request means: which experiment, with which changes; and what the form offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.experiments import shipped
from flows.request import RunRequest, read
from tasks.errors import BadInput
from tests.flows.command import SMALL


def test_the_form_lists_what_there_is(home: Path) -> None:
    own = home / "experiments" / "churn.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    schema = RunRequest.model_json_schema()
    assert schema["properties"]["experiment"]["enum"] == [*shipped(), str(own)]


def test_the_form_is_flat() -> None:
    """A part that opens, or a choice between types, hides what must be filled in."""
    for name, field in RunRequest.model_json_schema()["properties"].items():
        assert {"anyOf", "oneOf", "allOf", "$ref"}.isdisjoint(field), name
        assert field["title"]
        assert field["description"]


def test_one_of_list_file_and_spec_is_meant() -> None:
    assert read(RunRequest(experiment="titanic")).spec.name == "titanic"
    assert read(RunRequest(experiment="titanic", path=str(SMALL))).spec.name == "small"
    inline = read(RunRequest(spec="name: mine\ndata: {source: wine}\n"))
    assert (inline.spec.name, inline.base) == ("mine", Path.cwd())
    with pytest.raises(BadInput, match="a file and a spec are both given"):
        read(RunRequest(path=str(SMALL), spec="data: {source: wine}"))


def test_seeds_and_budget_are_overrides() -> None:
    spec = read(RunRequest(experiment="titanic-search", seeds=3, budget=4, set=["train.epochs=2"])).spec
    assert spec.tune is not None
    assert (spec.train.seeds, spec.tune.trials, spec.train.epochs) == (3, 4, 2)


def test_a_wrong_inline_spec_is_answered_with_its_line() -> None:
    with pytest.raises(BadInput, match=r"spec\.yaml:2: train\.epochs"):
        read(RunRequest(spec="data: {source: wine}\ntrain: {epochs: many}\n"))
