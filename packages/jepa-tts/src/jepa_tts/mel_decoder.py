"""From latent frames back to mel frames.

Letters: B batch, T latent frames, Z latent dimensions, C channels, F = 4 T mel frames, M mel bands.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jepa_tts.config import STRIDE, JepaConfig

REFINE_KERNEL = 5


class ResidualConv(nn.Module):
    """Norm, convolution, GELU, convolution, and the input added back."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.first = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, heard: Tensor) -> Tensor:
        """[B, C, F] -> [B, C, F]; ``heard`` [B, 1, F] is True on real frames."""
        y = self.norm(x.transpose(1, 2)).transpose(1, 2) * heard
        return x + self.second(F.gelu(self.first(y)) * heard) * heard


class MelDecoder(nn.Module):
    """Two transposed convolutions, residual blocks and a refinement beside a linear path.

    The linear path can start as the pseudo-inverse of the encoder's (:meth:`set_projection`); the
    network's last layer starts at zero.
    """

    def __init__(self, config: JepaConfig) -> None:
        super().__init__()
        channels, mels = config.decoder_channels, config.mel.n_mels
        self.mels = mels
        self.projection = nn.Linear(config.latent, STRIDE * mels)
        self.into = nn.Linear(config.latent, channels)
        self.up_first = nn.ConvTranspose1d(channels, channels, 4, stride=2, padding=1)
        self.up_second = nn.ConvTranspose1d(channels, channels, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            ResidualConv(channels, 3**index) for index in range(config.decoder_blocks)
        )
        self.refine = nn.Conv1d(channels, mels, REFINE_KERNEL, padding=REFINE_KERNEL // 2)
        for parameter in self.refine.parameters():
            nn.init.zeros_(parameter)

    @torch.no_grad()
    def set_projection(self, weight: Tensor, bias: Tensor) -> None:
        """Read the last K dimensions linearly: ``weight`` [4 M, K], frame-major, ``bias`` [4 M]."""
        self.projection.weight[:, -weight.shape[1] :] = weight
        self.projection.bias.copy_(bias)

    def forward(self, latents: Tensor, lengths: Tensor | None = None) -> Tensor:
        """[B, T, Z] -> log-mel [B, M, 4 T].

        Where ``lengths`` [B] latent frames are given, what lies beyond them changes nothing.
        """
        batch, frames, _ = latents.shape
        times = torch.arange(frames, device=latents.device)
        real = torch.full((batch,), frames, device=times.device) if lengths is None else lengths
        heard = (times < real[:, None])[:, None]  # [B, 1, T]
        linear = self.projection(latents).view(batch, frames * STRIDE, self.mels)
        x = self.into(latents).transpose(1, 2) * heard
        heard = heard.repeat_interleave(2, dim=2)
        x = F.gelu(self.up_first(x)) * heard
        heard = heard.repeat_interleave(2, dim=2)
        x = F.gelu(self.up_second(x)) * heard
        for block in self.blocks:
            x = block(x, heard)
        return linear.transpose(1, 2) + self.refine(x)
