"""Named voices that stand in files beside a checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import tone

from jepa_tts.cast import VOICES
from jepa_tts.catalogue import shipped, voice_names
from jepa_tts.narrator import Narrator
from jepa_tts.tts import JepaTTS
from jepa_tts.voice import Voice, VoiceError
from jepa_tts.weights import read_weights


@pytest.fixture
def folder(package: Path, tmp_path: Path) -> Path:
    """A checkpoint with the voice `clara` beside it, and one named like a voice that it has."""
    folder = tmp_path / "cast"
    shutil.copytree(package, folder)
    (folder / VOICES).mkdir()
    voice = JepaTTS.from_pretrained(folder).export_voice(tone(1.5), name="clara", licence="CC0-1.0")
    voice.save(folder / VOICES / "clara.safetensors")
    replace(voice, name="bert").save(folder / VOICES / "bert.safetensors")
    return folder


def test_a_file_is_a_name(folder: Path) -> None:
    tts = JepaTTS.from_pretrained(folder)
    assert tts.voices == voice_names(folder) == ("ada", "bert", "clara")
    path = str(folder / VOICES / "clara.safetensors")
    by_name, by_file = (tts.speak("Yes, sir.", voice=v).samples for v in ("clara", path))
    np.testing.assert_array_equal(by_name, by_file)
    ours = np.asarray(tts.voice_vector("bert"))
    assert not np.allclose(ours[0], Voice.load(path).vector)  # the table's own goes first


def test_the_names_are_listed_when_one_is_wrong(folder: Path) -> None:
    with pytest.raises(VoiceError, match="'bo'; this model knows: ada, bert, clara"):
        JepaTTS.from_pretrained(folder).speak("Yes.", voice="bo")


def test_a_saved_copy_takes_them_along(folder: Path, tmp_path: Path) -> None:
    tts = JepaTTS.from_pretrained(folder)
    tts.save_pretrained(tmp_path / "copy")
    copy = JepaTTS.from_pretrained(tmp_path / "copy")
    assert copy.voices == tts.voices
    assert copy.voice_vector("clara").tolist() == tts.voice_vector("clara").tolist()


def test_a_damaged_file_is_told_when_it_is_asked_for(folder: Path) -> None:
    (folder / VOICES / "clara.safetensors").write_bytes(b"no voice")
    tts = JepaTTS.from_pretrained(folder)
    assert tts.speak("Yes.", voice="ada").duration > 0
    with pytest.raises(VoiceError, match=r"clara\.safetensors is not a voice file"):
        tts.speak("Yes.", voice="clara")


def test_every_voice_that_ships_is_for_the_weights_that_ship() -> None:
    tts, narrator = JepaTTS.from_pretrained(), Narrator(read_weights(shipped()))
    assert len(set(tts.voices)) == len(tts.voices) >= 10
    lengths = {n: narrator.planned("Good morning.", tts._timbre(n).vector) for n in tts.voices}
    assert all(8 < frames < 60 for frames in lengths.values())
