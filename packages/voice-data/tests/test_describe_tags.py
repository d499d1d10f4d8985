"""Bins: edges, order, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from voice_data.describe import Measures, Tags, tag
from voice_data.describe.measures import DescribeError
from voice_data.describe.tags import SCALES, edge_table, edge_values


def with_value(name: str, value: float) -> Measures:
    return Measures(**{"duration": 1.0, "speech": 1.0, SCALES[name].measure: value})


@pytest.mark.parametrize("name", sorted(set(SCALES) - {"relative_pitch"}))
def test_every_bin_begins_at_its_edge(name: str) -> None:
    scale = SCALES[name]
    assert list(scale.edges) == sorted(scale.edges)
    assert len(scale.values) == len(scale.edges) + 1
    for index, edge in enumerate(scale.edges):
        below, at = (
            getattr(tag(with_value(name, x)), name) for x in (np.nextafter(edge, -99), edge)
        )
        assert (below, at) == scale.values[index : index + 2]


def test_pitch_is_also_said_within_the_gender() -> None:
    common = {"duration": 1.0, "speech": 1.0, "f0": 150.0, "gender_confidence": 0.9}
    man, woman = (tag(Measures(**common, gender=gender)) for gender in ("male", "female"))
    assert man.pitch == woman.pitch == "medium"
    assert (man.relative_pitch, woman.relative_pitch) == ("very high", "very low")


def test_doubtful_estimates_are_left_out() -> None:
    values = {"duration": 1.0, "speech": 1.0, "f0": 150.0, "gender": "male", "age": "elderly"}
    doubtful = tag(Measures(**values, gender_confidence=0.69, age_confidence=0.5))
    assert (doubtful.gender, doubtful.age, doubtful.relative_pitch) == ("", "", "")
    sure = tag(Measures(**values, gender_confidence=0.7, age_confidence=0.7))
    assert (sure.gender, sure.age) == ("male", "elderly")


def test_wrong_values_are_refused() -> None:
    with pytest.raises(DescribeError, match=r"rate must be one of very slow, .*, not 'quick'"):
        Tags(rate="quick")
    with pytest.raises(DescribeError, match="'tempo' is no tag: use one of gender, age, pitch"):
        Tags.from_list(["tempo=fast"])
    with pytest.raises(DescribeError, match="'rate' is no tag: write NAME=VALUE"):
        Tags.from_list(["rate"])


def test_there_and_back() -> None:
    tags = Tags(gender="female", rate="very fast", recording="clean")
    assert tags.to_list() == ["gender=female", "rate=very fast", "recording=clean"]
    assert Tags.from_list(tags.to_list()) == tags
    assert tags.only(["rate"]) == Tags(rate="very fast")


def test_the_table_names_every_scale_and_its_source() -> None:
    text = "\n".join(edge_table())
    for name, scale in SCALES.items():
        assert f"{name} ({scale.measure}, {scale.unit})" in text
        assert scale.source in text
    assert set(edge_values()) == set(SCALES)
