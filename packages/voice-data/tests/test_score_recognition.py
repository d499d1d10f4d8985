"""Error rates against hand-counted ones."""

from __future__ import annotations

import pytest

from voice_data.score import ScoreError, recognition
from voice_data.score.recognition import bundled_checkpoint, compare, normalise


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("Twenty-one dogs", "21 dogs"),
        ("It's three o'clock, isn't it?", "it is 3 o'clock is not it"),
        ("The colour grey", "the color gray"),
        ("one hundred and five", "105"),
        ("Hello, World!", "hello world"),
        ("I'm sure they'll come", "i am sure they will come"),
    ],
)
def test_differences_that_nobody_hears_do_not_count(spoken: str, written: str) -> None:
    assert normalise(spoken) == normalise(written)


def test_errors_are_counted_in_words_and_characters() -> None:
    # cat -> cap (substitution), "on" missing (deletion), "today" invented (insertion)
    found = compare("The cat sat on the mat", "the cap sat the mat today")
    assert (found.words, found.word_errors) == (6, 3)
    assert found.wer == pytest.approx(0.5)
    assert found.characters == len("the cat sat on the mat")
    assert found.character_errors == 1 + len("on ") + len(" today")
    assert found.cer == pytest.approx(found.character_errors / found.characters)


def test_invented_words_can_exceed_one() -> None:
    assert compare("yes", "no and no and no").wer == pytest.approx(5.0)


def test_nothing_heard_is_everything_wrong() -> None:
    assert compare("good morning", "").wer == 1.0


def test_a_text_without_words_is_refused() -> None:
    with pytest.raises(ScoreError, match="holds no word"):
        compare("?!", "hello")


def test_the_bundled_checkpoint_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (bundled_checkpoint() / "model.bin").is_file()
    monkeypatch.setattr(recognition, "_BUNDLE", "no_such_package")
    with pytest.raises(ImportError, match=r"voice-data\[metrics\]"):
        bundled_checkpoint()
