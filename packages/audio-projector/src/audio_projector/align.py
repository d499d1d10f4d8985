"""Which token of the language model stands behind each position of the speech model.

The two cut a text differently. Both say which UTF-8 bytes their parts stand for, and that decides:
a position belongs to the token that holds its last byte, since a causal model's later tokens know
more. Letters: T tokens, N positions.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_PLACE = 15
"""Bytes into a token that are told apart."""
BEGIN, END, BYTES = 256, 257, 258
"""Symbols of positions that stand for no byte, and the number of all symbols."""


class AlignError(ValueError):
    """Tokens and positions that cannot be aligned; the message says why."""


class Alignment(NamedTuple):
    """For each position, [N]: its ``token``, its ``place`` in that token in bytes, its ``byte``."""

    token: Tensor
    place: Tensor
    byte: Tensor


def align(
    token_spans: Tensor, position_spans: Tensor, text: str, source: Tensor | None = None
) -> Alignment:
    """Positions of ``text`` (bytes [start, end), [N, 2]) on tokens (bytes too, [T, 2]).

    ``source`` [bytes] says for each byte of ``text`` which byte of the language model's own text it
    comes from, where that differs: "3 %" for "three percent". See :func:`respoken`.

    Raises:
        AlignError: if there are no tokens.
    """
    import torch

    if not len(token_spans):
        raise AlignError(f"there are no tokens for {text!r}: the states belong to another text")
    data = text.encode("utf-8")
    starts, ends = position_spans.unbind(1)
    empty = starts == ends
    last = torch.where(empty, starts, ends - 1).clamp(0, max(0, len(data) - 1))
    spelled = torch.tensor(list(data) or [0], dtype=torch.long)[last]
    edges = torch.where(starts == 0, BEGIN, END)
    if source is not None:
        last = source[last]
    begins = token_spans[:, 0].contiguous()
    token = (torch.searchsorted(begins, last, right=True) - 1).clamp_min(0)
    place = (last - begins[token]).clamp(0, LONGEST_PLACE)
    return Alignment(token, place, torch.where(empty, edges, spelled))


def respoken(raw: str, text: str) -> Tensor:
    """For each byte of the spoken ``text`` the byte of ``raw`` that it comes from, [bytes].

    What is alike is matched; what was replaced is spread evenly over what it replaces.

    >>> respoken("3 cats", "three cats").tolist()
    [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
    """
    import torch

    matcher = SequenceMatcher(None, raw.encode("utf-8"), text.encode("utf-8"), autojunk=False)
    top = max(0, len(raw.encode("utf-8")) - 1)
    found: list[int] = []
    for _, a, b, c, d in matcher.get_opcodes():
        length = max(1, b - a)
        found += [min(top, a + (i * length) // (d - c)) for i in range(d - c)]
    return torch.tensor(found, dtype=torch.long)
