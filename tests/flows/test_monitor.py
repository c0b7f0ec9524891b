"""`bakeoff monitor`: the answer for new rows, messages about unusual rows, and the history."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import monitor as flow
from flows.cli import main
from flows.gc import removable
from flows.request import RunRequest, read
from reports.index import write_index
from reports.monitoring import write_page
from reports.render import outside_references
from tasks import stages
from tasks.history import past
from tasks.monitoring.reference import REFERENCE
from tasks.records.monitoring import Monitored, Noticed
from tests.hostile import HOSTILE
from tests.runs import planned

Change = Callable[[pd.DataFrame], pd.DataFrame]
ROWS = 300


def people(seed: int, rows: int) -> pd.DataFrame:
    """Returns people whose repayment depends on income; the branch is constant."""
    rng = np.random.default_rng(seed)
    income, age = rng.normal(size=(2, rows)).round(6)
    town = rng.choice(["north", "south"], rows)
    paid = np.where(income + 0.3 * rng.normal(size=rows) > 0, "yes", "no")
    age[rng.random(rows) < 0.02] = np.nan
    return pd.DataFrame({"income": income, "age": age, "town": town, "branch": 1, "paid": paid})


def made(folder: Path, name: str, spec: dict[str, Any]) -> None:
    """Trains a model of an experiment and makes it the champion."""
    run = planned(folder / "runs" / f"first-{name}", {"name": name, **spec}, home=folder)
    stages.validate(run.run, run.prepared.dataset, run.splits)
    run.judge(run.tables())
    with pytest.raises(SystemExit) as end:
        main(["promote", f"first-{name}", "--home", str(folder)])
    assert end.value.code == 0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a champion of the experiment `loans`."""
    folder = tmp_path_factory.mktemp("home")
    people(0, 1500).to_csv(folder / "loans.csv", index=False)
    spec = {
        "data": {
            "source": str(folder / "loans.csv"),
            "target": "paid",
            "checks": [{"expect_column_values_to_be_between": {"column": "age", "max_value": 9}, "severity": "warn"}],
        },
        "model": "linear",
        "train": {"epochs": 20, "seeds": 1, "learning_rate": 0.02},
        "evaluate": {"slices": ["town"]},
    }
    made(folder, "loans", spec)
    return folder


@pytest.fixture
def watch(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def command(change: Change = lambda frame: frame, *more: object, rows: int = ROWS) -> tuple[int, str]:
        file = tmp_path / "new.csv"
        change(people(1, rows)).to_csv(file, index=False)
        with pytest.raises(SystemExit) as end:
            main(["monitor", "loans", "--data", str(file), "--home", str(home), *map(str, more)])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    return command


def last(home: Path) -> Monitored:
    return past(home, "loans")[-1][1]


def test_unchanged_rows_keep_the_champion(home: Path, watch: Callable[..., tuple[int, str]]) -> None:
    code, said = watch()
    assert code == 0 and said.startswith("keep  The data are as in the champion's reference, and its errors")
    page = Path(said.splitlines()[-1])
    text = page.read_text(encoding="utf-8")
    assert page.parent.parent == home / "monitoring" / "loans" and not outside_references(text)
    assert '<p class="headline">Keep the champion</p>' in text and '<h1 class="title">loans</h1>' in text
    record = json.loads((page.parent / "monitor.json").read_text())
    assert (record["answer"], record["experiment"], record["run"]) == ("keep", "loans", "first-loans")
    # The index shows it, and housekeeping never removes it.
    assert f'href="monitoring/loans/{page.parent.name}/report.html"' in (home / "index.html").read_text()
    assert not [each for each in removable(home, 0) if "monitoring" in each.path.parts]


def test_a_few_unchanged_rows_do_not_say_that_nothing_changed(watch: Callable[..., tuple[int, str]]) -> None:
    code, said = watch(lambda frame: frame[:1])
    assert code == 0 and "the champion, but 1 row can hardly tell: at least 30" in " ".join(said.split())


@pytest.mark.parametrize(
    ("change", "columns", "said"),
    [
        (lambda x: x.assign(age=x["age"] + 0.8), ["age"], "watch Changed: age."),
        (lambda x: x.assign(branch=np.where(np.arange(len(x)) > len(x) - 9, 2, 1)), ["branch"], "branch"),
        (lambda x: x.assign(town=np.where(np.arange(len(x)) < 30, "east", x["town"])), ["town"], "'east'"),
        (lambda x: x.assign(age=x["age"].mask(np.arange(len(x)) % 4 == 0)), ["age"], "missing"),
        (lambda x: x.assign(income="high"), ["income"], "income is of another kind: 300 of 300 values"),
        (lambda x: x.assign(paid="maybe"), ["paid"], "none of the champion's classes, such as maybe"),
        (lambda x: x.assign(age=x["age"].mask(np.arange(len(x)) == 7, 11.0)), ["age"], "at most 9"),
    ],
    ids=["shift", "constant", "new category", "missing", "kind", "labels", "expectation of the spec"],
)
def test_a_change_without_harm_is_to_be_watched(
    home: Path, watch: Callable[..., tuple[int, str]], change: Change, columns: list[str], said: str
) -> None:
    code, output = watch(change)
    found = last(home)
    if "income" in columns:  # without income the model makes errors
        assert code == 5 and found.answer == "retrain"
    else:
        assert code == 4 and found.answer == "watch"
    assert list(found.windows[0].columns) == columns and said in " ".join(output.split())


def test_more_errors_ask_for_a_new_model(home: Path, watch: Callable[..., tuple[int, str]]) -> None:
    code, said = watch(lambda x: x.assign(paid=np.where(x["town"] == "north", "yes", x["paid"])))
    assert code == 5 and "retrain  The model has become worse: its error rate rose from" in said
    alarms = {(each.what, each.name) for each in last(home).windows[0].alarms}
    assert ("errors", "error rate") in alarms and ("errors of a slice", "town: north") in alarms
    assert ("errors of a slice", "town: south") not in alarms
    before, now = last(home).windows[0].calibration or (None, None)
    assert before and now and before.mean and now.mean and now.mean > before.mean


def test_without_labels_two_changed_windows_in_a_row_do_too(home: Path, watch: Callable[..., tuple[int, str]]) -> None:
    watch()  # so that the window before is unchanged

    def older(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(age=frame["age"] + 0.8).drop(columns="paid")

    code, said = watch(older)
    assert code == 4 and "There are no labels (column paid)" in " ".join(said.split())
    code, said = watch(older)
    assert code == 5 and "Changed in two windows in a row: age" in said
    code, said = watch(lambda x: x.assign(income=x["income"] + 1).drop(columns="paid"))
    assert code == 5 and "What the model answers has changed" in said


def test_a_long_file_is_looked_at_in_windows(home: Path, watch: Callable[..., tuple[int, str]]) -> None:
    def late(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(age=frame["age"] + np.where(np.arange(len(frame)) < 600, 0, 0.8))

    code, said = watch(late, "--window", 300, rows=950)
    found = last(home)
    assert [(each.first, each.rows, each.answer) for each in found.windows] == [
        (1, 300, "keep"),
        (301, 300, "keep"),
        (601, 350, "watch"),
    ]
    assert code == 4 and "Rows 601 to 950: Changed: age." in said


def test_order_and_other_columns_do_not_matter(home: Path, watch: Callable[..., tuple[int, str]]) -> None:
    code, said = watch(lambda x: x.assign(extra="x")[["paid", "extra", "town", "branch", "age", "income"]])
    assert code == 0 and "not seen in training, so not used: extra" in said and "in another order" in said


def test_one_row_has_an_answer(home: Path, watch: Callable[..., tuple[int, str]]) -> None:
    code, _ = watch(rows=1)
    assert code == 0 and last(home).windows[0].rows == 1
    code, said = watch(lambda x: x.assign(town="east"), rows=1)
    assert code == 4 and "Changed: town." in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.drop(columns=["town", "age"]), "columns are missing that the model was trained on"),
        (lambda x: x.head(0), "has a header but no rows"),
    ],
    ids=["columns", "empty"],
)
def test_what_can_not_be_read_is_refused(watch: Callable[..., tuple[int, str]], change: Change, said: str) -> None:
    code, output = watch(change)
    assert code == 2 and said in output and "Traceback" not in output


def test_a_champion_that_is_not_there_is_said(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(experiment: str, file: Path, folder: Path = home) -> str:
        with pytest.raises(SystemExit) as end:
            main(["monitor", experiment, "--data", str(file), "--home", str(folder)])
        assert end.value.code == 2
        return capsys.readouterr().err

    file = home / "loans.csv"
    assert "did you mean loans" in asked("loan", file) and "bakeoff promote RUN" in asked("x", file, tmp_path)
    assert "is not there" in asked("loans", tmp_path / "gone.csv")
    assert "is not there" in asked("loans", tmp_path / f"{'x' * 300}.csv")
    entry = next((home / "champions" / "loans").iterdir())
    (entry / REFERENCE).rename(entry / "away")
    assert "no reference to hold new rows against" in asked("loans", file)
    (entry / "away").rename(entry / REFERENCE)


def test_the_flow_looks_at_new_files_and_trains_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(home))
    incoming = home / "incoming" / "loans"
    incoming.mkdir(parents=True)
    people(1, ROWS).to_csv(incoming / "1.csv", index=False)
    worse = people(1, ROWS)
    worse.assign(paid=worse["paid"].map({"yes": "no", "no": "yes"})).to_csv(incoming / "2.csv", index=False)
    started: list[Any] = []
    monkeypatch.setattr(flow, "run_deployment", lambda name, **options: started.append((name, options["parameters"])))
    events: list[Any] = []
    monkeypatch.setattr(flow.RunPage, "_emit", lambda self, event, experiment, payload: events.append((event, payload)))
    folders = flow.monitor.fn(flow.MonitorRequest())
    assert isinstance(folders, list) and [Monitored.read(Path(each)).answer for each in folders] == ["keep", "retrain"]
    ((name, parameters),) = started
    assert name == "bakeoff/bake-off" and read(RunRequest(**parameters["request"])).spec.name == "loans"
    ((event, payload),) = events
    assert event == "bakeoff.drift.detected" and (payload["experiment"], payload["answer"]) == ("loans", "retrain")
    assert flow.monitor.fn(flow.MonitorRequest()) == []


def test_names_from_data_are_text_on_the_pages(home: Path, tmp_path: Path) -> None:
    found = last(home)
    window = found.windows[0]
    hostile = replace(
        window,
        sentence=HOSTILE[0],
        columns=HOSTILE,
        noticed=[Noticed(fault=True, sentence=each) for each in HOSTILE],
        measured=[
            replace(each, name=HOSTILE[0], bars=[replace(bar, label=HOSTILE[0]) for bar in each.bars])
            for each in window.measured
        ],
    )
    odd = replace(found, data=HOSTILE[0], sentence=HOSTILE[0], windows=[hostile, hostile])
    text = write_page(tmp_path / "page.html", [odd, odd]).read_text(encoding="utf-8")
    assert not any(each in text for each in HOSTILE if "<" in each)
    odd.write(past(home, "loans")[-1][0])
    assert not any(each in write_index(home).read_text(encoding="utf-8") for each in HOSTILE if "<" in each)


@pytest.mark.slow
def test_of_quantities_and_texts_errors_and_lengths_are_compared(tmp_path: Path) -> None:
    def written(seed: int, rows: int) -> pd.DataFrame:
        frame, rng = people(seed, rows), np.random.default_rng(seed)
        words = np.array(["good", "bad", "fine", "poor", "film", "plot", "actor", "scene"])
        return frame.assign(note=[" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(rows)])

    written(0, 800).to_csv(tmp_path / "old.csv", index=False)
    data = {"source": str(tmp_path / "old.csv"), "target": "income", "columns": {"note": "text"}}
    made(tmp_path, "incomes", {"data": data, "model": "text", "train": {"epochs": 10, "seeds": 1}})
    longer = written(1, ROWS).assign(note=lambda x: x["note"] + " and " + x["note"])
    for frame in (longer, longer.assign(income=3 * longer["income"])):
        frame.to_csv(tmp_path / "new.csv", index=False)
        with pytest.raises(SystemExit):
            main(["monitor", "incomes", "--data", str(tmp_path / "new.csv"), "--home", str(tmp_path)])
    (_, watched), (_, worse) = past(tmp_path, "incomes")
    assert watched.answer == "watch" and list(watched.windows[0].columns) == ["note"]
    assert worse.answer == "retrain" and "mean absolute error rose from" in worse.sentence
