"""A folder with an adapter: the same bytes again, and a bad one is refused and changes nothing."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import peft
import pytest
import torch
from toy import ToySpeech
from wearing import IDS, card, in_peft, logits, stir, trained

from tts_lora.adapter import attach, attached, detach, load, save
from tts_lora.card import CONFIG, VOICE, WEIGHTS, VoiceCard, rewrite
from tts_lora.config import LoraConfig
from tts_lora.folder import read_adapter
from tts_lora.targets import AdapterError


@pytest.fixture
def model() -> ToySpeech:
    return ToySpeech()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "a"
    trained(ToySpeech(), folder, targets=("q_proj",))
    return folder


@pytest.fixture
def spoiled(saved: Path, tmp_path: Path) -> Iterator[Path]:
    return shutil.copytree(saved, tmp_path / "spoiled")  # pyright: ignore


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


def test_a_newer_peft_may_write_settings_that_are_not_in_use(
    model: ToySpeech, spoiled: Path
) -> None:
    _config({"peft_version": "0.99.0", "invented_config": None})(spoiled)
    load(model, spoiled)
    detach(model)
    _config({"peft_version": "0.99.0", "invented_config": {"a": 1}})(spoiled)
    with pytest.raises(AdapterError, match="unknown key 'invented_config'"):
        load(model, spoiled)
