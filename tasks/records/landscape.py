"""The part of inspection.json on the loss around the shipped network, and between networks of different seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records.documents import Number


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Training losses on a plane through the shipped weights, which lie at (0, 0).

    Args:
        x, y: Evenly spaced, ascending.
        losses: `[len(y)][len(x)]`; None where the loss is not finite.
    """

    x: Sequence[float]
    y: Sequence[float]
    losses: Sequence[Sequence[float | None]]


@dataclass(frozen=True, kw_only=True)
class TrainingPath:
    """The path of the weights during training, in the plane of its two principal components.

    Args:
        plane: The plane along these components, which have length 1.
        steps: Training steps taken at each point, the first 0.
        x, y: The points, as coordinates of the plane.
        share: Share of the squared distances from the path's end that lies in the plane, in [0, 1].
        apart: Distance of the path's end from the shipped weights, divided by the length of these. The path is from
            training the shipped trial once more, alone.
    """

    plane: Plane
    steps: Sequence[int]
    x: Sequence[float]
    y: Sequence[float]
    share: float
    apart: float


@dataclass(frozen=True, kw_only=True)
class Curvature:
    """The Hessian of the training loss at the kept weights of a final trial.

    Args:
        largest: Its largest eigenvalue; None where the iteration did not converge.
        smallest, negative: Its smallest eigenvalue, and the number of eigenvalues below 0 by more than rounding errors;
            None for networks with too many weights to compute the whole Hessian.
        rate: Learning rate of the last step.
    """

    recipe_id: str
    trial_id: str
    largest: float | None
    smallest: float | None
    negative: int | None
    rate: float


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """The training loss around the shipped network.

    Args:
        rows: The number of training rows that the loss is a mean over, out of `training_rows`.
        weights: The number of trainable weights.
        loss: The loss at the shipped weights, without penalties.
        plane: Along two random, filter-normalised directions: at 1, each unit's part of the direction is as long as the
            unit's own weights.
        path: None: see `no_path`.
        no_path: Why the path of training is not known, in a clause; None where it is known.
        curvatures: One trial of each recipe; the shipped trial first.
        along, losses: Distances along the steepest direction, which has length 1, and the losses there.
        random: The second derivative of the loss along the plane's first direction, scaled to length 1.
    """

    rows: int
    training_rows: int
    weights: int
    loss: float
    plane: Plane
    path: TrainingPath | None
    no_path: str | None
    curvatures: Sequence[Curvature]
    along: Sequence[float]
    losses: Sequence[float | None]
    random: Number


@dataclass(frozen=True, kw_only=True)
class Between:
    """The training loss on the straight line between the kept weights of two seeds of a recipe, whose networks have one
    hidden layer.

    Args:
        pairs: The number of pairs of seeds; the losses are means over them.
        at: Positions on the line, from 0 to 1.
        losses: Losses with each network's units in their own order.
        matched: Losses with the units of one network in the order that brings its weights nearest to the other's.
        barrier, matched_barrier: The largest height of a pair's loss above the straight line between the losses at its
            ends (Frankle et al. 2020), mean over pairs.
    """

    recipe_id: str
    pairs: int
    at: Sequence[float]
    losses: Sequence[float]
    matched: Sequence[float]
    barrier: float
    matched_barrier: float
