"""A model's README: every input with what it holds, and examples that run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd

from tasks.run_folder import read_json
from tests.served import alone
from tests.unit.serving.test_answers import shipped, table


def test_it_names_every_input_and_its_examples_run(tmp_path: Path) -> None:
    run, _ = shipped(tmp_path / "run", table(tmp_path), target="class", drop=["price"])
    model = Path(shutil.copytree(run.folder / "model", tmp_path / "elsewhere"))
    text = (model / "README.md").read_text(encoding="utf-8")
    for entry in read_json(model / "signature.json")["inputs"]:
        assert f"| `{entry['input']}` | `{entry['name']}` | " in text
    assert "`Yes` = 1, `No` = 0" in text and "one of `A`, `B`, `C`" in text
    assert "of `day`, dates written as %d.%m.%Y" in text and "bakeoff predict .. new.csv" in text
    assert "in this order: `cheap`, `dear`." in text
    program, with_project = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    (python,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (model / "example.py").write_text(python)
    for words in (["bash", "-e", "-c", program], ["python", "example.py"]):
        done = subprocess.run(words, cwd=model, env=alone(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    written = pd.read_csv(model / "answers.csv", keep_default_na=False)
    assert len(written) == 1 and list(written["problem"]) == [""]
    assert with_project.startswith("bakeoff predict")
