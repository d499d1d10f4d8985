"""Voices by name and by ear."""

from __future__ import annotations

import pytest
import torch

from jepa_tts.model import JepaModel


def test_named_is_a_row_of_the_table(model: JepaModel) -> None:
    voices = model.voices
    assert torch.equal(voices.named("low"), voices.lookup(torch.tensor([1])))
    assert voices.named("high").shape == (1, model.config.width)


def test_unknown_voice_lists_the_known(model: JepaModel) -> None:
    with pytest.raises(ValueError, match="unknown voice 'bo'; this model knows: high, low"):
        model.voices.named("bo")


@torch.inference_mode()
def test_padding_changes_nothing(model: JepaModel) -> None:
    lengths = torch.tensor([8, 3])
    clips = torch.randn(2, 8, model.config.latent)
    together = model.voices.hear(clips, torch.arange(8)[None] < lengths[:, None])
    for index, count in enumerate(lengths.tolist()):
        clip = clips[index : index + 1, :count]
        alone = model.voices.hear(clip, torch.ones(1, count, dtype=torch.bool))
        torch.testing.assert_close(together[index], alone[0], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_different_clips_are_different_voices(model: JepaModel) -> None:
    clips = torch.randn(2, 8, model.config.latent) * torch.tensor([1.0, 3.0])[:, None, None]
    heard = model.voices.hear(clips, torch.ones(2, 8, dtype=torch.bool))
    assert not torch.allclose(heard[0], heard[1], atol=1e-3)
