"""Sentences: exact, many, seeded, natural in their particles and articles."""

from __future__ import annotations

import random
import re

import pytest

from voice_data.describe import Tags, parse, sentences
from voice_data.describe.measures import DescribeError
from voice_data.describe.tags import NAMES, SCALES, values_of

TAGS = Tags(
    gender="male", age="elderly", pitch="low", relative_pitch="low", range="narrow", rate="slow",
    brightness="dark", breathiness="breathy",
)  # fmt: skip


def random_tags(seed: int) -> Tags:
    rng = random.Random(seed)
    values = {n: rng.choice(values_of(n)) for n in (*NAMES, *SCALES) if rng.random() < 0.7}
    if "gender" not in values:
        values.pop("relative_pitch", None)
    return Tags(**(values or {"rate": "slow"}))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_parsing_gives_back_exactly_the_mentioned_tags(language: str) -> None:
    count = 0
    for seed in range(400):
        tags = random_tags(seed)
        for said in sentences(tags, language, 5, seed):
            parsed = parse(said.text)
            assert parsed.tags == said.tags, said.text
            assert not parsed.contradictions, said.text
            assert parsed.language == said.language == language, said.text
            assert said.tags.mentioned.items() <= tags.mentioned.items()
            count += 1
    assert count > 1_500


@pytest.mark.parametrize("language", ["en", "ko"])
def test_there_are_thousands_of_sentences(language: str) -> None:
    found = sentences(TAGS, language, 3_000, 0)
    assert len({each.text for each in found}) == 3_000
    assert len({tuple(each.tags.to_list()) for each in found}) > 30  # partial descriptions


def test_the_same_seed_says_the_same() -> None:
    assert sentences(TAGS, "en", 20, 7) == sentences(TAGS, "en", 20, 7)
    assert sentences(TAGS, "en", 20, 7) != sentences(TAGS, "en", 20, 8)


def test_every_word_of_the_lexicon_is_used() -> None:
    from voice_data.describe.lexicon_en import LEXICON

    said = " ".join(
        each.text for seed in range(20) for each in sentences(Tags(rate="slow"), "en", 60, seed)
    ).lower()
    words = LEXICON["rate"]["slow"]
    for role, phrase in words.all():
        assert role == "heard" or phrase.partition(" ")[2] in said or phrase in said, phrase


def test_articles_agree() -> None:
    text = " | ".join(each.text for each in sentences(TAGS, "en", 2_000, 1))
    assert not re.search(r"\ba [aeiou]", text, re.IGNORECASE)
    assert not re.search(r"\ban [^aeiou]", text, re.IGNORECASE)
    assert "  " not in text


def test_particles_agree() -> None:
    text = " ".join(each.text for each in sentences(TAGS, "ko", 2_000, 1))
    assert not re.search(r"목소리(은|을|이에요|으로)\b|음성(는|를|예요|로)\b|남자(은|을)\b", text)
    assert "  " not in text


def test_few_tags_give_few_sentences() -> None:
    found = sentences(Tags(gender="male"), "ko", 2_000, 0)
    assert 10 < len(found) < 2_000


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(DescribeError, match="language must be one of en, ko, not 'fr'"):
        sentences(TAGS, "fr", 1, 0)
    with pytest.raises(DescribeError, match="count must be 1 or more, not 0"):
        sentences(TAGS, "en", 0, 0)
    with pytest.raises(DescribeError, match="there are no tags to describe"):
        sentences(Tags(), "en", 1, 0)
