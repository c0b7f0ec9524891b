"""The only module that uses Albumentations: its transforms by name, and the code that applies them to many images.

In Albumentations 2.0.8 each transform draws from a NumPy and a Python generator of its own. To reseed them as the
library offers costs a third of a transform's time. So here all transforms share two substitutes, which start anew for
each image in less than a microsecond. Some noise comes from OpenCV's generator. The library seeds it before use, but
its state can't be read, so it can't be restored. Each thread has its own, so transforms run in a separate thread and
the caller's generator stays as it was.
"""

from __future__ import annotations

import inspect
import json
import multiprocessing
import os
import random
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import chain
from types import ModuleType
from typing import Any

import numpy as np

from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.seeds import uniforms
from tasks.dataset import Facts
from tasks.errors import BadInput

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
            and not _volumetric(item)
            and not any(map(inspect.isfunction, defaults(name).values()))  # it takes functions, or reads further images
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
        ValueError: the library refuses an argument's value. The cause is pydantic's ValidationError if that names the
            argument.
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
        apply=partial(_apply, transforms=((transform_name, text),)),
        incompatibility=partial(_incompatibility, name=transform_name, arguments=text),
    )


def together(steps: Sequence[Augmenter]) -> tuple[Augmenter, ...]:
    """Joins neighbouring steps that are transforms of the library, so that an image is seeded and copied only once."""
    joined: list[Augmenter] = []
    for step in steps:
        if joined and _transforms(joined[-1]) and _transforms(step):
            before = joined.pop()
            both = partial(_apply, transforms=_transforms(before) + _transforms(step))
            step = Augmenter(f"{before.name} + {step.name}", "image", {}, both)
        joined.append(step)
    return tuple(joined)


def _transforms(step: Augmenter) -> tuple[tuple[str, str], ...]:
    """The library's transforms that a step consists of, each with its arguments; none if the step is not made of
    these."""
    apply: Any = step.apply
    return apply.keywords["transforms"] if isinstance(apply, partial) and apply.func is _apply else ()


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


def _apply(images: np.ndarray, seeds: np.ndarray, *, transforms: tuple[tuple[str, str], ...]) -> np.ndarray:
    made = [_made(name, json.loads(arguments)) for name, arguments in transforms]
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as thread:
        warnings.simplefilter("ignore")  # they come for each image; `_incompatibility` has read them
        return thread.submit(_changed, made, images, seeds).result()


def _changed(transforms: Sequence[Any], images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    generator, python = _Generator(), _Random()
    for transform in transforms:
        transform.set_random_state(generator, python)
    results = np.empty_like(images)
    shape = images.shape[1:]
    for place, (seed, numbers) in enumerate(zip(seeds.tolist(), uniforms(seeds, _AHEAD).tolist(), strict=True)):
        generator.begin(seed)
        python.begin(numbers, generator)
        image = images[place].copy()  # some transforms work in place
        for transform in transforms:
            image = transform(image=image)["image"]
        if image.shape != shape:
            raise BadInput(
                "the transforms change an image's size",
                where="augmentation",
                got=f"{_size(image.shape)} from {_size(shape)}",
                remedy="take out what resizes",
            )
        results[place] = image
    if images.dtype != np.uint8:
        np.clip(results, 0, 1, out=results)
    return results


_AHEAD = 24
"""Numbers drawn ahead for each image: more than most policies use."""


class _Generator:
    """An `np.random.Generator` that costs nothing if nothing is drawn: it is seeded at its first use."""

    def __init__(self) -> None:
        self._bits = np.random.PCG64(0)
        self._generator = np.random.Generator(self._bits)
        self._seed: int | None = None

    def begin(self, seed: int) -> None:
        self._seed = seed

    def __getattr__(self, name: str) -> Any:
        if self._seed is not None:
            state = self._bits.state
            state["state"]["state"] = self._seed * _PCG_SPREAD & _128_BITS
            state["has_uint32"] = 0
            self._bits.state = state
            self._seed = None
        return getattr(self._generator, name)


_128_BITS = (1 << 128) - 1
_PCG_SPREAD = 0xDA942042E4DD58B5D1342543DE82EF95  # odd, so that different seeds are different states


class _Random(random.Random):
    """A `random.Random` that begins with numbers drawn beforehand for many images at once. That is cheaper than seeding
    a Mersenne twister and drawing from it."""

    def __init__(self) -> None:
        super().__init__(0)
        self.gauss_next: float | None = None

    def begin(self, numbers: Iterable[float], then: _Generator) -> None:
        self.gauss_next = None  # drops a number left over from the last image
        self.random = chain(numbers, iter(lambda: then.random(), None)).__next__  # type: ignore[method-assign]

    def getrandbits(self, k: int) -> int:
        bits = 0
        for _ in range(-(-k // 52)):
            bits = bits << 52 | int(self.random() * 2**52)  # exact: `uniforms` has 52 bits
        return bits >> (-k % 52)


def _incompatibility(facts: Facts, *, name: str, arguments: str) -> str | None:
    """Tries the transform, with probability 1, on random images of the data's shape and dtype. Says why it does not
    fit."""
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
    if isinstance(error, KeyError):
        return f"it needs {error} beside the image"
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0].split(" You can ")[0].rstrip(".")[:200]


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _described(shape: tuple[int, ...], dtype: str) -> str:
    channels = "one channel" if shape[-1] == 1 else f"{shape[-1]} channels"
    return f"{shape[0]} x {shape[1]} {dtype} images of {channels}"
