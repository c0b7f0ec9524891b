"""Finds a stack's program by its structure: compiled once for all stacks of a process with the same structure."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.training.hyperparameters import hyperparameters, rules_of
from tasks.training.matrices import hidden_kernels
from tasks.training.networks import Networks
from tasks.training.noise import ETA
from tasks.training.program import PROGRAMS_KEPT, Inputs, Program
from tasks.training.rectangle import Rectangle
from tasks.training.stacked_networks import describe, layout
from tasks.training.structure import Structure

if TYPE_CHECKING:
    import keras

_PROGRAMS: dict[Structure, Program] = {}
_PROGRAMS_LOCK = threading.Lock()


@dataclass(frozen=True)
class Compiled:
    """A program, and the inputs that it takes for a stack's trials.

    Args:
        inputs: Hyperparameters, `seeds`, and `widths` where hidden layers are padded.
    """

    program: Program
    inputs: Inputs


def program_for(
    rectangle: Rectangle,
    networks: Networks,
    *,
    classes: int | None,
    class_weights: Sequence[np.ndarray | None],
    xla: bool,
    dtype: str,
) -> Compiled:
    """Returns the program of a stack: that of an earlier stack where the structure is the same.

    Args:
        classes: None for regression.
        class_weights: For each replica, `[classes]`.
    """
    import tensorflow as tf

    rules = rules_of(rectangle.recipes)
    values = hyperparameters(rectangle, rules, class_weights)
    widths = [trial.architecture.hidden for trial in rectangle.recipes]
    if any(rule.orthogonal for rule in rules):
        places, shapes = hidden_kernels(layout(networks.model)), networks.trainable_shapes
        values["sides"] = np.array([[max(shapes[each][place]) for place in places] for each in widths], float)
    if any(rule.factored for rule in rules):
        sides = [[(1, 1, *shape)[-2:] for shape in networks.trainable_shapes[each]] for each in widths]
        values["extents"] = np.array(sides, float)
    if any(rule.cautious or rule.by_array for rule in rules):
        values["sizes"] = np.array([list(map(math.prod, networks.trainable_shapes[each])) for each in widths], float)
    padded = any(each != networks.widths for each in widths)
    directed = padded and (any(rule.searches for rule in rules) or ETA in values)
    replicas, recipes = rectangle.shape
    structure = Structure(
        layers=describe(networks.model),
        classes=classes,
        replicas=replicas,
        folds=_folds_of_each(rectangle.seeds),
        recipes=recipes,
        rules=rules,
        inputs=(*values, *(["widths"] if padded else [])),
        batch_size=rectangle.recipes[0].batch_size,
        xla=xla,
        dtype=dtype,
        accumulation=rectangle.recipes[0].accumulation,
        averages=any(trial.averaging.in_steps for trial in rectangle.recipes),
        narrow_shapes=tuple(networks.trainable_shapes[each] for each in widths) if directed else (),
    )
    inputs = {name: tf.constant(value, tf.as_dtype(dtype)) for name, value in values.items()}
    inputs["seeds"] = tf.constant(rectangle.seeds, tf.int32)
    if padded:
        inputs["widths"] = tf.constant(widths, tf.int32)
    return Compiled(_shared(networks.model, structure), inputs)


def _folds_of_each(seeds: Sequence[int]) -> int:
    """How many consecutive replicas share a seed; 1 where that number differs between seeds."""
    counts = {seeds.count(seed) for seed in seeds}
    return counts.pop() if len(counts) == 1 else 1


def _shared(model: keras.Model, structure: Structure) -> Program:
    """Returns the program of a structure. `model` is one instance of the structure's network."""
    with _PROGRAMS_LOCK:
        if structure not in _PROGRAMS:
            if len(_PROGRAMS) >= PROGRAMS_KEPT:
                _PROGRAMS.pop(next(iter(_PROGRAMS)))
            _PROGRAMS[structure] = Program(model, structure)
        return _PROGRAMS[structure]
