"""Rows of one batch with adapters of their own are what each would be alone."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toy import ToySpeech
from wearing import card, gpt2, stir

from tts_lora.adapter import attach, detach, load, save
from tts_lora.config import LoraConfig
from tts_lora.merge import merge
from tts_lora.mixing import Mixer
from tts_lora.targets import AdapterError

IDS = torch.arange(35).reshape(5, 7)
KINDS: dict[str, dict[str, Any]] = {
    "a": {"rank": 2, "alpha": 3.0, "targets": ("q_proj", "o_proj")},
    "b": {"rank": 5, "alpha": 40.0, "targets": "all"},
    "c": {"rank": 3, "method": "rslora", "targets": ("down_proj", "lm_head")},
    "d": {"rank": 4, "method": "dora", "targets": ("q_proj", "gate_proj", "lm_head")},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    model, root = ToySpeech(), tmp_path_factory.mktemp("voices")
    for seed, (name, options) in enumerate(KINDS.items()):
        attach(model, LoraConfig(**options))
        stir(model.network, 0.1, seed)
        save(model, root / name, card=card(model), condition={"codes": torch.tensor([seed])})
        detach(model)
    return {name: root / name for name in KINDS}


@pytest.fixture(scope="module")
def alone(folders: dict[str, Path]) -> dict[str | None, torch.Tensor]:
    """What each adapter says by itself, as PEFT computes it."""
    model = ToySpeech()
    said: dict[str | None, torch.Tensor] = {None: logits(model)}
    for name, folder in folders.items():
        load(model, folder, name)
        said[name] = logits(model)
        detach(model, name)
    return said


@pytest.fixture
def mixer(folders: dict[str, Path]) -> Mixer:
    mixer = Mixer(ToySpeech())
    for name, folder in folders.items():
        mixer.load(folder, name)
    return mixer


def logits(model: Any, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model.network(ids)[0]


def test_every_row_is_what_its_adapter_says_alone(mixer: Mixer, alone: Any) -> None:
    model = mixer._model
    for rows in (
        ["a", None, "b", "c", "d"],
        ["d", "d", "a", "a", None],
        [None] * 5,
        ["b"] * 5,
        ["d"] * 5,
        [None, None, None, None, "a"],
    ):
        with mixer.rows(rows):
            found = logits(model)
        for index, name in enumerate(rows):
            torch.testing.assert_close(found[index], alone[name][index], atol=1e-5, rtol=0)
    assert torch.equal(logits(model), alone[None])
    spread = [(alone[name] - alone[None]).abs().max() for name in KINDS]
    assert min(spread) > 1e-2  # each does something


def test_the_cache_of_a_language_model_is_mixed_too(mixer: Mixer) -> None:
    network = mixer._model.network
    rows = ["a", None, "b", "c", "d"]
    with torch.no_grad(), mixer.rows(rows):
        whole = network(IDS).logits
        first = network(IDS[:, :4], use_cache=True)
        rest = network(IDS[:, 4:], past_key_values=first.past_key_values).logits
    torch.testing.assert_close(torch.cat([first.logits, rest], 1), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pair", [("a", "b"), ("b", "d")])
def test_blended_rows_add_what_each_layer_gets(mixer: Mixer, pair: tuple[str, str]) -> None:
    """In one linear layer a blend is the weighted sum of the changes; so is its sum over rows."""
    one, two = pair
    model = mixer._model
    layer: Any = model.network.model.layers[0].self_attn.q_proj
    x = torch.randn(4, 3, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        base = layer(x)
        with mixer.rows([one, two, {one: 0.25, two: 0.5}, None]):
            plain = layer(x[:1].expand(4, -1, -1))
        with mixer.rows([{one: 0.25, two: 0.5}] * 4):
            mixed = layer(x)
    change = 0.25 * (plain[0] - base[0]) + 0.5 * (plain[1] - base[0])
    torch.testing.assert_close(plain[2], base[0] + change, atol=1e-5, rtol=0)
    torch.testing.assert_close(plain[3], base[0], atol=0, rtol=0)
    torch.testing.assert_close(mixed[0], base[0] + change, atol=1e-5, rtol=0)


def test_conv1d_and_flat_inputs() -> None:
    model = gpt2()
    attach(model, LoraConfig(rank=2))
    stir(model.network, 0.3)
    alone = logits(model, IDS % 32)
    from tts_lora.adapter import collect

    adapter = collect(model, "default", card(model))
    detach(model)
    mixer, base = Mixer(model), logits(model, IDS % 32)
    mixer.load(adapter, "g")
    with mixer.rows(["g", None, "g", None, "g"]):
        found = logits(model, IDS % 32)
    torch.testing.assert_close(found[::2], alone[::2], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[1::2], base[1::2], atol=1e-5, rtol=0)
    linear = torch.nn.Linear(4, 6)
    flat: Any = SimpleNamespace(
        network=torch.nn.Sequential(linear).eval(),
        sample_rate=8_000,
        weights_sha256="1" * 64,
        targets={"only": ("0",)},
    )
    attach(flat, LoraConfig(rank=2))
    stir(flat.network)
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        said = flat.network(x)
        adapter = collect(flat, "default", card(flat))
        detach(flat)
        Mixer(flat).load(adapter, "f")
        with Mixer(flat).rows([None, "f"]):
            found = flat.network(x)
        torch.testing.assert_close(found, torch.stack([linear(x[0]), said[1]]))


def test_gradients_flow_through_rows(mixer: Mixer) -> None:
    layer: Any = mixer._model.network.model.layers[0].self_attn.q_proj
    x = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with mixer.rows(["a", None]):
        layer(x).sum().backward()
    assert x.grad is not None
    assert not torch.allclose(x.grad[0], x.grad[1])
    base = layer.weight.sum(0).expand(3, -1)
    torch.testing.assert_close(x.grad[1], base, atol=1e-5, rtol=0)


def test_loading_and_unloading_between_batches(
    mixer: Mixer, folders: dict[str, Path], alone: Any
) -> None:
    model = mixer._model
    parts = mixer._rack.resident("b").parts
    traces = [weakref.ref(part.up) for part in parts.values()]
    del parts
    with mixer.rows(["a", "b", "a", "b", None]):
        before = logits(model)
        mixer.unload("b")
        mixer.load(folders["a"], "again")
        assert torch.equal(logits(model), before)  # a batch keeps what it started with
    gc.collect()
    assert not [trace for trace in traces if trace() is not None]
    assert mixer.names == ["a", "c", "d", "again"]
    with mixer.rows(["again", "c", None, "a", "d"]):
        found = logits(model)
    for index, name in enumerate(["a", "c", None, "a", "d"]):
        torch.testing.assert_close(found[index], alone[name][index], atol=1e-5, rtol=0)
    for name in list(mixer.names):
        mixer.unload(name)
    assert not any(module._forward_hooks for module in model.network.modules())


def test_each_thread_has_its_own_choice(mixer: Mixer, alone: Any) -> None:
    model, found, gate = mixer._model, {}, threading.Barrier(3)

    def speak(name: str | None) -> None:
        with mixer.rows([name] * 5):
            gate.wait(10)
            found[name] = logits(model)
            gate.wait(10)

    threads = [threading.Thread(target=speak, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    gate.wait(10)
    found[None] = logits(model)
    gate.wait(10)
    for thread in threads:
        thread.join(10)
    for name in ("a", "b", None):
        torch.testing.assert_close(found[name], alone[name], atol=1e-5, rtol=0)


def test_inner_choices_end_where_they_began(mixer: Mixer, alone: Any) -> None:
    model = mixer._model
    with mixer.rows(["a"] * 5):
        with mixer.rows(["b"] * 5):
            torch.testing.assert_close(logits(model), alone["b"], atol=1e-5, rtol=0)
        with pytest.raises(KeyError), mixer.rows(["c"] * 5):
            raise KeyError
        torch.testing.assert_close(logits(model), alone["a"], atol=1e-5, rtol=0)


def test_rows_choose_over_what_is_worn(folders: dict[str, Path], alone: Any) -> None:
    model = ToySpeech()
    load(model, folders["a"], "a", hot=True)
    mixer = Mixer(model)
    mixer.load(folders["b"], "b")
    torch.testing.assert_close(logits(model), alone["a"], atol=1e-5, rtol=0)
    with mixer.rows(["b", None, "a", None, "b"]):
        found = logits(model)
    for index, name in enumerate(["b", None, "a", None, "b"]):
        torch.testing.assert_close(found[index], alone[name][index], atol=1e-5, rtol=0)


def test_conditions_come_with_their_adapters(mixer: Mixer) -> None:
    voice = mixer.condition("c")
    assert voice is not None
    assert voice["codes"].tolist() == [2]


def test_half_precision_stays_half(folders: dict[str, Path]) -> None:
    model = ToySpeech()
    sha256 = model.weights_sha256
    model.network.bfloat16()
    half: Any = SimpleNamespace(
        network=model.network, sample_rate=model.sample_rate, weights_sha256=sha256
    )
    mixer = Mixer(half)
    for name, folder in folders.items():
        mixer.load(folder, name)
    with mixer.rows(["a", None, "b", "c", "d"]):
        found = logits(half)
    assert found.dtype == torch.bfloat16
    assert bool(found.isfinite().all())


def test_errors(mixer: Mixer, folders: dict[str, Path], tmp_path: Path) -> None:
    model = mixer._model
    with pytest.raises(AdapterError, match="'e' is resident; there: a, b, c, d"):
        mixer.rows(["e"]).__enter__()
    with pytest.raises(AdapterError, match="no rows"):
        mixer.rows([]).__enter__()
    with pytest.raises(AdapterError, match="weight of 'a' is nan"):
        mixer.rows([{"a": float("nan")}]).__enter__()
    with pytest.raises(AdapterError, match="'a' is resident: unload"):
        mixer.load(folders["a"], "a")
    with pytest.raises(AdapterError, match="no adapter 'e'"):
        mixer.unload("e")
    with pytest.raises(AdapterError, match="called with 5 rows and adapters were chosen for 2"):  # noqa: SIM117
        with mixer.rows(["a", "b"]):
            logits(model)
    with pytest.raises(AdapterError, match="base_sha256"):
        Mixer(ToySpeech(seed=1)).load(folders["a"], "a")
    with pytest.raises(AdapterError, match="is not a folder"):
        mixer.load(tmp_path / "none", "none")
    merge(model, "a")
    with pytest.raises(AdapterError, match="a is merged into the weights"):
        mixer.rows(["b"]).__enter__()
