"""What the training loop asks of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn


@dataclass(slots=True)
class Loss:
    """A loss to descend and the parts to show; ``parts`` are plain numbers."""

    total: Tensor
    parts: dict[str, float]


@dataclass(slots=True)
class Media:
    """What a stage shows in TensorBoard: pictures [M, F] and sounds [S] at ``rate`` Hz."""

    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)
    sounds: Mapping[str, np.ndarray] = field(default_factory=dict)
    rate: int = 24_000


class Stage(Protocol):
    """One stage: what is trained, on which batches, with which loss."""

    network: nn.Module
    held_out: list[Any]
    """The rows of :meth:`validate`."""

    def trained(self) -> list[nn.Parameter]:
        """The parameters that this stage changes."""
        ...

    def save(self, folder: Path) -> None:
        """Write what this stage makes, ready to be loaded."""
        ...

    def epoch(self, seed: int, epoch: int) -> list[Any]:
        """The batches of an epoch as descriptions for :meth:`loss`; same seed, same order."""
        ...

    def loss(self, batch: Any, progress: float, generator: torch.Generator) -> Loss:
        """The loss of one batch; ``progress`` in [0, 1] is the share of training done."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on held-out rows."""
        ...

    def media(self) -> Media:
        """Pictures and sounds of fixed held-out rows."""
        ...
