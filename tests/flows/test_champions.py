"""`bakeoff promote`, and how the next runs of the experiment are compared with the champion."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.cli import main
from reports.tables import champion
from tasks.champions.store import entries
from tasks.records.verdict import AgainstChampion, Verdict
from tasks.run_folder import write_json
from tests.hostile import HOSTILE
from tests.runs import planned
from tests.verdicts import verdict_of

Promote = Callable[..., tuple[int, str]]
PASSES = {"metric": "accuracy", "at_least": 0.1, "severity": "block"}
STRONG = {"model": {"kind": "mlp", "hidden": [32]}}
FAILS = {"metric": "accuracy", "at_least": 1.0, "severity": "block"}


def loans(path: Path, rows: int = 600, seed: int = 0) -> Path:
    """Writes loans whose repayment depends on income, and on age in a way that only a non-linear model can learn."""
    rng = np.random.default_rng(seed)
    income, age = rng.normal(size=(2, rows))
    town = rng.choice(["north", "south"], rows)
    paid = np.where(income + 2 * (age**2 - 1) > 0.3 * rng.normal(size=rows), "yes", "no")
    pd.DataFrame({"income": income.round(6), "age": age.round(6), "town": town, "paid": paid}).to_csv(path, index=False)
    return path


def judged(home: Path, name: str, source: Path, *gates: Any, **more: Any) -> Verdict:
    data = {"source": str(source), "target": "paid", **more.pop("data", {})}
    train = {"epochs": 30, "seeds": 1, "learning_rate": 0.02}
    spec = {
        "name": "loans",
        "data": data,
        "model": more.pop("model", "linear"),
        "train": train,
        "gates": list(gates),
        **more,
    }
    one = planned(home / "runs" / name, spec, home=home)
    return one.judge(one.tables())


def against(verdict: Verdict) -> AgainstChampion:
    assert verdict.champion is not None
    return verdict.champion


@pytest.fixture
def promote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Promote:
    def command(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(["promote", *map(str, arguments), "--home", str(tmp_path)])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return command


@pytest.mark.slow
def test_a_promoted_model_judges_the_next_runs(tmp_path: Path, promote: Promote) -> None:
    source = loans(tmp_path / "first.csv")
    assert judged(tmp_path, "weak", source, PASSES).champion is None
    code, said = promote("weak")
    assert code == 0
    card = Path(said.splitlines()[0]).read_text()
    assert card.startswith("# Model card: loans\n") and "python model/predict.py FILE" in card
    assert all(f"\n## {title}\n" in card for title in ("Data", "Recipe", "Figures", "Gates", "Limits", "How to use it"))

    # The same rows in the same parts: the test rows are new to both.
    better = against(judged(tmp_path, "strong", source, PASSES, **STRONG))
    assert (better.answer, better.run, better.rows, better.of) == ("replace", "weak", 120, 120)
    assert better.difference and better.difference.low and better.difference.low > 0
    assert "Replace the champion (weak). The shipped model's accuracy is" in better.sentence

    # The better one does not replace where a blocking gate is closed.
    closed = against(judged(tmp_path, "closed", source, FAILS, **STRONG))
    assert closed.answer == "keep" and "but a blocking gate does not pass" in closed.sentence

    assert promote("strong")[0] == 0
    assert [path.name[:5] for path in entries(tmp_path, "loans")] == ["0001-", "0002-"]
    worse = against(judged(tmp_path, "weak-again", source, PASSES))
    assert worse.answer == "keep" and "worse on 120 rows" in worse.sentence
    same = against(judged(tmp_path, "strong-again", source, PASSES, **STRONG))
    assert same.answer == "can't tell" and same.difference and same.difference.mean == 0.0


@pytest.mark.slow
def test_rows_that_either_model_learned_from_do_not_count(tmp_path: Path, promote: Promote) -> None:
    judged(tmp_path, "first", loans(tmp_path / "first.csv"))
    assert promote("first")[0] == 0
    first, new = pd.read_csv(tmp_path / "first.csv"), pd.read_csv(loans(tmp_path / "new.csv", seed=1))
    # Columns in another order, and a new column: equal rows are still recognised.
    grown = (
        pd.concat([first, new])
        .sample(frac=1, random_state=0)
        .assign(branch=1.0)[["town", "branch", "age", "income", "paid"]]
    )
    grown.to_csv(tmp_path / "grown.csv", index=False)
    found = against(judged(tmp_path, "grown", tmp_path / "grown.csv"))
    former = pd.read_parquet(entries(tmp_path, "loans")[-1] / "splits.parquet")
    learned = first.iloc[former.loc[former["part"] != "test", "row"]]["income"]
    split = pd.read_parquet(tmp_path / "runs" / "grown" / "splits.parquet")
    test = grown["income"].to_numpy()[split.loc[split["part"] == "test", "row"]]
    assert (found.rows, found.of) == (len(test) - np.isin(test, learned).sum(), len(test))
    assert found.rows < 0.75 * found.of

    # Another seed splits the same rows differently, so the champion was trained on most test rows.
    other = against(judged(tmp_path, "other", tmp_path / "first.csv", **STRONG, data={"split": {"seed": 5}}))
    assert other.answer == "can't tell" and "equal to" in other.sentence and "learned from rows" in other.sentence


@pytest.mark.slow
def test_a_procedure_judged_out_of_fold_meets_the_champion_on_rows_new_to_both(
    tmp_path: Path, promote: Promote
) -> None:
    judged(tmp_path, "weak", loans(tmp_path / "first.csv", rows=200))
    assert promote("weak")[0] == 0
    folds: dict[str, Any] = {"evaluate": {"folds": 5, "metric": "accuracy"}, **STRONG}
    # The same rows: the champion learned from all but its 40 test rows.
    same = against(judged(tmp_path, "same", tmp_path / "first.csv", **folds))
    assert (same.rows, same.of) == (40, 200)
    # Every new row counts, except one that appears twice.
    new = pd.read_csv(loans(tmp_path / "new.csv", rows=300, seed=1))
    pd.concat([new, new[:1]]).to_csv(tmp_path / "new.csv", index=False)
    better = against(judged(tmp_path, "new", tmp_path / "new.csv", **folds))
    assert better.rows >= 295 and better.answer == "replace"
    assert "The procedure that made the shipped model's accuracy is" in better.sentence
    assert "out of fold, on " in better.sentence and "new to the champion too" in better.sentence

    # A champion without a test part learned from all its rows.
    assert promote("new", "--force", "--why", "test")[0] == 0
    again = against(judged(tmp_path, "again", tmp_path / "new.csv", **folds))
    assert again.answer == "can't tell" and again.rows == 0
    assert "it learned from rows equal to 300 of the 300 rows held out" in again.sentence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop(columns="town"), "columns are missing that it was trained on (town)"),
        (lambda frame: frame.assign(income=frame["income"].map(lambda x: "low" if x < 0 else "high")), "a number"),
        (lambda frame: frame.assign(paid=frame["paid"].replace("no", "never")), "another target or other classes"),
    ],
    ids=["column", "kind", "classes"],
)
def test_a_champion_of_another_schema_is_said_to_be_one(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str, tmp_path: Path, promote: Promote
) -> None:
    judged(tmp_path, "first", loans(tmp_path / "first.csv"))
    assert promote("first")[0] == 0
    change(pd.read_csv(loans(tmp_path / "new.csv", seed=1))).to_csv(tmp_path / "new.csv", index=False)
    found = against(judged(tmp_path, "other", tmp_path / "new.csv"))
    assert (found.answer, found.rows) == ("can't tell", 0) and said in found.sentence


def test_values_are_compared_in_their_unit(tmp_path: Path, promote: Promote) -> None:
    loans(tmp_path / "first.csv")
    target = {"data": {"target": "income"}}
    judged(tmp_path, "values", tmp_path / "first.csv", **target)
    assert promote("values")[0] == 0
    again = against(judged(tmp_path, "values-again", tmp_path / "first.csv", **target))
    assert again.champion and again.challenger and again.champion.mean and again.challenger.mean
    assert again.champion.mean == pytest.approx(again.challenger.mean, rel=1e-5)


def test_a_threshold_is_compared_too(tmp_path: Path, promote: Promote) -> None:
    source = loans(tmp_path / "first.csv")
    cost = {"evaluate": {"metric": "cost_per_case", "cost": {"false_negative": 5, "false_positive": 1}}}
    judged(tmp_path, "costs", source, **STRONG, **cost)
    assert promote("costs")[0] == 0
    again = against(judged(tmp_path, "costs-again", source, **STRONG, **cost))
    # The champion decides by its own threshold, which is the new model's too.
    assert again.champion == again.challenger and again.difference and again.difference.mean == 0.0


def test_what_can_not_be_promoted_is_refused(tmp_path: Path, promote: Promote) -> None:
    source = loans(tmp_path / "first.csv")
    judged(tmp_path, "closed", source, FAILS)
    sentence = Verdict.read(tmp_path / "runs" / "closed").gates[0].sentence
    code, said = promote("closed")
    assert code == 2 and sentence in said and "--force --why TEXT" in said
    assert promote("closed", "--force")[0] == promote("closed", "--why", "so")[0] == 2
    assert not (tmp_path / "champions").exists()
    code, said = promote("closed", "--force", "--why", f"no other yet {HOSTILE[0]}")
    assert code == 0
    entry = entries(tmp_path, "loans")[0]
    record = json.loads((entry / "promotion.json").read_text())
    assert record["closed"] == [sentence] and record["why"].startswith("no other yet") and record["by"]
    assert HOSTILE[0] not in (entry / "card.md").read_text()
    assert "champion already" in promote("closed", "--force", "--why", "again")[1]

    assert promote("gone")[0] == 2 and "did you mean closed" in promote("close")[1]
    run = tmp_path / "runs" / "closed"
    plan = json.loads((run / "plan.json").read_text())
    write_json(run / "plan.json", plan | {"spec": plan["spec"] | {"lesson": "overfitting"}})
    assert "a lesson's model" in promote("closed")[1]
    write_json(run / "plan.json", plan)
    (run / "model" / "signature.json").unlink()
    assert "shipped no model" in promote("closed")[1]
    (run / "verdict.json").unlink()
    code, said = promote("closed")
    assert code == 2 and "no finished run" in said
    assert len(entries(tmp_path, "loans")) == 1 and not list((tmp_path / "champions" / "loans").glob(".*"))


def test_the_report_says_whether_to_replace(tmp_path: Path, promote: Promote) -> None:
    source = loans(tmp_path / "first.csv")
    judged(tmp_path, "first", source)
    promote("first")
    verdict = judged(tmp_path, "second", source)
    hostile = replace(verdict, champion=replace(against(verdict), sentence=HOSTILE[0]))
    assert "Replace the champion?" in champion(verdict) and HOSTILE[0] not in champion(hostile)
    assert champion(verdict_of()) == ""
