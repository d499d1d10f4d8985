"""The hidden states of a text, token by token, and which bytes of the text each token stands for.

Letters: N tokens, L layers, H width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from audio_projector.llm import LanguageModel

CHAT = "<|im_start|>assistant\n"
"""What texts are read after by default, so that reading aloud and answering look alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStates:
    """``values`` [N, L, H] and ``spans`` [N, 2]: the UTF-8 bytes [start, end) of each token.

    A token that begins before the text (with the space before it) begins at 0 here.
    """

    values: Tensor
    spans: Tensor


def capture(
    llm: LanguageModel, texts: Sequence[str], layers: Sequence[int], *, prefix: str = CHAT
) -> list[TokenStates]:
    """The states of texts that follow each other, read in one pass after ``prefix``.

    Every text knows those before it. Raises :class:`audio_projector.llm.LanguageModelError` if a
    layer does not exist.
    """
    (states,) = capture_all(llm, [texts], layers, prefix=prefix)
    return states


def capture_all(
    llm: LanguageModel,
    documents: Sequence[Sequence[str]],
    layers: Sequence[int],
    *,
    prefix: str = CHAT,
) -> list[list[TokenStates]]:
    """The same for several documents at once, padded to one batch."""
    joined = [prefix + " ".join(texts) for texts in documents]
    tokens = [llm.tokens(text) for text in joined]
    values = llm.states([each.ids for each in tokens], layers)
    found = []
    for texts, each, rows in zip(documents, tokens, values, strict=True):
        start, parts = len(prefix.encode()), []
        for text in texts:
            end = start + len(text.encode())
            parts.append(cut(rows, each.spans, start, end))
            start = end + 1
        found.append(parts)
    return found


def cut(values: Tensor, spans: Sequence[tuple[int, int]], start: int, end: int) -> TokenStates:
    """The tokens that have a byte in [start, end), with spans counted from ``start``."""
    import torch

    inside = [i for i, (a, b) in enumerate(spans) if a < end and b > start]
    moved = [(max(0, spans[i][0] - start), min(end, spans[i][1]) - start) for i in inside]
    return TokenStates(
        values=values[inside], spans=torch.tensor(moved, dtype=torch.long).view(-1, 2)
    )
