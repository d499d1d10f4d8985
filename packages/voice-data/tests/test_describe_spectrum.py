"""Slope and tract length of tubes of known length and pulses of known slope."""

from __future__ import annotations

import numpy as np
import pytest
from pulse_voice import RATE, pulses, voice

from voice_data.audio import Audio
from voice_data.describe.spectrum import colour, tract_length
from voice_data.describe.track import track


def test_the_slope_follows_the_filter() -> None:
    found = []
    for slope in (-12.0, -9.0, -6.0, -3.0):
        hue = colour(track(voice(slope=slope)), RATE)
        assert hue is not None
        found.append(hue)
    steps = np.diff([hue.tilt for hue in found])
    assert steps == pytest.approx([3.0, 3.0, 3.0], abs=0.25)
    assert sorted(hue.centroid for hue in found) == [hue.centroid for hue in found]


@pytest.mark.parametrize(
    ("f0", "tract"), [(100, 19.0), (110, 17.5), (150, 16.0), (200, 14.5), (230, 13)]
)
def test_the_tract_is_as_long_as_the_tube(f0: float, tract: float) -> None:
    seconds = np.arange(2 * RATE) / RATE
    gliding = f0 * 2 ** (np.sin(2 * np.pi * seconds) / 6)  # so that harmonics pass the formants
    found = tract_length(track(voice(pulses(gliding), tract=tract)), RATE)
    assert found == pytest.approx(tract, rel=0.07)


def test_nothing_voiced_has_no_colour() -> None:
    found = track(Audio(np.zeros(RATE, np.float32), RATE))
    assert colour(found, RATE) is None
    assert tract_length(found, RATE) is None


def test_a_low_rate_is_not_fitted_where_it_has_nothing() -> None:
    audio = voice(slope=-6.0)
    hue, narrow = colour(track(audio), RATE), colour(track(audio.resample(8_000)), 8_000)
    assert hue is not None
    assert narrow is not None
    assert narrow.tilt == pytest.approx(hue.tilt, abs=2.0)
