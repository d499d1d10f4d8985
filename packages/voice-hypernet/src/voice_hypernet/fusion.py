"""A description, a clip, or both, as one condition.

Letters: B batch, C condition, X features of a clip, K inputs (text, clip).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voice_hypernet.config import FUSIONS, Fusion


class Conditioner(nn.Module):
    """Joins the two inputs; a learned vector stands for one that is missing."""

    def __init__(self, condition: int, features: int, fusion: Fusion = "concat") -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {list(FUSIONS)}, not {fusion!r}")
        self.fusion = fusion
        self.clip = nn.Sequential(
            nn.Linear(features, 2 * condition), nn.SiLU(), nn.Linear(2 * condition, condition)
        )
        self.missing = nn.Parameter(torch.randn(2, condition) * 0.02)
        self.norm = nn.LayerNorm(condition)
        if fusion == "concat":
            self.join = nn.Linear(2 * condition, condition)
        elif fusion == "cross-attention":
            self.query = nn.Parameter(torch.randn(1, 1, condition) * 0.02)
            self.attention = nn.MultiheadAttention(condition, 4, batch_first=True)

    def forward(self, text: Tensor | None, clip: Tensor | None) -> Tensor:
        """Encoded text [B, C] and features of clips [B, X], either of them None -> [B, C].

        Raises:
            ValueError: if both are missing.
        """
        given = text if text is not None else clip
        if given is None:
            raise ValueError("a voice needs a description or a clip")
        rows = len(given)
        parts = torch.stack(
            (
                self.missing[0].expand(rows, -1) if text is None else text,
                self.missing[1].expand(rows, -1) if clip is None else self.clip(clip),
            ),
            dim=1,
        )  # [B, K, C]
        return self.join_rows(parts)

    def masked(self, text: Tensor, clip: Tensor, has_text: Tensor, has_clip: Tensor) -> Tensor:
        """For training: rows [B] where an input is False have it replaced as if it were missing."""
        parts = torch.stack(
            (
                torch.where(has_text[:, None], text, self.missing[0]),
                torch.where(has_clip[:, None], self.clip(clip), self.missing[1]),
            ),
            dim=1,
        )
        return self.join_rows(parts)

    def join_rows(self, parts: Tensor) -> Tensor:
        """[B, K, C] -> [B, C]."""
        if self.fusion == "concat":
            return self.norm(self.join(parts.flatten(1)))
        if self.fusion == "add":
            return self.norm(parts.sum(1))
        query = self.query.expand(len(parts), -1, -1)
        return self.norm(self.attention(query, parts, parts, need_weights=False)[0][:, 0])
