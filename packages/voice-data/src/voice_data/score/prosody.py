"""Melody and pace: fundamental frequency, speaking rate, and the silence at either end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from voice_data.score.extra import require

if TYPE_CHECKING:
    from voice_data.audio import Audio

F0_FLOOR, F0_CEILING = 50.0, 600.0  # Hz: from a bass to an excited child
_VOICED = 0.5  # SwiftF0's confidence
_FRAME = 0.010  # s
_QUIET_BELOW_PEAK, _SILENCE = 40.0, -60.0  # dB, dBFS


class Pitch(NamedTuple):
    """Fundamental frequency over the voiced frames; None where nothing is voiced.

    ``f0_low`` and ``f0_high`` are the 5th and 95th percentile in Hz, ``f0_range`` their distance
    and ``f0_deviation`` the standard deviation in semitones; ``voiced`` is the share of voiced
    frames.
    """

    f0_median: float | None
    f0_low: float | None
    f0_high: float | None
    f0_range: float | None
    f0_deviation: float | None
    voiced: float


class Pace(NamedTuple):
    """Speaking rate over the time between the silences, which are in seconds.

    A clip without sound has both silences equal to its duration and no rate.
    """

    words_per_second: float | None
    characters_per_second: float | None
    leading_silence: float
    trailing_silence: float


def measure_pitch(audio: Audio) -> Pitch:
    """Pitch statistics by SwiftF0 (Nieradzik, 2025), 50 to 600 Hz.

    Raises:
        ImportError: if the ``[metrics]`` extra is not installed.
    """
    if not np.any(audio.samples):
        return Pitch(None, None, None, None, None, 0.0)
    # A neural tracker: DIO puts creaky low voices an octave too high, Harvest voices breath.
    tracker = require("swift_f0").SwiftF0(threads=1, spin=False)
    found = tracker.detect(audio.samples, audio.rate, F0_FLOOR, F0_CEILING)
    f0 = found.pitch_hz * (found.confidence >= _VOICED)
    voiced = f0[f0 > 0]
    if not len(voiced):
        return Pitch(None, None, None, None, None, 0.0)
    low, median, high = (float(value) for value in np.percentile(voiced, [5, 50, 95]))
    return Pitch(
        f0_median=median,
        f0_low=low,
        f0_high=high,
        f0_range=semitones(high / low),
        f0_deviation=float(np.std(12 * np.log2(voiced))),
        voiced=len(voiced) / len(f0),
    )


def semitones(ratio: float) -> float:
    """The musical distance of a frequency ratio: an octave, 2, is 12."""
    return float(12 * np.log2(ratio))


def measure_pace(audio: Audio, text: str) -> Pace:
    """Words and letters (digits too) of ``text`` per second of speech, and the silences."""
    leading, trailing = silences(audio)
    spoken = audio.duration - leading - trailing
    words = sum(any(letter.isalnum() for letter in word) for word in text.split())
    characters = sum(letter.isalnum() for letter in text)
    known = spoken > 0 and words > 0
    return Pace(
        words_per_second=words / spoken if known else None,
        characters_per_second=characters / spoken if known else None,
        leading_silence=leading,
        trailing_silence=trailing,
    )


def silences(audio: Audio) -> tuple[float, float]:
    """Seconds of silence at the start and at the end of ``audio``.

    A frame of 10 ms is silent 40 dB below the loudest one, or below -60 dBFS.
    """
    size = max(1, round(audio.rate * _FRAME))
    padded = np.pad(audio.samples.astype(np.float64), (0, -len(audio.samples) % size))
    power = np.mean(padded.reshape(-1, size) ** 2, axis=1)
    level = 10 * np.log10(np.maximum(power, 1e-12))
    loud = np.flatnonzero(level > max(_SILENCE, level.max() - _QUIET_BELOW_PEAK))
    if not len(loud):
        return audio.duration, audio.duration
    end = min(len(audio.samples), (loud[-1] + 1) * size)
    return float(loud[0] * size / audio.rate), float((len(audio.samples) - end) / audio.rate)
