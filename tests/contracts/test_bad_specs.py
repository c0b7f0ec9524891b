"""Every wrong spec and data file under tests/bad_specs is answered by the command with the message beside it."""

import re
from pathlib import Path

import pytest

from flows.cli import main

CASES = sorted(path.parent for path in (Path(__file__).parent.parent / "bad_specs").glob("*/spec.yaml"))
STAGE_DONE = re.compile(r"^(load|split|validate) +\d+\.\d s\n", re.MULTILINE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that `bakeoff check` prints, but for the stages that are done by then and their seconds."""
    with pytest.raises(SystemExit) as end:
        main(["check", str(case / "spec.yaml"), "--home", str(tmp_path)])
    said = capsys.readouterr()
    assert end.value.code == 2
    assert STAGE_DONE.sub("", said.err) == (case / "message.txt").read_text(encoding="utf-8")
    assert said.out == ""


def test_there_are_at_least_thirty() -> None:
    assert len(CASES) >= 30
