"""Sounds as log-mel spectrograms: against a closed form, normalised on the training part, inside the saved model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.preprocessing.sounds import BANDS, fit_sound_preprocessor, frame_length
from tasks.preprocessing.tables import preprocess
from tasks.training.export import export_model
from tasks.training.exported import predict
from tasks.training.models import MODELS

RATE = 8_000


def tones(count: int = 12, samples: int = 4_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(samples) / RATE
    frequency = rng.uniform(200, 3_500, (count, 1))
    noise = 0.01 * rng.normal(size=(count, samples))
    return (0.5 * np.sin(2 * np.pi * frequency * time) + noise).astype(np.float32)


def test_bands_have_mean_zero_and_deviation_one_over_the_training_part() -> None:
    sounds = tones()
    features = preprocess(fit_sound_preprocessor(sounds, RATE), sounds)
    assert features.dtype == np.float32 and features.shape[2:] == (BANDS, 1)
    np.testing.assert_allclose(features.mean(axis=(0, 1, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(features.std(axis=(0, 1, 3)), 1, atol=1e-3)


def test_the_loudest_band_is_the_tones() -> None:
    time = np.arange(8_000) / RATE
    sweep = np.stack([np.sin(2 * np.pi * hertz * time) for hertz in (300, 1_000, 3_000)]).astype(np.float32)
    features = preprocess(fit_sound_preprocessor(tones(40, 8_000), RATE), sweep)[:, 10:20, :, 0].mean(axis=1)
    low, high = 2595 * np.log10(1 + np.array([20, RATE / 2]) / 700)  # the mel scale of HTK
    edges = np.linspace(low, high, BANDS + 2)
    for hertz, levels in zip((300, 1_000, 3_000), features, strict=True):
        band = np.abs(edges[1:-1] - 2595 * np.log10(1 + hertz / 700)).argmin()
        assert abs(int(levels.argmax()) - int(band)) <= 1


def test_a_sound_does_not_depend_on_its_neighbours() -> None:
    sounds = tones()
    preprocessor = fit_sound_preprocessor(sounds, RATE)
    alone = preprocess(preprocessor, 0.01 * sounds[:1])
    together = preprocess(preprocessor, np.concatenate([0.01 * sounds[:1], sounds]))
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5)
    np.testing.assert_allclose(preprocess(preprocessor, sounds, batch=5), preprocess(preprocessor, sounds), atol=1e-5)


def test_silence_is_finite_and_constant_bands_are_zero() -> None:
    silent = np.zeros((3, 1_000), np.float32)
    features = preprocess(fit_sound_preprocessor(silent, RATE), silent)
    assert (features == 0).all()


@pytest.mark.parametrize(
    ("samples", "rate", "length"), [(8_000, 8_000, 512), (48_000, 48_000, 2_048 * 2), (100, 8_000, 64)]
)
def test_frames_fit_the_rate_and_the_sound(samples: int, rate: int, length: int) -> None:
    assert frame_length(samples, rate) == length
    features = preprocess(fit_sound_preprocessor(tones(2, samples), rate), tones(2, samples))
    assert np.isfinite(features).all()


def test_too_short_sounds_are_refused() -> None:
    with pytest.raises(BadInput, match="too short"):
        fit_sound_preprocessor(np.zeros((2, 40), np.float32), RATE)


def test_the_saved_model_takes_raw_samples_and_says_their_rate(tmp_path: Path) -> None:
    sounds = tones()
    preprocessor = fit_sound_preprocessor(sounds, RATE)
    features = preprocess(preprocessor, sounds)
    network = MODELS["audio"]().build(features.shape[1:], 3, seed=1)
    logits = np.asarray(network(features, training=False))
    export_model(preprocessor, network, tmp_path, columns=[], target_name="y", classes=("a", "b", "c"), rate=RATE)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predict(tmp_path, sounds), expected, atol=1e-5)
    assert '"rate": 8000' in (tmp_path / "signature.json").read_text()
    with pytest.raises(BadInput, match="sounds of one shape"):
        predict(tmp_path, sounds[:, :100])
