"""What the text encoder reads: words as bags of hashed character n-grams.

A word that no training text held still shares its n-grams with those that did (Bojanowski et al.,
"Enriching Word Vectors with Subword Information", 2017). Hangul is decomposed into its letters, so
that a stem is found under every particle. Letters: W words, G n-grams of a word.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BUCKETS = 16_384
"""Rows of the embedding; row 0 is padding."""
SHORTEST, LONGEST = 1, 5
MOST_WORDS, MOST_GRAMS = 96, 64
MOST_FOREIGN = 0.5
"""Share of other letters than Latin and Hangul up to which a description is read as usual."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[?!]")
_SCRIPTS = {"LATIN": "en", "HANGUL": "ko"}


class DescriptionError(ValueError):
    """A description that says nothing; the message tells what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The n-grams of a description, [W, G] with zeros for padding, and what was odd about it."""

    grams: np.ndarray
    warnings: tuple[str, ...] = ()


def read(text: str) -> Reading:
    """Split a description into words and hash their n-grams.

    Raises:
        DescriptionError: if the text holds no word.
    """
    words = _words(text)
    return Reading(
        grams=padded([_grams(w) for w in words[:MOST_WORDS]]), warnings=_odd(text, words)
    )


def oddities(text: str) -> tuple[str, ...]:
    """The warnings of :func:`read` alone.

    Raises:
        DescriptionError: if the text holds no word.
    """
    return _odd(text, _words(text))


def padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """[W, G] of int64, zeros after each row's own."""
    width = max((len(row) for row in rows), default=0)
    out = np.zeros((len(rows), max(1, width)), np.int64)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return out


def batch(readings: Sequence[Reading]) -> np.ndarray:
    """Readings as one array [B, W, G], zeros for padding."""
    words = max(len(reading.grams) for reading in readings)
    grams = max(reading.grams.shape[1] for reading in readings)
    out = np.zeros((len(readings), words, grams), np.int64)
    for index, reading in enumerate(readings):
        rows, columns = reading.grams.shape
        out[index, :rows, :columns] = reading.grams
    return out


def _words(text: str) -> list[str]:
    words = _WORD.findall(unicodedata.normalize("NFC", text).lower())
    if not any(any(c.isalpha() for c in word) for word in words):
        raise DescriptionError(
            f"the description {text[:40]!r} holds no word: describe the voice, "
            "for example 'a calm, deep man'"
        )
    return words


def _odd(text: str, words: Sequence[str]) -> tuple[str, ...]:
    warnings = []
    if len(words) > MOST_WORDS:
        warnings.append(f"only the first {MOST_WORDS} of {len(words)} words are used")
    if (share := foreign_share(text)) > MOST_FOREIGN:
        warnings.append(
            f"{share:.0%} of the letters are neither Latin nor Hangul: the voice may be arbitrary"
        )
    return tuple(warnings)


@lru_cache(maxsize=65_536)
def _grams(word: str) -> tuple[int, ...]:
    letters = f"<{unicodedata.normalize('NFD', word)}>"
    found = dict.fromkeys([letters])  # the whole word, and then its parts
    for size in range(SHORTEST, LONGEST + 1):
        found.update(dict.fromkeys(letters[i : i + size] for i in range(len(letters) - size + 1)))
    found.pop("<", None)
    found.pop(">", None)
    ids = [1 + zlib.crc32(gram.encode()) % (BUCKETS - 1) for gram in found]
    return tuple(dict.fromkeys(ids))[:MOST_GRAMS]


def foreign_share(text: str) -> float:
    """How many of the letters are neither Latin nor Hangul, from 0 to 1."""
    if text.isascii():
        return 0.0
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return 0.0
    known = sum(unicodedata.name(c, "?").split()[0] in _SCRIPTS for c in letters)
    return 1.0 - known / len(letters)
