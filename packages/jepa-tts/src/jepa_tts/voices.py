"""Who speaks: a table of named voices, and an encoder that hears a voice from a clip.

Letters: B batch, T latent frames, Z latent dimensions, D width, V named voices.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jepa_tts.config import JepaConfig
from jepa_tts.transformer import Encoder

PROMPT_LAYERS = 2


class Voices(nn.Module):
    """One vector per voice, looked up by name or heard from the latents of a clip."""

    def __init__(self, config: JepaConfig) -> None:
        super().__init__()
        width = config.width
        self.names = config.speakers
        self.table = nn.Embedding(max(1, len(config.speakers)), width)
        nn.init.normal_(self.table.weight, std=0.1)
        self.into = nn.Linear(config.latent, width)
        self.encoder = Encoder(width, config.heads, config.feed_forward, PROMPT_LAYERS)
        self.out = nn.Linear(2 * width, width)

    def lookup(self, indices: Tensor) -> Tensor:
        """Indices [B] of named voices -> [B, D]."""
        return self.table(indices)

    def named(self, name: str) -> Tensor:
        """The vector of one named voice, [1, D].

        Raises:
            ValueError: if there is no such voice (the valid names are listed).
        """
        if name not in self.names:
            raise ValueError(f"unknown voice {name!r}; this model knows: {', '.join(self.names)}")
        return self.table.weight[self.names.index(name)][None]

    def hear(self, latents: Tensor, mask: Tensor) -> Tensor:
        """Latents of a clip [B, T, Z] (``mask`` [B, T] True on real frames) -> [B, D]."""
        x = self.encoder(self.into(latents), mask)
        weight = mask[..., None].to(x.dtype)
        count = weight.sum(1).clamp_min(1.0)
        mean = (x * weight).sum(1) / count
        spread = (((x - mean[:, None]) ** 2 * weight).sum(1) / count + 1e-5).sqrt()
        return self.out(F.gelu(torch.cat((mean, spread), dim=-1)))
