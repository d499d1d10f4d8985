"""Long clips cut at pauses together with their text, only where the pauses leave no doubt.

Letters: S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from voice_data.segment import SegmentConfig, Span, silences
from voice_data.text import split_sentences
from voice_data.waveform import Audio

_WINDOW_SECONDS = 1.2
_RIVAL_SHARE = 0.6
_PACE_FACTOR = 1.6


class AlignmentError(ValueError):
    """A clip whose text cannot be divided with confidence; the message says why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a clip and what is said in it."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place in the sound (samples) that ends the first ``sentences`` sentences."""

    place: int
    sentences: int


def divide(audio: Audio, text: str, config: SegmentConfig | None = None) -> list[Piece]:
    """Cut ``audio`` into pieces of at most ``max_seconds``, each with its part of ``text``.

    Laid end to end the pieces are the clip and its text. The end of a sentence is expected where
    its share of the letters puts it in the speech; a cut needs one clear pause there, and every
    piece must be spoken at about the pace of the whole. There is no recogniser behind this: what
    is in doubt is refused, not guessed.

    Raises:
        AlignmentError: if no such cuts exist.
        TextError: if there is no text.
    """
    config = config or SegmentConfig()
    if audio.duration <= config.max_seconds:
        return [Piece(Span(0, len(audio.samples)), text)]
    sentences = split_sentences(text, _max_chars(audio, text, config))
    quiet = silences(audio, config)
    before = _speech_before(audio, quiet)
    inner = [span for span in quiet if span.start > 0 and span.end < len(audio.samples)]
    clear = _clear_cuts(sentences, inner, before, audio.rate)
    cuts = [_Cut(0, 0), *clear, _Cut(len(audio.samples), len(sentences))]
    chosen = _fewest(cuts, audio.rate, config)
    pieces = [
        Piece(Span(first.place, last.place), " ".join(sentences[first.sentences : last.sentences]))
        for first, last in pairwise(chosen)
    ]
    _check_pace(pieces, before)
    return pieces


def _max_chars(audio: Audio, text: str, config: SegmentConfig) -> int:
    """So many characters that a sentence cut to them fits into a piece with room to spare."""
    return max(10, int(0.7 * len(text) * config.max_seconds / audio.duration))


def _speech_before(audio: Audio, quiet: Sequence[Span]) -> np.ndarray:
    """Samples of speech before each place, [S + 1]."""
    spoken = np.ones(len(audio.samples), dtype=np.int64)
    for span in quiet:
        spoken[span.start : span.end] = 0
    return np.concatenate(([0], np.cumsum(spoken)))


def _letters(text: str) -> int:
    return max(1, sum(character.isalnum() for character in text))


def _clear_cuts(
    sentences: Sequence[str], pauses: Sequence[Span], before: np.ndarray, rate: int
) -> list[_Cut]:
    """For each end of a sentence the pause near it that has no rival, if there is one."""
    ends = np.cumsum([_letters(sentence) for sentence in sentences])
    cuts: list[_Cut] = []
    for number, end in enumerate(ends[:-1], start=1):
        expected = before[-1] * end / ends[-1]
        near = [p for p in pauses if abs(before[p.start] - expected) <= _WINDOW_SECONDS * rate]
        near.sort(key=lambda pause: pause.start - pause.end)  # the longest first
        rival = len(near) > 1 and _length(near[1]) > _RIVAL_SHARE * _length(near[0])
        if near and not rival and (not cuts or near[0].middle > cuts[-1].place):
            cuts.append(_Cut(near[0].middle, number))
    return cuts


def _length(span: Span) -> int:
    return span.end - span.start


def _fewest(cuts: Sequence[_Cut], rate: int, config: SegmentConfig) -> list[_Cut]:
    """The fewest cuts that leave no piece too long; among equals, those of the most even pieces."""
    longest = config.max_seconds * rate
    best: list[tuple[int, float, list[_Cut]] | None] = [(0, 0.0, [cuts[0]])]
    for index in range(1, len(cuts)):
        options = []
        for origin, reached in enumerate(best):
            step = cuts[index].place - cuts[origin].place
            if reached is not None and step <= longest:
                count, uneven, path = reached
                options.append((count + 1, uneven + (step / rate) ** 2, [*path, cuts[index]]))
        best.append(min(options, key=lambda option: option[:2]) if options else None)
    if best[-1] is None:
        raise AlignmentError(
            f"no clear pause ends a sentence in time to cut pieces of {config.max_seconds:g} s: "
            "cut the recording and its text by hand, or leave it out"
        )
    return best[-1][2]


def _check_pace(pieces: Sequence[Piece], before: np.ndarray) -> None:
    whole = sum(_letters(piece.text) for piece in pieces) / max(1, int(before[-1]))
    for piece in pieces:
        spoken = int(before[piece.span.end] - before[piece.span.start])
        factor = _letters(piece.text) / max(1, spoken) / whole
        if not 1 / _PACE_FACTOR <= factor <= _PACE_FACTOR:
            raise AlignmentError(
                f"the part {piece.text[:40]!r} would be spoken at {factor:.1f} times the pace of "
                "the whole: the text does not seem to fit the recording; check it"
            )
