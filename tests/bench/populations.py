"""Populations with a known truth, from which `tests.bench.coverage` draws test parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import norm
from scipy.stats import t as student

from tasks.evaluation.metrics import METRICS

Rng = np.random.Generator
Rows = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Target, prediction and groups, as `Metric.over_rows` takes them."""

SIZES, SIZES_OF_MEANS = (30, 100, 300, 1000), (30, 60, 100, 300, 1000)
PREVALENCES = (0.02, 0.05, 0.1, 0.2, 0.5)
AREAS = (0.7, 0.85, 0.95)
LARGE = 200_000  # rows whose metric counts as the truth where there is no closed form


@dataclass(frozen=True)
class Population:
    """A distribution of test parts.

    Args:
        name: Name in the table.
        metrics: Metrics that are measured on it.
        sizes: Numbers of rows of its test parts.
        draw: Draws so many rows.
        truth: Returns the true value of a metric, given its name.
    """

    name: str
    metrics: Sequence[str]
    sizes: Sequence[int]
    draw: Callable[[Rng, int], Rows]
    truth: Callable[[str], float]


# --- two classes: the scores of each are normal ----------------------------------------------------------------


def _binormal(area: float, prevalence: float, sureness: float, rng: Rng, rows: int) -> Rows:
    """Draws rows with binormal scores; `sureness` multiplies the logit of the probability: 1 is calibrated, 2
    overconfident."""
    distance = 2**0.5 * ndtri(area)
    positive = rng.random(rows) < prevalence
    score = positive * distance + rng.normal(size=rows)
    probability = expit(sureness * (distance * score - distance**2 / 2 + logit(prevalence)))
    return positive.astype(np.int64), np.column_stack([1 - probability, probability]), None


def _binormal_truth(area: float, prevalence: float, sureness: float, name: str) -> float:
    """Returns a metric's true value, where needed by integration over the score in steps of 0.001."""
    distance = 2**0.5 * ndtri(area)
    score = np.arange(-12, 12 + distance, 0.001)
    positives, negatives = prevalence * norm.pdf(score - distance), (1 - prevalence) * norm.pdf(score)
    if name == "roc_auc":
        return area
    if name == "pr_auc":
        hits, misses = prevalence * ndtr(distance - score), (1 - prevalence) * ndtr(-score)
        return float(np.sum(positives * hits / np.maximum(hits + misses, 1e-300)) * 0.001 / prevalence)
    logits = sureness * (distance * score - distance**2 / 2 + logit(prevalence))
    probability = expit(logits)
    if name == "brier_score":
        return float(np.sum(positives * (1 - probability) ** 2 + negatives * probability**2) * 0.001)
    if name == "calibration_error":
        gaps = (positives * (1 - probability) - negatives * probability) * 0.001
        return float(np.abs(np.bincount((probability * 10).astype(int), gaps, 10)).sum())
    if name in ("balanced_accuracy", "mcc"):
        cut = (distance**2 / 2 - logit(prevalence)) / distance
        return _recalls_truth(float(ndtr(distance - cut)), float(ndtr(cut)), prevalence, name)
    return float(np.sum(positives * np.logaddexp(0, -logits) + negatives * np.logaddexp(0, logits)) * 0.001)


def _recalls(sensitivity: float, specificity: float, prevalence: float, rng: Rng, rows: int) -> Rows:
    positive = rng.random(rows) < prevalence
    right = rng.random(rows) < np.where(positive, sensitivity, specificity)
    return positive.astype(np.int64), np.eye(2)[(positive == right).astype(np.int64)], None


def _recalls_truth(sensitivity: float, specificity: float, prevalence: float, name: str) -> float:
    if name == "balanced_accuracy":
        return (sensitivity + specificity) / 2
    alarms = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    scale = np.sqrt(prevalence * (1 - prevalence) / (alarms * (1 - alarms)))
    return float((sensitivity + specificity - 1) * scale)


def _two_recalls() -> list[Population]:
    return [
        Population(
            f"recalls {sensitivity:g} and {specificity:g}, {prevalence:.0%} positive",
            ("balanced_accuracy", "mcc"),
            SIZES,
            partial(_recalls, sensitivity, specificity, prevalence),
            partial(_recalls_truth, sensitivity, specificity, prevalence),
        )
        for sensitivity, specificity in ((0.5, 0.5), (0.1, 0.99), (0.5, 0.95), (0.8, 0.9), (0.95, 0.95), (0.99, 0.995))
        for prevalence in (0.01, 0.05, 0.2, 0.5)
    ]


def _two_classes() -> list[Population]:
    def of(area: float, prevalence: float, sureness: float, metrics: Sequence[str], said: str = "") -> Population:
        given = (area, prevalence, sureness)
        return Population(
            f"binormal, AUC {area:g}, {prevalence:.0%} positive{said}",
            metrics,
            SIZES,
            partial(_binormal, *given),
            partial(_binormal_truth, *given),
        )

    ranked = ("roc_auc", "pr_auc", "balanced_accuracy", "mcc")
    calibrated = [of(area, prevalence, 1, ranked, "") for area in AREAS for prevalence in PREVALENCES]
    losses = [
        of(area, prevalence, sureness, ("log_loss", "brier_score", "calibration_error"), said)
        for area in (0.7, 0.95)
        for prevalence in PREVALENCES
        for sureness, said in ((1, ""), (2, ", overconfident"))
    ]
    return calibrated + losses + _two_recalls()


# --- three classes or more: points around centres on a circle --------------------------------------------------


def _circle(shares: tuple[float, ...], radius: float, rng: Rng, rows: int) -> Rows:
    angle = 2 * np.pi * np.arange(len(shares)) / len(shares)
    centres = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    target = rng.choice(len(shares), size=rows, p=shares)
    point = centres[target] + rng.normal(size=(rows, 2))
    logits = np.log(shares) - ((point[:, None, :] - centres) ** 2).sum(axis=2) / 2
    return target, np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None]), None


@lru_cache(maxsize=256)
def _circle_truth(shares: tuple[float, ...], radius: float, name: str) -> float:
    if name == "calibration_error":  # the probabilities follow Bayes' rule
        return 0.0
    target, prediction, _ = _circle(shares, radius, np.random.default_rng(1), LARGE)
    return METRICS[name].function(target, prediction)


def _many_classes() -> list[Population]:
    shown = ("precision", "recall", "f1", "balanced_accuracy", "mcc")
    metrics = (*shown, "roc_auc", "pr_auc", "log_loss", "brier_score", "calibration_error")
    return [
        Population(
            f"{said}, {len(shares)} classes",
            metrics,
            (100, 300, 1000),
            partial(_circle, shares, radius),
            partial(_circle_truth, shares, radius),
        )
        for shares, easy, hard in (((0.5, 0.3, 0.2), 3.0, 1.0), ((0.1,) * 10, 8.0, 3.0))
        for radius, said in ((easy, "easy"), (hard, "hard"))
    ]


# --- regression -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Errors:
    """A distribution of errors with mean 0: its draws, standard deviation, and the mean and median of the absolute
    value."""

    draw: Callable[[Rng, int], np.ndarray]
    deviation: float
    absolute: float
    median: float


_E = float(np.exp(0.5))
ERRORS = {
    "normal": Errors(lambda rng, n: rng.normal(size=n), 1.0, (2 / np.pi) ** 0.5, float(ndtri(0.75))),
    "Laplace": Errors(lambda rng, n: rng.laplace(size=n), 2**0.5, 1.0, float(np.log(2))),
    "t5": Errors(
        lambda rng, n: rng.standard_t(5, n), (5 / 3) ** 0.5, 4 * 5**0.5 / (3 * np.pi), float(student.ppf(0.75, 5))
    ),
    "t3": Errors(lambda rng, n: rng.standard_t(3, n), 3**0.5, 2 * 3**0.5 / np.pi, float(student.ppf(0.75, 3))),
    "lognormal": Errors(
        lambda rng, n: np.exp(rng.normal(size=n)) - _E,
        (np.e * (np.e - 1)) ** 0.5,
        2 * _E * (2 * float(ndtr(0.5)) - 1),
        # The median distance from the mean, solved numerically to 1e-10.
        0.9963344534,
    ),
}
R2 = 0.8


def _regression(errors: Errors, rng: Rng, rows: int) -> Rows:
    prediction = errors.deviation * (R2 / (1 - R2)) ** 0.5 * rng.normal(size=rows)
    return prediction + errors.draw(rng, rows), prediction, None


def _regression_truth(errors: Errors, name: str) -> float:
    return {"rmse": errors.deviation, "mae": errors.absolute, "r2": R2, "median_ae": errors.median}[name]


def _regressions() -> list[Population]:
    return [
        Population(
            f"{name} errors",
            ("rmse", "mae", "r2", "median_ae"),
            SIZES_OF_MEANS,
            partial(_regression, errors),
            partial(_regression_truth, errors),
        )
        for name, errors in ERRORS.items()
    ]


def _relative(spread: float, rng: Rng, rows: int) -> Rows:
    """Draws prices: target and prediction differ by a lognormal factor."""
    prediction = np.exp(rng.normal(size=rows))
    return prediction * np.exp(spread * rng.normal(size=rows)), prediction, None


def _relative_truth(spread: float, name: str) -> float:
    """E|1 - exp(spread z)| of normal z."""
    return float(np.exp(spread**2 / 2) * (2 * ndtr(spread) - 1))


def _prices() -> list[Population]:
    return [
        Population(
            f"lognormal factors, sigma {spread:g}",
            ("mape",),
            SIZES_OF_MEANS,
            partial(_relative, spread),
            partial(_relative_truth, spread),
        )
        for spread in (0.05, 0.2, 0.5, 1.0)
    ]


# --- rows in groups: about half of the variance is between groups ------------------------------------------------


def _groups(rows: int, uneven: bool) -> np.ndarray:
    """Returns the group of each row: groups of ten rows; uneven ones have 1 to 19."""
    count = rows // 10
    sizes = np.full(count, 10)
    if uneven:
        sizes = 10 + np.resize([9, -9, 5, -5, 0], count)
        sizes[-1] += rows - sizes.sum()
    return np.repeat(np.arange(count), np.maximum(sizes, 1))[:rows]


def _grouped_shares(classes: int, share: float, alike: float, uneven: bool, rng: Rng, rows: int) -> Rows:
    """Draws equally frequent classes, predicted correctly with a probability that is a beta variable of the group;
    `alike` is the correlation of two rows of a group."""
    groups = _groups(rows, uneven)
    scale = 1 / alike - 1
    chance = rng.beta(share * scale, (1 - share) * scale, size=groups.max() + 1)
    right = rng.random(len(groups)) < chance[groups]
    target = rng.integers(classes, size=len(groups))
    wrong = (target + rng.integers(1, classes, size=len(groups))) % classes
    return target, np.eye(classes)[np.where(right, target, wrong)], groups


def _grouped_scores(area: float, rng: Rng, rows: int) -> Rows:
    """Draws binormal scores; half of their variance is between groups."""
    groups = _groups(rows, False)
    positive = rng.random(len(groups)) < 0.3
    noise = (rng.normal(size=groups.max() + 1)[groups] + rng.normal(size=len(groups))) / 2**0.5
    probability = expit(positive * 2**0.5 * ndtri(area) + noise - 1)
    return positive.astype(np.int64), np.column_stack([1 - probability, probability]), groups


def _grouped_errors(rng: Rng, rows: int) -> Rows:
    """Draws normal errors; half of their variance is between groups."""
    groups = _groups(rows, True)
    prediction = rng.normal(size=len(groups)) * 2
    error = (rng.normal(size=groups.max() + 1)[groups] + rng.normal(size=len(groups))) / 2**0.5
    return prediction + error, prediction, groups


def _grouped_factors(spread: float, rng: Rng, rows: int) -> Rows:
    """Draws rows as `_relative` does; half of the variance of a factor's logarithm is between groups."""
    groups = _groups(rows, True)
    factor = (rng.normal(size=groups.max() + 1)[groups] + rng.normal(size=len(groups))) / 2**0.5
    prediction = np.exp(rng.normal(size=len(groups)))
    return prediction * np.exp(spread * factor), prediction, groups


@lru_cache(maxsize=256)
def _grouped_truth(area: float, name: str) -> float:
    target, prediction, _ = _grouped_scores(area, np.random.default_rng(1), LARGE)
    return area if name == "roc_auc" else METRICS[name].function(target, prediction)


def _in_groups() -> list[Population]:
    of_shares = ("precision", "recall", "f1", "balanced_accuracy", "mcc")
    shares = [
        Population(
            f"groups of {'1 to 19' if uneven else '10'}, share {share:g}, correlation {alike:g}, {classes} classes",
            (*(("accuracy",) if classes == 2 else ()), *of_shares),
            (100, 200, 300, 500, 1000),
            partial(_grouped_shares, classes, share, alike, uneven),
            {**dict.fromkeys(("accuracy", *of_shares), share), "mcc": 1 - (1 - share) * classes / (classes - 1)}.get,
        )
        for classes in (2, 3)
        for share in (0.8, 0.95)
        for alike, uneven in ((0.1, False), (0.5, False), (0.5, True))
    ]
    scores = [
        Population(
            f"groups of 10, binormal, AUC {area:g}",
            ("roc_auc", "pr_auc", "log_loss", "brier_score", "calibration_error"),
            (300, 1000),
            partial(_grouped_scores, area),
            partial(_grouped_truth, area),
        )
        for area in (0.7, 0.95)
    ]
    truths = {"rmse": 1.0, "mae": (2 / np.pi) ** 0.5, "r2": 0.8, "median_ae": float(ndtri(0.75))}
    errors = Population("groups of 1 to 19, normal", tuple(truths), (300, 1000), _grouped_errors, truths.__getitem__)
    factors = Population(
        "groups of 1 to 19, lognormal factors, sigma 0.5",
        ("mape",),
        (300, 1000),
        partial(_grouped_factors, 0.5),
        partial(_relative_truth, 0.5),
    )
    return [*shares, *scores, errors, factors]


POPULATIONS = [*_two_classes(), *_many_classes(), *_regressions(), *_prices(), *_in_groups()]
