"""Noise and jitter of pulses with known noise and jitter."""

from __future__ import annotations

import numpy as np
import pytest
from pulse_voice import RATE, pulses, voice

from voice_data.audio import Audio
from voice_data.describe.periodicity import cpp, hnr, jitter
from voice_data.describe.track import track


@pytest.mark.parametrize("noise_db", [0.0, 5.0, 10.0, 20.0])
def test_hnr_is_the_ratio_of_pulses_and_noise(noise_db: float) -> None:
    found = hnr(track(voice(pulses(150.0), noise_db=noise_db)))
    assert found == pytest.approx(noise_db, abs=3.0)


def test_cpp_falls_with_noise() -> None:
    found = [cpp(track(voice(pulses(150.0), noise_db=db))) for db in (30.0, 15.0, 5.0, 0.0)]
    assert None not in found
    assert sorted(found, reverse=True) == found  # type: ignore[type-var]


@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_jitter_is_the_scatter_of_the_periods(deviation: float) -> None:
    # of independent normal periods, RAP is E|x - mean of three| = deviation sqrt(2/3) sqrt(2/pi)
    found = jitter(track(voice(pulses(120.0, 3.0, jitter=deviation))))
    assert found == pytest.approx(deviation * np.sqrt(4 / (3 * np.pi)), rel=0.35)


def test_steady_and_gliding_pitch_have_hardly_any_jitter() -> None:
    for pitch in (np.full(2 * RATE, 120.0), np.geomspace(100.0, 160.0, 2 * RATE)):
        found = jitter(track(voice(pulses(pitch))))
        assert found is not None
        assert found < 0.4


def test_nothing_voiced_has_none() -> None:
    found = track(Audio(np.zeros(RATE, np.float32), RATE))
    assert (hnr(found), cpp(found), jitter(found)) == (None, None, None)
