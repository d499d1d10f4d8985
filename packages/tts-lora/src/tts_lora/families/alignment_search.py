"""Monotonic alignment search: which frames of a clip speak which token (Kim et al., Glow-TTS 2020).

Letters: B batch, F frames, N tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def monotonic_path(scores: Tensor, frames: Tensor, tokens: Tensor) -> Tensor:
    """The best path [B, F, N] bool through ``scores`` [B, F, N].

    It begins with the first token in the first frame, ends with the last in the last, and stays or
    goes on by one token from frame to frame. ``frames`` and ``tokens`` [B] are the lengths without
    padding; a path through padding is empty.

    Raises:
        ValueError: if a row has more tokens than frames.
    """
    import torch

    if bool((tokens > frames).any()):
        row = int((tokens > frames).nonzero()[0])
        raise ValueError(
            f"row {row} has {int(tokens[row])} tokens in {int(frames[row])} frames: no path exists"
        )
    values = scores.detach().double().cpu()
    batch, length, width = values.shape
    impossible = torch.full((batch, 1), -torch.inf, dtype=torch.float64)
    best = torch.cat([values[:, 0, :1], impossible.expand(-1, width - 1)], 1)
    moved = torch.zeros(batch, length, width, dtype=torch.bool)
    for frame in range(1, length):
        before = torch.cat([impossible, best[:, :-1]], 1)
        moved[:, frame] = before > best
        best = torch.maximum(before, best) + values[:, frame]
    path, rows = torch.zeros_like(moved), torch.arange(batch)
    token, last = tokens.cpu() - 1, frames.cpu() - 1
    for frame in range(length - 1, -1, -1):
        within = frame <= last
        path[rows[within], frame, token[within]] = True
        token = token - (moved[rows, frame, token] & within).long()
    return path.to(scores.device)
