"""A batch of recordings to train on.

Letters: B batch, N bytes, T latent frames, F = 4 T mel frames, M mel bands, Z latent dimensions, D
width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from voice_data.speech import Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMel:
    """A padded batch: byte ids and their ``durations`` in latent frames [B, N], ``latents``
    [B, T, Z], log-``mel`` [B, M, F], real latent ``frames`` [B] and ``voices`` [B, D].
    """

    ids: Tensor
    durations: Tensor
    latents: Tensor
    mel: Tensor
    frames: Tensor
    voices: Tensor

    @classmethod
    def of(cls, encoded: Sequence[Encoded], voices: Sequence[Tensor]) -> TextMel:
        """The batch of some encoded clips and the vector [D] of each one's voice."""
        padded = {
            name: nn.utils.rnn.pad_sequence([each[name] for each in encoded], batch_first=True)
            for name in ("ids", "durations", "latents", "mel")
        }
        padded["mel"] = padded["mel"].transpose(1, 2)
        frames = torch.tensor([len(each["latents"]) for each in encoded])
        return cls(frames=frames, voices=torch.stack(list(voices)), **padded)

    @property
    def mask(self) -> Tensor:
        """[B, T], True on real frames."""
        times = torch.arange(self.latents.shape[1], device=self.frames.device)
        return times < self.frames[:, None]

    def to(self, device: torch.device | str) -> TextMel:
        """The same batch on a device."""
        moved = {each.name: getattr(self, each.name).to(device) for each in fields(self)}
        return TextMel(**moved)


def noised(latents: Tensor, mask: Tensor, strongest: float) -> Tensor:
    """Latents [B, T, Z] with noise of a random strength per row, in deviations of each dimension.

    At most ``strongest``; ``mask`` [B, T] selects the frames that the deviations are of.
    """
    count = mask.sum().clamp_min(1)
    mean = latents[mask].sum(0) / count
    deviation = ((latents[mask] - mean) ** 2).sum(0).div(count).sqrt()
    strength = torch.rand(len(latents), 1, 1, device=latents.device) * strongest
    return latents + torch.randn_like(latents) * strength * deviation
