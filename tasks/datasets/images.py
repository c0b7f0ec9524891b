"""Reads image files into one array. All must have the same size and mode; the files that differ are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tasks.datasets.faults import Fault, Unusable, commonest, decoded
from tasks.datasets.headers import image_size
from tasks.errors import BadInput
from tasks.memory import gigabytes, memory_bytes

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")
MAX_PIXELS = 2**26
"""The most pixels of one image: 67 million, as in 8,192 x 8,192."""
_COPIES = 9
"""Memory that images take in all, in multiples of their pixels' bytes: the uint8 pixels, and two copies as float32 (the
whole, and its parts)."""
_MODES = {1: "grey", 3: "RGB", 4: "RGBA"}


def read_images(
    contents: Iterable[tuple[str, bytes | Unusable]], wanted: Sequence[int] | None = None, shown: str | None = None
) -> tuple[list[str], np.ndarray, list[Fault]]:
    """Decodes image files; those of another size or mode than wanted are faults, like those that are no images.

    Args:
        contents: Path and content of each file, or why it can't be read.
        wanted: Height, width and channels that a model takes; None: those that most files have.
        shown: Where they lie.

    Returns:
        The usable files' paths, sorted; their images, uint8 `[n, height, width, channels]` (1 grey, 3 RGB, 4 RGBA);
        the faults, sorted by path.

    Raises:
        BadInput: the images together don't fit in memory. Decoding stops as soon as that shows.
    """
    images, faults = decoded(contents, _counting(shown))
    if not images:
        return [], np.zeros((0, 0, 0, 0), np.uint8), sorted(faults)
    paths = sorted(images)
    shape = tuple(wanted) if wanted is not None else commonest([images[path].shape for path in paths])
    why = "as the model takes" if wanted is not None else "as most are"
    faults += [Fault(path, _other(images[path].shape, shape, why)) for path in paths if images[path].shape != shape]
    usable = [path for path in paths if images[path].shape == shape]
    result = np.zeros((len(usable), *shape), np.uint8)
    for place, path in enumerate(usable):
        result[place] = images.pop(path)
    return usable, result, sorted(faults)


def _counting(shown: str | None) -> Callable[[bytes], np.ndarray]:
    """Returns `decode_image` with a check: it refuses once all decoded images together don't fit in memory."""
    memory, images, held = memory_bytes(), 0, 0

    def decode(content: bytes) -> np.ndarray:
        nonlocal images, held
        image = decode_image(content)
        images, held = images + 1, held + image.nbytes
        if _COPIES * held > memory:
            raise BadInput(
                "the images take more memory than there is",
                where=shown,
                got=f"the first {images:,} hold {gigabytes(held)} of pixels",
                accepted=f"at most {gigabytes(memory // _COPIES)} of pixels, which take {_COPIES} times as much as "
                f"numbers for a network: this machine or container has {gigabytes(memory)}",
                remedy="make the images smaller, or use fewer of them",
            )
        return image

    return decode


def decode_image(content: bytes) -> np.ndarray:
    """One image file (PNG, JPEG, BMP) as uint8 `[height, width, channels]`, colours in the order RGB.

    Raises:
        Unusable: it is empty, no image, cut short, too large, or has more than 8 bits a channel.
    """
    import cv2
    from cv2.utils import logging

    if not content:
        raise Unusable("is empty")
    size = image_size(content)
    if size and size[0] * size[1] > MAX_PIXELS:
        raise Unusable(f"is {size[0]:,} x {size[1]:,} pixels large; at most {MAX_PIXELS:,} pixels are decoded")
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)  # the errors below say what is wrong
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    finally:
        logging.setLogLevel(level)
    if image is None:
        raise Unusable("is no image, or cut short")
    if image.dtype != np.uint8:
        raise Unusable(f"has {8 * image.dtype.itemsize} bits a channel, not 8")
    if image.ndim == 2:
        return image[:, :, None]
    return np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: image.shape[2]]])


def read_sprites(contents: Sequence[tuple[str, bytes]], side: int) -> np.ndarray:
    """Files in which each row of pixels is one square image, read row by row: uint8 `[n, side, side, 3]`.

    Raises:
        BadInput: a file is no such sprite.
    """
    sprites = []
    for shown, content in contents:
        try:
            sprite = decode_image(content)
        except Unusable as error:
            raise BadInput(str(error), where=shown) from None
        if sprite.shape[1:] != (side * side, 3):
            size = " x ".join(map(str, sprite.shape))
            raise BadInput("is no sprite", where=shown, got=size, accepted=f"n x {side * side} x 3")
        sprites.append(sprite.reshape(-1, side, side, 3))
    return np.concatenate(sprites)


def _other(got: tuple[int, ...], usual: tuple[int, ...], why: str) -> str:
    if got[:2] != usual[:2]:
        return f"is {got[1]} x {got[0]} pixels, not {usual[1]} x {usual[0]} {why}"
    return f"is {_MODES[got[2]]}, not {_MODES.get(usual[2], f'of {usual[2]} channels')} {why}"
