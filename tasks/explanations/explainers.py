"""The table of explainers. A new one needs a function from a run's results to an `Explanation`, and an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tasks.errors import BadInput
from tasks.explanations import (
    activations,
    adaptive,
    landscape,
    learning_curve,
    learning_rate,
    loss_and_metric,
    minibatch,
    overparameterisation,
    regularisation,
    schedules,
)
from tasks.explanations.explanation import Change, Explanation, Misfit, Results
from tasks.records.plan import Recipe


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """One explainer.

    Args:
        title: Its heading in the report.
        summary: What it explains, in a clause.
        theory: What theory predicts and why: Markdown with formulas in TeX, in our own words only.
        explain: Maps a run's results to its explanation.
        misfit: Says why it does not apply to a run of these recipes; None: it applies.
        lesson: Name of the shipped experiment made for it.
        changes: Two changes of the lesson's spec to try.
    """

    title: str
    summary: str
    theory: str
    explain: Callable[[Results], Explanation]
    misfit: Callable[[Sequence[Recipe]], Misfit | None]
    lesson: str
    changes: tuple[Change, Change]


EXPLAINERS: Mapping[str, Explainer] = {
    "learning-rate": Explainer(
        title="What the learning rate does",
        summary="why one learning rate is too slow, one good, one wild, and one no longer finite",
        theory=learning_rate.THEORY,
        explain=learning_rate.explain,
        misfit=learning_rate.misfit,
        lesson="lesson-learning-rate",
        changes=(
            Change(
                "model=linear",
                "A linear model has one valley of one curvature. Does the change from good to no longer finite become "
                "sharper, and is there still a rate that is wild and yet finite?",
            ),
            Change(
                "train.clipping={global_norm: 1}",
                "No gradient is longer than 1 now. Which rates that were no longer finite end with a finite loss, and "
                "do they learn?",
            ),
        ),
    ),
    "activations": Explainer(
        title="What depth, activation and initialisation do",
        summary="why a deep network keeps its signal or loses it, why ReLU units die, and what cures each",
        theory=activations.THEORY,
        explain=activations.explain,
        misfit=activations.misfit,
        lesson="lesson-activations",
        changes=(
            Change(
                "train.optimizer=adam",
                "Adam divides each step by the gradient's own size. Does it train the network whose signal is lost? "
                "Look at its gradient layer by layer, and at its loss at rate 0.05 and above.",
            ),
            Change(
                "train.schedule={constant: {warmup: 0.2}}",
                "The rate now rises from 0 over the first fifth of the steps. Are fewer units dead at rate 1?",
            ),
        ),
    ),
    "minibatch": Explainer(
        title="What the batch size does",
        summary="how the gradient's noise falls with the batch, and which batch is best by steps, examples and seconds",
        theory=minibatch.THEORY,
        explain=minibatch.explain,
        misfit=minibatch.misfit,
        lesson="lesson-minibatch",
        changes=(
            Change(
                "compare.learning_rate=[0.000001, 0.03]",
                "The rate of the trained networks is three times as high. Which batch size stops being able to follow "
                "first, and why is it that one?",
            ),
            Change(
                "model.hidden=[512]",
                "A step has much more to compute now. Does an example still cost so much less in a large batch?",
            ),
        ),
    ),
    "schedules": Explainer(
        title="What a schedule does",
        summary="why a high learning rate leaves a poor minimum, and a rate that falls ends at a good one",
        theory=schedules.THEORY,
        explain=schedules.explain,
        misfit=schedules.misfit,
        lesson="lesson-schedules",
        changes=(
            Change(
                "train.batch_size=64",
                "A step's noise is a sixteenth now. How far are the constant rates above the minimum, and does a "
                "schedule still gain anything?",
            ),
            Change(
                "train.epochs=5",
                "There is little time now. Which schedules have fallen before the loss came to its floor, and do they "
                "still end alike?",
            ),
        ),
    ),
    "landscape": Explainer(
        title="What the loss looks like around the network",
        summary="the loss around the trained weights, the way there, its sharpness and what rate that allows",
        theory=landscape.THEORY,
        explain=landscape.explain,
        misfit=landscape.misfit,
        lesson="lesson-learning-rate",
        changes=(
            Change(
                "train.batch_size=512",
                "Every step sees all rows now. How near do the sharpest networks come to the line 2 / rate?",
            ),
            Change(
                "model=linear",
                "The loss is a true bowl now, whose bend is the same everywhere. Which rates are above 2 over it?",
            ),
        ),
    ),
    "overparameterisation": Explainer(
        title="What the width does",
        summary="why narrow networks change with every training, and wide ones end in one connected valley",
        theory=overparameterisation.THEORY,
        explain=overparameterisation.explain,
        misfit=overparameterisation.misfit,
        lesson="lesson-overparameterisation",
        changes=(
            Change(
                "train.epochs=20",
                "A fifth of the time. Which widths still reach the target, and is the barrier of the widest lower or "
                "higher when it has gone less far from its start?",
            ),
            Change(
                "train.batch_size=128",
                "A quarter of the steps, with less noise. Do the narrow networks end in fewer different minima?",
            ),
        ),
    ),
    "learning-curve": Explainer(
        title="What more training rows do",
        summary="why the loss of the rows trained on rises with their number, that of new ones falls, and how fast",
        theory=learning_curve.THEORY,
        explain=learning_curve.explain,
        misfit=learning_curve.misfit,
        lesson="lesson-mnist",
        changes=(
            Change(
                "train.regularisation={}",
                "Without the penalty on large weights. Is the gap still as narrow at each number of rows, and does it "
                "fall at the rate that theory expects?",
            ),
            Change(
                "model={mlp: {hidden: [100]}}",
                "Ten times the units. Both results of theory grow with the number of weights. Does the gap, and are "
                "new rows worse for it?",
            ),
        ),
    ),
    "adaptive": Explainer(
        title="What adaptive optimizers adapt",
        summary="the effective rate of Adagrad, RMSprop and Adam, and why badly scaled inputs hold plain descent back",
        theory=adaptive.THEORY,
        explain=adaptive.explain,
        misfit=adaptive.misfit,
        lesson="lesson-adaptive",
        changes=(
            Change(
                "train.clipping={global_norm: 1}",
                "No gradient is longer than 1. What becomes of the limit of plain descent, and of Adam's first step?",
            ),
            Change(
                "data.columns={}",
                "Inputs are scaled now. Which optimizers are left behind by plain descent at rate 0.01, and why?",
            ),
        ),
    ),
    "loss-and-metric": Explainer(
        title="What a loss is for",
        summary="why squared error hardly pulls at a sure and wrong answer, and why a better loss can cost more",
        theory=loss_and_metric.THEORY,
        explain=loss_and_metric.explain,
        misfit=loss_and_metric.misfit,
        lesson="lesson-loss-and-metric",
        changes=(
            Change(
                "data.columns={}",
                "All inputs are scaled now, so no start is sure. Which checks are no longer met?",
            ),
            Change(
                "evaluate.threshold=cost",
                "The threshold is now chosen by what answers cost. How much do class weights still save, and with "
                "which model nothing?",
            ),
        ),
    ),
    "regularisation": Explainer(
        title="What regularisation does",
        summary="how L1 empties weights and L2 shrinks them, and what dropout, early stopping and noise do to the gap",
        theory=regularisation.THEORY,
        explain=regularisation.explain,
        misfit=regularisation.misfit,
        lesson="lesson-regularisation",
        changes=(
            Change(
                "train.learning_rate=0.05",
                "A step is a quarter as long, and so are the steps across 0. Where does the heap of emptied weights "
                "lie now, and are as many in it after as many steps?",
            ),
            Change(
                "model={mlp: {hidden: [4]}}",
                "Four units have little room to learn by heart. How much narrower is the gap without regularisation, "
                "and does L1 still find most of the weights to be of no use?",
            ),
        ),
    ),
}


def refuse_misfits(names: Sequence[str], recipes: Sequence[Recipe]) -> None:
    """Raises BadInput for an explainer that does not apply to a run of these recipes."""
    for place, name in enumerate(names):
        found = EXPLAINERS[name].misfit(recipes)
        if found is not None:
            raise BadInput(
                f"{name} does not apply to this run",
                where=f"explain[{place}]",
                got=found.got,
                accepted=found.accepted,
                remedy=found.remedy,
            )
