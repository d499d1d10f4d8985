"""Adapters come, go and survive a file exactly; a bad one is refused and changes nothing."""

from __future__ import annotations

import gc
import hashlib
import json
import pickle
import shutil
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import peft
import pytest
import torch
from toy import ToySpeech
from transformers import GPT2Config, GPT2Model

from tts_lora.adapter import Attached, attach, attached, detach, disabled, load, save, wear
from tts_lora.card import CONFIG, VOICE, WEIGHTS, VoiceCard, rewrite
from tts_lora.config import LoraConfig
from tts_lora.folder import read_adapter
from tts_lora.merge import merge, merged_weights, unmerge
from tts_lora.targets import AdapterError

IDS = torch.arange(21).reshape(3, 7)
METHODS = ("lora", "dora", "rslora", "adalora")


@pytest.fixture
def model() -> ToySpeech:
    return ToySpeech()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.network(IDS)[0]


def card(model: Any, **options: Any) -> VoiceCard:
    return VoiceCard.of(model, base="toy", licence="CC0-1.0", consent="mine", **options)


def stir(network: torch.nn.Module, scale: float = 0.05, seed: int = 1) -> None:
    """What training does: change all that is trainable."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter += torch.randn_like(parameter) * scale


def trained(model: Any, folder: Path, seed: int = 1, **options: Any) -> torch.Tensor:
    """Save an adapter in ``folder`` and take it off; what the network said with it."""
    torch.manual_seed(seed)
    attach(model, LoraConfig(**{"targets": "all", **options}), total_steps=100)
    stir(model.network, seed=seed)
    said = logits(model)
    save(model, folder, card=card(model), condition={"codes": torch.tensor([1, 2])})
    detach(model)
    return said


def in_peft(network: Any, what: Path | peft.LoraConfig) -> Any:
    """PEFT's own model with an adapter from a folder, or a new one."""
    with warnings.catch_warnings():  # PEFT asks transformers for what transformers renames
        warnings.simplefilter("ignore", FutureWarning)
        if isinstance(what, Path):
            return peft.PeftModel.from_pretrained(network, str(what)).eval()
        return peft.get_peft_model(network, what)


def gpt2() -> Any:
    config = GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=32, n_positions=16)
    torch.manual_seed(0)
    return SimpleNamespace(
        network=GPT2Model(config).eval(),
        sample_rate=24_000,
        weights_sha256="9" * 64,
        targets={"default": ("c_attn", "c_proj")},
    )


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


def test_a_folder_that_peft_wrote_is_read_once_it_has_a_card(
    model: ToySpeech, tmp_path: Path
) -> None:
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj"])
    theirs = in_peft(ToySpeech().network, config)
    stir(theirs)
    theirs.save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match=r"has no voice\.json"):
        load(model, tmp_path)
    rewrite(tmp_path, card(model))
    load(model, tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(logits(model), theirs.eval()(IDS).logits, atol=1e-5, rtol=0)


def test_equal_adapters_give_equal_bytes_and_metrics_can_be_added(
    model: ToySpeech, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        trained(model, tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [CONFIG, WEIGHTS, "condition.safetensors", VOICE]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rewrite(tmp_path / "a", card(model, metrics={"wer": 0.05}, description="a calm man"))
    found = read_adapter(tmp_path / "a").card
    assert found.metrics == {"wer": 0.05}
    assert found.description == "a calm man"
    assert found.provenance.consent == "mine"


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


def test_a_full_disk_keeps_the_old_adapter(
    model: ToySpeech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(model, tmp_path / "a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk is full"):
        trained(model, tmp_path / "a", seed=9)
    detach(model)
    with pytest.raises(OSError, match="disk is full"):
        trained(model, tmp_path / "new", seed=9)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


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


def test_another_base_and_another_rate(model: ToySpeech, tmp_path: Path) -> None:
    trained(model, tmp_path / "a")
    with pytest.raises(AdapterError, match=r"base_sha256 does not match.*'toy'.*load that base"):
        load(ToySpeech(seed=1), tmp_path / "a")
    other: Any = SimpleNamespace(
        network=model.network, sample_rate=24_000, weights_sha256=model.weights_sha256
    )
    with pytest.raises(AdapterError, match="speaks 16000 Hz and the model 24000 Hz"):
        load(other, tmp_path / "a")
    attach(model, LoraConfig())
    with pytest.raises(AdapterError, match="base_sha256"):
        save(model, tmp_path / "b", card=card(ToySpeech(seed=1)))
    assert not (tmp_path / "b").exists()


def _config(change: dict[str, Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        values = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**values, **change}))
        rewrite(folder, read_card(folder))

    return spoil


def _tensors(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)
        rewrite(folder, read_card(folder))

    return spoil


def _pickle(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (folder / "exploded",))  # pyright: ignore

    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb()))
    rewrite(folder, read_card(folder))


def _torch_archive(folder: Path) -> None:
    torch.save({"a": torch.zeros(2)}, folder / WEIGHTS)
    rewrite(folder, read_card(folder))


def _cut(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-100])


def _flip(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[-20] ^= 1
        (folder / name).write_bytes(data)

    return spoil


def _card(change: dict[str, Any], sign: bool = True) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        values = json.loads((folder / VOICE).read_text())
        recorded = values.pop("sha256")
        values.update(change)
        text = json.dumps(values, sort_keys=True, ensure_ascii=False)
        values["sha256"] = hashlib.sha256(text.encode()).hexdigest() if sign else recorded
        (folder / VOICE).write_text(json.dumps(values))

    return spoil


def read_card(folder: Path) -> VoiceCard:
    return VoiceCard.read(folder)


A0 = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_config({"use_rslroa": True}), "unknown key 'use_rslroa'; did you mean 'use_rslora'"),
        (_config({"peft_type": "LOHA"}), "only 'LORA'"),
        (_config({"r": 0}), "rank must be an int"),
        (_config({"r": True}), "rank must be an int"),
        (_config({"r": 4}), "has the shape .8, 32. and not .4, 32."),
        (_config({"lora_alpha": float("inf")}), "alpha must be a positive number"),
        (_config({"lora_alpha": -1}), "alpha must be a positive number"),
        (_config({"lora_alpha": "16"}), "alpha must be a positive number"),
        (_config({"rank_pattern": {"q_proj": 3}}), "has the shape .8, 32. and not .3, 32."),
        (_config({"rank_pattern": {"(a+)+$": 3}}), "not the end of a layer's name"),
        (_config({"rank_pattern": [1]}), "rank_pattern must map"),
        (_config({"use_dora": True}), "lora_magnitude_vector is missing"),
        (_config({"use_dora": "yes"}), "use_dora must be true or false"),
        (_config({"target_modules": ["k_proj"]}), "k_proj.lora_A.weight is missing"),
        (_config({"target_modules": ["q_prjo"]}), "no such layer; near: .*q_proj"),
        (_config({"target_modules": {"a": 1}}), "target_modules must be a list"),
        (_config({"bias": "all"}), "bias is 'all', which this package cannot apply"),
        (_config({"layers_to_transform": [1]}), "layers_to_transform is .1."),
        (_config({"init_lora_weights": "pissa_niter_4"}), "changed base weights"),
        (_tensors(lambda t: t.__delitem__(A0)), f"the tensor {A0} is missing"),
        (_tensors(lambda t: t.update(extra=torch.zeros(1))), "extra belongs to nothing"),
        (_tensors(lambda t: t.update({A0: t[A0][:, :9].clone()})), "has the shape .8, 9."),
        (_tensors(lambda t: t[A0].fill_(float("nan"))), f"{A0} holds NaN"),
        (_pickle, "is a pickle under another name.*not opened"),
        (_torch_archive, "is a pickle under another name"),
        (_cut, "cut short: .* of .* bytes"),
        (_flip(WEIGHTS), "is damaged or was replaced"),
        (_flip(CONFIG), "is damaged or was replaced"),
        (_flip("condition.safetensors"), "is damaged or was replaced"),
        (_card({"base": "other"}, sign=False), "was changed after it was written"),
        (_card({"bsae": "other"}), "unknown key 'bsae'; valid: .*base"),
        (_card({"base": " "}), "base is empty"),
        (_card({"format": 2}), "format 2 and this version reads up to 1: upgrade"),
        (_card({"kind": "model"}), "describes a 'model'"),
        (_card({"metrics": 3}), "metrics must be a dict"),
        (_card({"files": {"../../secret": "0" * 64}}), "lists the file '../../secret'"),
        (_card({"files": {WEIGHTS: "0" * 64}}), f"does not list {CONFIG}"),
        (_card({"provenance": {"sample_rate": 16_000}}), "Provenance.licence is missing"),
        (lambda folder: (folder / WEIGHTS).unlink(), "cannot be read"),
        (lambda folder: (folder / VOICE).write_text("["), "cannot be read"),
        (lambda folder: (folder / VOICE).write_text("[]"), "must hold a JSON object"),
        (shutil.rmtree, "is not a folder"),
    ],
)
def test_what_is_refused(
    spoil: Callable[[Path], None], message: str, model: ToySpeech, spoiled: Path
) -> None:
    base = logits(model)
    spoil(spoiled)
    for hot in (False, True):
        with pytest.raises(AdapterError, match=message):
            load(model, spoiled, hot=hot)
    assert torch.equal(logits(model), base)
    assert attached(model) == []
    assert not (spoiled / "exploded").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "a"
    trained(ToySpeech(), folder, targets=("q_proj",))
    return folder


@pytest.fixture
def spoiled(saved: Path, tmp_path: Path) -> Iterator[Path]:
    return shutil.copytree(saved, tmp_path / "spoiled")  # pyright: ignore


def test_a_newer_peft_may_write_settings_that_are_not_in_use(
    model: ToySpeech, spoiled: Path
) -> None:
    _config({"peft_version": "0.99.0", "invented_config": None})(spoiled)
    load(model, spoiled)
    detach(model)
    _config({"peft_version": "0.99.0", "invented_config": {"a": 1}})(spoiled)
    with pytest.raises(AdapterError, match="unknown key 'invented_config'"):
        load(model, spoiled)


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
