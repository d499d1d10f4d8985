"""Where a clip speaks, where its voice has a pitch, and which.

Letters: S samples at 16 kHz, T frames of 16 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from voice_data.score.extra import require
from voice_data.score.prosody import F0_CEILING, F0_FLOOR

if TYPE_CHECKING:
    from voice_data.audio import Audio

RATE = 16_000
HOP = 256
FRAME_SECONDS = HOP / RATE
_VOICED = 0.5  # SwiftF0's confidence
_SHORTEST_RUN = 3  # frames: what is voiced for less is a click
_FARTHEST = 14.0  # semitones from the median: beyond lies another octave's harmonic
_BELOW_SPEECH, _SILENCE, _ABOVE_NOISE = 35.0, -60.0, 6.0  # dB, dBFS, dB
_BRIDGED, _BLIP = 16, 2  # frames: a shorter silence is no pause, a shorter sound no speech


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A clip frame by frame; frame t is centred on sample ``HOP * t``.

    ``samples`` [S] float32 at 16 kHz, ``f0`` [T] Hz (0 where unvoiced), ``level`` [T] dBFS,
    ``active`` [T] True where somebody speaks, short gaps included.
    """

    samples: np.ndarray
    f0: np.ndarray
    level: np.ndarray
    active: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        """The numbers of the voiced frames, ascending."""
        return np.flatnonzero(self.f0)

    @property
    def speech_seconds(self) -> float:
        """Time spoken, pauses of a quarter of a second and more left out."""
        return float(np.count_nonzero(self.active) * FRAME_SECONDS)


def track(audio: Audio) -> Track:
    """Follow the pitch with SwiftF0 (Nieradzik, 2025), 50 to 600 Hz, and find the speech.

    Raises:
        ImportError: if neither of the extras ``[describe]`` and ``[metrics]`` is installed.
    """
    samples = audio.resample(RATE).samples
    if len(samples) < HOP:
        samples = np.pad(samples, (0, HOP - len(samples)))
    found = _detector().detect(samples, RATE, F0_FLOOR, F0_CEILING)
    level = np.asarray(found.loudness_db, np.float64)
    active = _active(level)
    f0 = np.where((found.confidence >= _VOICED) & active, found.pitch_hz, 0.0)
    return Track(samples, _without_strays(f0), level, active)


def runs(mask: np.ndarray) -> np.ndarray:
    """The first frame and the frame after the last one of each True stretch of ``mask``, [N, 2]."""
    edges = np.diff(np.concatenate(([False], mask, [False])).astype(np.int8))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def frames(samples: np.ndarray, centres: np.ndarray, width: int) -> np.ndarray:
    """Stretches of ``width`` samples around ``centres`` [N], zeros beyond the ends: [N, width]."""
    padded = np.pad(samples, (width // 2, width))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return windows[np.minimum(centres, len(windows) - 1)]


@lru_cache(maxsize=1)
def _detector() -> Any:
    return require("swift_f0").SwiftF0(threads=1, spin=False)


def _active(level: np.ndarray) -> np.ndarray:
    noise, loud = np.percentile(level, (10, 95))
    near_noise = min(noise + _ABOVE_NOISE, loud - 2 * _ABOVE_NOISE)
    mask = level > max(_SILENCE, loud - _BELOW_SPEECH, near_noise)
    for start, end in runs(mask):
        mask[start:end] = end - start > _BLIP
    for start, end in runs(~mask):
        if start > 0 and end < len(mask) and end - start < _BRIDGED:
            mask[start:end] = True
    return mask


def _without_strays(f0: np.ndarray) -> np.ndarray:
    kept = f0.copy()
    for start, end in runs(f0 > 0):
        if end - start < _SHORTEST_RUN:
            kept[start:end] = 0.0
    voiced = kept > 0
    if voiced.any():
        middle = np.median(kept[voiced])
        far = np.abs(12 * np.log2(np.where(voiced, kept, middle) / middle)) > _FARTHEST
        kept[far] = 0.0
    return kept
