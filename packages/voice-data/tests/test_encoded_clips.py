"""Reading a prepared set, and refusing one that is damaged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tone_model import ToneSpeech

from voice_data.audio import read
from voice_data.dataset import Example
from voice_data.encoded import (
    INDEX,
    EncodedSet,
    EncodedSetError,
    PrepareConfig,
    SourceConfig,
    prepare,
)
from voice_data.manifest import Utterance


@pytest.fixture
def prepared(tones: Callable[..., Path], tmp_path: Path) -> EncodedSet:
    source = SourceConfig(folder=os.fspath(tones()), licence="CC0-1.0", consent="self")
    config = PrepareConfig(
        sources=(source,), base="tones", out=os.fspath(tmp_path / "set"), shard_clips=4
    )
    return prepare(config, model=ToneSpeech())


def test_a_clip_is_what_the_model_makes_of_its_recording(prepared: EncodedSet) -> None:
    model = ToneSpeech()
    assert len(prepared) == 6
    assert len(prepared.index.shards) == 2
    for i, clip in enumerate(prepared.clips):
        utterance = Utterance(id=clip.id, audio=clip.audio, text=clip.text)
        expected = model.encode(Example(utterance=utterance, audio=read(prepared.audio_of(i))))
        assert sorted(prepared[i]) == sorted(expected)
        assert all(torch.equal(prepared[i][name], value) for name, value in expected.items())
        assert prepared.lengths[i] == model.length(expected)
    assert set(prepared.speakers) == {"ann"}
    assert prepared.of_split("train") == [i for i, s in enumerate(prepared.splits) if s == "train"]


def test_another_base_is_refused(prepared: EncodedSet) -> None:
    prepared.require_base(ToneSpeech().weights_sha256)
    with pytest.raises(
        EncodedSetError, match=r"was prepared with 'tones' .*prepare the set for this"
    ):
        prepared.require_base(ToneSpeech(seed=1).weights_sha256)


def test_no_set(tmp_path: Path) -> None:
    with pytest.raises(EncodedSetError, match=r"is no prepared set .*`voice-data encode`"):
        EncodedSet(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "is missing: give it a value; prepare the set again"),
        ('{"bass": 1}', "unknown key 'bass' in Index; valid: base"),
    ],
)
def test_a_damaged_index(prepared: EncodedSet, text: str, message: str) -> None:
    (prepared.folder / INDEX).write_text(text, "utf-8")
    with pytest.raises(EncodedSetError, match=message):
        EncodedSet(prepared.folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 9, "has format 9, not 1: update voice-data"),
        ("clips", [], "lists no clips"),
        ("shards", {"../x.safetensors": "0"}, "leaves the data folder"),
        ("shards", {"x.safetensors": "0"}, "x.safetensors is missing"),
    ],
)
def test_an_index_that_says_what_is_not_so(
    prepared: EncodedSet, key: str, value: object, message: str
) -> None:
    path = prepared.folder / INDEX
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {key: value}), "utf-8")
    with pytest.raises(EncodedSetError, match=message):
        EncodedSet(prepared.folder)


def test_a_shard_that_was_changed(prepared: EncodedSet) -> None:
    path = prepared.folder / next(iter(prepared.index.shards))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = EncodedSet(prepared.folder)
    with pytest.raises(EncodedSetError, match="was changed or cut short: prepare the set again"):
        found[0]
    with pytest.raises(IndexError):
        found[99]
