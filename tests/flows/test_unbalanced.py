"""Messages and the deciding metric where nearly all rows are of one class and the spec names no metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from flows.cli import main
from tests.runs import planned

WHY = "95% of the training rows are of no, so accuracy would say little"


def _spec(folder: Path, **parts: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    rare = np.arange(600) % 20 == 0
    table = pd.DataFrame({"x": rng.normal(size=600) + 2 * rare, "y": np.where(rare, "yes", "no")})
    table.to_csv(folder / "d.csv", index=False)
    train = {"epochs": 1, "seeds": 1}
    return {"data": {"source": str(folder / "d.csv"), "target": "y"}, "model": "linear", "train": train, **parts}


def test_the_verdict_says_what_always_the_same_answer_gets(tmp_path: Path) -> None:
    run = planned(tmp_path / "run", _spec(tmp_path))
    assert (run.plan.metric, run.plan.metric_why) == ("balanced_accuracy", WHY)
    verdict = run.judge(run.tables())
    assert verdict.metric == "balanced_accuracy"
    first = verdict.warnings[0]
    assert first.startswith("Always predicting no is right in 95.0% of the test rows; adam is right in ")
    assert (
        "So balanced accuracy decides, not accuracy (evaluate.metric overrules): always predicting no gets 0.5" in first
    )


def test_a_metric_that_the_spec_names_is_kept(tmp_path: Path) -> None:
    run = planned(tmp_path / "run", _spec(tmp_path, evaluate={"metric": "accuracy"}))
    assert (run.plan.metric, run.plan.metric_why) == ("accuracy", None)
    assert run.judge(run.tables()).warnings[0].endswith("let balanced_accuracy, pr_auc or a cost decide.")


def test_check_says_what_decides_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(_spec(tmp_path)))
    with pytest.raises(SystemExit):
        main(["check", str(tmp_path / "spec.yaml"), "--home", str(tmp_path)])
    assert f"decided by balanced_accuracy\n  {WHY}: evaluate.metric overrules" in capsys.readouterr().out
