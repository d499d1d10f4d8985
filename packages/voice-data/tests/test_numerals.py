from __future__ import annotations

import pytest

from voice_data import numerals

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {
    **{word: value for value, word in enumerate(_SMALL)},
    **{word: 10 * value for value, word in enumerate(_TENS, 2)},
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


def value_of(words: str) -> int:
    """Read a cardinal back: the reverse of what is tested, written apart from it."""
    total = group = 0
    for word in words.replace("-", " ").split():
        if word in _SCALES:
            total, group = total + group * _SCALES[word], 0
        elif word == "hundred":
            group *= 100
        else:
            group += _WORDS[word]
    return total + group


def test_cardinals_read_back() -> None:
    large = (9_999, 10_000, 100_001, 999_999, 10**6, 7 * 10**9 + 12, 10**12 + 1)
    for number in (*range(1_200), *large):
        assert value_of(numerals.cardinal(number)) == number


def test_cardinals_by_name() -> None:
    assert numerals.cardinal(-3) == "minus three"
    assert numerals.cardinal(10**33) == "one decillion"
    assert numerals.cardinal(10**36) == "one" + " zero" * 36


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *((1, "first"), (2, "second"), (3, "third"), (4, "fourth"), (5, "fifth"), (8, "eighth")),
        *((9, "ninth"), (12, "twelfth"), (20, "twentieth"), (21, "twenty-first")),
        *((100, "one hundredth"), (1_002, "one thousand second")),
    ],
)
def test_ordinals(number: int, words: str) -> None:
    assert numerals.ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *((1066, "ten sixty-six"), (1900, "nineteen hundred"), (1905, "nineteen oh five")),
        *((1999, "nineteen ninety-nine"), (2000, "two thousand"), (2009, "two thousand nine")),
        *((2010, "twenty ten"), (2100, "twenty-one hundred")),
    ],
)
def test_years(number: int, words: str) -> None:
    assert numerals.year(number) == words


def test_decades_decimals_fractions_and_clock() -> None:
    assert numerals.decade(1920) == "nineteen twenties"
    assert numerals.decade(2000) == "two thousands"
    assert numerals.decimal("0.05") == "zero point zero five"
    assert numerals.decimal("1" * 40) == " ".join(["one"] * 40)
    assert numerals.fraction(5, 8) == "five eighths"
    assert numerals.clock(0, 0) == "zero hundred hours"
    assert numerals.clock(23, 59) == "twenty-three fifty-nine"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("1", "one dollar"),
        ("2", "two dollars"),
        ("1.01", "one dollar and one cent"),
        ("0.99", "ninety-nine cents"),
        ("5.00", "five dollars"),
        ("1.5", "one point five dollars"),
    ],
)
def test_money(amount: str, words: str) -> None:
    assert numerals.money(amount, ("dollar", "dollars"), ("cent", "cents")) == words
