"""Augmenters of sounds: float32 in [-1, 1], cut or padded with silence to their old length."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.seeds import uniforms
from tasks.ranges import Fraction

Semitones = Annotated[float, Field(ge=0, le=12)]
Decibels = Annotated[float, Field(ge=0, le=60)]


def pitch(*, semitones: Semitones = 2.0) -> Augmenter:
    """Shifts the pitch by up to so many semitones either way, at the same speed."""
    return _augmenter("pitch", {"semitones": semitones}, _pitch)


def speed(*, share: Fraction = 0.1) -> Augmenter:
    """Makes the sound faster or slower by up to a share, at the same pitch."""
    return _augmenter("speed", {"share": share}, _speed)


def sound_noise(*, std: Fraction = 0.005) -> Augmenter:
    """Adds white noise of a standard deviation of up to `std` of full scale."""
    return _augmenter("sound_noise", {"std": std}, _noise)


def time_shift(*, share: Fraction = 0.1) -> Augmenter:
    """Moves the sound by up to a share of its length, earlier or later; silence follows on."""
    return _augmenter("time_shift", {"share": share}, _time_shift)


def sound_masking(*, share: Fraction = 0.1) -> Augmenter:
    """Silences one stretch of up to a share of the length (Park et al. 2019, in time)."""
    return _augmenter("sound_masking", {"share": share}, _masking)


def loudness(*, decibels: Decibels = 6.0) -> Augmenter:
    """Makes the sound louder or softer by up to so many decibels; what exceeds full scale is cut."""
    return _augmenter("loudness", {"decibels": decibels}, _loudness)


SOUND_AUGMENTERS: dict[str, Callable[..., Augmenter]] = {
    "pitch": pitch,
    "speed": speed,
    "sound_noise": sound_noise,
    "time_shift": time_shift,
    "sound_masking": sound_masking,
    "loudness": loudness,
}

Change = Callable[[np.ndarray, float, np.ndarray, int], np.ndarray]
"""`(sound [samples], strength, two numbers in (0, 1), seed) -> sound`, of any length."""


def _augmenter(name: str, parameters: dict[str, float], change: Change) -> Augmenter:
    (strength,) = parameters.values()
    return Augmenter(name, "audio", dict(parameters), partial(_apply, change=change, strength=strength))


def _apply(sounds: np.ndarray, seeds: np.ndarray, *, change: Change, strength: float) -> np.ndarray:
    if not strength:
        return sounds.copy()
    results = np.zeros_like(sounds)
    rows = zip(results, sounds, uniforms(seeds, 2), seeds.tolist(), strict=True)
    for result, sound, numbers, seed in rows:
        changed = change(sound, strength, numbers, seed)[: len(result)]
        result[: len(changed)] = np.clip(changed, -1, 1)
    return results


def _either_way(number: float, strength: float) -> float:
    return strength * (2 * number - 1)


def _window(sound: np.ndarray) -> int:
    """Samples of a frame for the phase vocoder: no longer than the sound."""
    return min(2048, 2 ** int(np.log2(max(len(sound), 16))))


def _pitch(sound: np.ndarray, strength: float, numbers: np.ndarray, seed: int) -> np.ndarray:
    from librosa.effects import pitch_shift

    # Only the ratio of rates counts, so any rate does.
    steps = _either_way(numbers[0], strength)
    return pitch_shift(sound, sr=22_050, n_steps=steps, n_fft=_window(sound))


def _speed(sound: np.ndarray, strength: float, numbers: np.ndarray, seed: int) -> np.ndarray:
    from librosa.effects import time_stretch

    return time_stretch(sound, rate=1 + _either_way(numbers[0], strength), n_fft=_window(sound))


def _noise(sound: np.ndarray, strength: float, numbers: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(len(sound), np.float32)
    return sound + np.float32(strength * numbers[0]) * noise


def _time_shift(sound: np.ndarray, strength: float, numbers: np.ndarray, seed: int) -> np.ndarray:
    by = round(_either_way(numbers[0], strength) * len(sound))
    return np.concatenate([np.zeros(by, sound.dtype), sound]) if by > 0 else sound[-by:]


def _masking(sound: np.ndarray, strength: float, numbers: np.ndarray, seed: int) -> np.ndarray:
    length = round(strength * numbers[0] * len(sound))
    start = int(numbers[1] * (len(sound) - length + 1))
    result = sound.copy()
    result[start : start + length] = 0
    return result


def _loudness(sound: np.ndarray, strength: float, numbers: np.ndarray, seed: int) -> np.ndarray:
    return sound * np.float32(10 ** (_either_way(numbers[0], strength) / 20))
