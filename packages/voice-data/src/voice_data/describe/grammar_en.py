"""English descriptions: noun phrases, sentences, orders, requests and lists."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from voice_data.describe.lexicon_en import LEXICON
from voice_data.describe.people_en import HEADS, VOICES
from voice_data.describe.tags import Tags

_PRONOUNS = {"male": ("He", "His"), "female": ("She", "Her")}
_REQUESTS = (
    "I need {}|I want {}|Give me {}|I am looking for {}|Please use {}|Use {}|Let me hear {}"
    "|Make it {}|Can I have {}?|Could it be {}?|Try {}|I would like {}|Generate {}|Create {}"
    "|We are casting {}|Pick {}|It should be {}"
)
_PRESENT = (
    "{}|This is {}|It is {}|You hear {}|Imagine {}|The clip features {}|Here is {}|We hear {}"
    "|Think of {}|What you hear is {}"
)
_SPEAK = (
    "Speak|Talk|Say this|Read this|Please speak|Read it aloud|Deliver this|Say it|Narrate this"
    "|Please read this|Recite this|I want you to speak|You should talk"
)
_WEARS = "with|that has|carrying"
_SUBJECTS = "The speaker|The person|The narrator|This speaker|Whoever is talking"
_VOICES = "The voice|This voice|The speaking voice|That voice"
_HAS = "has|comes with|shows|brings"


class Draft:
    """What is still to be said of a voice, and what has been."""

    def __init__(self, rng: random.Random, tags: Tags) -> None:
        self.rng, self.said = rng, [name for name in ("gender", "age") if getattr(tags, name)]
        self.head = (tags.gender, tags.age)
        self.left = [name for name in tags.mentioned if name not in self.said]
        self._tags = tags
        rng.shuffle(self.left)

    def take(self, role: str, most: int) -> list[str]:
        """Say up to ``most`` of what is left in one role."""
        phrases = []
        for name in list(self.left):
            options = LEXICON[name][getattr(self._tags, name)].of(role)
            if options and len(phrases) < most:
                phrases.append(self.rng.choice(options))
                self.left.remove(name)
                self.said.append(name)
        return phrases

    def pick(self, options: str | Sequence[str]) -> str:
        """One of several, divided by ``|`` where they are one string."""
        return self.rng.choice(options.split("|") if isinstance(options, str) else options)


def compose(rng: random.Random, tags: Tags) -> tuple[str, list[str]]:
    """A sentence and the names of the tags in it."""
    draft = Draft(rng, tags)
    form = rng.choices(_FORMS, _WEIGHTS)[0]
    text = form(draft)
    return _cased(rng, text), draft.said


def person(draft: Draft) -> str:
    """A noun phrase around a person: "a deep, calm man who speaks slowly"."""
    adjectives = draft.take("person", draft.rng.randint(0, 2))
    noun = draft.pick(HEADS[draft.head])
    parts = [_article(", ".join(adjectives) + (" " if adjectives else "") + noun)]
    if things := draft.take("thing", draft.rng.randint(0, 2)):
        parts.append(f"with {_and(things)}")
    if clauses := draft.take("clause", 3):
        parts.append(f"who {_and(clauses)}")
    return " ".join(parts)


def voice(draft: Draft, most: int = 3) -> str:
    """A noun phrase around a voice: "a bright female voice with a fast pace"."""
    adjectives = draft.take("voice", most)
    noun = draft.pick(VOICES[draft.head])
    parts = [_article(", ".join(adjectives) + (" " if adjectives else "") + noun)]
    if things := draft.take("thing", 3):
        parts.append(f"{draft.pick(_WEARS)} {_and(things)}")
    return " ".join(parts)


def _phrase(draft: Draft) -> str:
    return draft.rng.choice((person, voice))(draft)


def _presented(draft: Draft) -> str:
    return draft.pick(_PRESENT).format(_phrase(draft)) + "."


def _request(draft: Draft) -> str:
    text = draft.pick(_REQUESTS).format(_phrase(draft))
    return text if text.endswith("?") else f"{text}{draft.pick(('.', ', please.'))}"


def _order(draft: Draft) -> str:
    manners = draft.take("manner", draft.rng.randint(1, 3))
    verb = draft.pick(_SPEAK)
    start = f"{verb} {_and(manners)}" if manners else verb
    if draft.left or draft.head != ("", ""):
        start += f" {draft.pick('in|using|with')} {voice(draft)}"
    return start + draft.pick((".", ".", ", please."))


def _clauses(draft: Draft) -> str:
    subject = draft.pick(_SUBJECTS)
    if draft.head != ("", ""):
        subject = f"The {draft.pick(HEADS[draft.head])}"
    first = draft.take("clause", 3)
    if not first:
        return _presented(draft)
    text = f"{subject} {_and(first)}."
    pronoun = _PRONOUNS.get(draft.head[0], ("The speaker", "The speaker's"))
    if adjectives := draft.take("voice", 3):
        text += f" {pronoun[1]} voice is {_and(adjectives)}."
    return text


def _predicated(draft: Draft) -> str:
    subject = draft.pick(_VOICES)
    if draft.head != ("", ""):
        subject = f"The {draft.pick(VOICES[draft.head])}"
    adjectives = draft.take("voice", draft.rng.randint(1, 3))
    if not adjectives:
        return _presented(draft)
    text = f"{subject} {draft.pick('is|sounds')} {_and(adjectives)}"
    if things := draft.take("thing", 2):
        text += f" and {draft.pick(_HAS)} {_and(things)}"
    return text + "."


def _listed(draft: Draft) -> str:
    items = draft.take("voice", draft.rng.randint(0, 3))
    items += [_bare(thing) for thing in draft.take("thing", 9)]
    draft.rng.shuffle(items)
    nouns = [*HEADS[draft.head].split("|"), *VOICES[draft.head].split("|")]
    if draft.head != ("", ""):
        items.insert(draft.rng.choice((0, len(items))), draft.pick(nouns))
    return draft.pick((", ", ", ", "; ", " / ")).join(items)


def _spoken(draft: Draft) -> str:
    manners = draft.take("manner", draft.rng.randint(1, 2))
    if not manners:
        return _presented(draft)
    return f"{_phrase_of(draft)} {draft.pick('speaking|talking')} {_and(manners)}"


def _phrase_of(draft: Draft) -> str:
    adjectives = draft.take("person", 3)
    return _article(" ".join([", ".join(adjectives), draft.pick(HEADS[draft.head])]).strip())


_FORMS: tuple[Callable[[Draft], str], ...] = (
    _phrase, _presented, _request, _order, _clauses, _predicated, _listed, _spoken,
)  # fmt: skip
_WEIGHTS = (22, 14, 14, 16, 12, 10, 8, 8)


def _and(items: Sequence[str]) -> str:
    """One, two and three."""
    if len(items) < 3:
        return " and ".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _article(phrase: str) -> str:
    sounds_open = phrase[0].lower() in "aeiou" and not phrase.startswith(("uni", "use", "one"))
    return f"{'an' if sounds_open else 'a'} {phrase}"


def _bare(thing: str) -> str:
    first, _, rest = thing.partition(" ")
    return rest if first in ("a", "an") else thing


def _cased(rng: random.Random, text: str) -> str:
    """Whole sentences begin with a capital; some phrases do, too."""
    whole = text.endswith((".", "?"))
    return text[:1].upper() + text[1:] if whole or rng.random() < 0.3 else text
