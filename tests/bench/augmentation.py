"""Compares augmentation with the bare library: `python -m tests.bench.augmentation`.

Applies the same transforms to the same images in three ways, in turn: Albumentations' `Compose` called in a loop, whose
results for an example can't be repeated; this project in one process; this project in two processes, started before the
clock. Prints images a second and the ratios to the loop, median of the rounds (smallest-largest).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from flows.environment import quieten

IMAGES = {"28 x 28 x 1": (28, 28, 1), "64 x 64 x 3": (64, 64, 3)}
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "crop": {"crop": {}},
    "rotation, brightness and contrast": {"rotation": {}, "brightness_contrast": {}},
    "six steps": {"rotation": {}, "translation": {}, "crop": {}, "brightness_contrast": {}, "noise": {}, "cutout": {}},
}
COUNT = 6_000


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench.augmentation", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    quieten()
    print("| images | policy | loop, images/s | one process | two processes |\n|---|---|---|---|---|")
    for size, shape in IMAGES.items():
        for name, steps in POLICIES.items():
            rate, one, two = compare(shape, steps, rounds)
            print(f"| {size} | {name} | {rate:,.0f} | {_said(one)} | {_said(two)} |", flush=True)


def compare(shape: tuple[int, ...], steps: Mapping[str, Any], rounds: int) -> tuple[float, list[float], list[float]]:
    """Returns the loop's images a second (median), and for one and two processes the speed over the loop's by round."""
    from tasks.augmentation.policy import augment, policy_of, workers

    document = {"steps": [{name: parameters} for name, parameters in steps.items()], "times": None, "seed": 0}
    generator = np.random.default_rng(0)
    compose = bare(document)
    images = generator.integers(0, 256, (COUNT, *shape), np.uint8)
    rows = np.arange(COUNT)
    policy = policy_of(document)
    assert policy is not None
    policy = policy.learned(images)
    rates, one, two = [], [], []
    with workers(2) as run:
        looped(compose, images[:500])  # warm-up: the first calls cost more
        augment(policy, images, rows, 0, 0, run=run)
        for epoch in range(rounds):
            loop = _seconds(lambda: looped(compose, images))
            rates.append(COUNT / loop)
            one.append(loop / _seconds(partial(augment, policy, images, rows, 0, epoch)))
            two.append(loop / _seconds(partial(augment, policy, images, rows, 0, epoch, run=run)))
    return median(rates), one, two


def bare(document: Mapping[str, Any]) -> Any:
    """Returns the policy's transforms in Albumentations' own `Compose`."""
    import json

    import albumentations

    from tasks.augmentation.policy import policy_of

    policy = policy_of(document)
    assert policy is not None
    transforms = []
    for step in policy.steps:
        assert isinstance(step.apply, partial)
        for name, arguments in step.apply.keywords["transforms"]:
            transforms.append(getattr(albumentations, name)(**json.loads(arguments)))
    return albumentations.Compose(transforms, seed=0)


def looped(compose: Any, images: np.ndarray) -> np.ndarray:
    results = np.empty_like(images)
    for place, image in enumerate(images):
        results[place] = compose(image=image)["image"]
    return results


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _said(ratios: list[float]) -> str:
    return f"{median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"


if __name__ == "__main__":
    main()
