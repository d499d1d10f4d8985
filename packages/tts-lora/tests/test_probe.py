"""Planted faults are found and named; a sound adapter passes; the network is left as it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import ToySpeech, encoded_clip, tone

from tts_lora.adapter import attach, save
from tts_lora.attachment import live_deltas
from tts_lora.card import VoiceCard
from tts_lora.config import LoraConfig
from tts_lora.delta import DeltaError
from tts_lora.finding import CODES, Finding
from tts_lora.probe import Probe, probe, spectrum_distance
from voice_data.audio import Audio

CLIPS = [encoded_clip([3, 1, 4, 1, 5]), encoded_clip([9, 2, 6], "Two, and more.")]


def attached(std: float = 0.02, **options: Any) -> ToySpeech:
    """The toy with an adapter whose factors are random, of a size that can be heard."""
    model = ToySpeech()
    values = {"rank": 4, "alpha": 8.0, "dropout": 0.0, "targets": ("q_proj", "down_proj")}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        attach(model, LoraConfig(**{**values, **options}))
        for name, parameter in model.network.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=std)
    model.network.eval()
    return model


def codes(found: Probe) -> list[str]:
    return [finding.code for finding in found.findings]


def factors(model: ToySpeech) -> dict[str, torch.Tensor]:
    return {key: value for key, value in model.network.named_parameters() if "lora_" in key}


def saved(model: ToySpeech, folder: Path) -> Path:
    """The adapter as it stands, on disk."""
    save(model, folder, card=VoiceCard.of(model, base="toy", licence="CC0-1.0"))
    return folder


def test_a_sound_adapter_passes_and_nothing_moves(tmp_path: Path) -> None:
    model = attached()
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    found = probe(model, CLIPS, folder=saved(model, tmp_path / "a"))
    assert codes(found) in ([], ["inaudible"])
    assert found.ok
    assert found.reload_equal
    assert found.output_change > 0.001
    assert found.merge_difference is not None
    assert found.merge_difference < 1e-5
    for key, value in model.network.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_norms_are_those_of_the_dense_deltas() -> None:
    model = attached()
    by_name = {layer.layer: layer for layer in probe(model, CLIPS, sentences=()).layers}
    module: Any = model.network.model.layers[1].mlp.down_proj
    dense = module.get_delta_weight("default").detach()
    mine = by_name["model.layers.1.mlp.down_proj"]
    assert len(by_name) == 4
    assert mine.frobenius == pytest.approx(float(dense.norm()), rel=1e-5)
    assert mine.spectral == pytest.approx(float(torch.linalg.matrix_norm(dense, 2)), rel=1e-5)
    assert mine.relative == pytest.approx(float(dense.norm() / module.weight.norm()), rel=1e-5)


def test_an_adapter_that_was_never_trained_has_no_effect() -> None:
    found = probe(attached(std=0.0), CLIPS)
    assert codes(found)[0] == "no-effect"
    assert found.findings[0].detail == "all 4 deltas are zero"
    assert not found.ok
    assert found.output_change == 0.0
    assert all(each.identical and each.spectrum_db == 0.0 for each in found.sentences)


def test_a_layer_that_learnt_nothing_is_named() -> None:
    model = attached()
    with torch.no_grad():
        factors(model)["model.layers.0.self_attn.q_proj.lora_B.default.weight"].zero_()
    found = probe(model, CLIPS, sentences=())
    assert "idle-layers" in codes(found)
    idle = next(each for each in found.findings if each.code == "idle-layers")
    assert idle.detail == "1 deltas are zero: model.layers.0.self_attn.q_proj"
    assert idle.severity == "warning"


def test_an_adapter_larger_than_its_base_exploded() -> None:
    found = probe(attached(std=5.0), CLIPS, sentences=())
    assert "exploded" in codes(found)
    assert not found.ok


def test_layers_that_the_rank_does_not_bound_are_rewritten() -> None:
    found = probe(attached(std=5.0, rank=32), CLIPS, sentences=())  # 32 outputs, so any matrix
    assert all(each.whole for each in found.layers)
    assert "rewritten" in codes(found)
    assert "exploded" not in codes(found)
    assert found.ok
    assert not any(each.whole for each in probe(attached(), CLIPS, sentences=()).layers)


def test_a_broken_number_is_found() -> None:
    model = attached()
    with torch.no_grad():
        factors(model)["model.layers.0.self_attn.q_proj.lora_A.default.weight"][0, 0] = torch.nan
    found = probe(model, CLIPS, sentences=())
    assert codes(found)[0] == "not-finite"
    assert "q_proj" in found.findings[0].detail
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_folder_with_other_bits_is_found(tmp_path: Path) -> None:
    model = attached()
    folder = saved(model, tmp_path / "a")
    with torch.no_grad():
        factors(model)["model.layers.0.self_attn.q_proj.lora_A.default.weight"][0, 0] += 1e-6
    assert "reload-differs" in codes(probe(model, CLIPS, folder=folder, sentences=()))
    scaled = saved(model, tmp_path / "b")
    settings = json.loads((scaled / "adapter_config.json").read_text())
    (scaled / "adapter_config.json").write_text(json.dumps({**settings, "lora_alpha": 9}))
    assert "reload-differs" in codes(probe(model, CLIPS, folder=scaled, sentences=()))


def test_a_merge_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from peft.tuners.lora.layer import Linear

    def twice(self: Any, safe_merge: bool = False, adapter_names: Any = None) -> None:
        for name in adapter_names:
            self.get_base_layer().weight.data += 2 * self.get_delta_weight(name)
            self.merged_adapters.append(name)

    monkeypatch.setattr(Linear, "merge", twice)
    found = probe(attached(), CLIPS, sentences=())
    assert "merge-differs" in codes(found)


def test_a_shifted_label_is_found() -> None:
    model = attached()
    model.shift = 1
    found = probe(model, CLIPS, sentences=())
    assert "misaligned" in codes(found)


@pytest.mark.parametrize("kind", ["dora", "embedding"])
def test_other_kinds_of_adapters_pass(kind: str) -> None:
    options: dict[str, Any] = (
        {"method": "dora"} if kind == "dora" else {"targets": ("embed_tokens",)}
    )
    model = attached(**options)
    if kind == "embedding":
        with torch.no_grad():
            for name, parameter in factors(model).items():
                parameter.normal_(std=0.01, generator=torch.Generator().manual_seed(len(name)))
    found = probe(model, CLIPS, sentences=())
    assert found.ok, found.findings
    assert found.output_change > 0


def test_half_precision_is_allowed_its_rounding() -> None:
    model = attached()
    model.network.to(torch.bfloat16)
    assert "merge-differs" not in codes(probe(model, CLIPS, sentences=()))


def test_tied_weights_are_left_unmerged() -> None:
    model = attached(targets=("lm_head",))
    with torch.no_grad():
        head: Any = model.network.lm_head
        model.network.model.embed_tokens.weight = head.get_base_layer().weight
    found = probe(model, CLIPS, sentences=())
    assert found.merge_difference is None
    assert found.ok, found.findings


def test_no_adapter_and_no_clips() -> None:
    with pytest.raises(DeltaError, match="no LoRA called 'default' is attached"):
        live_deltas(ToySpeech().network, "default")
    with pytest.raises(ValueError, match="at least one encoded clip"):
        probe(attached(), [])


def test_spectra_are_compared_whatever_the_length_and_loudness() -> None:
    low = Audio(np.tile(tone(2).samples, 5), 16_000)
    quiet = Audio(low.samples[:4_800] * 0.1, 16_000)
    high = Audio(np.tile(tone(20).samples, 5), 16_000)
    assert spectrum_distance(low, low) == 0.0
    assert spectrum_distance(low, quiet) < 1.0 < spectrum_distance(low, high)
    with pytest.raises(ValueError, match="16000 and 8000 Hz"):
        spectrum_distance(low, Audio(low.samples, 8_000))


def test_a_probe_is_plain_json() -> None:
    found = probe(attached(std=0.0), CLIPS)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["ok"] is False
    assert values["findings"][0]["code"] == "no-effect"
    assert values["findings"][0]["remedy"]
    assert set(values) == {"ok", *(each.name for each in dataclasses.fields(Probe))}


def test_findings_have_a_known_code() -> None:
    with pytest.raises(KeyError, match="unknown finding 'odd'; valid: not-finite"):
        Finding(code="odd", detail="")
    assert all(severity in ("error", "warning") and remedy for severity, remedy in CODES.values())
