from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from voice_data.describe import parse
from voice_hypernet import plain_words
from voice_hypernet.descriptions import consider, load_encoder
from voice_hypernet.plain_words import PLAIN_SHARE, PlainWords, plain_sentences


class Counter:
    """An encoder that counts letters and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        return np.asarray([[len(text), text.count(" ")] for text in texts], np.float32)

    def understand(self, encoded: np.ndarray) -> None:
        return None


@pytest.mark.parametrize(
    "tags",
    [
        {"gender": "female", "pitch": "low", "rate": "fast"},
        {"gender": "male", "rate": "very slow"},
        {"pitch": "high"},
        {"gender": "male"},
    ],
)
def test_plain_sentences_say_all_of_the_tags_in_both_languages(tags: dict[str, str]) -> None:
    said = plain_sentences(tags)
    assert len(said) == 6
    assert sum(any("가" <= letter <= "힣" for letter in text) for text in said) == 3
    wanted = dict(tags)
    if "gender" in wanted and "pitch" in wanted:
        wanted["relative_pitch"] = wanted.pop("pitch")
    assert all(parse(text).tags.mentioned == wanted for text in said)


def test_few_are_drawn_where_many_would_begin_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    genders, scale = ("", "male", "female"), ("", "very low", "high")
    asked = [{"gender": g, "pitch": p, "rate": r} for g in genders for p in scale
             for r in ("", "slow", "very fast")]  # fmt: skip
    tags = [{n: v for n, v in each.items() if v} for each in asked if any(each.values())]
    few = [plain_sentences(each) for each in tags]
    monkeypatch.setattr(plain_words, "_DRAWN", (40,))
    assert few == [plain_sentences(each) for each in tags]


def test_they_are_encoded_once_and_their_mean_is_given() -> None:
    encoder = Counter()
    words = PlainWords(encoder)
    first = words.of({"gender": "male", "rate": "slow", "brightness": "dark"})
    assert first is not None
    said = [*plain_sentences({"gender": "male", "rate": "slow"})]
    said += plain_sentences({"gender": "male", "rate": "very slow"})
    expected = Counter().encode(said).mean(0)
    np.testing.assert_allclose(first, expected)
    assert words.of({"rate": "slow", "gender": "male"}) is first
    assert len(encoder.asked) == 1


def test_nothing_is_said_where_nothing_was_understood() -> None:
    encoder = Counter()
    assert PlainWords(encoder).of({"brightness": "dark"}) is None
    assert not encoder.asked


def test_a_description_is_heard_with_its_plain_words() -> None:
    encoder = load_encoder()
    texts = ["a tortoise of a talker", "subwoofer territory"]
    (slow, deep), mixed = consider(encoder, texts, PlainWords(encoder))
    assert (slow.tags["rate"], deep.tags["pitch"]) == ("very slow", "very low")
    own = encoder.encode(texts)
    plain = encoder.encode(plain_sentences({"rate": "very slow"})).mean(0)
    np.testing.assert_allclose(
        mixed[0], (1 - PLAIN_SHARE) * own[0] + PLAIN_SHARE * plain, atol=1e-5
    )
    assert (slow.said, deep.said) == tuple(texts)
