from __future__ import annotations

import numpy as np
import pytest

from voice_data.audio import Audio
from voice_hypernet.clip import FEATURES, ClipError, hear


def speechlike(
    pitch: float, seconds: float = 2.0, rate: int = 24_000, slope: float = 1.0, glide: float = 0.0
) -> Audio:
    """Pulses whose harmonics fall with their number to the power ``slope``, in syllables.

    The pitch glides by 6.3 times ``glide``, once a second.
    """
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * pitch * (t - glide * np.cos(2 * np.pi * t))
    sound = sum(np.sin(k * phase) / k**slope for k in range(1, int(8_000 / pitch)))
    knots = np.arange(0.0, seconds + 0.1, 0.09)
    syllables = np.interp(t, knots, rng.uniform(0, 1, len(knots)))
    noise = rng.normal(size=len(t)) * 0.03 * (1 - syllables)
    return Audio((0.1 * (sound * syllables**2 + noise)).astype(np.float32), rate)


def test_features_do_not_depend_on_loudness_or_rate() -> None:
    audio = speechlike(120.0)
    plain = hear(audio).features
    assert plain.shape == (FEATURES,)
    quiet = hear(Audio(audio.samples * 0.2, audio.rate)).features
    np.testing.assert_allclose(plain, quiet, atol=0.05)
    slower = hear(audio.resample(48_000)).features
    assert np.abs(plain - slower).mean() < 0.1


def test_two_voices_differ_more_than_two_halves_of_one() -> None:
    low, high = speechlike(100.0, 6.0), speechlike(240.0, 6.0, slope=2.0)
    half = len(low.samples) // 2
    first, second = (hear(Audio(part, 24_000)).features
                     for part in (low.samples[:half], low.samples[half:]))  # fmt: skip
    other = hear(high).features
    assert np.abs(first - other).mean() > 2 * np.abs(first - second).mean()


def test_short_and_silent_clips_are_refused() -> None:
    with pytest.raises(ClipError, match=r"lasts 0.50 s and at least 1 s are needed"):
        hear(speechlike(100.0, 0.5))
    with pytest.raises(ClipError, match=r"the clip is silent"):
        hear(Audio(np.zeros(48_000, np.float32), 24_000))


def test_a_tone_is_doubted_and_speech_is_not() -> None:
    t = np.arange(48_000) / 24_000
    tone = sum(np.sin(2 * np.pi * 220.0 * k * t) for k in range(1, 30))
    made = hear(Audio((0.01 * tone).astype(np.float32), 24_000))  # pyright: ignore
    doubt = "the clip hardly changes: it may be a tone, noise or music, not speech"
    assert made.warnings == (doubt,)
    assert hear(speechlike(120.0, glide=0.04)).warnings == ()


def test_a_melody_is_doubted() -> None:
    t = np.arange(12_000) / 24_000
    notes = [np.sin(2 * np.pi * pitch * t) + 0.5 * np.sin(4 * np.pi * pitch * t)
             for pitch in (262, 294, 330, 349, 392, 440)]  # fmt: skip
    music = np.concatenate([note * np.exp(-4 * t) for note in notes]).astype(np.float32)
    doubts = hear(Audio(0.2 * music, 24_000)).warnings
    assert doubts == ("the tones of the clip stand still: it may be music, not speech",)
