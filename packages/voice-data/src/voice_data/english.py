"""English text as it is said: numbers, money, times, units and abbreviations become words."""

from __future__ import annotations

import re
from collections.abc import Callable

from voice_data import numerals

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<![\d.])\.\d+"
_CURRENCIES: dict[str, tuple[tuple[str, str], tuple[str, str] | None]] = {
    "$": (("dollar", "dollars"), ("cent", "cents")),
    "€": (("euro", "euros"), ("cent", "cents")),
    "£": (("pound", "pounds"), ("penny", "pence")),
    "₹": (("rupee", "rupees"), ("paisa", "paise")),
    "¥": (("yen", "yen"), None),
    "₩": (("won", "won"), None),
}
_UNITS = {
    "km/h": "kilometers per hour",
    "mph": "miles per hour",
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "m": "meters",
    "ft": "feet",
    "kg": "kilograms",
    "mg": "milligrams",
    "g": "grams",
    "lb": "pounds",
    "lbs": "pounds",
    "oz": "ounces",
    "ml": "milliliters",
    "Hz": "hertz",
    "kHz": "kilohertz",
    "MHz": "megahertz",
    "GHz": "gigahertz",
    "KB": "kilobytes",
    "MB": "megabytes",
    "GB": "gigabytes",
    "ms": "milliseconds",
    "°C": "degrees Celsius",
    "°F": "degrees Fahrenheit",
    "°": "degrees",
}
_TITLES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Dr": "Doctor",
    "Prof": "Professor",
    "Gen": "General",
    "Col": "Colonel",
    "Capt": "Captain",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Rev": "Reverend",
    "St": "Saint",
}
_SHORT = {
    "e.g.": "for example",
    "i.e.": "that is",
    "etc.": "et cetera",
    "vs.": "versus",
    "approx.": "approximately",
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = "|".join(_MONTHS)
_YEAR_CUE = re.compile(
    rf"(?:\b(?:in|since|until|till|by|from|before|after|during|year|circa|early|late|mid|of|to|and|{_MONTH}),?|"
    rf"\b(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?,) $",
    re.IGNORECASE,
)
_COUNTED = re.compile(r" [a-z]+s\b| (?:people|men|women|children|feet|percent|million|billion)\b")
_SENTENCE_END = re.compile(r"\s+[A-Z]|\s*$")
_SYMBOLS = (
    (r" ?& ?", " and "),
    (r"(?<=\w)@(?=\w)", " at "),
    (r" ?= ?", " equals "),
    (r"(?<=[\s\d])\+ ?(?=\w)", " plus "),
    (r"(?<=\w)/(?=\w)|[*_~^`|\\<>{}]", " "),
)


def expand(text: str) -> str:
    """Spell out figures and signs. ``text`` is already free of typographic quotes and dashes.

    >>> expand("Dr. Lee paid $3.50 on the 2nd of May 1984.")
    'Doctor Lee paid three dollars and fifty cents on the second of May nineteen eighty-four.'
    """
    for pattern, rule in _RULES:
        text = pattern.sub(rule, text)
    return text


def _plain(number: str) -> str:
    return number.replace(",", "")


def _title(match: re.Match[str]) -> str:
    return f"{_TITLES[match[1]]} "


def _short(match: re.Match[str]) -> str:
    words = _SHORT[match[0].lower()]
    ends_sentence = words == "et cetera" and _SENTENCE_END.match(match.string, match.end())
    return f"{words}." if ends_sentence else words


def _version(match: re.Match[str]) -> str:
    return match[0].replace(".", " point ")


def _date(match: re.Match[str]) -> str:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    return f"{_MONTHS[month - 1]} {numerals.ordinal(day)}, {numerals.year(year)}"


def _month_day(match: re.Match[str]) -> str:
    return f"{match[1]} {numerals.ordinal(int(match[2]))}" if 1 <= int(match[2]) <= 31 else match[0]


def _money(match: re.Match[str]) -> str:
    unit, part = _CURRENCIES[match[1]]
    amount = _plain(match[2])
    if match[3]:
        return f"{numerals.decimal(amount)} {match[3].lower()} {unit[1]}"
    return numerals.money(amount, unit, part)


_OCLOCK = " o'clock"


def _time(match: re.Match[str]) -> str:
    hours, minutes, half = int(match[1]), int(match[2]), match[3]
    if hours > 24 or minutes > 59:
        return f"{numerals.cardinal(hours)} to {numerals.cardinal(minutes)}"
    words = numerals.clock(hours, minutes)
    if not half:
        return words
    return f"{words.removesuffix(_OCLOCK)} {half.lower()} m"


def _hour(match: re.Match[str]) -> str:
    return f"{numerals.cardinal(int(match[1]))} {match[2].lower()} m"


def _decade(match: re.Match[str]) -> str:
    return numerals.decade(int(match[1]))


def _ordinal(match: re.Match[str]) -> str:
    return numerals.ordinal(int(_plain(match[1])))


def _fraction(match: re.Match[str]) -> str:
    top, bottom = int(match[1]), int(match[2])
    if 0 < top < bottom <= 10:
        return numerals.fraction(top, bottom)
    return f"{numerals.cardinal(top)} over {numerals.cardinal(bottom)}"


def _range(match: re.Match[str]) -> str:
    low, high = match[1], match[2]
    is_phone = (len(low), len(high)) == (3, 4)
    if (int(low) < int(high) or (len(low), len(high)) == (4, 2)) and not is_phone and low[0] != "0":
        return f"{low} to {high}"
    return f"{numerals.digits(low)}, {numerals.digits(high)}"


def _unit(match: re.Match[str]) -> str:
    first, *rest = _UNITS[match[2]].split(" ")
    if match[1] == "1":
        first = "foot" if first == "feet" else first.removesuffix("s")
    return " ".join([match[1], first, *rest])


def _number(match: re.Match[str]) -> str:
    text = _plain(match[0])
    if "." in text:
        return _joined(match, numerals.decimal(text))
    if (text[0] == "0" and len(text) > 1) or (len(text) > 9 and "," not in match[0]):
        return _joined(match, numerals.digits(text))
    if _is_year(match):
        return _joined(match, numerals.year(int(text)))
    return _joined(match, numerals.decimal(text))


def _joined(match: re.Match[str], words: str) -> str:
    """The words, with a space where the figure touched a letter, as in ``B2B``."""
    before, after = (
        match.string[max(0, match.start() - 1) : match.start()],
        match.string[match.end() : match.end() + 1],
    )
    return f"{' ' if before.isalpha() else ''}{words}{' ' if after.isalpha() else ''}"


def _is_year(match: re.Match[str]) -> bool:
    if len(match[0]) != 4 or not 1100 <= int(match[0]) <= 2099:
        return False
    before = match.string[max(0, match.start() - 24) : match.start()]
    return bool(_YEAR_CUE.search(before)) or not _COUNTED.match(match.string, match.end())


def _pattern(source: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    return re.compile(source, re.ASCII | (re.IGNORECASE if ignore_case else 0))


def _alternatives(words: dict[str, str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_HALF = r"([ap])\.?m\b(?:\.(?!\s+(?-i:[A-Z])|\s*$))?"
_Rule = Callable[["re.Match[str]"], str]
_RULES: list[tuple[re.Pattern[str], _Rule | str]] = [
    (_pattern(rf"\b({'|'.join(_TITLES)})\. (?=[A-Z])"), _title),
    (_pattern(rf"(?<!\w)(?:{_alternatives(_SHORT)})", ignore_case=True), _short),
    (_pattern(r"\bNo\. ?(?=\d)|(?<!\w)#(?=\d)"), "number "),
    (_pattern(r"(?:(?<=[\s(])|^)-(?=[.$€£¥₩₹]?\d)"), "minus "),
    (_pattern(r"(?<![\d.])\d+(?:\.\d+){2,}"), _version),
    (_pattern(r"\b([12]\d{3})-(\d\d)-(\d\d)\b"), _date),
    (_pattern(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?![:\d]|[.,]\d)"), _month_day),
    (
        _pattern(
            rf"([{''.join(_CURRENCIES)}]) ?({_NUMBER})(?: (thousand|million|billion|trillion)\b)?"
        ),
        _money,
    ),
    (_pattern(rf"\b(\d{{1,2}}):(\d\d)(?: ?{_HALF})?(?![:\d])", ignore_case=True), _time),
    (_pattern(rf"\b(\d{{1,2}}) ?{_HALF}", ignore_case=True), _hour),
    (_pattern(r"'?\b((?:1[1-9]|20)?\d0)'?s\b"), _decade),
    (_pattern(r"\b(\d{1,3}(?:,\d{3}){1,5}|\d{1,15})(?:st|nd|rd|th)\b", ignore_case=True), _ordinal),
    (_pattern(r"(?<![\d/.])(\d{1,4})/(\d{1,4})(?![\d/])"), _fraction),
    (_pattern(r"(?<![\d.-])(\d{1,4})-(\d{1,4})(?![\d-])"), _range),
    (_pattern(rf"\b(\d[\d,.]{{0,15}}) ?({_alternatives(_UNITS)})(?![A-Za-z])"), _unit),
    (_pattern(r"(?<=\d) ?%"), " percent"),
    *((_pattern(source), words) for source, words in _SYMBOLS),
    (_pattern(_NUMBER), _number),
]
