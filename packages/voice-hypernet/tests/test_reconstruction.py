from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from humming import PARTIALS, HumModel
from safetensors.torch import save_file

from voice_data.encoded import EncodedSet
from voice_hypernet.checkpoint import load_hypernet
from voice_hypernet.config import HypernetConfig, LoraShape, Shares, TrainConfig, VoiceConfig
from voice_hypernet.corpus import VoiceCorpus
from voice_hypernet.hypernet import Factors
from voice_hypernet.oracle import Descent, fitted
from voice_hypernet.reconstruction import Reconstruction, ReconstructionError
from voice_hypernet.targets import Group, find_groups
from voice_hypernet.train import train
from voice_hypernet.voice import Origin, Voice

LORA = LoraShape(rank=2, alpha=4.0)


@pytest.fixture(scope="module")
def trained(hummed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of every humming voice, each in a folder of its name, by gradient descent."""
    model, folder = HumModel(), tmp_path_factory.mktemp("adapters")
    corpus = VoiceCorpus(EncodedSet(hummed / "set"), hummed / "voices")
    clips = {n: [corpus.data[i] for i in s.clips] for n, s in corpus.speakers.items()}
    origin = Origin(base="hum", base_sha256=model.weights_sha256, sample_rate=model.sample_rate)
    groups = find_groups(model.network, ("into", "out"))
    descent = Descent(steps=60, learning_rate=0.02, frames=900)
    for name, voice in fitted(model, groups, LORA, clips, origin, descent).items():
        voice.save(folder / name)
    return folder


def config(hummed: Path, out: Path, adapters: Path, **values: Any) -> TrainConfig:
    hypernet = HypernetConfig(lora=LORA, condition=16, width=32, inner=32, blocks=1)
    settings = {
        "data": str(hummed / "set"), "voices": str(hummed / "voices"), "out": str(out),
        "base": "hum", "model": VoiceConfig(hypernet=hypernet, text=1, clip=PARTIALS),
        "shares": Shares(text=0, both=0, none=0), "steps": 200, "learning_rate": 0.02,
        "warm_up": 5, "held_out": 0.25, "validation_steps": 2, "objective": "reconstruction",
        "adapters": str(adapters), "sentence": "",
    }  # fmt: skip
    return TrainConfig(**(settings | values))


def test_it_learns_to_make_what_descent_found(hummed: Path, trained: Path, tmp_path: Path) -> None:
    settings = config(hummed, tmp_path, trained, held_out=0.0, steps=250)
    found = load_hypernet(train(settings, model=HumModel()).folder)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    figures = [line["l1"] for line in lines if line["part"] == "train"]
    assert figures[-1] < 0.75 * figures[0]
    corpus = VoiceCorpus(EncodedSet(hummed / "set"), hummed / "voices")
    heard = np.stack([corpus.features[list(s.clips)].mean(0) for s in corpus.speakers.values()])
    made = found.network(None, torch.from_numpy(heard)).adapters
    changes = [dict(Voice.load(trained / name).deltas()) for name in corpus.speakers]
    for group in found.groups:
        for depth, name in enumerate(group.names):
            wanted = torch.from_numpy(np.stack([each[name] for each in changes]))
            got = 2.0 * made[group.kind].b[:, depth] @ made[group.kind].a[:, depth]
            off, spread = (got - wanted).square().mean(), (wanted - wanted.mean(0)).square().mean()
            assert float(off) < 0.8 * float(spread)  # the mean adapter would be off by all of it


def test_voices_that_are_held_out_are_not_learnt_from(
    hummed: Path, trained: Path, tmp_path: Path
) -> None:
    done = train(config(hummed, tmp_path, trained, steps=2), model=HumModel())
    assert set(done.held_out) == {"none", "clip"}
    assert len(load_hypernet(done.folder).held_out) >= 2


def group() -> Group:
    return Group(kind="q", names=("0.q", "1.q"), inputs=4, outputs=3)


def test_the_distance_is_one_deviation_for_a_mean() -> None:
    drawn = np.random.default_rng(0)
    adapters = {
        f"v{i}": {
            "q": Factors(
                torch.from_numpy(5 + 3 * drawn.normal(size=(2, 2, 4))),
                torch.from_numpy(0.01 * drawn.normal(size=(2, 3, 2))),
            )
        }
        for i in range(400)
    }
    wanted = Reconstruction(adapters)
    names = list(adapters)
    mean = {"q": Factors(*(each.expand(400, -1, -1, -1) for each in wanted.means()["q"]))}
    expected = float(np.sqrt(2 / np.pi))  # of |x| for a normal x
    assert float(wanted.loss(mean, names).total) == pytest.approx(expected, rel=0.05)
    ends = ([adapters[n]["q"][end] for n in names] for end in (0, 1))
    same = {"q": Factors(*(torch.stack(each) for each in ends))}
    assert float(wanted.loss(same, names).total) == 0.0
    assert wanted.loss(same, names).positions == 400


def write(
    folder: Path, rank: int = 2, names: Sequence[str] = ("0.q", "1.q"), **values: Any
) -> Path:
    folder.mkdir(parents=True)
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 8.0} | values
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    tensors = {}
    for name in names:
        tensors[f"base_model.model.{name}.lora_A.weight"] = torch.ones(rank, 4)
        tensors[f"base_model.model.{name}.lora_B.weight"] = torch.ones(3, rank)
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def test_another_alpha_is_the_same_change(tmp_path: Path) -> None:
    write(tmp_path / "ada")
    found = Reconstruction.read(tmp_path, ["ada", "bert"], [group()], LORA).means()["q"]
    assert found.a.shape == (2, 2, 4)
    assert float(found.b[0, 0, 0]) == 2.0  # 8 / 2 over 4 / 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 3}, r"rank 3 and the network makes rank 2: set model\.hypernet\.lora\.rank=3"),
        ({"use_dora": True}, "is no plain LoRA"),
        ({"names": ("0.q",)}, r"has no base_model\.model\.1\.q\.lora_A\.weight"),
        ({"names": ("0.q", "1.q", "2.k")}, r"also changes base_model\.model\.2\.k"),
    ],
)
def test_other_adapters_are_refused(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "ada", **values)
    with pytest.raises(ReconstructionError, match=message):
        Reconstruction.read(tmp_path, ["ada"], [group()], LORA)


def test_missing_damaged_and_foreign_adapters_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReconstructionError, match=r"no trained adapter of a voice: .*ada"):
        Reconstruction.read(tmp_path, ["ada"], [group()], LORA)
    with pytest.raises(ReconstructionError, match="there are no trained adapters"):
        Reconstruction({})
    folder = write(tmp_path / "ada")
    card = {"provenance": {"base_sha256": "0" * 64}}
    (folder / "voice.json").write_text(json.dumps(card))
    with pytest.raises(ReconstructionError, match="was trained for another base"):
        Reconstruction.read(tmp_path, ["ada"], [group()], LORA, "1" * 64)
    (folder / "adapter_model.safetensors").write_bytes(b"short")
    with pytest.raises(ReconstructionError, match=r"cannot be read .*: train it again"):
        Reconstruction.read(tmp_path, ["ada"], [group()], LORA)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"objective": "guess"}, r"objective must be one of \['speech', 'reconstruction'\]"),
        ({"objective": "reconstruction"}, "adapters must be a folder for the objective"),
        ({"adapters": "a"}, "adapters must be a folder for the objective"),
    ],
)
def test_an_objective_and_its_adapters_go_together(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(data="a", voices="b", out="c", **values)
