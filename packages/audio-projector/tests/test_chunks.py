"""Where a growing text is cut."""

from __future__ import annotations

import pytest

from audio_projector.chunks import ChunkConfig, cut

WHOLE = ChunkConfig(first_words=0)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Yes. I am", "Yes."),
        ("Yes.", None),
        ("Dr. Lee came home. He", "Dr. Lee came home."),
        ("It costs 3.50 today. And", "It costs 3.50 today."),
        ('He said "go!" and left', 'He said "go!"'),
        ("In the old house, we sat", None),
        ("In the very old house, we sat", "In the very old house,"),
        ("one\ntwo", "one\n"),
        ("\n\nHello there", None),
    ],
)
def test_sentences_and_long_clauses_are_cut_once_the_next_word_begins(
    text: str, part: str | None
) -> None:
    end = cut(text, 0, WHOLE)
    assert (None if end is None else text[:end]) == part


def test_the_first_part_is_cut_after_a_few_words() -> None:
    config = ChunkConfig(first_words=3)
    assert cut("one two three", 0, config, first=True) is None
    assert cut("one two three four", 0, config, first=True) == len("one two three")
    assert cut("one two three four", 0, config) is None
    assert cut("Well now, then", 0, config, first=True) == len("Well now,")


def test_what_never_pauses_is_cut_at_a_space() -> None:
    text = "word " * 50
    end = cut(text, 0, WHOLE)
    assert end is not None
    assert end <= WHOLE.longest
    assert text[end] == " "
    assert cut("x" * 400, 0, WHOLE) == WHOLE.longest


def test_parts_follow_each_other_and_nothing_is_lost() -> None:
    text = "One is here. Two came later, with three others and a dog; all sat. The end"
    parts, start = [], 0
    while (end := cut(text, start, WHOLE)) is not None:
        parts.append(text[start:end])
        start = end
    assert "".join([*parts, text[start:]]) == text
    assert len(parts) == 3


@pytest.mark.parametrize("change", [{"first_words": -1}, {"clause_words": 0}, {"longest": 5}])
def test_impossible_settings_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ChunkConfig(**change)
