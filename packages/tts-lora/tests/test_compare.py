"""What two adapters share and where they differ, on adapters whose relation is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToySpeech

from tts_lora.adapter import attach, save
from tts_lora.card import VoiceCard, rewrite
from tts_lora.compare import CompareError, compare
from tts_lora.config import LoraConfig
from tts_lora.delta import DeltaError


def adapter(folder: Path, seed: int = 0, factor: float = 1.0, **options: Any) -> Path:
    """An adapter of random factors, multiplied by ``factor``."""
    model = ToySpeech()
    values: dict[str, Any] = {"rank": 2, "targets": ("q_proj", "o_proj"), **options}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        attach(model, LoraConfig(**values))
        torch.manual_seed(seed)
        for name, parameter in model.network.named_parameters():
            if "lora_" in name:
                parameter.normal_()
                parameter.mul_(factor if "lora_B" in name else 1.0)
    card = VoiceCard.of(model, base="toy", licence="CC0-1.0", description=folder.name)
    save(model, folder, card=card)
    return folder


def test_the_same_direction_at_another_length(tmp_path: Path) -> None:
    first, second = adapter(tmp_path / "a"), adapter(tmp_path / "b", factor=-2.0)
    found = compare([first, second])
    (pair,) = found.pairs
    assert pair.cosine == pytest.approx(-1.0)
    assert list(pair.layers.values()) == pytest.approx([-1.0] * 4)
    assert found.adapters[1].frobenius == pytest.approx(2 * found.adapters[0].frobenius)
    assert set(found.differences) == {"description"}
    assert found.differences["description"] == ("a", "b")
    assert found.adapters[0].parameters == 4 * 2 * (32 + 32)


def test_strangers_are_nearly_orthogonal_and_settings_differ(tmp_path: Path) -> None:
    first = adapter(tmp_path / "a")
    second = adapter(tmp_path / "b", seed=5, rank=3, targets=("q_proj", "down_proj"))
    third = adapter(tmp_path / "c", seed=9, targets=("up_proj",))
    found = compare([first, second, third])
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    close, apart, _ = found.pairs
    assert close.cosine is not None
    assert abs(close.cosine) < 0.2
    assert set(close.layers) == {f"model.layers.{n}.self_attn.q_proj" for n in (0, 1)}
    assert {name.rpartition(".")[2] for name in close.only_first} == {"o_proj"}
    assert {name.rpartition(".")[2] for name in close.only_second} == {"down_proj"}
    assert apart.cosine is None
    assert found.differences["r"] == (2, 3, 2)
    assert found.differences["target_modules"][2] == ["up_proj"]


def test_files_and_recorded_scores(tmp_path: Path) -> None:
    first, second = adapter(tmp_path / "x" / "a"), adapter(tmp_path / "y" / "a", seed=1)
    card = VoiceCard.read(first)
    rows = {"adapter": {"wer": 0.05, "similarity": 0.9}}
    rewrite(first, replace(card, metrics={"validation": {"rows": rows}}))
    found = compare([first, second])
    assert [each.name for each in found.adapters] == ["x/a", "y/a"]
    data, html = found.save(tmp_path / "out")
    values = json.loads(data.read_text("utf-8"))
    assert values["adapters"][0]["figures"] == {"wer": 0.05, "similarity": 0.9}
    assert values["pairs"][0]["first"] == "x/a"
    text = html.read_text("utf-8")
    assert "x/a and y/a: cosine" in text
    assert "0.900" in text
    assert any(line == "wer: 0.050 | –" for line in found.lines())


def test_a_plain_peft_folder_without_a_card(tmp_path: Path) -> None:
    first, second = adapter(tmp_path / "a"), adapter(tmp_path / "b", seed=1)
    (first / "voice.json").unlink()
    found = compare([first, second])
    assert found.differences["licence"] == (None, "CC0-1.0")


def test_nothing_to_compare(tmp_path: Path) -> None:
    first = adapter(tmp_path / "a")
    with pytest.raises(CompareError, match="at least two adapters, not 1"):
        compare([first])
    with pytest.raises(CompareError, match="the same folder is given twice"):
        compare([first, first])
    with pytest.raises(DeltaError, match="is no adapter"):
        compare([first, tmp_path])
