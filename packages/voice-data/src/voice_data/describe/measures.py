"""What can be measured of a voice in one clip, or in all clips of a speaker."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.describe.level import loudness, snr
from voice_data.describe.periodicity import cpp, hnr, jitter
from voice_data.describe.rate import count_nuclei, count_syllables
from voice_data.describe.speaker import estimate
from voice_data.describe.spectrum import colour, spectrum, tract_length
from voice_data.describe.track import Track, track
from voice_data.score.prosody import semitones

if TYPE_CHECKING:
    from voice_data.audio import Audio

_FEWEST_VOICED = 10  # frames: 160 ms
_SHORTEST_SPEECH = 0.3  # s: no rate from less


class DescribeError(ValueError):
    """A clip or a manifest that cannot be described; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Measures of one voice; None is what could not be measured.

    ``duration`` and ``speech`` in seconds (pauses left out of the second), ``f0`` the median in Hz,
    ``f0_range`` the distance of its 10th and 90th percentile in semitones, ``rate`` in syllables
    per second of speech, ``loudness`` in LUFS, ``tilt`` in dB per octave, ``centroid`` in Hz,
    ``hnr`` and ``cpp`` in dB, ``jitter`` in percent, ``snr`` in dB, ``tract`` the apparent vocal
    tract in cm. ``gender`` and ``age`` are the likeliest, with their probabilities.
    """

    duration: float
    speech: float
    f0: float | None = None
    f0_range: float | None = None
    rate: float | None = None
    loudness: float | None = None
    tilt: float | None = None
    centroid: float | None = None
    hnr: float | None = None
    cpp: float | None = None
    jitter: float | None = None
    snr: float | None = None
    tract: float | None = None
    gender: str | None = None
    gender_confidence: float = 0.0
    age: str | None = None
    age_confidence: float = 0.0

    def to_dict(self) -> dict[str, float | str]:
        """What was measured, rounded to four digits, in order."""
        values = ((item.name, getattr(self, item.name)) for item in fields(self))
        return {name: _rounded(value) for name, value in values if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Measures:
        """Build from :meth:`to_dict`'s values.

        Raises:
            DescribeError: for a name that is no measure.
        """
        known = [item.name for item in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise DescribeError(f"{unknown[0]!r} is no measure: use one of {', '.join(known)}")
        return cls(**values)


def measure(audio: Audio, text: str = "") -> Measures:
    """Measure the voice in ``audio``; with ``text`` the speaking rate is exact, else estimated.

    A clip in which nobody speaks has only its duration and loudness.

    Raises:
        DescribeError: if there are no samples.
        ImportError: if neither of the extras ``[describe]`` and ``[metrics]`` is installed.
    """
    if not len(audio.samples):
        raise DescribeError("the clip holds no samples: record it again or drop it")
    found = track(audio)
    silent = Measures(
        duration=audio.duration, speech=found.speech_seconds, loudness=loudness(found)
    )
    if len(found.voiced) < _FEWEST_VOICED:
        return silent
    f0 = found.f0[found.voiced]
    low, middle, high = (float(value) for value in np.percentile(f0, [10, 50, 90]))
    average = spectrum(found)
    hue = colour(average) if average else None
    return _judged(
        duration=audio.duration,
        speech=found.speech_seconds,
        f0=middle,
        f0_range=semitones(high / low),
        rate=_rate(found, text),
        loudness=silent.loudness,
        tilt=hue.tilt if hue else None,
        centroid=hue.centroid if hue else None,
        hnr=hnr(found),
        cpp=cpp(found),
        jitter=jitter(found),
        snr=snr(found),
        tract=tract_length(found, average.bandwidth) if average else None,
    )


def combine(clips: Iterable[Measures]) -> Measures:
    """The measures of a speaker: the median over the clips, sex and age judged from the medians.

    Raises:
        DescribeError: if there are no clips.
    """
    clips = list(clips)
    if not clips:
        raise DescribeError("no clips to combine: give at least one")
    values: dict[str, Any] = {}
    for item in fields(Measures):
        found = [getattr(clip, item.name) for clip in clips]
        numbers = [value for value in found if isinstance(value, (int, float))]
        values[item.name] = float(np.median(numbers)) if numbers else None
    values["duration"] = sum(clip.duration for clip in clips)
    values["speech"] = sum(clip.speech for clip in clips)
    return _judged(**values)


def _judged(**values: Any) -> Measures:
    given = {**values}
    if given.get("f0") is not None:
        found = estimate(given["f0"], given["tract"], given["rate"], given["jitter"])
        given.update(found._asdict())
    return Measures(**given)


def _rate(found: Track, text: str) -> float | None:
    seconds = found.speech_seconds
    count = count_syllables(text) or count_nuclei(found)
    return count / seconds if count and seconds >= _SHORTEST_SPEECH else None


def _rounded(value: float | str) -> float | str:
    if isinstance(value, str) or value == 0:
        return value
    return round(value, max(0, 3 - math.floor(math.log10(abs(value)))))
