"""One channel of sound with its rate beside it, and how loud it is.

Letters: S samples. Samples are float32; full scale is [-1, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SILENCE_DBFS = -120.0
"""What the loudness functions call digital silence, so that no figure is minus infinity."""


class AudioError(ValueError):
    """Audio that cannot be used as it is; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """One channel of sound: ``samples`` [S] float32 (full scale is [-1, 1]) at ``rate`` Hz.

    >>> Audio(np.zeros(24_000, np.float32), 24_000).duration
    1.0

    Raises:
        AudioError: if the samples are not 1-D, float32 and finite, or the rate is not positive.
    """

    samples: np.ndarray
    rate: int

    def __post_init__(self) -> None:
        if not isinstance(self.samples, np.ndarray) or self.samples.ndim != 1:
            shape = getattr(self.samples, "shape", type(self.samples).__name__)
            raise AudioError(f"samples must be a NumPy array of shape [S], not {shape}")
        if self.samples.dtype != np.float32:
            raise AudioError(
                f"samples must be float32, not {self.samples.dtype}: "
                "scale them to [-1, 1] and call .astype(np.float32)"
            )
        if not np.isfinite(self.samples).all():
            raise AudioError(
                "samples hold NaN or infinity: the clip is damaged or the model diverged"
            )
        if isinstance(self.rate, bool) or not isinstance(self.rate, int) or self.rate < 1:
            raise AudioError(f"rate must be a positive int in Hz, not {self.rate!r}")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def resample(self, rate: int) -> Audio:
        """The same sound at ``rate`` Hz (soxr, high quality). S becomes about S * rate / self.rate.

        Raises:
            AudioError: if ``rate`` is not a positive int.
        """
        if isinstance(rate, bool) or not isinstance(rate, int) or rate < 1:
            raise AudioError(f"rate must be a positive int in Hz, not {rate!r}")
        if rate == self.rate:
            return self
        import soxr

        return Audio(soxr.resample(self.samples, self.rate, rate, quality="HQ"), rate)

    def scaled_to(self, dbfs: float, *, peak: float = 0.99) -> Audio:
        """The same sound at an RMS level of ``dbfs``, or lower where a sample would pass ``peak``.

        Silence is returned unchanged.
        """
        highest = float(np.abs(self.samples).max(initial=0.0))
        if highest == 0.0:
            return self
        gain = min(10.0 ** ((dbfs - rms_dbfs(self.samples)) / 20.0), peak / highest)
        return Audio((self.samples * np.float32(gain)).astype(np.float32), self.rate)


def rms_dbfs(samples: np.ndarray) -> float:
    """Root-mean-square level of ``samples`` [S] in dB relative to full scale.

    A full-scale square wave has 0.

    >>> rms_dbfs(np.full(100, 0.1, np.float32))
    -20.0
    """
    mean = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return _decibels(math.sqrt(mean))


def peak_dbfs(samples: np.ndarray) -> float:
    """Level of the highest of ``samples`` [S] in dB relative to full scale."""
    return _decibels(float(np.abs(samples).max(initial=0.0)))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """``samples`` [S] as 16-bit integers; what came from 16 bits comes back to the last one.

    libsndfile scales by 32767 on the way out and by 32768 on the way in: loud samples change.
    """
    return np.round(samples * np.float32(32_768)).clip(-32_768, 32_767).astype(np.int16)


def _decibels(level: float) -> float:
    return round(20.0 * math.log10(level), 4) if level > 1e-6 else SILENCE_DBFS
