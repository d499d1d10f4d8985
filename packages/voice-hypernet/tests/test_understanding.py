from __future__ import annotations

import numpy as np
import pytest

from voice_data.artefact import ArtefactError
from voice_data.describe.tags import values_of
from voice_hypernet.understanding import (
    CLASH,
    CLASSES,
    COUNT,
    check_classes,
    class_table,
    place,
    probabilities,
    understood,
)


def scores(**said: str) -> np.ndarray:
    """Sure of what is said and of the silence about the rest."""
    out = np.zeros((1, COUNT))
    for name, values in CLASSES.items():
        out[0, place(name).start + values.index(said.get(name, ""))] = 9.0
    return out


def test_every_class_has_a_place_of_its_own() -> None:
    places = [index for name in CLASSES for index in range(COUNT)[place(name)]]
    assert places == list(range(COUNT))
    assert CLASSES["pitch"][1:-1] == values_of("pitch")


def test_what_is_said_is_understood() -> None:
    (found,) = understood(scores(gender="male", pitch="very low"))
    assert found.tags == {"gender": "male", "pitch": "very low"}
    assert min(found.confidence.values()) > 0.99
    assert found.contradictions == found.warnings == ()


def test_a_contradiction_picks_the_likelier_and_warns() -> None:
    given = scores(pitch=CLASH)
    given[0, place("pitch").start + CLASSES["pitch"].index("high")] = 5.0
    (found,) = understood(given)
    assert found.tags == {"pitch": "high"}
    assert found.warnings == ("the description contradicts itself about pitch: high is taken",)


def test_a_description_that_hardly_speaks_of_pitch_does_not_contradict_itself() -> None:
    given = scores(pitch=CLASH)
    given[0, place("pitch").start + CLASSES["pitch"].index("high")] = 5.0
    given[0, place("pitch").start] = 7.5  # said with 0.81, contradictory with 0.81
    (found,) = understood(given)
    assert found.contradictions == ()


def test_nothing_said_warns() -> None:
    (found,) = understood(scores())
    assert found.tags == {}
    assert "no attribute of a voice was recognised" in found.warnings[0]


def test_probabilities_sum_to_one() -> None:
    given = np.random.default_rng(0).normal(size=(3, COUNT)) * 500
    assert np.allclose(probabilities(given, "rate").sum(1), 1.0)


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=rf"scores must be \[B, {COUNT}\], not \[2, 3\]"):
        understood(np.zeros((2, 3)))


def test_other_classes_are_refused() -> None:
    check_classes({"classes": class_table()})
    with pytest.raises(ArtefactError, match="trained for other attributes"):
        check_classes({"classes": {"gender": ["", "male"]}})
