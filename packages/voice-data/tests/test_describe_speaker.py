"""Sex and age where pitch and tract leave no doubt, and doubt where they do."""

from __future__ import annotations

import pytest

from voice_data.describe.speaker import GROUPS, estimate


def test_clear_cases() -> None:
    man, woman = estimate(105.0, 17.5, 4.9, 0.9), estimate(215.0, 14.5, 5.0, 0.75)
    assert (man.gender, woman.gender) == ("male", "female")
    assert min(man.gender_confidence, woman.gender_confidence) > 0.9
    child = estimate(320.0, 11.5, 3.5, 1.2)
    assert (child.gender, child.age) == (None, "child")


def test_what_lies_between_is_doubtful() -> None:
    assert estimate(158.0, 15.9, None, None).gender_confidence < 0.75


def test_adult_age_is_never_certain() -> None:
    for f0, length in ((110.0, 17.0), (200.0, 14.8)):
        assert estimate(f0, length, 5.0, 0.9).age_confidence < 0.7


def test_without_a_tract_the_pitch_decides_with_less_confidence() -> None:
    assert estimate(120.0, None, None, None).gender == "male"
    with_tract = estimate(120.0, 17.2, None, None).gender_confidence
    assert estimate(120.0, None, None, None).gender_confidence < with_tract


def test_the_groups_are_everybody() -> None:
    assert sum(group.share for group in GROUPS) == pytest.approx(1.0)
