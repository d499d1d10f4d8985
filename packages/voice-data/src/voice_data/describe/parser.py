"""From wording back to tags, for generated sentences and for what people write.

Letters: N words. The longest known phrase wins, from left to right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from voice_data.describe import lexicon_en, lexicon_ko, people_en, people_ko
from voice_data.describe.hangul import forms
from voice_data.describe.tags import Tags, values_of
from voice_data.describe.words import Lexicon

_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|[\uac00-\ud7a30-9a-z]+|[^\w\s]")
_LONGEST = 7  # words
_VERY_WORDS = (
    "very really extremely super incredibly so exceptionally too "
    "아주 매우 몹시 무척 굉장히 정말 너무 엄청 상당히 훨씬"
)
_NOT_WORDS = "not no never without isn't doesn't don't neither nor aren't hardly 안"
_FILLERS = "a an the any at all overly be been of sounding particularly"
_PARTICLE_WORDS = (
    "이 가 은 는 을 를 의 로 으로 과 와 도 만 에 다 이다 입니다 이에요 예요 인 이고 이며 한 "
    "같은 이면 면 처럼 이나 나 요 이요 으로만 에게 들 이랑 랑 하고 톤 로요"
)
_VERY, _NOT = frozenset(_VERY_WORDS.split()), frozenset(_NOT_WORDS.split())
_BETWEEN = _VERY | frozenset(_FILLERS.split())
_PARTICLES = sorted(_PARTICLE_WORDS.split(), key=len, reverse=True)
_LATER_NOT = re.compile(r"지(?:도|는)?$")
_REFUSED = re.compile(r"(?:않|말|마).*")
_PAST = re.compile(r"(?:이었|였).*$")
Meaning = tuple[tuple[str, str], ...]


class Contradiction(NamedTuple):
    """Words that exclude each other; the first one counts."""

    tag: str
    values: tuple[str, ...]
    words: tuple[str, ...]

    def __str__(self) -> str:
        said = " and ".join(repr(word) for word in self.words)
        return f"{said} exclude each other ({self.tag}): {self.values[0]} is taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What was understood of a description; ``language`` is "" if it is neither en nor ko."""

    tags: Tags
    contradictions: tuple[Contradiction, ...]
    language: str


class Hit(NamedTuple):
    """A phrase that was recognised."""

    words: str
    meaning: Meaning
    very: bool


def parse(text: str, language: str | None = None) -> Parsed:
    """The tags that ``text`` mentions, in English or Korean.

    Pitch words mean the pitch within the gender where the text names one, as in
    :func:`voice_data.describe.sentences`. Of words on the same side ("low, very low") the stronger
    counts; words that exclude each other are reported, and the first is taken. What is negated
    ("not too fast") is left out.

    >>> parse("a deep, calm man").tags.to_list()
    ['gender=male', 'relative_pitch=low', 'range=narrow']
    >>> print(parse("a deep high voice").contradictions[0])
    'deep' and 'high' exclude each other (pitch): low is taken
    """
    found = language or _language(text)
    if found not in _LEXICONS:
        return Parsed(tags=Tags(), contradictions=(), language=found)
    said: dict[str, list[tuple[str, str]]] = {}
    for hit in _hits(_tokens(text), found):
        for name, value in hit.meaning:
            said.setdefault(name, []).append((_stronger(name, value, hit.very), hit.words))
    if "gender" in said and "pitch" in said:
        said["relative_pitch"] = said.pop("pitch")
    clashes = [clash for name, values in said.items() if (clash := _clash(name, values))]
    tags = {name: _settled(name, [value for value, _ in values]) for name, values in said.items()}
    return Parsed(tags=Tags(**tags), contradictions=tuple(clashes), language=found)


_LEXICONS = {"en": lexicon_en.LEXICON, "ko": lexicon_ko.LEXICON}
_PEOPLE = {"en": people_en, "ko": people_ko}


@lru_cache(maxsize=2)
def _table(language: str) -> dict[tuple[str, ...], Meaning]:
    """Phrases as words, and what they mean; a last word with ``~`` goes on in any way."""
    people = _PEOPLE[language]
    table: dict[tuple[str, ...], Meaning] = {}
    for lexicon in (_LEXICONS[language], people.NOUNS):
        for name, value, phrase in _phrases(lexicon, language):
            key = tuple(_tokens(phrase))
            if (name, value) not in table.get(key, ()):
                table[key] = (*table.get(key, ()), (name, value))
    table.update((tuple(_tokens(phrase)), ()) for phrase in people.STOP.split("|"))
    return table


def _phrases(lexicon: Lexicon, language: str) -> Iterator[tuple[str, str, str]]:
    for name, values in lexicon.items():
        if name == "relative_pitch":
            continue
        for value, words in values.items():
            for _, phrase in words.all():
                if language == "ko" and phrase.endswith("다"):
                    yield from ((name, value, form) for form in forms(phrase))
                    continue
                yield name, value, phrase
                if phrase.startswith(("a ", "an ")):
                    yield name, value, phrase.partition(" ")[2]


def _hits(words: Sequence[str], language: str) -> Iterator[Hit]:
    """Known phrases from left to right, without the negated ones."""
    place = 0
    while place < len(words):
        length, meaning = _longest(words, place, language)
        if not length:
            place += 1
            continue
        end = place + length
        if meaning and not _is_negated(words, place, end):
            very = place > 0 and words[place - 1] in _VERY
            yield Hit(" ".join(words[place:end]), meaning, very)
        place = end


def _longest(words: Sequence[str], place: int, language: str) -> tuple[int, Meaning]:
    table = _table(language)
    for length in range(min(_LONGEST, len(words) - place), 0, -1):
        key = tuple(words[place : place + length])
        for variant in _variants(key) if language == "ko" else (key,):
            if variant in table:
                return length, table[variant]
    return 0, ()


def _variants(key: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A Korean phrase as it is, without a particle, and as the beginning of an open form."""
    yield key
    *rest, last = key
    for particle in _PARTICLES:
        if last.endswith(particle) and len(last) > len(particle):
            yield (*rest, last.removesuffix(particle))
    if _PAST.search(last):
        yield (*rest, _PAST.sub("", last))
    for length in range(len(last), 0, -1):
        yield (*rest, last[:length] + "~")


def _is_negated(words: Sequence[str], place: int, end: int) -> bool:
    before = place - 1
    while before >= 0 and words[before] in _BETWEEN:
        before -= 1
    if before >= 0 and words[before] in _NOT:
        return True
    follows = end < len(words) and _REFUSED.fullmatch(words[end])
    return bool(follows and _LATER_NOT.search(words[end - 1]))


def _stronger(name: str, value: str, very: bool) -> str:
    """One step outwards, where the scale has one: "very" and "low" are very low."""
    stronger = f"very {value}"
    return stronger if very and stronger in values_of(name) else value


def _clash(name: str, said: Sequence[tuple[str, str]]) -> Contradiction | None:
    values = tuple(dict.fromkeys(value for value, _ in said))
    if _agree(name, values):
        return None
    words = tuple(next(word for value, word in said if value == kept) for kept in values)
    return Contradiction(name, values, words)


def _settled(name: str, values: Sequence[str]) -> str:
    if not _agree(name, values):
        return values[0]
    scale = values_of(name)
    middle = (len(scale) - 1) / 2
    return max(values, key=lambda value: abs(scale.index(value) - middle))


def _agree(name: str, values: Sequence[str]) -> bool:
    """Whether all values lie on one side of the scale."""
    scale = values_of(name)
    middle = (len(scale) - 1) / 2
    places = {scale.index(value) - middle for value in values}
    return len(places) == 1 or all(at < 0 for at in places) or all(at > 0 for at in places)


def _tokens(text: str) -> list[str]:
    """Lower-case words and punctuation; a hyphen divides words."""
    plain = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'").replace("-", " ")
    opened = _TOKEN.findall(plain.replace("~", ""))
    return _reopened(plain, opened)


def _reopened(plain: str, words: list[str]) -> list[str]:
    return [*words[:-1], words[-1] + "~"] if words and plain.endswith("~") else words


def _language(text: str) -> str:
    if _HANGUL.search(text):
        return "ko"
    words = _tokens(text)
    known = any(_longest(words, place, "en")[0] for place in range(len(words)))
    return "en" if known or re.search(r"\b(?:the|a|an|voice|speak|speaker|with)\b", text) else ""
