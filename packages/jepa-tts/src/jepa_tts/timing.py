"""How long work takes for the speech that it makes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

PAUSE = 0.1
"""Seconds before every turn: a runtime's threads go on spinning when their work is done, and would
take a core from whoever is next.
"""


class Timing(NamedTuple):
    """Seconds of work and of speech."""

    work: float
    speech: float

    @property
    def factor(self) -> float:
        """Seconds of speech per second of work."""
        return self.speech / self.work


def timed(speak: Callable[[str], np.ndarray], texts: Iterable[str], rate: int) -> list[Timing]:
    """Speak every text once; ``speak`` returns samples [S] at ``rate`` Hz."""
    timings = []
    for text in texts:
        time.sleep(PAUSE)
        started = time.perf_counter()
        samples = speak(text)
        timings.append(Timing(time.perf_counter() - started, len(samples) / rate))
    return timings


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which ``share`` of the values lie, interpolated.

    >>> quantile([1.0, 2.0, 3.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
