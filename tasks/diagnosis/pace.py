"""Training that goes too slowly, too fast, or nowhere: learning rate, divergence, plateau."""

from __future__ import annotations

import numpy as np

from tasks.diagnosis.case import Case, History
from tasks.diagnosis.fit import NARROW
from tasks.diagnosis.measures import (
    BEATEN,
    confidence,
    fall,
    first,
    last,
    learned,
    median,
    middle,
    moved,
    plural,
    said,
    share,
    wanders,
)
from tasks.records.diagnosis import Diagnosis

MOVED = 0.02
"""The least share of their initial length that weights move in a training at a reasonable pace."""
STILL_FALLING = 0.5
"""Share of the training loss's whole fall that comes in the last half of the training, at a steady pace: about one
half. After convergence it is nearly nothing."""
UPDATE = 0.03
"""Norm of a step's update over the norm of the weights, above which steps are large; 0.001 is usual."""
WANDERS = 0.15
"""`measures.wanders` of the training loss under a learning rate that is too high."""
GREW = 3.0
"""A loss that is more than so many times as high as before training has run away."""
FLAT = 0.02
"""Fall of the training loss over the last half, below which it is flat."""
DECAYED = 0.05
"""Learning rate in the middle of training, as a share of the first, below which the schedule has ended training."""
SMALL_UPDATE = 0.001
"""Norm of a step's update over the norm of the weights, below which steps are small."""
HIGH = 0.3
"""Share of the constant answer's loss, above which a loss is far from where it could be."""
STEADY = 0.05
"""Fall of the training loss in the second quarter of the training, above which the training was still on its way."""
TINY_GRADIENT = 1e-4
"""Gradient norm below which the weights stay where they are for lack of a gradient, not for a low learning rate."""


def _start(history: History) -> float:
    """The loss before training. It is not recorded, so the first training loss stands for it."""
    return first(history.of("train_loss"))


def diverged(case: Case) -> Diagnosis | None:
    """The loss became non-finite, or ran away."""
    ended = [history for history in case.histories if history.status == "diverged"]
    grew = [last(history.of("train_loss")) / _start(history) for history in case.histories]
    ran_away = [each for each in grew if np.isfinite(each) and each > GREW]
    if not ended and len(ran_away) * 2 <= len(case.histories):
        return None
    layer = next((each for history in ended for each in history.layers if len(history.of("non_finite", each))), None)
    steps = [int(history.steps["non_finite", layer][0]) for history in ended if len(history.of("non_finite", layer))]
    count = max(len(ended), len(ran_away))
    update = median(case, lambda history: float(np.max(history.of("update_ratio"), initial=0)))
    moved_by = f": a step moved the weights by up to {share(update)} of their length" if update > 0 else ""
    how = "became non-finite" if ended else f"ended {said(max(ran_away))} times as high as it began"
    return Diagnosis(
        kind="diverged",
        confidence=0.99 if ended else confidence(max(ran_away), GREW),
        figure=float(count),
        evidence={"diverged_trials": float(count), "trials": float(len(case.histories))}
        | ({"largest_update_ratio": update} if np.isfinite(update) else {}),
        seen=f"The loss {how} in {count} of {len(case.histories)} trials.",
        why=f"Steps were too large for the loss to follow{moved_by}.",
        remedy="Lower the learning rate tenfold, or clip the gradient's norm (train.clip).",
        layer=layer,
        step=min(steps, default=None),
    )


def learning_rate_too_low(case: Case) -> Diagnosis | None:
    return _hardly_moved(case) or _on_its_way(case)


def _hardly_moved(case: Case) -> Diagnosis | None:
    """The weights hardly moved, though there was a gradient to follow, and the loss had not stopped falling."""
    far = median(case, moved)
    gradient = median(case, lambda history: middle(history.of("grad_norm")))
    losses = [history.of("train_loss") for history in case.histories if len(history.of("train_loss")) > 2]
    if not np.isfinite(far) or far >= MOVED or not losses or not gradient > TINY_GRADIENT:
        return None
    rates = [history.of("learning_rate") for history in case.histories]
    if all(len(each) and each[len(each) // 2] < DECAYED * each[0] for each in rates):
        return None  # the schedule ended the training: a plateau
    falls = float(np.median([(each[0] - each[-1]) / (len(each) - 1) for each in losses]))  # in one evaluation
    loss = float(np.median([each[-1] for each in losses]))
    late = median(case, _late)
    if learned(case) and not late > STILL_FALLING / 2:
        return None
    epochs = case.facts.epochs
    needs = 0.1 * loss / falls * epochs / len(losses[0]) if falls > 0 else np.inf
    update = median(case, lambda history: middle(history.of("update_ratio")))
    when = f"would take about {plural(needs, 'epoch')}" if np.isfinite(needs) else "would never come"
    evidence = {"moved": far, "update_ratio": update, "grad_norm": gradient, "fall_an_epoch": falls, "train_loss": loss}
    return Diagnosis(
        kind="learning_rate_too_low",
        confidence=confidence(MOVED / max(far, 1e-12), 1.0),
        figure=far,
        evidence=evidence | ({"epochs_for_a_tenth": needs} if np.isfinite(needs) else {}),
        seen=f"In {plural(epochs, 'epoch')} the weights moved by {share(far)} of their length; at that pace a training "
        f"loss lower by a tenth {when}.",
        why=f"At a learning rate of {said(case.facts.settings.learning_rate)} a step of "
        f"{case.facts.optimizer} changes the weights by {share(update)} of their length, where about 0.1% is usual.",
        remedy=_faster(far),
    )


def _on_its_way(case: Case) -> Diagnosis | None:
    """Steps were small, the loss fell steadily, and training or its schedule ended far above a simple model's loss."""
    facts = case.facts
    loss = median(case, lambda history: last(history.of("train_loss")))
    val = median(case, lambda history: float(np.min(history.of("val_loss"), initial=np.inf)))
    steady = median(case, _second_quarter)
    update = median(case, lambda history: middle(history.of("update_ratio")))
    if facts.constant_loss is None or facts.simple_loss is None or not (update < SMALL_UPDATE and steady > STEADY):
        return None
    level, simple = facts.constant_loss, facts.simple_loss
    if not (HIGH * level < loss < GREW / 2 * level and val < 1.25 * loss and simple < BEATEN * val):
        return None
    if not min(facts.settings.hidden, default=0) > NARROW:
        return None  # it may be too small
    return Diagnosis(
        kind="learning_rate_too_low",
        confidence=confidence(steady, STEADY),
        figure=steady,
        evidence={
            "update_ratio": update,
            "fall_in_second_quarter": steady,
            "share_of_constant_loss": loss / level,
            "simple_loss": simple,
        },
        seen=f"In the second quarter of the training its loss fell by {share(steady)}, and it ended at "
        f"{share(loss / level)} of the constant answer's; a simple model's validation loss is {said(simple)}, the "
        f"network's {said(val)}.",
        why=f"At a learning rate of {said(facts.settings.learning_rate)} and under its schedule a step of "
        f"{facts.optimizer} changed the weights by {share(update)} of their length: on its way, but too slow for "
        f"{plural(facts.epochs, 'epoch')}.",
        remedy="Try a learning rate 3 to 10 times as high (bakeoff lr-range finds one), a schedule that falls later, "
        "or more epochs.",
    )


def _second_quarter(history: History) -> float:
    """By what share the training loss fell in the second quarter of the training."""
    losses = history.of("train_loss")
    quarter = len(losses) // 4
    if quarter < 2 or losses[quarter - 1] <= 0:
        return np.nan
    return float(1 - losses[2 * quarter - 1] / losses[quarter - 1])


def _late(history: History) -> float:
    """Share of the training loss's fall that came in the last half."""
    losses = history.of("train_loss")
    whole = losses[0] - losses[-1] if len(losses) > 2 else 0.0
    return float((losses[len(losses) // 2] - losses[-1]) / whole) if whole > 0 else np.nan


def _faster(far: float) -> str:
    """The remedy in words: how many times higher the learning rate may be, for weights to move a fifth of their
    length."""
    times = 10 ** round(np.log10(np.clip(0.2 / max(far, 1e-12), 10, 1e6)))
    return f"Try a learning rate about {times:,.0f} times as high; bakeoff lr-range finds one."


def learning_rate_too_high(case: Case) -> Diagnosis | None:
    """Steps are large beside the weights, and the loss does not settle."""
    update = median(case, lambda history: middle(history.of("update_ratio")[:8]))
    restless = median(case, lambda history: wanders(history.of("train_loss")))
    level = case.facts.constant_loss
    lowest = median(case, lambda history: float(np.min(history.of("train_loss"), initial=np.inf)))
    high = level is not None and lowest > 0.95 * level
    ended = any(history.status == "diverged" for history in case.histories)
    largest = median(case, lambda history: float(np.max(history.of("update_ratio"), initial=0)))
    began = median(case, _start)
    thrown = level is not None and began > GREW * level and largest > UPDATE and _calm_start(case)
    unsettled = (update > UPDATE or largest > 10 * UPDATE) and (high or ended or restless > WANDERS)
    if not (unsettled or thrown):
        return None
    figure = max(update, largest if thrown else largest / 10)
    return Diagnosis(
        kind="learning_rate_too_high",
        confidence=confidence(figure, UPDATE),
        figure=update,
        evidence={
            "update_ratio": update,
            "largest_update_ratio": largest,
            "train_loss_wanders": restless,
            "first_train_loss": began,
        }
        | ({"lowest_train_loss": lowest} if np.isfinite(lowest) else {}),
        seen=f"A step changes the weights by {share(update)} of their length, up to {share(largest)}, and the training "
        + _unsettled(began, lowest, thrown=thrown),
        why=f"At a learning rate of {said(case.facts.settings.learning_rate)} steps of "
        f"{case.facts.optimizer} jump over the valley that they should go down into.",
        remedy="Lower the learning rate about tenfold; bakeoff lr-range finds one.",
    )


def _unsettled(began: float, lowest: float, *, thrown: bool) -> str:
    if not thrown:
        return "loss does not settle."
    return f"loss rose to {said(began)} at first" + ("." if lowest < began / 2 else ", and stayed as high.")


def _calm_start(case: Case) -> bool:
    """Whether the network began with outputs of a usual size, so that its steps must have caused a high loss."""
    return median(case, lambda history: first(history.of("activation_std", "output"))) < GREW


def plateau(case: Case) -> Diagnosis | None:
    """The training loss is flat while it could still be lower."""
    falls = median(case, lambda history: fall(history.of("train_loss")))
    level = case.facts.constant_loss
    loss = median(case, lambda history: last(history.of("train_loss")))
    rates = [history.of("learning_rate") for history in case.histories if len(history.of("learning_rate")) > 2]
    left = float(np.median([each[len(each) // 2] / each[0] for each in rates])) if rates else np.nan
    if not falls < FLAT or level is None or loss < 0.1 * level or not left < DECAYED:
        return None
    return Diagnosis(
        kind="plateau",
        confidence=confidence(DECAYED / max(left, 1e-12), 1.0, 1.0),
        figure=falls,
        evidence={"fall_in_last_half": falls, "train_loss": loss, "learning_rate_left": left},
        seen=f"Over the last half of the training the loss fell by {share(max(falls, 0))} and stayed at {said(loss)}.",
        why=f"Halfway the schedule had lowered the learning rate to {share(left)} of its first value, so the weights "
        "stand still.",
        remedy="Let the learning rate fall later or less (train.schedule).",
    )
