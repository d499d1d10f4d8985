"""English fragments thrown together as people do."""

from __future__ import annotations

import random

from voice_hypernet import people_en
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
}  # fmt: skip
_JOINTS = (", ", ", ", ", ", " ", " ", ". ", " and ", " - ", "; ", " but ", " / ")
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
                     _noun(rng, before, draft.head))  # fmt: skip
    if rng.random() < 0.25:
        parts.insert(rng.randint(1, len(parts)), _pick(rng, people_en.CONTEXTS))
    text = parts[0]
    for part in parts[1:]:
        joint = rng.choice(_JOINTS)
        text += joint + (part[:1].upper() + part[1:] if joint == ". " else part)
    if rng.random() < 0.3:
        text = f"{_pick(rng, people_en.OPENERS)} {text}"
    if rng.random() < 0.12:
        text = f"{text}{rng.choice((' ', ', '))}{_pick(rng, people_en.CLOSERS)}"
    return text + rng.choice(("", "", ".", ".", "!"))


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
    if head[0] and rng.random() < 0.06:
        other = ("female" if head[0] == "male" else "male", head[1])
        noun += f", not a {_pick(rng, people_en.HEADS[other])}"
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
