"""A long text by its minutes, and sentences that no corpus holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import read_aloud
import unseen_sentences

from voice_data.audio import Audio

RATE = 1_000


def sounds(*seconds: float) -> list[Audio]:
    return [Audio(np.full(round(s * RATE), i, np.float32), RATE) for i, s in enumerate(seconds)]


def test_a_sentence_belongs_to_the_minute_in_which_it_begins() -> None:
    texts = ["a", "b", "c", "d", "e"]
    read = read_aloud.minutes(texts, sounds(6, 5, 130, 8, 1), length=10.0)
    assert [minute.text for minute in read] == ["a b", "c", "d e"]
    assert [minute.audio.duration for minute in read] == [11.0, 130.0, 9.0]
    assert set(read[2].audio.samples) == {3.0, 4.0}


def test_a_last_minute_with_little_in_it_is_left_out() -> None:
    assert len(read_aloud.minutes(["a", "b"], sounds(10, 4.9), length=10.0)) == 1
    assert len(read_aloud.minutes(["a", "b"], sounds(10, 5.0), length=10.0)) == 2
    with pytest.raises(ValueError, match="zip"):
        read_aloud.minutes(["a"], sounds(1, 1))


def test_change_follows_the_line_and_not_the_noise() -> None:
    assert read_aloud.change([200.0] * 5) == pytest.approx(0.0, abs=1e-12)
    assert read_aloud.change([1.0, 2.0, 3.0]) == pytest.approx(1.0)
    assert read_aloud.change([1.0, 3.0, 1.0]) == pytest.approx(0.0, abs=1e-12)
    assert read_aloud.change([4.0, 3.0]) == pytest.approx(-1 / 3.5)


def test_lines_are_taken_until_they_last_long_enough() -> None:
    assert read_aloud.text_of(["aa", "bbb"], 8, len) == ["aa", "bbb", "aa", "bbb"]


def test_unseen_sentences_are_in_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(
        "  1 a licence line | not this one at all\n"
        '01 03 n 01 cat 0 000 | a small animal that (often) purrs; "the cat sat on the mat"\n'
        "02 03 n 01 dog 0 000 | a larger animal that barks; it has four legs\n"
        "03 03 n 01 x 0 000 | one of 3 digits here today\n",
        "latin-1",
    )
    for part in ("verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text("", "latin-1")
    corpus = tmp_path / "manifest.jsonl"
    heard = "The cat sat, on the mat! Something else is said here."
    corpus.write_text(json.dumps({"text": heard}) + "\n", "utf-8")
    found = unseen_sentences.unseen(tmp_path, [corpus], 2)
    want = ["A larger animal that barks.", "A small animal that purrs."]
    assert sorted(found) == want
    assert len(unseen_sentences.unseen(tmp_path, [], 3)) == 3
    with pytest.raises(ValueError, match="has 2 unseen sentences, fewer than 3"):
        unseen_sentences.unseen(tmp_path, [corpus], 3)
