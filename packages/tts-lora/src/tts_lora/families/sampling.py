"""Drawing the next unit of an autoregressive network from its logits.

Letters: V units that there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """``temperature`` 0 takes the likeliest unit; ``top_k`` 0 and ``top_p`` 1 leave all in play.

    A logit of a unit that has been said is divided by ``repetition_penalty``, or multiplied with
    it where it is negative.

    >>> SamplingConfig(temperature=0.0).top_k
    0

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be 0 or more, not {self.temperature!r}")
        if self.top_k < 0:
            raise ValueError(f"top_k must be 0 or more, not {self.top_k!r}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p!r}")
        if not self.repetition_penalty >= 1:
            raise ValueError(
                f"repetition_penalty must be 1 or more, not {self.repetition_penalty!r}"
            )


GREEDY = SamplingConfig(temperature=0.0)


def draw(
    logits: Tensor,
    config: SamplingConfig = GREEDY,
    *,
    said: Sequence[int] = (),
    generator: torch.Generator | None = None,
) -> int:
    """One unit from ``logits`` [V]; ``said`` are the units before it.

    It is drawn on the CPU, so that a ``generator`` means the same on every device; without one
    torch's default generator is used.
    """
    import torch

    scores = logits.detach().float().cpu()
    if config.repetition_penalty > 1 and said:
        before = torch.tensor(sorted(set(said)))
        values = scores[before]
        factor = config.repetition_penalty
        scores = scores.index_copy(
            0, before, torch.where(values < 0, values * factor, values / factor)
        )
    if config.temperature == 0:
        return int(scores.argmax())
    scores, order = (scores / config.temperature).sort(descending=True, stable=True)
    if config.top_k:
        scores, order = scores[: config.top_k], order[: config.top_k]
    chances = scores.softmax(0)
    # the unit that passes top_p still counts: what is before it has less
    chances = chances * (chances.cumsum(0) - chances < config.top_p)
    return int(order[torch.multinomial(chances, 1, generator=generator)])
