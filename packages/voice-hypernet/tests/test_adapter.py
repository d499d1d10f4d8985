"""A voice as a folder: whole, checked, and what PEFT expects."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from humming import HumModel
from safetensors.numpy import load_file
from test_voice import voice_for

from voice_hypernet.adapter import CARD, CONDITION, CONFIG, WEIGHTS, read_voice, write_voice
from voice_hypernet.trunk import Factors
from voice_hypernet.voice import Voice, VoiceError


@pytest.fixture
def voice() -> Voice:
    made = voice_for(HumModel())
    return replace(
        made,
        description="차분한 목소리",
        understood={"pitch": "low"},
        warnings=("odd",),
        strength=0.5,
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_is_written_is_read_again(voice: Voice, tmp_path: Path) -> None:
    digest = voice.save(tmp_path / "v")
    found = Voice.load(tmp_path / "v")
    assert len(digest) == 64
    for name in ("origin", "description", "strength", "understood", "warnings", "alpha", "rank"):
        assert getattr(found, name) == getattr(voice, name)
    assert {g.kind: g.names for g in found.groups} == {g.kind: g.names for g in voice.groups}
    for name, change in voice.deltas():
        np.testing.assert_array_equal(dict(found.deltas())[name], change)
    np.testing.assert_array_equal(found.condition["voice"], voice.condition["voice"])


def test_equal_voices_give_equal_bytes(voice: Voice, tmp_path: Path) -> None:
    voice.save(tmp_path / "a")
    Voice.load(tmp_path / "a").save(tmp_path / "b")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_the_files_are_pefts(voice: Voice, tmp_path: Path) -> None:
    write_voice(tmp_path / "v", voice)
    config = json.loads((tmp_path / "v" / CONFIG).read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 3, 6)
    assert config["target_modules"] == ["into", "out"]
    tensors = load_file(tmp_path / "v" / WEIGHTS)
    assert sorted(tensors) == [
        f"base_model.model.{layer}.lora_{part}.weight" for layer in ("into", "out") for part in "AB"
    ]
    assert tensors["base_model.model.out.lora_A.weight"].shape == (3, 16)
    assert tensors["base_model.model.out.lora_B.weight"].shape == (6, 3)
    card = json.loads((tmp_path / "v" / CARD).read_text())
    assert card["provenance"]["base_sha256"] == voice.origin.base_sha256
    assert set(card["files"]) == {CONFIG, WEIGHTS, CONDITION}


def test_half_precision_is_half_the_size(voice: Voice, tmp_path: Path) -> None:
    voice.save(tmp_path / "v", half=True)
    tensors = load_file(tmp_path / "v" / WEIGHTS)
    assert {value.dtype for value in tensors.values()} == {np.dtype(np.float16)}
    found = dict(read_voice(tmp_path / "v").deltas())
    for name, change in voice.deltas():
        np.testing.assert_allclose(found[name], change, atol=0.02)


def test_a_voice_without_a_condition_leaves_none_behind(voice: Voice, tmp_path: Path) -> None:
    voice.save(tmp_path / "v")
    replace(voice, condition={}).save(tmp_path / "v")
    assert not (tmp_path / "v" / CONDITION).exists()
    assert read_voice(tmp_path / "v").condition == {}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_not_saved(voice: Voice, tmp_path: Path, value: float) -> None:
    factors = voice.adapters["out"]
    broken = {**voice.adapters, "out": Factors(factors.a * np.float32(value), factors.b)}
    with pytest.raises(VoiceError, match=r"out\.lora_A\.weight holds NaN or infinity: nothing"):
        replace(voice, adapters=broken).save(tmp_path / "v")
    told = {"voice": np.full(4, value, np.float32)}
    with pytest.raises(VoiceError, match="voice holds NaN"):
        replace(voice, condition=told).save(tmp_path / "v")
    assert list(tmp_path.iterdir()) == []


def test_numbers_too_large_for_half_precision_are_refused(voice: Voice, tmp_path: Path) -> None:
    factors = voice.adapters["out"]
    large = {**voice.adapters, "out": Factors(factors.a * np.float32(1e6), factors.b)}
    with pytest.raises(VoiceError, match="out does not fit into half precision"):
        replace(voice, adapters=large).save(tmp_path / "v", half=True)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, CONDITION, CARD])
@pytest.mark.parametrize("harm", ["missing", "cut", "changed"])
def test_a_damaged_file_is_named(voice: Voice, tmp_path: Path, name: str, harm: str) -> None:
    voice.save(tmp_path / "v")
    path = tmp_path / "v" / name
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(data[:-9])
    else:
        path.write_bytes(data.replace(b"6", b"7") if name == CARD else data[:-1] + b"!")
    with pytest.raises(VoiceError, match=name.partition(".")[0]):
        read_voice(tmp_path / "v")


def test_a_foreign_adapter_is_refused_with_what_loads_it(voice: Voice, tmp_path: Path) -> None:
    from voice_hypernet.adapter import _digest

    voice.save(tmp_path / "v")
    path = tmp_path / "v" / CARD
    card = json.loads(path.read_text())
    card["metrics"] = {}
    del card["sha256"]
    path.write_text(json.dumps({**card, "sha256": _digest(card)}))
    with pytest.raises(VoiceError, match="not generated by voice-hypernet: load it with tts-lora"):
        read_voice(tmp_path / "v")


def test_a_failed_write_leaves_the_old_voice(
    voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice.save(tmp_path / "v")
    shutil.copytree(tmp_path / "v", tmp_path / "old")
    written: list[str] = []
    real = Path.write_bytes

    def failing(self: Path, data: bytes) -> int:
        written.append(self.name)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(OSError, match="the disk is full"):
        replace(voice, description="another").save(tmp_path / "v")
    assert bytes_of(tmp_path / "v") == bytes_of(tmp_path / "old")
    written.clear()
    with pytest.raises(OSError, match="the disk is full"):
        voice.save(tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "v"]
