"""Freely worded descriptions with the tags they imply: what the description encoder learns from.

``voice_data.describe`` writes proper sentences from a grammar; here its words and those of
``wording_en`` and ``wording_ko`` fall into any order, among names, places, denials, slips of the
keyboard and words that say nothing. For training only.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from voice_data.describe import Tags, sentences
from voice_data.describe.tags import NAMES, values_of
from voice_data.describe.words import Lexicon
from voice_hypernet.contrast import SIDES, turned
from voice_hypernet.understanding import CLASH

LANGUAGES = ("en", "ko")
_SPOKEN = {"pitch": 0.5, "rate": 0.5, "range": 0.28, "loudness": 0.15, "brightness": 0.18,
           "breathiness": 0.12, "roughness": 0.14, "recording": 0.05}  # fmt: skip
_MIDDLING, _MOST_SAID = ("medium", "neutral", "fair"), 5
_NEIGHBOURS = dict(zip("abcdefghijklmnopqrstuvwxyz", "snvfrgyjohkljbipwatyqicztx", strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Worded:
    """A description and what it says; ``labels`` maps attributes to values, or to
    ``contradictory:VALUE`` with the first of the values that exclude each other."""

    text: str
    language: str
    labels: Mapping[str, str]


class Fragment(NamedTuple):
    """A piece of wording, its grammatical role, and how it is strengthened (1), weakened (-1)."""

    role: str
    words: str
    emphasis: int = 0


class Draft(NamedTuple):
    """What a composer is given: fragments to say, some to deny, and whom they are about.

    ``figure`` is somebody whose voice is known, in place of a noun for the head.
    """

    said: Sequence[Fragment]
    denied: Sequence[Fragment]
    head: tuple[str, str]
    figure: str = ""


def worded(rng: random.Random, language: str) -> Worded:
    """One description: a quarter from the grammar of ``voice_data.describe``, the rest freer.

    >>> first = worded(random.Random(0), "en")
    >>> first == worded(random.Random(0), "en")
    True
    """
    labels = drawn(rng)
    if rng.random() < 0.25 and labels:
        return _grammatical(rng, language, labels)
    return free(rng, language, labels)


def drawn(rng: random.Random) -> dict[str, str]:
    """What to say: a value for each of a few attributes; the ordinary values are rarer."""
    labels = {}
    if rng.random() < 0.62:
        labels["gender"] = rng.choice(NAMES["gender"])
    if rng.random() < 0.22:
        labels["age"] = rng.choice(NAMES["age"])
    names = [name for name, share in _SPOKEN.items() if rng.random() < share]
    rng.shuffle(names)
    for name in names[:_MOST_SAID]:
        values = values_of(name)
        weights = [0.35 if value in _MIDDLING else 1.0 for value in values]
        labels[name] = rng.choices(values, weights)[0]
    return labels


def free(rng: random.Random, language: str, labels: Mapping[str, str]) -> Worded:
    """A free wording of ``labels``; some come out stronger, as a clash, or with others denied."""
    found = dict(labels)
    said, clashing = [], {}
    figure, implied = _figure(rng, language, labels)
    for name, value in labels.items():
        if name in NAMES or (name in implied and rng.random() < 0.6):
            continue
        if value in SIDES.get(name, ()) and rng.random() < 0.2:
            said.append(_turned(rng, language, name, value))
            continue
        fragment, found[name] = _fragment(rng, language, name, value)
        said.append(fragment)
        if rng.random() < 0.12:  # said twice, in other words
            said.append(Fragment(*rng.choice(phrases(language)[name, value])))
        elif rng.random() < 0.05 and (other := _opposite(rng, name, value)):
            said.append(Fragment(*rng.choice(phrases(language)[name, other])))
            clashing[name] = ((found[name], fragment.words), (other, said[-1].words))
    denied = [_denied(rng, language, found) for _ in range(rng.random() < 0.15)]
    rng.shuffle(said)
    head = (labels.get("gender", ""), labels.get("age", ""))
    text = _composer(language)(rng, Draft(said, [d for d in denied if d], head, figure))
    for name, claims in clashing.items():
        first = min(claims, key=lambda claim: text.find(claim[1].removesuffix("다")) % len(text))
        found[name] = f"{CLASH}:{first[0]}"
    return Worded(text=slipped(rng, text, language), language=language, labels=found)


@lru_cache(maxsize=2)
def phrases(language: str) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Every phrase of an attribute's value with its role, of both lexicons."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for lexicon in lexicons(language):
        for name, values in lexicon.items():
            for value, words in values.items():
                if name in _SPOKEN:
                    kept = (pair for pair in words.all() if not pair[1].endswith("~"))
                    found.setdefault((name, value), []).extend(kept)
    for where, things in _likened(language).items():
        found[where].extend(("likeness", thing) for thing in things.split("|"))
    return found


def vocabulary(language: str) -> set[str]:
    """Everything that training can say, phrase by phrase: attributes, people, places, fillers."""
    from voice_data.describe import people_en as sentence_en
    from voice_data.describe import people_ko as sentence_ko
    from voice_hypernet import cast_en, cast_ko, people_en, people_ko

    free_people, people = {
        "en": (
            people_en,
            [sentence_en.HEADS, sentence_en.VOICES, people_en.HEADS, cast_en.FIGURES],
        ),
        "ko": (people_ko, [sentence_ko.HEADS, people_ko.HEADS, cast_ko.FIGURES]),
    }[language]
    fillers = (free_people.PLAIN, free_people.CONTEXTS, free_people.OPENERS, free_people.CLOSERS)
    fillers = (*fillers, (cast_ko if language == "ko" else cast_en).TRADES)
    texts = [*fillers, *(text for heads in people for text in heads.values())]
    found = {phrase for text in texts for phrase in text.split("|")}
    return found | {phrase for pairs in phrases(language).values() for _, phrase in pairs}


def lexicons(language: str) -> tuple[Lexicon, ...]:
    """The words of ``voice_data.describe``, and those written for this package."""
    from voice_data.describe import lexicon_en, lexicon_ko
    from voice_hypernet import idiom_en, idiom_ko, wording_en, wording_ko

    if language == "ko":
        return lexicon_ko.LEXICON, wording_ko.LEXICON, idiom_ko.LEXICON
    return lexicon_en.LEXICON, wording_en.LEXICON, idiom_en.LEXICON


def slipped(rng: random.Random, text: str, language: str) -> str:
    """The text as it might be typed: sometimes with slips, in other case, without its spaces."""
    if rng.random() < 0.25:
        words = text.split(" ")
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(len(words))
            words[at] = typo(rng, words[at])
        text = " ".join(words)
    if language == "ko":
        return text.replace(" ", "") if rng.random() < 0.05 else text
    cased = rng.random()
    if cased < 0.4:
        return text.lower()
    if cased < 0.45:
        return text.upper()
    return text.title() if cased < 0.48 else text[:1].upper() + text[1:]


def typo(rng: random.Random, word: str) -> str:
    """One letter (of Hangul: one part of a syllable) lost, doubled, swapped or replaced."""
    letters = unicodedata.normalize("NFD", word)
    if len(letters) < 4:
        return word
    at, kind = rng.randrange(1, len(letters) - 1), rng.randrange(4)
    left, letter, right = letters[:at], letters[at], letters[at + 1 :]
    if kind == 0:
        letter = ""
    elif kind == 1:
        letter += letter
    elif kind == 2:
        letter, right = right[0] + letter, right[1:]
    else:
        letter = _NEIGHBOURS.get(letter.lower(), "")
    return unicodedata.normalize("NFC", left + letter + right)


def _grammatical(rng: random.Random, language: str, labels: Mapping[str, str]) -> Worded:
    tags = dict(labels)
    if "gender" in tags and "pitch" in tags:
        tags["relative_pitch"] = tags["pitch"]
    said = sentences(Tags(**tags), language, 1, rng.randrange(2**31))[0]
    mentioned = said.tags.mentioned
    if "relative_pitch" in mentioned:
        mentioned["pitch"] = mentioned.pop("relative_pitch")
    text = slipped(rng, said.text, language) if rng.random() < 0.3 else said.text
    return Worded(text=text, language=language, labels=mentioned)


def _fragment(rng: random.Random, language: str, name: str, value: str) -> tuple[Fragment, str]:
    """Words for a value, and the value that they have with "very" before them."""
    role, words = rng.choice(phrases(language)[name, value])
    plain = role in ("voice", "person") and not value.startswith("very ") and " " not in words
    stronger, draw = f"very {value}", rng.random()
    if plain and draw < 0.12 and stronger in values_of(name):
        return Fragment(role, words, 1), stronger
    if plain and draw < 0.2 and value not in _MIDDLING:
        return Fragment(role, words, -1), value
    return Fragment(role, words), value


def _turned(rng: random.Random, language: str, name: str, value: str) -> Fragment:
    """Words for a value that name the other side of its scale."""
    low, high = SIDES[name]
    other = high if value == low else low
    pairs = [pair for pair in phrases(language)[name, other] if pair[0] == "voice"]
    return Fragment("plain", turned(rng, language, name, rng.choice(pairs)[1], other).words)


def _figure(
    rng: random.Random, language: str, labels: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    """Sometimes somebody whose voice is what the labels say, and which of them that implies."""
    fit = [each for each in _figures(language) if each[1].items() <= labels.items()]
    if not fit or rng.random() < 0.5:
        return "", {}
    names, implied = rng.choice(fit)
    return rng.choice(names), implied


@lru_cache(maxsize=2)
def _figures(language: str) -> list[tuple[list[str], dict[str, str]]]:
    from voice_hypernet import cast_en, cast_ko

    figures = cast_ko.FIGURES if language == "ko" else cast_en.FIGURES
    return [
        (names.split("|"), dict(re.findall(r"(\w+)=(.+?)(?= \w+=|$)", said)))
        for said, names in figures.items()
    ]


def _likened(language: str) -> Mapping[tuple[str, str], str]:
    from voice_hypernet import idiom_en, idiom_ko

    return idiom_ko.THINGS if language == "ko" else idiom_en.THINGS


def _denied(rng: random.Random, language: str, found: Mapping[str, str]) -> Fragment | None:
    names = [name for name in _SPOKEN if name not in found]
    if not names:
        return None
    name = rng.choice(names)
    value = rng.choice([value for value in values_of(name) if value not in _MIDDLING])
    pairs = [pair for pair in phrases(language)[name, value] if pair[0] in ("voice", "person")]
    pairs = [pair for pair in pairs if not pair[1].startswith(("not", "no "))]
    return Fragment(*rng.choice(pairs)) if pairs else None


def _opposite(rng: random.Random, name: str, value: str) -> str:
    """A value on the other side of the scale, or "" for the middle."""
    values = values_of(name)
    middle = (len(values) - 1) / 2
    side = values.index(value) - middle
    if value in _MIDDLING or abs(side) < 0.5:
        return ""
    other = [v for v in values if (values.index(v) - middle) * side < 0 and v not in _MIDDLING]
    return rng.choice(other) if other else ""


def _composer(language: str) -> Callable[[random.Random, Draft], str]:
    from voice_hypernet import phrasing_en, phrasing_ko

    return phrasing_ko.compose if language == "ko" else phrasing_en.compose
