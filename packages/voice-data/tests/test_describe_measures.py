"""The whole set of measures: of a clip, of a speaker, and there and back."""

from __future__ import annotations

import numpy as np
import pytest
from pulse_voice import RATE, pulses, syllables, voice

from voice_data.audio import Audio
from voice_data.describe import Measures, measure
from voice_data.describe.measures import DescribeError, combine


def test_a_known_voice() -> None:
    time = np.arange(3 * RATE) / RATE
    swing = 110.0 * 2 ** (3 * np.sin(2 * np.pi * 1.5 * time) / 12)  # +- 3 semitones
    found = measure(voice(pulses(swing, 3.0), tract=17.5))
    assert found.f0 == pytest.approx(110.0, rel=0.03)
    # the 10th and 90th percentile of a sine lie at +- 0.951
    assert found.f0_range == pytest.approx(2 * 3 * 0.951, abs=0.6)
    assert found.gender == "male"
    assert found.duration == 3.0


def test_the_text_gives_the_rate() -> None:
    audio = syllables(4.0, 12)
    assert measure(audio, "Banana banana banana banana.").rate == pytest.approx(4.0, rel=0.1)
    assert measure(audio).rate == pytest.approx(4.0, rel=0.15)


def test_silence_has_only_duration_and_loudness() -> None:
    found = measure(Audio(np.zeros(RATE, np.float32), RATE))
    assert (found.f0, found.rate, found.gender, found.loudness) == (None, None, None, -70.0)


def test_an_empty_clip_is_refused() -> None:
    with pytest.raises(DescribeError, match="holds no samples: record it again"):
        measure(Audio(np.zeros(0, np.float32), RATE))


def test_a_speaker_is_the_median_of_the_clips() -> None:
    clips = [
        Measures(duration=1.0, speech=0.5, f0=f0, rate=rate, gender="male")
        for f0, rate in ((100.0, 4.0), (210.0, None), (220.0, 6.0))
    ]
    found = combine(clips)
    assert (found.duration, found.speech, found.f0, found.rate) == (3.0, 1.5, 210.0, 5.0)
    assert found.gender == "female"  # judged anew
    with pytest.raises(DescribeError, match="no clips to combine"):
        combine([])


def test_there_and_back() -> None:
    found = measure(voice())
    assert Measures.from_dict(found.to_dict()).to_dict() == found.to_dict()
    with pytest.raises(DescribeError, match="'pitch' is no measure: use one of duration, speech"):
        Measures.from_dict({"duration": 1.0, "speech": 1.0, "pitch": 3})
