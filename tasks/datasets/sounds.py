"""WAV files as one array: one channel, one rate, one length."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np

from tasks.datasets.faults import Fault, Unusable, commonest, decoded
from tasks.datasets.headers import missing_sound
from tasks.errors import BadInput

ENDINGS = (".wav",)
MAX_BYTES = 4 * 2**30
"""The most bytes of all sounds together, as held in memory."""


def read_sounds(
    contents: Iterable[tuple[str, bytes | Unusable]], wanted: int | None = None
) -> tuple[list[str], list[np.ndarray], int, list[Fault]]:
    """Decodes WAV files; those of another rate than wanted are faults, like those that are no mono WAV files.

    Args:
        contents: Path and content of each file, or why it can't be read.
        wanted: The rate that a model takes; None: that of most files.

    Returns:
        The usable files' paths, sorted; their samples, float32 in [-1, 1] `[samples]`; the rate (1/s); the faults,
        sorted by path.
    """
    sounds, faults = decoded(contents, decode_sound)
    if not sounds:
        return [], [], 0, sorted(faults)
    paths = sorted(sounds)
    usual = wanted if wanted is not None else commonest([sounds[path][1] for path in paths])
    why = "as the model takes" if wanted is not None else "as most have"
    faults += [
        Fault(path, f"has {sounds[path][1]:,} samples a second, not {usual:,} {why}")
        for path in paths
        if sounds[path][1] != usual
    ]
    usable = [path for path in paths if sounds[path][1] == usual]
    return usable, [sounds[path][0] for path in usable], usual, sorted(faults)


def decode_sound(content: bytes) -> tuple[np.ndarray, int]:
    """One WAV file: float32 `[samples]` in [-1, 1], whatever the file's own precision, and the rate.

    Raises:
        Unusable: it is empty, no WAV file, cut short, too long, has several channels, or samples that are not finite.
    """
    import soundfile

    if not content:
        raise Unusable("is empty")
    if missing := missing_sound(content):
        raise Unusable(f"is cut short: {missing:,} bytes of sound are missing")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            if file.channels != 1:
                raise Unusable(f"has {file.channels} channels, not 1")
            if 4 * file.frames > MAX_BYTES:
                raise Unusable(f"claims {file.frames:,} samples, which would not fit in memory")
            samples, rate = file.read(dtype="float32", always_2d=True), file.samplerate
    except (soundfile.SoundFileError, RuntimeError):
        raise Unusable("is no WAV file that can be read") from None
    if not len(samples):
        raise Unusable("holds no samples")
    if not np.isfinite(samples).all():
        raise Unusable("holds samples that are not finite")
    return np.clip(samples[:, 0], -1, 1), int(rate)


def of_one_length(
    sounds: list[np.ndarray], rate: int, seconds: float | None, shown: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Sounds cut at their ends, or padded there with silence, to `seconds`, or to the longest one's length.

    Returns:
        float32 `[n, samples]`, and a note on what was done; none where all have the length already.

    Raises:
        BadInput: `seconds` is less than a sample, or the array would take too much memory.
    """
    lengths = np.array([len(sound) for sound in sounds])
    length = int(lengths.max()) if seconds is None else round(seconds * rate)
    if length < 1:
        raise BadInput("is less than one sample", where="data.seconds", got=str(seconds), accepted=f"from {1 / rate:g}")
    if 4 * length * len(sounds) > MAX_BYTES:
        raise BadInput(
            "the sounds would take too much memory",
            where=shown,
            got=f"{len(sounds):,} sounds of {length / rate:.1f} s: {4e-9 * length * len(sounds):.1f} GB",
            accepted=f"at most {MAX_BYTES / 1e9:.1f} GB",
            remedy="set data.seconds to the length that matters, or data.rows to use fewer",
        )
    result = np.zeros((len(sounds), length), np.float32)
    for row, sound in zip(result, sounds, strict=True):
        row[: len(sound)] = sound[:length]
    longer, shorter = int((lengths > length).sum()), int((lengths < length).sum())
    if not longer and not shorter:
        return result, ()
    spread = f"{lengths.min() / rate:.2f} to {lengths.max() / rate:.2f} s long"
    if seconds is None:
        done = f"{shorter:,} padded with silence to the longest; data.seconds would set another length"
    else:
        done = f"{longer:,} cut to {seconds:g} s, {shorter:,} padded with silence"
    return result, (f"sounds are {spread}: {done}",)
