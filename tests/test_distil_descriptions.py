"""The held-out descriptions are held out, and say what they claim; the tool counts rightly."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from distil_descriptions import Row, held_out, mistyped, misunderstood, scored, side, taught
from everyday_text import everyday

from voice_data.describe import Tags
from voice_hypernet.wording import vocabulary

ROWS = held_out()


def words(text: str) -> str:
    """Between spaces; a Korean word may go on with a particle."""
    found = re.findall(r"[^\W_]+", text.lower())
    return f" {' '.join(found)}" + ("" if re.search("[가-힣]", text) else " ")


def test_there_are_enough_of_each_language() -> None:
    assert sum(row.language == "en" for row in ROWS) >= 120
    assert sum(row.language == "ko" for row in ROWS) >= 80
    assert len({row.text for row in ROWS}) == len(ROWS)
    assert all(Tags.from_mapping(row.tags).mentioned == row.tags for row in ROWS)
    for name in ("gender", "pitch", "rate"):
        assert sum(name in row.tags for row in ROWS) >= 60


def test_no_training_list_holds_what_is_marked_as_unseen() -> None:
    """Nor does an unseen phrase hold a training phrase of several words, but for plain ones."""
    plain = {" high voice ", " kind of "}
    for language in ("en", "ko"):
        known = [words(phrase) for phrase in vocabulary(language)]
        several = {phrase for phrase in known if len(phrase.split()) > 1} - plain
        for row in (row for row in ROWS if row.language == language):
            assert row.unseen, row.text
            for unseen in map(words, row.unseen):
                assert unseen in words(row.text)
                assert not [phrase for phrase in known if unseen in phrase], row.text
                assert not [phrase for phrase in several if phrase in unseen], row.text


def test_scores_count_sides_values_and_silence() -> None:
    rows = [
        Row("a", "en", {"pitch": "low"}, []),
        Row("b", "en", {"pitch": "high", "gender": "female"}, []),
    ]
    found = scored(rows, [{"pitch": "very low"}, {"gender": "male"}])["en"]
    assert found["pitch"] == {"rows": 2, "right": 0.5, "exact": 0.0, "silent": 0.5}
    assert found["gender"] == {"rows": 1, "right": 0.0, "exact": 0.0, "silent": 0.0}
    assert found["all"]["rows"] == found["gender, pitch, rate"]["rows"] == 3
    assert misunderstood(rows[:1], [{"pitch": "high"}]) == ["en 'a': pitch is low, understood high"]
    assert side("gender", "male") == "male"


def test_a_slip_changes_a_word_and_is_the_same_each_time() -> None:
    slips = mistyped(ROWS, 1)
    assert slips == mistyped(ROWS, 1)
    assert np.mean([slip != row.text for slip, row in zip(slips, ROWS, strict=True)]) > 0.7


def test_a_teacher_is_asked_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def make():
        def embed(texts: list[str]) -> np.ndarray:
            asked.append(len(texts))
            return np.array([[len(text), 1.0] for text in texts])

        return embed

    texts = ["x" * (index % 7) for index in range(300)]
    first = taught(tmp_path, make, texts)
    (tmp_path / "000256.npy").unlink()  # as if it had been interrupted
    assert (taught(tmp_path, make, texts) == first).all()
    assert asked == [256, 44, 44]
    assert first[:3, 0].tolist() == [0, 1, 2]


def test_everyday_text_is_made_of_words_glosses_and_examples(tmp_path: Path) -> None:
    person = '1 18 n 02 cave_man 0 widow 0 000 | a person of old; "the widow spoke"  '
    thing = '2 06 n 01 lever 0 000 | a simple machine; "pull the lever"  '
    for name in ("adj", "adv", "verb"):
        (tmp_path / f"data.{name}").write_text("  1 licence\n")
    (tmp_path / "data.noun").write_text(f"  1 licence\n{person}\n{thing}\n")
    texts = everyday(tmp_path, 6, seed=1)
    assert texts == everyday(tmp_path, 6, seed=1)
    assert {"a simple machine", "pull the lever"} <= set(texts)
    assert any("cave man" in text for text in texts)
    assert not any(text in ("a lever", "like a lever") for text in texts)


def test_everyday_text_needs_wordnet(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.adj"):
        everyday(tmp_path, 5, seed=0)
