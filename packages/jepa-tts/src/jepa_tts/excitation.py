"""What the source-filter head filters (pulses at F0, and noise), and the phase a filter implies.

Letters: B batch, F mel frames, K frequency bins, S samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from jepa_tts.device import normal

HIGHEST = 11_000.0
"""Hz; harmonics above are left to the noise."""


def pulse_train(f0: Tensor, hop: int, rate: int) -> Tensor:
    """Band-limited pulses with every harmonic below 11 kHz at amplitude one.

    F0 [B, F] Hz -> [B, (F - 1) hop]; frame i is centred on sample i hop, as in the spectrogram. The
    closed form of the cosine sum (Dirichlet kernel); F0 is held constant from a voiced frame into
    silence and interpolated between voiced frames. Zero where the nearest frame's F0 is zero.
    """
    samples = (f0.shape[1] - 1) * hop
    nearest = (torch.arange(samples, device=f0.device) + hop // 2) // hop
    voiced = (f0 > 0).to(f0)[:, nearest]
    held = _hold(f0)[:, None]
    frequency = F.interpolate(held, size=samples + 1, mode="linear", align_corners=True)[:, 0, :-1]
    wide = torch.float32 if f0.device.type == "mps" else torch.float64  # which that has not
    cycles = (frequency.to(wide) / rate).cumsum(1)
    angle = (2 * torch.pi * (cycles % 1.0)).to(f0.dtype)
    order = (HIGHEST / frequency).floor() + 0.5
    below = 2 * (angle / 2).sin()
    safe = torch.where(below.abs() < 2e-3, torch.ones_like(below), below)
    pulses = torch.where(below.abs() < 2e-3, order, (order * angle).sin() / safe)
    return (pulses - 0.5) * voiced


def _hold(f0: Tensor) -> Tensor:
    """Fill unvoiced frames with the last voiced F0 (the first one before any)."""
    index = torch.arange(f0.shape[1], device=f0.device).expand_as(f0)
    last = torch.where(f0 > 0, index, -1).cummax(1).values
    first = (f0 > 0).to(torch.int8).argmax(1, keepdim=True)
    return f0.gather(1, torch.where(last < 0, first, last)).clamp_min(60.0)


def pulse_spectrum(f0: Tensor, window: Tensor, hop: int, rate: int) -> Tensor:
    """Spectrum of the pulses, scaled so that a lone harmonic peaks at one: [B, F] -> [B, K, F]."""
    return _stft(pulse_train(f0, hop, rate), window, hop) / (window.sum() / 2)


def noise_spectrum(
    shape: torch.Size, window: Tensor, hop: int, generator: torch.Generator | None = None
) -> Tensor:
    """Spectrum of white noise with unit power per bin, [B, K, F] for ``shape`` (B, F)."""
    noise = normal((shape[0], (shape[1] - 1) * hop), generator, window.device).to(window)
    return _stft(noise, window, hop) / (window**2).sum().sqrt()


def _stft(samples: Tensor, window: Tensor, hop: int) -> Tensor:
    return torch.stft(
        samples,
        len(window),
        hop,
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )


def minimum_phase(log_magnitude: Tensor, share: float = 1.0) -> Tensor:
    """The spectrum of a log magnitude [B, K, F] with a ``share`` of its minimum phase (Oppenheim
    and Schafer, chapter 13).

    The cepstrum's negative quefrencies are folded onto the positive ones.
    """
    bins = log_magnitude.shape[1]
    size = 2 * (bins - 1)
    cepstrum = torch.fft.irfft(log_magnitude, size, dim=1)
    fold = torch.zeros(size, 1, device=log_magnitude.device)
    fold[0] = fold[size // 2] = 1.0
    fold[1 : size // 2] = 2.0
    phase = share * torch.fft.rfft(cepstrum * fold, dim=1).imag
    return torch.polar(log_magnitude.exp(), phase)
