"""What is tried for each diagnosis, and in which order: a ladder of rungs, each with some changes of a recipe's
settings.

A rung that does not apply to a recipe has no changes: for example, a linear model has no width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.evaluation.wording import written
from tasks.records.settings import RecipeSettings
from tasks.spec.places import place_of, whole_value, with_setting
from tasks.spec.train import Clipping
from tasks.training.optimizers import LEARNING_RATES


@dataclass(frozen=True)
class Candidate:
    """A change in words, and the settings with it."""

    words: str
    settings: RecipeSettings


@dataclass(frozen=True)
class Rung:
    """Changes of one kind.

    Args:
        changes: From a recipe's settings to those that apply to it.
    """

    title: str
    changes: Callable[[RecipeSettings], list[Candidate]]


def _set(name: str, *values: Any, words: str = "") -> Callable[[RecipeSettings], list[Candidate]]:
    """Sets each of these values that the recipe does not have yet; no changes where it has no such setting."""

    def changes(settings: RecipeSettings) -> list[Candidate]:
        place = place_of(name, settings)
        if place is None:
            return []
        held: Any = settings.document
        for part in place:
            held = held[part]
        said = words or name.split(".")[-1].replace("_", " ")
        return [
            Candidate(f"{said} {_shown(each)}", with_setting(settings, {name: each})) for each in values if each != held
        ]

    return changes


def _shown(value: Any) -> str:
    return written(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _rates(*factors: float) -> Callable[[RecipeSettings], list[Candidate]]:
    def changes(settings: RecipeSettings) -> list[Candidate]:
        parameters = settings.optimizer.parameters
        if "learning_rate" not in parameters:
            return []
        rates = [float(f"{parameters['learning_rate'] * factor:.2g}") for factor in factors]
        return [
            Candidate(f"learning rate {written(rate)}", with_setting(settings, {"learning_rate": rate}))
            for rate in rates
        ]

    return changes


def _schedules(*entries: Any) -> Callable[[RecipeSettings], list[Candidate]]:
    def changes(settings: RecipeSettings) -> list[Candidate]:
        found = []
        for entry in entries:
            plain = whole_value("schedule", entry, "train.schedule")
            ((name, _),) = plain.items()
            ((_, given),) = entry.items() if isinstance(entry, dict) else ((entry, {}),)
            said = ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in given.items())
            words = f"schedule {name}" + (f" ({said})" if said else "")
            if plain != settings.part("schedule"):
                found.append(Candidate(words, with_setting(settings, {"schedule": plain})))
        return found

    return changes


def _clipped(*norms: float) -> Callable[[RecipeSettings], list[Candidate]]:
    """Clips gradients by their global norm, instead of any other clipping."""
    return lambda settings: [
        Candidate(
            f"gradients clipped to norm {written(norm)}",
            settings.replaced(clipping=Clipping(global_norm=norm).model_dump(mode="json")),
        )
        for norm in norms
    ]


def _batches(*factors: int) -> Callable[[RecipeSettings], list[Candidate]]:
    return lambda settings: _set("batch_size", *(settings.batch_size * factor for factor in factors))(settings)


def _widths(*factors: int) -> Callable[[RecipeSettings], list[Candidate]]:
    def changes(settings: RecipeSettings) -> list[Candidate]:
        model, parameters = settings.model
        hidden = parameters.get("hidden")
        if not hidden:
            return []
        wider = [[width * factor for width in hidden] for factor in factors]
        return [
            Candidate(f"hidden layers {each}", settings.replaced(model={model: {**parameters, "hidden": each}}))
            for each in wider
        ]

    return changes


def _together(*parts: Callable[[RecipeSettings], list[Candidate]]) -> Callable[[RecipeSettings], list[Candidate]]:
    return lambda settings: [each for part in parts for each in part(settings)]


_LOWER = Rung("Lower the learning rate", _rates(1 / 3, 0.1, 1 / 30))
_HIGHER = Rung("Raise the learning rate", _rates(3, 10, 100, 1000))
_CLIP = Rung("Clip gradients", _clipped(1.0, 0.1))
_WARM_UP = Rung("Warm up", _schedules({"constant": {"warmup": 0.1}}, {"cosine": {"warmup": 0.1}}))
_INITIALISE = Rung("Initialise otherwise", _set("initialisation", "he_normal", "glorot_uniform"))
_NORMALISE = Rung("Normalise in batches", _set("batch_normalisation", True, words="batch normalisation"))
_HOLD_BACK = Rung(
    "Dropout or L2", _together(_set("dropout", 0.2, 0.5), _set("l2", 1e-4, 1e-3), _set("weight_decay", 1e-3, 1e-2))
)

LADDERS: Mapping[str, Sequence[Rung]] = {
    "fluctuating_validation_loss": (
        _LOWER,
        Rung(
            "Reduce on plateau", _schedules(*({"plateau": {"factor": factor, "patience": 2}} for factor in (0.5, 0.2)))
        ),
        Rung("Raise beta_2", _set("beta_2", 0.9995, words="beta_2")),
        _CLIP,
        Rung("Larger batches", _batches(2, 4, 8)),
        Rung("Dropout or L2", _together(_set("dropout", 0.2, 0.5), _set("l2", 1e-4, 1e-3))),
    ),
    "learning_rate_too_low": (_HIGHER,),
    "learning_rate_too_high": (_LOWER, _WARM_UP, _CLIP),
    "diverged": (_LOWER, _CLIP, _WARM_UP, _NORMALISE),
    "exploding_gradients": (_CLIP, _LOWER, _INITIALISE, _NORMALISE),
    "vanishing_gradients": (_INITIALISE, Rung("Another activation", _set("activation", "relu", "elu")), _NORMALISE),
    "dying_relu": (_LOWER, _INITIALISE, Rung("Another activation", _set("activation", "elu", "tanh")), _NORMALISE),
    "poor_initialisation": (_INITIALISE, _NORMALISE),
    "unscaled_inputs": (_NORMALISE, _LOWER),
    "overfitting": (_HOLD_BACK, _LOWER),
    "underfitting": (Rung("Widen the network", _widths(2, 4, 16)), _HIGHER),
    "plateau": (_HIGHER, _WARM_UP),
    "unstable_under_seeds": (_WARM_UP, _LOWER, _NORMALISE),
}
"""By diagnosis. Labels that look wrong have no ladder: somebody must look at them, no setting repairs them."""


def at_random(settings: RecipeSettings, number: int, seed: int) -> list[Candidate]:
    """The control: settings drawn at random, among those that ladders change and that leave the number of steps and the
    network alone. The learning rate is drawn evenly on a logarithmic scale from the optimizer's own range."""
    rng = np.random.default_rng(seed)
    optimizer = settings.optimizer.name
    found = []
    for _ in range(number):
        setting: dict[str, Any] = {
            "learning_rate": float(f"{np.exp(rng.uniform(*np.log(LEARNING_RATES[optimizer]))):.3g}"),
            "beta_2": float(f"{1 - 10 ** rng.uniform(-4, -1):.4g}"),
            "dropout": round(float(rng.uniform(0, 0.5)), 2),
            "l2": float(f"{10 ** rng.uniform(-6, -2):.2g}"),
            "clipping.global_norm": float(f"{10 ** rng.uniform(-1, 1):.2g}"),
        }
        there = {name: value for name, value in setting.items() if place_of(name, settings)}
        bare = settings.replaced(clipping=Clipping().model_dump(mode="json"))
        words = ", ".join(f"{name} {_shown(value)}" for name, value in there.items())
        found.append(Candidate(words, with_setting(bare, there)))
    return found
