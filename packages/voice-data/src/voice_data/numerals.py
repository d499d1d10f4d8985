"""English words for numbers: cardinals, ordinals, years, decimals, clock times, money.

Small on purpose: the libraries that do this cost seconds at import.
"""

from __future__ import annotations

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = (
    *("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion"),
    *("sextillion", "septillion", "octillion", "nonillion", "decillion"),
)
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LONGEST = 3 * len(_SCALES)  # figures in the largest number that has a name here
_FRACTIONS = {2: ("half", "halves"), 4: ("quarter", "quarters")}


def cardinal(number: int) -> str:
    """One, two, three. Numbers too long to have a name are read digit by digit.

    >>> cardinal(1_234)
    'one thousand two hundred thirty-four'
    """
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number >= 10**_LONGEST:
        return digits(str(number))
    if number == 0:
        return _SMALL[0]
    groups: list[str] = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(f"{_below_thousand(group)} {scale}".strip())
        if not number:
            break
    return " ".join(reversed(groups))


def ordinal(number: int) -> str:
    """First, second, third.

    >>> ordinal(21)
    'twenty-first'
    """
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _IRREGULAR:
        return head + _IRREGULAR[last]
    return head + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(number: int) -> str:
    """A year from 1000 to 9999, as it is said.

    >>> year(1905), year(2004), year(2024)
    ('nineteen oh five', 'two thousand four', 'twenty twenty-four')
    """
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {_two_digits(rest)}"


def decade(number: int) -> str:
    """The plural of a round year.

    >>> decade(1990), decade(80)
    ('nineteen nineties', 'eighties')
    """
    words = year(number) if number >= 1000 else cardinal(number)
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def decimal(text: str) -> str:
    """A number with an optional fraction; the digits after the point are read singly.

    >>> decimal("3.14"), decimal(".5")
    ('three point one four', 'zero point five')
    """
    whole, _, rest = text.partition(".")
    words = _whole(whole)
    return f"{words} point {digits(rest)}" if rest else words


def fraction(top: int, bottom: int) -> str:
    """Halves, quarters and the rest.

    >>> fraction(1, 2), fraction(3, 4), fraction(2, 3)
    ('one half', 'three quarters', 'two thirds')
    """
    one, many = _FRACTIONS.get(bottom, (ordinal(bottom), f"{ordinal(bottom)}s"))
    return f"{cardinal(top)} {one if top == 1 else many}"


def clock(hours: int, minutes: int) -> str:
    """A time of day.

    >>> clock(3, 0), clock(3, 5), clock(3, 45)
    ("three o'clock", 'three oh five', 'three forty-five')
    """
    if minutes == 0:
        return (
            f"{cardinal(hours)} o'clock" if 1 <= hours <= 12 else f"{cardinal(hours)} hundred hours"
        )
    return f"{cardinal(hours)} {_two_digits(minutes)}"


def money(amount: str, unit: tuple[str, str], part: tuple[str, str] | None) -> str:
    """An amount of ``unit`` (one, many) and its hundredths ``part``, None where it has none.

    >>> money("1.50", ("dollar", "dollars"), ("cent", "cents"))
    'one dollar and fifty cents'
    """
    whole, _, rest = amount.partition(".")
    if len(rest) != 2 or part is None:
        return f"{decimal(amount)} {unit[0] if amount == '1' else unit[1]}"
    major = f"{_whole(whole)} {unit[0] if whole == '1' else unit[1]}"
    minor = f"{cardinal(int(rest))} {part[0] if int(rest) == 1 else part[1]}"
    if int(rest) == 0:
        return major
    return f"{major} and {minor}" if whole.strip("0") else minor


def digits(text: str) -> str:
    """Each digit by its name.

    >>> digits("007")
    'zero zero seven'
    """
    return " ".join(_SMALL[int(digit)] for digit in text)


def _whole(text: str) -> str:
    """The cardinal of a run of figures, or its digits where no name is long enough."""
    return digits(text) if len(text) > _LONGEST else cardinal(int(text or 0))


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    parts = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest:
        parts.append(_below_hundred(rest))
    return " ".join(parts)


def _below_hundred(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]}-{_SMALL[ones]}" if ones else _TENS[tens]


def _two_digits(number: int) -> str:
    return f"oh {_SMALL[number]}" if number < 10 else _below_hundred(number)
