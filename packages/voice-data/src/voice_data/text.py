"""Text made ready to be spoken: cleaned, spelled out, cut into sentences."""

from __future__ import annotations

import re
import unicodedata

from voice_data import english, hindi

_ASCII = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u2014\u2015", " - "),
        "\u2026": "...",
        "\u00ad": "",
        "\u200b": "",
    }
)
_JOINERS = "\u200c\u200d"  # they shape letters in Hindi, Persian and other scripts
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fb00-\U0001fbff\U000e0000-\U000e007f\u2600-\u27bf\u2190-\u21ff\u2300-\u23ff"
    "\u2b00-\u2bff\u25a0-\u25ff\u20e3\ufe00-\ufe0f\u200d\u3030\u303d\u3297\u3299\u00a9\u00ae\u2122]"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Gen|Col|Lt|Sgt|Capt|Rev|No|vs|e\.g|i\.e)|\b[A-Z])\.$"
)
_SENTENCE_END = re.compile(
    r"[.!?\u2026\u0964\u0965\u061f\u06d4][\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f][\u300d\u300f\u201d]*|\n+"
)
_PAUSES = (
    r"[;:\u061b\uff1b\uff1a](?=\s)|[\uff1b\uff1a]",
    r",(?=\s)|[\u3001\uff0c\u060c](?!$)",
    r"\s",
)


class TextError(ValueError):
    """Text that cannot be spoken; the message says why and what to do."""


def normalize(text: str, language: str = "en") -> str:
    """Text as it is to be spoken, in Unicode NFC.

    Control and direction characters and emoji are dropped and white space is folded in every
    language. In English, typographic quotes and dashes become ASCII, and numbers, money, times,
    units and titles become words, in Hindi numbers, money and shares; other languages are left as
    they are.

    >>> normalize("It\u2019s 3\\u00a0%\u2026")
    "It's three percent..."

    Raises:
        TextError: if ``text`` is not a string or nothing is left to be spoken.
    """
    if not isinstance(text, str):
        raise TextError(f"text must be a string, not {type(text).__name__}")
    cleaned = _cleaned(text, english_only=is_english(language))
    if is_english(language):
        cleaned = _folded(english.expand(cleaned))
    elif is_hindi(language):
        cleaned = _folded(hindi.expand(cleaned))
    if not any(character.isalnum() for character in cleaned):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise TextError(f"there is nothing to speak in {shown!r}: give at least one word")
    return cleaned


def is_english(language: str) -> bool:
    """Whether a language tag such as ``en``, ``en-US`` or ``""`` (the default) means English."""
    return _primary(language) in ("", "en", "eng", "english")


def is_hindi(language: str) -> bool:
    """Whether a language tag such as ``hi`` or ``hi-IN`` means Hindi."""
    return _primary(language) in ("hi", "hin", "hindi")


def _primary(language: str) -> str:
    return language.lower().replace("_", "-").split("-")[0]


def emoji_in(text: str) -> list[str]:
    """The emoji and pictographs of ``text``, in order."""
    return [
        found
        for found in _EMOJI.findall(text)
        if found not in _JOINERS and not "\ufe00" <= found <= "\ufe0f"
    ]


def odd_characters_in(text: str) -> list[str]:
    """Control, direction, private-use, unassigned and replacement characters, in order."""
    return [
        character
        for character in text
        if character == "\ufffd"
        or (
            unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn")
            and character not in _JOINERS + "\n\t"
        )
    ]


def split_sentences(text: str, max_chars: int = 300) -> list[str]:
    """Cut text into sentences; one longer than ``max_chars`` characters is cut at its best pause.

    Nothing is lost but white space. Scripts without spaces are cut at their own stops, or
    between characters.

    >>> split_sentences("Dr. Lee came. He sat!")
    ['Dr. Lee came.', 'He sat!']

    Raises:
        TextError: if ``text`` is not a string or is blank, or ``max_chars`` is below 10.
    """
    if not isinstance(text, str):
        raise TextError(f"text must be a string, not {type(text).__name__}")
    if max_chars < 10:
        raise TextError(f"max_chars must be at least 10, not {max_chars}")
    if not text.strip():
        raise TextError("the text is empty: give at least one word")
    pieces: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text[max(start, match.end() - 8) : match.end()]):
            pieces.append(text[start : match.end()])
            start = match.end()
    pieces.append(text[start:])
    return [part for piece in pieces if piece.strip() for part in _fitted(piece.strip(), max_chars)]


def _cleaned(text: str, *, english_only: bool) -> str:
    text = unicodedata.normalize("NFC", text)
    if english_only:
        text = _EMOJI.sub(" ", text.translate(_ASCII))
    else:
        text = _EMOJI.sub(lambda found: found[0] if found[0] in _JOINERS else " ", text)
    kept = (character for character in text if _is_kept(character, english_only))
    return unicodedata.normalize("NFC", _folded("".join(kept)))


def _is_kept(character: str, english_only: bool) -> bool:
    if character in _JOINERS:
        return not english_only
    return character.isspace() or unicodedata.category(character) not in (
        "Cc",
        "Cf",
        "Co",
        "Cs",
        "Cn",
    )


def _folded(text: str) -> str:
    return " ".join(text.split())


def _fitted(sentence: str, max_chars: int) -> list[str]:
    parts: list[str] = []
    while len(sentence) > max_chars:
        cut = _best_cut(sentence, max_chars)
        parts.append(sentence[:cut].rstrip())
        sentence = sentence[cut:].lstrip()
    return [part for part in [*parts, sentence] if part]


def _best_cut(sentence: str, max_chars: int) -> int:
    """The last strong pause in the second half of what fits, else a weaker one, else anywhere."""
    window = sentence[:max_chars]
    for pause in _PAUSES:
        ends = [match.end() for match in re.finditer(pause, window)]
        if ends and ends[-1] > max_chars // 2:
            return ends[-1]
    cut = max_chars
    while cut > max_chars // 2 and (
        unicodedata.combining(sentence[cut]) or sentence[cut] in _JOINERS
    ):
        cut -= 1
    return cut
