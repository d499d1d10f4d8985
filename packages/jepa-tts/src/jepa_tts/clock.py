"""What the durations say about every latent frame: which byte sounds, and how far into it we are.

Letters: B batch, N bytes, T latent frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

PHASES = 4
PRIOR_FLOOR = -30.0


class Clock(NamedTuple):
    """One row per latent frame.

    ``position`` [B, T] is the byte that sounds at the frame's centre, ``phase`` [B, T, 4] tells how
    far into it the centre lies, ``prior`` [B, T, N] is a log weight of every byte (a Gaussian
    around its centre, after Shen et al., "Non-Attentive Tacotron", 2020).
    """

    position: Tensor
    phase: Tensor
    prior: Tensor

    def rows(self, start: int, end: int) -> Clock:
        """The clock of latent frames ``start .. end``."""
        return Clock(*(part[:, start:end] for part in self))


def clock(durations: Tensor, frames: int) -> Clock:
    """The clock of ``durations`` [B, N] (latent frames, may be fractions, 0 for silent letters)."""
    ends = durations.cumsum(1)
    starts = ends - durations
    times = torch.arange(frames, device=durations.device) + 0.5  # [T]
    times = times.expand(len(durations), -1).contiguous()
    sounding = torch.searchsorted(ends.contiguous(), times, right=True)
    last = (durations > 0).long().cumsum(1).argmax(1, keepdim=True)
    position = torch.minimum(sounding, last)
    start, end = starts.gather(1, position), ends.gather(1, position)
    length = (end - start).clamp_min(1e-3)
    since, until = times - start, end - times
    phase = torch.stack(
        (
            (since / length).clamp(0, 1),
            (since / 4).clamp(0, 2),
            (until / 4).clamp(-1, 2),
            length.log1p(),
        ),
        dim=-1,
    )
    centre, spread = (starts + ends) / 2, durations / 2 + 0.7
    distance = (times[..., None] - centre[:, None]) / spread[:, None]
    prior = (-0.5 * distance**2).clamp_min(PRIOR_FLOOR)
    prior = prior.masked_fill((durations <= 0)[:, None], PRIOR_FLOOR)
    return Clock(position, phase, prior)
