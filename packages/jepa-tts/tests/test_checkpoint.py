"""Checkpoints: round trips, crashes in the middle, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from jepa_tts import checkpoint
from jepa_tts.checkpoint import (
    load_model,
    load_vocoder,
    save_model,
    save_tensors,
    start_model,
)
from jepa_tts.config import SIZES
from jepa_tts.corpus import Corpus
from jepa_tts.model import JepaModel
from jepa_tts.train import TrainConfig
from jepa_tts.tts import JepaTTS
from jepa_tts.vocoder import Vocoder


def test_model_round_trip(model: JepaModel, tmp_path: Path) -> None:
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.config == model.config
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_vocoder_round_trip(tiny_vocoder: Path) -> None:
    loaded = load_vocoder(tiny_vocoder)
    assert isinstance(loaded, Vocoder)
    assert loaded.config.width == 32


def test_a_crash_leaves_the_old_file(
    model: JepaModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(model, tmp_path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def half(tensors: dict, path: Path) -> None:
        path.write_bytes(b"half of a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", half)
    with torch.no_grad():
        model.predictor.start.add_(1.0)
    with pytest.raises(OSError, match="No space left"):
        save_model(model, tmp_path)
    loaded = load_model(tmp_path).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in before.items())
    assert not list(tmp_path.glob("*.part"))


def test_a_crash_before_the_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.zeros(2)})

    def die(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        save_tensors(path, {"a": torch.ones(2)})
    assert not load_file(path)["a"].any()


def test_tensors_that_are_views_survive(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensor = torch.randn(4, 3)
    save_tensors(tmp_path / "x.safetensors", {"turned": tensor.T})
    assert torch.equal(load_file(tmp_path / "x.safetensors")["turned"], tensor.T)


def test_unknown_key(start: Path, tmp_path: Path) -> None:
    described = json.loads((start / "config.json").read_text("utf-8"))
    described["config"]["colour"] = "red"
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="unknown key 'colour' in JepaConfig; valid: "):
        load_model(tmp_path)


def test_weights_of_another_size(start: Path, tmp_path: Path) -> None:
    described = json.loads((start / "config.json").read_text("utf-8"))
    described["config"]["width"] = 64
    (tmp_path / "config.json").write_text(json.dumps(described))
    (tmp_path / "model.safetensors").write_bytes((start / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"model\.safetensors does not fit its config\.json"):
        load_model(tmp_path)


def test_truncated_weights(start: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((start / "config.json").read_bytes())
    weights = (start / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read .*: copy it again"):
        load_model(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "vocoder"}'])
def test_a_config_that_describes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json does not describe a model"):
        load_vocoder(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_model(tmp_path)


def test_a_new_model_knows_the_named_speakers(training_cache: Path, tmp_path: Path) -> None:
    settings = TrainConfig(
        stage="pronounce", cache=str(training_cache), out=str(tmp_path), size="tiny"
    )
    first, again = (start_model(settings, Corpus(training_cache), "ab") for _ in range(2))
    frames = dict.fromkeys(first.config.speakers, 0)
    for row in Corpus(training_cache).rows:
        if row.speaker in frames:
            frames[row.speaker] += row.frames
    assert set(frames) == {"high", "low"}  # and no virtual one
    assert list(frames.values()) == sorted(frames.values(), reverse=True)
    assert first.config.phonemes == "ab"
    assert first.config.width == SIZES["tiny"].width
    for name, tensor in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_training_can_start_from_what_ships(package: Path, tts: JepaTTS) -> None:
    model, vocoder = load_model(package), load_vocoder(package / "vocoder")
    for mine, packed in ((model, tts.model), (vocoder, tts.vocoder)):
        for name, tensor in packed.state_dict().items():
            torch.testing.assert_close(mine.state_dict()[name], tensor, atol=1e-3, rtol=1e-2)
