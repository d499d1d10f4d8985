"""Words that say one thing by naming another: "too slow", "anything but deep", "굵지 말고"."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

from voice_data.describe.hangul import adnominal, adverbial, connective

TURNED: Mapping[tuple[str, str], str] = {
    ("pitch", "low"): "higher|raise it|take it up|bring it up|push it up|up a notch"
    "|up a third|pitch it higher|a step up|lighter and higher",
    ("pitch", "high"): "lower|lower it|take it down|bring it down|down a notch|down a third"
    "|pitch it lower|a step down|deepen it|deeper",
    ("rate", "slow"): "faster|quicker|speed it up|pick it up|hurry it along|step on it"
    "|move it along|get a move on|more pace",
    ("rate", "fast"): "slower|slow it down|take it easy|rein it in|hold your"
    " horses|cut the speed|drop the tempo|give it time",
}
"""What is asked for after a voice that was too low, high, slow or fast."""
KOREAN: Mapping[tuple[str, str], str] = {
    (
        "pitch",
        "low",
    ): "더 높게|높여 줘|높여 주세요|올려 주세요|한 톤 올려서|톤을 올려 주세요|좀 더 높은"
    " 소리로|조금 올려 줘|음을 올려 주세요|위로 올려요",
    (
        "pitch",
        "high",
    ): "더 낮게|낮춰 줘|낮춰 주세요|내려 주세요|한 톤 내려서|톤을 낮춰 주세요|좀 더 낮은"
    " 소리로|조금 내려 줘|음을 내려 주세요|깔아 주세요",
    (
        "rate",
        "slow",
    ): "더 빨리|빨리 해 주세요|속도를 올려 주세요|속도 좀 내 주세요|서둘러 주세요|더 빠르게"
    "|속도를 높여서|빨리빨리 해 줘",
    ("rate", "fast"): "더 천천히|천천히 해 주세요|속도를 줄여 주세요|속도를 늦춰서|천천히 가 주세요"
    "|느리게 해 주세요|좀 느긋하게|속도 좀 늦춰 줘|급하지 않게",
}
SIDES = {"pitch": ("low", "high"), "rate": ("slow", "fast")}
"""The tags of which one side can be said by the other."""
_BEFORE = ("the last one", "the previous voice", "the other take", "it", "this one", "that",
           "the first version", "what you made", "the sample", "the old narrator")  # fmt: skip
_TOO = ("too", "way too", "far too", "much too", "a bit too", "a little too", "so")
_AGAINST = ("anything but {}", "the opposite of {}", "far from {}", "not {} at all",
            "not in the least {}", "no way {}", "nothing {} about it", "less {}", "hardly {}",
            "by no means {}", "never {}, quite the contrary", "the reverse of {}")  # fmt: skip
_AGAINST_KO = ("{ji} 않고 그 반대로", "전혀 {ji} 않은", "{neun} 거리가 먼", "결코 {ji} 않은",
               "{un} 것과는 정반대인", "하나도 안 {un}", "덜 {ge}")  # fmt: skip


class Turn(NamedTuple):
    """Words, and the value that they ask for."""

    words: str
    value: str


def turned(rng: random.Random, language: str, name: str, adjective: str, value: str) -> Turn:
    """Words that name ``adjective``, of the tag's ``value``, and ask for the other side.

    >>> turned(random.Random(0), "en", "rate", "brisk", "fast").value
    'slow'
    """
    low, high = SIDES[name]
    side = low if value.endswith(low) else high
    other = high if side == low else low
    if language == "ko":
        return Turn(_korean(rng, adjective, KOREAN[name, side].split("|")), other)
    wish = rng.choice(TURNED[name, side].split("|"))
    if rng.random() < 0.45:
        return Turn(rng.choice(_AGAINST).format(adjective), other)
    what, too = rng.choice(_BEFORE), rng.choice(_TOO)
    return Turn(rng.choice((
        f"{what} was {too} {adjective}, {wish}",
        f"{what} sounded {too} {adjective} for me; {wish} please",
        f"{too} {adjective}, {wish} this time",
        f"{wish}, {what} is {too} {adjective}",
        f"less {adjective}, {wish}",
        f"{wish} than {what}",
        f"not so {adjective}, {wish}",
    )), other)  # fmt: skip


def _korean(rng: random.Random, predicate: str, wishes: list[str]) -> str:
    wish, stem = rng.choice(wishes), predicate.removesuffix("다")
    if rng.random() < 0.3:
        return rng.choice(_AGAINST_KO).format(
            ji=f"{stem}지",
            neun=f"{stem}는 것과는",
            un=adnominal(predicate),
            ge=adverbial(predicate),
        )
    return rng.choice((
        f"너무 {connective(predicate)} {wish}",
        f"아까는 너무 {adverbial(predicate)} 들렸어요. {wish}",
        f"{stem}지 말고 {wish}",
        f"지난번보다 {wish}",
        f"너무 {adnominal(predicate)} 것 같아요, {wish}",
        f"{adverbial(predicate)} 말고 {wish}",
        f"{wish}, 지금은 너무 {stem}네요",
    ))  # fmt: skip
