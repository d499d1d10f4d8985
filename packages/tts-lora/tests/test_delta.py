"""A delta's figures against the full matrix, and PEFT's files against PEFT's own arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tts_lora.delta import Delta, DeltaError, deltas_of, read_deltas, read_settings


class Net(nn.Module):
    """One layer of each kind that an adapter may stand on."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 6)
        self.up = nn.Linear(6, 9)
        self.wave = nn.Conv1d(9, 4, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[B, N] -> [B, 4, N - 2]."""
        return self.wave(self.up(self.words(ids)).transpose(1, 2))


def adapted(**options: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(r=3, lora_alpha=7, target_modules=["words", "up", "wave"], **options)
    model = get_peft_model(Net(), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name and "magnitude" not in name:
            nn.init.normal_(parameter, std=0.3)
    return model


def random_delta(seed: int, rank: int = 3, scale: float = 0.5) -> Delta:
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(rank, 13, generator=generator)
    return Delta(a=a, b=torch.randn(8, rank, generator=generator), scale=scale)


def test_norms_equal_those_of_the_full_matrix() -> None:
    for rank in (1, 3, 20):  # 20 is more than the matrix has
        delta = random_delta(1, rank, scale=-2.0)
        full = delta.scale * (delta.b.double() @ delta.a.double())
        assert delta.frobenius == pytest.approx(float(torch.linalg.matrix_norm(full)), rel=1e-9)
        assert delta.spectral == pytest.approx(float(torch.linalg.matrix_norm(full, 2)), rel=1e-9)


def test_cosine_equals_that_of_the_full_matrices() -> None:
    one, two = random_delta(1), random_delta(2, rank=5, scale=0.1)
    dense = [each.scale * (each.b @ each.a).flatten() for each in (one, two)]
    expected = float(torch.nn.functional.cosine_similarity(dense[0], dense[1], dim=0))
    assert one.cosine(two) == pytest.approx(expected, abs=1e-6)
    assert one.cosine(one) == pytest.approx(1.0)
    zero = Delta(a=one.a, b=torch.zeros_like(one.b), scale=1.0)
    assert zero.frobenius == 0.0
    assert one.cosine(zero) is None


def test_deltas_of_other_layers_cannot_be_compared() -> None:
    wide = Delta(a=torch.ones(1, 4), b=torch.ones(8, 1), scale=1.0)
    with pytest.raises(DeltaError, match="8 x 13 and 8 x 4 cannot be compared"):
        random_delta(1).cosine(wide)


def test_a_broken_number_gives_no_norm() -> None:
    delta = random_delta(1)
    delta.b[0, 0] = float("inf")
    assert delta.frobenius != delta.frobenius  # NaN


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"up": 2}, "alpha_pattern": {"up": 30, "wave": 1}},
    ],
)
def test_files_of_peft_are_read_as_peft_computes_them(tmp_path: Path, options: Any) -> None:
    model = adapted(**options)
    model.save_pretrained(tmp_path)
    deltas = read_deltas(tmp_path)
    assert set(deltas) == {"words", "up", "wave"}
    for name, delta in deltas.items():
        layer = model.base_model.model.get_submodule(name)
        expected = layer.get_delta_weight("default").detach()
        mine = (delta.scale * delta.b @ delta.a).reshape(-1)
        if name == "words":  # PEFT adds the transpose to an embedding
            expected = expected.T
        torch.testing.assert_close(mine, expected.reshape(-1))
    assert read_settings(tmp_path)["lora_alpha"] == 7


def test_dora_keeps_its_magnitude(tmp_path: Path) -> None:
    adapted(use_dora=True).save_pretrained(tmp_path)
    magnitude = read_deltas(tmp_path)["up"].magnitude
    assert magnitude is not None
    assert magnitude.numel() == 9


def test_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(DeltaError, match=r"is no adapter: it has no adapter_config\.json"):
        read_deltas(tmp_path)
    (tmp_path / "adapter_config.json").write_text("[1]")
    with pytest.raises(DeltaError, match="must hold a JSON object"):
        read_deltas(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(DeltaError, match="cannot be read"):
        read_deltas(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 1}))
    with pytest.raises(DeltaError, match="safetensors is missing"):
        read_deltas(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(DeltaError, match="is no safetensors file"):
        read_deltas(tmp_path)


def test_half_a_layer_and_no_layer() -> None:
    with pytest.raises(DeltaError, match=r"has no lora_B\.weight beside it"):
        deltas_of({"base_model.model.up.lora_A.weight": torch.ones(1, 2)}, {})
    with pytest.raises(DeltaError, match="no LoRA factors among 1 tensors"):
        deltas_of({"base_model.model.up.weight": torch.ones(1, 2)}, {})
