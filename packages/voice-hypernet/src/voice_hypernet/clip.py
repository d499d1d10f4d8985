"""What is heard in a clip: statistics of its mel spectrogram over the frames with speech.

Letters: M mel bands, F mel frames, X features.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from voice_data.audio import Audio

    Clip = Audio | np.ndarray | str | os.PathLike[str]
    """Sound with its rate, a file of sound, or the features [X] that :func:`hear` returns."""

RATE = 24_000
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds of a clip: below, it is refused; above, its middle is used."""
MELS = 100
FEATURES = 4 * MELS
QUIET = 40.0
"""dB below the loudest frame from which a frame counts as a pause."""
SILENCE_DBFS = -55.0
_FLOOR, _SPREAD = -11.5, 3.0
_STEADY = 3.0
"""dB by which the level of speech varies at least, pauses left out (7 to 11 dB is usual)."""
_IN_LINES = 0.94
"""Share of a clip in tones that stand still from which it may be music (speech: 0.5 to 0.88)."""
_WINDOW, _LINE, _APART = 4_096, 2, 6
"""Samples in which a tone stands still, a sixth of a second; bins of half a line; between two."""


class ClipError(ValueError):
    """A clip in which no voice can be heard; the message says what to record instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """``features`` [4 M]: mean, deviation, skew and mean change per band; and doubts, in words."""

    features: np.ndarray
    warnings: tuple[str, ...] = ()


class Given(NamedTuple):
    """Features [X] of a clip, doubts about it, and the SHA-256 of its sound; of none, nothing."""

    features: np.ndarray | None = None
    warnings: tuple[str, ...] = ()
    sha256: str = ""


def given(clip: Clip | None, width: int) -> Given:
    """A clip in any form, for a network that reads ``width`` features.

    Raises:
        ClipError: if it is too short or silent, or features of another shape or not finite.
        AudioError: if a file cannot be read.
    """
    if clip is None:
        return Given()
    if isinstance(clip, np.ndarray):
        if clip.shape != (width,) or not np.isfinite(clip).all():
            raise ClipError(
                f"audio_features of the shape {list(clip.shape)} are no {width} features of a "
                "clip: give Audio(samples, rate), a file, or what voice_hypernet.clip.hear returns"
            )
        data = np.ascontiguousarray(clip, np.float32)
        return Given(data, (), hashlib.sha256(data.tobytes()).hexdigest())
    from voice_data.audio import read

    audio = read(clip) if isinstance(clip, (str, os.PathLike)) else clip
    found = hear(audio)
    digest = hashlib.sha256(np.ascontiguousarray(audio.samples).tobytes()).hexdigest()
    return Given(found.features, found.warnings, digest)


def hear(audio: Audio) -> Heard:
    """The features of a clip, whatever its rate and loudness.

    Raises:
        ClipError: if it is shorter than a second or silent.
    """
    from voice_data.audio import rms_dbfs
    from voice_hypernet.numpy_mel import log_mel

    if audio.duration < SHORTEST:
        raise ClipError(
            f"the clip lasts {audio.duration:.2f} s and at least {SHORTEST:g} s are needed: "
            "give a longer recording"
        )
    if (level := rms_dbfs(audio.samples)) < SILENCE_DBFS:
        raise ClipError(
            f"the clip is silent ({level:.0f} dBFS): give a recording of one person speaking"
        )
    samples = _middle(audio if audio.rate == RATE else audio.resample(RATE))
    mel = log_mel(samples)
    levels = _levels(mel)
    spoken = levels > levels.max() - QUIET
    warnings = ()
    if float(levels[spoken].std()) < _STEADY:
        warnings = ("the clip hardly changes: it may be a tone, noise or music, not speech",)
    elif _in_lines(samples) > _IN_LINES:
        warnings = ("the tones of the clip stand still: it may be music, not speech",)
    return Heard(features=statistics(mel[spoken]), warnings=warnings)


def statistics(mel: np.ndarray) -> np.ndarray:
    """Log-mel [F, M] -> [4 M], each about zero and of about unit size; loudness is taken out."""
    x = (mel - mel.mean()) / _SPREAD
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    skew = (((x - mean) / deviation) ** 3).mean(0)
    change = np.abs(np.diff(x, axis=0)).mean(0) if len(x) > 1 else np.zeros_like(mean)
    parts = (mean, 3 * (deviation - 0.6), np.tanh(skew / 2), 6 * (change - 0.25))
    return np.concatenate(parts).astype(np.float32)


def _middle(audio: Audio) -> np.ndarray:
    most = int(LONGEST * audio.rate)
    start = max(0, (len(audio.samples) - most) // 2)
    return audio.samples[start : start + most]


def _in_lines(samples: np.ndarray) -> float:
    """The share of sound from 200 to 3,000 Hz in narrow lines: a voice glides, notes do not.

    The median over pieces of a sixth of a second, those without sound left out.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[:: _WINDOW // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32))) ** 2
    power = power[:, 200 * _WINDOW // RATE : 3_000 * _WINDOW // RATE]
    around = np.pad(power, ((0, 0), (_APART, _APART)))
    sliding = np.lib.stride_tricks.sliding_window_view
    peaks = power >= sliding(around, 2 * _APART + 1, axis=1).max(2)
    near = around[:, _APART - _LINE : power.shape[1] + _APART + _LINE]
    lines = (sliding(near, 2 * _LINE + 1, axis=1).sum(2) * peaks).sum(1)
    whole = power.sum(1)
    heard = whole > 1e-3 * whole.max()
    return float(np.median(lines[heard] / whole[heard])) if heard.any() else 0.0


def _levels(mel: np.ndarray) -> np.ndarray:
    """The level of every frame, [F], in dB."""
    return 10.0 * np.log10(np.exp(2.0 * np.maximum(mel, _FLOOR)).sum(1))
