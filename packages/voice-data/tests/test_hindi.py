"""Numbers in Hindi, against the words that a grammar lists."""

from __future__ import annotations

import pytest

from voice_data import hindi
from voice_data.text import normalize


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "शून्य"),
        (29, "उनतीस"),
        (37, "सैंतीस"),
        (68, "अड़सठ"),
        (79, "उनासी"),
        (89, "नवासी"),
        (99, "निन्यानवे"),
        (100, "एक सौ"),
        (101, "एक सौ एक"),
        (1947, "एक हज़ार नौ सौ सैंतालीस"),
        (100_000, "एक लाख"),
        (12_345_678, "एक करोड़ तेईस लाख पैंतालीस हज़ार छह सौ अठहत्तर"),
    ],
)
def test_cardinals(number: int, words: str) -> None:
    assert hindi.cardinal(number) == words


def test_every_number_up_to_a_hundred_has_its_own_name() -> None:
    names = [hindi.cardinal(number) for number in range(100)]
    assert len(set(names)) == 100


def test_huge_numbers_are_read_figure_by_figure() -> None:
    assert hindi.cardinal(10**12) == " ".join(["एक", *["शून्य"] * 12])


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative: -1"):
        hindi.cardinal(-1)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("मेरे पास २५ किताबें हैं।", "मेरे पास पच्चीस किताबें हैं।"),
        ("₹1", "एक रुपया"),
        ("₹ 1,00,000 और 3.14", "एक लाख रुपये और तीन दशमलव एक चार"),
        ("50% छूट", "पचास प्रतिशत छूट"),
        ("कमरा 007", "कमरा शून्य शून्य सात"),
        ("5किलो", "पाँच किलो"),
    ],
)
def test_figures_become_words(text: str, spoken: str) -> None:
    assert hindi.expand(text) == spoken


@pytest.mark.parametrize("language", ["hi", "hi-IN", "hin", "Hindi"])
def test_normalize_reads_figures_in_hindi(language: str) -> None:
    assert normalize("आज 12 बजे।", language) == "आज बारह बजे।"
    assert normalize("12시", "ko") == "12시"
