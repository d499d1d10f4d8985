"""A description, a clip, or both, as one condition.

Letters: B batch, C condition, W encoded text, X features of a clip, K inputs (text, clip).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voice_hypernet.config import FUSIONS, Fusion


class Conditioner(nn.Module):
    """Joins the two inputs; a learned vector stands for one that is missing."""

    def __init__(self, condition: int, *, text: int, clip: int, fusion: Fusion = "concat") -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {list(FUSIONS)}, not {fusion!r}")
        self.fusion = fusion
        self.text, self.clip = _reader(text, condition), _reader(clip, condition)
        self.missing = nn.Parameter(torch.randn(2, condition) * 0.02)
        self.norm = nn.LayerNorm(condition)
        if fusion == "concat":
            self.join = nn.Linear(2 * condition, condition)
        elif fusion == "cross-attention":
            self.query = nn.Parameter(torch.randn(1, 1, condition) * 0.02)
            self.attention = nn.MultiheadAttention(condition, 4, batch_first=True)

    def forward(
        self,
        text: Tensor | None,
        clip: Tensor | None,
        has_text: Tensor | None = None,
        has_clip: Tensor | None = None,
    ) -> Tensor:
        """Encoded text [B, W] and features of clips [B, X], either of them None -> [B, C].

        In training, rows [B] where ``has_text`` or ``has_clip`` is False lack that input.

        Raises:
            ValueError: if both are missing.
        """
        given = text if text is not None else clip
        if given is None:
            raise ValueError("a voice needs a description or a clip")
        rows = len(given)
        parts = (
            self._part(0, self.text, text, has_text, rows),
            self._part(1, self.clip, clip, has_clip, rows),
        )
        return self._joined(torch.stack(parts, dim=1))

    def _part(
        self, index: int, read: nn.Module, value: Tensor | None, has: Tensor | None, rows: int
    ) -> Tensor:
        missing = self.missing[index].expand(rows, -1)
        if value is None:
            return missing
        return read(value) if has is None else torch.where(has[:, None], read(value), missing)

    def _joined(self, parts: Tensor) -> Tensor:
        """[B, K, C] -> [B, C]."""
        if self.fusion == "concat":
            return self.norm(self.join(parts.flatten(1)))
        if self.fusion == "add":
            return self.norm(parts.sum(1))
        query = self.query.expand(len(parts), -1, -1)
        return self.norm(self.attention(query, parts, parts, need_weights=False)[0][:, 0])


def _reader(inputs: int, condition: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 2 * condition), nn.SiLU(), nn.Linear(2 * condition, condition)
    )
