"""Recordings of one voice bent into another: formants, pitch, breath, tilt and timbre."""

from __future__ import annotations

import numpy as np
from casts import RATE, Voice

WINDOW, HOP = 1_024, 256
"""Samples, for what is done to spectra."""
LIFTER = 50
"""Quefrencies kept for a spectrum's envelope: 2.1 ms, under the period of high voices."""
CURVES = 6
"""Cosines over the mel scale that make a voice's own curve."""


def bend(samples: np.ndarray, voice: Voice) -> np.ndarray:
    """All that a voice does to its teacher's samples but resampling and the channel."""
    if voice.bent_by_world:
        samples = world(samples, voice)
    if voice.warp != 1.0:
        samples = warp(samples, voice.warp)
    if voice.tilt or voice.curve:
        samples = shape(samples, voice.tilt, voice.curve)
    return samples


def world(samples: np.ndarray, voice: Voice) -> np.ndarray:
    """Pitch, formants and breath scaled separately by the vocoder WORLD (Morise et al., 2016)."""
    import pyworld  # pyright: ignore[reportMissingImports]

    x = samples.astype(np.float64)
    f0, times = pyworld.dio(x, RATE, frame_period=8.0)
    f0 = pyworld.stonemask(x, f0, times, RATE)
    envelope = pyworld.cheaptrick(x, f0, times, RATE)
    aperiodicity = pyworld.d4c(x, f0, times, RATE) ** voice.breath
    voiced = f0 > 0
    if voiced.any():
        median = float(np.median(f0[voiced]))
        f0[voiced] = median * (f0[voiced] / median) ** voice.intonation
    bins = np.arange(envelope.shape[1]) / voice.formants
    low = np.clip(bins.astype(int), 0, envelope.shape[1] - 2)
    part = np.clip(bins - low, 0.0, 1.0)
    logs = np.log(envelope)
    bent = np.exp((1 - part) * logs[:, low] + part * logs[:, low + 1])
    bent = np.ascontiguousarray(bent)
    out = pyworld.synthesize(f0 * voice.pitch, bent, aperiodicity, RATE, 8.0)
    return np.pad(out, (0, max(0, len(x) - len(out))))[: len(x)].astype(np.float32)


def warp(samples: np.ndarray, factor: float) -> np.ndarray:
    """Formants moved by ``factor`` and the pitch left alone, with the recording's own phases.

    Each frame is multiplied by its envelope, stretched, over its envelope; an envelope is the
    spectrum's cepstrum up to ``LIFTER``.
    """
    from scipy.signal import istft, stft

    _, _, spectrum = stft(samples, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)
    logs = np.log(np.abs(spectrum) + 1e-6)  # [bins, frames]
    cepstrum = np.fft.irfft(logs, axis=0)
    cepstrum[LIFTER : WINDOW - LIFTER + 1] = 0.0
    envelope = np.fft.rfft(cepstrum, axis=0).real
    bins = np.arange(len(logs)) / factor
    low = np.clip(bins.astype(int), 0, len(logs) - 2)
    part = np.clip(bins - low, 0.0, 1.0)[:, None]
    moved = (1 - part) * envelope[low] + part * envelope[low + 1]
    gain = np.exp(np.clip(moved - envelope, -4.0, 4.0))
    _, out = istft(spectrum * gain, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)
    return out[: len(samples)].astype(np.float32)


def shape(samples: np.ndarray, tilt: float, curve: int) -> np.ndarray:
    """The spectrum tilted by dB per octave between 200 Hz and 8 kHz, and bent by a drawn curve.

    The number of the curve draws its cosines (3 dB of deviation in all); 0 is none.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    size = int(next_fast_len(len(samples), real=True))  # pyright: ignore[reportArgumentType]
    spectrum = np.asarray(rfft(samples, size))
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    level = tilt * np.log2(np.clip(frequencies, 200.0, 8_000.0) / 1_000.0)
    if curve:
        rng = np.random.default_rng(curve)
        sizes = rng.normal(0.0, 3.0 / np.sqrt(CURVES / 2), CURVES)
        mels = np.log1p(frequencies / 700.0) / np.log1p(RATE / 2 / 700.0)
        level = level + np.cos(np.pi * np.outer(mels, np.arange(2, CURVES + 2))) @ sizes
    spectrum *= 10.0 ** (level / 20.0)
    return np.asarray(irfft(spectrum, size), np.float32)[: len(samples)]
