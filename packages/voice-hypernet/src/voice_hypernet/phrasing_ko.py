"""Korean fragments thrown together as people do."""

from __future__ import annotations

import random

from voice_data.describe.hangul import adnominal, adverbial, connective, formal, infinitive
from voice_hypernet import cast_ko, people_ko
from voice_hypernet.wording import Draft, Fragment

_FORMS = {
    "thing": ("{}", "{}을 가진", "{}에", "{}이 있는", "{}의", "{}으로", "{} 느낌의"),
    "manner": ("{} 말하는", "{}", "{} 말해요", "{} 읽어 줘", "{} 이야기하는", "{} 말함", "{} 읽는"),
    "heard": (
        "{}",
        "{}",
        "{} 느낌",
        "{} 스타일로",
        "{} 목소리",
        "({})",
        "{} 타입",
        "{} 편",
        "{} 말투",
    ),
    "likeness": (
        "{} 같은",
        "{} 같은",
        "{}처럼",
        "{} 같은 목소리",
        "{} 소리 같은",
        "{}마냥",
        "{} 뺨치는",
        "{} 못지않은",
        "{}가 말하는 듯한",
        "{} 저리 가라 할",
        "{} 느낌의",
        "{}급",
        "{}인 줄 알",
        "{} 닮은",
        "{} 같아요",
        "{}도 울고 갈",
        "{}를 떠올리게 하는",
    ),
    "plain": ("{}",),
}
_ENDINGS = (formal, adnominal, adnominal, adnominal, connective, adverbial)
_INSTEAD = (
    "{1} 말고 {0}",
    "{1} 대신 {0}",
    "{1} 아니고 {0}",
    "아까는 {1}였는데 이번엔 {0}",
    "{0}, {1} 말고",
)
_JOINTS = (" ", " ", " ", ", ", ", ", ". ", " / ", " - ", " 그리고 ")


def compose(rng: random.Random, draft: Draft) -> str:
    """The fragments before, or after, a head, in any order."""
    parts = [_rendered(rng, fragment) for fragment in draft.said]
    parts += [_deny(rng, fragment) for fragment in draft.denied]
    rng.shuffle(parts)
    if rng.random() < 0.2:
        parts.insert(rng.randint(0, len(parts)), adnominal(_pick(rng, people_ko.PLAIN)))
    if rng.random() < 0.2:
        parts.insert(rng.randint(0, len(parts)), _pick(rng, people_ko.CONTEXTS))
    if draft.head != ("", "") or rng.random() < 0.7 or not parts:
        place = len(parts) if rng.random() < 0.6 else rng.randint(0, len(parts))
        parts.insert(place, _named(rng, draft))
    text = parts[0]
    for part in parts[1:]:
        text += rng.choice(_JOINTS) + part
    if rng.random() < 0.2:
        text = f"{_pick(rng, people_ko.OPENERS)} {text}"
    if rng.random() < 0.3:
        text = f"{text}{rng.choice(('', ' '))}{_pick(rng, people_ko.CLOSERS)}"
    return text + rng.choice(("", "", "", "."))


def _named(rng: random.Random, draft: Draft) -> str:
    """The head, or the figure that stands for it."""
    if not draft.figure:
        return _noun(rng, draft.head)
    return draft.figure + rng.choice(
        ("", "", "처럼", " 같은 목소리", " 목소리", " 느낌", " 말투", " 역")
    )


def _noun(rng: random.Random, head: tuple[str, str]) -> str:
    nouns = people_ko.HEADS[head]
    if rng.random() < 0.3:
        from voice_data.describe import people_ko as plain

        nouns = plain.HEADS[head]
    noun = _pick(rng, nouns)
    if head[0] and not head[1] and rng.random() < 0.2:
        noun = rng.choice(cast_ko.MARKED[head[0]]).format(_pick(rng, cast_ko.TRADES))
    if head[0] and rng.random() < 0.1:
        other = ("female" if head[0] == "male" else "male", head[1])
        noun = rng.choice(_INSTEAD).format(noun, _pick(rng, people_ko.HEADS[other]))
    return noun + rng.choice(
        (
            "",
            "",
            " 목소리",
            "의 목소리",
            "처럼",
            " 같은",
            "가",
            "인데",
            " 음성",
            "가 말하듯",
            " 역할",
            " 말투",
            "의 말씨",
            "가 인사하듯",
            "가 읽는",
            " 느낌",
            "이 말하는 것처럼",
            " 목소리로",
            " 톤",
        )
    )


def _rendered(rng: random.Random, fragment: Fragment) -> str:
    if fragment.role in ("voice", "person") and fragment.words.endswith("다"):
        words = rng.choice((*_ENDINGS, _polite))(fragment.words)
    else:
        words = rng.choice(_FORMS.get(fragment.role, ("{}",))).format(fragment.words)
    if not fragment.emphasis:
        return words
    return f"{_pick(rng, people_ko.STRONG if fragment.emphasis > 0 else people_ko.WEAK)} {words}"


def _polite(predicate: str) -> str:
    return infinitive(predicate) + "요"


def _deny(rng: random.Random, fragment: Fragment) -> str:
    words = fragment.words
    if not words.endswith("다"):
        return f"{words} 말고"
    forms = (f"{words[:-1]}지 않은", f"{words[:-1]}지 않고", f"너무 {words[:-1]}지 않게",
             f"안 {adnominal(words)}", f"{adverbial(words)} 말고")  # fmt: skip
    return rng.choice(forms)


def _pick(rng: random.Random, options: str) -> str:
    return rng.choice(options.split("|"))
