"""Other programs get the same sums: read back in their own formats."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import peft
import pytest
import torch
from toy import ToySpeech
from transformers import LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor
from wearing import card, gpt2, in_peft, logits, stir

from tts_lora.adapter import attach, detach, save
from tts_lora.config import LoraConfig
from tts_lora.export import export_gguf, export_merged, export_vllm
from tts_lora.folder import PREFIX, read_adapter
from tts_lora.targets import AdapterError
from voice_data.artefact import load_artefact


def qwen2() -> Any:
    config = Qwen2Config(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    return SimpleNamespace(
        network=Qwen2ForCausalLM(config).eval(),
        sample_rate=16_000,
        weights_sha256="2" * 64,
        targets={"all": ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "lm_head")},
    )


def saved(model: Any, folder: Path, **options: Any) -> torch.Tensor:
    attach(model, LoraConfig(**{"rank": 3, **options}))
    stir(model.network, 0.1)
    said = logits(model)
    save(model, folder, card=card(model, description="A calm man."))
    detach(model)
    return said


def deltas(folder: Path) -> dict[str, np.ndarray]:
    adapter = read_adapter(folder)
    return {
        name: adapter.settings.scale_of(name)
        * (parts["lora_B.weight"] @ parts["lora_A.weight"]).numpy()
        for name, parts in adapter.layers.items()
    }


@pytest.mark.parametrize("make", [ToySpeech, qwen2])
@pytest.mark.parametrize("method", ["lora", "rslora"])
def test_llama_cpp_gets_the_same_sums(make: Any, method: str, tmp_path: Path) -> None:
    model = make()
    last = next(reversed(model.targets))
    targets = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "lm_head")
    saved(model, tmp_path / "a", method=method, targets=targets if last == "head" else "all")
    reader = gguf.GGUFReader(export_gguf(tmp_path / "a", tmp_path / "a.gguf", model))
    fields = {name: field.contents() for name, field in reader.fields.items()}
    config = model.network.config
    assert fields["general.type"] == "adapter"
    assert fields["adapter.type"] == "lora"
    assert fields["general.architecture"] == config.model_type
    assert fields["general.description"] == "A calm man."
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    names = gguf.get_tensor_name_map(
        getattr(gguf.MODEL_ARCH, config.model_type.upper()), config.num_hidden_layers
    )
    expected = deltas(tmp_path / "a")
    assert len(tensors) == 2 * len(expected)
    theirs = LlamaTensorProcessor()
    for name, delta in expected.items():
        theirs_name = names.get_name(name)
        a, b = (tensors[f"{theirs_name}.weight.lora_{part}"] for part in "ab")
        found = fields["adapter.lora.alpha"] / a.shape[0] * b @ a  # as llama.cpp scales it
        if config.model_type == "llama" and theirs_name.endswith(("attn_q", "attn_k")):
            heads = (config.num_attention_heads, config.num_key_value_heads)
            found = theirs._reverse_permute_weights(found, heads[0], heads["attn_k" in theirs_name])
        np.testing.assert_allclose(found, delta, atol=1e-6)


@pytest.mark.parametrize("method", ["lora", "rslora"])
def test_vllm_gets_names_and_a_plain_scale(method: str, tmp_path: Path) -> None:
    model = qwen2()
    said = saved(model, tmp_path / "a", method=method)
    out = export_vllm(tmp_path / "a", tmp_path / "vllm")
    adapter = read_adapter(out)
    assert not adapter.settings.rslora
    assert f"{PREFIX}model.layers.0.self_attn.q_proj.lora_A.weight" in adapter.tensors
    theirs = in_peft(model.network, out)
    with torch.no_grad():
        torch.testing.assert_close(theirs(torch.arange(21).reshape(3, 7)).logits, said)


def test_several_ranks_become_one(tmp_path: Path) -> None:
    model = ToySpeech()
    config = peft.LoraConfig(
        r=2,
        lora_alpha=6,
        target_modules=["q_proj", "v_proj"],
        rank_pattern={"v_proj": 5},
        alpha_pattern={"layers.0.self_attn.q_proj": 9},
    )
    theirs = in_peft(ToySpeech().network, config)
    stir(theirs)
    theirs.save_pretrained(tmp_path / "a")
    from tts_lora.card import rewrite

    rewrite(tmp_path / "a", card(model))
    out = export_vllm(tmp_path / "a", tmp_path / "vllm")
    before, after = deltas(tmp_path / "a"), deltas(out)
    assert read_adapter(out).settings.rank == 5
    for name, delta in before.items():
        np.testing.assert_allclose(after[name], delta, atol=1e-6)
    export_gguf(tmp_path / "a", tmp_path / "a.gguf", model)
    with torch.no_grad():
        plain = in_peft(ToySpeech().network, out)
        ids = torch.arange(21).reshape(3, 7)
        torch.testing.assert_close(plain(ids).logits, theirs.eval()(ids).logits)


def test_layers_inside_a_wrapper_lose_their_prefix(tmp_path: Path) -> None:
    inner = ToySpeech()
    wrapped: Any = SimpleNamespace(
        network=torch.nn.ModuleDict({"lm": inner.network}),
        sample_rate=inner.sample_rate,
        weights_sha256="3" * 64,
        targets={"default": ("q_proj",)},
    )
    attach(wrapped, LoraConfig(rank=2))
    save(wrapped, tmp_path / "a", card=card(wrapped))
    keys = read_adapter(export_vllm(tmp_path / "a", tmp_path / "out")).tensors
    assert f"{PREFIX}model.layers.1.self_attn.q_proj.lora_B.weight" in keys


@pytest.mark.parametrize("options", [{}, {"method": "dora"}, {"train_also": ("lm_head",)}])
def test_merged_weights_load_without_us(options: Any, tmp_path: Path) -> None:
    model = ToySpeech()
    base = logits(model)
    said = saved(model, tmp_path / "a", **options)
    export_merged(tmp_path / "a", tmp_path / "m", model)
    theirs = LlamaForCausalLM.from_pretrained(tmp_path / "m").eval()
    torch.testing.assert_close(logits(SimpleNamespace(network=theirs)), said, atol=1e-5, rtol=0)
    assert torch.equal(logits(model), base)


def test_merged_weights_of_other_networks_are_an_artefact(tmp_path: Path) -> None:
    model: Any = SimpleNamespace(
        network=torch.nn.Sequential(torch.nn.Linear(4, 4)).eval(),
        sample_rate=16_000,
        weights_sha256="4" * 64,
        targets={"default": ("0",)},
    )
    attach(model, LoraConfig(rank=2))
    stir(model.network)
    with torch.no_grad():
        said = model.network(torch.eye(4))
        save(model, tmp_path / "a", card=card(model))
        detach(model)
        export_merged(tmp_path / "a", tmp_path / "m", model)
        artefact = load_artefact(tmp_path / "m", kind="merged")
        model.network.load_state_dict(artefact.tensors)
        torch.testing.assert_close(model.network(torch.eye(4)), said)
    assert artefact.config["base"] == "toy"
    assert artefact.provenance.base_sha256 == "4" * 64


def test_a_model_that_can_save_itself_does(tmp_path: Path) -> None:
    inner = gpt2()
    written: list[Any] = []
    model: Any = SimpleNamespace(
        network=torch.nn.Sequential(torch.nn.Linear(4, 4)).eval(),
        sample_rate=inner.sample_rate,
        weights_sha256="5" * 64,
        targets={"default": ("0",)},
        save_pretrained=lambda folder: written.append(
            (folder, model.network[0].weight.detach().clone())
        ),
    )
    before = model.network[0].weight.detach().clone()
    attach(model, LoraConfig(rank=2))
    stir(model.network)
    save(model, tmp_path / "a", card=card(model))
    detach(model)
    export_merged(tmp_path / "a", tmp_path / "m", model)
    ((folder, weight),) = written
    assert folder == tmp_path / "m"
    assert not torch.equal(weight, before)
    assert torch.equal(model.network[0].weight, before)


@pytest.mark.parametrize("takes", [True, False])
def test_a_merged_model_is_given_the_adapters_voice(
    takes: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model: Any = gpt2()
    written: list[Any] = []
    if takes:
        model.save_pretrained = lambda folder, *, voice=None: written.append(voice)
    else:
        model.save_pretrained = lambda folder: written.append(None)
    attach(model, LoraConfig(rank=2))
    stir(model.network)
    told = {"vector": torch.arange(3.0)}
    save(model, tmp_path / "a", card=card(model), condition=told)
    detach(model)
    export_merged(tmp_path / "a", tmp_path / "m", model)
    (voice,) = written
    if takes:
        assert voice is not None
        assert torch.equal(voice["vector"], told["vector"])
    assert ("must be told the adapter's voice" in caplog.text) is not takes


def test_what_has_no_form_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ToySpeech()
    saved(model, tmp_path / "dora", method="dora")
    saved(model, tmp_path / "also", train_also=("lm_head",))
    saved(model, tmp_path / "embed", targets=("embed_tokens",))
    other = gpt2()
    attach(other, LoraConfig(rank=2))
    save(other, tmp_path / "gpt2", card=card(other))
    detach(other)
    for name, message in (
        ("dora", "DoRA has no form there"),
        ("also", "train_also has no form there"),
        ("embed", r"embed_tokens is no layer of a Llama"),
        ("gpt2", r"h\.0\..* is no layer of a Llama"),
    ):
        with pytest.raises(AdapterError, match=message):
            export_vllm(tmp_path / name, tmp_path / "out")
    with pytest.raises(AdapterError, match="written for llama, qwen2, and this network is 'gpt2'"):
        export_gguf(tmp_path / "gpt2", tmp_path / "out.gguf", other)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.gguf").exists()
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(ImportError, match=r"tts-lora\[gguf\]"):
        export_gguf(tmp_path / "dora", tmp_path / "out.gguf", model)


def test_two_language_models_at_once_are_refused(tmp_path: Path) -> None:
    one, two = ToySpeech(), ToySpeech()
    model: Any = SimpleNamespace(
        network=torch.nn.ModuleDict({"one": one.network, "two": two.network}),
        sample_rate=16_000,
        weights_sha256="6" * 64,
        targets={"default": ("q_proj",)},
    )
    attach(model, LoraConfig(rank=2))
    adapter = save(model, tmp_path / "a", card=card(model))
    assert len(adapter.layers) == 4
    with pytest.raises(AdapterError, match="several language models"):
        export_vllm(tmp_path / "a", tmp_path / "out")
