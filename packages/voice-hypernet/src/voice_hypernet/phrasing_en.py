"""English fragments thrown together as people do."""

from __future__ import annotations

import random
import re

from voice_hypernet import cast_en, people_en
from voice_hypernet.wording import Draft, Fragment

_FORMS = {
    "voice": ("{}", "{}", "sounding {}", "whose voice is {}", "{} voice", "the voice is {}",
              "sounds {}", "a {} tone", "{} sounding", "make it {}", "in a {} voice",
              "{possessive} voice is {}", "{pronoun} sounds {}"),
    "person": ("{}", "sounding {}", "who is {}", "{} type", "is {}", "someone {}",
               "{pronoun} is {}"),
    "thing": ("with {}", "with {}", "has {}", "{}", "and {}", "having {}", "there is {}",
              "{pronoun} has {}"),
    "manner": ("speaking {}", "talks {}", "{}", "who speaks {}", "read it {}", "speak {}",
               "says things {}", "reading {}", "talking {}", "speaks {}",
               "{pronoun} talks {}", "{pronoun} speaks {}"),
    "clause": ("who {}", "{}", "that {}", "{pronoun} {}", "{pronoun} {}", "one who {}"),
    "heard": ("{}", "{}", "kind of {}", "{}!", "think {}", "({})", "more {}"),
    "likeness": ("like a {}", "like a {}", "sounds like a {}", "a {} of a voice", "some {}",
                 "talks like a {}", "as if a {} spoke", "a human {}", "a {} in human form",
                 "reminiscent of a {}", "{}-like", "more {} than human", "think of a {}",
                 "has something of a {}", "who is basically a {}", "a {} of a talker",
                 "a {}'s voice", "makes one think of a {}", "could be a {}", "a regular {}"),
    "plain": ("{}",),
}  # fmt: skip
_JOINTS = (", ", ", ", ", ", " ", " ", ". ", " and ", " - ", "; ", " but ", " / ")
_ASIDES = {
    "male": "bless him|that is how he talks|about his day|I like his style|with a beard|he says"
    "|you know him|him again|when he reads|in his own way|his wife says so|poor guy"
    "|he is at it again|what a man|his words|listen to him|just him|his usual self",
    "female": "bless her|that is how she talks|about her day|I like her style|in her best dress"
    "|she says|you know her|her again|when she reads|in her own way|poor woman"
    "|her husband says so|she is at it again|what a lady|her words|listen to her|just her"
    "|her usual self",
}
_INSTEAD = (
    "{}, not a {}",
    "{} instead of a {}",
    "{} rather than a {}",
    "{}, no {} this time",
    "{}; we had a {} before",
    "{} now, the last one was a {}",
    "{} (definitely not a {})",
    "{} where I asked for a {} before",
)
_PRONOUN = {"male": "he", "female": "she", "": "the speaker"}
_POSSESSIVE = {"male": "his", "female": "her", "": "the"}


def compose(rng: random.Random, draft: Draft) -> str:
    """The fragments about a head, in any order."""
    said = list(draft.said)
    before = [f for f in said if f.role in ("voice", "person")][: rng.randint(0, 3)]
    parts = [_rendered(rng, f, draft.head[0]) for f in said if f not in before]
    parts += [_deny(rng, fragment) for fragment in draft.denied]
    rng.shuffle(parts)
    if before or draft.head != ("", "") or rng.random() < 0.6 or not parts:
        parts.insert(0 if rng.random() < 0.7 else rng.randint(0, len(parts)),
                     _named(rng, before, draft))  # fmt: skip
    if rng.random() < 0.25:
        parts.insert(rng.randint(1, len(parts)), _pick(rng, people_en.CONTEXTS))
    if draft.head[0] and rng.random() < 0.12:
        parts.insert(rng.randint(1, len(parts)), _pick(rng, _ASIDES[draft.head[0]]))
    text = parts[0]
    for part in parts[1:]:
        joint = rng.choice(_JOINTS)
        text += joint + (part[:1].upper() + part[1:] if joint == ". " else part)
    if rng.random() < 0.3:
        text = f"{_pick(rng, people_en.OPENERS)} {text}"
    if rng.random() < 0.12:
        text = f"{text}{rng.choice((' ', ', '))}{_pick(rng, people_en.CLOSERS)}"
    text = re.sub(r"\b([aA]) (?=[aeiou])", r"\1n ", text)
    return text + rng.choice(("", "", ".", ".", "!"))


def _named(rng: random.Random, before: list[Fragment], draft: Draft) -> str:
    """The head, or the figure that stands for it."""
    if not draft.figure:
        return _noun(rng, before, draft.head)
    words = ", ".join(_emphasised(rng, fragment) for fragment in before)
    form = rng.choice(
        (
            "{}",
            "{}",
            "like {}",
            "someone like {}",
            "{}'s voice",
            "the voice of {}",
            "as {} would",
            "{} style",
            "sounds like {}",
            "in the manner of {}",
        )
    )
    named = form.format(draft.figure)
    return f"{words}, {named}" if words else named


def _noun(rng: random.Random, before: list[Fragment], head: tuple[str, str]) -> str:
    if head[0] and not (before or head[1]) and rng.random() < 0.1:
        return rng.choice((_PRONOUN[head[0]], f"{_POSSESSIVE[head[0]]} voice"))
    nouns = people_en.HEADS[head].split("|")
    if rng.random() < 0.35:
        from voice_data.describe import people_en as plain

        nouns = [*plain.HEADS[head].split("|"), *plain.VOICES[head].split("|")]
    words = [_emphasised(rng, fragment) for fragment in before]
    if rng.random() < 0.2:
        words.insert(rng.randint(0, len(words)), _pick(rng, people_en.PLAIN))
    noun = rng.choice(nouns)
    if head[0] and not head[1] and rng.random() < 0.2:
        noun = rng.choice(cast_en.MARKED[head[0]]).format(_pick(rng, cast_en.TRADES))
    if head[0] and rng.random() < 0.1:
        other = ("female" if head[0] == "male" else "male", head[1])
        denied = _pick(rng, people_en.HEADS[rng.choice((other, (other[0], "")))])
        if rng.random() < 0.4:
            denied = "man" if other[0] == "male" else "woman"
        noun = rng.choice(_INSTEAD).format(noun, denied)
    joint = rng.choice((", ", ", ", " ", " and "))
    whole = f"{joint.join(words)} {noun}".strip()
    article = rng.choice(("a", "a", "a", "the", "the voice of a", "like a", "", "", "some", "an old"
                          if head[1] == "elderly" else "this"))  # fmt: skip
    if article.endswith("a") and whole[:1].lower() in "aeiou":
        article += "n"
    return f"{article} {whole}".strip()


def _rendered(rng: random.Random, fragment: Fragment, gender: str) -> str:
    words = _emphasised(rng, fragment)
    form = rng.choice(_FORMS[fragment.role])
    return form.replace("{}", words).format(
        pronoun=_PRONOUN[gender], possessive=_POSSESSIVE[gender]
    )


def _emphasised(rng: random.Random, fragment: Fragment) -> str:
    if not fragment.emphasis:
        return fragment.words
    words = people_en.STRONG if fragment.emphasis > 0 else people_en.WEAK
    return f"{_pick(rng, words)} {fragment.words}"


def _deny(rng: random.Random, fragment: Fragment) -> str:
    return f"{_pick(rng, people_en.NOT)} {fragment.words}"


def _pick(rng: random.Random, options: str) -> str:
    return rng.choice(options.split("|"))
