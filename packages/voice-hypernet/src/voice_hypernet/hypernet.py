"""From a condition to the adapters of all layers, in one pass.

A condition, the embedding of a layer's depth and that of its kind meet in a residual trunk; one
head per kind turns the result into A and B, all layers of a kind as one batch (after Charakorn et
al., "Text-to-LoRA: Instant Transformer Adaption", 2025). A last layer of zeros whose biases are an
ordinary LoRA initialisation makes step 0 the base model itself.

Letters: B batch, C condition, D width, L layers of a group, R rank, I inputs, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voice_hypernet.config import HypernetConfig
from voice_hypernet.targets import Group


class Factors(NamedTuple):
    """The adapters of one group: ``a`` [B, L, R, I] and ``b`` [B, L, O, R]."""

    a: Tensor
    b: Tensor


Adapters = Mapping[str, Factors]
"""Factors by the kind of their group."""


class Block(nn.Module):
    """Norm, two layers, and the way around them."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return x + self.dropout(self.down(F.silu(self.up(self.norm(x)))))


class Hypernetwork(nn.Module):
    """Conditions [B, C] -> :data:`Adapters` for every group of a base model.

    >>> groups = (Group(kind="q", names=("0.q", "1.q"), inputs=8, outputs=4),)
    >>> made = Hypernetwork(HypernetConfig(condition=3), groups)(torch.zeros(2, 3))
    >>> made["q"].a.shape, bool(made["q"].b.any())
    (torch.Size([2, 2, 8, 8]), False)
    """

    def __init__(self, config: HypernetConfig, groups: Sequence[Group]) -> None:
        super().__init__()
        if not groups:
            raise ValueError("a hypernetwork needs at least one group of target layers")
        self.config, self.groups = config, tuple(groups)
        width = config.width
        self.into = nn.Linear(config.condition, width)
        self.kinds = nn.Embedding(len(groups), width)
        self.depths = nn.Embedding(max(len(group.names) for group in groups), width)
        steps = config.lora.rank if config.head == "by-rank" else 1
        self.ranks = nn.Embedding(steps, width)
        self.trunk = nn.ModuleList(
            Block(width, config.inner, config.dropout) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleList(Head(config, group) for group in groups)

    def forward(self, condition: Tensor) -> dict[str, Factors]:
        """[B, C] -> the factors of every group."""
        seen = self.into(condition)[:, None, None]  # [B, 1, 1, D]
        made = {}
        for index, (group, head) in enumerate(zip(self.groups, self.heads, strict=True)):
            depths = self.depths.weight[: len(group.names), None]  # [L, 1, D]
            x = seen + depths + self.ranks.weight + self.kinds.weight[index]  # [B, L, R or 1, D]
            for block in self.trunk:
                x = block(x)
            made[group.kind] = head(self.norm(x))
        return made

    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


class Head(nn.Module):
    """The last layer of one group; its weights start at zero, its biases at a LoRA's start."""

    def __init__(self, config: HypernetConfig, group: Group) -> None:
        super().__init__()
        self.rank, self.inputs, self.outputs = config.lora.rank, group.inputs, group.outputs
        self.by_rank = config.head == "by-rank"
        numbers = (1 if self.by_rank else self.rank) * (group.inputs + group.outputs)
        self.linear = nn.Linear(config.width, numbers, bias=False)
        nn.init.zeros_(self.linear.weight)
        # so that a step of Adam moves a factor about as far as that of an ordinary LoRA
        self.gain = 1.0 / math.sqrt(config.width)
        # one start per layer and rank, as every LoRA has: equal rows would make a rank of one
        bound = 1.0 / math.sqrt(group.inputs)
        a = torch.empty(len(group.names), self.rank, group.inputs).uniform_(-bound, bound)
        self.a = nn.Parameter(a)
        self.b = nn.Parameter(torch.zeros(len(group.names), group.outputs, self.rank))

    def forward(self, x: Tensor) -> Factors:
        """[B, L, R or 1, D] -> factors."""
        made = self.linear(x) * self.gain
        if not self.by_rank:
            made = made.unflatten(-1, (self.rank, -1)).squeeze(2)  # [B, L, R, I + O]
        a, b = made.split((self.inputs, self.outputs), dim=-1)
        return Factors(a + self.a, b.transpose(-1, -2) + self.b)


def scaled(adapters: Adapters, strength: float) -> dict[str, Factors]:
    """The same adapters with ``strength`` times the effect; 0 is the base model."""
    return {kind: Factors(f.a, f.b * strength) for kind, f in adapters.items()}


def mixed(parts: Sequence[tuple[Adapters, float]]) -> dict[str, Factors]:
    """Adapters whose weight change is the weighted sum of the parts'; their ranks add up.

    Raises:
        ValueError: if there are no parts, or they adapt different layers.
    """
    if not parts:
        raise ValueError("there is nothing to mix: give at least one adapter and its weight")
    kinds = set(parts[0][0])
    for adapters, _ in parts:
        if set(adapters) != kinds:
            raise ValueError(
                f"adapters of different layers cannot be mixed: {sorted(kinds ^ set(adapters))}"
            )
    return {
        kind: Factors(
            torch.cat([adapters[kind].a for adapters, _ in parts], dim=2),
            torch.cat([adapters[kind].b * weight for adapters, weight in parts], dim=3),
        )
        for kind in sorted(kinds)
    }
