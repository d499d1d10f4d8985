"""The learning rate of a training run, by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Scheduled(Protocol):
    """What a configuration says of its learning rate."""

    @property
    def learning_rate(self) -> float:
        """The highest."""
        ...

    @property
    def final_rate(self) -> float:
        """The share of the highest that is left at the end."""
        ...

    @property
    def warm_up(self) -> int:
        """Steps until the highest is reached."""
        ...

    @property
    def steps(self) -> int:
        """Steps in all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A learning rate where no configuration holds one."""

    learning_rate: float
    steps: int
    warm_up: int = 0
    final_rate: float = 0.05


def learning_rate(schedule: Scheduled, step: int) -> float:
    """Linear warm-up, then a cosine down to ``final_rate`` of the peak, where it stays.

    Loshchilov and Hutter, "SGDR" (2017), equation 5, without restarts. Steps count from 0.

    >>> [learning_rate(Schedule(learning_rate=1.0, steps=10, warm_up=4), k) for k in (0, 3, 4, 10)]
    [0.25, 1.0, 1.0, 0.05]
    """
    if step < schedule.warm_up:
        return schedule.learning_rate * (step + 1) / schedule.warm_up
    progress = (step - schedule.warm_up) / max(1, schedule.steps - schedule.warm_up)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return schedule.learning_rate * (schedule.final_rate + (1 - schedule.final_rate) * cosine)
