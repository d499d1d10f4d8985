"""Folders of IndexTTS: the published names, both generations, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from indextts_toy import GPT, RATE, WIDTH, example, made_tokens, network, second_generation
from safetensors.torch import load_file, save_file

from tts_lora.families import indextts, indextts_checkpoint
from tts_lora.families.indextts import IndexTTS, load
from tts_lora.families.indextts_checkpoint import Settings
from tts_lora.families.indextts_emotions import Emotions
from voice_data.speech import SpeechModelError


@pytest.fixture(scope="module")
def tokens() -> Any:
    return made_tokens()


@pytest.fixture
def model(tokens: Any, monkeypatch: pytest.MonkeyPatch) -> IndexTTS:
    """IndexTTS 1.5, one's own to change; what it says ends soon."""
    monkeypatch.setattr(indextts, "SECONDS_PER_TOKEN", 0.0)
    monkeypatch.setattr(indextts, "SECONDS_AT_LEAST", 1.0)
    return IndexTTS(network(), tokens, Settings(gpt=GPT))


@pytest.fixture
def second(tokens: Any, tmp_path: Path) -> IndexTTS:
    return second_generation(tokens, tmp_path)


def test_the_published_names_are_loaded(model: IndexTTS, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    published = load_file(tmp_path / "gpt.safetensors")
    assert {
        "gpt.h.1.attn.c_attn.weight", "gpt.h.1.mlp.c_proj.bias", "gpt.ln_f.weight",
        "text_embedding.weight", "mel_embedding.weight", "text_pos_embedding.emb.weight",
        "mel_pos_embedding.emb.weight", "final_norm.weight", "text_head.weight", "mel_head.bias",
        "conditioning_encoder.embed.conv.0.weight", "conditioning_encoder.embed.out.0.bias",
        "conditioning_encoder.encoders.0.self_attn.pos_bias_u",
        "conditioning_encoder.encoders.0.conv_module.depthwise_conv.weight",
        "conditioning_encoder.after_norm.weight", "perceiver_encoder.latents",
        "perceiver_encoder.proj_context.weight", "perceiver_encoder.layers.1.0.to_kv.weight",
        "perceiver_encoder.layers.1.1.2.bias", "perceiver_encoder.norm.gamma",
    } <= set(published)  # fmt: skip
    assert published["gpt.h.0.attn.c_attn.weight"].shape == (WIDTH, 3 * WIDTH)
    assert published["mel_pos_embedding.emb.weight"].shape == (63, WIDTH)
    published["inference_model.lm_head.1.weight"] = torch.zeros(1)  # copies that a file may hold
    published["gpt.wte.weight"] = torch.zeros(1)
    published["conditioning_encoder.embed.pos_enc.pe"] = torch.zeros(1)
    save_file(published, tmp_path / "gpt.safetensors")
    (tmp_path / "config.json").unlink()
    gpt = json.dumps(asdict(GPT))
    (tmp_path / "config.yaml").write_text(f"dataset: {{sample_rate: 24000}}\ngpt: {gpt}\n")
    again = load(str(tmp_path))
    assert again.sample_rate == RATE
    assert again.weights_sha256 == model.weights_sha256
    clip = example("One two.")
    assert again.encode(clip)["latents"].equal(model.encode(clip)["latents"])
    assert again.encode(clip)["text"].equal(model.encode(clip)["text"])


def test_the_second_is_saved_and_loaded(second: IndexTTS, tmp_path: Path) -> None:
    second.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256 == second.weights_sha256
    row = second.encode(example("Hi.", 4, emotion=[0, 0, 0.3, 0, 0, 0, 0.5, 0]))
    mine, other = (each.collate([row])["emovec"] for each in (second, again))
    assert mine.equal(other)


def test_a_vocoder_is_found_by_reference(
    tokens: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from importlib.metadata import EntryPoint

    entry = EntryPoint("flat", "types:SimpleNamespace", indextts_checkpoint.VOCODERS)
    made: list[str | None] = []

    def loader(path: str | None) -> Any:
        made.append(path)
        return lambda latents, codes, voice: torch.zeros(len(codes))

    monkeypatch.setattr(EntryPoint, "load", lambda self: loader)
    monkeypatch.setattr(indextts_checkpoint, "entry_points", lambda group: [entry])
    model = IndexTTS(network(), tokens, Settings(gpt=GPT, vocoder="flat:some/folder"))
    model.save_pretrained(tmp_path)
    model = load(str(tmp_path))
    assert model.speak("Hi.", voice=model.condition([model.encode(example("One."))])).rate == RATE
    assert made == ["some/folder"]
    with pytest.raises(SpeechModelError, match=r"'round' is not installed.*there is flat"):
        indextts_checkpoint.find_vocoder("round")


def test_bad_folders_are_refused(model: IndexTTS, tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="pickles, which are not read here"):
        load()
    with pytest.raises(SpeechModelError, match=r"has no config\.json or config\.yaml"):
        load(str(tmp_path))
    model.save_pretrained(tmp_path)
    good = (tmp_path / "config.json").read_text()
    for bad, message in (
        (good.replace('"heads": 2', '"heads": 3'), r"model_dim \(32\) must be divisible by heads"),
        (good.replace('"layers": 2', '"layer": 2'), "unknown key 'layer'"),
        (good.replace('"layers": 2', '"layers": 1'), "gpt.h.1.attn.c_attn.bias is unknown"),
        (good.replace('"layers": 2', '"layers": 3'), "gpt.h.2.attn.c_attn.bias is missing"),
        (good.replace('"max_mel_tokens": 60', '"max_mel_tokens": 61'), r"has \[63, 32\] and not"),
        ("[]", "is no IndexTTS configuration"),
        ("{", "cannot be used"),
    ):
        (tmp_path / "config.json").write_text(bad)
        with pytest.raises(SpeechModelError, match=message):
            load(str(tmp_path))
    (tmp_path / "config.json").write_text(good)
    (tmp_path / "bpe.model").write_bytes(b"nothing")
    with pytest.raises(SpeechModelError, match=r"bpe\.model cannot be read"):
        load(str(tmp_path))
    (tmp_path / "gpt.safetensors").rename(tmp_path / "gpt.pth")
    with pytest.raises(SpeechModelError, match=r"only .*gpt\.pth: pickles are not read.*python -c"):
        load(str(tmp_path))
    (tmp_path / "gpt.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(SpeechModelError, match="cannot be read"):
        load(str(tmp_path))


def test_bad_emotions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="eight counts"):
        Emotions(matrix=torch.zeros(9, 4))
    with pytest.raises(SpeechModelError, match="eight counts"):
        Emotions(matrix=torch.zeros(8, 4), styles=torch.zeros(7, 4))
    assert indextts_checkpoint.read_emotions(tmp_path, ()) is None
    save_file({"a": torch.zeros(8, 4)}, tmp_path / "emotions.safetensors")
    with pytest.raises(SpeechModelError, match="has no tensor 'matrix'"):
        indextts_checkpoint.read_emotions(tmp_path, ())
