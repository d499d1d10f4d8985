"""Similarity, its ceiling, and the nearest voice, with an encoder whose embeddings are known."""

from __future__ import annotations

import numpy as np
import pytest

from voice_data.audio import Audio
from voice_data.score import Row, ScoreError, voice_identity
from voice_data.score.similarity import SpeakerEncoder, measure_similarity


class Compass:
    """Embeds a clip as the direction that its first two samples give; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def embed(self, audio: Audio) -> np.ndarray:
        self.calls += 1
        vector = audio.samples[:2].astype(np.float64)
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


def at(degrees: float) -> Audio:
    angle = np.radians(degrees)
    return Audio(np.array([np.cos(angle), np.sin(angle)], np.float32), 8_000)


def cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def test_similarity_and_ceiling_compare_single_sentences() -> None:
    references = [at(0), at(20)]
    rows = [
        Row(audio=at(30), speaker="a", references=references),
        Row(audio=at(50), speaker="a", references=references),
        Row(audio=at(90)),
    ]
    encoder = Compass()
    first, second, third = measure_similarity(rows, encoder)
    assert first.similarity == pytest.approx((cosine(30) + cosine(10)) / 2)
    assert first.similarity_ceiling == second.similarity_ceiling == pytest.approx(cosine(20))
    assert first.consistency == second.consistency == pytest.approx(cosine(20))
    assert third == (None, None, None)
    assert encoder.calls == 5  # references are embedded once


def test_one_reference_has_no_ceiling() -> None:
    (found,) = measure_similarity([Row(audio=at(0), speaker="a", references=[at(60)])], Compass())
    assert found.similarity == pytest.approx(0.5)
    assert found.similarity_ceiling is None


def test_the_nearest_named_voice() -> None:
    references = {"low": [at(0), at(10)], "high": [at(80), at(90)]}
    rows = [Row(audio=at(a), speaker=s) for a, s in [(5, "low"), (60, "low"), (85, "high")]]
    found = voice_identity(rows, references, encoder=Compass())
    assert found.nearest == ("low", "high", "high")
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.confusion.tolist() == [[1, 1], [0, 1]]
    assert found.to_dict()["confusion"] == [[1, 1], [0, 1]]


def test_without_references_each_clip_is_left_out_of_its_own_voice() -> None:
    degrees = [(0, "a"), (100, "a"), (60, "b"), (62, "b")]
    rows = [Row(audio=at(angle), speaker=voice) for angle, voice in degrees]
    found = voice_identity(rows, encoder=Compass())
    # With its own clip voice a would lie at 50 degrees, nearest to the clip at 0; without, at 100.
    assert found.nearest == ("b", "b", "b", "b")
    assert found.accuracy == 0.5


def test_a_clip_without_speech_is_nobodys() -> None:
    references = {"a": [at(0)], "b": [at(90)]}
    silent = Audio(np.zeros(2, np.float32), 8_000)
    found = voice_identity([Row(audio=silent, speaker="a")], references, encoder=Compass())
    assert found.nearest == ("",)
    assert found.accuracy == 0.0


def test_what_cannot_be_told_apart_is_refused() -> None:
    row = Row(audio=at(0), speaker="a")
    both = {"a": [at(0)], "b": [at(90)]}
    with pytest.raises(ScoreError, match="at least two voices"):
        voice_identity([row], {"a": [at(0)]}, encoder=Compass())
    with pytest.raises(ScoreError, match=r"'b' has 0 clips.*add a reference clip"):
        voice_identity([row], {"a": [at(0)], "b": []}, encoder=Compass())
    with pytest.raises(ScoreError, match=r"without references: \['c'\]; known: \['a', 'b'\]"):
        voice_identity([Row(audio=at(0), speaker="c")], both, encoder=Compass())
    with pytest.raises(ScoreError, match=r"'a' has 1 clips.*two rows per voice"):
        voice_identity([row, Row(audio=at(9), speaker="b")], encoder=Compass())
    with pytest.raises(ScoreError, match="only reference of the voice 'a' is a scored clip"):
        voice_identity([row], {**both, "a": [row.audio]}, encoder=Compass())


def test_resemblyzer_tells_a_high_voice_from_a_low_one() -> None:
    from hibari import Hibari

    speaker = Hibari()
    texts = ["The red kite climbed above the roofs.", "We walked home along the canal."]
    clips = [speaker(text, seed=0).astype(np.float32) for text in texts]
    rows = [Row(audio=Audio(clip, 24_000), speaker="plain") for clip in clips]
    rows += [Row(audio=Audio(clip, 17_000), speaker="low") for clip in clips]
    found = voice_identity(rows)
    assert found.accuracy == 1.0
    silent = Audio(np.zeros(16_000, np.float32), 16_000)
    assert not np.any(SpeakerEncoder.from_pretrained().embed(silent))
