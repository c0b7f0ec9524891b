"""How well the network fits: overfitting, underfitting, noise in validation, labels, seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.diagnosis.case import Case, History
from tasks.diagnosis.measures import (
    BEATEN,
    confidence,
    fall,
    first,
    last,
    median,
    moved,
    of_seeds,
    said,
    share,
    wanders,
)
from tasks.records.diagnosis import Diagnosis

RISEN = 1.15
"""Last validation loss over the lowest."""
FLUCTUATES = 0.1
"""`measures.wanders` of the validation loss."""
WRONG = 0.15
"""Lower end of the one-sided 95% interval for the share of the surest validation rows that have another label."""
APART = 1.5
"""Lowest validation loss of the worst seed over that of the best."""
NARROW = 4
"""A hidden layer of at most so many units may be too narrow for the task. A wider network can do all that a linear
model does: where the linear model does better, the training is at fault."""


def overfitting(case: Case) -> Diagnosis | None:
    risen = median(case, _risen)
    train = median(case, lambda history: last(history.of("train_loss")) / first(history.of("train_loss")))
    if not risen > RISEN or not train < 1:
        return None
    lowest = median(case, lambda history: float(np.argmin(history.of("val_loss")) + 1) / len(history.of("val_loss")))
    gap = median(case, lambda history: last(history.of("val_loss")) - last(history.of("train_loss")))
    if gap <= 0:
        return None
    return Diagnosis(
        kind="overfitting",
        confidence=confidence(risen - 1, RISEN - 1),
        figure=risen,
        evidence={"val_loss_risen": risen, "loss_gap": gap, "lowest_at": lowest},
        seen=f"The validation loss ended {said(risen)} times as high as at its lowest, which came after "
        f"{share(lowest)} of the training, while the training loss fell to {share(train)}.",
        why="From there on the network learned the training rows by heart, and not what they have in common.",
        remedy="Stop early (train.early_stopping), regularise (dropout, l2), augment, or get more rows.",
    )


def _risen(history: History) -> float:
    """The validation loss at the end over its lowest, both as means of three evaluations."""
    losses = history.of("val_loss")
    if len(losses) < 5 or losses.min() <= 0:
        return np.nan
    smooth = np.convolve(losses, np.ones(3) / 3, "valid")
    return float(smooth[-1] / smooth.min())


def underfitting(case: Case) -> Diagnosis | None:
    """Both losses are flat, alike and high, and the network is narrow, or linear where a simple model does better."""
    facts = case.facts
    falls = median(case, lambda history: fall(history.of("train_loss")))
    loss = median(case, lambda history: last(history.of("train_loss")))
    val = median(case, lambda history: float(np.min(history.of("val_loss"), initial=np.inf)))
    beaten = facts.simple_loss is not None and facts.simple_loss < BEATEN * val
    if facts.constant_loss is None or not np.isfinite(val) or not median(case, moved) > 0.05:
        return None
    level, narrowest = facts.constant_loss, min(facts.settings.hidden, default=0)
    small = narrowest <= NARROW if facts.settings.hidden else facts.linear and beaten
    if not (small and loss > 0.2 * level and val < loss * 1.25 and falls < 0.2):
        return None
    against = f"; a simple model reaches {said(facts.simple_loss)}" if beaten and facts.simple_loss is not None else ""
    return Diagnosis(
        kind="underfitting",
        confidence=confidence(loss / level, 0.2, 1.0),
        figure=loss / level,
        evidence={"share_of_constant_loss": loss / level, "narrowest_layer": float(narrowest), "fall": falls},
        seen=f"The training loss ended at {share(loss / level)} of the constant answer's and the validation loss with "
        f"it{against}.",
        why=f"The network has {_size(facts.settings.hidden)}, too few for what the inputs say.",
        remedy="Widen the network (model.hidden), and only then train longer.",
    )


def _size(hidden: Sequence[int]) -> str:
    return f"{min(hidden)} units in its narrowest layer" if hidden else "no hidden layer"


def fluctuating_validation_loss(case: Case) -> Diagnosis | None:
    restless = median(case, lambda history: wanders(history.of("val_loss")))
    if not restless > FLUCTUATES:
        return None
    return Diagnosis(
        kind="fluctuating_validation_loss",
        confidence=confidence(restless, FLUCTUATES),
        figure=restless,
        evidence={"val_loss_wanders": restless},
        seen=f"From one evaluation to the next the validation loss changes by about {share(restless)}, over the last "
        "half of the training.",
        why="Steps are too large or batches too small for it to settle, or the validation part has too few rows.",
        remedy="Lower the learning rate towards the end (schedule: cosine), or use larger batches.",
    )


def wrong_labels(case: Case) -> Diagnosis | None:
    from scipy.stats import beta

    level = case.facts.constant_loss
    if case.facts.sure_errors is None or level is None:
        return None
    wrong, rows = case.facts.sure_errors
    errors = wrong / rows
    low = float(beta.ppf(0.05, wrong, rows - wrong + 1)) if wrong else 0.0  # Clopper & Pearson 1934
    knows = errors < 0.75 * (1 - np.exp(-level))  # of the errors of guessing by the classes' shares
    train = median(case, lambda history: last(history.of("train_loss")))
    val = median(case, lambda history: float(np.min(history.of("val_loss"), initial=np.inf)))
    fitted = train < 0.8 * val and val > 0.5 * level  # else the network or the training is at fault
    if not (low > WRONG and knows and fitted):
        return None
    return Diagnosis(
        kind="wrong_labels",
        confidence=confidence(low, WRONG),
        figure=errors,
        evidence={"sure_errors": errors, "at_least": low, "rows": float(rows)},
        seen=f"Of the quarter of the validation rows whose class the network is surest of, {share(errors)} have "
        "another label.",
        why="Where classes merely overlap, the surest rows are nearly always right; so these labels look wrong.",
        remedy="Look at the rows that are surest and wrong (the report lists them), and have some labelled again.",
    )


def sure_errors(target: np.ndarray, probabilities: np.ndarray) -> tuple[int, int]:
    """Of the quarter of the rows whose class is surest, how many have another label; and how many rows the quarter has.

    Args:
        target: Classes, int `[rows]`.
        probabilities: `[rows, classes]`.
    """
    surest = np.argsort(-probabilities.max(1), kind="stable")[: max(len(target) // 4, 1)]
    return int((probabilities[surest].argmax(1) != target[surest]).sum()), len(surest)


def _apart(lowest: np.ndarray, ended: Sequence[bool]) -> str:
    """How far the seeds' lowest validation losses lie apart, and how many diverged."""
    diverged = f"{ended.count(False)} of {len(ended)} trials diverged"
    if not all(ended) and lowest.max() < APART * lowest.min():
        return f"{diverged}; the others came to a validation loss of about {said(float(np.median(lowest)))}."
    losses = f"validation loss is {said(lowest.min())} under the best seed, {said(lowest.max())} under the worst"
    return f"The lowest {losses}." if all(ended) else f"{diverged}; the lowest {losses}."


def unstable_under_seeds(case: Case) -> Diagnosis | None:
    lowest = of_seeds([float(np.min(history.of("val_loss"), initial=np.inf)) for history in case.histories])
    ended = [history.status != "diverged" for history in case.histories]
    split = any(ended) and not all(ended)
    level = case.facts.constant_loss
    if len(case.histories) < 3 or not len(lowest) or level is None or lowest.min() <= 0:
        return None
    apart = float(lowest.max() / lowest.min())
    if not split and not (apart > APART and lowest.max() - lowest.min() > 0.15 * level):
        return None
    return Diagnosis(
        kind="unstable_under_seeds",
        confidence=0.9 if split else confidence(apart, APART),
        figure=apart,
        evidence={"worst_over_best": apart, "best": float(lowest.min()), "worst": float(lowest.max())},
        seen=_apart(lowest, ended),
        why="How this recipe trains depends on its initial weights and on the order of the rows.",
        remedy="Use warmup or a lower learning rate, a wider network, or batch normalisation.",
    )
