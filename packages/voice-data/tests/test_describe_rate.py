"""Syllables counted in writing and in sound."""

from __future__ import annotations

import numpy as np
import pytest
from pulse_voice import RATE, syllables

from voice_data.audio import Audio
from voice_data.describe.rate import count_nuclei, count_syllables
from voice_data.describe.track import track

WORDS = {
    "cat": 1, "table": 2, "banana": 3, "make": 1, "makes": 1, "wanted": 2, "walked": 1,
    "people": 2, "family": 3, "the": 1, "queue": 1, "idea": 3, "being": 2, "nation": 2,
    "special": 2, "quiet": 2, "create": 2, "area": 3, "houses": 2, "I'm": 1, "language": 2,
    "every": 3, "loved": 1, "handles": 2, "question": 2, "beautiful": 3, "society": 4,
}  # fmt: skip


def test_english_words() -> None:
    wrong = {word: count_syllables(word) for word in WORDS if count_syllables(word) != WORDS[word]}
    assert len(wrong) <= 2, wrong


def test_a_sentence_is_counted_to_a_few_percent() -> None:
    text = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
    assert count_syllables(text) == pytest.approx(19, abs=1)


def test_korean_and_numbers_and_nothing() -> None:
    assert count_syllables("안녕하세요, 여러분!") == 8
    assert count_syllables("42") == 3
    assert count_syllables("") == 0
    assert count_syllables("Привет") == 0


@pytest.mark.parametrize("rate", [2.5, 4.0, 6.0])
def test_bursts_are_heard_as_syllables(rate: float) -> None:
    assert count_nuclei(track(syllables(rate, 10))) == pytest.approx(10, abs=1)


def test_silence_has_no_syllables() -> None:
    assert count_nuclei(track(Audio(np.zeros(RATE, np.float32), RATE))) == 0
