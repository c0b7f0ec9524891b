"""mixup: training on convex combinations of two examples and of their targets (Zhang et al. 2018, "mixup: Beyond
Empirical Risk Minimization", equation 1). cutmix: on an image with a rectangle of another, and on both their targets
(Yun et al. 2019, "CutMix").

Both take preprocessed inputs of any data, and change targets too. So each is a `Mixer`, not an `Augmenter`, and comes
last in a policy. For cross-entropy and for squared error over a standardised value

    loss(mixed target) = weight * loss(target_a) + (1 - weight) * loss(target_b)    (+ a constant for squared error)

So a trainer needs no soft labels. It can add two losses with the row's weights, or, with the same expected gradient,
use the single target that `drawn_targets` picks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tasks.augmentation.seeds import uniforms
from tasks.ranges import Positive


@dataclass(frozen=True)
class Mixed:
    """Examples mixed in pairs.

    Args:
        inputs: float32 `[n, ...]`, `weight * own + (1 - weight) * partner's`.
        target_a: The example's own target `[n]`, of the dtype given.
        target_b: Its partner's.
        weight: The weight of `target_a`: float32 `[n]` in [0, 1].
    """

    inputs: np.ndarray
    target_a: np.ndarray
    target_b: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Mixer:
    """One way of mixing training examples with one another.

    Args:
        images: Whether it takes images only.
        mix: `(inputs, targets, seeds uint64 [n]) -> Mixed`; the partners come from the same arrays.
    """

    name: str
    parameters: dict[str, Any]
    mix: Callable[[np.ndarray, np.ndarray, np.ndarray], Mixed]
    images: bool = False


def mixup(*, alpha: Positive = 0.2) -> Mixer:
    """Mixes each example with another of the training part; the weight is drawn from Beta(alpha, alpha)."""
    return Mixer("mixup", {"alpha": alpha}, partial(mix, alpha=alpha))


def mix(inputs: np.ndarray, targets: np.ndarray, seeds: np.ndarray, *, alpha: float) -> Mixed:
    """Each example mixed with a partner drawn uniformly from all of them (itself included, as in the paper).

    Args:
        inputs: float32 `[n, ...]`, preprocessed.
        targets: `[n]`, classes or values.
        seeds: uint64 `[n]`; partner and weight of a row depend on its own seed, and on n, alone.
    """
    from scipy.special import betaincinv

    drawn = uniforms(seeds, 2)
    weight = betaincinv(alpha, alpha, drawn[:, 0]).astype(np.float32)
    partner = (drawn[:, 1] * len(inputs)).astype(np.int64)
    share = weight.reshape(-1, *[1] * (inputs.ndim - 1))
    mixed = share * inputs + (np.float32(1) - share) * inputs[partner]
    return Mixed(mixed.astype(inputs.dtype, copy=False), targets, targets[partner], weight)


def cutmix(*, alpha: Positive = 1.0) -> Mixer:
    """Puts a rectangle of another training image into each image; its share of the area is drawn from Beta(alpha,
    alpha)."""
    return Mixer("cutmix", {"alpha": alpha}, partial(cut, alpha=alpha), images=True)


def cut(inputs: np.ndarray, targets: np.ndarray, seeds: np.ndarray, *, alpha: float) -> Mixed:
    """Each image with a rectangle of a partner's, drawn as in `mix`, at the same place.

    The rectangle has the image's proportions and a centre anywhere in it. The part outside the image is cut off. The
    weight is the share of the image's own pixels that are left (Yun et al. 2019, equations 1 and 2).

    Args:
        inputs: float32 `[n, height, width, channels]`.
        targets, seeds: As for `mix`.
    """
    from scipy.special import betaincinv

    drawn = uniforms(seeds, 5)  # `drawn_targets` uses the third number
    partner = (drawn[:, 1] * len(inputs)).astype(np.int64)
    side = np.sqrt(1 - betaincinv(alpha, alpha, drawn[:, 0]))
    inside = np.ones([len(inputs), 1, 1], bool)
    for axis, place in ((1, 3), (2, 4)):
        size = inputs.shape[axis]
        centre, half = (drawn[:, place] * size).astype(np.int64), (side * size).astype(np.int64) // 2
        pixels = np.arange(size)
        within = (pixels >= (centre - half)[:, None]) & (pixels < (centre + half)[:, None])
        inside = inside & (within[:, :, None] if axis == 1 else within[:, None])
    weight = (1 - inside.mean(axis=(1, 2))).astype(np.float32)
    return Mixed(np.where(inside[..., None], inputs[partner], inputs), targets, targets[partner], weight)


def drawn_targets(mixed: Mixed, seeds: np.ndarray) -> np.ndarray:
    """One hard target a row, `target_a` with probability `weight`: the loss's mean gradient is that of the mixed
    target."""
    own = uniforms(seeds, 3)[:, 2] < mixed.weight  # the third number: the first two made the weight and the partner
    return np.where(own, mixed.target_a, mixed.target_b)


MIXERS: dict[str, Callable[..., Mixer]] = {"mixup": mixup, "cutmix": cutmix}
