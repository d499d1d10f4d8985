"""Mel frames to a waveform: the Vocos architecture with its own head, or with a source-filter head.

Vocos: Siuzdak, "Vocos: Closing the gap between time-domain and Fourier-based neural vocoders for
high-quality audio synthesis" (2023).
Letters: B batch, M mel bands, F mel frames, D width, K = n_fft / 2 + 1 frequency bins,
S samples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jepa_tts.excitation import minimum_phase, noise_spectrum, pulse_spectrum
from jepa_tts.vocoder_config import PITCH_CENTRE, PITCH_SPREAD, VocoderConfig

MAX_MAGNITUDE = 1e2


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, norm, two pointwise layers, learned scale (Liu et al., 2022)."""

    def __init__(self, width: int, inner: int, scale: float) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, inner)
        self.pwconv2 = nn.Linear(inner, width)
        self.gamma = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """[B, D, F] -> [B, D, F]."""
        y = self.norm(self.dwconv(x).transpose(1, 2))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.transpose(1, 2)


class Backbone(nn.Module):
    """Vocos' backbone: all layers at the frame rate, no upsampling."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.embed = nn.Conv1d(config.n_mels, config.width, 7, padding=3)
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(config.width, config.inner, 1 / config.layers)
            for _ in range(config.layers)
        )
        self.final_layer_norm = nn.LayerNorm(config.width, eps=1e-6)

    def forward(self, mel: Tensor) -> Tensor:
        """Log-mel [B, M, F] -> [B, F, D]."""
        x = self.norm(self.embed(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        return self.final_layer_norm(x.transpose(1, 2))


class Sound(NamedTuple):
    """``samples`` [B, S]; ``pitch`` [B, F, 2], scaled log F0 and voicing logit, or None."""

    samples: Tensor
    pitch: Tensor | None = None


class ISTFTHead(nn.Module):
    """Magnitude and phase of every bin, straight from the backbone (the head of the paper)."""

    window: Tensor

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.out = nn.Linear(config.width, config.n_fft + 2)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def forward(
        self,
        x: Tensor,
        f0: Tensor | None = None,  # noqa: ARG002
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> Sound:
        """[B, F, D] -> samples; ``f0`` and ``generator`` are not needed."""
        magnitude, phase = self.out(x).float().transpose(1, 2).chunk(2, dim=1)
        spectrum = torch.polar(magnitude.exp().clamp_max(MAX_MAGNITUDE), phase)
        return Sound(inverse_stft(spectrum, self.window, self.config))


class SourceFilterHead(nn.Module):
    """A pulse train and noise, each shaped by a spectral envelope per frame.

    The head says how high (F0), how voiced, and gives two log envelopes. The pulses pass a
    minimum-phase filter, so no phase has to be learned: this is what makes the head trainable on
    magnitudes alone.
    """

    window: Tensor

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.out = nn.Linear(config.width, config.n_fft + 2)
        self.pitch = nn.Linear(config.width, 2)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.constant_(self.out.bias, -1.0)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def forward(
        self, x: Tensor, f0: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Sound:
        """[B, F, D] -> samples; ``f0`` [B, F] in Hz (0 unvoiced) replaces the head's own."""
        hop, rate = self.config.hop_length, self.config.sample_rate
        pitch = self.pitch(x).float()
        own = (pitch[..., 0] * PITCH_SPREAD + PITCH_CENTRE).clamp(3.7, 6.5).exp()
        spoken = own * (pitch[..., 1] > 0) if f0 is None else f0
        voiced, noisy = self.envelopes(x).transpose(1, 2).chunk(2, dim=1)  # [B, K, F]
        pulses = pulse_spectrum(spoken.detach(), self.window, hop, rate)
        noise = noise_spectrum(spoken.shape, self.window, hop, generator)
        spectrum = minimum_phase(voiced, self.config.phase) * pulses + noisy.exp() * noise
        return Sound(inverse_stft(spectrum, self.window, self.config), pitch)

    def envelopes(self, x: Tensor) -> Tensor:
        """[B, F, D] -> log envelopes [B, F, 2 K], of the pulses and of the noise."""
        if contrast := self.config.contrast:
            mean = F.avg_pool1d(x.transpose(1, 2), 3, stride=1, padding=1).transpose(1, 2)
            x = x + contrast * (x - mean)  # the envelopes are linear in it
        return self.out(x).float().clamp(-14.0, 6.0)


HEADS = {"istft": ISTFTHead, "source-filter": SourceFilterHead}


class Vocoder(nn.Module):
    """Backbone and head; state-dict names of the backbone are those of the vocos package."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.head = HEADS[config.head](config)

    def forward(
        self, mel: Tensor, f0: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Sound:
        """Log-mel [B, M, F] -> (F - 1) hop_length samples (``center``), F hop_length (``same``)."""
        return self.head(self.backbone(mel), f0, generator)

    def reset(self, **settings: float) -> Vocoder:
        """The same weights with other settings: ``phase`` and ``contrast`` need no training.

        Raises:
            ValueError: for a setting that is out of range.
        """
        other = Vocoder(replace(self.config, **settings)).to(next(self.parameters()).device)
        other.load_state_dict(self.state_dict())
        return other.train(self.training)


def inverse_stft(spectrum: Tensor, window: Tensor, config: VocoderConfig) -> Tensor:
    """[B, K, F] complex -> samples [B, S]."""
    size, hop = config.n_fft, config.hop_length
    if config.padding == "center":
        return torch.istft(spectrum, size, hop, window=window, center=True)
    frames = torch.fft.irfft(spectrum, size, dim=1) * window[:, None]
    total = (spectrum.shape[2] - 1) * hop + size
    trim = (size - hop) // 2

    def overlap(rows: Tensor) -> Tensor:
        added = F.fold(rows, (1, total), (1, size), stride=(1, hop))
        return added[:, 0, 0, trim : total - trim]

    weight = overlap((window**2)[None, :, None].expand(1, -1, spectrum.shape[2]))
    return overlap(frames) / weight.clamp_min(1e-11)
