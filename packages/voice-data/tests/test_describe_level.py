"""Loudness against the figures of the standard, and noise that was added."""

from __future__ import annotations

import numpy as np
import pytest
from pulse_voice import RATE, pulses, voice

from voice_data.audio import Audio
from voice_data.describe.level import loudness, snr
from voice_data.describe.track import track


def sine(frequency: float, level: float, seconds: float = 3.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(seconds * RATE) / RATE)).astype("f4")


def test_a_full_sine_has_the_loudness_of_the_standard() -> None:
    # ITU-R BS.1770-4: 0 dBFS at 997 Hz in one channel reads -3.01 LUFS
    assert loudness(track(Audio(sine(997.0, 1.0), RATE))) == pytest.approx(-3.01, abs=0.05)
    assert loudness(track(Audio(sine(997.0, 0.1), RATE))) == pytest.approx(-23.01, abs=0.05)


def test_bass_counts_less_and_treble_more() -> None:
    low, high = (loudness(track(Audio(sine(hz, 0.1), RATE))) for hz in (50.0, 4_000.0))
    assert low < -24.0
    assert high == pytest.approx(-23.01 + 3.3, abs=0.5)


def test_pauses_do_not_count() -> None:
    tone = sine(997.0, 0.1)
    paused = np.concatenate([tone, np.zeros(5 * RATE, np.float32)])
    assert loudness(track(Audio(paused, RATE))) == pytest.approx(-23.01, abs=0.5)


def test_silence_has_the_lowest_loudness() -> None:
    assert loudness(track(Audio(np.zeros(100, np.float32), RATE))) == -70.0


@pytest.mark.parametrize("decibels", [10.0, 20.0, 40.0])
def test_snr_is_what_was_mixed(decibels: float) -> None:
    spoken = voice(pulses(120.0, 2.0)).samples
    clean = np.concatenate([np.zeros(RATE // 2, np.float32), spoken, np.zeros(RATE // 2, "f4")])
    noise = np.random.default_rng(0).standard_normal(len(clean)) * 0.1 * 10 ** (-decibels / 20)
    found = snr(track(Audio((clean + noise).astype(np.float32), RATE)))
    assert found == pytest.approx(decibels, abs=2.0)


def test_silence_has_no_snr() -> None:
    assert snr(track(Audio(np.zeros(RATE, np.float32), RATE))) is None
