"""The mel spectrogram of :func:`voice_data.mel.log_mel` at its defaults, without torch or librosa.

Letters: S samples, F mel frames, M mel bands, K bins of the Fourier transform.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from voice_data.mel import LOG_FLOOR, MelConfig

_AT_ONCE = 512
"""Frames that are transformed together, to bound memory."""


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Samples [S] at 24 kHz -> [F, M], natural log of magnitudes.

    Raises:
        ValueError: if there are too few samples to be reflected at the edges.
    """
    config = MelConfig()
    half = config.n_fft // 2
    if samples.ndim != 1 or len(samples) <= half:
        raise ValueError(f"log_mel wants more than {half} samples, not {list(samples.shape)}")
    padded = np.pad(samples.astype(np.float32), half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop_length]
    window, filters = _constants(config)
    parts = []
    for start in range(0, len(frames), _AT_ONCE):
        spectrum = np.abs(np.fft.rfft(frames[start : start + _AT_ONCE] * window))
        parts.append(spectrum.astype(np.float32) @ filters.T)
    return np.log(np.maximum(np.concatenate(parts), np.float32(LOG_FLOOR)))


@lru_cache(maxsize=2)
def _constants(config: MelConfig) -> tuple[np.ndarray, np.ndarray]:
    """Hann window and triangles on the HTK scale, [M, K]."""
    turn = 2.0 * np.pi * np.arange(config.n_fft) / config.n_fft
    window = (0.5 - 0.5 * np.cos(turn)).astype(np.float32)
    top = 2595.0 * np.log10(1.0 + config.sample_rate / 2 / 700.0)
    points = 700.0 * (10.0 ** (np.linspace(0.0, top, config.n_mels + 2) / 2595.0) - 1.0)  # Hz
    bins = np.fft.rfftfreq(config.n_fft, 1.0 / config.sample_rate)
    ramps = points[:, None] - bins
    width = np.diff(points)[:, None]
    rising, falling = -ramps[:-2] / width[:-1], ramps[2:] / width[1:]
    return window, np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
