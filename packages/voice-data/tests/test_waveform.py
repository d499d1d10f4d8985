from __future__ import annotations

import math

import numpy as np
import pytest

from voice_data.waveform import Audio, AudioError, peak_dbfs, rms_dbfs


def sine(frequency: float, rate: int, seconds: float = 1.0) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return Audio((0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32), rate)


def test_duration_is_in_seconds() -> None:
    assert sine(100, 16_000, 1.5).duration == 1.5


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((2, 10), np.float32), 24_000, r"shape \[S\], not \(2, 10\)"),
        ([0.0, 1.0], 24_000, "not list"),
        (np.zeros(10, np.float64), 24_000, "float32, not float64"),
        (np.zeros(10, np.int16), 24_000, "float32, not int16"),
        (np.array([0.0, np.nan], np.float32), 24_000, "NaN"),
        (np.zeros(10, np.float32), 0, "positive int in Hz, not 0"),
        (np.zeros(10, np.float32), 24_000.0, "positive int in Hz, not 24000.0"),
        (np.zeros(10, np.float32), True, "positive int in Hz, not True"),
    ],
)
def test_bad_audio_is_refused(samples: object, rate: object, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Audio(samples, rate)  # type: ignore[arg-type]


def test_resampling_keeps_a_sine_a_sine() -> None:
    resampled = sine(440, 48_000).resample(24_000)
    assert resampled.rate == 24_000
    assert len(resampled.samples) == 24_000
    reference = sine(440, 24_000).samples
    inner = slice(1_000, -1_000)
    np.testing.assert_allclose(resampled.samples[inner], reference[inner], atol=1e-3)


def test_resampling_removes_what_the_new_rate_cannot_hold() -> None:
    assert rms_dbfs(sine(15_000, 48_000).resample(16_000).samples) < -60


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    audio = sine(440, 24_000)
    assert audio.resample(24_000) is audio


def test_resampling_refuses_a_rate_that_is_none() -> None:
    with pytest.raises(AudioError, match="not -1"):
        sine(440, 24_000).resample(-1)


def test_levels_match_their_definition() -> None:
    audio = sine(100, 24_000)
    assert rms_dbfs(audio.samples) == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-3)
    assert peak_dbfs(audio.samples) == pytest.approx(20 * math.log10(0.5), abs=1e-3)


def test_silence_has_a_finite_level() -> None:
    assert rms_dbfs(np.zeros(10, np.float32)) == peak_dbfs(np.zeros(0, np.float32)) == -120.0


def test_scaling_reaches_the_level_but_never_passes_the_peak() -> None:
    assert rms_dbfs(sine(100, 24_000).scaled_to(-30).samples) == pytest.approx(-30, abs=0.01)
    assert float(np.abs(sine(100, 24_000).scaled_to(20).samples).max()) <= 0.9901


def test_silence_is_not_scaled() -> None:
    silence = Audio(np.zeros(100, np.float32), 24_000)
    assert silence.scaled_to(-20) is silence
