"""Sounds as log-mel spectrograms, normalised with the training part's statistics, inside the saved model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.errors import BadInput
from tasks.preprocessing.tables import SOUND, apply, raw_inputs

if TYPE_CHECKING:
    import keras

BANDS = 40
WINDOW_SECONDS = 0.064
"""Length of a frame, rounded to a power of two of samples; frames overlap by half."""

_FEWEST_SAMPLES = 64
_FLOOR = 1e-6
"""Added to the power before its logarithm, so that silence stays finite; a sine at full scale has a power of 10 to
1000."""


def fit_sound_preprocessor(sounds: np.ndarray, rate: int) -> keras.Model:
    """Learns mean and deviation of each band of the log-mel spectrogram from the training part's sounds.

    Args:
        sounds: `[rows, samples]`, float32 in [-1, 1].
        rate: Samples a second.

    Returns:
        A model from raw sounds, as `raw_inputs` makes them, to float32 `[rows, frames, bands, 1]`: over the training
        part each band has mean 0 and deviation 1, or is 0 where it is constant.

    Raises:
        BadInput: the sounds are too short for a spectrogram.
    """
    import keras
    from keras import ops

    if sounds.shape[1] < _FEWEST_SAMPLES:
        raise BadInput(
            "the sounds are too short",
            where="data.seconds",
            got=f"{sounds.shape[1]} samples",
            accepted=f"at least {_FEWEST_SAMPLES}, which is {_FEWEST_SAMPLES / rate:g} s",
        )
    spectrogram = _log_mel(sounds.shape[1], rate)
    levels = apply(spectrogram, raw_inputs(sounds)).astype(np.float64)
    mean, deviation = levels.mean(axis=(0, 1)), levels.std(axis=(0, 1))
    constant = deviation < 1e-6 * np.maximum(np.abs(mean), 1)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))

    level = keras.Input(levels.shape[1:], name="preprocess.levels")
    standardised = (level - mean.astype("float32")) * scale.astype("float32")
    normalise = keras.Model(level, ops.expand_dims(standardised, -1), name="preprocess.normalise")
    return keras.Model(spectrogram.inputs, normalise(spectrogram.outputs[0]), name="preprocess.sounds")


def frame_length(samples: int, rate: int) -> int:
    """Samples in a frame: the power of two nearest to the window, no longer than the sound."""
    wanted = round(np.log2(WINDOW_SECONDS * rate))
    return 2 ** int(min(wanted, np.floor(np.log2(samples))))


def _log_mel(samples: int, rate: int) -> keras.Model:
    """From `[rows, samples]` to the logarithm of the power in mel bands, `[rows, frames, bands]`.

    The layer's own decibels are not used: they are cut relative to the loudest sound of the batch.
    """
    import keras
    from keras import layers, ops

    length = frame_length(samples, rate)
    sound = keras.Input((samples,), dtype="float32", name=SOUND)
    mel = layers.MelSpectrogram(
        fft_length=length,
        sequence_stride=length // 2,
        sampling_rate=rate,
        num_mel_bins=BANDS,
        power_to_db=False,
        name="preprocess.mel",
    )
    power = mel(sound)
    raw = keras.Input(power.shape[1:], name="preprocess.power")
    logarithm = keras.Model(raw, ops.transpose(ops.log(raw + _FLOOR), (0, 2, 1)), name="preprocess.logarithm")
    return keras.Model({SOUND: sound}, logarithm(power), name="preprocess.log_mel")
