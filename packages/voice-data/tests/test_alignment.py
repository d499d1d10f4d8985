"""Dividing long clips: cuts where the truth is known, and refusal where there is doubt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from voice_data.alignment import AlignmentError, divide
from voice_data.audio import Audio
from voice_data.segment import SegmentConfig, Span

RATE = 16_000
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
)


def spoken(parts: Sequence[tuple[float, float]]) -> Audio:
    """Noise for so many seconds, then silence for so many, and so on."""
    generator = np.random.default_rng(4)
    pieces = []
    for speech, pause in parts:
        pieces += [
            0.1 * generator.standard_normal(round(speech * RATE)),
            np.zeros(round(pause * RATE)),
        ]
    return Audio(np.concatenate(pieces).astype(np.float32), RATE)


def letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def reading(pause: float = 0.6, wobble: float = 0.0, pace: float = 10.0) -> Audio:
    """The sentences at ``pace`` letters per second, each off by ``wobble`` in turns."""
    signs = [1 + wobble * (-1) ** index for index in range(len(SENTENCES))]
    spans = [letters(text) / pace * sign for text, sign in zip(SENTENCES, signs, strict=True)]
    return spoken([(span, pause) for span in spans])


@pytest.mark.parametrize("wobble", [0.0, 0.1, -0.1])
def test_every_cut_lies_in_the_pause_after_its_sentence(wobble: float) -> None:
    audio = reading(wobble=wobble)
    pieces = divide(audio, " ".join(SENTENCES), SegmentConfig(max_seconds=8.0))
    assert " ".join(piece.text for piece in pieces) == " ".join(SENTENCES)
    assert [piece.span.start for piece in pieces[1:]] == [piece.span.end for piece in pieces[:-1]]
    assert (pieces[0].span.start, pieces[-1].span.end) == (0, len(audio.samples))
    signs = [1 + wobble * (-1) ** index for index in range(len(SENTENCES))]
    place, count = 0.0, 0
    for piece in pieces[:-1]:
        said = piece.text.count(".")
        for index in range(count, count + said):
            place += letters(SENTENCES[index]) / 10 * signs[index] + 0.6
        count += said
        assert piece.span.end / RATE == pytest.approx(place - 0.3, abs=0.05)
    assert all(piece.span.end - piece.span.start <= 8 * RATE for piece in pieces)
    assert len(pieces) == 3  # no more than needed


def test_a_short_clip_stays_whole() -> None:
    audio = spoken([(2.0, 0.5)])
    (piece,) = divide(audio, "One.  Two.")
    assert (piece.span, piece.text) == (Span(0, len(audio.samples)), "One.  Two.")


def test_no_pause_is_refused() -> None:
    with pytest.raises(AlignmentError, match=r"no clear pause ends a sentence in time .* 12 s"):
        divide(spoken([(20.0, 0.0)]), " ".join(SENTENCES))


def test_two_pauses_that_could_be_meant_are_refused() -> None:
    parts = [(1.0, 0.5)] * 17  # a pause every second: any of three could end a sentence
    with pytest.raises(AlignmentError, match="no clear pause"):
        divide(spoken(parts), " ".join(SENTENCES))


def test_a_text_that_does_not_fit_is_refused() -> None:
    """The only pause is near the end of the first sentence, which would then be rushed."""
    text = f"Glue it there. {SENTENCES[0][:-1]} and {SENTENCES[1].lower()}"
    with pytest.raises(
        AlignmentError, match=r"'Glue it there\.' would be spoken at [12]\.\d times"
    ):
        divide(spoken([(0.9, 0.6), (11.5, 0.0)]), text)
