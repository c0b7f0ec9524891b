"""The verdict, from tables written by hand and from whole fabricated runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.evaluation.baselines import Constant
from tasks.evaluation.intervals import over_seeds
from tasks.evaluation.judged_rows import Classes, JudgedRows
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.verdict import judge
from tasks.records import tables as records
from tasks.records.documents import as_json
from tasks.records.estimate import Estimate
from tasks.records.validation import ColumnStrength
from tasks.records.verdict import Decision, Verdict
from tests.plans import made_up
from tests.synthetic_run import HOSTILE, write_synthetic_run

ROWS = 250
CONSTANT_LOSS = 0.69

# One trial: its accuracy on the validation part, on the test part, its validation loss. None: it diverged.
Trial = tuple[float, float, float] | None


def _judged(
    recipes: dict[str, list[Trial]],
    *,
    right: int | dict[str, int] = 200,
    baselines: dict[str, int] | None = None,
    gates: list[dict[str, Any]] | None = None,
    target: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    also: list[str] | None = None,
    weighted: tuple[str, ...] = (),
    guessed: float = 0.5,
    losses: dict[str, tuple[float, float]] | None = None,
    moved: float = 0.5,
    strengths: list[dict[str, Any]] | None = None,
    ship: str | None = None,
) -> Verdict:
    """Final trials get the first `right` test rows right, each baseline its number of the last ones.

    Args:
        weighted: Recipes with class weights. Of all recipes the validation rows are the test rows.
        guessed: Accuracy of always predicting the commonest class.
        losses: By recipe, the training loss of its first and its tenth epoch.
        moved: How far the weights of every trial are from where they began.
    """
    trials: list[tuple[Any, ...]] = []
    metrics: list[tuple[Any, ...]] = []
    predictions: list[tuple[Any, ...]] = []
    target = np.arange(ROWS) % 2 if target is None else target

    def predict(trial_id: str, correct: np.ndarray) -> None:
        likely = np.where(correct, target, 1 - target)
        for row, (actual, guess) in enumerate(zip(target, likely, strict=True)):
            for k in (0, 1):
                value = 0.9 if k == guess else 0.1
                predictions.extend((trial_id, part, row, float(actual), k, value) for part in ("val", "test"))

    for name, own in recipes.items():
        for seed, values in enumerate(own):
            trial_id = f"{name}/{seed}"
            status = "diverged" if values is None else "ok"
            trials.append((trial_id, name, name, name, "constant", "final", seed, status, 0.5))
            if values is not None:
                for part, metric, value in zip(
                    ("val", "test", "val"), ("accuracy", "accuracy", "loss"), values, strict=True
                ):
                    metrics.append((trial_id, part, metric, value))
                predict(trial_id, np.arange(len(target)) < (right if isinstance(right, int) else right[name]))
    for name, number in (baselines or {}).items():
        trials.append((name, name, name, None, None, "baseline", 0, "ok", 0.1))
        predict(name, np.arange(len(target)) >= len(target) - number)
        metrics.append((name, "val", "accuracy", number / len(target)))
    trial_columns = [
        "trial_id",
        "recipe_id",
        "recipe",
        "optimizer",
        "schedule",
        "stage",
        "seed",
        "status",
        "seconds",
    ]
    splits = pd.DataFrame({"row": np.arange(len(target)), "part": "test", "group": groups})
    plan = made_up(
        also=also or [],
        ship=ship,
        spec={"gates": gates or []},
        data={"classes": ["no", "yes"]},
        parts={"train": 500, "val": 250, "test": len(target)},
        recipes=[
            {"recipe_id": name, "recipe": name, "optimizer": name}
            | ({"params": {"imbalance": "class_weight"}} if name in weighted else {})
            for name in recipes
        ],
    )
    curves = pd.DataFrame(
        [
            (f"{name}/{seed}", epoch, 10 * epoch, "train_loss", value)
            for name, ends in (losses or {}).items()
            for seed in range(len(recipes[name]))
            for epoch, value in zip((1, 10), ends, strict=True)
        ],
        columns=["trial_id", "epoch", "step", "name", "value"],
    )
    verdict = judge(
        plan,
        {
            "trials": records.TRIALS.frame(pd.DataFrame(trials, columns=trial_columns)),
            "metrics": records.METRICS.frame(pd.DataFrame(metrics, columns=["trial_id", "part", "metric", "value"])),
            "predictions": records.PREDICTIONS.frame(
                pd.DataFrame(predictions, columns=["trial_id", "part", "row", "target", "class_index", "value"])
            ),
            "curves": records.CURVES.frame(curves),
        },
        records.SPLITS.frame(splits),
        constant=Constant(CONSTANT_LOSS, guessed),
        moved=lambda trial_id: moved,
        strengths=strengths or [],
        resamples=200,
    )
    json.dumps(as_json(verdict), allow_nan=False)  # strict, whatever the case
    return verdict


def _arm(val: float, test: float, *, seeds: int = 5, loss: float = 0.4) -> list[Trial]:
    """Seeds that scatter by half a percent around the means."""
    return [(val + shift, test + shift, loss) for shift in np.linspace(-0.005, 0.005, seeds)]


def _noisy(val: float, test: float, seed: int) -> list[Trial]:
    shifts = np.random.default_rng(seed).normal(0, 0.02, size=5)
    return [(val + shift, test + shift, 0.4) for shift in shifts - shifts.mean()]


def _ranks(verdict: Verdict) -> list[str]:
    return [recipe.recipe_id for recipe in sorted(verdict.recipes, key=lambda recipe: recipe.rank)]


def test_a_leader_better_than_each_wins():
    verdict = _judged({"sgd": _arm(0.6, 0.6), "adam": _noisy(0.9, 0.9, 0), "lion": _noisy(0.7, 0.7, 1)})
    assert (verdict.winner, verdict.leader, verdict.tied) == ("adam", "adam", [])
    assert [c.answer for c in verdict.comparisons] == ["better", "better"]
    assert verdict.sentence.startswith("adam is better than each of the 2 other recipes. Accuracy: 0.900 [")
    assert _ranks(verdict) == ["adam", "lion", "sgd"]


def test_two_that_cannot_be_told_apart_have_no_winner():
    verdict = _judged({"adam": _noisy(0.90, 0.90, 0), "nadam": _noisy(0.89, 0.89, 1), "sgd": _noisy(0.5, 0.5, 2)})
    assert (verdict.winner, verdict.leader, verdict.tied) == (None, "adam", ["nadam"])
    assert verdict.sentence.startswith("adam is better than 1 of 2 other recipes; it can't be told from nadam.")
    (step,) = [step for step in verdict.next if step.startswith("To tell adam from nadam, train with about")]
    assert re.search(
        r"seeds \(now 5\), which takes about [\d,.]+ s more of training for the two, if a difference", step
    )


def test_the_leader_is_chosen_on_the_validation_part_alone():
    verdict = _judged({"lucky": _noisy(0.80, 0.95, 0), "solid": _noisy(0.90, 0.70, 1)})
    assert verdict.leader == "solid"
    assert verdict.winner is None
    assert verdict.comparisons[0].answer == "worse"
    assert "on the test part it is worse than lucky" in verdict.sentence


def test_the_shipped_seed_is_chosen_on_the_validation_part_and_ties_go_to_the_first():
    trials: list[Trial] = [(0.80, 0.99, 0.4), (0.90, 0.70, 0.4), (0.90, 0.95, 0.4)]
    verdict = _judged({"adam": trials})
    assert verdict.shipped.trial_id == "adam/1"
    assert verdict.shipped.seed == 1
    assert verdict.shipped.metrics["accuracy"].mean == 0.8  # from its predictions


def test_equal_recipes_keep_the_plan_s_order():
    same = _arm(0.8, 0.8)
    verdict = _judged({"b": same, "a": same})
    assert _ranks(verdict) == ["b", "a"]
    assert verdict.tied == ["a"]
    assert any("no difference" in step for step in verdict.next)


def test_one_recipe_wins_nothing():
    verdict = _judged({"adam": _arm(0.8, 0.8)})
    assert (verdict.winner, verdict.leader, verdict.comparisons) == (None, "adam", [])
    assert verdict.sentence.startswith("adam is the only recipe, so nothing was compared.")


def test_one_seed_decides_nothing():
    verdict = _judged({"adam": [(0.9, 0.9, 0.4)], "sgd": [(0.5, 0.5, 0.6)]})
    assert verdict.winner is None
    assert verdict.tied == ["sgd"]
    over_rows = verdict.shipped.metrics["accuracy"]
    alone = verdict.recipes[0].metrics["accuracy"]
    assert alone.mean == 0.9 and alone.high - alone.low == pytest.approx(over_rows.high - over_rows.low)
    assert any(warning.startswith("One seed only") for warning in verdict.warnings)
    assert any("at least 5 seeds" in step for step in verdict.next)


class TestDiverged:
    def test_in_some_seeds_is_compared_on_the_rest(self):
        sgd: list[Trial] = [None, *_noisy(0.5, 0.5, 1)[1:]]
        verdict = _judged({"adam": _noisy(0.9, 0.9, 0), "sgd": sgd})
        entry = verdict.recipes[1]
        assert (entry.status, entry.seeds, entry.note) == ("ok", 4, "diverged in 1 of 5 seeds")
        assert verdict.winner == "adam"

    def test_in_every_seed_is_last_and_not_compared(self):
        verdict = _judged({"sgd": [None] * 5, "adam": _noisy(0.9, 0.9, 0), "lion": _noisy(0.5, 0.5, 1)})
        assert _ranks(verdict)[-1] == "sgd"
        entry = verdict.recipes[-1]
        assert (entry.status, entry.seeds, entry.learned) == ("diverged", 0, False)
        assert entry.note == "diverged in all 5 seeds"
        assert entry.metrics["accuracy"] == Estimate(None)
        assert [c.recipe_id for c in verdict.comparisons] == ["lion"]
        assert verdict.winner == "adam"
        assert "1 of 3 recipes diverged in every seed: sgd." in verdict.warnings

    def test_everyone_else_leaves_a_winner(self):
        verdict = _judged({"sgd": [None] * 5, "adam": _arm(0.9, 0.9)})
        assert verdict.winner == "adam"
        assert verdict.sentence.startswith("adam wins: every other recipe diverged.")

    def test_everyone_leaves_nothing_to_ship(self):
        verdict = _judged({"sgd": [None] * 5}, gates=[_gate(at_least=0.5)])
        assert (verdict.winner, verdict.leader, verdict.shipped) == (None, None, None)
        # a blocking gate must not open because nothing was left to judge
        assert [gate.answer for gate in verdict.gates] == ["undecided"]
        assert verdict.sentence == "Every recipe diverged: there is no model to judge."
        assert any(step.startswith("Lower the learning rate of sgd") for step in verdict.next)

    def test_the_lucky_survivor_does_not_lead(self):
        lucky: list[Trial] = [(0.99, 0.99, 0.1), None, None, None, None]
        assert _judged({"lucky": lucky, "adam": _arm(0.9, 0.9)}).leader == "adam"
        assert _judged({"lucky": lucky}).leader == "lucky"

    def test_a_leader_that_diverged_sometimes_is_warned_of(self):
        verdict = _judged({"adam": [None, *_arm(0.9, 0.9)[1:]], "sgd": _arm(0.5, 0.5)})
        assert verdict.leader == "adam"
        assert any(w.startswith("The leader, adam, diverged in 1 of 5 seeds") for w in verdict.warnings)


class TestWhereABaselineMayBeShipped:
    """evaluate.ship: best."""

    @staticmethod
    def judged(recipes: dict[str, list[Trial]], **more: Any) -> Verdict:
        baselines = {"majority class": 130, "logistic regression": 200, "gradient boosting": 225}
        return _judged(recipes, **{"baselines": baselines, "ship": "best", "gates": [_gate(at_least=0.8)]} | more)

    def test_the_best_on_the_validation_part_is(self):
        verdict = self.judged({"adam": _arm(0.8, 0.8)})
        assert verdict.shipped and verdict.saved == verdict.shipped.baseline == "gradient boosting"
        assert verdict.shipped.trial_id == verdict.shipped.recipe_id == "gradient boosting"
        assert verdict.shipped.metrics["accuracy"].mean == 0.9 == verdict.gates[0].estimate
        assert (verdict.decision.answer, verdict.decision.sentence) == ("ship", "Ship gradient boosting")
        assert verdict.decision.reason == (
            "it passes its gate, and it is better than every network on the validation part, where it was chosen"
        )
        assert (verdict.leader, verdict.against_baselines[2].answer) == ("adam", "worse")
        assert not any(step.startswith(("Use", "Consider")) for step in verdict.next)

    def test_a_network_that_is_better_there_is(self):
        verdict = self.judged({"adam": _arm(0.95, 0.95)})
        assert verdict.shipped and verdict.shipped.baseline is None and verdict.saved.startswith("adam, seed")

    def test_where_no_network_learned_it_is_and_the_constant_never_is(self):
        idle = {"adam": _arm(0.5, 0.5, loss=0.71)}
        verdict = self.judged(idle)
        assert verdict.saved == "gradient boosting"
        assert verdict.decision.reason == "it passes its gate, and no recipe learned"
        for baselines in ({"majority class": 130}, {"majority class": 130, "logistic regression": 130}):
            verdict = self.judged(idle, baselines=baselines)
            assert (verdict.shipped, verdict.decision.answer) == (None, "nothing")

    def test_where_every_recipe_diverged_it_is(self):
        assert self.judged({"adam": [None]}).saved == "gradient boosting"

    def test_one_that_fails_its_gate_is_not_to_be_shipped(self):
        verdict = self.judged({"adam": _arm(0.8, 0.8)}, gates=[_gate(at_least=0.97)])
        assert verdict.decision.sentence == "Do not ship gradient boosting"
        open_ = self.judged({"adam": _arm(0.8, 0.8)}, gates=[])
        assert open_.decision.sentence == (
            "gradient boosting is the best on the validation part; whether to ship it is open"
        )

    def test_without_it_none_is(self):
        assert self.judged({"adam": _arm(0.8, 0.8)}, ship=None).saved.startswith("adam, seed")


def test_an_undefined_metric_is_left_out_and_nothing_diverged():
    verdict = _judged({"adam": [(np.nan, np.nan, 0.4), (0.8, 0.7, 0.4)]})
    assert verdict.shipped.trial_id == "adam/1"
    assert verdict.recipes[0].metrics["accuracy"].mean == 0.7
    assert (verdict.recipes[0].seeds, verdict.recipes[0].note) == (2, None)


def test_a_metric_undefined_on_the_validation_part_has_no_leader():
    verdict = _judged({"adam": [(np.nan, 0.9, 0.4)], "sgd": [(np.nan, 0.8, 0.4)]})
    assert (verdict.leader, verdict.winner, verdict.shipped) == (None, None, None)
    assert verdict.comparisons == []
    assert verdict.sentence == "Accuracy is undefined on the validation part, so no recipe can lead."


def test_what_did_not_learn_is_named_with_both_numbers():
    verdict = _judged({"adam": _arm(0.9, 0.9), "sgd": _arm(0.5, 0.5, loss=0.71)})
    assert [recipe.learned for recipe in verdict.recipes] == [True, False]
    assert verdict.recipes[1].note == (
        "did not learn: its validation loss 0.71 is not below 0.69, that of always predicting the class shares"
    )
    assert "1 of 2 recipes did not learn: sgd." in verdict.warnings
    assert any(step.startswith("Raise the learning rate of sgd") for step in verdict.next)


def test_what_tells_classes_apart_with_a_high_loss_learned_but_is_overconfident():
    verdict = _judged({"adam": _arm(0.9, 0.9), "sgd": _arm(0.8, 0.8, loss=1.6)})
    assert [recipe.learned for recipe in verdict.recipes] == [True, True]
    assert verdict.recipes[1].note.startswith("overconfident: its validation loss 1.6 is not below 0.69")
    assert "1 of 2 recipes give overconfident probabilities: sgd." in verdict.warnings
    assert any(
        step.startswith("Before using the probabilities of sgd, which are overconfident since ")
        for step in verdict.next
    )
    assert not any("did not learn" in said for said in (*verdict.warnings, *verdict.next))


def test_a_loss_equal_to_the_constant_s_is_not_learned():
    assert not _judged({"sgd": _arm(0.5, 0.5, loss=CONSTANT_LOSS)}).recipes[0].learned


@pytest.mark.parametrize(
    ("right", "answer", "warning"),
    [
        (100, "better", None),
        (195, "can't tell", "The network does not clearly beat logistic regression: its lead in accuracy is +0.02"),
        (249, "worse", "The network does not beat logistic regression: its lead in accuracy is −0.196"),
    ],
)
def test_against_a_baseline(right: int, answer: str, warning: str | None):
    """The network is right on 200 of 250 rows."""
    verdict = _judged({"adam": _arm(0.8, 0.8)}, baselines={"logistic regression": right})
    (against,) = verdict.against_baselines
    assert against.difference == pytest.approx((200 - right) / ROWS)
    assert against.answer == answer
    said = [w for w in verdict.warnings if "logistic regression" in w]
    assert [w.startswith(str(warning)) for w in said] == ([] if warning is None else [True])


def test_level_with_a_baseline_is_not_better():
    verdict = _judged({"adam": _arm(0.8, 0.8)}, baselines={"majority class": 200})
    assert verdict.against_baselines[0].difference == 0.0
    assert verdict.against_baselines[0].answer == "can't tell"
    assert any("does not clearly beat majority class: its lead in accuracy is 0.000" in w for w in verdict.warnings)
    assert any(step.startswith("Consider majority class instead") for step in verdict.next)


def _gate(**given: float) -> dict[str, Any]:
    return {"metric": "accuracy", "severity": "block", "at_least": None, "at_most": None} | given


@pytest.mark.parametrize(
    ("threshold", "answer", "step"),
    [
        (0.5, "pass", "Ship adam: it passes its gate."),
        (
            0.79,
            "undecided",
            "Do not ship adam on this evidence: the gate accuracy at least 0.79 is undecided; about",
        ),
        (0.95, "fail", "Do not ship adam: the gate accuracy at least 0.95 fails."),
    ],
)
def test_gates_lead_what_to_do_next(threshold: float, answer: str, step: str):
    verdict = _judged({"adam": _arm(0.8, 0.8)}, gates=[_gate(at_least=threshold)])
    assert verdict.gates[0].answer == answer
    assert verdict.gates[0].estimate == 0.8
    assert verdict.next[0].startswith(step)


def test_without_a_gate_the_decision_is_open_and_without_a_model_there_is_nothing_to_ship():
    open_ = _judged({"adam": _arm(0.8, 0.8)})
    assert (open_.decision.answer, open_.next[0][:12]) == ("open", "Write a gate")
    lost = _judged({"adam": [None] * 5})
    assert lost.decision == Decision(answer="nothing", sentence="Nothing to ship", reason="every recipe diverged")


def test_where_a_baseline_is_better_one_that_is_level_is_not_considered():
    verdict = _judged({"adam": _arm(0.8, 0.8)}, baselines={"majority class": 200, "gradient boosting": 249})
    assert any(step.startswith("Use gradient boosting instead") for step in verdict.next)
    assert not any(step.startswith("Consider") for step in verdict.next)


def test_a_better_baseline_is_shipped_instead():
    verdict = _judged({"adam": _arm(0.8, 0.8)}, gates=[_gate(at_least=0.5)], baselines={"logistic regression": 249})
    assert verdict.decision == Decision(
        answer="ship",
        sentence="Ship logistic regression rather than adam",
        reason="adam passes its gate, and so does logistic regression, which is better",
    )
    assert verdict.next[1].startswith("Use logistic regression instead")


class TestNothingLearned:
    """A recipe that did not learn is never shipped, whatever its figures."""

    def _idle(self, **options: Any) -> Verdict:
        return _judged({"adam": _arm(0.9, 0.9, loss=0.71)}, guessed=0.95, **options)

    def test_is_the_headline_and_ships_nothing(self):
        verdict = self._idle(gates=[_gate(at_least=0.5)])
        assert (verdict.winner, verdict.leader, verdict.shipped) == (None, "adam", None)
        assert verdict.sentence.startswith("adam did not learn: nothing to ship.")
        assert [gate.answer for gate in verdict.gates] == ["pass"]
        assert verdict.next[0] == "Do not ship: adam did not learn, whatever its gates say."
        assert not any(step.startswith("Ship") for step in verdict.next)
        reason = "adam did not learn, whatever its gates say"
        assert verdict.decision == Decision(answer="nothing", sentence="Nothing to ship", reason=reason)

    def test_weights_that_stand_where_they_began_learned_nothing(self):
        verdict = _judged({"adam": _arm(0.9, 0.9), "sgd": _arm(0.8, 0.8)}, moved=0.0001)
        assert (verdict.leader, verdict.shipped) == ("adam", None)
        assert verdict.recipes[0].note.endswith(
            ", that of always predicting the class shares, by luck of the initial weights"
        )
        assert verdict.sentence.startswith("No recipe learned: nothing to ship.")

    def test_those_that_did_not_learn_cost_the_test_no_power(self):
        arms = {"adam": _arm(0.9, 0.9), "sgd": _arm(0.5, 0.5)}
        idle = {f"idle{i}": _arm(0.5, 0.5, loss=0.71) for i in range(30)}
        verdict, alone = _judged(arms | idle), _judged(arms)
        assert verdict.comparisons == alone.comparisons
        assert verdict.winner == "adam"
        assert verdict.sentence.startswith("adam is better than sgd, the only other recipe that learned.")

    def test_the_only_one_that_learned_is_compared_all_the_same(self):
        """Below the constant answer's loss by luck, perhaps."""
        verdict = _judged(
            {"adam": _noisy(0.6, 0.6, 0), "sgd": [(*each[:2], 0.71) for each in _noisy(0.6, 0.6, 1) if each]},
            guessed=0.9,
        )
        assert (verdict.winner, verdict.tied) == (None, ["sgd"])

    def test_one_that_learned_leads_though_the_metric_puts_it_last(self):
        verdict = _judged({"adam": _arm(0.9, 0.9, loss=0.71), "sgd": _arm(0.8, 0.8)}, guessed=0.95)
        assert (_ranks(verdict), verdict.shipped.recipe_id) == (["sgd", "adam"], "sgd")

    @pytest.mark.parametrize(
        ("losses", "moved", "seen", "remedy"),
        [
            (
                (0.70, 0.70),
                0.0002,
                "0.02%",
                "Raise the learning rate of adam, or train longer: it did not learn, since",
            ),
            ((0.75, 0.70), 0.5, "50%", "Raise the learning rate of adam, or train longer: it did not learn, though"),
            ((0.70, 0.20), 0.5, "50%", "Give adam fewer epochs, a smaller network or more rows"),
            ((0.70, 0.90), 2.5, "250%", "Lower the learning rate of adam"),
        ],
        ids=["hardly moved", "too short", "only training rows", "wild"],
    )
    def test_says_what_was_seen_and_the_cause(self, losses: tuple[float, float], moved: float, seen: str, remedy: str):
        verdict = self._idle(losses={"adam": losses}, moved=moved)
        first, last = (f"{loss:g}" for loss in losses)
        assert verdict.recipes[0].note.endswith(
            f"; in 10 epochs its training loss went from {first} to {last}, and the weights moved by {seen} of their "
            "length"
        )
        assert any(step.startswith(remedy) for step in verdict.next)


@pytest.mark.parametrize(("share", "said"), [(0.97, True), (0.93, False)])
def test_a_column_that_reaches_what_the_best_baseline_reaches_is_the_first_warning(share: float, said: bool):
    """The baseline removes 120 of 125 errors of guessing: 0.96."""
    strengths = [ColumnStrength(["fee"], "whether fee is missing", share)]
    verdict = _judged({"adam": _arm(0.9, 0.9)}, baselines={"logistic regression": 245}, strengths=strengths)
    assert verdict.warnings[0].startswith("To know whether fee is missing is enough: it removes 97%") == said


def test_an_honest_high_score_is_not_accused():
    strengths = [ColumnStrength(["petal"], "petal", 0.75)]
    verdict = _judged({"adam": _arm(0.9, 0.9)}, baselines={"logistic regression": 215}, strengths=strengths)
    assert not any("is enough" in warning for warning in verdict.warnings)


class TestClassWeights:
    def test_explain_a_loss_above_the_constant_s(self):
        verdict = _judged({"adam": _arm(0.8, 0.8, loss=0.75)}, guessed=0.95, weighted=("adam",))
        assert verdict.recipes[0].learned
        assert verdict.recipes[0].note.startswith("shifted probabilities: ")
        assert "the class weights made all classes count alike" in verdict.recipes[0].note
        assert any(step.startswith("Use adam to rank rows") for step in verdict.next)
        assert not any(
            "did not learn" in said or "learning rate" in said for said in (*verdict.warnings, *verdict.next)
        )

    def test_do_not_excuse_what_did_not_learn(self):
        verdict = _judged({"adam": _arm(0.5, 0.5, loss=0.75)}, guessed=0.95, weighted=("adam",), right=125)
        assert not verdict.recipes[0].learned


def test_a_baseline_that_fails_a_gate_is_not_recommended():
    target = np.repeat([0, 1], [200, 50])
    recall = {"metric": "recall", "severity": "block", "at_least": 0.3, "at_most": None}
    # The baseline is right on the rows of class 0 only, which are more.
    verdict = _judged(
        {"adam": _arm(0.4, 0.4)},
        target=target[::-1].copy(),
        right=100,
        gates=[recall],
        baselines={"logistic regression": 200},
    )
    assert verdict.gates[0].answer == "pass"
    assert verdict.against_baselines[0].answer == "worse"
    assert verdict.next[0] == "Ship adam: it passes its gate."
    assert (
        "Do not take logistic regression, though it is better in accuracy: the gate recall at least 0.3 fails there."
        in verdict.next
    )
    assert not any(step.startswith(("Use ", "Consider ")) for step in verdict.next)


def test_a_tied_recipe_that_passes_is_named_where_the_leader_does_not():
    """adam leads on the validation part; sgd, which can't be told from it, is right on more test rows."""
    verdict = _judged(
        {"adam": _noisy(0.80, 0.80, 0), "sgd": _noisy(0.79, 0.80, 1)},
        right={"adam": 150, "sgd": 240},
        gates=[_gate(at_least=0.8)],
    )
    assert verdict.tied == ["sgd"]
    assert verdict.next[0].startswith("Do not ship adam: ")
    assert verdict.next[1].startswith("Look at sgd: it can't be told from adam, and passes the gate.")


def test_a_recipe_s_interval_is_over_rows_and_seeds():
    verdict = _judged({"adam": _noisy(0.8, 0.8, 0)}, baselines={"logistic regression": 200})
    recipe, shipped = verdict.recipes[0].metrics["accuracy"], verdict.shipped.metrics["accuracy"]
    seeds = over_seeds(np.array([each[1] for each in _noisy(0.8, 0.8, 0) if each]), 0.95)
    assert recipe.mean - recipe.low == pytest.approx(np.hypot(shipped.mean - shipped.low, seeds.mean - seeds.low))
    assert recipe.high - recipe.mean == pytest.approx(np.hypot(shipped.high - shipped.mean, seeds.high - seeds.mean))
    baseline = verdict.baselines[0].metrics["accuracy"]
    assert recipe.high - recipe.low > baseline.high - baseline.low


def test_the_leader_s_mean_is_said_to_be_chosen():
    alone, two = _judged({"adam": _arm(0.9, 0.9)}), _judged({"adam": _arm(0.9, 0.9), "sgd": _arm(0.5, 0.5)})
    assert "chosen" not in alone.sentence
    assert "mean of 5 seeds, chosen as the best of 2, so a little flattering" in two.sentence


def test_a_gate_may_use_a_metric_that_is_not_reported():
    verdict = _judged({"adam": _arm(0.8, 0.8)}, gates=[_gate(at_least=0.5) | {"metric": "recall"}])
    assert verdict.gates[0].metric == "recall"
    assert verdict.gates[0].low > 0.5
    assert list(verdict.recipes[0].metrics) == ["accuracy"]


def test_groups_widen_the_interval():
    rows = _judged({"adam": _arm(0.8, 0.8)}).shipped.metrics["accuracy"]
    groups = np.array([f"group {row // 25}" for row in range(ROWS)])
    grouped = _judged({"adam": _arm(0.8, 0.8)}, groups=groups).shipped.metrics["accuracy"]
    assert grouped.mean == rows.mean
    assert grouped.high - grouped.low > 2 * (rows.high - rows.low)


def test_imbalance_is_warned_of_where_accuracy_decides():
    verdict = _judged({"adam": _arm(0.9, 0.9)}, target=(np.arange(ROWS) < 20).astype(int))
    assert verdict.warnings[0].startswith("Always predicting ")
    assert "is right in 92.0% of the test rows; adam is right in 90.0%, 2.0 points fewer." in verdict.warnings[0]
    assert verdict.warnings[0].endswith("let balanced_accuracy, pr_auc or a cost decide.")


def test_few_test_rows_are_warned_of():
    verdict = _judged({"adam": _arm(0.9, 0.9)}, target=np.arange(60) % 2, right=50)
    assert "The test part has only 60 rows, so its figures are rough." in verdict.warnings


@pytest.mark.parametrize(("rows", "warned"), [(199, True), (200, False)])
def test_few_are_fewer_than_200_test_rows(rows: int, warned: bool):
    verdict = _judged({"adam": _arm(0.9, 0.9)}, target=np.arange(rows) % 2, right=150)
    assert any("its figures are rough" in said for said in verdict.warnings) == warned


def test_the_schema_version_is_that_of_the_first_release():
    """It grows when a key is renamed, removed or changes its meaning: then change it here too."""
    assert _judged({"adam": _arm(0.9, 0.9)}).schema_version == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 0), ("a", 1)], "no test predictions of b"),
        ([("a", 0), ("a", 1), ("b", 0), ("b", 2)], "trial b does not predict"),
        ([("a", 0), ("a", 1), ("b", 0)], "trial b does not predict"),
    ],
)
def test_models_that_predict_different_rows_are_a_defect(rows: list[tuple[str, int]], message: str):
    predictions = pd.DataFrame([{"trial_id": t, "part": "test", "row": r, "target": 0, "value": 1} for t, r in rows])
    splits = records.SPLITS.frame([{"row": r, "part": "test"} for r in range(3)])
    with pytest.raises(ValueError, match=message):
        JudgedRows.read(
            records.PREDICTIONS.frame(predictions), splits, "test", ["a", "b"], Classes((), None, None), 0.95
        )


KEYS = {
    "": "schema_version metric greater_is_better confidence part positive titles winner leader tied decision sentence "
    "recipes comparisons augmentation baselines against_baselines shipped gates operating_point test_evaluations rules "
    "warnings next diagnoses",
    "decision": "answer sentence reason",
    "recipes": "recipe_id recipe optimizer schedule seeds status metrics val learned note seconds rank",
    "comparisons": "recipe_id recipe difference low high p p_holm effect_size smallest_difference answer",
    "augmentation": "recipe_id recipe against_id against pairs difference low high p p_holm effect_size "
    "smallest_difference answer",
    "baselines": "name trial_id metrics",
    "against_baselines": "name difference low high answer",
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"task": "regression", "recipes": 8},
        {"recipes": 8, "classes": 4, "groups": True, "hostile": True},
        {"recipes": 1, "seeds": 1},
        {"recipes": 2, "seeds": 2, "rows": 60},
    ],
    ids=["classes", "regression", "hostile", "smallest", "small"],
)
class TestWholeRun:
    @pytest.fixture
    def run(self, tmp_path: Path, options: dict[str, Any]) -> Path:
        return write_synthetic_run(tmp_path / "run", **options)

    def test_keeps_the_contract(self, run: Path):
        verdict = json.loads((run / "verdict.json").read_text())
        assert set(verdict) == set(KEYS[""].split())
        for name in ("recipes", "comparisons", "augmentation", "baselines", "against_baselines"):
            for entry in verdict[name]:
                assert set(entry) == set(KEYS[name].split()), name
        assert set(verdict["decision"]) == set(KEYS["decision"].split())
        assert set(verdict["shipped"]) == {"trial_id", "recipe_id", "seed", "metrics"}
        assert [recipe["rank"] for recipe in verdict["recipes"]] == list(range(1, len(verdict["recipes"]) + 1))
        assert all(text.endswith(".") for text in [verdict["sentence"], *verdict["warnings"], *verdict["next"]])

    def test_agrees_with_itself(self, run: Path):
        verdict = Verdict.read(run)
        metric = METRICS[verdict.metric]
        ended = [recipe for recipe in verdict.recipes if recipe.status == "ok"]
        means = [metric.sign * recipe.val[metric.name].mean for recipe in ended]
        assert means == sorted(means, reverse=True)
        assert verdict.leader == verdict.recipes[0].recipe_id == verdict.shipped.recipe_id
        assert verdict.tied == [c.recipe_id for c in verdict.comparisons if c.answer == "can't tell"]
        for entry in verdict.shipped.metrics.values():
            assert entry.low is entry.high is None or entry.low <= entry.mean <= entry.high

    def test_repeats(self, run: Path, tmp_path: Path, options: dict[str, Any]):
        again = write_synthetic_run(tmp_path / "again", **options)
        assert (again / "verdict.json").read_text() == (run / "verdict.json").read_text()


def test_the_fabricated_run_has_what_reports_must_show(tmp_path: Path):
    run = write_synthetic_run(tmp_path, recipes=8, hostile=True, search=3)
    verdict = Verdict.read(run)
    assert {recipe.status for recipe in verdict.recipes} == {"ok", "diverged"}
    assert any("did not learn" in (recipe.note or "") for recipe in verdict.recipes)
    assert any("diverged in 1 of 5 seeds" in (recipe.note or "") for recipe in verdict.recipes)
    assert set(HOSTILE) <= {recipe.recipe for recipe in verdict.recipes}
    for name in ("plan", "stages", "environment", "validation"):
        json.loads((run / f"{name}.json").read_text())
    for table in records.TABLES.values():
        assert len(table.read(run))


@pytest.mark.parametrize(("least", "decided"), [(None, "gates"), (0.99, "gates"), (0.5, "comparison")])
def test_the_rule_that_decided_is_the_one_that_the_decision_follows_from(least: float | None, decided: str) -> None:
    verdict = _judged({"adam": _arm(0.8, 0.8)}, gates=[] if least is None else [_gate(at_least=least)])
    assert verdict.rules and [rule.name for rule in verdict.rules] == ["data", "model", "gates", "comparison"]
    (rule,) = [rule for rule in verdict.rules if rule.decided]
    assert rule.name == decided and (verdict.decision.answer == "ship") == (decided == "comparison")
    assert (verdict.rules[3].said == "Not asked") == (decided != "comparison")


def test_without_a_model_no_later_rule_is_asked() -> None:
    lost = _judged({"adam": [None] * 5})
    assert lost.rules and lost.rules[1].decided and lost.rules[1].said == "Every recipe diverged"
    assert [rule.said for rule in lost.rules[2:]] == ["Not asked", "Not asked"]
