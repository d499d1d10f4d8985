"""The trained bridge: hidden states of a language model in, text states of a speech model out.

Letters: B batch, T tokens, N positions, L layers, H width of the language model, W inner width, D
width of the speech model.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audio_projector.align import BYTES, LONGEST_PLACE
from audio_projector.config import ProjectorConfig

_ACTIVATIONS = {"gelu": nn.GELU, "silu": nn.SiLU, "relu": nn.ReLU}
CLOSED = -2.0
"""The gate's bias at first: an eighth of the projected states, the rest from the text."""


class Batch(NamedTuple):
    """``values`` [B, T, L, H]; ``token``, ``place``, ``byte`` and ``mask`` [B, N]."""

    values: Tensor
    token: Tensor
    place: Tensor
    byte: Tensor
    mask: Tensor


class DimensionError(ValueError):
    """States whose shape is not what the projector was made for; the message says both."""


class LayerMix(nn.Module):
    """Each layer standardised by fixed statistics, then mixed by learned weights (Peters et al.,
    "Deep contextualized word representations", 2018).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(layers, width))
        self.register_buffer("scale", torch.ones(layers, width))
        self.weight = nn.Parameter(torch.zeros(layers))

    def fit(self, values: Tensor) -> None:
        """Take the statistics of some states [N, L, H]."""
        self.mean.copy_(values.mean(0))
        self.scale.copy_(1.0 / values.std(0).clamp_min(1e-3))

    def forward(self, values: Tensor) -> Tensor:
        """[..., L, H] -> [..., H]."""
        standard = (values - self.mean) * self.scale
        return torch.einsum("...lh,l->...h", standard, self.weight.softmax(0))


class Block(nn.Module):
    """Self-attention over positions in both directions, then a feed-forward layer; pre-norm."""

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up = nn.Linear(width, config.feed_forward)
        self.down = nn.Linear(config.feed_forward, width)

    def forward(self, x: Tensor, mask: Tensor, turns: Tensor) -> Tensor:
        """[B, N, W] -> [B, N, W]; ``mask`` [B, N] is True on real positions."""
        batch, length, width = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, N, d]
        query, key = _turned(query, turns), _turned(key, turns)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.forward_norm(x))))


class Projector(nn.Module):
    """States of tokens to states of positions, as the configuration says.

    >>> Projector(ProjectorConfig(llm_width=8, tts_width=4, kind="linear", layers=(2,))).size() > 0
    True
    """

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.tts_width if config.kind == "linear" else config.width
        self.mix = LayerMix(len(config.layers), config.llm_width)
        self.lead_in = nn.Linear(config.llm_width, width)
        self.norm = nn.LayerNorm(width)
        self.activation = _ACTIVATIONS[config.activation]()
        if config.spelling:
            self.spelling = nn.Embedding(BYTES, width)
            self.place = nn.Embedding(LONGEST_PLACE + 1, width)
        if config.kind == "resampler":
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
            self.last_norm = nn.LayerNorm(width)
        if config.kind != "linear":
            self.lead_out = nn.Linear(width, config.tts_width)
        self.gain = nn.Parameter(torch.ones(config.tts_width))
        self.bias = nn.Parameter(torch.zeros(config.tts_width))
        if config.fusion == "gated":
            self.gate = nn.Linear(2 * config.tts_width, config.tts_width)
            nn.init.zeros_(self.gate.weight)
            nn.init.constant_(self.gate.bias, CLOSED)

    def size(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, batch: Batch, text: Tensor | None = None) -> Tensor:
        """[B, N, D], zero beyond the end of each row; ``text`` [B, N, D] is what a gate mixes in.

        Raises:
            DimensionError: if the states are of another width or number of layers, or a gate has
                no text to mix in.
        """
        self._check(batch.values, text)
        values = self._noise(batch.values) if self.config.source == "random" else batch.values
        mixed = self.lead_in(self.mix(values))  # [B, T, W]
        index = batch.token[..., None].expand(-1, -1, mixed.shape[-1])
        x = mixed.gather(1, index)
        if self.config.spelling:
            x = x + self.spelling(batch.byte) + self.place(batch.place)
        x = self.activation(self.norm(x))
        if self.config.kind == "resampler":
            turns = _turns(x.shape[1], x.shape[2] // self.config.heads, x.device)
            for block in self.blocks:
                x = block(x, batch.mask, turns)
            x = self.last_norm(x)
        if self.config.kind != "linear":
            x = self.lead_out(x)
        x = x * self.gain + self.bias
        if text is not None and self.config.fusion == "gated":
            gate = self.gate(torch.cat((x, text), -1)).sigmoid()
            x = text + gate * (x - text)
        return x * batch.mask[..., None]

    def _noise(self, values: Tensor) -> Tensor:
        """Noise of the states' own mean and deviation, equal for equal shapes in evaluation."""
        generator = None if self.training else torch.Generator().manual_seed(values.shape[1])
        noise = torch.randn(values.shape, generator=generator).to(values.device)
        return noise / self.mix.scale + self.mix.mean

    def _check(self, values: Tensor, text: Tensor | None) -> None:
        wanted = [len(self.config.layers), self.config.llm_width]
        if list(values.shape[-2:]) != wanted:
            raise DimensionError(
                f"the states are {list(values.shape[-2:])} (layers, width) and this projector "
                f"reads {wanted}: use the language model that it was trained for"
            )
        if self.config.fusion != "gated":
            return
        if text is None or text.shape[-1] != self.config.tts_width:
            found = "nothing" if text is None else f"states {text.shape[-1]} wide"
            raise DimensionError(
                f"the gate mixes in text states {self.config.tts_width} wide and got {found}: "
                "use the speech model that it was trained for"
            )


def _turns(length: int, width: int, device: torch.device) -> Tensor:
    """Cosines and sines of rotary positions (Su et al., 2021), [2, N, d / 2]."""
    frequency = 10_000.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(length, device=device)[:, None] * frequency
    return torch.stack((angle.cos(), angle.sin()))


def _turned(x: Tensor, turns: Tensor) -> Tensor:
    cosine, sine = turns
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cosine - right * sine, right * cosine + left * sine), dim=-1)
