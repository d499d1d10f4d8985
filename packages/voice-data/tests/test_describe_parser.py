"""Free wording: what is understood, what excludes itself, what is left alone."""

from __future__ import annotations

import pytest

from voice_data.describe import Tags, parse
from voice_data.describe.hangul import forms
from voice_data.describe.lexicon_en import LEXICON as ENGLISH
from voice_data.describe.lexicon_ko import LEXICON as KOREAN

FREE = {
    "a deep, calm man": {"gender": "male", "relative_pitch": "low", "range": "narrow"},
    "speak slowly in a bright female voice": {
        "gender": "female", "rate": "slow", "brightness": "bright",
    },
    "An OLD WOMAN with a really hoarse voice!": {
        "gender": "female", "age": "elderly", "roughness": "rough",
    },
    "I'd like something very low and very fast": {"pitch": "very low", "rate": "very fast"},
    "a not too fast, loud narrator": {"loudness": "loud"},
    "a voice that isn't breathy": {},
    "high quality recording of a boy": {"gender": "male", "age": "child"},
    "low and very low": {"pitch": "very low"},
    "낮고 차분한 남자 목소리": {"gender": "male", "relative_pitch": "low", "range": "narrow"},
    "빠르게 말하는 밝은 여성의 목소리": {
        "gender": "female", "rate": "fast", "brightness": "bright",
    },
    "목소리가 너무 높지 않은 남자였으면 좋겠어요": {"gender": "male"},
    "할머니처럼 느릿느릿 말해 줘": {"gender": "female", "age": "elderly", "rate": "slow"},
    "정말 빠른 목소리요": {"rate": "very fast"},
    "목소리가 맑았으면 해요": {"breathiness": "clear"},
    "음의 높낮이": {},
}  # fmt: skip


@pytest.mark.parametrize("text", FREE)
def test_free_wording(text: str) -> None:
    found = parse(text)
    assert found.tags.mentioned == FREE[text]
    assert found.contradictions == ()


@pytest.mark.parametrize(
    ("text", "tag", "taken"),
    [
        ("a deep high voice", "pitch", "low"), ("a fast voice that speaks slowly", "rate", "fast"),
        ("a male woman", "gender", "male"), ("낮고 높은 목소리", "pitch", "low"),
        ("느리고 빠른 여자", "rate", "slow"),
    ],
)  # fmt: skip
def test_contradictions_are_reported_and_settled(text: str, tag: str, taken: str) -> None:
    found = parse(text)
    assert [each.tag for each in found.contradictions] == [tag]
    assert getattr(found.tags, tag) == taken
    assert f"exclude each other ({tag}): {taken} is taken" in str(found.contradictions[0])


@pytest.mark.parametrize("text", ["", "   ", "Quelle belle journée", "こんにちは", "12345", "🙂"])
def test_what_is_neither_language(text: str) -> None:
    found = parse(text)
    assert (found.tags, found.contradictions, found.language) == (Tags(), (), "")


def test_the_language_can_be_given() -> None:
    assert parse("deep 낮은", language="en").tags == Tags(pitch="low")
    assert parse("deep 빠른", language="ko").tags == Tags(rate="fast")


def test_long_text_is_quick_and_harmless() -> None:
    assert parse("deep " * 10_000).tags == Tags(pitch="low")


def test_no_phrase_has_two_meanings() -> None:
    for lexicon, korean in ((ENGLISH, False), (KOREAN, True)):
        seen: dict[str, tuple[str, str]] = {}
        for name, values in lexicon.items():
            for value, words in values.items() if name != "relative_pitch" else ():
                for _, phrase in words.all():
                    spelt = forms(phrase) if korean and phrase.endswith("다") else [phrase]
                    for form in spelt:
                        key = form.replace("-", " ")
                        assert seen.setdefault(key, (name, value)) == (name, value), form
