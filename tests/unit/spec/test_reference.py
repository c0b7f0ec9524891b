"""The reference of the spec's keys: complete, in words, and the document that is shipped is current."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.spec.load import parse_spec
from tasks.spec.models import as_written
from tasks.spec.reference import every_key, keys, markdown

DOCUMENT = Path(__file__).parents[3] / "flows" / "experiments" / "REFERENCE.md"


def test_the_document_is_current() -> None:
    said = "renew it: python -m tasks.spec.reference > flows/experiments/REFERENCE.md"
    assert DOCUMENT.read_text(encoding="utf-8") == markdown(), said


def test_every_key_is_described() -> None:
    assert [key.path for key in every_key() if not key.description] == []
    assert not [key for key in every_key() if re.search(r"typing|Annotated|<|None \|", key.accepted)]


def test_every_key_of_a_spec_as_written_is_there() -> None:
    """A spec with all defaults written out names no key that the reference lacks."""
    written = as_written(
        parse_spec({"data": {"source": "wine"}, "tune": {}, "gates": [{"metric": "f1", "at_least": 0}]})
    )
    paths = {key.path for key in keys()}
    tables = {f"train.{name}" for name in ("optimizer", "schedule", "averaging", "loss")} | {"model"}

    def check(value: object, path: str) -> None:
        if isinstance(value, dict) and path not in tables and path != "tune.space":
            for name, inner in value.items():
                check(inner, f"{path}.{name}" if path else name)
        else:
            assert path in paths

    check(written, "")


def test_ranges_choices_and_tables_are_said() -> None:
    found = {key.path: key for key in keys()}
    assert found["train.regularisation.dropout"].accepted == "a number, at least 0, below 1"
    assert found["train.batch_size"].accepted == "a whole number, at least 1, at most 1,000,000"
    assert found["train.imbalance"].accepted == "none | class_weight | resample"
    assert "bakeoff list searchers" in found["tune.method"].accepted
    assert "bakeoff list optimizers" in found["compare.optimizer"].accepted
    assert found["data.source"].default is None and found["train.epochs"].default == "20"
