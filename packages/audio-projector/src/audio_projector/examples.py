"""Batches of texts to train on: cached states of the language model, aligned with the speech model.

Letters: B batch, T tokens, N positions, L layers, H width of the language model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from audio_projector.align import align
from audio_projector.projector import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from audio_projector.cache import StatesCache
    from audio_projector.states import TokenStates
    from voice_data.speech import StatesModel


class Piece(NamedTuple):
    """What one piece gives the projector: token states [T, L, H], then [N] each, and its text."""

    values: Tensor
    token: Tensor
    place: Tensor
    byte: Tensor
    text: str


def piece(
    states: TokenStates, text: str, model: StatesModel, source: Tensor | None = None
) -> Piece:
    """A piece of text on its states; ``source`` as for :func:`audio_projector.align.align`.

    Raises:
        AlignError: if there are no tokens.
    """
    aligned = align(states.spans, model.spans(text), text, source)
    return Piece(states.values, aligned.token, aligned.place, aligned.byte, text)


def collate(pieces: Sequence[Piece]) -> Batch:
    """Padded to the longest, with a mask."""
    pad = torch.nn.utils.rnn.pad_sequence
    return Batch(
        values=pad([each.values for each in pieces], batch_first=True),
        token=pad([each.token for each in pieces], batch_first=True),
        place=pad([each.place for each in pieces], batch_first=True),
        byte=pad([each.byte for each in pieces], batch_first=True),
        mask=pad([torch.ones(len(each.token), dtype=torch.bool) for each in pieces], True),
    )


@dataclass(frozen=True, slots=True)
class Examples:
    """Lines of a cache as pieces, with only the ``columns`` of its layers that are wanted."""

    cache: StatesCache
    model: StatesModel
    columns: tuple[int, ...]

    def size(self, position: int) -> int:
        """Positions of a line, about: its bytes."""
        return len(self.cache.lines[position].text.encode("utf-8")) + 2

    def __getitem__(self, position: int) -> Piece:
        """One line, pieces spelled as the language model read them."""
        states = self.cache[position]
        text = self.cache.lines[position].text
        found = piece(states, text, self.model)
        return found._replace(values=found.values[:, list(self.columns)])

    def sounds(self, positions: Sequence[int]) -> list[str]:
        """How some lines are to sound."""
        return [self.cache.lines[position].sound for position in positions]


def batches(
    sizes: Sequence[int], positions: Sequence[int], budget: int, seed: int, epoch: int
) -> list[list[int]]:
    """Positions of similar size together, padded size within ``budget``, in a seeded order."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    jitter = torch.rand(len(positions), generator=generator).mul(0.2).add(0.9).tolist()
    order = sorted(range(len(positions)), key=lambda k: sizes[positions[k]] * jitter[k])
    found: list[list[int]] = []
    longest = 0
    for k in order:
        longest = max(longest, sizes[positions[k]])
        if not found or longest * (len(found[-1]) + 1) > budget:
            found.append([])
            longest = sizes[positions[k]]
        found[-1].append(positions[k])
    shuffled = torch.randperm(len(found), generator=generator).tolist()
    return [found[i] for i in shuffled]
