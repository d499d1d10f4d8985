from __future__ import annotations

import pytest

from voice_data.english import expand


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
        ("3.14", "three point one four"),
        (".5", "zero point five"),
        ("-5", "minus five"),
        ("007", "zero zero seven"),
        ("12345678901", "one two three four five six seven eight nine zero one"),
        ("$3.50", "three dollars and fifty cents"),
        ("-$5", "minus five dollars"),
        ("£1.01", "one pound and one penny"),
        ("€5 million", "five million euros"),
        ("$1.5 billion", "one point five billion dollars"),
        ("¥500", "five hundred yen"),
        ("₹2.50", "two rupees and fifty paise"),
        ("₩1,000", "one thousand won"),
        ("50%", "fifty percent"),
        ("the 1st, 2nd, 3rd and 22nd", "the first, second, third and twenty-second"),
        ("In 1984 it rained.", "In nineteen eighty-four it rained."),
        ("the 1990s and the '80s", "the nineteen nineties and the eighties"),
        ("1984 people", "one thousand nine hundred eighty-four people"),
        ("in 2005 cars were", "in two thousand five cars were"),
        ("May 2, 1984", "May second, nineteen eighty-four"),
        ("2024-03-05", "March fifth, twenty twenty-four"),
        ("2024-13-05", "twenty twenty-four-thirteen-zero five"),
        ("call 555-1234", "call five five five, one two three four"),
        ("pages 10-20", "pages ten to twenty"),
        ("1990-95", "nineteen ninety to ninety-five"),
        ("3:45 pm. He", "three forty-five p m. He"),
        ("3:05 p.m. today", "three oh five p m today"),
        ("at 3:00", "at three o'clock"),
        ("7 a.m.", "seven a m."),
        ("1/2 and 3/4 and 7/12", "one half and three quarters and seven over twelve"),
        ("5km, 1 ft, 30 km/h", "five kilometers, one foot, thirty kilometers per hour"),
        ("-5°C and 1°F", "minus five degrees Celsius and one degree Fahrenheit"),
        ("version 2.0.1", "version two point zero point one"),
        ("No. 5 and #7", "number five and number seven"),
        ("Dr. Smith vs. Mr. Jones etc.", "Doctor Smith versus Mister Jones et cetera."),
        ("B2B", "B two B"),
        ("R&B", "R and B"),
        ("a@b.com", "a at b.com"),
        ("2+2=4", "two plus two equals four"),
    ],
)
def test_figures_and_signs_become_words(written: str, said: str) -> None:
    assert expand(written) == said


@pytest.mark.parametrize("text", ["Hello, world.", "no numbers here", "naïve café", "is it 안녕?"])
def test_words_stay_as_they_are(text: str) -> None:
    assert expand(text) == text
