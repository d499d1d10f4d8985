"""How IndexTTS hears a voice: a conformer over frames, and a perceiver that keeps a few latents.

Module names are those of the published weights. One clip at a time, so nothing is masked.
Letters: F frames, M numbers per frame, T = (F - 1) // 2 frames, W width, H heads, C latents,
D width of the latents.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from tts_lora.families.indextts_config import ConditionerConfig

KERNEL, HEAD_DIM = 15, 64


class Conformer(nn.Module):
    """Frames [1, F, M] to [1, T, W]; WeNet's encoder, which leaves out the shift of the relative
    positions (their scores are those of absolute ones).
    """

    def __init__(self, input_size: int, config: ConditionerConfig) -> None:
        super().__init__()
        width = config.output_size
        self.embed = _Halving(input_size, width)
        self.encoders = nn.ModuleList(_Block(config) for _ in range(config.num_blocks))
        self.after_norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        """Raises ValueError for fewer than three frames."""
        if frames.shape[1] < 3:
            raise ValueError(f"a voice needs at least 3 frames, not {frames.shape[1]}")
        hidden = self.embed(frames)
        positions = _sinusoids(hidden.shape[1], hidden.shape[2]).to(hidden)
        for block in self.encoders:
            hidden = block(hidden, positions)
        return self.after_norm(hidden)


class Perceiver(nn.Module):
    """Frames [1, T, W] to latents [1, C, D]; the latents see themselves and all frames."""

    def __init__(self, dim: int, latents: int, config: ConditionerConfig) -> None:
        super().__init__()
        width, heads = config.output_size, config.attention_heads
        self.proj_context = nn.Linear(width, dim) if width != dim else nn.Identity()
        self.latents = nn.Parameter(torch.randn(latents, dim) * 0.02)
        inner = int(dim * config.perceiver_mult * 2 / 3)
        self.layers = nn.ModuleList(
            nn.ModuleList([_CrossAttention(dim, heads), _feed_forward(dim, inner)])
            for _ in range(2)
        )
        self.norm = _ScaledNorm(dim)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        context, latents = self.proj_context(frames), self.latents[None]
        for layer in self.layers:
            attend, feed = layer.children()
            latents = attend(latents, context) + latents
            latents = feed(latents) + latents
        return self.norm(latents)


class _Halving(nn.Module):
    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, width, 3, 2), nn.ReLU())
        self.out = nn.Sequential(nn.Linear(width * ((size - 1) // 2), width))

    def forward(self, frames: Tensor) -> Tensor:
        hidden = self.conv(frames[:, None]).transpose(1, 2)  # [1, T, W, (M - 1) // 2]
        return self.out(hidden.flatten(2)) * math.sqrt(hidden.shape[2])


class _Block(nn.Module):
    def __init__(self, config: ConditionerConfig) -> None:
        super().__init__()
        width = config.output_size
        self.self_attn = _Attention(width, config.attention_heads)
        self.feed_forward = _FeedForward(width, config.linear_units)
        self.conv_module = _Convolution(width)
        self.norm_mha, self.norm_conv = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm_ff, self.norm_final = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        hidden = hidden + self.self_attn(self.norm_mha(hidden), positions)
        hidden = hidden + self.conv_module(self.norm_conv(hidden))
        return self.norm_final(hidden + self.feed_forward(self.norm_ff(hidden)))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.linear_q, self.linear_k = nn.Linear(width, width), nn.Linear(width, width)
        self.linear_v, self.linear_out = nn.Linear(width, width), nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(heads, width // heads))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, width // heads))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        def split(values: Tensor) -> Tensor:
            return values.unflatten(-1, self.pos_bias_u.shape).transpose(1, 2)  # [1, H, T, W / H]

        query, key = split(self.linear_q(hidden)), split(self.linear_k(hidden))
        place = split(self.linear_pos(positions))
        content = (query + self.pos_bias_u[:, None]) @ key.mT
        scores = content + (query + self.pos_bias_v[:, None]) @ place.mT
        weights = (scores / math.sqrt(query.shape[-1])).softmax(-1)
        return self.linear_out((weights @ split(self.linear_v(hidden))).transpose(1, 2).flatten(2))


class _FeedForward(nn.Module):
    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(width, units), nn.Linear(units, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.w_2(functional.silu(self.w_1(hidden)))


class _Convolution(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1)
        self.depthwise_conv = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = functional.glu(self.pointwise_conv1(hidden.mT), 1)
        hidden = functional.silu(self.norm(self.depthwise_conv(hidden).mT))
        return self.pointwise_conv2(hidden.mT).mT


class _CrossAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, heads * HEAD_DIM, bias=False)
        self.to_kv = nn.Linear(dim, 2 * heads * HEAD_DIM, bias=False)
        self.to_out = nn.Linear(heads * HEAD_DIM, dim, bias=False)

    def forward(self, latents: Tensor, context: Tensor) -> Tensor:
        key, value = self.to_kv(torch.cat([latents, context], 1)).chunk(2, -1)
        parts = (self.to_q(latents), key, value)
        query, key, value = (x.unflatten(-1, (self.heads, HEAD_DIM)).transpose(1, 2) for x in parts)
        heard = functional.scaled_dot_product_attention(query, key, value)
        return self.to_out(heard.transpose(1, 2).flatten(2))


class _GatedGelu(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        values, gate = hidden.chunk(2, -1)
        return functional.gelu(gate) * values


class _ScaledNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, hidden: Tensor) -> Tensor:
        return functional.normalize(hidden, dim=-1) * math.sqrt(hidden.shape[-1]) * self.gamma


def _feed_forward(dim: int, inner: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, 2 * inner), _GatedGelu(), nn.Linear(inner, dim))


def _sinusoids(length: int, width: int) -> Tensor:
    """[1, T, W]: sines at even places, cosines at odd ones."""
    times = torch.arange(length)[:, None]
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([(times * rates).sin(), (times * rates).cos()], -1).flatten(1)[None]
