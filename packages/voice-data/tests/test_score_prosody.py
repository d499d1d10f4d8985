"""Pitch and pace of sounds whose pitch and pace are known."""

from __future__ import annotations

import numpy as np
import pytest

from voice_data.audio import Audio
from voice_data.score.prosody import measure_pace, measure_pitch, semitones, silences

RATE = 24_000


def buzz(hertz: np.ndarray) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return (0.05 * sum(np.cos(n * phase) for n in range(1, 16))).astype(np.float32)


@pytest.mark.parametrize("hertz", [80.0, 140.0, 220.0, 400.0])
def test_the_pitch_of_a_buzz(hertz: float) -> None:
    pitch = measure_pitch(Audio(buzz(np.full(RATE, hertz)), RATE))
    assert pitch.f0_median == pytest.approx(hertz, rel=0.01)
    assert pitch.f0_range == pytest.approx(0.0, abs=0.3)
    assert pitch.voiced > 0.85


def test_an_octave_of_glide_is_nearly_twelve_semitones() -> None:
    glide = 110 * 2 ** np.linspace(0, 1, 2 * RATE)
    pitch = measure_pitch(Audio(buzz(glide), RATE))
    assert pitch.f0_range == pytest.approx(0.9 * 12, abs=0.6)  # the 5th to the 95th percentile
    assert pitch.f0_median == pytest.approx(110 * 2**0.5, rel=0.03)
    assert semitones(2.0) == 12.0


def test_noise_has_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.05
    assert measure_pitch(Audio(noise, RATE)).voiced < 0.2


def test_silences_and_rates() -> None:
    clip = np.concatenate(
        [np.zeros(RATE // 4), buzz(np.full(2 * RATE, 150.0)), np.zeros(RATE // 2)]
    ).astype(np.float32)
    pace = measure_pace(Audio(clip, RATE), "One two - three, four!")
    assert pace.leading_silence == pytest.approx(0.25, abs=0.011)
    assert pace.trailing_silence == pytest.approx(0.5, abs=0.011)
    assert pace.words_per_second == pytest.approx(4 / 2, rel=0.02)
    assert pace.characters_per_second == pytest.approx(len("onetwothreefour") / 2, rel=0.02)


def test_a_quiet_hum_after_speech_is_silence() -> None:
    clip = buzz(np.full(RATE, 150.0))
    hum = clip * 10 ** (-50 / 20)
    assert silences(Audio(np.concatenate([clip, hum]), RATE))[1] == pytest.approx(1.0, abs=0.011)


def test_no_text_has_no_rate() -> None:
    assert measure_pace(Audio(buzz(np.full(RATE, 150.0)), RATE), "").words_per_second is None
