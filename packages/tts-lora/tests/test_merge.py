"""An adapter in the weights: the same outputs, and out again bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToySpeech
from wearing import METHODS, card, logits, stir, trained

from tts_lora.adapter import attach, detach, disabled, load, save, wear
from tts_lora.config import LoraConfig
from tts_lora.folder import read_adapter
from tts_lora.merge import merge, merged_weights, unmerge
from tts_lora.targets import AdapterError


@pytest.fixture
def model() -> ToySpeech:
    return ToySpeech()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hot", [False, True])
def test_merged_equals_unmerged_and_comes_out_bit_for_bit(
    method: str, hot: bool, model: ToySpeech, tmp_path: Path
) -> None:
    base, state = logits(model), {k: v.clone() for k, v in model.network.state_dict().items()}
    said = trained(model, tmp_path / "a", method=method)
    load(model, tmp_path / "a", hot=hot)
    merge(model)
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
    with disabled(model):
        assert torch.equal(logits(model), base)
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
    whole = ToySpeech(seed=3)
    whole.network.load_state_dict(merged_weights(model))
    torch.testing.assert_close(logits(whole), said, atol=1e-5, rtol=0)
    unmerge(model)
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
    merge(model)
    detach(model)
    assert all(torch.equal(v, state[k]) for k, v in model.network.state_dict().items())


def test_nan_is_neither_saved_nor_merged(model: ToySpeech, tmp_path: Path) -> None:
    attach(model, LoraConfig())
    stir(model.network)
    layer: Any = model.network.model.layers[0].self_attn.q_proj
    base = {name: value.clone() for name, value in model.network.state_dict().items()}
    for broken in (layer.lora_B["default"].weight, layer.base_layer.weight):
        kept = broken.detach().clone()
        with torch.no_grad():
            broken[0, 0] = float("nan")
        with pytest.raises(AdapterError, match=r"NaN or infinity into model\.layers\.0\..*q_proj"):
            merge(model)
        if broken is not layer.base_layer.weight:
            with pytest.raises(AdapterError, match="holds NaN or infinity"):
                save(model, tmp_path / "a", card=card(model))
        with torch.no_grad():
            broken.copy_(kept)
    assert all(torch.equal(v, base[k]) for k, v in model.network.state_dict().items())
    assert not (tmp_path / "a").exists()


def test_tied_weights_are_not_merged(model: ToySpeech) -> None:
    model.network.lm_head.weight = model.network.model.embed_tokens.weight
    attach(model, LoraConfig(targets=("lm_head",)))
    stir(model.network)
    with pytest.raises(AdapterError, match=r"shares its weight .*embed_tokens.*untie"):
        merge(model)


def test_one_adapter_is_merged_at_a_time(model: ToySpeech, tmp_path: Path) -> None:
    trained(model, tmp_path / "a")
    load(model, tmp_path / "a", "a", hot=True)
    wear(model, read_adapter(tmp_path / "a"), "b", hot=True)
    merge(model, "a")
    with pytest.raises(AdapterError, match="'a' is merged already"):
        merge(model, "b")
