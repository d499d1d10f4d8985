"""An answer that is being written, and how its parts are joined.

Letters: L layers, H width of the language model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audio_projector.states import TokenStates, cut
from voice_data.audio import Audio

if TYPE_CHECKING:
    from torch import Tensor

QUIET = 10 ** (-45 / 20)
KEPT_SECONDS = 0.06
"""Of the silence after a part that was cut in the middle of a sentence."""


class Answer:
    """The tokens of an answer so far."""

    def __init__(self) -> None:
        self.text = ""
        self._ends, self._states = [0], []

    def add(self, text: str, end: int, state: Tensor) -> None:
        """Another token; ``end`` counts the bytes of ``text``, the answer up to it."""
        self.text = text
        self._ends.append(end)
        self._states.append(state)

    def states(self, start: int, raw: str) -> TokenStates:
        """Those of the tokens of ``raw``, which begins at a character of the answer."""
        import torch

        first = len(self.text[:start].encode())
        spans = list(zip(self._ends[:-1], self._ends[1:], strict=True))
        return cut(torch.stack(self._states), spans, first, first + len(raw.encode()))


def without_tail(audio: Audio) -> Audio:
    """The sound without most of the silence at its end."""
    loud = np.flatnonzero(np.abs(audio.samples) > QUIET)
    if not len(loud):
        return audio
    end = int(loud[-1]) + int(KEPT_SECONDS * audio.rate)
    return Audio(np.ascontiguousarray(audio.samples[: end + 1]), audio.rate)
