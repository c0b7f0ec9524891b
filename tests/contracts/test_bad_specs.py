"""Every wrong spec and data file under tests/bad_specs is answered with the message beside it."""

from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.planning.plan import lay_out
from tasks.planning.searches import check_search
from tasks.spec.load import load_spec

CASES = sorted(path.parent for path in (Path(__file__).parent.parent / "bad_specs").glob("*/spec.yaml"))


def message_of(case: Path, home: Path) -> str:
    """What a user is told: the same steps as the command's, as far as the plan."""
    from tasks.datasets.load import load_dataset
    from tasks.datasets.splits import split_rows

    with pytest.raises(BadInput) as error:
        spec, _ = load_spec(case / "spec.yaml")
        check_search(spec)
        dataset = load_dataset(spec.data, home=home, base=case)
        splits = split_rows(dataset, spec.data.split)
        parts = splits["part"].value_counts().to_dict()
        lay_out(spec, dataset, parts, (dataset.table.shape[1],))
    return error.value.message()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message(case: Path, tmp_path: Path) -> None:
    assert message_of(case, tmp_path) == (case / "message.txt").read_text(encoding="utf-8").rstrip("\n")


def test_there_are_at_least_thirty() -> None:
    assert len(CASES) >= 30
