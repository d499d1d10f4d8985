"""Where a text that is still being written can be cut, so that it is heard while it grows."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SENTENCE = re.compile(r"[.!?\u2026][\"')\]\u201d\u2019]*(?=\s)|\n+")
_CLAUSE = re.compile(r"[,;:][\"')\]]*(?=\s)|\s[\u2013\u2014-](?=\s)")
_TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|e\.g|i\.e|[A-Z])\.$")
_WORD = re.compile(r"\w[\w'\u2019-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkConfig:
    """Sentences are cut at their ends, clauses of at least ``clause_words`` words at theirs, and
    what has ``longest`` characters at a space. The first part is cut after ``first_words`` words at
    the latest, so that it is heard early; 0 leaves it whole.

    Raises:
        ValueError: if a number is out of its range.
    """

    first_words: int = 3
    clause_words: int = 5
    longest: int = 160

    def __post_init__(self) -> None:
        if self.first_words < 0 or self.clause_words < 1 or self.longest < 20:
            raise ValueError(
                "first_words must be 0 or more, clause_words 1 or more and longest 20 or more, "
                f"not {self.first_words}, {self.clause_words}, {self.longest}"
            )


def cut(text: str, start: int, config: ChunkConfig, *, first: bool = False) -> int | None:
    """The end of the next part of ``text`` from ``start``, or None while there is none yet.

    A cut needs the white space after it to be written: that is how far it looks ahead.

    >>> cut("Yes. I am", 0, ChunkConfig())
    4
    >>> cut("Yes, I", 0, ChunkConfig()) is None
    True
    """
    rest = text[start:]
    ends = [found.end() for found in _SENTENCE.finditer(rest) if _ends(rest[: found.end()])]
    clause = 2 if first else config.clause_words
    for found in _CLAUSE.finditer(rest):
        if len(_WORD.findall(rest[: found.end()])) >= clause:
            ends.append(found.end())
    if first and config.first_words:
        words = list(_WORD.finditer(rest))
        if len(words) > config.first_words:
            ends.append(words[config.first_words - 1].end())
    if len(rest) > config.longest:
        space = rest.rfind(" ", 1, config.longest)
        ends.append(space if space > 0 else config.longest)
    return start + min(ends) if ends else None


def _ends(part: str) -> bool:
    """Whether a part has a word and does not end in a title such as "Dr."."""
    return bool(_WORD.search(part)) and not _TITLE.search(part.rstrip())
