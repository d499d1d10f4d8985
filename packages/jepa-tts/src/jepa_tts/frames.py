"""A file of the training cache where the training is: batches of it are one look-up each.

Letters: N frames of the file, B spans, T frames of the longest span, C columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

LARGEST_SHARE = 0.4
"""Of a GPU's free memory: a larger file stays memory-mapped, and its batches travel."""
Span = tuple[int, int]
"""First frame and number of frames."""


class Frames:
    """``array`` [N] or [N, C] of float16; on a GPU it is copied there once, if it fits."""

    def __init__(self, array: np.ndarray, device: torch.device) -> None:
        self.device = device
        with warnings.catch_warnings():  # memory-mapped for reading; nobody writes
            warnings.filterwarnings("ignore", message=".*not writable")
            values = torch.from_numpy(array)
        self.values = values.to(device) if array.nbytes <= _room(device) else values

    def padded(self, spans: Sequence[Span], *, length: int = 0, fill: float = 0.0) -> Tensor:
        """Float32 values of ``spans``, [B, T] or [B, T, C], with ``fill`` behind the shorter ones.

        ``length`` is T, where it is not that of the longest span.
        """
        starts, counts = torch.tensor(spans).unbind(1)
        times = torch.arange(length or int(counts.max()))
        index = (starts[:, None] + times).clamp_max(len(self.values) - 1)
        behind = times >= counts[:, None]
        found = self.values[index.to(self.values.device)].float()
        behind = behind.view(*behind.shape, *[1] * (found.dim() - 2)).to(found.device)
        return found.masked_fill(behind, fill).to(self.device)


def _room(device: torch.device) -> float:
    """Bytes that one file may take on ``device``; none on the CPU, where it is memory-mapped."""
    if device.type == "cuda":
        return LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]
    return 0.0
