from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from humming import PARTIALS

from voice_data.describe import Tags
from voice_data.encoded import EncodedSet
from voice_hypernet.config import Shares
from voice_hypernet.corpus import CorpusError, VoiceCorpus
from voice_hypernet.tasks import Tasks, describe_all


@pytest.fixture
def corpus(hummed: Path) -> VoiceCorpus:
    return VoiceCorpus(EncodedSet(hummed / "set"), hummed / "voices")


def test_voices_have_their_clips_and_tags(corpus: VoiceCorpus) -> None:
    assert len(corpus.speakers) == 12
    for name, speaker in corpus.speakers.items():
        assert len(speaker.clips) == 8
        assert {corpus.data.speakers[i] for i in speaker.clips} == {name}
        assert speaker.tags.gender in ("male", "female")
    assert corpus.features.shape == (96, PARTIALS)


def test_voices_are_held_out_by_name_alone(corpus: VoiceCorpus) -> None:
    away = corpus.held_out(0.3)
    assert away == corpus.held_out(0.3)
    assert away < corpus.held_out(0.9)
    assert corpus.held_out(0.0) == set()
    assert away != corpus.held_out(0.3, seed=5)


def test_another_set_is_refused(corpus: VoiceCorpus, tmp_path: Path) -> None:
    values = json.loads((corpus.folder / "voices.json").read_text("utf-8"))
    (tmp_path / "voices.json").write_text(json.dumps(values | {"set": "x"}), "utf-8")
    with pytest.raises(CorpusError, match=r"made for another training set .*t2a-prepare"):
        VoiceCorpus(corpus.data, tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 7}'])
def test_damaged_voices_are_refused(corpus: VoiceCorpus, tmp_path: Path, content: str) -> None:
    (tmp_path / "voices.json").write_text(content, "utf-8")
    with pytest.raises(CorpusError, match=r"voices.json .*t2a-prepare"):
        VoiceCorpus(corpus.data, tmp_path)


def test_no_voices(corpus: VoiceCorpus, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is missing: make it with `t2a-prepare`"):
        VoiceCorpus(corpus.data, tmp_path)


def test_missing_features_are_named(corpus: VoiceCorpus, tmp_path: Path) -> None:
    (tmp_path / "voices.json").write_bytes((corpus.folder / "voices.json").read_bytes())
    with pytest.raises(CorpusError, match=r"features.safetensors cannot be read"):
        _ = VoiceCorpus(corpus.data, tmp_path).features


def tasks(corpus: VoiceCorpus, shares: Shares, frames: int = 300, seed: int = 0) -> Tasks:
    speakers = list(corpus.speakers.values())
    phrases = {each.name: np.ones((2, 3), np.float32) for each in speakers}
    return Tasks(corpus, speakers, phrases, frames=frames, shares=shares, seed=seed)


def test_a_task_depends_on_its_step_alone_and_fits(corpus: VoiceCorpus) -> None:
    plan = tasks(corpus, Shares())
    first, again, other = plan(7), tasks(corpus, Shares())(7), plan(8)
    assert first.clips == again.clips != other.clips
    assert np.array_equal(first.heard, again.heard)
    lengths = corpus.data.lengths
    for step in range(30):
        clips = plan(step).clips
        assert clips
        assert len(clips) * max(lengths[i] for i in clips) <= 300


def test_shares_are_kept(corpus: VoiceCorpus) -> None:
    plan = tasks(corpus, Shares(text=0.3, both=0.2, none=0.1))
    rows = [plan(step) for step in range(300)]
    text = np.concatenate([each.has_text for each in rows])
    clip = np.concatenate([each.has_clip for each in rows])
    assert (text & ~clip).mean() == pytest.approx(0.3, abs=0.04)
    assert (text & clip).mean() == pytest.approx(0.2, abs=0.04)
    assert (~text & ~clip).mean() == pytest.approx(0.1, abs=0.03)


def test_evenness_makes_rare_voices_common(corpus: VoiceCorpus) -> None:
    speakers = list(corpus.speakers.values())
    kinds = ["male"] * 10 + ["female"] * 2
    speakers = [replace(each, tags=Tags(gender=kind))
                for each, kind in zip(speakers, kinds, strict=True)]  # fmt: skip
    rare = {each.name for each in speakers[10:]}
    for evenness, share in ((0.0, 2 / 12), (1.0, 1 / 2)):
        plan = Tasks(corpus, speakers, {}, frames=40, shares=Shares(), seed=0, evenness=evenness)
        first = [corpus.data.speakers[plan(step).clips[0]] in rare for step in range(400)]
        assert np.mean(first) == pytest.approx(share, abs=0.08)
        crowd = plan.crowd(0, 2_000)
        assert len(crowd.clips) == len(crowd.heard) == 2_000
        drawn = [corpus.data.speakers[clip] in rare for clip in crowd.clips]
        assert np.mean(drawn) == pytest.approx(share, abs=0.04)


def test_a_voice_is_heard_from_other_clips_than_the_one_to_say(corpus: VoiceCorpus) -> None:
    corpus.__dict__["features"] = np.eye(96, dtype=np.float32)  # features tell whose they are
    speakers = corpus.speakers
    plan = tasks(corpus, Shares(text=0.0, both=0.0, none=0.0))
    for step in range(40):
        task = plan(step)
        for clip, heard in zip(task.clips, task.heard, strict=True):
            sources = set(np.flatnonzero(heard))
            assert sources <= set(speakers[corpus.data.speakers[clip]].clips) - {clip}


def test_too_small_a_budget_is_refused(corpus: VoiceCorpus) -> None:
    with pytest.raises(ValueError, match="no train clip of the voices fits into 3 frames"):
        tasks(corpus, Shares(), frames=3)


def test_every_voice_is_described_in_every_language(corpus: VoiceCorpus) -> None:
    said: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        said.extend(texts)
        return np.zeros((len(texts), 2), np.float32)

    speakers = list(corpus.speakers.values())[:2]
    found = describe_all(speakers, encode, ("en", "ko"), seed=0, count=5)  # pyright: ignore
    assert set(found) == {each.name for each in speakers}
    assert any(text.isascii() for text in said)
    assert any(not text.isascii() for text in said)
