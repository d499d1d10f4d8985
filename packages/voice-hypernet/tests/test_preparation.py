"""From an encoded set to what training knows of its voices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from voice_data.audio import Audio, read, write
from voice_data.describe import measure, tag
from voice_data.describe.measures import combine
from voice_data.encoded import EncodedSet
from voice_hypernet import preparation
from voice_hypernet.clip import hear
from voice_hypernet.corpus import CorpusError, VoiceCorpus
from voice_hypernet.preparation import PARTS, PrepareConfig, prepare


@pytest.fixture
def data(hummed: Path, tmp_path: Path) -> Path:
    """A copy of the humming set, whose recordings may be harmed."""
    shutil.copytree(hummed / "set", tmp_path / "set")
    return tmp_path / "set"


def test_features_and_measures_are_those_of_the_clips(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    config = PrepareConfig(data=str(data), out=str(tmp_path / "out"), clips=2)
    done = prepare(config, on_clip=lambda *counts: told.append(counts))
    found = EncodedSet(data)
    assert (done.voices, done.clips, done.unheard) == (12, 96, {})
    assert told[-1] == (96, 96)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "features.safetensors", "voices.json",
    ]  # fmt: skip
    corpus = VoiceCorpus(found, tmp_path / "out")
    for position in (0, 50, 95):
        wanted = hear(read(found.audio_of(position))).features
        np.testing.assert_array_equal(corpus.features[position], wanted)
    speaker = corpus.speakers["voice-03"]
    clips = [(read(found.audio_of(i)), found.texts[i]) for i in speaker.clips]
    pairs = [combine([measure(*clips[i]), measure(*clips[j])]) for i in range(8) for j in range(i)]
    assert any(speaker.tags == tag(each) for each in pairs)
    assert any(speaker.measures["duration"] == each.to_dict()["duration"] for each in pairs)


def test_an_interrupted_run_goes_on_where_it_stopped(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PrepareConfig(data=str(data), out=str(tmp_path / "out"), clips=1)
    heard: list[str] = []
    real = preparation._hear

    def counted(folder: Path, part: preparation.Part) -> None:
        if len(heard) == 5:
            raise KeyboardInterrupt
        heard.append(part.speaker)
        real(folder, part)

    monkeypatch.setattr(preparation, "_hear", counted)
    with pytest.raises(KeyboardInterrupt):
        prepare(config)
    assert len(list((tmp_path / "out" / PARTS).rglob("*.safetensors"))) == 5
    assert not (tmp_path / "out" / "voices.json").exists()
    first, heard[:] = list(heard), []
    monkeypatch.setattr(preparation, "_hear", lambda *each: (heard.append(each[1].speaker),
                                                             real(*each))[1])  # fmt: skip
    prepare(config)
    assert len(heard) == 7
    assert not set(heard) & set(first)
    whole = PrepareConfig(data=str(data), out=str(tmp_path / "again"), clips=1)
    prepare(whole)
    for name in ("voices.json", "features.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_clips_without_a_voice_take_the_mean_of_the_others(data: Path, tmp_path: Path) -> None:
    found = EncodedSet(data)
    silent, gone = found.audio_of(0), found.audio_of(1)
    write(silent, Audio(np.zeros(32_000, np.float32), 16_000))
    gone.unlink()
    done = prepare(PrepareConfig(data=str(data), out=str(tmp_path / "out"), clips=1))
    assert set(done.unheard) == {found.clips[0].id, found.clips[1].id}
    assert "is silent" in done.unheard[found.clips[0].id]
    features = VoiceCorpus(found, tmp_path / "out").features
    same = [i for i, name in enumerate(found.speakers) if name == found.speakers[0]][2:]
    for position in (0, 1):
        np.testing.assert_allclose(features[position], features[same].mean(0), rtol=1e-5)


def test_a_speaker_who_is_never_heard_is_left_out(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = EncodedSet(data)
    for position, name in enumerate(found.speakers):
        if name == "voice-00":
            found.audio_of(position).unlink()
    done = prepare(PrepareConfig(data=str(data), out=str(tmp_path / "out"), clips=1))
    assert done.voices == 11
    assert "no clip of voice-00 could be heard: the voice is left out" in caplog.text
    assert "voice-00" not in json.loads((tmp_path / "out" / "voices.json").read_text())["speakers"]


def test_a_set_without_recordings_is_an_error(data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "clips")
    with pytest.raises(CorpusError, match=r"no voice of .* could be measured: .*is not a file"):
        prepare(PrepareConfig(data=str(data), out=str(tmp_path / "out")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": ""}, "PrepareConfig.data is empty"),
        ({"out": ""}, "PrepareConfig.out is empty"),
        ({"clips": 0}, "PrepareConfig.clips must be 1 or more, not 0"),
        ({"workers": 0}, "PrepareConfig.workers must be 1 or more, not 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PrepareConfig(**{"data": "d", "out": "o", **settings})
