from __future__ import annotations

from dataclasses import replace

import pytest

from voice_data.describe import Measures, Tags, tag
from voice_hypernet.corpus import Speaker
from voice_hypernet.firmness import firm_tags


def speaker(**measured: object) -> Speaker:
    measures = Measures(duration=3.0, speech=2.0, gender="male", gender_confidence=0.9, **measured)  # pyright: ignore
    return Speaker(name="ada", clips=(0,), tags=tag(measures), measures=measures.to_dict())


@pytest.mark.parametrize(
    ("measured", "name", "said"),
    [
        ({"f0": 103.0}, "relative_pitch", False),  # the edge lies at 105.5 Hz
        ({"f0": 98.0}, "relative_pitch", True),
        ({"f0": 60.0}, "relative_pitch", True),
        ({"f0": 128.0}, "relative_pitch", False),  # and above at 125.4 Hz
        ({"f0": 135.0}, "relative_pitch", True),
        ({"f0": 115.0}, "relative_pitch", True),
        ({"rate": 4.1}, "rate", False),
        ({"rate": 3.8}, "rate", True),
        ({"rate": 5.5}, "rate", False),
        ({"jitter": 1.5}, "roughness", False),
        ({"jitter": 2.0}, "roughness", True),
    ],
)
def test_only_what_is_plain_is_said(measured: dict[str, float], name: str, said: bool) -> None:
    one = speaker(**measured)
    assert getattr(one.tags, name)
    assert getattr(firm_tags(one), name) == (getattr(one.tags, name) if said else "")
    assert firm_tags(one).gender == "male"


def test_a_voice_without_measures_keeps_its_tags() -> None:
    bare = replace(speaker(), tags=Tags(pitch="low"), measures={"duration": 1.0})
    assert firm_tags(bare).mentioned == {"pitch": "low"}


def test_a_voice_keeps_its_tags_if_all_are_doubtful() -> None:
    measures = Measures(duration=3.0, speech=2.0, rate=4.1)
    one = Speaker(name="ada", clips=(0,), tags=tag(measures), measures=measures.to_dict())
    assert firm_tags(one).mentioned == {"rate": "slow"}
