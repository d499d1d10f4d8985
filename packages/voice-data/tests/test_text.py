from __future__ import annotations

import subprocess
import sys
import time
import unicodedata

import pytest

from voice_data.text import (
    TextError,
    emoji_in,
    is_english,
    normalize,
    odd_characters_in,
    split_sentences,
)

LONG_TEXTS = {
    "letters": "a" * 100_000,
    "words": "hello there " * 8_334,
    "figures": "1" * 100_000,
    "groups": "1," * 50_000,
    "thousands": ",111" * 25_000,
    "decimals": "1.1" * 33_334,
    "ranges": "1-" * 50_000,
    "fractions": "1/" * 50_000,
    "money": "$1" * 50_000,
    "times": "1:11 " * 20_000,
    "titles": "Dr. " * 25_000,
    "spaces": " " * 99_999 + "a",
    "stops": "A." * 50_000,
    "hindi": "म" * 100_000,
    "lines": "\n" * 99_999 + "a",
}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It’s “fine” — really…", 'It\'s "fine" - really...'),
        ("a\u00a0b\t c\r\n d", "a b c d"),
        ("10–20", "ten to twenty"),
        ("−5", "minus five"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("cafe\u0301", "café"),
        ("hi 😀 there 👍🏽 👨‍👩‍👧 🇰🇷 ✈️!", "hi there !"),
        ("A\u202eB\u202c\x07\u2066C\ufeff", "ABC"),
        ("שלום and עברית", "שלום and עברית"),
        ("*bold* _it_", "bold it"),
    ],
)
def test_english_is_cleaned(written: str, said: str) -> None:
    assert normalize(written) == said


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("नमस्ते दुनिया, “ठीक” — है।", "hi"),
        ("안녕하세요 123 “네” — 5%", "ko"),
        ("क्\u200dष", "hi"),
        ("«Привет» 5%", "ru"),
    ],
)
def test_other_languages_stay_as_they_are(text: str, language: str) -> None:
    assert normalize(text, language) == text


def test_other_languages_lose_control_characters_and_become_nfc() -> None:
    decomposed = unicodedata.normalize("NFD", "안녕")
    assert normalize(f"{decomposed}\x00\u202e  하\n세요", "ko-KR") == "안녕 하 세요"


def test_normalizing_twice_changes_nothing_more() -> None:
    once = normalize("Dr. Lee paid $3.50 on 5/6/2020 at 3:45 pm — “ok” 😀 3rd #5 10-20 B2B.")
    assert normalize(once) == once


@pytest.mark.parametrize("text", ["", " \n\t", "😀", "...!?", "\x00\u202e", "-"])
def test_text_with_nothing_to_speak_is_refused(text: str) -> None:
    with pytest.raises(TextError, match=r"nothing to speak in .*: give at least one word"):
        normalize(text)


@pytest.mark.parametrize("function", [normalize, split_sentences])
def test_other_types_are_refused(function: object) -> None:
    with pytest.raises(TextError, match="must be a string, not bytes"):
        function(b"hello")  # type: ignore[operator]


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_long_text_is_handled_in_linear_time(name: str) -> None:
    text = LONG_TEXTS[name]
    start = time.process_time()
    normalize(f"{text} end")
    sentences = split_sentences(text)
    assert time.process_time() - start < 5.0  # a quadratic pattern takes minutes
    assert max(map(len, sentences)) <= 300
    assert "".join("".join(sentences).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. A. B. Smith came. He sat.", ["Mr. A. B. Smith came.", "He sat."]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        ("It costs 3.50 e.g. today.", ["It costs 3.50 e.g. today."]),
        ("नमस्ते। आप कैसे हैं?", ["नमस्ते।", "आप कैसे हैं?"]),
        (
            "\u4eca\u65e5\u306f\u3002\u5143\u6c17\uff1f\u306f\u3044",
            ["\u4eca\u65e5\u306f\u3002", "\u5143\u6c17\uff1f", "\u306f\u3044"],
        ),
        ("first line\nsecond line", ["first line", "second line"]),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_long_sentence_is_cut_at_its_strongest_pause() -> None:
    text = "alpha beta gamma, delta epsilon; zeta eta theta, iota kappa"
    assert split_sentences(text, 40) == [
        "alpha beta gamma, delta epsilon;",
        "zeta eta theta, iota kappa",
    ]
    assert split_sentences("one two three four", 10) == ["one two", "three four"]


def test_letters_keep_their_marks_when_cut() -> None:
    parts = split_sentences("e\u0301" * 20, 11)
    assert all(not unicodedata.combining(part[0]) for part in parts)


def test_blank_text_and_tiny_limit_are_refused() -> None:
    with pytest.raises(TextError, match="the text is empty: give at least one word"):
        split_sentences(" \n ")
    with pytest.raises(TextError, match="at least 10, not 5"):
        split_sentences("hello", 5)


def test_language_tags() -> None:
    assert all(map(is_english, ("", "en", "en-US", "EN_gb", "English")))
    assert not any(map(is_english, ("hi", "ko-KR", "enm")))


def test_emoji_and_odd_characters_are_found() -> None:
    assert emoji_in("a 😀 b 👍️") == ["😀", "👍"]
    assert odd_characters_in("a\u202eb\x07\ufffd\ue000 क्\u200dष\n") == [
        *("\u202e", "\x07", "\ufffd", "\ue000"),
    ]


def test_importing_is_light() -> None:
    code = (
        "import sys, voice_data, voice_data.text, voice_data.audio, voice_data.manifest;"
        "print([n for n in ('torch', 'librosa', 'soundfile', 'inflect') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
