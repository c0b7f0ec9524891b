"""Every augmenter by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tasks.augmentation import image, library, tabular
from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.mixup import MIXERS, Mixer
from tasks.augmentation.sound import SOUND_AUGMENTERS
from tasks.augmentation.text import TEXT_AUGMENTERS

AUGMENTERS: dict[str, Callable[..., Augmenter]] = {
    "rotation": image.rotation,
    "translation": image.translation,
    "flip": image.flip,
    "scaling": image.scaling,
    "crop": image.crop,
    "brightness_contrast": image.brightness_contrast,
    "noise": image.noise,
    "blur": image.blur,
    "cutout": image.cutout,
    **TEXT_AUGMENTERS,
    **SOUND_AUGMENTERS,
    "gaussian_noise": tabular.gaussian_noise,
}


def augmenter(name: str, parameters: Mapping[str, Any]) -> Augmenter | Mixer:
    """Makes the augmenter of this name with its parameters: from the tables, else Albumentations' transform of that
    name."""
    if name in MIXERS:
        return MIXERS[name](**parameters)
    return AUGMENTERS[name](**parameters) if name in AUGMENTERS else library.transform(name, parameters)
