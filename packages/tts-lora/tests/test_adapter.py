"""Adapters come and go without a trace; what was trained is what is loaded."""

from __future__ import annotations

import gc
import hashlib
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToySpeech
from wearing import IDS, METHODS, card, gpt2, in_peft, logits, stir, trained

from tts_lora.adapter import Attached, attach, attached, detach, disabled, load, save
from tts_lora.card import CONFIG
from tts_lora.config import LoraConfig
from tts_lora.folder import read_adapter
from tts_lora.merge import merge, merged_weights, unmerge
from tts_lora.targets import AdapterError


@pytest.fixture
def model() -> ToySpeech:
    return ToySpeech()


def test_a_new_adapter_is_no_change_and_alone_is_trained(model: ToySpeech) -> None:
    base, network = logits(model), model.network
    new = attach(model, LoraConfig(rank=4))
    assert model.network is network
    assert torch.equal(logits(model), base)
    assert [name.rpartition(".")[2] for name in new.layers[:4]] == [
        "q_proj", "k_proj", "v_proj", "o_proj",
    ]  # fmt: skip
    grown = {name for name, p in network.named_parameters() if p.requires_grad}
    assert grown
    assert all(".lora_" in name for name in grown)
    assert new.trained == 2 * 4 * 2 * 4 * 32
    assert new.share == pytest.approx(new.trained / sum(p.numel() for p in network.parameters()))


@pytest.mark.parametrize("method", METHODS)
def test_what_was_trained_is_what_is_loaded(method: str, model: ToySpeech, tmp_path: Path) -> None:
    base = logits(model)
    said = trained(model, tmp_path / "a", method=method)
    assert (said - base).abs().max() > 1e-3
    for hot in (False, True):
        adapter = load(model, tmp_path / "a", hot=hot)
        torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
        assert adapter.condition is not None
        assert adapter.condition["codes"].tolist() == [1, 2]
        detach(model)
        assert torch.equal(logits(model), base)


@pytest.mark.parametrize("method", METHODS)
def test_peft_itself_loads_the_folder(method: str, model: ToySpeech, tmp_path: Path) -> None:
    said = trained(model, tmp_path / "a", method=method)
    theirs = in_peft(model.network, tmp_path / "a")
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, said, atol=1e-5, rtol=0)
    keys = read_adapter(tmp_path / "a").tensors
    assert all(key.startswith("base_model.model.model.layers.") for key in keys)


@pytest.mark.parametrize("hot", [False, True])
def test_disabled_is_the_base_and_touches_no_flag(
    hot: bool, model: ToySpeech, tmp_path: Path
) -> None:
    base = logits(model)
    said = trained(model, tmp_path / "a")
    load(model, tmp_path / "a", trainable=not hot, hot=hot)
    flags = [p.requires_grad for p in model.network.parameters()]
    with disabled(model):
        assert torch.equal(logits(model), base)
    with pytest.raises(RuntimeError, match="inside"), disabled(model):
        raise RuntimeError("inside")
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
    assert [p.requires_grad for p in model.network.parameters()] == flags


@pytest.mark.parametrize("hot", [False, True])
def test_detach_leaves_the_very_same_objects_and_no_memory(
    hot: bool, model: ToySpeech, tmp_path: Path
) -> None:
    trained(model, tmp_path / "a")
    model.network.lm_head.requires_grad_(False)
    modules = dict(model.network.named_modules())
    parameters = {k: (p, p.clone(), p.requires_grad) for k, p in model.network.named_parameters()}
    load(model, tmp_path / "a", hot=hot)
    traces = [weakref.ref(m) for k, m in model.network.named_modules() if "lora_" in k]
    if hot:
        from tts_lora.rack import rack_of

        parts = rack_of(model.network).resident("default").parts
        traces = [weakref.ref(part.up) for part in parts.values()]
        del parts
    assert traces
    detach(model)
    gc.collect()
    assert not [trace for trace in traces if trace() is not None]
    assert dict(model.network.named_modules()) == modules
    for name, parameter in model.network.named_parameters():
        before, values, flag = parameters[name]
        assert parameter is before
        assert torch.equal(parameter, values)
        assert parameter.requires_grad is flag
    assert not hasattr(model.network, "peft_config")
    assert not any(module._forward_hooks for module in model.network.modules())
    assert attached(model) == []


def test_two_adapters_in_turn(model: ToySpeech, tmp_path: Path) -> None:
    said = {
        name: trained(model, tmp_path / name, seed=seed) for seed, name in enumerate(("a", "b"))
    }
    for hot in (False, True):
        for name in said:
            load(model, tmp_path / name, name, hot=hot)
            torch.testing.assert_close(logits(model), said[name], atol=1e-5, rtol=0)
        assert attached(model) == ["a", "b"]
        detach(model, "b")
        torch.testing.assert_close(logits(model), said["a"], atol=1e-5, rtol=0)
        detach(model, "a")


def test_the_network_dies_with_its_last_name(tmp_path: Path) -> None:
    model = ToySpeech()
    trained(model, tmp_path / "a")
    load(model, tmp_path / "a", "hot", hot=True)
    load(model, tmp_path / "a", "layers")
    trace = weakref.ref(model.network)
    del model
    gc.collect()
    assert trace() is None


def test_conv1d_of_gpt2_is_adapted_like_a_linear_layer(tmp_path: Path) -> None:
    for method in ("lora", "dora"):
        model: Any = gpt2()
        attach(model, LoraConfig(rank=2, method=method))
        stir(model.network, 0.3)
        said = logits(model)
        save(model, tmp_path / method, card=card(model))
        assert json.loads((tmp_path / method / CONFIG).read_text())["fan_in_fan_out"] is True
        detach(model)
        for hot in (False, True):
            load(model, tmp_path / method, hot=hot)
            torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
            merge(model)
            torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
            detach(model)
        theirs = in_peft(model.network, tmp_path / method)
        with torch.no_grad():
            torch.testing.assert_close(theirs(IDS)[0], said, atol=1e-5, rtol=0)


def test_modules_trained_whole_are_stored_and_loaded(model: ToySpeech, tmp_path: Path) -> None:
    base = logits(model)
    said = trained(model, tmp_path / "a", targets=("q_proj",), train_also=("lm_head",))
    assert torch.equal(logits(model), base)
    load(model, tmp_path / "a")
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
    whole = ToySpeech(seed=3)
    whole.network.load_state_dict(merged_weights(model))
    torch.testing.assert_close(logits(whole), said, atol=1e-5, rtol=0)
    with disabled(model):
        assert torch.equal(logits(model), base)
    detach(model)
    with pytest.raises(AdapterError, match=r"whole modules .lm_head."):
        load(model, tmp_path / "a", hot=True)
    theirs = in_peft(model.network, tmp_path / "a")
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, said, atol=1e-5, rtol=0)


def test_embeddings_can_be_adapted(model: ToySpeech, tmp_path: Path) -> None:
    said = trained(model, tmp_path / "a", targets=("embed_tokens", "q_proj"))
    load(model, tmp_path / "a")
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
    merge(model)
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)
    detach(model)
    with pytest.raises(AdapterError, match="embed_tokens, a Embedding, and only linear"):
        load(model, tmp_path / "a", hot=True)


def test_a_loaded_adapter_trains_only_if_asked(model: ToySpeech, tmp_path: Path) -> None:
    trained(model, tmp_path / "a")
    for trainable in (False, True):
        load(model, tmp_path / "a", trainable=trainable)
        assert any(p.requires_grad for p in model.network.parameters()) is trainable
        assert not any(m.training for m in model.network.modules())  # no dropout while it speaks
        detach(model)


def test_adalora_drops_ranks_and_stays_exact(model: ToySpeech, tmp_path: Path) -> None:
    new: Attached = attach(
        model, LoraConfig(rank=2, method="adalora", targets="all"), total_steps=20
    )
    assert new.schedule is not None
    optimizer = torch.optim.SGD([p for p in model.network.parameters() if p.requires_grad], 0.5)
    for step in range(1, 20):
        loss = model.network(IDS, labels=IDS).loss + new.schedule.penalty()
        loss.backward()
        optimizer.step()
        new.schedule.update(step)
        optimizer.zero_grad()
        if step == 7:
            kept = new.schedule.state_dict()
            new.schedule.load_state_dict(kept)
    said = logits(model)
    adapter = save(model, tmp_path / "a", card=card(model))
    found = [
        int((parts["lora_A.weight"].abs().sum(1) > 0).sum()) for parts in adapter.layers.values()
    ]
    assert sum(found) == 2 * len(found)  # the budget
    assert adapter.settings.rank == max(found)
    detach(model)
    load(model, tmp_path / "a", hot=True)
    torch.testing.assert_close(logits(model), said, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ("q_porj",)}, "'q_porj' matches no layer.*near names: .*q_proj"),
        ({"targets": "atention"}, "no preset 'atention'.*'attention' .q_proj"),
        ({"targets": ("norm",)}, "'norm' matches no layer"),
        ({"train_also": ("lm_haed",)}, "no such module; near: .*lm_head"),
        ({"method": "dora", "targets": ("embed_tokens",)}, "dora cannot adapt model.embed_tokens"),
        ({"method": "adalora"}, "AdaLoRA needs total_steps"),
    ],
)
def test_what_cannot_be_attached(options: Any, message: str, model: ToySpeech) -> None:
    names = [name for name, _ in model.network.named_modules()]
    with pytest.raises(AdapterError, match=message):
        attach(model, LoraConfig(**options))
    assert [name for name, _ in model.network.named_modules()] == names
    assert attached(model) == []


def test_names_of_adapters(model: ToySpeech) -> None:
    with pytest.raises(AdapterError, match="is no name"):
        attach(model, LoraConfig(), "../a")
    attach(model, LoraConfig(), "a")
    with pytest.raises(AdapterError, match="'a' is in the network: detach"):
        attach(model, LoraConfig(), "a")
    with pytest.raises(AdapterError, match="no adapter 'b' is in the network; there: a"):
        detach(model, "b")
    with pytest.raises(AdapterError, match="no adapter 'b'"):
        merge(model, "b")
    with pytest.raises(AdapterError, match="'a' is not merged"):
        unmerge(model, "a")


def test_wildcards_choose_layers(model: ToySpeech) -> None:
    new = attach(model, LoraConfig(targets=("layers.1.*.q_proj", "lm_head")))
    assert new.layers == ("model.layers.1.self_attn.q_proj", "lm_head")


class _Hashed:
    """Hashes what its network holds now, as a model may."""

    sample_rate, targets = ToySpeech.sample_rate, {"all": ("q_proj", "lm_head")}

    def __init__(self) -> None:
        self.network = ToySpeech().network

    @property
    def weights_sha256(self) -> str:
        state = sorted(self.network.state_dict().items())
        text = repr([(key, value.sum().item()) for key, value in state])
        return hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_of_the_base_is_the_one_from_before(tmp_path: Path) -> None:
    model: Any = _Hashed()
    before = model.weights_sha256
    trained(model, tmp_path / "a")
    load(model, tmp_path / "a", "a", hot=True)
    merge(model, "a")
    assert model.weights_sha256 != before
    assert card(model).provenance.base_sha256 == before
    unmerge(model, "a")
    load(model, tmp_path / "a", "b", hot=True)
    detach(model, "a")
    detach(model, "b")
    assert card(model).provenance.base_sha256 == before
