"""Slope and tract length of tubes of known length and pulses of known slope."""

from __future__ import annotations

import numpy as np
import pytest
from pulse_voice import RATE, pulses, voice

from voice_data.audio import Audio
from voice_data.describe.spectrum import Colour, colour, spectrum, tract_length
from voice_data.describe.track import track


def colour_of(audio: Audio) -> Colour:
    average = spectrum(track(audio))
    assert average is not None
    return colour(average)


def test_the_slope_follows_the_filter() -> None:
    found = [colour_of(voice(slope=slope)) for slope in (-12.0, -9.0, -6.0, -3.0)]
    steps = np.diff([hue.tilt for hue in found])
    assert steps == pytest.approx([3.0, 3.0, 3.0], abs=0.25)
    assert sorted(hue.centroid for hue in found) == [hue.centroid for hue in found]


@pytest.mark.parametrize(
    ("f0", "tract"), [(100, 19.0), (110, 17.5), (150, 16.0), (200, 14.5), (230, 13)]
)
def test_the_tract_is_as_long_as_the_tube(f0: float, tract: float) -> None:
    seconds = np.arange(2 * RATE) / RATE
    gliding = f0 * 2 ** (np.sin(2 * np.pi * seconds) / 6)  # so that harmonics pass the formants
    found = tract_length(track(voice(pulses(gliding), tract=tract)), RATE / 2)
    assert found == pytest.approx(tract, rel=0.07)


def test_nothing_voiced_has_no_colour() -> None:
    found = track(Audio(np.zeros(RATE, np.float32), RATE))
    assert spectrum(found) is None
    assert tract_length(found, RATE / 2) is None


@pytest.mark.parametrize("rate", [8_000, 11_000])
def test_a_narrow_channel_is_noticed_and_not_taken_for_a_dark_voice(rate: int) -> None:
    audio = voice(slope=-9.0)
    narrow = audio.resample(rate).resample(RATE)
    average = spectrum(track(narrow))
    assert average is not None
    assert average.bandwidth == pytest.approx(rate / 2, rel=0.08)
    assert colour(average).tilt == pytest.approx(colour_of(audio).tilt, abs=1.0)
    whole = spectrum(track(audio))
    assert whole is not None
    assert whole.bandwidth > 7_500.0


def test_a_telephone_leaves_no_room_for_four_formants() -> None:
    assert tract_length(track(voice()), 4_000.0) is None
