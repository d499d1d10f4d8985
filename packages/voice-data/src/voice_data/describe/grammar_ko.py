"""Korean descriptions: noun phrases, sentences, orders, requests and lists."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from voice_data.describe.hangul import adnominal, connective, formal, infinitive, with_particle
from voice_data.describe.lexicon_ko import LEXICON
from voice_data.describe.people_ko import HEADS
from voice_data.describe.tags import Tags

_ORDERS = (
    "말해 줘|말해 주세요|읽어 주세요|읽어 줘|말하세요|말해 주시겠어요?|읽어 주시면 좋겠습니다"
    "|들려주세요|이야기해 주세요|낭독해 주세요"
)
_WANTED = (
    "이 필요해요|이 필요합니다|을 원해요|을 원합니다|을 찾고 있어요|을 들려주세요|을 들려줘"
    "|을 부탁해요|을 써 주세요|을 만들어 줘|이면 좋겠어요"
)
_SOUNDS = "목소리|음성"
_SPEAKING = "말하는|이야기하는|읽는|낭독하는"


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

    def person(self) -> str:
        """A noun for the speaker."""
        return self.pick(HEADS[self.head])

    def voice(self) -> str:
        """A noun for the voice: 목소리, 남자 목소리, 여성의 목소리."""
        sound = self.pick(_SOUNDS)
        if self.head == ("", ""):
            return sound
        return f"{self.person()}{self.pick(('', '의'))} {sound}"


def compose(rng: random.Random, tags: Tags) -> tuple[str, list[str]]:
    """A sentence and the names of the tags in it."""
    draft = Draft(rng, tags)
    return rng.choices(_FORMS, _WEIGHTS)[0](draft), draft.said


def voice(draft: Draft) -> str:
    """낮고 차분한 남자 목소리; 빠르게 말하는 밝은 여성의 목소리."""
    parts = []
    if draft.rng.random() < 0.5 and (manners := draft.take("manner", draft.rng.randint(1, 2))):
        parts.append(f"{' '.join(manners)} {draft.pick(_SPEAKING)}")
    if predicates := draft.take("voice", 3):
        parts.append(_before_noun(predicates))
    return " ".join([*parts, draft.voice()])


def person(draft: Draft) -> str:
    """말이 빠르고 음색이 밝은 여성."""
    parts = []
    if draft.rng.random() < 0.3 and (things := draft.take("thing", 2)):
        parts.append(f"{with_particle(_joined(things), '을')} {draft.pick(('지닌', '가진'))}")
    if predicates := draft.take("person", 3):
        parts.append(_before_noun(predicates))
    if manners := draft.take("manner", 2 if not parts else 1):
        parts.append(f"{' '.join(manners)} {draft.pick(_SPEAKING)}")
    return " ".join([*parts, draft.person()])


def _phrase(draft: Draft) -> str:
    return draft.rng.choice((voice, voice, person))(draft)


def _is(draft: Draft) -> str:
    start = draft.pick(("", "", "이것은 ", "들리는 것은 "))
    return f"{start}{with_particle(_phrase(draft), draft.pick(('이다', '입니다', '이에요')))}."


def _order(draft: Draft) -> str:
    manners = draft.take("manner", draft.rng.randint(1, 2))
    parts = [" ".join(manners)] if manners else []
    if draft.left or draft.head != ("", ""):
        parts.insert(draft.rng.randint(0, len(parts)), with_particle(_calm(draft), "으로"))
    order = draft.pick(_ORDERS)
    return " ".join([*parts, order]) + ("" if order.endswith("?") else draft.pick((".", ".", "")))


def _calm(draft: Draft) -> str:
    """A voice without an adverb, which would stand too far from its verb."""
    predicates = draft.take("voice", 3)
    return " ".join([_before_noun(predicates), draft.voice()] if predicates else [draft.voice()])


def _request(draft: Draft) -> str:
    wish = draft.pick(_WANTED)
    particle, space, verb = wish.partition(" ")
    return f"{with_particle(voice(draft), particle)}{space}{verb}{draft.pick(('.', '.', ''))}"


def _voice_is(draft: Draft) -> str:
    predicates = draft.take("voice", 3)
    if not predicates:
        return _is(draft)
    subject = draft.voice() if draft.head != ("", "") else f"이 {draft.voice()}"
    return f"{with_particle(subject, '은')} {_at_end(draft, predicates)}."


def _person_is(draft: Draft) -> str:
    predicates = draft.take("person", 3)
    if not predicates:
        return _is(draft)
    subject = draft.person() if draft.head != ("", "") else f"이 {draft.person()}"
    text = f"{with_particle(subject, draft.pick(('은', '은', '이')))} {_at_end(draft, predicates)}."
    if manners := draft.take("manner", 2):
        text += f" {' '.join(manners)} {draft.pick(('말합니다', '이야기합니다'))}."
    return text


def _speaks(draft: Draft) -> str:
    manners = draft.take("manner", draft.rng.randint(1, 3))
    if not manners:
        return _is(draft)
    subject = draft.person()
    verb = draft.pick(("말합니다", "말해요", "말한다", "이야기합니다", "읽습니다"))
    text = f"{with_particle(subject, draft.pick(('이', '은')))} {' '.join(manners)} {verb}."
    if predicates := draft.take("voice", 3):
        text += f" {with_particle(draft.pick(_SOUNDS), '은')} {_at_end(draft, predicates)}."
    return text


def _characteristic(draft: Draft) -> str:
    things = draft.take("thing", 3)
    if not things:
        return _is(draft)
    text = (
        f"{with_particle(_joined(things), '이')} {draft.pick(('특징인', '돋보이는', '인상적인'))}"
    )
    return f"{text} {draft.pick((draft.voice(), draft.person()))}"


def _listed(draft: Draft) -> str:
    items = draft.take("thing", 9)
    if draft.head != ("", ""):
        items.insert(draft.rng.choice((0, len(items))), draft.person())
    return draft.pick((", ", ", ", " / ", "; ")).join(items)


_FORMS: tuple[Callable[[Draft], str], ...] = (
    _phrase, _is, _order, _request, _voice_is, _person_is, _speaks, _characteristic, _listed,
)  # fmt: skip
_WEIGHTS = (24, 10, 16, 12, 10, 8, 8, 6, 8)


def _before_noun(predicates: Sequence[str]) -> str:
    return " ".join([*map(connective, predicates[:-1]), adnominal(predicates[-1])])


def _at_end(draft: Draft, predicates: Sequence[str]) -> str:
    last = predicates[-1]
    end = draft.pick((formal(last), infinitive(last) + "요", formal(last)))
    return " ".join([*map(connective, predicates[:-1]), end])


def _joined(nouns: Sequence[str]) -> str:
    return " ".join([*(with_particle(noun, "과") for noun in nouns[:-1]), nouns[-1]])
