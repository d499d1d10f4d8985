"""A larger model that begins where a smaller one ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import make_tts

from jepa_tts.audio_encoder import PITCH_DIMENSIONS
from jepa_tts.checkpoint import load_model, save_model
from jepa_tts.cli import main
from jepa_tts.config import SIZES, JepaConfig
from jepa_tts.growth import grow
from jepa_tts.model import JepaModel
from jepa_tts.stages import make_stage
from jepa_tts.stages.autoencode import Autoencode
from jepa_tts.text import collate_text
from jepa_tts.train import TrainConfig

TINY = SIZES["tiny"]
LARGER = replace(TINY, feed_forward=96, latent=32, decoder_channels=64, decoder_blocks=3)


@pytest.fixture(scope="module")
def small() -> JepaModel:
    """A model whose every part says something."""
    model = make_tts(seed=3).model
    torch.nn.init.normal_(model.predictor.start)
    return model


@pytest.fixture(scope="module")
def large(small: JepaModel) -> JepaModel:
    torch.manual_seed(1)
    return grow(small, LARGER)


@torch.inference_mode()
def test_a_grown_model_says_the_same(small: JepaModel, large: JepaModel) -> None:
    ids = collate_text(["Good morning to you.", "Go."])
    mels = []
    for model in (small, large):
        plan = model.plan(ids, model.voices.lookup(torch.tensor([0, 1])))
        latents, lengths = model.generate(plan)
        mels.append((latents, lengths, model.mel_decoder(latents, lengths)))
    (short, one, mel), (long, other, same) = mels
    assert torch.equal(one, other)
    torch.testing.assert_close(long[..., : TINY.latent], short, atol=1e-5, rtol=0)
    assert not long[..., TINY.latent :].any()
    torch.testing.assert_close(same, mel, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_a_grown_model_hears_the_same(small: JepaModel, large: JepaModel) -> None:
    mel = torch.randn(2, 100, 40) - 5
    heard, more = small.audio_encoder(mel), large.audio_encoder(mel)
    torch.testing.assert_close(more.mean[..., : TINY.latent], heard.mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(more.logvar[..., : TINY.latent], heard.logvar, atol=1e-5, rtol=0)
    assert not more.mean[..., TINY.latent :].any()
    assert float(more.logvar[..., TINY.latent :].max()) < -2.0  # little noise, as in a new model
    frames = torch.ones(2, 10, dtype=torch.bool)
    voice = large.voices.hear(more.mean, frames)
    torch.testing.assert_close(voice, small.voices.hear(heard.mean, frames), atol=1e-5, rtol=0)


def test_copies_learn_different_things(large: JepaModel) -> None:
    latents = torch.randn(2, 12, LARGER.latent)
    loss = (large.mel_decoder(latents) - torch.randn(2, 100, 48)).square().mean()
    decoder = large.mel_decoder
    grads = torch.autograd.grad(loss, [decoder.into.weight, decoder.refine.weight])
    one, other = grads[0].chunk(2)
    assert float((one - other).norm()) > 0.1 * float(one.norm())
    assert grads[1].abs().sum(dim=(0, 2)).min() > 0  # every channel is read


def test_everything_new_can_learn(large: JepaModel) -> None:
    """What is silent is not dead: a gradient reaches one side of each new part."""
    mel, ids = torch.randn(1, 100, 48) - 5, collate_text(["Good morning."])
    latents = torch.randn(1, 12, LARGER.latent)
    plan = large.plan(ids, large.voices.hear(latents, torch.ones(1, 12, dtype=torch.bool)))
    out = large.predict(plan, latents).latents
    heard = large.audio_encoder(mel).mean
    loss = (out - latents).square().mean() + heard.square().mean() + (heard - 1).abs().mean()
    loss = loss + (large.mel_decoder(latents) - mel).abs().mean()
    loss.backward()
    new = TINY.feed_forward, TINY.latent
    state = dict(large.named_parameters())
    assert state["predictor.feed_forward.0.down.weight"].grad[:, new[0] :].any()  # type: ignore[index]
    assert state["predictor.latent_in.weight"].grad[:, new[1] :].any()  # type: ignore[index]
    assert state["predictor.latent_out.weight"].grad[new[1] :].any()  # type: ignore[index]
    assert state["audio_encoder.out.weight"].grad[new[1] : LARGER.latent].any()  # type: ignore[index]
    assert state["mel_decoder.into.weight"].grad[:, new[1] :].any()  # type: ignore[index]
    assert state["mel_decoder.blocks.2.second.weight"].grad.any()  # type: ignore[union-attr]
    large.zero_grad()


def test_the_same_size_is_the_same_model(small: JepaModel) -> None:
    same = grow(small, small.config)
    for name, value in small.state_dict().items():
        torch.testing.assert_close(same.state_dict()[name], value, atol=1e-6, rtol=0)
    assert same.config == small.config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 64}, "width cannot grow from 32 to 64"),
        ({"latent": 16}, "latent would shrink from 24 to 16"),
        ({"decoder_channels": 48}, "whole multiples, not from 32 to 48"),
    ],
)
def test_what_cannot_grow(small: JepaModel, changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grow(small, replace(JepaConfig.from_dict(TINY.to_dict()), **changes))


def test_new_dimensions_start_as_what_the_old_leave_out(
    training_cache: Path, tmp_path: Path
) -> None:
    def settings(start: str, **given: int) -> TrainConfig:
        return TrainConfig(stage="autoencode", cache=str(training_cache), out=str(tmp_path),
                           start=start, size="tiny", batch=384, threads=1, **given)  # fmt: skip

    first = make_stage(settings(""))
    assert isinstance(first, Autoencode)
    before = first.network
    save_model(grow(before, LARGER), tmp_path / "grown")
    stage = make_stage(settings(str(tmp_path / "grown")))
    assert isinstance(stage, Autoencode)
    old, new = before.state_dict(), stage.network.state_dict()
    for part in ("weight", "bias"):
        name = f"audio_encoder.projection.{part}"
        assert torch.equal(new[name][: TINY.latent], old[name])
        assert new[name][TINY.latent :].any()
    assert not new["audio_encoder.projection.weight"][:PITCH_DIMENSIONS].any()
    errors = []
    for network in (before, stage.network):
        missing, total = 0.0, 0
        for row in stage.rows:
            mel = stage.corpus.mel_of(row).T[None]
            with torch.inference_mode():
                decoded = network.mel_decoder(network.audio_encoder(mel).mean)
            missing += float((decoded - mel).square().sum())
            total += mel.numel()
        errors.append(missing / total)
    assert errors[1] < 0.98 * errors[0]
    save_model(stage.network, tmp_path / "started")
    again = make_stage(settings(str(tmp_path / "started"), seed=9))
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, new[name]), name


def test_grow_from_the_command_line(small: JepaModel, tmp_path: Path) -> None:
    save_model(small, tmp_path / "small")
    arguments = ["grow", str(tmp_path / "small"), str(tmp_path / "large"), "--size"]
    run = CliRunner().invoke(main, [*arguments, "tiny"])
    assert run.exit_code == 0, run.output
    assert load_model(tmp_path / "large").config == small.config
    described = json.loads((tmp_path / "large" / "config.json").read_text("utf-8"))
    assert described["config"]["speakers"] == list(small.config.speakers)
    run = CliRunner().invoke(main, [*arguments, "tiny"])
    assert run.exit_code != 0
    assert "already exists" in run.output
    arguments[2] = str(tmp_path / "other")
    run = CliRunner().invoke(main, [*arguments, "base"])
    assert run.exit_code != 0
    assert "width cannot grow from 32 to 256" in run.output
    assert not (tmp_path / "other").exists()
