from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from humming import HumModel

from voice_data.encoded import EncodedSet
from voice_data.speech import Condition, Encoded
from voice_hypernet.conditions import CLIPS, conditions
from voice_hypernet.corpus import VoiceCorpus


class CountingModel(HumModel):
    """Counts how often it is told a voice."""

    calls = 0

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        assert len(encoded) == CLIPS
        self.calls += 1
        return super().condition(encoded)


@pytest.fixture
def corpus(hummed: Path, tmp_path: Path) -> VoiceCorpus:
    shutil.copytree(hummed / "voices", tmp_path / "voices")
    return VoiceCorpus(EncodedSet(hummed / "set"), tmp_path / "voices")


def test_every_voice_is_told_once(corpus: VoiceCorpus) -> None:
    model, speakers = CountingModel(), list(corpus.speakers.values())
    first = conditions(model, corpus, speakers[:5])
    assert model.calls == 5
    again = conditions(model, corpus, speakers[2:8])
    assert model.calls == 8
    assert list(again) == [each.name for each in speakers[2:8]]
    for name in set(first) & set(again):
        assert torch.equal(first[name]["voice"], again[name]["voice"])
    own = model.condition([corpus.data[i] for i in speakers[0].clips[::2][:3]])
    assert torch.equal(first[speakers[0].name]["voice"], own["voice"])


def test_another_base_is_told_again(corpus: VoiceCorpus) -> None:
    speakers = list(corpus.speakers.values())[:2]
    conditions(CountingModel(), corpus, speakers)
    other = CountingModel(seed=1)
    conditions(other, corpus, speakers)
    assert other.calls == 2


def test_a_damaged_file_is_made_again(
    corpus: VoiceCorpus, caplog: pytest.LogCaptureFixture
) -> None:
    model, speakers = CountingModel(), list(corpus.speakers.values())[:2]
    conditions(model, corpus, speakers)
    (path,) = corpus.folder.glob("told-*.safetensors")
    path.write_bytes(path.read_bytes()[:-3])
    with caplog.at_level(logging.WARNING):
        conditions(model, corpus, speakers)
    assert model.calls == 4
    assert "it is made again" in caplog.text
    assert len(conditions(model, corpus, speakers)) == 2
    assert model.calls == 4


def test_a_folder_that_cannot_be_written_costs_time_only(
    corpus: VoiceCorpus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with caplog.at_level(logging.WARNING):
        found = conditions(CountingModel(), corpus, list(corpus.speakers.values())[:2])
    assert len(found) == 2
    assert "disk is full" in caplog.text
