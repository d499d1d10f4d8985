"""The whole trainable part: what is known of a voice in, adapters and the base's condition out.

Letters: B batch, W encoded text, X features of a clip, C condition of the hypernetwork.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voice_hypernet.config import VoiceConfig
from voice_hypernet.fusion import Conditioner
from voice_hypernet.hypernet import Factors, Hypernetwork
from voice_hypernet.targets import Group


class Made(NamedTuple):
    """What one pass makes: factors by kind of layer, and for the base's own voice input
    (:data:`voice_data.speech.Condition`) a tensor [B, ...] per name.
    """

    adapters: dict[str, Factors]
    told: dict[str, Tensor]

    def row(self, index: int) -> Made:
        """The same for one voice, batch size 1."""
        some = slice(index, index + 1)
        adapters = {kind: Factors(f.a[some], f.b[some]) for kind, f in self.adapters.items()}
        return Made(adapters, {name: value[some] for name, value in self.told.items()})

    def condition(self, index: int) -> dict[str, Tensor]:
        """The base's condition for one voice."""
        return {name: value[index] for name, value in self.told.items()}


class _Difference(nn.Module):
    """How a voice differs from the neutral one; zero at first."""

    def __init__(self, config: VoiceConfig, numbers: int) -> None:
        super().__init__()
        width = config.hypernet.width
        self.up, self.down = nn.Linear(config.hypernet.condition, width), nn.Linear(width, numbers)
        self.gain = 1.0 / math.sqrt(width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, condition: Tensor) -> Tensor:
        """[B, C] -> [B, numbers]."""
        return self.down(F.silu(self.up(condition))) * self.gain


class VoiceNetwork(nn.Module):
    """Encoded text, features of a clip, or both -> :class:`Made`.

    ``neutral`` is the base's condition that every voice starts from. With ``config.tells`` the
    network also learns how a voice differs from it; otherwise adapters alone make the voice.
    """

    def __init__(
        self, config: VoiceConfig, groups: Sequence[Group], neutral: Mapping[str, Tensor]
    ) -> None:
        super().__init__()
        self.config = config
        self.conditioner = Conditioner(
            config.hypernet.condition, text=config.text, clip=config.clip, fusion=config.fusion
        )
        self.hypernet = Hypernetwork(config.hypernet, groups)
        self.names = tuple(sorted(neutral))
        self.heads = nn.ModuleDict()
        for name in self.names:
            value = neutral[name].detach().clone()
            self.register_buffer(f"neutral_{name}", value)
            if config.tells and value.is_floating_point():
                self.heads[name] = _Difference(config, value.numel())

    def forward(
        self,
        text: Tensor | None,
        clip: Tensor | None,
        has_text: Tensor | None = None,
        has_clip: Tensor | None = None,
    ) -> Made:
        """Text [B, W] and clip [B, X], either of them None.

        Rows [B] where ``has_text`` or ``has_clip`` is False are treated as if it were missing.

        Raises:
            ValueError: if both are missing.
        """
        condition = self.conditioner(text, clip, has_text, has_clip)
        return Made(self.hypernet(condition), self._all_told(condition))

    def tell(
        self,
        text: Tensor | None,
        clip: Tensor | None,
        has_text: Tensor | None = None,
        has_clip: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """As :meth:`forward`, without the adapters."""
        return self._all_told(self.conditioner(text, clip, has_text, has_clip))

    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def _all_told(self, condition: Tensor) -> dict[str, Tensor]:
        return {name: self._told(name, condition) for name in self.names}

    def _told(self, name: str, condition: Tensor) -> Tensor:
        neutral = self.get_buffer(f"neutral_{name}")
        rows = neutral.expand(len(condition), *neutral.shape)
        if name not in self.heads:
            return rows
        return rows + self.heads[name](condition).view_as(rows)


def neutral_of(conditions: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of some voices' conditions; of parts that are not floating-point the first.

    Raises:
        ValueError: if there are none, or their names differ.
    """
    if not conditions or any(set(each) != set(conditions[0]) for each in conditions):
        raise ValueError("a neutral condition needs at least one condition, all of equal names")
    found = {}
    for name, first in conditions[0].items():
        alike = first.is_floating_point() and all(e[name].shape == first.shape for e in conditions)
        found[name] = torch.stack([e[name] for e in conditions]).mean(0) if alike else first
    return found
