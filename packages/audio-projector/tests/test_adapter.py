"""Voices from PEFT folders: the sum that PEFT would add, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import Hum

from audio_projector.adapter import wear
from voice_data.artefact import ArtefactError
from voice_data.storage import file_sha256


def write_adapter(
    folder: Path, config: dict[str, Any] | None = None, layer: str = "out", base: str = "ab" * 32
) -> tuple[torch.Tensor, torch.Tensor]:
    down, up = torch.randn(2, 8), torch.randn(2, 2)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"base_model.model.{layer}"
    weights = {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    save_file(weights, folder / "adapter_model.safetensors")
    save_file({"level": torch.ones(1)}, folder / "condition.safetensors")
    values = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "use_rslora": False, **(config or {})}
    (folder / "adapter_config.json").write_text(json.dumps(values))
    names = ("adapter_config.json", "adapter_model.safetensors", "condition.safetensors")
    files = {each: file_sha256(folder / each) for each in names}
    card = {"provenance": {"base_sha256": base}, "files": files}
    (folder / "voice.json").write_text(json.dumps(card))
    return down, up


@pytest.mark.parametrize(("rslora", "scale"), [(False, 3.0), (True, 6 / 2**0.5)])
def test_the_change_is_what_peft_adds(hum: Hum, tmp_path: Path, rslora: bool, scale: float) -> None:
    before = hum.network["out"].weight.detach().clone()
    down, up = write_adapter(tmp_path, {"use_rslora": rslora})
    condition = wear(hum, tmp_path)
    torch.testing.assert_close(hum.network["out"].weight, before + scale * up @ down)
    assert condition is not None
    assert condition["level"].tolist() == [1.0]


def test_another_base_is_refused(hum: Hum, tmp_path: Path) -> None:
    write_adapter(tmp_path, base="cd" * 32)
    with pytest.raises(ArtefactError, match="was trained on weights cdcdcdcdcdcd"):
        wear(hum, tmp_path)


def test_more_than_plain_lora_is_refused(hum: Hum, tmp_path: Path) -> None:
    write_adapter(tmp_path, {"use_dora": True})
    with pytest.raises(ArtefactError, match=r"use_dora.*tts-lora merge"):
        wear(hum, tmp_path)


def test_layers_that_do_not_fit_are_refused(hum: Hum, tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", layer="nowhere")
    with pytest.raises(ArtefactError, match="changes 'nowhere'"):
        wear(hum, tmp_path / "a")
    write_adapter(tmp_path / "b", layer="text")
    with pytest.raises(ArtefactError, match="does not fit the layer 'text'"):
        wear(hum, tmp_path / "b")


def test_a_changed_file_is_refused(hum: Hum, tmp_path: Path) -> None:
    write_adapter(tmp_path)
    save_file({"level": torch.zeros(1)}, tmp_path / "condition.safetensors")
    with pytest.raises(ArtefactError, match=r"condition\.safetensors was changed"):
        wear(hum, tmp_path)
    with pytest.raises(ArtefactError, match="give an adapter's folder"):
        wear(hum, tmp_path / "nothing")
