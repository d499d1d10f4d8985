"""Additions of low rank to a model's linear layers, trained in place (Hu et al., 2021, LoRA).

Letters: I in features, O out features, R rank.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from collections.abc import Mapping

_ORIGINAL = ".parametrizations.weight.original"


class LowRank(nn.Module):
    """What is added to a weight [O, I]: ``up`` [O, R] times ``down`` [R, I], zero at first."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        out, into = weight.shape
        self.down = nn.Parameter(torch.empty(rank, into))
        self.up = nn.Parameter(torch.zeros(out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with the addition."""
        return weight + self.up @ self.down


def attach(network: nn.Module, rank: int) -> list[nn.Parameter]:
    """Give every linear layer of ``network`` an addition; returns what there is to train.

    Layers too small for the rank are trained whole.
    """
    trained: list[nn.Parameter] = []
    for layer in [module for module in network.modules() if type(module) is nn.Linear]:
        if min(layer.weight.shape) <= rank:
            trained += layer.parameters()
            continue
        addition = LowRank(layer.weight, rank).to(layer.weight.device)
        parametrize.register_parametrization(layer, "weight", addition)
        trained += addition.parameters()
    return trained


def merged(network: nn.Module) -> Mapping[str, Tensor]:
    """The state of a network under its plain names, with all additions added."""
    state = dict(network.state_dict())
    for key in [key for key in state if key.endswith(_ORIGINAL)]:
        name = key.removesuffix(_ORIGINAL)
        original = state.pop(key)
        up, down = (state.pop(f"{name}.parametrizations.weight.0.{n}") for n in ("up", "down"))
        state[f"{name}.weight"] = original + up @ down
    return state
