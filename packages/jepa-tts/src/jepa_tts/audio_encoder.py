"""From mel frames to a Gaussian latent per four frames.

Letters: B batch, M mel bands, F mel frames, T = F / 4 latent frames, D width, Z latent dimensions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jepa_tts.config import STRIDE, JepaConfig
from jepa_tts.device import normal
from jepa_tts.transformer import Encoder

PITCH_DIMENSIONS = 2 * STRIDE
"""The first latent dimensions are, per mel frame, the scaled log F0 and the voicing."""


class Gaussian(NamedTuple):
    """A diagonal Gaussian per latent frame: ``mean`` and ``logvar``, [B, T, Z] each."""

    mean: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Reparameterised sample (Kingma and Welling, 2014), [B, T, Z]."""
        noise = normal(self.mean.shape, generator, self.mean.device).to(self.mean)
        return self.mean + (0.5 * self.logvar).exp() * noise


class AudioEncoder(nn.Module):
    """A linear projection of four stacked mel frames plus what a network adds to it.

    The projection starts as the principal components of the training data
    (:meth:`set_projection`), so that the latent carries the words before the first training step;
    the network starts at zero.
    """

    def __init__(self, config: JepaConfig) -> None:
        super().__init__()
        width, mels = config.width, config.mel.n_mels
        self.mels = mels
        self.projection = nn.Conv1d(mels, config.latent, STRIDE, stride=STRIDE)
        self.first = nn.Conv1d(mels, width, 5, stride=2, padding=2)
        self.second = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.encoder = Encoder(width, config.heads, config.feed_forward, config.encoder_layers)
        self.out = nn.Linear(width, 2 * config.latent)
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            self.out.bias[: config.latent] = 0.0
            self.out.bias[config.latent :] = -3.0

    @torch.no_grad()
    def set_projection(self, weight: Tensor, bias: Tensor) -> None:
        """Read the last K dimensions linearly: ``weight`` [K, 4 M] (frame-major), ``bias`` [K]."""
        state = self.projection.state_dict()  # the parameters themselves, not copies
        kernel = weight.view(len(weight), STRIDE, self.mels).transpose(1, 2)
        state["weight"][-len(weight) :] = kernel
        state["bias"][-len(weight) :] = bias

    def forward(self, mel: Tensor, lengths: Tensor | None = None) -> Gaussian:
        """Log-mel [B, M, F] and the number of real frames [B] -> a Gaussian per four frames.

        F and the lengths must be multiples of four; frames beyond a row's length change nothing.

        Raises:
            ValueError: if F is not.
        """
        batch, _, frames = mel.shape
        if frames % STRIDE:
            raise ValueError(f"the audio encoder wants a multiple of {STRIDE} frames, not {frames}")
        times = torch.arange(frames, device=mel.device)
        real = torch.full((batch,), frames, device=mel.device) if lengths is None else lengths
        heard = times[None] < real[:, None]  # [B, F]
        mel = mel * heard[:, None]
        x = F.gelu(self.first(mel / 4)) * heard[:, None, ::2]
        x = F.gelu(self.second(x)).transpose(1, 2)  # [B, T, D]
        mask = heard[:, ::STRIDE]
        mean, logvar = self.out(self.encoder(x, mask)).chunk(2, dim=-1)
        mean = mean + self.projection(mel).transpose(1, 2)
        return Gaussian(mean, logvar.clamp(-8.0, 2.0))
