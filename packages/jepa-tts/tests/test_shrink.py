"""A smaller vocoder made of a larger one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepa_tts.checkpoint import load_vocoder, save_model
from jepa_tts.stages import make_stage
from jepa_tts.stages.shrink import given, pupil
from jepa_tts.train import TrainConfig, train, validate
from jepa_tts.vocoder import Vocoder
from jepa_tts.vocoder_config import VocoderConfig


@pytest.fixture(scope="module")
def teacher() -> Vocoder:
    """Three blocks that do something, and envelopes that show it."""
    torch.manual_seed(5)
    vocoder = Vocoder(VocoderConfig(width=16, inner=32, layers=3)).eval()
    for block in vocoder.backbone.convnext:
        torch.nn.init.uniform_(block.gamma, 0.5, 1.0)  # pyright: ignore[reportArgumentType]
    torch.nn.init.normal_(vocoder.head.out.weight, std=0.3)  # pyright: ignore[reportArgumentType]
    return vocoder


@torch.inference_mode()
def test_a_pupil_with_all_blocks_is_its_teacher(teacher: Vocoder) -> None:
    mel = torch.randn(2, 100, 20)
    for one, other in zip(given(teacher, mel), given(pupil(teacher, 3), mel), strict=True):
        assert torch.equal(one, other)


def test_a_pupil_keeps_the_ends(teacher: Vocoder) -> None:
    small = pupil(teacher, 2)
    assert small.config == replace(teacher.config, layers=2)
    mine, whole = small.state_dict(), teacher.state_dict()
    for name, value in mine.items():
        assert torch.equal(value, whole[name.replace("convnext.1.", "convnext.2.")]), name


def test_what_cannot_be_shrunk(teacher: Vocoder) -> None:
    for layers in (0, 4):
        with pytest.raises(ValueError, match=rf"layers must be in 1 .. 3, not {layers}"):
            pupil(teacher, layers)
    with pytest.raises(ValueError, match="'istft' cannot be imitated by its envelopes"):
        pupil(Vocoder(replace(teacher.config, head="istft")), 1)


def test_a_pupil_comes_near_and_speaks(
    teacher: Vocoder, training_cache: Path, tmp_path: Path
) -> None:
    save_model(teacher, tmp_path / "teacher", "vocoder")
    config = TrainConfig(
        stage="shrink", cache=str(training_cache), out=str(tmp_path / "run"), layers=1,
        vocoder=str(tmp_path / "teacher"), steps=60, batch=384, learning_rate=0.001, warm_up=2,
        threads=1, validate_every=60, media_every=60,
    )  # fmt: skip
    before = validate(make_stage(config))["envelopes_db"]
    after = train(config, progress=False)["envelopes_db"]
    assert 0.0 < after < 0.7 * before
    made = load_vocoder(tmp_path / "run" / "model")
    assert made.config.layers == 1
    assert made(torch.randn(1, 100, 9)).samples.shape == (1, 8 * 256)


def test_it_needs_somebody_to_imitate(training_cache: Path, tmp_path: Path) -> None:
    config = TrainConfig(stage="shrink", cache=str(training_cache), out=str(tmp_path))
    with pytest.raises(ValueError, match=r"TrainConfig\.vocoder must be the folder"):
        make_stage(config)
