"""The one transformer block of the package, and the cache that lets it run a frame at a time.

Letters: B batch, T positions, N positions attended to, D width, H heads, d = D / H.
Rotary positions: Su et al., "RoFormer" (2021). Blocks are pre-norm.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(slots=True)
class LayerCache:
    """Keys and values of the past, [B, H, capacity, d] each; ``length`` of them are filled."""

    keys: Tensor
    values: Tensor
    length: int = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store [B, H, T, d] keys and values; returns all that are filled, [B, H, length, d].

        Raises:
            ValueError: if the cache is full.
        """
        end = self.length + keys.shape[2]
        if end > self.keys.shape[2]:
            raise ValueError(
                f"the cache holds {self.keys.shape[2]} frames, frame {end} does not fit"
            )
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


def rotary(length: int, width: int, start: int = 0, device: torch.device | None = None) -> Tensor:
    """Cosines and sines of rotary positions ``start .. start + length``: [2, length, width / 2]."""
    frequency = 10_000.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(start, start + length, device=device)[:, None] * frequency
    return torch.stack((angle.cos(), angle.sin()))


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Turn [B, H, T, d] by the angles of :func:`rotary`, [2, T, d / 2]."""
    cos, sin = positions
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1)


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """[B, T, D] -> [B, T, D]; ``mask`` [B, 1, 1, T] is True where attention may look.

        With a ``cache`` attention is causal, over the cached positions and the T new ones.
        """
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each [B, H, T, d]
        query, key = rotate(query, positions), rotate(key, positions)
        if cache is not None:
            key, value = cache.append(key, value)
            if length > 1:
                past = key.shape[2] - length
                shape = (length, past + length)
                mask = torch.ones(shape, dtype=torch.bool, device=x.device).tril(past)
            causal = False
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class CrossAttention(nn.Module):
    """Attention to the text, drawn by each head's own strength towards where the clock points."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.strength = nn.Parameter(torch.linspace(1.0, 0.0, heads))

    def keys_values(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Text [B, N, D] -> keys and values, [B, H, N, d] each; computed once per sentence."""
        batch, length, width = text.shape
        pair = self.key_value(text).view(batch, length, 2, self.heads, width // self.heads)
        keys, values = pair.permute(2, 0, 3, 1, 4)
        return keys, values

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, prior: Tensor, mask: Tensor
    ) -> Tensor:
        """[B, T, D] -> [B, T, D]; ``prior`` [B, T, N] log weight, ``mask`` [B, 1, 1, N] boolean."""
        batch, length, width = x.shape
        query = self.query(x).view(batch, length, self.heads, -1).transpose(1, 2)
        bias = prior[:, None] * self.strength[:, None, None]
        bias = bias.masked_fill(~mask, -1e9)  # [B, H, T, N]
        y = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class FeedForward(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return self.down(F.gelu(self.up(x)))


class Encoder(nn.Module):
    """A stack of bidirectional blocks, [B, T, D] -> [B, T, D]."""

    def __init__(
        self, width: int, heads: int, inner: int, layers: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.head_width = width // heads
        self.attention = nn.ModuleList(SelfAttention(width, heads) for _ in range(layers))
        self.feed_forward = nn.ModuleList(FeedForward(width, inner) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers + 1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``mask`` [B, T] is True on real positions."""
        positions = rotary(x.shape[1], self.head_width, device=x.device)
        keys = mask[:, None, None, :]
        for index, (attention, feed_forward) in enumerate(
            zip(self.attention, self.feed_forward, strict=True)
        ):
            x = x + self.dropout(attention(self.norms[2 * index](x), positions, mask=keys))
            x = x + self.dropout(feed_forward(self.norms[2 * index + 1](x)))
        return self.norms[-1](x)
