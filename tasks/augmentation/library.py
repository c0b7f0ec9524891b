"""Albumentations, behind this one module: its transforms by name, and what applies one to many images.

Albumentations 2.0.8 draws from a NumPy generator and a Python one that each transform carries, and reseeding them as it
offers to costs a third of a transform's time. Here both are set to an example's seed in about a microsecond. Some noise
comes from OpenCV's own global generator, which can't be read back; it is one per thread, so transforms run in a thread
of their own, and the caller's is left as it was.
"""

from __future__ import annotations

import inspect
import json
import multiprocessing
import os
import random
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from tasks.augmentation.augmenter import Augmenter, Facts
from tasks.errors import BadInput

_MASK = (1 << 64) - 1
_PROBES = 8


@cache
def names() -> tuple[str, ...]:
    """The transforms of single images, sorted. Loads Albumentations (half a second)."""
    library = _albumentations()
    bases = (library.ImageOnlyTransform, library.DualTransform)
    return tuple(
        sorted(
            name
            for name, item in vars(library).items()
            if inspect.isclass(item)
            and issubclass(item, bases)
            and item not in bases
            and not issubclass(item, library.Lambda)  # takes functions
            and not _volumetric(item)
        )
    )


def defaults(name: str) -> dict[str, Any]:
    """A transform's arguments and their defaults as plain JSON; `inspect.Parameter.empty` where one must be given."""
    parameters = inspect.signature(getattr(_albumentations(), name)).parameters
    return {
        key: _plain(parameter.default)
        for key, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and key != "strict"
    }


def transform(name: str, parameters: Mapping[str, Any]) -> Augmenter:
    """An Albumentations transform with its arguments, the others at their defaults.

    Raises:
        ValueError: the library refuses an argument's value; its cause is pydantic's ValidationError where that says
            which.
    """
    complete = {**defaults(name), **parameters}
    _made(name, complete)
    return library_augmenter(name, complete, name, complete)


def library_augmenter(
    name: str, parameters: dict[str, Any], transform_name: str, arguments: Mapping[str, Any]
) -> Augmenter:
    """An augmenter called `name` that applies the transform called `transform_name`. Loads nothing yet."""
    text = json.dumps(dict(arguments), sort_keys=True)
    return Augmenter(
        name=name,
        kind="image",
        parameters=parameters,
        apply=partial(_apply, name=transform_name, arguments=text),
        why_not=partial(_why_not, name=transform_name, arguments=text),
    )


def _albumentations() -> ModuleType:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version
    import albumentations

    if multiprocessing.parent_process() is not None:
        import cv2

        cv2.setNumThreads(1)  # a worker process has one core
    return albumentations


def _volumetric(transform: type) -> bool:
    return transform.__name__.endswith("3D") or transform.__name__ == "CubicSymmetry"


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _made(name: str, arguments: Mapping[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "is a special case of Affine": the author's choice
        return getattr(_albumentations(), name)(**arguments)


def _apply(images: np.ndarray, seeds: np.ndarray, *, name: str, arguments: str) -> np.ndarray:
    changing = _made(name, json.loads(arguments))
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as thread:
        warnings.simplefilter("ignore")  # once an image; `_why_not` listened
        return thread.submit(_changed, changing, images, seeds).result()


def _changed(changing: Any, images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    import cv2

    bits, python = np.random.PCG64(0), _Seeded()
    changing.set_random_state(np.random.Generator(bits), python)
    results = images.copy()
    for result, seed in zip(results, seeds.tolist(), strict=True):
        bits.state = _pcg_state(seed)
        python.begin(seed)
        cv2.setRNGSeed(seed & 0x7FFFFFFF)
        changed = changing(image=result)["image"]
        if changed.shape != result.shape:
            raise BadInput(
                f"{type(changing).__name__} changes an image's size",
                where="augmentation",
                got=f"{changed.shape} from {result.shape}",
                remedy="take it out, or resize the images before training",
            )
        result[...] = changed
    if images.dtype != np.uint8:
        np.clip(results, 0, 1, out=results)
    return results


def _pcg_state(seed: int) -> Any:
    state = seed << 64 | (seed * 0xD1342543DE82EF95 & _MASK)
    return {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": 0x5851F42D4C957F2D14057B7EF767814F},
        "has_uint32": 0,
        "uinteger": 0,
    }


class _Seeded(random.Random):
    """`random.Random` over SplitMix64: as good for augmentation as the Mersenne twister, and begun in no time."""

    _state = 0

    def begin(self, seed: int) -> None:
        self._state = seed
        self.gauss_next = None

    def _next(self) -> int:
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return state ^ (state >> 31)

    def random(self) -> float:
        return (self._next() >> 11) * 2.0**-53

    def getrandbits(self, k: int) -> int:
        bits = 0
        for _ in range(-(-k // 64)):
            bits = bits << 64 | self._next()
        return bits >> (-k % 64)


def _why_not(facts: Facts, *, name: str, arguments: str) -> str | None:
    """Tries the transform, always applied, on images made up in the data's shape and dtype."""
    shape = facts.shape
    images = np.random.default_rng(0).random((_PROBES, *shape), np.float32)
    if facts.dtype == "uint8":
        images = (images * 255).astype(np.uint8)
    try:
        changing = _made(name, json.loads(arguments) | {"p": 1.0})
        changing.set_random_seed(0)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with ThreadPoolExecutor(1) as thread:
                results = thread.submit(lambda: [changing(image=image.copy())["image"] for image in images]).result()
    except Exception as error:
        return f"can't be applied to {_described(shape, facts.dtype)}: {_first_sentence(error)}"
    for result in results:
        if result.shape != shape:
            return f"makes {_size(result.shape)} images out of {_size(shape)} ones"
        if result.dtype != images.dtype:
            return f"makes {result.dtype} images out of {images.dtype} ones"
    if said and all(map(np.array_equal, images, results)):
        return f"would have no effect: {_first_sentence(said[0].message)}"
    return None


def _first_sentence(error: object) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0].split(" You can ")[0].rstrip(".")[:200]


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _described(shape: tuple[int, ...], dtype: str) -> str:
    channels = "one channel" if shape[-1] == 1 else f"{shape[-1]} channels"
    return f"{shape[0]} x {shape[1]} {dtype} images of {channels}"
