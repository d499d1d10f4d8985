"""Pitch and speech, frame by frame, of sounds whose pitch and pauses are known."""

from __future__ import annotations

import numpy as np
import pytest
from pulse_voice import RATE, pulses, voice

from voice_data.audio import Audio
from voice_data.describe.track import frames, runs, track


@pytest.mark.parametrize("f0", [90.0, 160.0, 320.0])
def test_the_pitch_is_found(f0: float) -> None:
    found = track(voice(pulses(f0), tract=17.5 if f0 < 150 else 14.0))
    assert np.median(found.f0[found.voiced]) == pytest.approx(f0, rel=0.02)


def test_pauses_are_not_speech() -> None:
    spoken = voice(pulses(120.0, 1.0)).samples
    audio = Audio(np.concatenate([spoken, np.zeros(RATE, np.float32), spoken]), RATE)
    found = track(audio)
    assert found.speech_seconds == pytest.approx(2.0, abs=0.1)
    middle = slice(round(1.2 * RATE / 256), round(1.8 * RATE / 256))
    assert not found.active[middle].any()
    assert not found.f0[middle].any()


def test_short_gaps_belong_to_speech() -> None:
    spoken = voice(pulses(120.0, 1.0)).samples
    audio = Audio(np.concatenate([spoken, np.zeros(RATE // 10, np.float32), spoken]), RATE)
    assert track(audio).speech_seconds == pytest.approx(2.1, abs=0.05)


@pytest.mark.parametrize("size", [1, 100, 255, 256, 4_000])
def test_silence_and_shortness_are_no_error(size: int) -> None:
    found = track(Audio(np.zeros(size, np.float32), RATE))
    assert not len(found.voiced)
    assert found.speech_seconds == 0


def test_runs_and_frames() -> None:
    assert runs(np.array([True, True, False, True])).tolist() == [[0, 2], [3, 4]]
    parts = frames(np.arange(10.0), np.array([0, 5, 9]), 4)
    assert parts.tolist() == [[0, 0, 0, 1], [3, 4, 5, 6], [7, 8, 9, 0]]
