"""Augmenters of images. Most are one Albumentations transform under a plain name; other transforms are used under their
own names.

Pixels that a shift or a turn leaves empty are black. Sizes are shares of the image, and noise is a share of its range.
So one policy means the same for images of 8 x 8 and of 512 x 512.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.library import library_augmenter
from tasks.augmentation.seeds import uniforms
from tasks.ranges import Fraction, NonNegative, Share

Degrees = Annotated[float, Field(ge=0, le=180)]


def rotation(*, degrees: Degrees = 15.0) -> Augmenter:
    """Turns the image about its centre by an angle drawn from [-degrees, degrees]."""
    return _transform("rotation", {"degrees": degrees}, degrees, "Affine", rotate=[-degrees, degrees])


def translation(*, share: Fraction = 0.1) -> Augmenter:
    """Shifts the image each way by up to this share of its width and of its height."""
    range_ = [-share, share]
    return _transform("translation", {"share": share}, share, "Affine", translate_percent={"x": range_, "y": range_})


def flip(*, axis: Literal["horizontal", "vertical", "both"] = "horizontal", p: Share = 0.5) -> Augmenter:
    """Mirrors the image, with probability p: left and right, top and bottom, or both at once (half a turn)."""
    return Augmenter(
        name="flip", kind="image", parameters={"axis": axis, "p": p}, apply=partial(_flipped, axes=_AXES[axis], p=p)
    )


def scaling(*, share: Fraction = 0.1) -> Augmenter:
    """Makes what is shown larger or smaller, by a factor drawn from [1 - share, 1 + share]; the image's size stays."""
    factors = [1 - share, 1 + share]
    return _transform("scaling", {"share": share}, share, "Affine", scale=factors, keep_ratio=True)


def crop(*, share: Annotated[float, Field(ge=0, lt=0.5)] = 0.1) -> Augmenter:
    """Cuts up to this share off each side, each drawn by itself, and stretches what is left to the size it had."""
    return _transform("crop", {"share": share}, share, "CropAndPad", percent=[-share, 0.0])


def brightness_contrast(*, brightness: Fraction = 0.2, contrast: Fraction = 0.2) -> Augmenter:
    """Adds up to +-brightness of the range to every pixel, and multiplies by 1 +- contrast."""
    return _transform(
        "brightness_contrast",
        {"brightness": brightness, "contrast": contrast},
        brightness + contrast,
        "RandomBrightnessContrast",
        brightness_limit=[-brightness, brightness],
        contrast_limit=[-contrast, contrast],
    )


def noise(*, std: Fraction = 0.05) -> Augmenter:
    """Adds normal noise to every pixel and channel; `std` is its standard deviation as a share of the range."""
    return _transform("noise", {"std": std}, std, "GaussNoise", std_range=[std, std])


def blur(*, sigma: NonNegative = 1.0) -> Augmenter:
    """Blurs with a Gaussian whose standard deviation, in pixels, is drawn from [0, sigma]."""
    return _transform("blur", {"sigma": sigma}, sigma, "GaussianBlur", sigma_limit=[0.0, sigma], blur_limit=0)


def cutout(*, share: Fraction = 0.25, holes: Annotated[int, Field(ge=1, le=100)] = 1) -> Augmenter:
    """Blackens `holes` rectangles, each `share` of the width by `share` of the height (DeVries & Taylor 2017)."""
    return _transform(
        "cutout",
        {"share": share, "holes": holes},
        share,
        "CoarseDropout",
        num_holes_range=[holes, holes],
        hole_height_range=[share, share],
        hole_width_range=[share, share],
        fill=0,
    )


_AXES = {"horizontal": (2,), "vertical": (1,), "both": (1, 2)}


def _flipped(images: np.ndarray, seeds: np.ndarray, *, axes: tuple[int, ...], p: float) -> np.ndarray:
    results = images.copy()
    chosen = uniforms(seeds, 1)[:, 0] < p
    results[chosen] = np.flip(images[chosen], axes)
    return results


def _transform(name: str, parameters: dict[str, Any], strength: float, transform: str, **arguments: Any) -> Augmenter:
    """An augmenter that applies the transform to every image. At strength 0 it applies none: some would still change
    images."""
    if strength == 0:
        return Augmenter(name=name, kind="image", parameters=parameters, apply=_unchanged)
    return library_augmenter(name, parameters, transform, {**arguments, "p": 1.0})


def _unchanged(images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    return images.copy()
