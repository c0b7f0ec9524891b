from __future__ import annotations

from pathlib import Path

from tasks.run_folder import read_json
from tests.unit.serving.test_answers import shipped, table


def test_it_names_every_input_with_what_it_holds(tmp_path: Path) -> None:
    run, _ = shipped(tmp_path / "run", table(tmp_path), target="class", drop=["price"])
    text = (run.folder / "model" / "README.md").read_text(encoding="utf-8")
    signature = read_json(run.folder / "model" / "signature.json")
    for entry in signature["inputs"]:
        assert f"| `{entry['input']}` | `{entry['name']}` | " in text
    assert "`Yes` = 1, `No` = 0" in text
    assert "of dates written as %d.%m.%Y" in text and "bakeoff predict" in text
    assert "in this order: `cheap`, `dear`." in text
