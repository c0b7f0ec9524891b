"""Runs cases again that once went wrong: `python -m tests.cases FOLDER`.

FOLDER holds a folder for each case, with `spec.yaml` and its data; the case's name selects the rule that judges it. The
case `hostile` is a folder of such cases, whose specs are checked one by one within limits of memory and time. Each case
is copied, since a run must not write beside its data. Prints a line for each case: the expected answer, the answer, ok
or not. Exits with 1 if a case is not ok.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

BAKEOFF = Path(sys.executable).with_name("bakeoff")


@dataclass(frozen=True)
class Ran:
    """A finished command: its exit code, all that it printed, and the run's folder."""

    code: int
    said: str
    folder: Path

    @cached_property
    def verdict(self) -> dict[str, Any]:
        return json.loads((self.folder / "verdict.json").read_text())

    @property
    def told(self) -> str:
        """The sentences of the verdict: its main sentence, warnings and next steps."""
        found = self.verdict
        return " ".join([found["sentence"], *found["warnings"], *found["next"]])

    def gate(self, metric: str) -> dict[str, Any]:
        return next(gate for gate in self.verdict["gates"] if gate["metric"] == metric)

    @property
    def failed_checks(self) -> dict[str, str]:
        """The severity of each data check that failed, by the check's name."""
        results = json.loads((self.folder / "validation.json").read_text())["results"]
        return {result["check"]: result["severity"] for result in results if not result["success"]}


@dataclass(frozen=True)
class Case:
    """A case in a folder of its own."""

    folder: Path

    def check(self, spec: str = "spec.yaml") -> Ran:
        return self._command("check", spec)

    def run(self, *options: str) -> Ran:
        return self._command("run", "spec.yaml", "--run-dir", str(self.folder / "run"), *options)

    def predict(self, file: str) -> Ran:
        """Predicts a file by the run's model; the answers are written to `answers.csv`."""
        return self._command("predict", str(self.folder / "run"), file, "--output", str(self.folder / "answers.csv"))

    def _command(self, *arguments: str) -> Ran:
        home = ("--home", str(self.folder / "home"))
        ended = subprocess.run(
            [BAKEOFF, *arguments, *home], cwd=self.folder, capture_output=True, text=True, check=False
        )
        said = " ".join((ended.stdout + " " + ended.stderr).split())  # without the terminal's line breaks
        return Ran(ended.returncode, said, self.folder / "run")


Answer = tuple[str, str, bool]
"""The expected answer, the actual one, and whether it is right."""

Rule = Callable[[Case], Answer]


def _reading(gate: dict[str, Any]) -> str:
    ends = "no interval" if gate["low"] is None else f"{gate['low']:.3f} to {gate['high']:.3f}"
    estimate = "undefined" if gate["estimate"] is None else f"{gate['estimate']:.3f}"
    return f"{gate['metric']} {estimate} ({ends}): {gate['answer']}"


def _interest(ran: Ran) -> str:
    return ran.verdict["positive"]["class"]


def positive_class(case: Case) -> Answer:
    ran = case.run("--fail-on-gate")
    gate = ran.gate("recall")
    right = _interest(ran) == "fraud" and gate["answer"] != "pass" and ran.code == 3 and "ecall of fraud" in ran.said
    return (
        "recall of fraud, which the gate does not let pass, exit 3",
        f"{_interest(ran)}, {_reading(gate)}, exit {ran.code}",
        right,
    )


def never_ship_unlearned(case: Case) -> Answer:
    ran = case.run()
    nothing = ran.verdict["shipped"] is None and "Do not ship" in ran.told and "Ship adam" not in ran.told
    right = nothing and _interest(ran) == "churned" and not list((ran.folder / "model").iterdir())
    return "churned is of interest, nothing is shipped", f"{_interest(ran)}; {ran.verdict['next'][0]}", right


def nothing_predicted_positive(case: Case) -> Answer:
    ran = case.run()
    gate = ran.gate("precision")
    named = _interest(ran) in gate["sentence"] and ran.verdict["positive"]["rows"] < ran.verdict["positive"]["of"] / 2
    right = gate["estimate"] is None and gate["answer"] == "undecided" and "undefined" in gate["sentence"] and named
    return "precision of the rarer class is undefined", gate["sentence"], right


def precision_of_one(case: Case) -> Answer:
    ran = case.run("--fail-on-gate")
    gate = ran.gate("precision")
    right = gate["answer"] == "undecided" and abs(gate["low"] - 0.664) < 0.001 and ran.code == 3
    return "undecided from 0.664 on, exit 3", f"{_reading(gate)}, exit {ran.code}", right


def recall_interval(case: Case) -> Answer:
    gate = case.run().gate("recall")
    right = gate["answer"] == "pass" and abs(gate["low"] - 0.967) < 0.001
    return "0.967 to 1, pass", _reading(gate), right


def advice_vs_gate(case: Case) -> Answer:
    ran = case.run()
    notes = [json.dumps(step) for step in ran.verdict["next"] if step.startswith(("Use ", "Consider "))]
    failing = {
        baseline["name"]
        for baseline in ran.verdict["baselines"]
        if (recall := baseline["metrics"].get("recall")) and recall["high"] is not None and recall["high"] < 0.7
    }
    right = not any(name in note.partition(" instead")[0] for name in failing for note in notes)
    return "no baseline that fails a gate is recommended", "; ".join(notes) or "none is recommended", right


def label_case(case: Case) -> Answer:
    ran = case.check()
    right = "differ only in case" in ran.said or "one class" in ran.said
    return "a warning of labels that differ in case only", ran.said[:160], right


def circular_remedies(case: Case) -> Answer:
    said = case.check().said
    right = "stratify: false" not in said and "data.classes" in said
    return "a remedy that works: data.classes", said[-200:], right


def folders_of_numbers(case: Case) -> Answer:
    subprocess.run([sys.executable, "make.py"], cwd=case.folder, check=True)
    said = case.check().said
    return "classification, 27 classes", said[:160], "27 classes" in said


def rating_metric(case: Case) -> Answer:
    ran = case.check()
    right = (ran.code == 0 and "regression" in ran.said) or "data.task: regression" in ran.said
    return "regression, or the way to it is named", ran.said[:160], right


def blocked_leak(case: Case) -> Answer:
    ran = case.check()
    right = ran.code == 2 and "target_leak" in ran.said
    return "target_leak blocks", f"exit {ran.code}: {_about(ran.said, 'target_leak')}", right


def leak_missingness(case: Case) -> Answer:
    ran = case.check()
    right = ran.code == 0 and "second_charge is missing" in ran.said
    return "a warning that missing values of second_charge tell the target", _about(ran.said, "second_charge"), right


def repeated_customer(case: Case) -> Answer:
    ran = case.check()
    right = ran.code == 0 and "customer_id" in ran.said and "data.split.group" in ran.said
    return "a warning to split by customer_id", _about(ran.said, "customer_id"), right


def read_as_numbers(name: str) -> Rule:
    def rule(case: Case) -> Answer:
        ran = case.check()
        said = [f"{name} is read as numbers", f"{name}: read as numbers"]
        right = ran.code == 0 and any(each in ran.said for each in said)
        return f"{name} is read as numbers, and said", _about(ran.said, "read as numbers"), right

    return rule


def dates_one_hot(case: Case) -> Answer:
    said = case.check().said
    return "day is read as dates, and said", _about(said, "day is read"), "day is read as dates" in said


def time_split_ddmmyyyy(case: Case) -> Answer:
    ran = case.run()
    right = ran.code == 2 and "does not sort as time" in ran.said
    return "refused: does not sort as time", f"exit {ran.code}: {_about(ran.said, 'sort as time')}", right


def leading_zeros(case: Case) -> Answer:
    said = case.check().said
    return "zip is read as codes, and said", _about(said, "zip is read"), "zip is read as codes" in said


def passes_checks(case: Case) -> Answer:
    ran = case.check()
    return "the spec's checks pass", f"exit {ran.code}: {ran.said[-160:]}", ran.code == 0


def serving_skew(case: Case) -> Answer:
    ran = case.run()
    case.predict("d.csv")
    answers = pd.read_csv(case.folder / "answers.csv")["prediction"]
    recorded = pd.read_parquet(ran.folder / "predictions.parquet")
    own = recorded[(recorded["trial_id"] == ran.verdict["shipped"]["trial_id"]) & (recorded["part"] == "test")]
    off = np.abs(answers[own["row"]].to_numpy() / own["value"].to_numpy(float) - 1) > 1e-5
    return (
        "the raw file gets the recorded predictions",
        f"{off.sum()} of {len(off)} test rows get another",
        not off.any(),
    )


def model_yes_no(case: Case) -> Answer:
    ran = case.run()
    columns = json.loads((ran.folder / "model" / "signature.json").read_text())["columns"]
    meanings = next(each for each in columns if each["name"] == "smoker")["reading"]["meanings"]
    return "signature.json says Yes = 1, No = 0", json.dumps(meanings), meanings == {"Yes": 1.0, "No": 0.0}


def two_text_columns(case: Case) -> Answer:
    ran = case.run()
    data = json.loads((ran.folder / "plan.json").read_text())["data"]
    inputs = {each["name"]: each["kind"] for each in data["columns"]}
    left_out = [each["name"] for each in data["source_columns"] if each["kind"] == "ignore"]
    right = ran.code == 0 and inputs == {"title": "words", "body": "words"} and left_out == ["id"]
    return "title and body as texts, id left out", f"{inputs}, left out {left_out}, exit {ran.code}", right


RULES: dict[str, Rule] = {
    "advice_vs_gate": advice_vs_gate,
    "circular_remedies": circular_remedies,
    "dates_one_hot": dates_one_hot,
    "decimal_comma_inputs": read_as_numbers("grade"),
    "decimal_comma_target": read_as_numbers("price"),
    "folders_of_numbers": folders_of_numbers,
    "gx_left_out_column": passes_checks,
    "gx_sees_converted_values": passes_checks,
    "label_case": label_case,
    "leading_zeros": leading_zeros,
    "leak_formatted_copy": blocked_leak,
    "leak_identical_200": blocked_leak,
    "leak_identical_400": blocked_leak,
    "leak_missingness": leak_missingness,
    "leak_sum": blocked_leak,
    "model_yes_no": model_yes_no,
    "never_ship_unlearned": never_ship_unlearned,
    "nothing_predicted_positive": nothing_predicted_positive,
    "percent_currency_inputs": read_as_numbers("utilisation"),
    "positive_class": positive_class,
    "precision_of_one": precision_of_one,
    "rating_metric": rating_metric,
    "recall_interval": recall_interval,
    "repeated_customer": repeated_customer,
    "serving_skew": serving_skew,
    "thousands_dropped": read_as_numbers("income"),
    "time_split_ddmmyyyy": time_split_ddmmyyyy,
    "two_text_columns": two_text_columns,
}


MEMORY = 7_500_000_000
"""Limit of address space in bytes for `check` of a hostile case; TensorFlow maps some of it. A run has no such limit,
since the engine that draws its charts maps more than it uses."""
SECONDS = 300
"""Time limit of a command, long enough for a busy machine."""
STAGE = re.compile(r"\w+ +[\d.]+ s")


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _limited(spec: Path, command: str, home: Path) -> tuple[int, str]:
    """Runs a command within the limits; returns its exit code, and its stderr without the lines of the stages'
    times."""
    try:
        ended = subprocess.run(
            [BAKEOFF, command, spec.name, "--home", str(home)],
            cwd=spec.parent,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
            preexec_fn=_limit if command == "check" else None,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer in {SECONDS} s"
    lines = [line for line in ended.stderr.splitlines() if not STAGE.fullmatch(line)]
    return ended.returncode, "\n".join(lines)


ACCEPTED = {"check-compare-model": "check", "nul-in-label": "run", "tiny-step/random.yaml": "check"}
"""Hostile cases whose specs are valid, and the command that must end with 0: `check`, or a whole `run`."""


def hostile(case: Case) -> Iterator[tuple[str, Answer]]:
    """Judges each spec below the folder: it must be refused with exit code 2 and one message, or accepted if it is
    valid."""
    for spec in sorted(case.folder.glob("*/*.yaml")):
        name = str(spec.relative_to(case.folder))
        command = ACCEPTED.get(name) or ACCEPTED.get(spec.parent.name)
        code, said = _limited(spec, command or "check", case.folder / "home")
        messages = [line for line in said.splitlines() if line and not line.startswith(("  ", "note:"))]
        got = f"exit {code}: {' | '.join(line.strip() for line in said.splitlines())[:300]}"
        if command:
            yield name, (f"{command} ends with 0", got, code == 0 and "Traceback" not in said)
        else:
            right = code == 2 and len(messages) == 1 and "Traceback" not in said
            yield name, ("exit 2 and one message", got, right)


def _about(said: str, word: str) -> str:
    place = said.find(word)
    return said[max(0, place - 20) : place + 160] if place >= 0 else f"nothing of {word}"


def judged(folder: Path) -> Iterator[tuple[str, Answer]]:
    """Runs a case in a copy of its folder; yields its name and answer, for `hostile` one of each spec."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Case(Path(shutil.copytree(folder, Path(temporary) / folder.name)))
        if folder.name == HOSTILE:
            yield from ((f"{HOSTILE}/{name}", answer) for name, answer in hostile(copy))
            return
        try:
            yield folder.name, RULES[folder.name](copy)
        except (OSError, KeyError, StopIteration, subprocess.CalledProcessError) as error:
            yield folder.name, ("an answer that can be read", f"{type(error).__name__}: {error}", False)


HOSTILE = "hostile"


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("python -m tests.cases FOLDER, which holds a folder for each case", file=sys.stderr)
        return 2
    wrong = 0
    for folder in sorted(each for each in Path(arguments[0]).iterdir() if each.is_dir()):
        if folder.name not in RULES and folder.name != HOSTILE:
            print(f"{folder.name}: no rule", flush=True)
            continue
        for name, (expected, got, right) in judged(folder):
            wrong += not right
            print(f"{name}: expected {expected}; got {got}; {'ok' if right else 'NOT OK'}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
