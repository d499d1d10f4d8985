"""Hindi text as it is said: numbers, money and shares become words.

A table, because the names up to a hundred follow no rule, and because it is imported wherever text
is read.
"""

from __future__ import annotations

import re
import unicodedata

_NAMES = (
    "शून्य एक दो तीन चार पाँच छह सात आठ नौ "
    "दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस "
    "बीस इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस "
    "तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस "
    "चालीस इकतालीस बयालीस तैंतालीस चौवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास "
    "पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ "
    "साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर "
    "सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उनासी "
    "अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी "
    "नब्बे इक्यानवे बानवे तिरानवे चौरानवे पंचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे"
)
_SMALL = _NAMES.split()
_SCALES = ((10**7, "करोड़"), (10**5, "लाख"), (1000, "हज़ार"), (100, "सौ"))
_LONGEST = 12
"""Figures in the largest number that is read as one."""
_NUMBER = re.compile(r"(₹\s*)?(\d+(?:,\d+)*)(?:\.(\d+))?(\s*%)?")


def cardinal(number: int) -> str:
    """एक, दो, तीन; by lakh and crore. Larger numbers are read digit by digit.

    >>> cardinal(1_25_000)
    'एक लाख पच्चीस हज़ार'

    Raises:
        ValueError: if the number is negative.
    """
    if number < 0:
        raise ValueError(f"the number must not be negative: {number}")
    if number >= 10**_LONGEST:
        return digits(str(number))
    if number < 100:
        return _SMALL[number]
    for scale, name in _SCALES:
        if number >= scale:
            count, rest = divmod(number, scale)
            tail = f" {cardinal(rest)}" if rest else ""
            return f"{cardinal(count)} {name}{tail}"
    raise ValueError(f"no name for {number}")


def digits(figures: str) -> str:
    """Each figure by itself.

    >>> digits("108")
    'एक शून्य आठ'
    """
    return " ".join(_SMALL[int(figure)] for figure in figures)


def expand(text: str) -> str:
    """Numbers in Devanagari or European figures, with ₹ and %, as words.

    >>> expand("₹1,25,000 में से 12.5%, कुल २० किलो")
    'एक लाख पच्चीस हज़ार रुपये में से बारह दशमलव पाँच प्रतिशत, कुल बीस किलो'
    """
    return _NUMBER.sub(_spoken, "".join(map(_european, text)))


def _european(character: str) -> str:
    figure = unicodedata.decimal(character, None)
    return character if figure is None else str(figure)


def _spoken(found: re.Match[str]) -> str:
    money, whole, part, share = found.groups()
    whole = whole.replace(",", "")
    leading = len(whole) > 1 and whole[0] == "0"  # a telephone or a code
    words = [digits(whole) if leading else cardinal(int(whole))]
    if part:
        words += ["दशमलव", digits(part)]
    if share:
        words.append("प्रतिशत")
    if money:
        words.append("रुपया" if whole == "1" and not part else "रुपये")
    return _apart(found, " ".join(words))


def _apart(found: re.Match[str], words: str) -> str:
    """With a space where a letter touches the figures."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return f"{' ' * before.isalpha()}{words}{' ' * after.isalpha()}"
