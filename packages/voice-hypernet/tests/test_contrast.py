from __future__ import annotations

import random

import pytest

from voice_data.describe.tags import values_of
from voice_hypernet.contrast import KOREAN, SIDES, TURNED, turned
from voice_hypernet.wording import free, phrases


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(("name", "value"), [("pitch", "very low"), ("rate", "fast")])
def test_what_is_named_is_not_what_is_asked_for(language: str, name: str, value: str) -> None:
    adjective = next(w for role, w in phrases(language)[name, value] if role == "voice")
    made = [turned(random.Random(seed), language, name, adjective, value) for seed in range(40)]
    assert {each.value for each in made} == {"high" if name == "pitch" else "slow"}
    stem = adjective.removesuffix("다")[:-1]
    assert sum(stem in each.words for each in made) > 20
    assert made[0] == turned(random.Random(0), language, name, adjective, value)


def test_every_side_has_wishes_and_none_is_wished_for_on_both() -> None:
    for wishes in (TURNED, KOREAN):
        assert set(wishes) == {(name, side) for name, sides in SIDES.items() for side in sides}
        asked = [wish for text in wishes.values() for wish in text.split("|")]
        assert len(asked) == len(set(asked))
    assert all(side in values_of(name) for name, sides in SIDES.items() for side in sides)


def test_turned_words_reach_the_descriptions() -> None:
    texts = [free(random.Random(seed), "en", {"rate": "slow"}).text.lower() for seed in range(200)]
    wishes = TURNED["rate", "fast"].split("|")
    assert sum(any(wish in text for wish in wishes) for text in texts) >= 10
