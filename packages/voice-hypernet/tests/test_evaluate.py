from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from humming import PARTIALS, HumModel
from toy import save_toy

from voice_data.audio import Audio
from voice_data.describe import Measures
from voice_data.encoded import EncodedSet
from voice_data.score import Row
from voice_data.score.similarity import Similarity
from voice_hypernet import Voice, VoiceHypernet
from voice_hypernet.adherence import counts, right
from voice_hypernet.blending import WEIGHTS, blended_takes, blending, pairs, spearman
from voice_hypernet.config import HypernetConfig, LoraShape, TrainConfig, VoiceConfig
from voice_hypernet.corpus import VoiceCorpus
from voice_hypernet.evaluate import (
    Clips,
    EvaluateConfig,
    Take,
    Voicer,
    Wanted,
    described_takes,
    read_descriptions,
)
from voice_hypernet.judgement import evaluate, markdown, speak_takes
from voice_hypernet.rivals import OWN, PASS, own_adapters, rivals
from voice_hypernet.steadiness import FILE, PROMPT, reloaded, steadiness, steady_takes
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
    config = EvaluateConfig(data="a", voices="b", out="c", texts="d", speakers=3, clips=3)
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
        EvaluateConfig(data="a", voices="b", out="c", texts="d", **{name: 0})  # pyright: ignore


def test_a_negative_number_of_descriptions_is_refused() -> None:
    with pytest.raises(ValueError, match="drawn must be 0 or more, not -1"):
        EvaluateConfig(data="a", voices="b", out="c", texts="d", drawn=-1)


def test_a_report_of_speed_alone_needs_no_data(tmp_path: Path) -> None:
    EvaluateConfig(out="c", parts=("speed",))
    with pytest.raises(ValueError, match=r"EvaluateConfig\.data is empty"):
        EvaluateConfig(out="c", parts=("speed", "clips"))
    with pytest.raises(ValueError, match="parts must be some of"):
        EvaluateConfig(out="c", parts=("speeed",))  # pyright: ignore
    found = evaluate(EvaluateConfig(out=str(tmp_path), parts=("speed",),
                                    hypernet=str(save_toy(tmp_path / "toy"))))  # fmt: skip
    assert set(found) == {"speed"}
    assert "| a new description, ms |" in (tmp_path / "report.md").read_text("utf-8")


def test_blends_go_from_one_voice_to_the_other(clips: Clips) -> None:
    takes = list(blended_takes(clips, ["abcabc"], 1))
    assert takes == []  # nothing was measured of these voices
    measured = [
        replace(each, measures={"f0": 200.0 - 10 * place, "rate": 4.0 + place})
        for place, each in enumerate(clips.speakers)
    ]
    clips.speakers = measured
    assert [each.name for each in pairs(measured, "f0", 5)[0]] == [
        measured[-1].name, measured[0].name,
    ]  # fmt: skip
    takes = list(blended_takes(clips, ["abcabc"], 1))
    assert [take.way for take in takes[:5]] == [f"f0 {weight}" for weight in WEIGHTS]
    first = clips.voicer.make(clip=clips.own(measured[-1]))
    made = takes[0].made
    assert made is not None
    for name, change in first.deltas():
        np.testing.assert_allclose(dict(made.deltas())[name], change, atol=1e-5)


def test_monotone_is_what_goes_up() -> None:
    assert spearman([1, 2, 3, 4]) == pytest.approx(1.0)
    assert spearman([4, 3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 3, 2, 4]) == pytest.approx(0.8)  # as scipy.stats.spearmanr has it
    assert spearman([2, 2, 2, 2]) == 0.0


def test_the_figures_of_blending_come_from_what_is_heard(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips.speakers = [
        replace(each, measures={"f0": 100.0 + 50 * place, "rate": 4.0 + place})
        for place, each in enumerate(clips.speakers)
    ]
    spoken = speak_takes(blended_takes(clips, ["abcabc"], 1), clips.voicer, tmp_path, 0)
    weights = iter([*WEIGHTS, 0.0, 0.5, 0.25, 0.75, 1.0])

    def heard(audio: Audio, text: str) -> Measures:
        weight = next(weights)
        return Measures(duration=1, speech=1, f0=100 + 100 * weight, rate=4 + weight)

    monkeypatch.setattr("voice_data.describe.measure", heard)
    found = blending(spoken)
    assert found["f0"]["by_weight"] == pytest.approx([100, 125, 150, 175, 200])
    assert (found["f0"]["spearman"], found["f0"]["rising"]) == (pytest.approx(1.0), 1.0)
    assert found["rate"]["spearman"] == pytest.approx(0.9)
    assert found["rate"]["rising"] == 0.0
    assert "| F0, Hz | 100 | 125 | 150 | 175 | 200 | 1.00 | 100% of 1 |" in markdown(
        {"blending": found}
    )


def test_a_voice_file_is_compared_with_a_prompt_over_many_sentences(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = list(steady_takes(clips, ["abc", "bcd"], 2, tmp_path / "voices"))
    assert [take.way for take in takes] == [FILE, PROMPT] * 4
    assert len(list((tmp_path / "voices").iterdir())) == 2
    assert reloaded(clips, "abcabc", tmp_path / "voices", 0)
    spoken = speak_takes(takes, clips.voicer, tmp_path / "spoken", 0)
    pitches = iter([100.0, 200.0, 100.0, 200.0, 150.0, 150.0, 150.0, 150.0])
    monkeypatch.setattr(
        "voice_data.describe.measure",
        lambda audio, text: Measures(duration=1, speech=1, f0=next(pitches), rate=4.0),
    )
    monkeypatch.setattr("voice_data.score.score", _scored)
    found = steadiness(spoken, clips)
    assert found[FILE]["f0"] == pytest.approx(6.0)
    assert found[PROMPT]["f0"] == found[PROMPT]["rate"] == 0.0
    assert found[FILE]["voices"] == 2
    table = markdown({"variance": found | {"identical after reload": True}})
    assert "| voice file | ± 6.00 | ± 0.00 | ± 0.050 | 0.900 | 4 of 2 voices |" in table
    assert "the same samples" in table


def test_one_pass_is_held_against_descent(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice_data.score.score", _scored)
    clips.config = replace(clips.config, rivals=2, oracle_steps=3, tuning_steps=2)
    said: list[Take] = []

    def speak(takes: Iterable[Take]) -> list[tuple[Take, Path]]:
        some = list(takes)
        said.extend(some)
        return speak_takes(some, clips.voicer, tmp_path / "spoken", 0)

    found = rivals(clips, ["abcabc"], tmp_path / "own", speak)
    assert {take.way for take in said} == set(found["ways"])
    assert len(said) == 4 * 2
    own = [path for path in (tmp_path / "own").iterdir() if path.is_dir()]
    assert {path.name for path in own} == {each.name for each in clips.speakers[:2]}
    again, seconds = own_adapters(clips, clips.speakers[:2], tmp_path / "own")
    assert seconds == found["ways"][OWN]["seconds"]
    assert set(again) == {path.name for path in own}
    found["ways"] |= {OWN: found["ways"][OWN] | {"similarity": 0.9},
                      PASS: found["ways"][PASS] | {"similarity": 0.8}}  # fmt: skip
    assert "own adapter, by descent | 0.900 |" in markdown({"rivals": found})


class _Summary(NamedTuple):
    mean: float


class _Report(NamedTuple):
    rows: list[Any]

    def summary(self) -> dict[str, _Summary]:
        values = {"consistency": 0.9, "similarity": 0.7, "similarity_ceiling": 0.8, "wer": 0.0}
        return {name: _Summary(value) for name, value in values.items()}


class _Liked(NamedTuple):
    similarity: Similarity


def _scored(rows: Sequence[Row], metrics: Sequence[str]) -> _Report:
    """A stand-in for the speaker encoder, which hears no speech in a hum."""
    assert set(metrics) <= {"similarity", "wer"}
    assert all(row.references for row in rows)
    alike = [Similarity(0.7 + 0.1 * (place % 2), 0.8, 0.9) for place in range(len(rows))]
    return _Report([_Liked(each) for each in alike])
