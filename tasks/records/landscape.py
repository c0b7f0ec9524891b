"""What inspection.json holds of the loss around the shipped network, and between networks of different seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records.documents import Number


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Training losses on a plane through the shipped weights, which lie at (0, 0).

    Args:
        x, y: Evenly spaced, ascending.
        losses: `[len(y)][len(x)]`; None where it is no finite number.
    """

    x: Sequence[float]
    y: Sequence[float]
    losses: Sequence[Sequence[float | None]]


@dataclass(frozen=True, kw_only=True)
class TrainingPath:
    """The way of the weights in the plane of its two principal components.

    Args:
        plane: Along these components, of length 1.
        steps: Training steps taken at each point, the first 0.
        x, y: The points, as coordinates of the plane.
        share: Of the squared distances from the end of the way, what lies in the plane, in [0, 1].
        apart: Distance of its end from the shipped weights, over their length. The shipped trial was trained once more,
            alone, to be watched.
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
        largest: Its largest eigenvalue; None where the iteration did not come to an end.
        smallest, negative: Its smallest eigenvalue, and how many are below 0 by more than rounding; None of networks
            with more weights than the whole Hessian is made for.
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
        rows: Training rows that it is a mean over, of `training_rows`.
        weights: Trainable ones.
        loss: At the shipped weights, without penalties.
        plane: Along two random directions, filter-normalised: at 1 each unit has as much of it as of its own weights.
        path: None: see `no_path`.
        no_path: Why the way to the weights is not known, in a clause; None: it is.
        curvatures: Of one trial of each recipe; of the shipped one first.
        along, losses: Distances along the steepest direction, of length 1, and the losses there.
        random: The second derivative of the loss along the plane's first direction, for a length of 1.
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
        pairs: Of seeds; the losses are means over them.
        at: Places on the line, from 0 to 1.
        losses: With each network's units in their own order.
        matched: With the units of one in the order that brings its weights nearest to the other's.
        barrier, matched_barrier: The most by which the loss of a pair is above the straight line between the losses at
            its ends (Frankle et al. 2020), mean over pairs.
    """

    recipe_id: str
    pairs: int
    at: Sequence[float]
    losses: Sequence[float]
    matched: Sequence[float]
    barrier: float
    matched_barrier: float
