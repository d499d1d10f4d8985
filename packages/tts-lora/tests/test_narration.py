"""Speaking with adapters on: equal to PEFT's own layers, whatever the weight, and gone after."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import ToySpeech, encoded_clip

from tts_lora.adapter import attach, attached, load, save
from tts_lora.card import VoiceCard
from tts_lora.config import LoraConfig
from tts_lora.delta import read_deltas
from tts_lora.folder import read_adapter
from tts_lora.narration import NarrationError, narrate, parse_adapter, worn
from tts_lora.targets import AdapterError

TEXT = "Hello there."


def adapter(
    folder: Path, *, seed: int = 0, alpha: float = 8.0, targets: tuple[str, ...] = ("q_proj",)
) -> Path:
    """An adapter of random factors with a condition."""
    model = ToySpeech()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        attach(model, LoraConfig(rank=2, alpha=alpha, targets=targets))
        for name, parameter in model.network.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.3)
    card = VoiceCard.of(model, base="toy", licence="CC0-1.0")
    save(model, folder, card=card, condition=model.condition([encoded_clip([7, 9, 3])]))
    return folder


def outputs(model: ToySpeech) -> torch.Tensor:
    with torch.no_grad():
        return model.trace(model.collate([encoded_clip([3, 1, 4, 1, 5])])).outputs


def test_one_adapter_speaks_in_its_condition(tmp_path: Path) -> None:
    folder, model = adapter(tmp_path / "a"), ToySpeech()
    mine = narrate(TEXT, {folder: 1.0}, model=model)
    assert attached(model) == []
    own = narrate(TEXT, {folder: 1.0}, model=model, voice_from="base")
    stored = load(model, folder)
    expected = model.speak(TEXT, voice=stored.condition, seed=0)
    plain = model.speak(TEXT, seed=0)
    np.testing.assert_array_equal(mine.samples, expected.samples)
    np.testing.assert_array_equal(own.samples, plain.samples)


def test_half_an_adapter_is_one_of_half_the_scale(tmp_path: Path) -> None:
    whole, half = adapter(tmp_path / "a"), adapter(tmp_path / "b", alpha=4.0)
    model = ToySpeech()
    with worn(model, {"a": read_adapter(whole)}, {"a": 0.5}):
        mine = outputs(model)
    load(model, half)
    torch.testing.assert_close(mine, outputs(model), atol=1e-5, rtol=0)


def test_two_adapters_are_added_up(tmp_path: Path) -> None:
    weights = {adapter(tmp_path / "a"): 0.5, adapter(tmp_path / "b", seed=1): -2.0}
    model = ToySpeech()
    before = outputs(model)
    read = {str(folder): read_adapter(folder) for folder in weights}
    with worn(model, read, {str(folder): weight for folder, weight in weights.items()}):
        mine = outputs(model)
    assert torch.equal(outputs(model), before)
    with torch.no_grad():
        for folder, weight in weights.items():
            for name, delta in read_deltas(folder).items():
                layer = model.network.get_submodule(name)
                layer.weight += weight * delta.scale * delta.b @ delta.a  # type: ignore[operator]
    torch.testing.assert_close(mine, outputs(model), atol=1e-5, rtol=0)


def test_layers_that_hooks_do_not_know_go_through_peft(tmp_path: Path) -> None:
    folder, model = adapter(tmp_path / "a", targets=("embed_tokens",)), ToySpeech()
    assert narrate(TEXT, {folder: 1.0}, model=model).samples.size
    assert attached(model) == []


def test_errors(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    with pytest.raises(NarrationError, match="no adapter to speak with"):
        narrate(TEXT, {})
    with pytest.raises(NarrationError, match="the weight must be a number, not nan"):
        narrate(TEXT, {folder: math.nan})
    with pytest.raises(AdapterError, match="base_sha256 does not match"):
        narrate(TEXT, {folder: 1.0}, model=ToySpeech(seed=1))
    with pytest.raises(AdapterError, match="base_sha256 does not match"):
        narrate(TEXT, {folder: 0.5}, model=ToySpeech(seed=1))


def test_a_folder_with_a_weight(tmp_path: Path) -> None:
    assert parse_adapter("a/b") == (Path("a/b"), 1.0)
    assert parse_adapter("a/b=-0.25") == (Path("a/b"), -0.25)
    odd = tmp_path / "x=2"
    odd.mkdir()
    assert parse_adapter(str(odd)) == (odd, 1.0)  # a folder that is there is never cut
    with pytest.raises(NarrationError, match="the weight 'much' is no number"):
        parse_adapter("a=much")
