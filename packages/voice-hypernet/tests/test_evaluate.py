from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from humming import PARTIALS, HumModel

from voice_data.describe import Measures
from voice_data.encoded import EncodedSet
from voice_hypernet import Voice, VoiceHypernet
from voice_hypernet.config import HypernetConfig, LoraShape, TrainConfig, VoiceConfig
from voice_hypernet.corpus import VoiceCorpus
from voice_hypernet.evaluate import (
    Clips,
    EvaluateConfig,
    Voicer,
    Wanted,
    described_takes,
    read_descriptions,
)
from voice_hypernet.judgement import counts, markdown, right, speak_takes
from voice_hypernet.train import train


class Encoder:
    """Knows two words."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        found = [[float(word in text.lower()) for word in ("female", "male")] for text in texts]
        return np.asarray(found, np.float32)

    def understand(self, encoded: np.ndarray) -> None:
        return


@pytest.fixture(scope="module")
def hypernet(hummed: Path, tmp_path_factory: pytest.TempPathFactory) -> VoiceHypernet:
    shape = HypernetConfig(lora=LoraShape(rank=2), condition=8, width=16, inner=16, blocks=1)
    config = TrainConfig(
        data=str(hummed / "set"), voices=str(hummed / "voices"), base="hum", steps=40,
        out=str(tmp_path_factory.mktemp("run")), batch=1000, learning_rate=0.01, held_out=0.4,
        model=VoiceConfig(hypernet=shape, text=2, clip=PARTIALS), languages=("en",), warm_up=5,
    )  # fmt: skip
    found = VoiceHypernet.from_pretrained(
        train(config, model=HumModel(), encode=Encoder().encode).folder
    )
    return VoiceHypernet(found.network, found.origin, encoder=Encoder(), held_out=found.held_out)


@pytest.fixture
def clips(hummed: Path, hypernet: VoiceHypernet) -> Clips:
    corpus = VoiceCorpus(EncodedSet(hummed / "set"), hummed / "voices")
    config = EvaluateConfig(data="", voices="", out="", texts="", speakers=3, clips=3)
    return Clips(Voicer(hypernet, HumModel()), corpus, config)


def test_only_voices_that_training_did_not_hear_are_judged(clips: Clips) -> None:
    names = {each.name for each in clips.speakers}
    assert len(names) == 3
    assert names <= set(clips.voicer.hypernet.held_out)
    for speaker in clips.speakers:
        heard = {clips.corpus.data.audio_of(i) for i in clips.heard(speaker)}
        assert len(heard) == 3
        assert not heard & set(clips.references(speaker))


def test_every_way_says_every_text_for_every_voice(clips: Clips) -> None:
    takes = list(clips.takes(["abc", "bcd"]))
    ways = {take.way for take in takes}
    assert {"clip", "another's clip", "one adapter for all", "the base", "description"} <= ways
    assert len(takes) == len(ways) * 3 * 2
    assert all(take.made is None for take in takes if take.way in ("the base", "the base's prompt"))


def test_takes_differ_as_their_ways_do_and_are_spoken_once(clips: Clips, tmp_path: Path) -> None:
    takes = [take for take in clips.takes(["abcabcabc"]) if take.subject == clips.speakers[0].name]
    spoken = {t.way: path for t, path in speak_takes(takes, clips.voicer, tmp_path, 0)}
    sounds = {way: path.read_bytes() for way, path in spoken.items()}
    for other in ("another's clip", "one adapter for all", "the base"):
        assert sounds["clip"] != sounds[other]
    before = {path: path.stat().st_mtime_ns for path in spoken.values()}
    speak_takes(takes, clips.voicer, tmp_path, 0)
    assert {path: path.stat().st_mtime_ns for path in spoken.values()} == before


def test_what_is_judged_is_what_users_get(clips: Clips, tmp_path: Path) -> None:
    text, hypernet = "abcabcabc", clips.voicer.hypernet
    takes = {t.way: t for t in clips.takes([text]) if t.subject == clips.speakers[0].name}
    features = clips.corpus.features[list(clips.heard(clips.speakers[0]))].mean(0)
    model = HumModel()
    hypernet.generate_lora_adapters(audio_features=features).save(tmp_path / "voice")
    with Voice.load(tmp_path / "voice").worn(model) as told:
        wanted = model.speak(text, voice=told, seed=0)
    found = clips.voicer.speak(takes["clip"], seed=0)
    np.testing.assert_array_equal(found.samples, wanted.samples)


def test_the_strength_of_an_evaluation_is_that_of_its_voices(hypernet: VoiceHypernet) -> None:
    plain, strong = (Voicer(hypernet, HumModel(), strength) for strength in (None, 2.0))
    first, second = (voicer.make(text="a male voice") for voicer in (plain, strong))
    for name, change in first.deltas():
        np.testing.assert_allclose(dict(second.deltas())[name], 2 * change, atol=1e-6)
    assert plain.fingerprint != strong.fingerprint


def test_another_base_is_refused(hypernet: VoiceHypernet) -> None:
    with pytest.raises(ValueError, match="load its own base, 'hum'"):
        Voicer(hypernet, HumModel(seed=1))


def test_descriptions_come_beside_their_controls(hypernet: VoiceHypernet) -> None:
    wanted = [
        Wanted(text=f"a {gender} voice", language="en", tags={"gender": gender})
        for gender in ("male", "female", "male", "female", "male")
    ]
    takes = list(described_takes(Voicer(hypernet, HumModel()), wanted, ["abc"], seed=0))
    assert len(takes) == 4 * len(wanted)
    by_way = {w: [t for t in takes if t.way == w] for w in {t.way for t in takes}}
    assert set(by_way) == {
        "description", "another description", "an everyday sentence", "one adapter for all",
    }  # fmt: skip
    assert {take.subject for take in by_way["description"]} == {str(i) for i in range(5)}


@pytest.mark.parametrize(
    ("name", "wanted", "found", "expected"),
    [
        ("gender", "male", "male", True),
        ("gender", "male", "female", False),
        ("gender", "male", "", False),
        ("pitch", "low", "very low", True),
        ("pitch", "very low", "low", True),
        ("pitch", "low", "medium", False),
        ("pitch", "high", "low", False),
        ("rate", "medium", "fast", True),
        ("rate", "medium", "very fast", False),
        ("rate", "slow", "", False),
        ("roughness", "rough", "rough", True),
        ("breathiness", "clear", "breathy", False),
    ],
)
def test_what_counts_as_right(name: str, wanted: str, found: str, expected: bool) -> None:
    assert right(name, wanted, found) is expected


def test_counts_compare_pitch_within_the_gender_that_was_asked_for() -> None:
    heard = {
        0: Measures(duration=3, speech=3, f0=150.0, rate=3.5, gender="female"),
        1: Measures(duration=3, speech=3, f0=150.0, rate=7.0, gender="male"),
    }
    wanted = [
        Wanted("a low woman", "en", {"gender": "female", "relative_pitch": "low", "rate": "slow"}),
        Wanted("낮은 남자", "ko", {"gender": "male", "relative_pitch": "low", "rate": "slow"}),
    ]
    found = counts(heard, wanted)
    assert found["gender"] == {"right": 1.0, "of": 2}
    assert found["pitch"] == {"right": 0.5, "of": 2}  # 150 Hz is low for a woman only
    assert found["rate"] == {"right": 0.5, "of": 2}
    assert found["main"] == pytest.approx(4 / 6)
    assert counts(heard, wanted, "ko")["main"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "line", ["{", '{"text": "a"}', '{"text": "a", "language": "en", "tags": ["loud"]}']
)
def test_a_wrong_description_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "descriptions.jsonl"
    good = json.dumps({"text": "a man", "language": "en", "tags": ["gender=male"]})
    path.write_text(f"{good}\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=r"descriptions.jsonl:2: no description"):
        read_descriptions(path)


def test_the_report_is_readable() -> None:
    row = {"similarity": 0.8, "of_ceiling": 0.9, "wer": 0.02, "distillmos": 3.5, "sentences": 6}
    said = {"gender": {"right": 0.5, "of": 4}, "main": 0.5, "wer": 0.1}
    text = markdown({"clips": {"clip": row}, "descriptions": {"description": said}})
    assert "| clip | 0.800 | 0.900 | 2.0% | 3.50 | 6 |" in text
    assert "| description | 50.0% of 4 | 50.0% | 10.0% |" in text


@pytest.mark.parametrize("name", ["speakers", "sentences", "clips"])
def test_evaluating_on_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"EvaluateConfig.{name} must be 1 or more"):
        EvaluateConfig(data="a", voices="b", out="c", texts="d", **{name: 0})


def test_a_negative_number_of_descriptions_is_refused() -> None:
    with pytest.raises(ValueError, match="drawn must be 0 or more, not -1"):
        EvaluateConfig(data="a", voices="b", out="c", texts="d", drawn=-1)
