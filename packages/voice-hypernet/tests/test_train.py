from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from humming import PARTIALS, Batch, HumModel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from voice_data.artefact import ArtefactError
from voice_data.encoded import EncodedSet
from voice_data.speech import Loss
from voice_hypernet.checkpoint import load_hypernet, save_hypernet
from voice_hypernet.config import HypernetConfig, LoraShape, Shares, TrainConfig, VoiceConfig
from voice_hypernet.corpus import VoiceCorpus
from voice_hypernet.functional import adapted, merged
from voice_hypernet.run import RunError
from voice_hypernet.telling import Telling
from voice_hypernet.train import train, validate

WORDS = 3


def encode(texts: Sequence[str]) -> np.ndarray:
    """A stand-in for a text encoder: which of three words a text holds."""
    words = ("female", "male", "voice")
    return np.asarray(
        [[float(word in text.lower()) for word in words] for text in texts], np.float32
    )


def config(hummed: Path, out: Path, **values: object) -> TrainConfig:
    lora = LoraShape(rank=2, alpha=4.0)
    hypernet = HypernetConfig(lora=lora, condition=16, width=32, inner=32, blocks=1)
    settings = {
        "data": str(hummed / "set"), "voices": str(hummed / "voices"), "out": str(out),
        "base": "hum", "model": VoiceConfig(hypernet=hypernet, text=WORDS, clip=PARTIALS),
        "languages": ("en",), "steps": 60, "batch": 2000, "learning_rate": 0.01, "warm_up": 5,
        "held_out": 0.25, "save_every": 20, "validate_every": 30, "validation_steps": 2,
        "log_every": 10,
    }  # fmt: skip
    return TrainConfig(**(settings | values))  # pyright: ignore


def test_it_learns_to_make_voices_that_it_never_heard(hummed: Path, tmp_path: Path) -> None:
    model = HumModel()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    start = train(config(hummed, tmp_path / "a", steps=1), model=model, encode=encode)
    end = train(config(hummed, tmp_path / "b", steps=150), model=model, encode=encode)
    assert end.held_out["clip"] < 0.25 * start.held_out["clip"]
    assert end.held_out["clip"] < 0.3 * end.held_out["none"]  # more than one voice for all
    after = model.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_voice_is_heard_at_every_save(hummed: Path, tmp_path: Path) -> None:
    train(config(hummed, tmp_path, steps=40), model=HumModel(), encode=encode)
    read = EventAccumulator(str(tmp_path / "events"))
    read.Reload()
    assert {*read.Tags()["audio"]} == {f"spoken/{way}" for way in ("clip", "text", "both", "none")}
    assert [each.step for each in read.Audio("spoken/clip")] == [20, 40]
    first, last = (each.encoded_audio_string for each in read.Audio("spoken/clip"))
    assert first != last


def test_what_the_base_is_told_is_learnt_by_itself(hummed: Path, tmp_path: Path) -> None:
    off = {}
    for told in (0.0, 1.0):
        out = tmp_path / str(told)
        settings = config(hummed, out, steps=40, told=told, evenness=1.0, learning_rate=0.003)
        found = load_hypernet(train(settings, model=HumModel(), encode=encode).folder)
        corpus, model = VoiceCorpus(EncodedSet(hummed / "set"), hummed / "voices"), HumModel()
        away = [corpus.speakers[name] for name in found.held_out]
        heard = torch.from_numpy(np.stack([corpus.features[list(s.clips)].mean(0) for s in away]))
        made = found.network.tell(None, heard)["voice"]
        own = torch.stack([model.condition([corpus.data[i] for i in s.clips])["voice"]
                           for s in away])  # fmt: skip
        off[told] = float((made - own).square().mean())
    assert off[1.0] < 0.2 * off[0.0]
    lines = [json.loads(line) for line in (tmp_path / "1.0" / "log.jsonl").read_text().splitlines()]
    figures = [line["told"] for line in lines if line["part"] == "train"]
    assert figures[-1] < figures[0]


def test_a_base_that_is_told_nothing_cannot_be_a_target() -> None:
    with pytest.raises(ValueError, match="set told=0"):
        Telling({"ada": {"codes": torch.tensor([1, 2])}, "bert": {"codes": torch.tensor([3, 4])}})


def test_a_start_brings_its_neutral_voice(hummed: Path, tmp_path: Path) -> None:
    class DeafModel(HumModel):
        def condition(self, encoded: Sequence[object]) -> dict[str, torch.Tensor]:
            raise AssertionError(f"asked for the voice of {len(encoded)} clips")

    first = train(config(hummed, tmp_path / "a", steps=2), model=HumModel(), encode=encode)
    settings = config(hummed, tmp_path / "b", steps=2, start=str(first.folder))
    again = load_hypernet(train(settings, model=DeafModel(), encode=encode).folder).network
    wanted = load_hypernet(first.folder).network
    assert torch.equal(again.get_buffer("neutral_voice"), wanted.get_buffer("neutral_voice"))


class _KilledError(Exception):
    """What stands for a kill."""


def test_a_killed_run_goes_on_bit_by_bit(hummed: Path, tmp_path: Path) -> None:
    whole = train(config(hummed, tmp_path / "a"), model=HumModel(), encode=encode)
    for _ in range(2):  # each dies in its 26th step, five after the last save
        with pytest.raises(_KilledError):
            train(config(hummed, tmp_path / "b"), model=_mortal(26), encode=encode)
    train(config(hummed, tmp_path / "b"), model=HumModel(), encode=encode)
    again = load_hypernet(tmp_path / "b" / "model").network.state_dict()
    once = load_hypernet(whole.folder).network.state_dict()
    assert all(torch.equal(again[name], value) for name, value in once.items())


def _mortal(steps: int) -> HumModel:
    """A model that dies in its so many-th step of training."""
    model, done = HumModel(), [0]
    loss = model.loss

    def counted(batch: Batch) -> Loss:
        if torch.is_grad_enabled():
            done[0] += 1
            if done[0] == steps:
                raise _KilledError
        return loss(batch)

    model.loss = counted  # pyright: ignore
    return model


def test_a_run_refuses_other_settings(hummed: Path, tmp_path: Path) -> None:
    train(config(hummed, tmp_path, steps=2, save_every=2), model=HumModel(), encode=encode)
    with pytest.raises(RunError, match=r"begun with seed 0, not 1: choose another out"):
        train(config(hummed, tmp_path, seed=1), model=HumModel(), encode=encode)
    settings = config(hummed, tmp_path, steps=2, save_every=2)
    added = dataclasses.replace(settings.model, fusion="add")
    wider = dataclasses.replace(settings, model=added)
    with pytest.raises(RunError, match=r"begun with model\.fusion 'concat', not 'add': choose"):
        train(wider, model=HumModel(), encode=encode)


def test_a_base_of_other_weights_is_refused(hummed: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="prepare the set for this base"):
        train(config(hummed, tmp_path), model=HumModel(seed=1), encode=encode)


def test_an_encoder_of_another_width_is_refused(hummed: Path, tmp_path: Path) -> None:
    model = VoiceConfig(text=WORDS + 1, clip=PARTIALS)
    with pytest.raises(ValueError, match=r"in 3 numbers and model.text is 4: set model.text=3"):
        train(config(hummed, tmp_path, model=model), model=HumModel(), encode=encode)


def test_a_loss_that_is_not_finite_stops_the_run(hummed: Path, tmp_path: Path) -> None:
    model = HumModel()
    model.network.out.bias.data[0] = math.nan
    with pytest.raises(FloatingPointError, match=r"the loss is nan .* lower learning_rate"):
        train(config(hummed, tmp_path), model=model, encode=encode)
    assert not (tmp_path / "state.safetensors").exists()


def test_a_checkpoint_is_read_back_whole(hummed: Path, tmp_path: Path) -> None:
    trained = train(config(hummed, tmp_path, steps=30), model=HumModel(), encode=encode)
    found = load_hypernet(trained.folder)
    assert found.base == "hum"
    assert len(found.held_out) in range(1, 6)
    assert (found.licence, found.consent) == ("CC0-1.0", "synthetic")
    text, clip = torch.rand(2, WORDS), torch.rand(2, PARTIALS)
    save_hypernet(tmp_path / "half", found, half=True)
    once, again = found.network(text, clip), load_hypernet(tmp_path / "half").network(text, clip)
    for kind, factors in once.adapters.items():
        torch.testing.assert_close(again.adapters[kind].b, factors.b, atol=2e-3, rtol=0)
    torch.testing.assert_close(again.told["voice"], once.told["voice"], atol=2e-3, rtol=0)
    assert (tmp_path / "half" / "model.safetensors").stat().st_size < (
        0.6 * (trained.folder / "model.safetensors").stat().st_size
    )


def test_a_changed_checkpoint_is_refused(hummed: Path, tmp_path: Path) -> None:
    trained = train(config(hummed, tmp_path, steps=1), model=HumModel(), encode=encode)
    path = trained.folder / "config.json"
    values = json.loads(path.read_text("utf-8"))
    values["config"]["groups"][0]["inputs"] = 7
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(ArtefactError):
        load_hypernet(trained.folder)


def test_merged_weights_speak_as_hooks_do_and_leave_no_trace(hummed: Path, tmp_path: Path) -> None:
    model = HumModel()
    trained = train(config(hummed, tmp_path, steps=30), model=model, encode=encode)
    found = load_hypernet(trained.folder)
    made = found.network(None, torch.rand(1, PARTIALS) * 0.1)
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    base = model.speak("abc", voice=made.condition(0))
    with adapted(model.network, found.groups, made.adapters, 2.0):
        hooked = model.speak("abc", voice=made.condition(0))
    with merged(model.network, found.groups, made.adapters, 2.0):
        fast = model.speak("abc", voice=made.condition(0))
    np.testing.assert_allclose(fast.samples, hooked.samples, atol=1e-6)
    assert np.abs(fast.samples - base.samples).max() > 1e-4
    assert all(torch.equal(model.network.state_dict()[n], value) for n, value in before.items())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps must be a positive integer"),
        ({"held_out": 1.0}, r"held_out must be in \[0, 1\), not 1.0"),
        ({"learning_rate": 0.0}, r"learning_rate must be in \(0, 1\)"),
        ({"clip": 0.0}, "clip must be positive"),
        ({"told": -1.0}, "told must be at least 0"),
        ({"evenness": 2.0}, "evenness must be from 0 to 1, not 2.0"),
        ({"warm_up": -1}, "warm_up must be at least 0"),
        ({"data": ""}, "data is empty"),
    ],
)
def test_impossible_settings_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(Path("a"), Path("b"), **values)


def test_shares_are_shares() -> None:
    with pytest.raises(ValueError, match="1 together at most"):
        Shares(text=0.8, both=0.3)


def test_a_warm_start_takes_what_fits(hummed: Path, tmp_path: Path) -> None:
    first = train(config(hummed, tmp_path / "a", steps=100), model=HumModel(), encode=encode)
    settings = config(hummed, tmp_path / "b", steps=1, start=str(first.folder), learning_rate=1e-6)
    second = train(settings, model=HumModel(), encode=encode)
    assert second.held_out["clip"] == pytest.approx(first.held_out["clip"], rel=0.1)
    assert dataclasses.asdict(settings)["start"] == str(first.folder)


def test_a_trained_run_is_validated_in_other_languages(hummed: Path, tmp_path: Path) -> None:
    done = train(config(hummed, tmp_path / "a", steps=80), model=HumModel(), encode=encode)
    same = config(hummed, tmp_path / "b", start=str(done.folder), phrases=120)
    assert validate(same, model=HumModel(), encode=encode) == pytest.approx(done.held_out)
    other = validate(dataclasses.replace(same, languages=("ko",)), model=HumModel(), encode=encode)
    assert other["clip"] == pytest.approx(done.held_out["clip"])
    assert other["text"] != done.held_out["text"]  # none of the three words is Korean
    assert not (tmp_path / "b").exists()
